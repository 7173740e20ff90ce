//! Makes bytes from a command safe to show on a terminal.

use std::iter::Peekable;
use std::str::Chars;

/// What becomes of colours and other text attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// Dropped like every other escape sequence.
    Drop,
    /// Kept, and reset at the end.
    Keep,
}

/// The longest attribute sequence worth keeping.
const LONGEST_ATTRIBUTES: usize = 32;

/// The text of `bytes` without anything that moves the cursor, changes the terminal's state or makes it answer:
/// control characters, escape sequences (ECMA-48, 7-bit and 8-bit) and marks that reorder text are dropped; tabs and
/// newlines stay, a carriage return becomes a newline, bytes that are not UTF-8 become U+FFFD.
pub fn sanitize_for_terminal(bytes: &[u8], colours: Colours) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut coloured = false;
    while let Some(c) = chars.next() {
        match c {
            '\t' | '\n' => out.push(c),
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    out.push('\n');
                }
            }
            '\x1b' => skip_escape(&mut chars, colours, &mut out, &mut coloured),
            '\u{9b}' => skip_control_sequence(&mut chars, colours, &mut out, &mut coloured),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut chars),
            _ if c.is_control() || reorders_text(c) => {}
            _ => out.push(c),
        }
    }
    if coloured {
        out.push_str("\x1b[0m");
    }
    out
}

fn skip_escape(chars: &mut Peekable<Chars<'_>>, colours: Colours, out: &mut String, coloured: &mut bool) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_control_sequence(chars, colours, out, coloured);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            skip_string(chars);
        }
        // Intermediate bytes and one final byte, as in the choice of a character set.
        _ => {
            while chars.next_if(|c| matches!(c, ' '..='/')).is_some() {}
            chars.next_if(|c| matches!(c, '0'..='~'));
        }
    }
}

/// After `ESC [`: parameters, intermediates, one final byte.
fn skip_control_sequence(chars: &mut Peekable<Chars<'_>>, colours: Colours, out: &mut String, coloured: &mut bool) {
    let mut body = String::new();
    let mut plain = true;
    while let Some(c) = chars.next_if(|c| matches!(c, ' '..='?')) {
        plain &= matches!(c, '0'..='9' | ';' | ':') && body.len() < LONGEST_ATTRIBUTES;
        if plain {
            body.push(c);
        }
    }
    let end = chars.next_if(|c| matches!(c, '@'..='~'));
    if end == Some('m') && plain && colours == Colours::Keep {
        out.push_str("\x1b[");
        out.push_str(&body);
        out.push('m');
        *coloured = !matches!(body.as_str(), "" | "0");
    }
}

/// After the start of a command string (window titles, clipboard, images): up to its terminator. One that is never
/// terminated ends with its line, so that it cannot hide what follows.
fn skip_string(chars: &mut Peekable<Chars<'_>>) {
    while let Some(c) = chars.next_if(|c| *c != '\n') {
        match c {
            '\x07' | '\u{9c}' => return,
            '\x1b' => {
                chars.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

/// Unicode's explicit directional marks, by which a text can show other than it reads.
fn reorders_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn safe(text: &str) -> String {
        sanitize_for_terminal(text.as_bytes(), Colours::Drop)
    }

    #[test]
    fn escape_sequences_vanish_and_text_stays() {
        for (raw, shown) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("\x1b[31mred\x1b[0m!", "red!"),
            ("\x1b[2J\x1b[1;1Hhome", "home"),
            ("\x1b[?1049hx", "x"),
            ("\x1b]0;title\x07a", "a"),
            ("\x1b]52;c;ZXZpbA==\x1b\\a", "a"),
            ("\x1bPq#0\x1b\\a", "a"),
            ("\x1b(Ba", "a"),
            ("\x1bca", "a"),
            ("a\u{9b}31mb\u{9d}0;t\u{9c}c", "abc"),
            ("a\0\x08\x07\x7fb", "ab"),
            ("10%\r20%\r\ndone", "10%\n20%\ndone"),
            ("\u{202e}txt.exe", "txt.exe"),
            ("\x1b]0;never ended\nnext", "\nnext"),
            ("\x1b", ""),
            ("\x1b[", ""),
            ("\x1b[3é", "é"),
        ] {
            assert_eq!(safe(raw), shown, "{raw:?}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        assert_eq!(sanitize_for_terminal(b"a\xff\xfeb\x9b31m", Colours::Drop), "a\u{fffd}\u{fffd}b\u{fffd}31m");
    }

    #[test]
    fn colours_may_stay_and_are_reset() {
        let keep = |text: &str| sanitize_for_terminal(text.as_bytes(), Colours::Keep);
        assert_eq!(keep("\x1b[1;38;5;9mx\x1b[2Jy"), "\x1b[1;38;5;9mxy\x1b[0m");
        assert_eq!(keep("\x1b[31mx\x1b[m"), "\x1b[31mx\x1b[m");
        assert_eq!(keep("\x1b[>4;2mx"), "x");
        assert_eq!(keep(&format!("\x1b[{}mx", "1;".repeat(40))), "x");
    }

    #[test]
    fn row_29_no_control_character_survives_whatever_comes() {
        for first in 0..=255_u8 {
            for second in 0..=255_u8 {
                let text = sanitize_for_terminal(&[0x1b, first, second, 0xc2, first, b'z'], Colours::Drop);
                assert!(text.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'), "{first} {second}");
            }
        }
    }
}

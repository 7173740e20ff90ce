//! What a plain scalar means: the core schema of YAML 1.2.2, section 10.3.2.

/// The meaning of a plain scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Core {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text,
}

/// Reads a plain scalar. An integer beyond 64 bits is a float, as in JSON.
pub(super) fn core(text: &str) -> Core {
    match text.as_bytes().first() {
        Some(b'0'..=b'9' | b'+' | b'-' | b'.') => number(text),
        None | Some(b'~' | b'n' | b'N' | b't' | b'T' | b'f' | b'F') => match text {
            "" | "~" | "null" | "Null" | "NULL" => Core::Null,
            "true" | "True" | "TRUE" => Core::Bool(true),
            "false" | "False" | "FALSE" => Core::Bool(false),
            _ => Core::Text,
        },
        Some(_) => Core::Text,
    }
}

fn number(text: &str) -> Core {
    let radix = |digits: &str, radix| match u64::from_str_radix(digits, radix) {
        Ok(number) if !digits.starts_with('+') => Core::Unsigned(number),
        _ => Core::Text,
    };
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" if text.starts_with('-') => return Core::Float(f64::NEG_INFINITY),
        ".inf" | ".Inf" | ".INF" => return Core::Float(f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if unsigned.len() == text.len() => return Core::Float(f64::NAN),
        _ => {}
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return match (text.parse(), text.parse()) {
            (Ok(number), _) => Core::Unsigned(number),
            (_, Ok(number)) => Core::Signed(number),
            _ => text.parse().map_or(Core::Text, Core::Float),
        };
    }
    if is_decimal(unsigned) { text.parse().map_or(Core::Text, Core::Float) } else { Core::Text }
}

/// Whether `text` is `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`.
fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    !(whole.is_empty() && fraction.is_empty())
        && digits(whole)
        && digits(fraction)
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_schema_and_nothing_of_yaml_1_1() {
        for (text, meaning) in [
            ("", Core::Null),
            ("~", Core::Null),
            ("Null", Core::Null),
            ("true", Core::Bool(true)),
            ("FALSE", Core::Bool(false)),
            ("0", Core::Unsigned(0)),
            ("010", Core::Unsigned(10)),
            ("+7", Core::Unsigned(7)),
            ("-7", Core::Signed(-7)),
            ("0x1F", Core::Unsigned(31)),
            ("0o17", Core::Unsigned(15)),
            ("18446744073709551616", Core::Float(18_446_744_073_709_551_616.0)),
            ("1.10", Core::Float(1.1)),
            (".5", Core::Float(0.5)),
            ("3.", Core::Float(3.0)),
            ("-1e3", Core::Float(-1000.0)),
            ("-.inf", Core::Float(f64::NEG_INFINITY)),
        ] {
            assert_eq!(core(text), meaning, "{text}");
        }
        let texts =
            "yes no on off y n True1 nULL 1_000 1:30 0b1 0x 0x+1 - + . -. 1e 1.2.3 e5 .e5 +.nan inf nan 2024-01-01";
        for text in texts.split(' ') {
            assert_eq!(core(text), Core::Text, "{text}");
        }
        assert!(matches!(core(".nan"), Core::Float(number) if number.is_nan()));
    }
}

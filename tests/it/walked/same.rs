//! Whether what a page shows is what was printed: but for what differs from run to run.

/// Shortest digest that is shown, in letters.
const DIGEST: usize = 12;
/// Letters of a SHA-256 as base64.
const SUM: usize = 44;
/// How a row of `history --slow` begins, settled.
const ROW: &str = "TIME SHARE ";

/// A line with a name in place of what differs from run to run.
fn settled(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut parts = line.split_whitespace().peekable();
    while let Some(part) = parts.next() {
        let bare = part.trim_start_matches('(');
        let unit = parts.peek().map(|unit| unit.trim_end_matches([')', ',', ':', ';'])).unwrap_or_default();
        let name = match unit {
            "ms" | "s" | "min" | "h" => "TIME",
            "B" | "KiB" | "MiB" | "bytes" => "SIZE",
            "%" => "SHARE",
            _ => "",
        };
        if bare.parse::<f64>().is_ok() && !name.is_empty() {
            let last = parts.next().expect("the unit");
            let (open, close) = (&part[..part.len() - bare.len()], &last[unit.len()..]);
            // "1 min 6 s" is one time.
            match words.last_mut().filter(|word| word.ends_with("TIME") && name == "TIME" && open.is_empty()) {
                Some(word) => word.push_str(close),
                None => words.push(format!("{open}{name}{close}")),
            }
            continue;
        }
        words.push(settled_word(part));
    }
    let text = words.join(" ");
    // Its last column is ordered by time.
    let columns: Vec<&str> = line.split("  ").filter(|column| !column.is_empty()).collect();
    if text.starts_with(ROW) && columns.len() > 4 { settled(&columns[..4].join("  ")) } else { text }
}

fn settled_word(word: &str) -> String {
    let whole = word.trim_matches(['(', ')', ',', ';']);
    if whole.len() == SUM && whole.ends_with('=') {
        return word.replace(whole, "SUM");
    }
    let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_hex = |text: &str| text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
    let is_digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let parts: Vec<&str> = core.split(['-', ':']).collect();
    let name = match parts[..] {
        [digest] if digest.len() >= DIGEST && is_hex(digest) => "DIGEST",
        [day, time, more] if day.len() == 8 && is_digits(day) && is_digits(time) && is_hex(more) => "RUN",
        [year, month, day] if year.len() == 4 && [year, month, day].into_iter().all(is_digits) => "DATE",
        [hour, minute, second] if hour.len() == 2 && [hour, minute, second].into_iter().all(is_digits) => "CLOCK",
        _ => return word.to_owned(),
    };
    word.replace(core, name)
}

/// Lines that are one below the other in whatever order things ended.
fn is_unordered(line: &str) -> bool {
    line.starts_with("ran ") || line.starts_with("restore ") || line.starts_with(ROW)
}

/// Lines in the order in which they would be if nodes that work side by side ended by name. Which nodes were the slowest is
/// left out, and so it may be missing: it is where no node took long.
fn ordered(lines: &[String]) -> Vec<String> {
    let settled = lines.iter().map(|line| settled(line));
    let mut lines: Vec<String> =
        settled.filter(|line| !line.starts_with("slowest ") && !line.starts_with("path ")).collect();
    lines.chunk_by_mut(|one, other| is_unordered(one) && is_unordered(other)).for_each(<[String]>::sort);
    lines
}

fn is_gap(line: &str) -> bool {
    line.trim() == "…"
}

/// Whether a page leaves out all that is printed.
pub(super) fn is_any(expected: &[String]) -> bool {
    !expected.is_empty() && expected.iter().all(|line| is_gap(line))
}

/// The same of what a page shows: where lines are left out of some that have no order, they are left out anywhere.
fn wanted(lines: &[String]) -> Vec<String> {
    let mut wanted = Vec::new();
    let is_part = |line: &String| is_gap(line) || is_unordered(&settled(line));
    for part in lines.chunk_by(|one, other| is_part(one) && is_part(other)) {
        let (gaps, shown): (Vec<String>, Vec<String>) = part.iter().cloned().partition(|line| is_gap(line));
        let shown = ordered(&shown);
        if gaps.is_empty() {
            wanted.extend(shown);
            continue;
        }
        wanted.extend(shown.into_iter().flat_map(|line| ["…".to_owned(), line]));
        wanted.push("…".to_owned());
    }
    wanted
}

/// Whether the lines are as expected, where `…` stands for any number of them, and at the end of one for any end.
pub(super) fn is_same(expected: &[String], found: &[String]) -> bool {
    let (expected, found) = (wanted(expected), ordered(found));
    let (mut at, mut next) = (0, 0);
    // The last `…` that was passed, and how far what it stands for goes.
    let mut gap: Option<(usize, usize)> = None;
    while next < found.len() {
        match expected.get(at).map(String::as_str) {
            Some("…") => {
                gap = Some((at, next));
                at += 1;
            }
            Some(line) if is_line(line, &found[next]) => (at, next) = (at + 1, next + 1),
            _ => {
                let Some((before, taken)) = &mut gap else { return false };
                *taken += 1;
                (at, next) = (*before + 1, *taken);
            }
        }
    }
    expected[at..].iter().all(|line| line == "…")
}

fn is_line(expected: &str, found: &str) -> bool {
    expected == found || expected.strip_suffix('…').is_some_and(|start| found.starts_with(start))
}

#[test]
fn what_differs_from_run_to_run_is_settled_and_nothing_else() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (expected, found) in [
        ("ran a (1 min 6 s) never", "ran a (94 ms) never"),
        ("x 94e7352ec357 → 27d798b72349", "x 000000000000 → 111111111111"),
        ("run 20261126-122323-29fc on 2026-11-26 12:23:23 UTC", "run 20270101-000000-aaaa on 2027-01-01 00:00:01 UTC"),
        (
            "there (rArX5CYk8bkcYZjXxYeyuMSyrZuGcpqak/RktNZVmBk=)",
            "there (KArX5CYk8bkcYZjXxYeyuMSyrZuGcpqak/RktNZVmBk=)",
        ),
        ("size  2810056 bytes", "size  2810057 bytes"),
        ("a\n…\nd", "a\nb\nc\nd"),
        ("a\n…\nd\n…\nd", "a\nd\nd\nd"),
        ("  ran a (1 ms) x\n  ran b (1 ms) x", "  ran b (2 ms) x\n  ran a (1 ms) x"),
        ("x\n ran c (1 ms)\n …\n ran a (1 ms)\ny", "x\nran a (1 ms)\nran b (1 ms)\nran c (1 ms)\ny"),
        ("done\nslowest a 5 ms\npath a\nnext b", "done\nnext b"),
        ("292 ms   52 %      3  a  x, y\n10 ms  4 %  1  b  z", "11 ms   5 %      1  b  z\n9 ms  4 %  3  a  y, x"),
        ("denied: …", "denied: a role"),
        ("…", ""),
    ] {
        assert!(is_same(&lines(expected), &lines(found)), "{expected} and {found}");
    }
    for (expected, found) in [
        ("done: 4 ran (5 ms)", "done: 3 ran (5 ms)"),
        ("a", "a\nb"),
        ("a\nb", "a"),
        ("a\n…\nd", "a\nb"),
        ("a\n…\nd\n…\nd", "a\nb\nd"),
        ("took 5 ms", "took 5 MiB"),
        ("94e7352ec357", "main"),
        ("ran a (1 ms)\n…\nran b (1 ms)", "ran b (1 ms)\nran c (1 ms)"),
        ("292 ms   52 %      3  a  x", "292 ms   52 %      2  a  x"),
        ("denied: …", "refused: a role"),
    ] {
        assert!(!is_same(&lines(expected), &lines(found)), "{expected} and {found}");
    }
}

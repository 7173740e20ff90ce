//! The reader from text to picture: what users see for typical mistakes, and what no text may cause.

mod pictures;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use crate::base::diag::{Diagnostic, SourceMap, Span, render};
use crate::spec::yaml::{Limits, Located, Style, Tree, Value, decode, one_or_many, parse, read};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<String>,
    #[serde(default)]
    jobs: BTreeMap<Located<String>, Job>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Job {
    command: Vec<String>,
    #[serde(default, deserialize_with = "one_or_many")]
    inputs: Vec<Located<String>>,
    #[serde(default)]
    class: Class,
    #[serde(default)]
    sandbox: bool,
    retries: Option<u8>,
    even: Option<Even>,
    version: Option<Located<String>>,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Class {
    #[default]
    Pure,
    Volatile,
    Timed(u32),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "u32")]
struct Even(u32);

impl TryFrom<u32> for Even {
    type Error = String;
    fn try_from(number: u32) -> Result<Self, String> {
        if number.is_multiple_of(2) { Ok(Self(number)) } else { Err(format!("{number} is odd")) }
    }
}

fn reading(text: &str) -> (SourceMap, Option<File>, Vec<Diagnostic>) {
    let mut sources = SourceMap::default();
    let id = sources.add("p.yaml", text);
    let mut problems = Vec::new();
    let file = read(id, text, &Limits::default(), &mut problems);
    (sources, file, problems)
}

/// What the user sees for a text with mistakes.
fn shown(text: &str) -> String {
    let (sources, file, problems) = reading(text);
    assert!(file.is_none());
    render(&sources, &problems, false)
}

fn messages(text: &str) -> Vec<String> {
    let (sources, _, problems) = reading(text);
    let place = |problem: &Diagnostic| problem.span().map(|span| sources.place(span)).unwrap_or_default();
    problems.iter().map(|problem| format!("{} {}", place(problem), problem.message)).collect()
}

#[test]
fn a_good_file_is_read_with_its_places_and_texts_as_written() {
    let text = "\u{feff}name: é\njobs:\n  a:\n    command: [sh, -c, \"x\\ty\", 1.10, yes, null, 0x1F]\n    inputs: 010\n    \
                class: {timed: 5}\n    sandbox: true\n    even: 4\n    version: 1.10\n    env: &e {A: ~, B: 'true'}\n  \
                b: {command: [], env: *e, class: volatile, inputs: [p, q], retries: ~}\n";
    let (sources, file, problems) = reading(text);
    assert_eq!(problems, []);
    let file = file.unwrap();
    assert_eq!(file.name.as_deref(), Some("é"));
    let (key, job) = file.jobs.first_key_value().unwrap();
    assert_eq!((sources.place(key.span).as_str(), key.as_str()), ("p.yaml:3:3", "a"));
    assert_eq!(job.command, ["sh", "-c", "x\ty", "1.10", "yes", "null", "0x1F"]);
    assert_eq!(job.inputs[0].value, "010");
    assert_eq!((&job.class, job.sandbox, job.even.as_ref()), (&Class::Timed(5), true, Some(&Even(4))));
    let version = job.version.as_ref().unwrap();
    assert_eq!((version.as_str(), sources.slice(version.span)), ("1.10", Some("1.10")));
    assert_eq!(job.env, BTreeMap::from([("A".into(), "~".into()), ("B".into(), "true".into())]));
    let other = &file.jobs["b"];
    assert_eq!((&other.env, &other.class, other.retries), (&job.env, &Class::Volatile, None));
    assert_eq!(sources.place(other.inputs[1].span), "p.yaml:11:58");
}

#[test]
fn all_problems_are_found_in_order_and_once() {
    let text = "name: [x]\njobs:\n  a: {command: [a, [b], c, {}], retries: x}\n  b: {comand: [x], even: 3, env: {A: [], B: []}}\n  \
                c: {command: [x]}\n  d: {class: {timed: -1}}\n  e: {command: [x], class: {timed: a}, bogus: 1}\nzzz: 1\n";
    assert_eq!(
        messages(text),
        [
            "p.yaml:1:7 expected a text, found a list",
            "p.yaml:3:20 expected a text, found a list",
            "p.yaml:3:28 expected a text, found a map",
            "p.yaml:3:42 expected a whole number from 0 to 255, found the text `x`",
            "p.yaml:4:7 unknown field `comand`",
            "p.yaml:4:26 3 is odd",
            "p.yaml:4:38 expected a text, found a list",
            "p.yaml:4:45 expected a text, found a list",
            "p.yaml:6:6 missing field `command`",
            "p.yaml:6:22 expected a whole number from 0 to 4294967295, found the number `-1`",
            "p.yaml:7:36 expected a whole number from 0 to 4294967295, found the text `a`",
            "p.yaml:7:40 unknown field `bogus`",
            "p.yaml:8:1 unknown field `zzz`",
        ]
    );
}

#[test]
fn the_number_of_problems_is_bounded() {
    let many = |line: &dyn Fn(usize) -> String| (0..50_000).map(line).collect::<String>();
    for text in [
        many(&|n| format!("u{n}: 1\n")),
        many(&|_| "k: 1\n".to_owned()),
        format!("jobs:\n{}", many(&|n| format!("  j{n}: {{comand: [x]}}\n"))),
        format!("jobs:\n{}", many(&|n| format!("  j{n}: {{command: x}}\n"))),
    ] {
        assert_eq!(messages(&text).len(), 50);
    }
}

#[test]
fn a_tree_tells_styles_places_and_extents() {
    let text = "a: 'q'\nb: |\n  x\n  y\n\nc:\n  - 1\n  - [2, 3]\n\nd: !!str 5\n";
    let mut sources = SourceMap::default();
    let id = sources.add("t", text);
    let tree = parse(id, text, &Limits::default(), &mut Vec::new()).unwrap();
    let part = |key| sources.slice(tree.get(key).unwrap().span());
    assert!(matches!(tree.get("a").unwrap().value(), Value::Scalar("q", Style::Quoted)));
    assert!(matches!(tree.get("b").unwrap().value(), Value::Scalar("x\ny\n", Style::Block)));
    assert!(matches!(tree.get("d").unwrap().value(), Value::Scalar("5", Style::Quoted)));
    assert_eq!((part("a"), part("c")), (Some("'q'"), Some("- 1\n  - [2, 3]")));
    assert_eq!(tree.key_span("c").map(|span| sources.place(span)).as_deref(), Some("t:6:1"));
    assert_eq!(tree.get("c").unwrap().items().len(), 2);
    assert_eq!(tree.get("c").unwrap().describe(), "a list");
    assert!(decode::<Vec<u32>>(tree.get("c").unwrap().items().last().unwrap(), &mut Vec::new()).is_some());
    assert!(std::mem::size_of::<Tree<'_>>() <= 40, "a pipeline of 100,000 nodes has more than a million of these");
}

#[test]
fn nothing_is_no_value() {
    for text in ["", "# only a comment\n", "\u{feff}", "---\n"] {
        assert!(messages(text)[0].ends_with("expected a map, found nothing"), "{text:?}");
    }
}

#[test]
fn bombs_are_refused() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let mut aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..30 {
        aliases += &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", "));
    }
    let mut ladder = "a0: &a0 x\n".to_owned();
    for n in 1..200 {
        ladder += &format!("a{n}: &a{n} [*a{}]\n", n - 1);
    }
    let long = format!("a: &a \"\\n{}\"\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 1000].join(", "));
    for (bomb, why) in [
        ("[".repeat(200_000), "within each other"),
        ("{a: ".repeat(50_000), "within each other"),
        ("- ".repeat(100_000), "within each other"),
        (nested(65), "within each other"),
        (aliases, "aliases repeat too much"),
        (ladder, "within each other"),
        (long, "aliases repeat too much"),
        ("a: &a [*a]".to_owned(), "an alias within what it stands for"),
    ] {
        let found = messages(&bomb);
        assert!(found.len() == 1 && found[0].contains(why), "{why}: {found:?}");
    }
    let mut problems = Vec::new();
    let (source, deep) = (Span::default().source, nested(64));
    assert!(parse(source, &deep, &Limits::default(), &mut problems).is_some(), "{problems:?}");
    let short = Limits { bytes: 5, ..Limits::default() };
    assert!(parse(source, "a: bcd", &short, &mut problems).is_none());
}

/// Every place of a tree.
fn spans(tree: &Tree<'_>, out: &mut Vec<Span>) {
    out.push(tree.span());
    tree.items().iter().for_each(|item| spans(item, out));
    for entry in tree.entries() {
        out.push(entry.key.span());
        spans(&entry.value, out);
    }
}

fn check_any_text(bytes: &[u8]) {
    let mut sources = SourceMap::default();
    let id = match sources.add_bytes("p.yaml", bytes.to_vec()) {
        Ok(id) => id,
        Err(problem) => {
            assert!(render(&sources, &[problem], false).contains("not UTF-8"));
            return;
        }
    };
    let text = &*sources.get(id).unwrap().text;
    let mut problems = Vec::new();
    let mut places = Vec::new();
    match parse(id, text, &Limits::default(), &mut problems) {
        Some(tree) => {
            spans(&tree, &mut places);
            let before = problems.len();
            let made = decode::<File>(&tree, &mut problems);
            assert_eq!(made.is_some(), problems.len() == before);
        }
        None => assert!(!problems.is_empty()),
    }
    places.extend(problems.iter().flat_map(|problem| problem.labels.iter().map(|label| label.span)));
    for span in places {
        assert!(span.start <= span.end && sources.slice(span).is_some(), "{span:?} in {text:?}");
    }
    render(&sources, &problems, true);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        check_any_text(&bytes);
    }

    #[test]
    fn no_text_makes_it_panic(
        parts in proptest::collection::vec(
            prop::sample::select(vec![
                "a", "é", "\u{10348}", ": ", ":", "\n", "\r\n", "\n  ", "\n    ", "- ", "? ", "[", "]", "{", "}", ", ", "'",
                "\"", "\\x41", "|\n", ">-\n", "#", " # ", "&a ", "*a", "!!str ", "!t ", "~", "1.5", "true", "\t", "<<: ",
                "---\n", "...\n", "%", "name: ", "jobs:\n  ", "command: ", "inputs: ", "class: ", "timed", "\u{feff}", "\u{85}", "\0",
            ]),
            0..40,
        )
    ) {
        check_any_text(parts.concat().as_bytes());
    }
}

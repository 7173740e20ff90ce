//! What users see for typical mistakes, to the letter.

use crate::spec::yaml::tests::shown;

#[test]
fn an_unknown_field() {
    assert_eq!(
        shown("jobs:\n  a:\n    comand: [sh]\n"),
        "\
error[OC0116]: unknown field `comand`
 --> p.yaml:3:5
  |
3 |     comand: [sh]
  |     ^^^^^^
  |
  = note: possible here: `command`, `inputs`, `class`, `sandbox`, `retries`, `even`, `version`, `env`
  = help: did you mean `command`?

"
    );
}

#[test]
fn a_missing_field() {
    assert_eq!(
        shown("name: x\njobs:\n  a:\n    retries: 2\n    env: {A: b}\n"),
        "\
error[OC0115]: missing field `command`
 --> p.yaml:4:5
  |
4 |     retries: 2
  |     ^^^^^^^^^^ this needs a field `command`

"
    );
}

#[test]
fn a_wrong_type() {
    assert_eq!(
        shown("jobs:\n  a: {command: sh}\n  b: [sh]\n  c:\n"),
        "\
error[OC0114]: expected a list, found the text `sh`
 --> p.yaml:2:16
  |
2 |   a: {command: sh}
  |                ^^ expected a list
  |
  = help: write a list: `[...]`, or lines that start with `- `

error[OC0114]: expected a map, found a list
 --> p.yaml:3:6
  |
3 |   b: [sh]
  |      ^^^^ expected a map

error[OC0114]: expected a map, found nothing
 --> p.yaml:4:3
  |
4 |   c:
  |   ^ expected a map

"
    );
}

#[test]
fn an_unknown_variant() {
    assert_eq!(
        shown("jobs:\n  a: {command: [x], class: purr}\n"),
        "\
error[OC0117]: unknown value `purr`
 --> p.yaml:2:28
  |
2 |   a: {command: [x], class: purr}
  |                            ^^^^
  |
  = note: possible here: `pure`, `volatile`, `timed`
  = help: did you mean `pure`?

"
    );
}

#[test]
fn a_bad_boolean_and_number() {
    assert_eq!(
        shown(
            "jobs:\n  a:\n    command: [x]\n    sandbox: yes\n    retries: \"5\"\n  b: {command: [x], retries: -1}\n"
        ),
        "\
error[OC0114]: expected `true` or `false`, found the text `yes`
 --> p.yaml:4:14
  |
4 |     sandbox: yes
  |              ^^^ expected `true` or `false`
  |
  = help: write `true`

error[OC0114]: expected a whole number from 0 to 255, found the text `5`
 --> p.yaml:5:14
  |
5 |     retries: \"5\"
  |              ^^^ expected a whole number from 0 to 255
  |
  = help: remove the quotes

error[OC0114]: expected a whole number from 0 to 255, found the number `-1`
 --> p.yaml:6:30
  |
6 |   b: {command: [x], retries: -1}
  |                              ^^ expected a whole number from 0 to 255

"
    );
}

#[test]
fn a_duplicate_key_far_away() {
    assert_eq!(
        shown(&format!("name: x\n{}name: y\n", "# comment\n".repeat(20))),
        "\
error[OC0108]: duplicate key `name`
  --> p.yaml:22:1
   |
22 | name: y
   | ^^^^ this one is here again
   |
  ::: p.yaml:1:1
   |
 1 | name: x
   | ---- first here

"
    );
}

#[test]
fn a_tag() {
    assert_eq!(
        shown("jobs:\n  a: {command: [x, !y]}\n"),
        "\
error[OC0110]: the tag `!y` is not supported here
 --> p.yaml:2:20
  |
2 |   a: {command: [x, !y]}
  |                    ^^
  |
  = help: put a text that starts with `!` in quotes

"
    );
}

#[test]
fn a_merge_key() {
    assert_eq!(
        shown("base: &base {A: b}\njobs:\n  a: {<<: *base}\n"),
        "\
error[OC0112]: merge keys are not supported
 --> p.yaml:3:7
  |
3 |   a: {<<: *base}
  |       ^^
  |
  = help: write the entries out, or use `*name` as a whole value

"
    );
}

#[test]
fn a_second_document() {
    assert_eq!(
        shown("name: x\n---\nname: y\n"),
        "\
error[OC0112]: more than one document in the file
 --> p.yaml:2:1
  |
2 | ---
  | ^^^ a second one starts here
  |
  = help: put it in a file of its own

"
    );
}

#[test]
fn a_bracket_left_open() {
    assert_eq!(
        shown("jobs:\n  a: {command: [x]\n  b: {command: [y]}\n"),
        "\
error[OC0104]: expected `,` or `}`
 --> p.yaml:3:3
  |
2 |   a: {command: [x]
  |      - still open
3 |   b: {command: [y]}
  |   ^
  |
  = help: put a text with one of `{}[],` in quotes

"
    );
}

#[test]
fn a_tab() {
    assert_eq!(
        shown("jobs:\n\ta: {}\n"),
        "\
error[OC0106]: a tab is not allowed here
 --> p.yaml:2:2
  |
2 |     a: {}
  |     ^
  |
  = help: indent with spaces

"
    );
}

#[test]
fn a_colon_in_a_text() {
    assert_eq!(
        shown("name: layers: all\n"),
        "\
error[OC0105]: `:` is not allowed here
 --> p.yaml:1:13
  |
1 | name: layers: all
  |             ^
  |
  = help: put a text with `: ` in quotes
  = help: check the indentation

"
    );
}

#[test]
fn a_glob_without_quotes() {
    assert_eq!(
        shown("jobs:\n  a: {command: [x], inputs: *.go}\n"),
        "\
error[OC0109]: an alias to an anchor that is not there
 --> p.yaml:2:29
  |
2 |   a: {command: [x], inputs: *.go}
  |                             ^
  |
  = help: put a text that starts with `*` in quotes

"
    );
}

#[test]
fn a_map_as_key() {
    assert_eq!(
        shown("{a: b}: c\n"),
        "\
error[OC0107]: a map cannot be a key
 --> p.yaml:1:1
  |
1 | {a: b}: c
  | ^ expected a text
  |
  = help: put a text with `{` in quotes

"
    );
}

#[test]
fn a_custom_refusal() {
    assert_eq!(
        shown("jobs:\n  a: {command: [x], even: 3}\n"),
        "\
error[OC0118]: 3 is odd
 --> p.yaml:2:27
  |
2 |   a: {command: [x], even: 3}
  |                           ^

"
    );
}

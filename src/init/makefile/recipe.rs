//! A recipe as the command of a node: words where that says the same, else a script of the shell.

use crate::init::makefile::variables::{Automatic, Variables};

/// What a node runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    /// Program and arguments; the last of a shell is its script.
    pub(super) command: Vec<String>,
    /// Where its standard output goes.
    pub(super) stdout: Option<String>,
    /// The dependency file that a compiler writes.
    pub(super) depfile: Option<String>,
    /// A compiler that names no dependency file: headers stay unseen.
    pub(super) hides_headers: bool,
}

/// A line of a recipe, without what make alone reads of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    /// Written with `-`: the next line runs even if this one fails.
    may_fail: bool,
}

impl Line {
    /// As part of a script. A bracket has a line of its own: a comment would take it away.
    fn script(&self) -> String {
        if self.may_fail { format!("(\n{}\n) || true", self.text) } else { self.text.clone() }
    }
}

/// Words that only a shell knows, or that would run another program of the same name.
const OF_THE_SHELL: [&str; 16] = [
    ":", ".", "[", "cd", "exit", "export", "set", "unset", "exec", "eval", "source", "ulimit", "umask", "if", "for",
    "while",
];

const COMPILERS: [&str; 6] = ["cc", "gcc", "clang", "c++", "g++", "clang++"];

/// The lines of a recipe as make would hand them to a shell, without what only makes room for the target.
pub(super) fn lines(recipe: &[String], variables: &mut Variables<'_>, automatic: &Automatic) -> Vec<Line> {
    let expanded = recipe.iter().map(|line| variables.expand(line, Some(automatic)));
    let lines: Vec<String> = expanded.collect();
    lines
        .iter()
        .filter_map(|line| {
            let text = line.trim();
            let prefix = text.len() - text.trim_start_matches(['@', '-', '+', ' ', '\t']).len();
            let may_fail = text[..prefix].contains('-');
            let text = text[prefix..].trim();
            if text.is_empty() || text.starts_with('#') || makes_room(text, &automatic.target) {
                return None;
            }
            Some(Line { text: text.to_owned(), may_fail })
        })
        .collect()
}

/// Whether a line only makes the folder of the target, which is there before a command starts.
fn makes_room(line: &str, target: &str) -> bool {
    let Some(folders) = folders_made(line) else { return false };
    let is_above = |folder: &str| {
        let folder = folder.trim_start_matches("./").trim_end_matches('/');
        folder == "." || target.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    };
    !target.is_empty() && folders.into_iter().all(is_above)
}

/// The folders of a line that is only `mkdir`.
pub(super) fn folders_made(line: &str) -> Option<Vec<&str>> {
    let rest = line.trim_start_matches(['@', '-', '+', ' ', '\t']).strip_prefix("mkdir ")?;
    let words: Vec<&str> = rest.split_whitespace().filter(|word| *word != "-p").collect();
    let is_plain = !words.is_empty() && words.iter().all(|word| !word.starts_with('-') && is_plain(word));
    is_plain.then_some(words)
}

fn is_plain(text: &str) -> bool {
    !text.contains(|c: char| "|&;<>()$`\\\"'*?[]#~{}!\n\t".contains(c))
}

/// The words of a line that means the same without a shell.
fn words(line: &str) -> Option<Vec<String>> {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let first = words.first()?;
    let is_command = !first.contains('=') && !OF_THE_SHELL.contains(&first.as_str());
    (is_plain(line) && is_command).then_some(words)
}

/// The command for these lines; `target` may be what its output is sent to.
pub(super) fn command(lines: &[Line], shell: &str, is_one_shell: bool, target: &str) -> Run {
    if let [Line { text, may_fail: false }] = lines {
        let (text, stdout) = match sent_to(text, target) {
            Some(text) => (text, Some(target.to_owned())),
            None => (text.as_str(), None),
        };
        if let Some(words) = words(text) {
            return described(Run { command: words, stdout, ..Run::default() });
        }
    }
    let script = match lines {
        [line] => line.script(),
        _ if is_one_shell => lines.iter().map(Line::script).collect::<Vec<_>>().join("\n"),
        // Make gives each line a shell of its own: what one sets, another does not see.
        _ => {
            let apart = lines.iter().map(|line| match line.may_fail || words(&line.text).is_some() {
                true => line.script(),
                false => format!("(\n{}\n)", line.text),
            });
            ["set -e".to_owned()].into_iter().chain(apart).collect::<Vec<_>>().join("\n")
        }
    };
    Run { command: vec![shell.to_owned(), "-c".to_owned(), script.replace("${", "$${")], ..Run::default() }
}

/// What stands before `> target`. A digit right before it would name another stream: `2>`.
fn sent_to<'l>(line: &'l str, target: &str) -> Option<&'l str> {
    let (before, file) = line.split_once('>')?;
    (file.trim() == target && !before.ends_with(|c: char| c.is_ascii_digit())).then(|| before.trim())
}

/// With what a compiler says of the headers it reads.
fn described(mut run: Run) -> Run {
    let has = |option: &str| run.command.iter().any(|word| word == option);
    let after = |option: &str| {
        let at = run.command.iter().position(|word| word == option)?;
        run.command.get(at + 1).cloned()
    };
    let program = run.command[0].rsplit('/').next().unwrap_or_default();
    if !COMPILERS.contains(&program) || !has("-c") {
        return run;
    }
    if has("-MMD") || has("-MD") {
        let beside = || {
            let object = after("-o")?;
            Some(format!("{}.d", object.strip_suffix(".o").unwrap_or(&object)))
        };
        run.depfile = after("-MF").or_else(beside);
    } else {
        run.hides_headers = true;
    }
    run
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Run {
        let recipe: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let tree = Default::default();
        let lines = super::lines(&recipe, &mut Variables::new(&tree), &Automatic::default());
        command(&lines, "sh", false, "out/x")
    }

    #[test]
    fn a_shell_is_there_only_where_it_has_something_to_do() {
        for (lines, wanted) in [
            (vec!["cc -DA=1 -o out/x x.c"], "cc|-DA=1|-o|out/x|x.c"),
            (vec!["echo 'a b' | sort"], "sh|-c|echo 'a b' | sort"),
            (vec!["A=1 run"], "sh|-c|A=1 run"),
            (vec!["cd sub"], "sh|-c|cd sub"),
            (vec!["sort a b > out/x"], "sort|a|b"),
            (vec!["sort a b > other"], "sh|-c|sort a b > other"),
            (vec!["one", "echo $${HOME}"], "sh|-c|set -e\none\n(\necho $${HOME}\n)"),
            (vec!["tool 2> out/x"], "sh|-c|tool 2> out/x"),
            (vec!["tool 2 > out/x"], "tool|2"),
            (vec!["-rm x # all of it"], "sh|-c|(\nrm x # all of it\n) || true"),
            (vec!["one", "-two; three # four"], "sh|-c|set -e\none\n(\ntwo; three # four\n) || true"),
            (vec!["one", "cd a; (two) || true"], "sh|-c|set -e\none\n(\ncd a; (two) || true\n)"),
        ] {
            assert_eq!(of(&lines).command.join("|"), wanted);
        }
        assert_eq!(of(&["sort a b > out/x"]).stdout.as_deref(), Some("out/x"));
    }

    #[test]
    fn headers_are_seen_by_the_compilers_own_file() {
        assert_eq!(of(&["cc -MMD -c x.c -o out/x.o"]).depfile.as_deref(), Some("out/x.d"));
        assert_eq!(of(&["cc -MD -MF deps -c x.c -o out/x.o"]).depfile.as_deref(), Some("deps"));
        let without = of(&["cc -c x.c -o out/x.o"]);
        assert!(without.hides_headers && without.depfile.is_none());
        assert!(!of(&["cc x.o -o x"]).hides_headers);
    }

    #[test]
    fn prefixes_go_and_what_only_makes_room_too() {
        let tree = Default::default();
        let mut variables = Variables::new(&tree);
        let automatic = Automatic { target: "out/deep/x".to_owned(), ..Automatic::default() };
        let recipe = ["@mkdir -p $(@D)", "# why", "-rm -f $@", "@touch $@", "mkdir -p other"].map(str::to_owned);
        let lines = lines(&recipe, &mut variables, &automatic);
        let lines: Vec<(&str, bool)> = lines.iter().map(|line| (line.text.as_str(), line.may_fail)).collect();
        assert_eq!(lines, [("rm -f out/deep/x", true), ("touch out/deep/x", false), ("mkdir -p other", false)]);
    }
}

//! Reads Make-style dependency files, as compilers write them.

use std::path::{Component, Path, PathBuf};

/// The dependencies that a depfile names, in order, each once. Targets and phony lines (`header.h:`) are left out.
///
/// # Errors
/// In words, if the text is no depfile.
pub(in crate::exec) fn parse(text: &str) -> Result<Vec<String>, String> {
    let mut found: Vec<String> = Vec::new();
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    for line in joined.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')) {
        let words = words(line);
        let targets = words.iter().position(|word| word.ends_with(':'));
        let Some(targets) = targets else {
            return Err(format!("`{}` has no `target:`", line.trim()));
        };
        for word in &words[targets + 1..] {
            if !found.contains(word) {
                found.push(word.clone());
            }
        }
    }
    Ok(found)
}

/// Splits at blanks; `\ ` is a blank, `\#` a `#`, `$$` a `$`.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if matches!(chars.peek(), Some(' ' | '#' | '\t' | ':')) => word.extend(chars.next()),
            '$' if chars.peek() == Some(&'$') => word.extend(chars.next()),
            ' ' | '\t' => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// A path of a depfile as it is stored: relative to the project if inside it, else absolute.
pub(in crate::exec) fn relative(name: &str, dir: &str, base: &Path, root: &Path) -> String {
    let full = base.join(dir).join(name);
    let mut clean = PathBuf::new();
    for part in full.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            part => clean.push(part),
        }
    }
    let inside = clean.strip_prefix(base).or_else(|_| clean.strip_prefix(root)).unwrap_or(&clean);
    inside.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_with_escapes_and_phony_lines() {
        let text = "out/a.o: src/a.c \\\n  include/a\\ b.h $$odd.h\\\n\nsrc/a.c:\nother.o : x\\#y\n";
        assert_eq!(parse(text).unwrap(), ["src/a.c", "include/a b.h", "$odd.h", "x#y"]);
        assert_eq!(parse("").unwrap(), Vec::<String>::new());
        assert!(parse("no colon here").is_err());
    }

    #[test]
    fn paths_are_stored_relative_inside_the_project() {
        let root = Path::new("/p");
        assert_eq!(relative("../src/./a.h", "out", root, root), "src/a.h");
        assert_eq!(relative("/p/src/a.h", "", root, root), "src/a.h");
        assert_eq!(relative("/usr/include/stdio.h", "", root, root), "/usr/include/stdio.h");
        assert_eq!(relative("a.h", "", Path::new("/p/.ocelot/work/s"), root), "a.h");
    }
}

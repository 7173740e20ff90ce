//! The entry of a code as text for a terminal, and as a page.

use std::fmt::Write as _;

use crate::base::code::{Code, Wrong};

/// What the numbers of a topic begin with, and what it is about.
const TOPICS: [(u16, &str); 11] = [
    (1, "YAML"),
    (2, "Pipelines"),
    (3, "Configuration"),
    (4, "The lock"),
    (5, "The command line"),
    (6, "The machine and its accounts"),
    (7, "Nodes that fail"),
    (8, "Publishing and releases"),
    (9, "Cache and state"),
    (10, "What `ocelot lint` finds"),
    (99, "Mistakes of ocelot itself"),
];

impl Code {
    /// The whole explanation as Markdown, which also reads well as it is.
    pub fn page(self) -> String {
        let entry = self.0;
        let mut text = format!("# {self}: {}\n\nName: `{}`.\n\n{}\n", entry.title, entry.name, entry.why);
        let block = |text: &mut String, kind: &str, body: &str| {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n```{kind}\n{}\n```\n", body.trim_end());
        };
        let at = |text: &mut String, head: &str| {
            let _ = write!(text, "\n## {head}\n");
        };
        at(&mut text, "Example");
        match entry.wrong {
            Wrong::Pipeline(yaml) | Wrong::Run(yaml) | Wrong::Lint(yaml) => block(&mut text, "yaml", yaml),
            Wrong::File(path, yaml) => {
                let _ = write!(text, "\n`{path}`:\n");
                block(&mut text, "yaml", yaml);
            }
            Wrong::Command(command) => block(&mut text, "sh", command),
            Wrong::Told(told) => {
                let _ = write!(text, "\n{told}\n");
            }
        }
        at(&mut text, "Remedy");
        let _ = write!(text, "\n{}\n", entry.fix);
        if !entry.right.is_empty() {
            let kind = if entry.right.starts_with("ocelot ") { "sh" } else { "yaml" };
            block(&mut text, kind, entry.right);
        }
        let _ = write!(text, "\nMore: `{}`.\n", entry.see);
        text
    }

    /// The topic that its number belongs to.
    pub fn topic(self) -> &'static str {
        let number = self.0.number / 100;
        TOPICS.iter().find(|(first, _)| *first == number).map_or("Other", |(_, topic)| topic)
    }

    /// All codes, by topic: one line each, made by `line`.
    pub fn index(heading: impl Fn(&str) -> String, line: impl Fn(Self) -> String) -> String {
        let mut text = String::new();
        let mut topic = "";
        for code in Self::all() {
            if code.topic() != topic {
                topic = code.topic();
                text.push_str(&heading(topic));
            }
            text.push_str(&line(code));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::code;

    #[test]
    fn a_page_has_cause_example_and_remedy() {
        let page = code::UNUSED_PARAM.page();
        for part in
            ["# OC1001: ", "Name: `unused-param`.", "\n## Example\n", "```yaml\n", "\n## Remedy\n", "\nMore: `docs/"]
        {
            assert!(page.contains(part), "{part} in {page}");
        }
    }

    #[test]
    fn every_code_has_a_topic() {
        assert!(Code::all().all(|code| code.topic() != "Other"));
    }
}

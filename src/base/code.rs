//! The codes of errors and warnings: a number that stays, and what there is to say of it.
//!
//! Each problem that is printed has a [`Code`], and a code cannot be made without its entry in one of the tables below.
//! `ocelot explain` prints the entries, and the pages of `docs/errors/` are written from them.

mod command;
mod config;
mod environment;
mod failure;
mod lint;
mod page;
mod pipeline;
mod syntax;

use std::fmt;

use serde::{Serialize, Serializer};

pub use command::*;
pub use config::*;
pub use environment::*;
pub use failure::*;
pub use lint::*;
pub use pipeline::*;
pub use syntax::*;

/// The code of a kind of problem, such as `OC0208`. Only the tables of this module make one.
#[derive(Clone, Copy)]
pub struct Code(&'static Entry);

/// What there is to say of a code.
struct Entry {
    number: u16,
    name: &'static str,
    title: &'static str,
    why: &'static str,
    wrong: Wrong,
    fix: &'static str,
    right: &'static str,
    see: &'static str,
}

/// The smallest example that raises a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A pipeline; `ocelot validate` says it.
    Pipeline(&'static str),
    /// A file beside a pipeline that is in order: its path and its text; `ocelot validate` says it.
    File(&'static str, &'static str),
    /// A command in a project that is in order.
    Command(&'static str),
    /// A pipeline that is in order until `ocelot run` works on it.
    Run(&'static str),
    /// A pipeline that `ocelot lint` has something to say of.
    Lint(&'static str),
    /// In words: it takes a state of the machine, of an account or of history.
    Told(&'static str),
}

impl Code {
    /// Every code, in the order of the numbers.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        let tables = [syntax::ALL, pipeline::ALL, config::ALL, command::ALL, environment::ALL, failure::ALL, lint::ALL];
        tables.into_iter().flatten().copied()
    }

    /// The code with this number (`OC0208`, in any case) or this name (`unused-param`).
    pub fn find(word: &str) -> Option<Self> {
        Self::all().find(|code| code.to_string().eq_ignore_ascii_case(word) || code.name() == word)
    }

    /// Its readable name, such as `duplicate-key`: unique, and good in place of the number.
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// What the problem is, in a few words.
    pub const fn title(self) -> &'static str {
        self.0.title
    }

    /// The example that raises it.
    pub const fn wrong(self) -> Wrong {
        self.0.wrong
    }

    /// What to write instead of the example; empty where that cannot be said in a few lines.
    pub const fn right(self) -> &'static str {
        self.0.right
    }

    /// The file of the documentation that has more, relative to the repository.
    pub const fn see(self) -> &'static str {
        self.0.see
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OC{:04}", self.0.number)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({})", self.name())
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.0.number == other.0.number
    }
}

impl Eq for Code {}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A table: constants of type [`Code`], and the list of them.
macro_rules! codes {
    ($($constant:ident = $number:literal, $name:literal, $title:literal;
        why: $why:literal; wrong: $wrong:expr; fix: $fix:literal; right: $right:literal; see: $see:literal;)+) => {
        $(
            #[doc = $title]
            pub const $constant: super::Code = super::Code(&super::Entry {
                number: $number, name: $name, title: $title, why: $why, wrong: $wrong, fix: $fix, right: $right, see: $see,
            });
        )+
        pub(super) const ALL: &[super::Code] = &[$($constant),+];
    };
}
pub(crate) use codes;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_up_and_names_are_unique_and_fit_for_a_command_line() {
        let all: Vec<Code> = Code::all().collect();
        assert!(all.is_sorted_by(|a, b| a.0.number < b.0.number), "{all:?}");
        for code in &all {
            assert_eq!(all.iter().filter(|other| other.name() == code.name()).count(), 1, "{code:?}");
            assert!(code.name().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{code:?}");
            assert_eq!(Code::find(code.name()), Some(*code));
            assert_eq!(Code::find(&code.to_string().to_lowercase()), Some(*code));
        }
    }

    #[test]
    fn every_entry_says_why_shows_an_example_and_tells_the_remedy() {
        for code in Code::all() {
            let entry = code.0;
            let says = |text: &str, least: usize| text.len() >= least && text.ends_with('.');
            assert!(says(entry.why, 40) && says(entry.fix, 15), "{code:?}: {} / {}", entry.why, entry.fix);
            assert!(!entry.title.ends_with('.') && entry.see.ends_with(".md"), "{code:?}");
        }
    }
}

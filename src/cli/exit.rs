//! Exit codes: an interface, pinned by a test.

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok,
    /// A node failed.
    Failure,
    /// The command line or a file of the project is wrong.
    Usage,
    /// Something outside is missing: a tool, a lock, credentials.
    Environment,
    /// Some layers were published and some were not.
    Partial,
    /// `plan --exit-code` found work.
    Dirty,
    /// Our own mistake.
    Internal,
    /// Ended by a signal; 128 and its number.
    Signal(u8),
}

impl Exit {
    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Partial => 4,
            Self::Dirty => 10,
            Self::Internal => 70,
            Self::Signal(code) => code,
        }
    }
}

/// A command that could not do its work: what to print and how to end.
#[derive(Debug)]
pub struct Stop {
    /// How to end.
    pub exit: Exit,
    /// What to print, complete with `error:` lines.
    pub text: String,
}

impl Stop {
    /// A problem in one sentence.
    pub fn new(exit: Exit, message: impl std::fmt::Display) -> Self {
        Self { exit, text: format!("error: {message}\n") }
    }

    /// A problem of the command line.
    pub fn usage(message: impl std::fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Something outside is missing.
    pub fn environment(message: impl std::fmt::Display) -> Self {
        Self::new(Exit::Environment, message)
    }

    /// With a hint on a line of its own.
    #[must_use]
    pub fn hint(mut self, hint: impl std::fmt::Display) -> Self {
        self.text.push_str(&format!("  help: {hint}\n"));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn the_numbers_are_an_interface() {
        let all = [
            (Exit::Ok, 0),
            (Exit::Failure, 1),
            (Exit::Usage, 2),
            (Exit::Environment, 3),
            (Exit::Partial, 4),
            (Exit::Dirty, 10),
            (Exit::Internal, 70),
            (Exit::Signal(130), 130),
        ];
        for (exit, code) in all {
            assert_eq!(exit.code(), code, "{exit:?}");
        }
    }
}

//! What can be wrong with the sources, the settings or the bytes of a layer.

/// An error of the `layer` folder. Each text names the file or field it is about and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayerError {
    /// A text file (go.mod, go.sum, a Go source) that cannot be read as what it should be.
    #[error("{file}:{line}: {problem}")]
    Syntax {
        /// The file as the caller names it.
        file: String,
        /// 1-based line.
        line: usize,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// A go.mod that lacks what Ocelot has to know.
    #[error("{file}: {problem}")]
    GoMod {
        /// The file as the caller names it.
        file: String,
        /// What is missing, and where it should come from.
        problem: String,
    },
    /// A component's module whose version cannot be decided.
    #[error("component dependencies of {key}: module {module}: {problem}")]
    Module {
        /// The tag under which the module is listed.
        key: String,
        /// The module as written.
        module: String,
        /// What is wrong, and what to write.
        problem: String,
    },
    /// A value that may not be handed to `go build`.
    #[error("go build: {field} {value:?}: {problem}")]
    GoFlag {
        /// Which value.
        field: &'static str,
        /// The value as given.
        value: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A binary that is not what Lambda could start.
    #[error("{file}: {problem}")]
    Binary {
        /// The file as the caller names it.
        file: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A zip that is refused as a whole.
    #[error("{file}: {problem}")]
    Zip {
        /// The file as the caller names it.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// One entry of a zip that is refused, read or to be written.
    #[error("{file}: entry {entry:?}: {problem}")]
    ZipEntry {
        /// The file as the caller names it.
        file: String,
        /// The entry's name.
        entry: String,
        /// What is wrong.
        problem: String,
    },
    /// A layer name, description or list that AWS Lambda would refuse.
    #[error("{what} {value:?}: {problem}")]
    Lambda {
        /// What is refused: "layer name", "description", "runtime" …
        what: &'static str,
        /// The value.
        value: String,
        /// The rule, and what to change.
        problem: String,
    },
    /// A layer that is over one of Lambda's size limits.
    #[error("the layer is too large: {what} is {actual} bytes, AWS Lambda takes at most {limit}; {largest}")]
    TooLarge {
        /// Which size.
        what: &'static str,
        /// Its value in bytes.
        actual: u64,
        /// The limit in bytes.
        limit: u64,
        /// The largest parts, or what to do.
        largest: String,
    },
}

impl LayerError {
    pub(crate) fn syntax(file: &str, line: usize, problem: impl Into<String>) -> Self {
        Self::Syntax { file: file.to_owned(), line, problem: problem.into() }
    }

    pub(crate) fn go_mod(file: &str, problem: impl Into<String>) -> Self {
        Self::GoMod { file: file.to_owned(), problem: problem.into() }
    }

    pub(crate) fn binary(file: &str, problem: impl Into<String>) -> Self {
        Self::Binary { file: file.to_owned(), problem: problem.into() }
    }

    pub(crate) fn zip(file: &str, problem: impl Into<String>) -> Self {
        Self::Zip { file: file.to_owned(), problem: problem.into() }
    }

    pub(crate) fn zip_entry(file: &str, entry: &str, problem: impl Into<String>) -> Self {
        Self::ZipEntry { file: file.to_owned(), entry: entry.to_owned(), problem: problem.into() }
    }

    pub(crate) fn lambda(what: &'static str, value: &str, problem: impl Into<String>) -> Self {
        Self::Lambda { what, value: value.to_owned(), problem: problem.into() }
    }
}

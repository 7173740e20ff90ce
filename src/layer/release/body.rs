//! The text of a release: for people the layers and how to use them, for the next run the name and the index.

use std::fmt::Write as _;

use crate::layer::release::index::Index;
use crate::layer::release::name::ReleaseName;
use crate::layer::release::notes::notes;
use crate::layer::release::table::{code, megabytes, table};

/// Characters that GitHub takes.
pub const LIMIT: usize = 125_000;
/// The file that has the notes when they do not fit into the body.
pub const NOTES_FILE: &str = "notes.md";

const MARK: &str = "<!-- ocelot-release: ";
const INDEX: &str = "<!-- ocelot-index: ";
const END: &str = " -->";

/// The text of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// At most [`LIMIT`] characters.
    pub text: String,
    /// The notes alone.
    pub notes: String,
    /// Whether the notes do not fit and have to be a file.
    pub is_spilled: bool,
    /// Whether the index is part of the text.
    pub has_index: bool,
}

impl Body {
    /// The text of a release that offers this.
    pub fn new(name: &ReleaseName, index: &Index) -> Self {
        Self::within(name, index, LIMIT)
    }

    fn within(name: &ReleaseName, index: &Index, limit: usize) -> Self {
        let notes = full(index);
        let short = format!(
            "{} layer versions; the list is too long for this page and stands in `{NOTES_FILE}`.\n",
            index.versions().len()
        );
        let (mark, data) = (marked(name), carried(index));
        let made = |text: &str, has_index: bool| {
            let data = if has_index { data.as_str() } else { "" };
            let text = format!("{mark}{text}{data}");
            (text.chars().count() <= limit).then_some((text, has_index))
        };
        if let Some((text, has_index)) = made(&notes, true) {
            return Self { text, notes, is_spilled: false, has_index };
        }
        let (text, has_index) = made(&short, true).unwrap_or_else(|| (format!("{mark}{short}"), false));
        Self { text, notes, is_spilled: true, has_index }
    }
}

/// The text of a release that is still being made.
pub fn draft(name: &ReleaseName) -> String {
    format!("{}This release is being made.\n", marked(name))
}

fn marked(name: &ReleaseName) -> String {
    format!("{MARK}{}{END}\n", name.tag())
}

/// The index as a comment, which no text in it can end.
fn carried(index: &Index) -> String {
    let json = index.compact().replace('>', "\\u003e");
    format!("\n{INDEX}{json}{END}\n")
}

fn comment<'t>(text: &'t str, begin: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.trim_end().strip_prefix(begin)?.strip_suffix(END))
}

/// The tag of the name that a text says its release is of.
pub fn mark(text: &str) -> Option<&str> {
    comment(text, MARK)
}

/// The index that a text carries, as JSON.
pub fn index(text: &str) -> Option<&str> {
    comment(text, INDEX)
}

/// Whether two texts are the same to a reader: a host may store other line ends.
pub fn is_same(one: &str, other: &str) -> bool {
    one.trim_end().lines().eq(other.trim_end().lines())
}

fn full(index: &Index) -> String {
    let versions = index.versions();
    let mut text = String::new();
    let mut layers: Vec<Vec<String>> = Vec::new();
    for one in &versions {
        let row = vec![
            one.architecture.clone(),
            one.collector_version.clone(),
            one.size.map(megabytes).unwrap_or_default(),
            code(one.sha256.as_deref().unwrap_or(&one.code_sha256)),
            code(one.commit.as_deref().unwrap_or_default()),
        ];
        if !layers.contains(&row) {
            layers.push(row);
        }
    }
    table(&mut text, &["Architecture", "Collector", "Size", "SHA-256", "Sources"], layers.into_iter());
    text.push('\n');
    text.push_str(&notes(index));
    if let Some(one) = versions.first() {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n## Adding the layer\n\n\
             A function takes the ARN of its own region and architecture.\n\n\
             ```sh\naws lambda update-function-configuration --function-name FUNCTION --layers {arn}\n```\n\n\
             ```hcl\n# layers.tf of this release\nlayers = [local.ocelot_layer_arns[\"{distribution}\"][\"{arch}\"][\"{region}\"]]\n```\n\n\
             ```ts\nLayerVersion.fromLayerVersionArn(this, \"Collector\", \"{arn}\")\n```\n",
            arn = one.arn,
            distribution = one.distribution,
            arch = one.architecture,
            region = one.region,
        );
    }
    let mut components: Vec<&str> = versions.iter().flat_map(|one| &one.components).map(String::as_str).collect();
    components.sort_unstable();
    components.dedup();
    if !components.is_empty() {
        let _ = write!(text, "\n<details>\n<summary>Components</summary>\n\n");
        for component in components {
            let _ = writeln!(text, "- {}", code(component));
        }
        text.push_str("\n</details>\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::release::index::Missing;
    use crate::layer::release::testing::{index as sample, missing, version};

    fn name() -> ReleaseName {
        ReleaseName::new("minimal", "0.145.0", "prod").unwrap()
    }

    #[test]
    fn a_body_is_for_people_and_carries_name_and_index() {
        let body = Body::new(&name(), &sample());
        assert!(body.has_index && !body.is_spilled);
        assert_eq!(mark(&body.text), Some("minimal-v0.145.0-prod"));
        assert_eq!(Index::parse(index(&body.text).unwrap()), Ok(sample()));
        for part in ["12.1 MB", "eu-west-1", "update-function-configuration", "- `receiver.otlp`", "## Not published"] {
            assert!(body.text.contains(part), "{part}: {}", body.text);
        }
        assert_eq!((mark(&draft(&name())), index(&draft(&name()))), (mark(&body.text), None));
        assert_eq!((mark("by hand"), index("by hand")), (None, None));
    }

    #[test]
    fn no_text_ends_the_comment() {
        let reason = "--> <script> -->\n<!-- ocelot-release: other -->";
        let index_of = Index::new("layers", vec![], vec![Missing { reason: reason.into(), ..missing("amd64", "x") }]);
        let text = carried(&index_of);
        assert_eq!(text.matches("-->").count(), 1, "{text}");
        assert_eq!(Index::parse(index(&text).unwrap()), Ok(index_of));
    }

    #[test]
    fn what_does_not_fit_becomes_a_file() {
        let whole = Body::new(&name(), &sample());
        let exact = Body::within(&name(), &sample(), whole.text.chars().count());
        assert_eq!(exact, whole);
        let spilled = Body::within(&name(), &sample(), whole.text.chars().count() - 1);
        assert!(spilled.has_index && spilled.text.contains(NOTES_FILE), "{spilled:?}");
        assert!(spilled.is_spilled && spilled.notes == whole.notes);
        let tiny = Body::within(&name(), &sample(), 200);
        assert!(!tiny.has_index && tiny.text.chars().count() <= 200, "{tiny:?}");
        assert_eq!(mark(&tiny.text), mark(&whole.text));
    }

    #[test]
    fn a_real_limit_holds() {
        let regions = (0..700).map(|n| version("minimal", "amd64", &format!("eu-west-{n}"), "v0.145.0", 1)).collect();
        let body = Body::new(&name(), &Index::new("layers", regions, vec![]));
        assert!(body.text.chars().count() <= LIMIT && body.is_spilled);
    }

    #[test]
    fn line_ends_are_no_difference() {
        assert!(is_same("a\nb\n", "a\r\nb"));
        assert!(!is_same("a\nb", "a\nc"));
    }
}

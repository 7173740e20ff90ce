//! Where an instance names a path: the text to point at, looked for only when there is an error to show.

use crate::base::diag::Span;
use crate::base::rel_path;
use crate::graph::build::Draft;
use crate::graph::kinds;
use crate::graph::node::Role;
use crate::graph::paths::{compile_glob, reaches_into};
use crate::spec::pipeline::NodeFile;
use crate::spec::value::Text;

/// The text that declares this output; the node's key if there is none.
pub(in crate::graph) fn of_output(draft: &Draft<'_>, output: &str) -> Span {
    let declares = |value: &str| {
        let value = rel_path::normalise(value).unwrap_or_default();
        let bare = value.trim_end_matches('/');
        let wanted = output.trim_end_matches('/');
        bare == wanted || wanted.strip_suffix(".sha256") == Some(bare)
    };
    find(draft, output_texts(draft.file).into_iter(), declares)
}

/// The text that declares this input of an `exec`, which may be its program; the node's key if there is none.
pub(in crate::graph) fn of_input(draft: &Draft<'_>, input: &str) -> Span {
    let Some(exec) = &draft.file.exec else { return draft.span };
    let texts = exec.inputs.items.iter().chain(exec.command.first());
    let bare = |value: &str| rel_path::normalise(value.strip_prefix('!').unwrap_or(value)).unwrap_or_default();
    find(draft, texts, |value| bare(value) == bare(input))
}

/// The text by which a node needs another; its key if there is none.
pub(in crate::graph) fn of_edge(draft: &Draft<'_>, to: &Draft<'_>, role: &Role) -> Span {
    let Role::Path(path) = role else {
        let fields = kinds::references(draft.file);
        let mut references = fields.iter().flat_map(|field| field.references);
        let found = references.find(|reference| reference.node.value == to.node.base);
        return found.map_or(draft.span, |reference| reference.node.span);
    };
    let exact = of_input(draft, path);
    let Some(exec) = draft.file.exec.as_ref().filter(|_| exact == draft.span) else { return exact };
    let reaches = |value: &str| {
        let folder = rel_path::normalise(value).unwrap_or_default();
        path.starts_with(&format!("{}/", folder.trim_end_matches('/')))
            || path.ends_with('/') && reaches_into(value, path)
            || compile_glob(value).is_ok_and(|glob| glob.is_match(path.trim_end_matches('/')))
    };
    find(draft, exec.inputs.items.iter(), reaches)
}

fn find<'t>(draft: &Draft<'_>, mut texts: impl Iterator<Item = &'t Text>, fits: impl Fn(&str) -> bool) -> Span {
    let found = texts.find(|text| draft.scope.elements(text).is_ok_and(|values| values.iter().any(|v| fits(v))));
    found.map_or(draft.span, |text| text.span)
}

fn output_texts(file: &NodeFile) -> Vec<&Text> {
    let mut texts: Vec<&Text> = Vec::new();
    if let Some(k) = &file.exec {
        texts.extend(k.outputs.items.iter().chain(&k.stdout));
    }
    let kept = [
        file.clone.as_ref().and_then(|k| k.output.as_ref()),
        file.resolve.as_ref().and_then(|k| k.output.as_ref()),
        file.overlay.as_ref().and_then(|k| k.output.as_ref()),
        file.build.as_ref().and_then(|k| k.output.as_ref()),
        file.package.as_ref().and_then(|k| k.output.as_ref()),
        file.report.as_ref().map(|k| &k.output),
    ];
    texts.extend(kept.into_iter().flatten());
    texts
}

//! Events to tree, strictly: what YAML allows and nobody means is refused here.

use std::borrow::Cow;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle, Tag};
use rustc_hash::FxHashMap;

use crate::base::code;
use crate::base::diag::{Diagnostic, SourceId, Span, quoted};
use crate::spec::yaml::keys::repeated_keys;
use crate::spec::yaml::scalar::{Core, core};
use crate::spec::yaml::syntax;
use crate::spec::yaml::tree::{Entry, Key, Style, Tree};

/// What a document may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Lists and maps within each other, aliases followed.
    pub depth: usize,
    /// Length of the text in bytes.
    pub bytes: usize,
    /// What aliases may add, in nodes, whatever the length of the text; long texts count as several nodes.
    pub alias_nodes: u64,
    /// What aliases may add on top of that: one node for each so many bytes of the text.
    pub bytes_per_alias_node: u64,
    /// Problems after which reading stops.
    pub problems: usize,
}

impl Default for Limits {
    /// Depth 64, 256 MiB, aliases of 10,000 nodes and one more for each 16 bytes, 50 problems.
    fn default() -> Self {
        Self { depth: 64, bytes: 256 << 20, alias_nodes: 10_000, bytes_per_alias_node: 16, problems: 50 }
    }
}

/// Bytes of a scalar that count as one more node in the alias budget.
const BYTES_PER_NODE: u64 = 32;

/// Reads the only document of `text`, which is the text of `source` in the source map. An empty one is
/// [`Value::Null`](crate::spec::yaml::Value::Null).
///
/// What is wrong is added to `problems`. If the structure is whole in spite of it (a duplicate key, of which the first
/// counts, an unknown tag), there is a tree all the same, so that the rest can be checked too; the caller
/// must not act on it.
pub fn parse<'a>(source: SourceId, text: &'a str, limits: &Limits, problems: &mut Vec<Diagnostic>) -> Option<Tree<'a>> {
    if text.len() > limits.bytes.min(u32::MAX as usize) {
        let start = Span::new(source, 0, 0);
        let message = format!("the file is longer than {} MiB", limits.bytes >> 20);
        problems.push(Diagnostic::error(code::FILE_TOO_LONG, message).label(start, "").help("split it with `include`"));
        return None;
    }
    let options = granit_parser::options! {
        emit_comments: false,
        disallow_directives: true,
        // One more than ours, so that it is our message that is seen.
        flow_nesting_limit: limits.depth + 1,
        block_nesting_limit: limits.depth + 1,
    };
    let budget = limits.alias_nodes.saturating_add(text.len() as u64 / limits.bytes_per_alias_node.max(1));
    let mut builder = Builder {
        source,
        text,
        depth_limit: limits.depth,
        budget,
        most_problems: problems.len().saturating_add(limits.problems),
        problems,
        frames: Vec::new(),
        items: Vec::new(),
        entries: Vec::new(),
        anchors: FxHashMap::default(),
        last_end: 0,
        root: None,
        documents: 0,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let step = match event {
            Ok((event, at)) => builder.event(event, &at),
            Err(error) => {
                let open = builder.frames.last().filter(|frame| frame.is_flow).map(|frame| frame.span);
                Err(syntax::explain(&error, text, open, |start, end| span(source, text, start, end)))
            }
        };
        if let Err(problem) = step {
            builder.problems.push(problem);
            return None;
        }
        if builder.problems.len() >= builder.most_problems {
            return None;
        }
    }
    Some(builder.root.unwrap_or(Tree::null(Span::new(source, 0, 0))))
}

/// A span within `text`, on character boundaries.
fn span(source: SourceId, text: &str, start: usize, end: usize) -> Span {
    let start = (0..=start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let end = (end.clamp(start, text.len())..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(start);
    // `parse` refuses texts of more than `u32::MAX` bytes.
    Span::new(source, start as u32, end as u32)
}

struct Builder<'a, 'p> {
    source: SourceId,
    text: &'a str,
    depth_limit: usize,
    /// Nodes that aliases may still add.
    budget: u64,
    most_problems: usize,
    problems: &'p mut Vec<Diagnostic>,
    frames: Vec<Frame<'a>>,
    /// Elements of all open lists, the innermost last: each list takes its own in one exact allocation when it closes.
    items: Vec<Tree<'a>>,
    /// The same for entries of all open maps.
    entries: Vec<Entry<'a>>,
    anchors: FxHashMap<usize, Anchor<'a>>,
    /// Where the last scalar, alias or closing bracket ended: there a block ends too.
    last_end: u32,
    root: Option<Tree<'a>>,
    documents: u32,
}

/// A list or map that is open.
struct Frame<'a> {
    span: Span,
    is_map: bool,
    is_flow: bool,
    anchor: usize,
    /// Where its own children start in `items` or `entries`.
    first: usize,
    /// The key whose value is awaited.
    key: Option<Key<'a>>,
    size: Size,
}

/// What a subtree costs whoever walks it.
#[derive(Clone, Copy)]
struct Size {
    nodes: u64,
    depth: usize,
}

impl Size {
    const fn of_text(text: &str) -> Self {
        Self { nodes: 1 + text.len() as u64 / BYTES_PER_NODE, depth: 0 }
    }

    fn contain(&mut self, child: Self) {
        self.nodes = self.nodes.saturating_add(child.nodes);
        self.depth = self.depth.max(child.depth + 1);
    }
}

struct Anchor<'a> {
    tree: Arc<Tree<'a>>,
    size: Size,
}

type Step = Result<(), Diagnostic>;

impl<'a> Builder<'a, '_> {
    fn span_of(&self, at: &granit_parser::Span) -> Span {
        let range = at.byte_range().unwrap_or(0..0);
        span(self.source, self.text, range.start, range.end)
    }

    fn event(&mut self, event: Event<'a>, at: &granit_parser::Span) -> Step {
        match event {
            Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, (tag.as_deref(), at)),
            Event::SequenceStart(style, anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", at);
                self.open(false, style, anchor, at)
            }
            Event::MappingStart(style, anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", at);
                self.open(true, style, anchor, at)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(at),
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents == 1 {
                    return Ok(());
                }
                let mark = self.span_of(at);
                Err(Diagnostic::error(code::UNSUPPORTED_YAML, "more than one document in the file")
                    .label(mark, "a second one starts here")
                    .help("put it in a file of its own"))
            }
            _ => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: Cow<'a, str>,
        style: ScalarStyle,
        anchor: usize,
        (tag, at): (Option<&Tag>, &granit_parser::Span),
    ) -> Step {
        let mut mark = self.span_of(at);
        let mut style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        };
        let mut empty = style == Style::Plain && mark.start == mark.end;
        if style == Style::Block {
            // The parser's span runs to the next token.
            let written = self.text.get(mark.start as usize..mark.end as usize).unwrap_or("");
            mark.end = mark.start + written.trim_end().len() as u32;
        }
        if let Some(tag) = tag {
            match tag.core_suffix() {
                Some("str") => {
                    style = if style == Style::Plain { Style::Quoted } else { style };
                    empty = false;
                }
                Some(kind @ ("null" | "bool" | "int" | "float")) => {
                    if core_kind(&text) == kind || (kind == "null" && empty) {
                        style = Style::Plain;
                    } else {
                        let message = format!("{} is not what its tag `!!{kind}` says", quoted(&text));
                        self.problems.push(Diagnostic::error(code::TAG, message).label(mark, ""));
                    }
                }
                _ => {
                    self.check_tag(Some(tag), "str", at);
                    empty = false;
                }
            }
        }
        if !empty {
            self.last_end = mark.end;
        }
        if self.frames.last().is_some_and(|frame| frame.is_map && frame.key.is_none()) {
            return self.key(if empty { Cow::Borrowed("") } else { text }, style, mark, empty);
        }
        let size = Size::of_text(&text);
        let tree = if empty {
            // Shown at its key, as there is nothing else to show.
            let key = self.frames.last().and_then(|frame| frame.key.as_ref());
            Tree::null(key.map_or(mark, Key::span))
        } else {
            // What the parser adds to an empty tagged scalar is not in the text.
            Tree::scalar(if mark.start == mark.end { Cow::Borrowed("") } else { text }, style, mark)
        };
        self.finish(tree, anchor, size);
        Ok(())
    }

    fn key(&mut self, text: Cow<'a, str>, style: Style, mark: Span, empty: bool) -> Step {
        if empty {
            return Err(Diagnostic::error(code::BAD_KEY, "a key is missing").label(mark, "expected a key before this"));
        }
        if style == Style::Plain && text == "<<" {
            return Err(Diagnostic::error(code::UNSUPPORTED_YAML, "merge keys are not supported")
                .label(mark, "")
                .help("write the entries out, or use `*name` as a whole value"));
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.key = Some(Key::new(text, mark));
        }
        Ok(())
    }

    fn open(&mut self, is_map: bool, style: StructureStyle, anchor: usize, at: &granit_parser::Span) -> Step {
        let mark = self.span_of(at);
        if self.frames.last().is_some_and(|frame| frame.is_map && frame.key.is_none()) {
            let what = if is_map { "a map" } else { "a list" };
            let mut problem =
                Diagnostic::error(code::BAD_KEY, format!("{what} cannot be a key")).label(mark, "expected a text");
            if self.text[mark.start as usize..].starts_with('{') {
                problem = problem.help("put a text with `{` in quotes");
            }
            return Err(problem);
        }
        if self.frames.len() >= self.depth_limit {
            return Err(too_deep(self.depth_limit, mark));
        }
        self.frames.push(Frame {
            span: mark,
            is_map,
            is_flow: style == StructureStyle::Flow,
            anchor,
            first: if is_map { self.entries.len() } else { self.items.len() },
            key: None,
            size: Size { nodes: 1, depth: 0 },
        });
        Ok(())
    }

    fn close(&mut self, at: &granit_parser::Span) -> Step {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let mut mark = frame.span;
        if frame.is_flow {
            self.last_end = self.span_of(at).end;
        }
        mark.end = mark.end.max(self.last_end);
        let tree = if frame.is_map {
            let repeated = repeated_keys(&self.entries[frame.first..], self.most_problems, self.problems);
            let mut index = 0;
            let entries = self.entries.drain(frame.first..).filter(|_| {
                index += 1;
                repeated.is_empty() || repeated.binary_search(&(index - 1)).is_err()
            });
            Tree::map(entries.collect(), mark)
        } else {
            Tree::seq(self.items.drain(frame.first..).collect(), mark)
        };
        self.finish(tree, frame.anchor, frame.size);
        Ok(())
    }

    fn alias(&mut self, anchor: usize, at: &granit_parser::Span) -> Step {
        let mark = self.span_of(at);
        if self.frames.last().is_some_and(|frame| frame.is_map && frame.key.is_none()) {
            return Err(Diagnostic::error(code::BAD_KEY, "an alias cannot be a key").label(mark, "expected a text"));
        }
        let Some(Anchor { tree, size }) = self.anchors.get(&anchor) else {
            return Err(Diagnostic::error(code::ALIAS, "an alias within what it stands for")
                .label(mark, "this would never end"));
        };
        if self.frames.len() + size.depth > self.depth_limit {
            return Err(too_deep(self.depth_limit, mark));
        }
        let (tree, size) = (Tree::shared(Arc::clone(tree)), *size);
        self.last_end = mark.end;
        self.budget = self.budget.checked_sub(size.nodes).ok_or_else(|| {
            Diagnostic::error(code::ALIAS, "aliases repeat too much")
                .label(mark, "with this one, more than a file of this length may")
                .help("write the repeated part in fewer places")
        })?;
        self.finish(tree, 0, size);
        Ok(())
    }

    /// Gives a whole node to what contains it.
    fn finish(&mut self, mut tree: Tree<'a>, anchor: usize, size: Size) {
        if anchor != 0 {
            let target = Arc::new(tree);
            self.anchors.insert(anchor, Anchor { tree: Arc::clone(&target), size });
            tree = Tree::shared(target);
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(tree);
            return;
        };
        frame.size.contain(size);
        if !frame.is_map {
            self.items.push(tree);
        } else if let Some(key) = frame.key.take() {
            frame.size.nodes += 1;
            self.entries.push(Entry { key, value: tree });
        }
    }

    /// Refuses a tag, unless it says what is so anyway.
    fn check_tag(&mut self, tag: Option<&Tag>, expected: &str, at: &granit_parser::Span) {
        let Some(tag) = tag else { return };
        if tag.core_suffix() == Some(expected) {
            return;
        }
        let mark = self.span_of(&at.tag_span().unwrap_or(*at));
        let problem =
            Diagnostic::error(code::TAG, format!("the tag {} is not supported here", quoted(&tag.original())));
        let help = "put a text that starts with `!` in quotes";
        self.problems.push(problem.label(mark, "").help(help));
    }
}

fn too_deep(limit: usize, mark: Span) -> Diagnostic {
    let message = format!("more than {limit} lists and maps within each other");
    Diagnostic::error(code::TOO_DEEP, message).label(mark, "this one is too deep")
}

/// The core tag that a scalar's text calls for.
fn core_kind(text: &str) -> &'static str {
    match core(text) {
        Core::Null => "null",
        Core::Bool(_) => "bool",
        Core::Unsigned(_) | Core::Signed(_) => "int",
        Core::Float(_) => "float",
        Core::Text => "str",
    }
}

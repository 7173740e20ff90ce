//! Builds the graph: expands every node, joins references to edges, orders it, and reports every problem found.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::base::code;
use crate::base::diag::{Diagnostic, Span};
use crate::base::id::{NodeId, PoolId};
use crate::base::suggest;
use crate::graph::check;
use crate::graph::elsewhere::{Choices, Elsewhere};
use crate::graph::expand::{Instances, expand, instance_name};
use crate::graph::kind_values::expand_kind;
use crate::graph::kinds::{self, Surroundings};
use crate::graph::node::{Edge, Graph, Kind, Node, Pool, Role};
use crate::graph::order;
use crate::graph::origin;
use crate::graph::paths;
use crate::graph::scope::{Params, Scope};
use crate::spec::pipeline::{NodeFile, PipelineFile};
use crate::spec::value::Reference;

/// A pipeline with its includes merged, and where each node's key stands.
pub struct Pipeline {
    /// The merged file.
    pub file: PipelineFile,
    /// What it is called if it has no `name:`.
    pub fallback_name: String,
    /// The key of each node, for errors about the node itself.
    pub node_spans: BTreeMap<String, Span>,
}

impl Pipeline {
    fn span(&self, node: &str) -> Span {
        self.node_spans.get(node).copied().unwrap_or_default()
    }
}

/// A node under construction: edges carry positions in file order, not ids.
pub(in crate::graph) struct Draft<'a> {
    pub(in crate::graph) node: Node,
    pub(in crate::graph) edges: Vec<(usize, Role)>,
    /// The node's key.
    pub(in crate::graph) span: Span,
    /// The node as written, and what its `${}` read in this instance.
    pub(in crate::graph) file: &'a NodeFile,
    pub(in crate::graph) scope: Scope<'a>,
}

/// Builds the graph of a pipeline under these parameters, each of which could have been any of its `choices`.
///
/// # Errors
/// All problems found, unsorted.
pub fn build(
    pipeline: &Pipeline,
    params: &Params,
    choices: &Choices,
    around: &dyn Surroundings,
) -> Result<Graph, Vec<Diagnostic>> {
    let file = &pipeline.file;
    let mut errors = Vec::new();
    let kinds = kind_keys(pipeline, &mut errors);
    check_references(pipeline, &kinds, &mut errors);
    let refer_well = errors.is_empty();
    let elsewhere = Elsewhere::new(&file.nodes, params, choices);
    let (expanded, absent) = expand(&file.nodes, params, &elsewhere, &mut errors);
    let pools: Vec<Pool> = file.pools.iter().map(|(name, depth)| Pool { name: name.clone(), depth: *depth }).collect();

    let mut drafts = Vec::with_capacity(expanded.values().map(|instances| instances.values.len()).sum());
    for (base, instances) in &expanded {
        let span = pipeline.span(base);
        let pool = pool_of(instances.file, &pools, &mut errors);
        // What does not refer well does not join well either; the values are looked at all the same.
        let joins = if refer_well { Join::all(instances, &expanded, &mut errors) } else { Vec::new() };
        for i in 0..instances.values.len() {
            let scope = instances.scope(params, i);
            let (kind, class) = match expand_kind(instances.file, &scope, around) {
                Ok(expanded) => expanded,
                Err(found) => {
                    errors.extend(found);
                    continue;
                }
            };
            let edges = joins.iter().flat_map(|join| join.edges(&instances.values[i])).collect();
            let node = Node {
                name: instance_name(base, &instances.values[i]),
                base: (*base).to_owned(),
                values: instances.values[i].clone(),
                kind,
                class,
                edges: Vec::new(),
                pool,
                timeout_ms: instances.file.timeout.map(|timeout| timeout.millis),
                retries: instances.file.retries.unwrap_or(0),
                description: instances.file.description.as_ref().map(|text| text.value.clone()),
            };
            drafts.push(Draft { node, edges, span, file: instances.file, scope });
        }
    }
    errors.dedup_by(|a, b| a == b);
    if !errors.is_empty() {
        return Err(errors);
    }
    let unmade = paths::check_and_join(&mut drafts, &elsewhere, &absent)?;
    origin::fill(&mut drafts);
    check::fill(&mut drafts);
    let nodes = order::topological(drafts)?;
    let axes = expanded.iter().map(|(base, instances)| ((*base).to_owned(), instances.axes.clone())).collect();
    let default_targets = file.default.items.iter().map(|text| text.value.clone()).collect();
    let name = file.name.as_ref().map_or_else(|| pipeline.fallback_name.clone(), |name| name.value.clone());
    let graph = Graph { name, nodes, pools, default_targets, absent, axes, unmade };
    check_defaults(file, &graph)?;
    Ok(graph)
}

fn kind_keys<'a>(pipeline: &'a Pipeline, errors: &mut Vec<Diagnostic>) -> BTreeMap<&'a str, &'static str> {
    let mut kinds = BTreeMap::new();
    for (name, node) in &pipeline.file.nodes {
        let at = pipeline.span(name);
        if name.is_empty() || name.contains(|c: char| !(c.is_alphanumeric() || "-_.".contains(c))) {
            errors.push(
                Diagnostic::error(code::NODE_NAME, format!("`{name}` cannot be the name of a node"))
                    .label(at, "letters, digits, `-`, `_` and `.` only"),
            );
        }
        match kinds::kind_key(name, node, at) {
            Ok(kind) => {
                kinds.insert(name.as_str(), kind);
            }
            Err(error) => errors.push(error),
        }
        if node.exec.as_ref().is_some_and(|exec| exec.command.is_empty()) {
            errors.push(
                Diagnostic::error(code::EMPTY_COMMAND, format!("node `{name}` has an empty command"))
                    .label(at, "nothing to run"),
            );
        }
    }
    kinds
}

/// Every reference names a node of a kind that the field takes.
fn check_references(pipeline: &Pipeline, kinds: &BTreeMap<&str, &'static str>, errors: &mut Vec<Diagnostic>) {
    for (name, node) in &pipeline.file.nodes {
        let Some(kind) = kinds.get(name.as_str()) else { continue };
        for field in kinds::references(node) {
            let accepted = kinds::accepted_kinds(kind, field.name);
            for reference in field.references {
                let target = &reference.node;
                match kinds.get(target.value.as_str()) {
                    None if pipeline.file.nodes.contains_key(&target.value) => {}
                    None => {
                        let error = Diagnostic::error(code::UNKNOWN_NODE, format!("unknown node `{}`", target.value))
                            .label(target.span, format!("named by `{}` of `{name}`", field.name));
                        errors.push(match suggest::closest(&target.value, kinds.keys().copied()) {
                            Some(near) => error.help(format!("did you mean `{near}`?")),
                            None => error,
                        });
                    }
                    Some(found) if !accepted.is_empty() && !accepted.contains(found) => errors.push(
                        Diagnostic::error(
                            code::WRONG_KIND,
                            format!("`{}` of a `{kind}` cannot be a `{found}` node", field.name),
                        )
                        .label(target.span, format!("expected a {} node", accepted.join(" or "))),
                    ),
                    Some(_) => {}
                }
            }
        }
    }
}

fn pool_of(node: &NodeFile, pools: &[Pool], errors: &mut Vec<Diagnostic>) -> Option<PoolId> {
    let name = node.pool.as_ref()?;
    let found = pools.iter().position(|pool| pool.name == name.value);
    match found {
        Some(at) if pools[at].depth > 0 => Some(PoolId::from_index(at)),
        Some(_) => {
            errors.push(
                Diagnostic::error(code::EMPTY_POOL, format!("pool `{}` has depth 0", name.value))
                    .label(name.span, "nothing could run")
                    .help(format!("let at least one run: `pools: {{{}: 1}}`", name.value)),
            );
            None
        }
        None => {
            let error = Diagnostic::error(code::UNKNOWN_POOL, format!("unknown pool `{}`", name.value))
                .label(name.span, "not declared under `pools:`");
            errors.push(match suggest::closest(&name.value, pools.iter().map(|pool| pool.name.as_str())) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help(format!("declare it: `pools: {{{}: 1}}`", name.value)),
            });
            None
        }
    }
}

/// One reference of a node, joined: which instances of the target each instance gets.
struct Join {
    role: Role,
    /// Positions, in the referrer's values, of the joined axes.
    own: Vec<usize>,
    /// Target instances by their values of the joined axes, in axis order.
    targets: BTreeMap<Vec<String>, Vec<usize>>,
}

impl Join {
    fn all(
        instances: &Instances<'_>,
        expanded: &IndexMap<&str, Instances<'_>>,
        errors: &mut Vec<Diagnostic>,
    ) -> Vec<Self> {
        let mut joins = Vec::new();
        for field in kinds::references(instances.file) {
            for reference in field.references {
                // A target that is absent in this run: a tolerant field sees fewer.
                let Some(target) = expanded.get(reference.node.value.as_str()) else { continue };
                let role = match field.name {
                    "after" | "group" => Role::After,
                    name if field.tolerant => Role::Tolerant(name.to_owned()),
                    name => Role::Strict(name.to_owned()),
                };
                match Self::new(reference, role, &instances.axes, target, field.many.then_some(()).ok_or(field.name)) {
                    Ok(join) => joins.push(join),
                    Err(error) => errors.push(error),
                }
            }
        }
        joins
    }

    fn new(
        reference: &Reference,
        role: Role,
        own_axes: &[String],
        target: &Instances<'_>,
        many: Result<(), &str>,
    ) -> Result<Self, Diagnostic> {
        let joined: Vec<&String> = match &reference.join {
            None => target.axes.iter().filter(|axis| own_axes.contains(axis)).collect(),
            Some(wanted) => {
                for axis in wanted {
                    if !own_axes.contains(&axis.value) || !target.axes.contains(&axis.value) {
                        let both: Vec<&str> =
                            own_axes.iter().filter(|own| target.axes.contains(own)).map(String::as_str).collect();
                        let error = Diagnostic::error(code::BAD_JOIN, format!("cannot join on `{}`", axis.value))
                            .label(axis.span, format!("not an axis of this node and of `{}`", reference.node.value));
                        return Err(match (suggest::closest(&axis.value, both.iter().copied()), both.as_slice()) {
                            (Some(near), _) => error.did_you_mean(Some(near)),
                            (None, []) => error.help("they have no axis in common: leave `join` empty or out"),
                            (None, both) => error.help(format!("both have: {}", both.join(", "))),
                        });
                    }
                }
                target.axes.iter().filter(|axis| wanted.iter().any(|text| text.value == **axis)).collect()
            }
        };
        if let Err(field) = many
            && let Some(open) = target.axes.iter().find(|axis| !joined.contains(axis))
        {
            let name = &reference.node.value;
            return Err(Diagnostic::error(
                code::ONE_INSTANCE,
                format!("`{field}` takes one instance, but `{name}` has one per `{open}`"),
            )
            .label(reference.node.span, format!("axis `{open}` does not join"))
            .help(format!("add `{open}` to `for:` of this node")));
        }
        let position = |axes: &[String], axis: &String| axes.iter().position(|a| a == axis).unwrap_or(0);
        let own = joined.iter().map(|axis| position(own_axes, axis)).collect();
        let theirs: Vec<usize> = joined.iter().map(|axis| position(&target.axes, axis)).collect();
        let mut targets: BTreeMap<Vec<String>, Vec<usize>> = BTreeMap::new();
        for (i, values) in target.values.iter().enumerate() {
            let key = theirs.iter().map(|at| values[*at].clone()).collect();
            targets.entry(key).or_default().push(target.first + i);
        }
        Ok(Self { role, own, targets })
    }

    fn edges(&self, values: &[String]) -> Vec<(usize, Role)> {
        let key: Vec<String> = self.own.iter().map(|at| values[*at].clone()).collect();
        self.targets.get(&key).into_iter().flatten().map(|target| (*target, self.role.clone())).collect()
    }
}

/// Turns positions in file order into ids, once the order is known.
pub(in crate::graph) fn finish(drafts: Vec<Draft<'_>>, order: &[usize]) -> Vec<Arc<Node>> {
    let mut ids = vec![NodeId(0); drafts.len()];
    for (id, &position) in order.iter().enumerate() {
        ids[position] = NodeId::from_index(id);
    }
    let mut slots: Vec<Option<Draft<'_>>> = drafts.into_iter().map(Some).collect();
    let take = |&position: &usize| {
        let mut draft = slots[position].take()?;
        draft.node.edges = draft.edges.into_iter().map(|(to, role)| Edge { to: ids[to], role }).collect();
        Some(Arc::new(draft.node))
    };
    order.iter().filter_map(take).collect()
}

/// `default:` names existing nodes, and not only ones that are absent in this run.
fn check_defaults(file: &PipelineFile, graph: &Graph) -> Result<(), Vec<Diagnostic>> {
    let mut errors = Vec::new();
    for target in &file.default.items {
        let base = target.value.split('[').next().unwrap_or_default();
        if !file.nodes.contains_key(base) {
            let error = Diagnostic::error(code::DEFAULT_TARGET, format!("unknown node `{base}`"))
                .label(target.span, "named by `default:`");
            errors.push(match suggest::closest(base, file.nodes.keys().map(String::as_str)) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error,
            });
        } else if !graph.absent.contains_key(base)
            && let Err(problem) = crate::graph::select::select_one(graph, &target.value)
        {
            errors.push(
                Diagnostic::error(code::DEFAULT_TARGET, problem.to_string()).label(target.span, "named by `default:`"),
            );
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Whether a node does work of its own; groups do not.
pub fn does_work(node: &Node) -> bool {
    !matches!(node.kind, Kind::Group)
}

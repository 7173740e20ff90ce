//! Rules as nodes: which targets are files, which only names, and what each needs.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use crate::init::makefile::functions::stem;
use crate::init::makefile::read::{Makefile, Rule};
use crate::init::makefile::recipe::{self, Line, Run};
use crate::init::makefile::variables::Automatic;

/// Patterns through more files than these are not followed.
const LONGEST_CHAIN: u32 = 4;

/// What `ocelot clean` does by itself, and a node would do behind its back.
const CLEANING: [&str; 5] = ["clean", "distclean", "mostlyclean", "realclean", "clobber"];

/// A node to be written.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) remarks: Vec<String>,
    /// Set for a name of several others, which runs nothing.
    pub(super) group: Option<Vec<String>>,
    pub(super) run: Run,
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) after: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) is_volatile: bool,
}

/// What a target turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// A file that a recipe makes.
    File,
    /// A name with a recipe.
    Action,
    /// A name of others, or of nothing.
    Group,
    /// A folder: it is there before a command starts.
    Folder,
    /// Not carried over.
    Dropped,
}

/// The nodes, and the name of the one that make would make.
pub(super) fn nodes(makefile: &mut Makefile<'_>) -> (Vec<Node>, Option<String>) {
    let rules = with_patterns(makefile);
    let kinds: BTreeMap<String, What> =
        rules.iter().map(|(target, rule)| (target.clone(), kind(makefile, target, rule))).collect();
    let names = names(rules.keys().filter(|target| !matches!(kinds[*target], What::Folder | What::Dropped)));
    let mut by_output = BTreeMap::new();
    for (target, rule) in &rules {
        by_output.extend(rule.targets.iter().map(|output| (output.as_str(), target.as_str())));
    }
    let around = Around { rules: &rules, kinds: &kinds, names: &names, by_output };
    let mut nodes = Vec::new();
    for (target, rule) in &rules {
        match kinds[target] {
            What::Folder => {
                let all = folders(makefile, target, rule);
                let lacking: Vec<String> = all.into_iter().filter(|folder| !around.is_made(folder)).collect();
                if !lacking.is_empty() {
                    let why = format!("`{target}`: nothing is built in {}, so it is not made", lacking.join(", "));
                    makefile.left_out.insert((rule.line, why));
                }
            }
            What::Dropped => {
                let why = match is_outside(target) {
                    true => format!("`{target}` is outside of the project"),
                    false => format!("`{target}`: `ocelot clean` removes what was built"),
                };
                makefile.left_out.insert((rule.line, why));
            }
            what => nodes.extend(around.node(makefile, target, rule, what)),
        }
    }
    let goal = makefile.goal.as_ref().and_then(|goal| names.get(goal)).cloned();
    let goal = goal.filter(|goal| nodes.iter().any(|node| node.name == *goal));
    (nodes, goal)
}

/// One rule for each target: those of the file, and what patterns give for all that is needed.
fn with_patterns(makefile: &mut Makefile<'_>) -> IndexMap<String, Rule> {
    let mut rules: IndexMap<String, Rule> = IndexMap::new();
    for rule in &makefile.rules {
        let Some(target) = rule.targets.first() else { continue };
        let known = rules.entry(target.clone()).or_insert_with(|| Rule {
            recipe: None,
            prerequisites: Vec::new(),
            order_only: Vec::new(),
            ..rule.clone()
        });
        if rule.recipe.is_some() {
            if known.recipe.is_some() {
                makefile.left_out.insert((known.line, format!("`{target}`: a later rule replaces this recipe")));
            }
            // `$<` is the first of the rule with the recipe.
            let later = std::mem::replace(&mut known.prerequisites, rule.prerequisites.clone());
            if !makefile.variables.budget.bytes(later.len()) {
                break;
            }
            known.prerequisites.extend(later);
            (known.line, known.stem, known.recipe) = (rule.line, rule.stem.clone(), rule.recipe.clone());
        } else {
            known.prerequisites.extend(rule.prerequisites.iter().cloned());
        }
        known.order_only.extend(rule.order_only.iter().cloned());
    }
    let made: BTreeSet<String> = rules.values().flat_map(|rule| rule.targets.iter().cloned()).collect();
    let needed = |rule: &Rule| rule.prerequisites.iter().chain(&rule.order_only).cloned().collect::<Vec<_>>();
    let mut open: Vec<String> = rules.keys().cloned().chain(rules.values().flat_map(needed)).rev().collect();
    let mut seen = BTreeSet::new();
    while let Some(target) = open.pop() {
        let has_recipe = rules.get(&target).is_some_and(|rule| rule.recipe.is_some());
        let is_other_output = made.contains(&target) && !rules.contains_key(&target);
        if !seen.insert(target.clone()) || has_recipe || is_other_output || makefile.phony.contains(&target) {
            continue;
        }
        // What is there needs no chain to make it.
        let longest = if makefile.variables.tree.contains(&target) { 1 } else { LONGEST_CHAIN };
        let Some(found) = by_pattern(makefile, &made, &target, longest) else { continue };
        open.extend(needed(&found));
        let rule = rules.entry(target).or_insert_with(|| Rule { line: found.line, ..Rule::default() });
        let own = std::mem::take(&mut rule.prerequisites);
        rule.prerequisites = found.prerequisites.into_iter().chain(own).collect();
        rule.order_only.extend(found.order_only);
        (rule.targets, rule.recipe, rule.stem) = (found.targets, found.recipe, found.stem);
    }
    rules
}

/// The first pattern rule that fits a target and whose prerequisites are there or can be made.
fn by_pattern(makefile: &Makefile<'_>, made: &BTreeSet<String>, target: &str, depth: u32) -> Option<Rule> {
    let fits = |rule: &Rule| {
        if !makefile.variables.budget.steps(1) {
            return None;
        }
        let pattern = rule.targets.first()?;
        // A pattern without a folder is about the name alone.
        let (folder, file) = target.rfind('/').map_or(("", target), |at| target.split_at(at + 1));
        let (folder, word) = if pattern.contains('/') { ("", target) } else { (folder, file) };
        let stem = stem(pattern, word).filter(|stem| !stem.is_empty())?;
        let filled = |words: &[String]| -> Vec<String> {
            let fill = |word: &String| match word.contains('%') {
                true => format!("{folder}{}", word.replacen('%', stem, 1)),
                false => word.clone(),
            };
            words.iter().map(fill).collect()
        };
        let prerequisites = filled(&rule.prerequisites);
        let is_there = |path: &String| {
            makefile.variables.tree.contains(path)
                || made.contains(path)
                || (depth > 1 && by_pattern(makefile, made, path, depth - 1).is_some())
        };
        (rule.recipe.is_some() && prerequisites.iter().all(is_there)).then(|| Rule {
            line: rule.line,
            targets: vec![target.to_owned()],
            prerequisites,
            order_only: filled(&rule.order_only),
            recipe: rule.recipe.clone(),
            stem: format!("{folder}{stem}"),
        })
    };
    makefile.patterns.iter().find_map(fits)
}

fn kind(makefile: &mut Makefile<'_>, target: &str, rule: &Rule) -> What {
    let Some(recipe) = &rule.recipe else { return What::Group };
    if CLEANING.contains(&target) || rule.targets.iter().any(|target| is_outside(target)) {
        return What::Dropped;
    }
    let automatic = Automatic { target: target.to_owned(), ..Automatic::default() };
    let lines = recipe::lines(recipe, &mut makefile.variables, &automatic);
    if lines.is_empty() {
        return What::Group;
    }
    if makefile.phony.contains(target) {
        return What::Action;
    }
    if lines.iter().all(|line| recipe::folders_made(&line.text).is_some()) {
        return What::Folder;
    }
    let is_path = target.contains(['/', '.']);
    let is_named = |line: &Line| {
        let ends = |c: char| !(c.is_ascii_alphanumeric() || "_-./+".contains(c));
        line.text.split(ends).any(|word| word.strip_prefix("./").unwrap_or(word) == target)
    };
    if is_path || lines.iter().any(is_named) { What::File } else { What::Action }
}

/// The folders that a recipe makes which makes nothing else.
fn folders(makefile: &mut Makefile<'_>, target: &str, rule: &Rule) -> Vec<String> {
    let automatic = Automatic { target: target.to_owned(), ..Automatic::default() };
    let recipe = rule.recipe.as_deref().unwrap_or_default();
    let lines = recipe::lines(recipe, &mut makefile.variables, &automatic);
    let made = lines.iter().flat_map(|line| recipe::folders_made(&line.text).unwrap_or_default());
    made.map(|folder| folder.trim_start_matches("./").trim_end_matches('/').to_owned()).collect()
}

/// A name for the node of each target, unlike any other.
fn names<'t>(targets: impl Iterator<Item = &'t String>) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    let mut taken = BTreeSet::new();
    let mut numbers = BTreeMap::new();
    for target in targets {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let name: String = target.chars().map(|c| if fits(c) { c } else { '-' }).collect();
        let name = Some(name.trim_start_matches(['-', '.']).to_owned()).filter(|name| !name.is_empty());
        let base = name.unwrap_or_else(|| "target".to_owned());
        let mut name = base.clone();
        let number = numbers.entry(base.clone()).or_insert(1_u32);
        while !taken.insert(name.clone()) {
            *number += 1;
            name = format!("{base}-{number}");
        }
        names.insert(target.clone(), name);
    }
    names
}

struct Around<'a> {
    rules: &'a IndexMap<String, Rule>,
    kinds: &'a BTreeMap<String, What>,
    names: &'a BTreeMap<String, String>,
    /// The target under which the rule of each output is kept.
    by_output: BTreeMap<&'a str, &'a str>,
}

impl Around<'_> {
    /// What a prerequisite is, with its target; `None` for a source.
    fn look_up(&self, word: &str) -> Option<(What, &str)> {
        let target = self.by_output.get(word)?;
        Some((self.kinds[*target], target))
    }

    fn node(&self, makefile: &mut Makefile<'_>, target: &str, rule: &Rule, what: What) -> Option<Node> {
        let mut node = Node {
            name: self.names[target].clone(),
            line: rule.line,
            is_volatile: what == What::Action,
            ..Node::default()
        };
        if what == What::Group {
            let members = rule.prerequisites.iter().filter_map(|word| self.member(word)).collect::<Vec<_>>();
            node.group = Some(unique(members));
            return node.group.as_ref().is_some_and(|members| !members.is_empty()).then_some(node);
        }
        if what == What::Action && !makefile.phony.contains(target) {
            node.remarks.push(format!("nothing in the recipe names `{target}`, so it is taken for a name, not a file"));
        }
        let mut named = Vec::new();
        for word in &rule.prerequisites {
            match self.look_up(word) {
                Some((What::File, _)) => node.inputs.push(word.clone()),
                Some((What::Folder | What::Dropped, _)) => continue,
                // A name is never up to date, nor then is what needs it.
                Some((What::Action, target)) => {
                    node.after.push(self.names[target].clone());
                    node.is_volatile = true;
                }
                Some((What::Group, of)) => self.of_group(makefile, of, &mut node),
                None => self.source(makefile, word, &mut node),
            }
            named.push(word.clone());
        }
        let order_only = rule.order_only.iter().filter_map(|word| self.member(word));
        node.after.extend(order_only);
        if what == What::File {
            let as_output = |path: &String| {
                let is_folder = makefile.variables.tree.contains(&format!("{path}/"));
                if is_folder { format!("{path}/") } else { path.clone() }
            };
            node.outputs = rule.targets.iter().map(as_output).collect();
        }
        let automatic = Automatic {
            target: target.to_owned(),
            prerequisites: named,
            order_only: rule.order_only.clone(),
            stem: rule.stem.clone(),
        };
        let lines = recipe::lines(rule.recipe.as_deref().unwrap_or_default(), &mut makefile.variables, &automatic);
        let shell = makefile.variables.expand("$(SHELL)", None);
        node.run = recipe::command(&lines, &shell, makefile.is_one_shell, target);
        if node.run.stdout.is_some() {
            node.outputs.retain(|output| output != target);
        }
        let exported: Vec<String> = makefile.exported.iter().cloned().collect();
        node.env.extend(exported.into_iter().map(|name| {
            let value = makefile.variables.expand(&format!("$({name})"), None);
            (name, value)
        }));
        (node.inputs, node.after) = (unique(node.inputs), unique(node.after));
        Some(node)
    }

    /// Takes what a group stands for into a node: all that makes the node run again.
    fn of_group(&self, makefile: &Makefile<'_>, group: &str, node: &mut Node) {
        let mut open = vec![group];
        let mut seen = BTreeSet::new();
        let mut is_empty = true;
        while let Some(word) = open.pop() {
            if !seen.insert(word) || !makefile.variables.budget.bytes(word.len()) {
                continue;
            }
            match self.look_up(word) {
                Some((What::File, _)) => node.inputs.push(word.to_owned()),
                Some((What::Action, target)) => {
                    node.after.push(self.names[target].clone());
                    node.is_volatile = true;
                }
                Some((What::Group, target)) => {
                    open.extend(self.rules[target].prerequisites.iter().rev().map(String::as_str));
                    // `a.h: b.h`, where a file without a recipe has prerequisites.
                    if !makefile.variables.tree.contains(word) {
                        continue;
                    }
                    node.inputs.push(word.to_owned());
                }
                Some((What::Folder | What::Dropped, _)) => continue,
                None => self.source(makefile, word, node),
            }
            is_empty = false;
        }
        // `FORCE:`, which is never up to date.
        node.is_volatile |= is_empty;
    }

    /// Whether a folder is there once all is built.
    fn is_made(&self, folder: &str) -> bool {
        let is_above = |path: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        self.by_output.iter().any(|(output, target)| self.kinds[*target] == What::File && is_above(output))
    }

    fn source(&self, makefile: &Makefile<'_>, word: &str, node: &mut Node) {
        let tree = makefile.variables.tree;
        if is_outside(word) {
            node.remarks.push(format!("`{word}` is outside of the project, and no input"));
        } else if tree.contains(word) || tree.contains(&format!("{word}/")) {
            node.inputs.push(word.to_owned());
        } else {
            node.remarks.push(format!("`{word}` is neither there nor made by a rule, and left out"));
        }
    }

    /// The node of a prerequisite, if there is one: a group of nothing is none.
    fn member(&self, word: &str) -> Option<String> {
        let (_, own) = self.look_up(word)?;
        let mut open = vec![own];
        let mut seen = BTreeSet::new();
        while let Some(target) = open.pop() {
            match self.kinds[target] {
                What::File | What::Action => return self.names.get(own).cloned(),
                What::Group if seen.insert(target) => {
                    let below = self.rules[target].prerequisites.iter();
                    open.extend(below.filter_map(|word| Some(self.look_up(word)?.1)));
                }
                What::Group | What::Folder | What::Dropped => {}
            }
        }
        None
    }
}

/// Whether a path leads out of the project, where nothing is built.
fn is_outside(path: &str) -> bool {
    path.starts_with('/') || path.split('/').any(|part| part == "..")
}

fn unique(words: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    words.into_iter().filter(|word| seen.insert(word.clone())).collect()
}

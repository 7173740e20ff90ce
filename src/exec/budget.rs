//! Whether a checked layer is within its budgets. They are judged when a result is read and are in no digest: another
//! budget takes effect at once, and starts nothing.

use crate::action::result::ActionResult;
use crate::exec::smoke::Mode;
use crate::graph::check::Check;
use crate::graph::node::{Kind, Node};

/// The measurements of a layer that was started: milliseconds to its first `event/next`, and resident bytes.
pub(in crate::exec) const INIT_MS: &str = "init-ms";
pub(in crate::exec) const MEMORY: &str = "memory-bytes";
/// The fact that says on what processor they were measured.
pub(in crate::exec) const MEASURED: &str = "measured";
/// Begins the measurements that say how many bytes of code a module has.
pub(in crate::exec) const CODE: &str = "code-bytes ";
/// How many modules are measured and shown.
pub(in crate::exec) const PARTS: usize = 5;

/// What a check measured of a layer, for those who show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Milliseconds to the first event, where it was started on its own processor: what an emulated one takes says nothing
    /// of Lambda.
    pub init_ms: Option<u64>,
    /// Resident bytes after an invocation, likewise.
    pub memory: Option<u64>,
    /// Bytes of code of the Go modules with the most, the largest first.
    pub code: Vec<(String, u64)>,
}

/// What the result of a `check` says of its layer.
pub fn measured(result: &ActionResult) -> Measured {
    let is_native = result.fact(MEASURED) == Some(Mode::Native.name());
    let value = |name: &str| result.measurements.get(name).copied().filter(|_| is_native);
    let code =
        result.measurements.iter().filter_map(|(name, bytes)| Some((name.strip_prefix(CODE)?.to_owned(), *bytes)));
    let mut code: Vec<(String, u64)> = code.collect();
    code.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    Measured { init_ms: value(INIT_MS), memory: value(MEMORY), code }
}

/// What is over budget in the result of a `check`: one line with every value, and then what to do.
pub fn over(node: &Node, result: Option<&ActionResult>) -> Option<String> {
    match (&node.kind, result) {
        (Kind::Check(check), Some(result)) => judge(check, result, &node.name),
        _ => None,
    }
}

fn judge(check: &Check, result: &ActionResult, name: &str) -> Option<String> {
    let fact = |name: &str| result.fact(name).and_then(|value| value.parse::<u64>().ok());
    let measured = measured(result);
    let all = [
        ("zip", fact("zip-size"), check.budgets.zip, "bytes"),
        ("unzipped", fact("unzipped-size"), check.budgets.unzipped, "bytes"),
        ("init-time", measured.init_ms, check.budgets.init_ms, "ms"),
        ("memory", measured.memory, check.budgets.memory, "bytes"),
    ];
    let over: Vec<(&str, u64, u64, &str)> = all
        .into_iter()
        .filter_map(|(what, value, budget, unit)| Some((what, value?, budget?, unit)))
        .filter(|(_, value, budget, _)| value > budget)
        .collect();
    if over.is_empty() {
        return None;
    }
    let shown = over.iter().map(|(what, value, budget, unit)| {
        format!("{what} is {value} {unit}, its budget {budget} ({} more)", value - budget)
    });
    let mut text = format!("over budget: {}", shown.collect::<Vec<_>>().join("; "));
    if let Some(difference) = since_last(check, result) {
        text.push_str(&format!("\n    {difference}"));
    }
    let has = |names: [&str; 2]| over.iter().any(|(what, ..)| names.contains(what));
    let parts: Vec<String> = measured.code.iter().map(|(module, bytes)| format!("{module} {bytes}")).collect();
    if has(["zip", "unzipped"]) && !parts.is_empty() {
        let parts = parts.join(", ");
        text.push_str(&format!("\n    the most code, in bytes: {parts}"));
    }
    text.push_str(
        "\n    take components that are not needed out of the distribution's buildtags, or raise `budgets:` in \
         config/ocelot.yaml",
    );
    if has(["init-time", "memory"]) {
        text.push_str(&format!("\n    the time and the memory were measured once: `--force '{name}'` measures anew"));
    }
    Some(text)
}

/// What became of the layer since the last release, if that had one like it.
fn since_last(check: &Check, result: &ActionResult) -> Option<String> {
    let last = check.budgets.last.get(result.fact("arch")?)?;
    let mut parts = Vec::new();
    let now = result.fact("zip-size").and_then(|size| size.parse::<u64>().ok());
    if let (Some(now), Some(before)) = (now, last.zip) {
        let (difference, word) = if now >= before { (now - before, "more") } else { (before - now, "less") };
        parts.push(format!("zip was {before} bytes ({difference} {word} now)"));
    }
    let components: Vec<&str> =
        result.fact("components").unwrap_or_default().split(',').filter(|name| !name.is_empty()).collect();
    if !last.components.is_empty() && !components.is_empty() {
        let new = components.iter().filter(|component| !last.components.contains(**component));
        let gone = last.components.iter().filter(|component| !components.contains(&component.as_str()));
        parts.extend(listed("new since", new.copied()));
        parts.extend(listed("gone since", gone.map(String::as_str)));
    }
    let version = result.fact("collector-version").filter(|version| *version != last.collector_version);
    parts.extend(version.map(|version| format!("collector {} became {version}", last.collector_version)));
    let text =
        if parts.is_empty() { "nothing that is recorded of it is different".to_owned() } else { parts.join("; ") };
    Some(format!("in the last release: {text}"))
}

fn listed<'n>(what: &str, names: impl Iterator<Item = &'n str>) -> Option<String> {
    let names: Vec<&str> = names.collect();
    (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::testing::node;
    use std::collections::BTreeMap;

    use crate::graph::check::{Budgets, Released};
    use crate::graph::node::Class;

    fn told(budgets: Budgets, smoke: &str) -> Option<String> {
        let check = Check { budgets, ..Check::default() };
        let layer =
            [("arch", "amd64"), ("collector-version", "v0.145.0"), ("components", "exporter.debug,exporter.otlphttp")];
        let pairs = [("zip-size", "1000"), ("unzipped-size", "5000"), (MEASURED, smoke), ("smoke", "none")];
        let pairs = layer.into_iter().chain(pairs);
        let facts = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let sizes = [(INIT_MS, 90), (MEMORY, 700), ("code-bytes a.org/a", 5), ("code-bytes b.org/b", 70)];
        let measurements = sizes.map(|(name, value)| (name.to_owned(), value)).into();
        let result = ActionResult { facts, measurements, ..ActionResult::default() };
        over(&node("checked[a]", Kind::Check(Box::new(check)), Class::Pure), Some(&result))
    }

    #[test]
    fn what_is_within_its_budget_is_not_told_and_what_is_over_is_with_its_parts() {
        let exact = Budgets {
            zip: Some(1000),
            unzipped: Some(5000),
            init_ms: Some(90),
            memory: Some(700),
            last: BTreeMap::new(),
        };
        assert_eq!(told(exact, "native"), None);
        assert_eq!(told(Budgets::default(), "native"), None);
        let small = Budgets { zip: Some(999), unzipped: Some(1), ..Budgets::default() };
        assert_eq!(
            told(small, "none").unwrap(),
            "over budget: zip is 1000 bytes, its budget 999 (1 more); unzipped is 5000 bytes, its budget 1 (4999 more)\n    \
             the most code, in bytes: b.org/b 70, a.org/a 5\n    \
             take components that are not needed out of the distribution's buildtags, or raise `budgets:` in config/ocelot.yaml"
        );
    }

    #[test]
    fn what_became_of_a_layer_since_the_last_release_is_told() {
        let last = |zip, components: &[&str], version: &str| {
            let components = components.iter().map(|name| (*name).to_owned()).collect();
            let last = Released { zip, components, collector_version: version.to_owned() };
            let budgets = Budgets { zip: Some(1), last: [("amd64".to_owned(), last)].into(), ..Budgets::default() };
            told(budgets, "none").unwrap().lines().nth(1).unwrap().trim().to_owned()
        };
        assert_eq!(
            last(Some(900), &["exporter.otlphttp", "receiver.x"], "v0.144.0"),
            "in the last release: zip was 900 bytes (100 more now); new since: exporter.debug; gone since: receiver.x; \
             collector v0.144.0 became v0.145.0"
        );
        assert_eq!(last(Some(1001), &[], "v0.145.0"), "in the last release: zip was 1001 bytes (1 less now)");
        assert_eq!(last(None, &[], "v0.145.0"), "in the last release: nothing that is recorded of it is different");
    }

    #[test]
    fn time_and_memory_count_where_they_were_measured_on_the_processor_itself() {
        let quick = Budgets { init_ms: Some(89), memory: Some(1), ..Budgets::default() };
        let text = told(quick.clone(), "native").unwrap();
        assert!(
            text.starts_with("over budget: init-time is 90 ms, its budget 89 (1 more); memory is 700 bytes"),
            "{text}"
        );
        assert!(text.ends_with("`--force 'checked[a]'` measures anew") && !text.contains("code"), "{text}");
        assert_eq!(told(quick.clone(), "qemu"), None);
        assert_eq!(told(quick, "none"), None);
    }
}

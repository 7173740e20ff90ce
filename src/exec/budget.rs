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

/// What is over budget in the result of a `check`: one line with every value, and then what to do.
pub fn over(node: &Node, result: Option<&ActionResult>) -> Option<String> {
    match (&node.kind, result) {
        (Kind::Check(check), Some(result)) => judge(check, result, &node.name),
        _ => None,
    }
}

fn judge(check: &Check, result: &ActionResult, name: &str) -> Option<String> {
    let fact = |name: &str| result.fact(name).and_then(|value| value.parse::<u64>().ok());
    // What an emulated processor takes says nothing of Lambda.
    let is_native = result.fact(MEASURED) == Some(Mode::Native.name());
    let measured = |name: &str| result.measurements.get(name).copied().filter(|_| is_native);
    let all = [
        ("zip", fact("zip-size"), check.budgets.zip, "bytes"),
        ("unzipped", fact("unzipped-size"), check.budgets.unzipped, "bytes"),
        ("init-time", measured(INIT_MS), check.budgets.init_ms, "ms"),
        ("memory", measured(MEMORY), check.budgets.memory, "bytes"),
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
    let has = |names: [&str; 2]| over.iter().any(|(what, ..)| names.contains(what));
    let parts = largest(result);
    if has(["zip", "unzipped"]) && !parts.is_empty() {
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

/// The modules with the most code, the largest first.
fn largest(result: &ActionResult) -> String {
    let sizes = result.measurements.iter().filter_map(|(name, bytes)| Some((name.strip_prefix(CODE)?, bytes)));
    let mut sizes: Vec<(&str, &u64)> = sizes.collect();
    sizes.sort_by_key(|(_, bytes)| std::cmp::Reverse(**bytes));
    sizes.iter().take(PARTS).map(|(module, bytes)| format!("{module} {bytes}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::testing::node;
    use crate::graph::check::Budgets;
    use crate::graph::node::Class;

    fn told(budgets: Budgets, smoke: &str) -> Option<String> {
        let check = Check { budgets, ..Check::default() };
        let pairs = [("zip-size", "1000"), ("unzipped-size", "5000"), (MEASURED, smoke), ("smoke", "none")];
        let facts = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let sizes = [(INIT_MS, 90), (MEMORY, 700), ("code-bytes a.org/a", 5), ("code-bytes b.org/b", 70)];
        let measurements = sizes.map(|(name, value)| (name.to_owned(), value)).into();
        let result = ActionResult { facts, measurements, ..ActionResult::default() };
        over(&node("checked[a]", Kind::Check(Box::new(check)), Class::Pure), Some(&result))
    }

    #[test]
    fn what_is_within_its_budget_is_not_told_and_what_is_over_is_with_its_parts() {
        let exact = Budgets { zip: Some(1000), unzipped: Some(5000), init_ms: Some(90), memory: Some(700) };
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

//! A run as a trace that Perfetto (ui.perfetto.dev) and Chrome (`chrome://tracing`) draw: one lane per worker with the
//! nodes it worked on, one for the engine, and counters.
//!
//! The form is Chrome's trace event format: complete events (`X`) with a start and a duration in microseconds, counters
//! (`C`), and metadata (`M`) that names the lanes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::event::Ended;
use crate::event::account::{Account, Span};

/// The one process of a trace.
const PROCESS: u32 = 1;
/// The engine's lane; those of the workers follow.
const ENGINE: u32 = 0;

/// A pool as a trace shows it.
#[derive(Clone, Debug)]
pub struct TracePool {
    /// Its name.
    pub name: String,
    /// How many of its nodes may be at work at once.
    pub depth: u32,
}

/// The trace of a run that has ended. `pool_of` gives the index of a node's pool.
pub fn trace(account: &Account, pools: &[TracePool], pool_of: &dyn Fn(&str) -> Option<usize>) -> String {
    let spans = &account.spans;
    let workers = spans.iter().map(|span| span.worker + 1).max().unwrap_or(0);
    let mut events = vec![metadata("process_name", ENGINE, &json!({"name": format!("ocelot {}", account.pipeline)}))];
    for lane in ENGINE..=workers {
        let name = if lane == ENGINE { "engine".to_owned() } else { format!("worker {lane}") };
        events.push(metadata("thread_name", lane, &json!({"name": name})));
        events.push(metadata("thread_sort_index", lane, &json!({"sort_index": lane})));
    }
    events.extend(phases(account));
    events.extend(spans.iter().map(|span| work(span, pool_of(&span.node).and_then(|at| pools.get(at)))));
    events.extend(counter("nodes at work", spans.iter(), |now| json!({"nodes": now})));
    for (at, pool) in pools.iter().enumerate() {
        let inside = spans.iter().filter(|span| pool_of(&span.node) == Some(at));
        let depth = i64::from(pool.depth);
        let value = |now: i64| json!({"used": now, "free": (depth - now).max(0)});
        events.extend(counter(&format!("pool {}", pool.name), inside, value));
    }
    events.extend(ended(spans));
    let whole = json!({
        "displayTimeUnit": "ms",
        "otherData": {"run": account.run, "pipeline": account.pipeline, "version": env!("CARGO_PKG_VERSION")},
        "traceEvents": events,
    });
    format!("{whole}\n")
}

fn metadata(name: &str, lane: u32, args: &Value) -> Value {
    json!({"ph": "M", "name": name, "pid": PROCESS, "tid": lane, "ts": 0, "args": args})
}

fn complete(name: &str, category: &str, lane: u32, start_us: u64, end_us: u64, args: &Value) -> Value {
    let duration = end_us.saturating_sub(start_us);
    json!({
        "ph": "X", "name": name, "cat": category, "pid": PROCESS, "tid": lane, "ts": start_us, "dur": duration, "args": args,
    })
}

/// What the engine did before, during and after the loop.
fn phases(account: &Account) -> Vec<Value> {
    let now = account.elapsed_us();
    let Some(last) = account.spans.iter().map(|span| span.end_us).max() else {
        return vec![complete("look", "engine", ENGINE, 0, now, &json!({}))];
    };
    let phase = |name, start, end| complete(name, "engine", ENGINE, start, end, &json!({}));
    vec![phase("look", 0, account.began_us), phase("run", account.began_us, last), phase("save", last, now)]
}

fn work(span: &Span, pool: Option<&TracePool>) -> Value {
    let args = json!({
        "end": span.end,
        "why": span.reason.to_string(),
        "attempts": span.attempts,
        "outputs unchanged": span.unchanged,
        "pool": pool.map(|pool| pool.name.as_str()),
    });
    complete(&span.node, span.kind, span.worker + 1, span.start_us, span.end_us, &args)
}

/// How many of these spans are open, at each instant at which that changes.
fn counter<'a>(name: &str, spans: impl Iterator<Item = &'a Span>, value: impl Fn(i64) -> Value) -> Vec<Value> {
    let mut steps: BTreeMap<u64, i64> = BTreeMap::new();
    for span in spans {
        *steps.entry(span.start_us).or_default() += 1;
        *steps.entry(span.end_us).or_default() -= 1;
    }
    let mut now = 0;
    let steps = steps.into_iter().filter(|(_, step)| *step != 0);
    steps
        .map(|(at, step)| {
            now += step;
            json!({"ph": "C", "name": name, "pid": PROCESS, "tid": ENGINE, "ts": at, "args": value(now)})
        })
        .collect()
}

/// How many nodes have ended, by how they did.
fn ended(spans: &[Span]) -> Vec<Value> {
    let mut by_end: Vec<&Span> = spans.iter().collect();
    by_end.sort_by_key(|span| span.end_us);
    let told = |end: &Ended| json!(end).as_str().unwrap_or_default().to_owned();
    // Every end that occurs is in each step, so that the areas of the drawing add up.
    let mut counts: BTreeMap<String, u64> = spans.iter().map(|span| (told(&span.end), 0)).collect();
    by_end
        .into_iter()
        .map(|span| {
            *counts.entry(told(&span.end)).or_default() += 1;
            json!({"ph": "C", "name": "nodes ended", "pid": PROCESS, "tid": ENGINE, "ts": span.end_us, "args": counts})
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::verdict::Reason;
    use crate::base::clock::Clock;

    fn span(node: &str, worker: u32, start_us: u64, end_us: u64, end: Ended) -> Span {
        Span {
            node: node.into(),
            kind: "exec",
            worker,
            start_us,
            end_us,
            end,
            duration_ms: 0,
            attempts: 1,
            unchanged: false,
            reason: Reason::NeverRun,
        }
    }

    fn drawn(spans: Vec<Span>) -> Vec<Value> {
        let mut account = Account::new(Clock::start());
        account.spans = spans;
        let pools = [TracePool { name: "net".into(), depth: 2 }];
        let text = trace(&account, &pools, &|node| node.starts_with("up").then_some(0));
        let whole: Value = serde_json::from_str(&text).unwrap();
        whole["traceEvents"].as_array().unwrap().clone()
    }

    fn of<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
        events.iter().filter(|event| event["name"] == name).collect()
    }

    #[test]
    fn every_node_is_a_complete_event_on_its_workers_lane() {
        let events = drawn(vec![span("a", 0, 10, 40, Ended::Ran), span("up\"\n", 1, 20, 30, Ended::Failed)]);
        let a = of(&events, "a")[0];
        assert_eq!((&a["ph"], &a["ts"], &a["dur"], &a["tid"]), (&json!("X"), &json!(10), &json!(30), &json!(1)));
        let up = of(&events, "up\"\n")[0];
        assert_eq!((&up["tid"], &up["args"]["end"], &up["args"]["pool"]), (&json!(2), &json!("failed"), &json!("net")));
        let lanes: Vec<&Value> = of(&events, "thread_name").iter().map(|event| &event["args"]["name"]).collect();
        assert_eq!(lanes, ["engine", "worker 1", "worker 2"]);
    }

    #[test]
    fn counters_rise_and_fall_with_the_work() {
        let events = drawn(vec![
            span("up1", 0, 10, 20, Ended::Ran),
            span("up2", 1, 10, 30, Ended::Ran),
            span("c", 0, 20, 30, Ended::Failed),
        ]);
        let at = |name: &str, key: &str| {
            let told = of(&events, name);
            told.iter().map(|event| (event["ts"].as_u64().unwrap(), event["args"][key].clone())).collect::<Vec<_>>()
        };
        // At 20 one ends as another begins: nothing changes.
        assert_eq!(at("nodes at work", "nodes"), [(10, json!(2)), (30, json!(0))]);
        assert_eq!(at("pool net", "free"), [(10, json!(0)), (20, json!(1)), (30, json!(2))]);
        assert_eq!(at("nodes ended", "ran"), [(20, json!(1)), (30, json!(2)), (30, json!(2))]);
        assert_eq!(at("nodes ended", "failed").last(), Some(&(30, json!(1))));
    }

    #[test]
    fn a_run_with_nothing_to_do_has_a_trace_too() {
        let events = drawn(Vec::new());
        assert_eq!(of(&events, "look").len(), 1);
        assert!(events.iter().all(|event| event["ph"] == "M" || event["name"] == "look"), "{events:?}");
    }
}

//! 10xx: what is legal and mostly a mistake; 99xx: our own.

use super::Wrong::{Lint, Told};
use super::codes;

codes! {
    UNUSED_PARAM = 1001, "unused-param", "A parameter that nothing reads";
        why: "Who sets it expects something to change, and nothing does.";
        wrong: Lint("params:\n  level: {default: debug}\nnodes:\n  a: {exec: {command: [echo], stdout: a.txt, sandbox: true}}\n");
        fix: "Write `${name}` where it belongs, or take the parameter away."; right: "params:\n  level: {default: debug}\nnodes:\n  a: {exec: {command: [echo, \"${level}\"], stdout: a.txt, sandbox: true}}"; see: "docs/pipeline.md";
    UNUSED_NODE = 1002, "unused-node", "A node that no run makes unless it is named";
        why: "No target of `default:` needs it, and nothing says what it would be named for: it is mostly left over.";
        wrong: Lint("default: [a]\nnodes:\n  a: {exec: {command: [echo], stdout: a.txt, sandbox: true}}\n  b: {exec: {command: [echo], stdout: b.txt, sandbox: true}}\n");
        fix: "Add it to `default:`, or say with `description:` what it is named for."; right: "default: [a]\nnodes:\n  a: {exec: {command: [echo], stdout: a.txt, sandbox: true}}\n  b: {description: By hand, exec: {command: [echo], stdout: b.txt, sandbox: true}}"; see: "docs/pipeline.md";
    UNPINNED_SOURCE = 1003, "unpinned-source", "A source without a pin in the lock";
        why: "Each machine asks for itself which commit a branch is, so two of them may build different things.";
        wrong: Lint("nodes:\n  a: {clone: {repo: open-telemetry/opentelemetry-lambda, ref: main}}\n");
        fix: "Run `ocelot update`, and commit `ocelot.lock`."; right: "ocelot update"; see: "docs/operations.md";
    UNPROVEN_INPUTS = 1004, "unproven-inputs", "Inputs that were never proven complete";
        why: "Without a sandbox a command can read files that it does not declare. When one of them changes, the node stays as it is.";
        wrong: Lint("nodes:\n  a: {exec: {command: [echo], stdout: a.txt}}\n");
        fix: "Run `ocelot run --sandbox` once, declare what it misses, then write `sandbox: true`."; right: "nodes:\n  a: {exec: {command: [echo], stdout: a.txt, sandbox: true}}"; see: "docs/pipeline.md";
    UNUSED_DISTRIBUTION = 1005, "unused-distribution", "A distribution that no pipeline builds";
        why: "It is looked after and never made, or a pipeline that should build it does not.";
        wrong: Told("A distribution `left` in `config/distributions.yaml` that no `resolve` node names and no base of one is.");
        fix: "Add it to the choices of a parameter, or take it away."; right: ""; see: "docs/distributions.md";
    SECRET_IN_ENV = 1006, "secret-in-env", "A value that looks like a secret";
        why: "Values of `env:` are in the file, in digests and in records, where everybody who sees them can read them.";
        wrong: Lint("nodes:\n  a: {exec: {command: [echo], stdout: a.txt, sandbox: true, env: {API_TOKEN: s3cr3t-value}}}\n");
        fix: "Name the variable under `secret-env:`, which takes the value from the caller and keeps it out of all of them."; right: "nodes:\n  a: {exec: {command: [echo], stdout: a.txt, sandbox: true, secret-env: [API_TOKEN]}}"; see: "docs/pipeline.md";
    INTERNAL = 9901, "internal", "A mistake of ocelot itself";
        why: "Something was met that the program excludes. It is no fault of the project, and nothing that was recorded is wrong because of it.";
        wrong: Told("A message that begins with `BUG:`.");
        fix: "Report it with the whole message; running again often helps, since the state may be another one then."; right: ""; see: "docs/reliability.md";
}

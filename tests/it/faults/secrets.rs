//! Secrets: one value that must not be in a single byte that a run writes anywhere. And variables that are not listed.

use crate::support::{Space, counts, files};

const SECRET: &str = "s3cr3t/sentinel+4711=x";

/// Forms in which the value would give itself away.
fn forms() -> Vec<String> {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
    vec![
        SECRET.to_owned(),
        BASE64_STANDARD.encode(SECRET).trim_end_matches('=').to_owned(),
        BASE64_URL_SAFE_NO_PAD.encode(SECRET),
        SECRET.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D"),
        "sentinel".to_owned(),
    ]
}

fn assert_nowhere(place: &str, bytes: &[u8]) {
    for form in forms() {
        assert!(!bytes.windows(form.len()).any(|part| part == form.as_bytes()), "{form} is in {place}");
    }
}

#[test]
fn row_39_a_secret_is_in_no_byte_that_is_written_anywhere() {
    let mut space = Space::with(
        r#"
nodes:
  printed: {exec: {command: [sh, -c, 'echo "<$TOKEN>"; printf %s "$TOKEN" | base64; echo "$TOKEN" >&2; echo > a'], secret-env: [TOKEN], outputs: [a]}}
  pieces: {exec: {command: [sh, pieces.sh], inputs: [pieces.sh], secret-env: [TOKEN], outputs: [b]}}
  fails: {exec: {command: [sh, -c, 'echo "no $TOKEN" >&2; exit 1'], secret-env: [TOKEN], outputs: [c]}}
  program: {exec: {command: [sh, -c, 'exec "/nowhere/$TOKEN"'], secret-env: [TOKEN], outputs: [d]}}
  stray: {exec: {command: [sh, -c, 'mkdir -p "$(dirname "$TOKEN")"; echo > "$TOKEN"; echo > e'], secret-env: [TOKEN], outputs: [e], sandbox: true}}
  depfile: {exec: {command: [sh, -c, 'echo > f; echo "f: $TOKEN.h" > f.d'], secret-env: [TOKEN], outputs: [f], depfile: f.d, sandbox: true}}
  late: {timeout: 300ms, exec: {command: [sh, -c, 'echo "$TOKEN"; exec sleep 600'], secret-env: [TOKEN], outputs: [g]}}
"#,
    );
    // One write per character, with a process started between them.
    space.write(
        "pieces.sh",
        "rest=$TOKEN\nwhile test -n \"$rest\"; do printf %s \"${rest%\"${rest#?}\"}\"; rest=${rest#?}; /bin/true; done\necho; echo > b\n",
    );
    space.set("TOKEN", SECRET);
    let runs: [&[&str]; 10] = [
        &["plan"],
        &["run", "-v"],
        &["run", "--output", "json", "--force", "printed", "--force", "pieces"],
        &["run", "--output", "github", "--keep-temp"],
        &["log", "printed"],
        &["log", "pieces"],
        &["log", "fails"],
        &["why", "printed"],
        &["graph"],
        &["run", "printed", "--", "--token", SECRET],
    ];
    for arguments in runs {
        let ran = space.run(arguments);
        if arguments.contains(&"--") {
            // Named by the person as an argument, so it is in the digest's manifest; but in nothing that is shown.
            assert_eq!(ran.status, 0, "{ran:?}");
            assert_nowhere("the lock", &std::fs::read(space.root().join(".ocelot/lock")).unwrap());
            continue;
        }
        assert_nowhere(&format!("standard output of {arguments:?}"), ran.stdout.as_bytes());
        assert_nowhere(&format!("standard error of {arguments:?}"), ran.stderr.as_bytes());
        if arguments[0] == "log" {
            assert!(ran.stdout.contains("[redacted]"), "{ran:?}");
        }
        for folder in [space.root(), space.cache(), space.root().parent().unwrap().join("home")] {
            for (path, bytes) in files(&folder) {
                // The command's own file, in its own folder, is its own affair.
                if !path.starts_with(space.root().join(".ocelot/work")) {
                    assert_nowhere(&path.display().to_string(), path.to_str().unwrap().as_bytes());
                    assert_nowhere(&path.display().to_string(), &bytes);
                }
            }
        }
    }
    space.set("TOKEN", "another-value-entirely");
    assert_eq!(space.plan(&["pieces"])["pieces"].0, "fresh", "only the name is in the digest");
}

#[test]
fn row_39_values_on_the_command_line_are_not_in_the_lock() {
    let space = Space::with("params: {p: {default: a}}\nnodes: {n: {exec: {command: [echo, '${p}'], stdout: o}}}");
    for arguments in [["--set", "p=sentinel"], ["--set=p=sentinel", "n"]] {
        let _ = space.run(&[&["run"], &arguments[..]].concat()).status(0);
        let lock = space.read(".ocelot/lock");
        assert!(lock.contains("p=…") && !lock.contains("sentinel"), "{lock}");
    }
}

#[test]
fn row_40_variables_that_are_not_listed_are_neither_seen_nor_inputs() {
    let mut space =
        Space::with("nodes: {n: {exec: {command: [env], pass-env: [LISTED], env: {FIXED: x}, stdout: out}}}");
    space.set("LISTED", "1");
    space.set("LD_LIBRARY_PATH", "/nowhere");
    space.set("FOO", "1");
    assert_eq!(space.build(&[]), counts(1, 0, 0));
    let seen: Vec<String> =
        space.read("out").lines().map(|line| line.split('=').next().unwrap_or_default().to_owned()).collect();
    let mut allowed = vec!["FIXED", "HOME", "LISTED", "PATH", "TMPDIR"];
    allowed.retain(|name| seen.iter().any(|seen| seen == name));
    let mut sorted = seen.clone();
    sorted.sort();
    assert_eq!(sorted, allowed);
    space.set("FOO", "2");
    space.unset("LD_LIBRARY_PATH");
    space.set("LANG", "tr_TR.UTF-8");
    assert_eq!(space.build(&[]), counts(0, 0, 1));
    space.set("LISTED", "2");
    assert_eq!(space.build(&[]), counts(1, 0, 0));
}

//! `components --sizes` on binaries that Go has made: without symbols it says what `go tool nm` says with them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::shipped;
use crate::support::Space;

const MODULE: &str =
    "module example.com/small\n\ngo 1.24\n\nrequire example.com/lib/v2 v2.0.0\n\nreplace example.com/lib/v2 => ./lib\n";
const MAIN: &str = r#"package main

import (
	"fmt"
	"os"

	"example.com/lib/v2/deep.v3"
	"example.com/small/inner"
)

func main() { fmt.Println(deep.Sum(len(os.Args)), inner.Twice(len(os.Args))) }
"#;
const DEEP: &str = r#"package deep

import "fmt"

type Pair[T any] struct{ A, B T }

//go:noinline
func (p Pair[T]) Show() string { return fmt.Sprintf("%v %v", p.A, p.B) }

//go:noinline
func Sum(n int) string {
	total := 0
	for i := 0; i < n; i++ {
		total += i * i
	}
	return Pair[int]{n, total}.Show() + Pair[string]{"a", "b"}.Show()
}
"#;
const INNER: &str =
    "package inner\n\n//go:noinline\nfunc Twice(n int) int {\n\tif n > 7 {\n\t\tpanic(n)\n\t}\n\treturn 2 * n\n}\n";

/// A program of two modules, and its binaries for both processors, with symbols and without.
fn program() -> Space {
    let space = shipped::project();
    for (path, text) in [
        ("small/go.mod", MODULE),
        ("small/main.go", MAIN),
        ("small/inner/inner.go", INNER),
        ("small/lib/go.mod", "module example.com/lib/v2\n\ngo 1.24\n"),
        ("small/lib/deep.v3/deep.go", DEEP),
    ] {
        space.write(path, text);
    }
    space
}

fn go(space: &Space, arguments: &[&str], arch: &str) -> String {
    let mut go = Command::new("go");
    go.args(arguments).current_dir(space.root().join("small"));
    go.envs([("GOOS", "linux"), ("GOARCH", arch), ("CGO_ENABLED", "0"), ("GOFLAGS", "-mod=mod"), ("GOPROXY", "off")]);
    let said = go.output().expect("these tests need Go (https://go.dev/dl/)");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).expect("UTF-8")
}

/// Bytes by module, as shown.
fn sizes(space: &Space, binary: &str) -> BTreeMap<String, i64> {
    let shown = space.run(&["components", binary, "--sizes"]).status(0).stdout;
    let pair = |line: &str| {
        let (bytes, module) = line.trim().split_once(' ').expect("bytes and a module");
        (module.to_owned(), bytes.parse().expect("bytes"))
    };
    shown.lines().map(pair).collect()
}

/// Bytes of code of the package with this prefix, as `go tool nm` shows them.
fn of_symbols(space: &Space, binary: &str, arch: &str, prefixes: &[&str]) -> i64 {
    let path = space.root().join(binary);
    let symbols = go(space, &["tool", "nm", "-size", Path::new(&path).to_str().expect("UTF-8")], arch);
    let size = |line: &str| {
        let mut words = line.split_whitespace();
        let (_, size, kind) = (words.next()?, words.next()?, words.next()?);
        let name = words.next()?;
        let ours = prefixes.iter().any(|prefix| name.strip_prefix("type:.eq.").unwrap_or(name).starts_with(prefix));
        (ours && kind.eq_ignore_ascii_case("t")).then(|| size.parse::<i64>().expect("a size"))
    };
    symbols.lines().filter_map(size).sum()
}

#[test]
fn a_stripped_binary_says_what_its_symbols_said() {
    let space = program();
    for arch in ["amd64", "arm64"] {
        go(&space, &["build", "-trimpath", "-o", "../whole", "."], arch);
        go(&space, &["build", "-trimpath", "-ldflags", "-s -w", "-o", "../stripped", "."], arch);
        let found = sizes(&space, "stripped");
        assert_eq!(found, sizes(&space, "whole"), "stripping takes no code away");
        let ours: [(&str, &[&str]); 2] =
            [("example.com/lib/v2", &["example.com/lib/v2/"]), ("example.com/small", &["example.com/small/", "main."])];
        for (module, prefixes) in ours {
            let symbols = of_symbols(&space, "whole", arch, prefixes);
            let table = found[module];
            // Functions begin at multiples of 32 bytes at most, and the table counts what fills the gaps.
            assert!((symbols..symbols + 32 * 16).contains(&table), "{arch} {module}: {table}, by symbols {symbols}");
            assert!(symbols > 100, "{arch} {module}: {symbols}");
        }
        let std = of_symbols(&space, "whole", arch, &["runtime.", "fmt.", "os.", "reflect.", "syscall.", "strconv."]);
        assert!(found["go std"] > std, "{} of {std}", found["go std"]);
        let all: i64 = found.iter().filter(|(name, _)| !name.starts_with("in all")).map(|(_, bytes)| bytes).sum();
        let total = found.iter().find(|(name, _)| name.starts_with("in all (machine code; ")).map(|(_, bytes)| *bytes);
        assert_eq!(total, Some(all));
        assert!(found["other"] * 20 < all, "little has no package: {found:?}");
    }
}

#[test]
fn what_grew_is_shown_against_another_binary() {
    let space = program();
    go(&space, &["build", "-trimpath", "-ldflags", "-s -w", "-o", "../one", "."], "amd64");
    let longer = DEEP.replace("return Pair[int]", "fmt.Println(n, total)\n\treturn Pair[int]");
    space.write("small/lib/deep.v3/deep.go", &longer);
    go(&space, &["build", "-trimpath", "-ldflags", "-s -w", "-o", "../other", "."], "amd64");
    let shown = space.run(&["components", "one", "--diff", "other", "--sizes"]).status(0).stdout;
    let grown = shown.lines().find(|line| line.ends_with(" example.com/lib/v2")).expect("the module that grew");
    assert!(grown.trim().starts_with('+'), "{shown}");
    assert!(!shown.contains("example.com/small"), "what stayed is not shown: {shown}");
    let same = space.run(&["components", "one", "--diff", "one", "--sizes"]).status(0).stdout;
    assert_eq!(same.lines().count(), 1, "{same}");
}

#[test]
fn what_has_no_table_of_functions_is_refused() {
    let space = program();
    let own = std::env::current_exe().expect("a path");
    let said = space.run(&["components", own.to_str().expect("UTF-8"), "--sizes"]).status(2).stderr;
    assert!(said.contains("is it a Go binary?"), "{said}");
    let said = space.run(&["components", "-d", "minimal", "--sizes"]).status(2).stderr;
    assert!(said.contains("cannot be used with"), "{said}");
}

//! Which Go files a build for Linux on Lambda compiles: implied tags and the meaning of file names.

use crate::layer::arch::Arch;

/// The operating systems and processors that Go knows by name (`go tool dist list`, with the retired ones). A file name
/// that ends in `_NAME` is built for it alone, and `-tags` cannot set these.
const SYSTEMS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasip1",
    "windows",
    "zos",
];
const PROCESSORS: &[&str] = &[
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "arm64",
    "arm64be",
    "armbe",
    "loong64",
    "mips",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "mipsle",
    "ppc",
    "ppc64",
    "ppc64le",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

/// Whether Go sets this tag by itself, from the target, the compiler or the release (or it is `ignore`, which by custom
/// nobody sets).
pub fn is_toolchain_tag(tag: &str) -> bool {
    SYSTEMS.contains(&tag)
        || PROCESSORS.contains(&tag)
        || matches!(tag, "unix" | "cgo" | "gc" | "gccgo" | "race" | "msan" | "asan" | "ignore")
        || tag.strip_prefix("go1.").is_some_and(|minor| minor.bytes().all(|byte| byte.is_ascii_digit()))
        || tag.starts_with("goexperiment.")
}

/// Whether Go sets `tag` for a Linux build without cgo for `arch`. Release tags (`go1.N`) up to `go_minor` hold.
pub fn implied(tag: &str, arch: Arch, go_minor: u32) -> bool {
    match tag.strip_prefix("go1.") {
        Some(minor) => minor.parse::<u32>().is_ok_and(|minor| minor >= 1 && minor <= go_minor),
        None => matches!(tag, "linux" | "unix" | "gc") || tag == arch.goarch(),
    }
}

/// Whether `go build` for Linux on `arch` looks at a file of this name at all (its constraint decides the rest): tests,
/// files that start with `_` or `.`, and names that end in another system or processor are left out.
pub fn builds_file(name: &str, arch: Arch) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name);
    let Some(stem) = name.strip_suffix(".go") else { return false };
    if stem.starts_with(['_', '.']) || stem.ends_with("_test") {
        return false;
    }
    // What stands before the first `_` is the name; only what follows can be a system or processor.
    let mut parts = stem.split('_').skip(1).collect::<Vec<_>>();
    let last = parts.pop().unwrap_or_default();
    if PROCESSORS.contains(&last) {
        let system = parts.last().copied().filter(|part| SYSTEMS.contains(part));
        return last == arch.goarch() && system.is_none_or(|system| system == "linux");
    }
    !SYSTEMS.contains(&last) || last == "linux"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_select_as_in_go() {
        let built = |name: &str| builds_file(name, Arch::Amd64);
        assert!(built("lambdacomponents/exporter/otlp.go"));
        assert!(built("x_linux.go") && built("x_amd64.go") && built("x_linux_amd64.go") && built("linux.go"));
        assert!(!built("x_windows.go") && !built("x_arm64.go") && !built("x_darwin_amd64.go"));
        assert!(!built("x_test.go") && !built("_x.go") && !built(".x.go") && !built("x.yaml"));
        assert!(built("aws_s3.go") && built("unix_unix.go"));
    }

    #[test]
    fn implied_tags() {
        assert!(
            implied("linux", Arch::Arm64, 26)
                && implied("arm64", Arch::Arm64, 26)
                && implied("go1.26", Arch::Arm64, 26)
        );
        assert!(!implied("cgo", Arch::Arm64, 26) && !implied("amd64", Arch::Arm64, 26));
        assert!(!implied("go1.27", Arch::Arm64, 26) && !implied("lambdacomponents.custom", Arch::Arm64, 26));
        assert!(is_toolchain_tag("go1.21") && is_toolchain_tag("windows") && !is_toolchain_tag("go1.x"));
    }
}

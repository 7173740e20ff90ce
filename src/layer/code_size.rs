//! How many bytes of machine code each Go module has in a binary. Code alone: what a module keeps in tables, texts and
//! embedded files has no owner in a binary without symbols, and what is inlined counts where it is inlined.

use std::collections::{BTreeMap, BTreeSet};

use crate::layer::build_info::BuildInfo;
use crate::layer::error::LayerError;
use crate::layer::go_functions;

/// The name under which Go's own library and runtime are counted.
pub const STD: &str = "go std";
/// The name under which everything is counted that has no package: assembly, and what the linker makes.
pub const OTHER: &str = "other";

/// The code of one module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeSize {
    /// The module's path, [`STD`] or [`OTHER`].
    pub module: String,
    /// Bytes.
    pub bytes: u64,
}

/// The bytes of each module with code in an ELF binary, the largest first. `file` is only used in messages.
///
/// # Errors
/// If the binary has no readable table of functions.
pub fn of_elf(file: &str, bytes: &[u8], info: &BuildInfo) -> Result<Vec<CodeSize>, LayerError> {
    let modules: BTreeSet<&str> = info.main.iter().chain(&info.deps).map(|module| module.path.as_str()).collect();
    let main = info.main.as_ref().map(|main| main.path.as_str());
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for function in go_functions::of_elf(file, bytes)? {
        let package = package_of(function.name);
        *sums.entry(module_of(&package, &modules, main)).or_default() += function.size;
    }
    let mut sizes: Vec<CodeSize> =
        sums.into_iter().map(|(module, bytes)| CodeSize { module: module.to_owned(), bytes }).collect();
    sizes.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.module.cmp(&b.module)));
    Ok(sizes)
}

/// The import path in a function's name; empty if it has none.
fn package_of(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let name = ["type:.eq.", "type:.hash."].iter().find_map(|made| name.strip_prefix(made)).unwrap_or(&name);
    // Receivers and type arguments have paths of their own, with slashes and dots.
    let name = name.split(['(', '[', '{', ' ']).next().unwrap_or_default();
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let Some(dot) = name[last..].find('.') else { return String::new() };
    unescaped(&name[..last + dot])
}

/// The linker writes what could be taken for the end of a path, and what is not ASCII, as `%2e`.
fn unescaped(path: &str) -> String {
    if !path.contains('%') {
        return path.to_owned();
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The module with the longest path that the package lies in; without one, Go's own library has paths whose first part
/// is no name of a host.
fn module_of<'m>(package: &str, modules: &BTreeSet<&'m str>, main: Option<&'m str>) -> &'m str {
    if package == "main" {
        return main.unwrap_or(OTHER);
    }
    let mut above = package;
    loop {
        if let Some(module) = modules.get(above) {
            return module;
        }
        match above.rfind('/') {
            Some(slash) => above = &above[..slash],
            None => break,
        }
    }
    // `go:` and `type:` begin what the linker makes.
    let is_std = !package.is_empty() && !above.contains(['.', ':']);
    if is_std { STD } else { OTHER }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::build_info::Module;
    use crate::layer::elf::tests::sample;
    use crate::layer::go_functions::tests::table;
    use object::elf::EM_X86_64;

    #[test]
    fn a_name_says_its_package() {
        for (name, package) in [
            ("main.main", "main"),
            ("runtime.mallocgc", "runtime"),
            ("net/http.(*Server).Serve.func1", "net/http"),
            ("go.opentelemetry.io/collector/otelcol.(*Collector).Run", "go.opentelemetry.io/collector/otelcol"),
            ("gopkg.in/yaml%2ev3.Marshal", "gopkg.in/yaml.v3"),
            ("slices.SortFunc[go.shape.[]example.com/b.T,go.shape.struct {}]", "slices"),
            ("type:.eq.example.com/a/b.T", "example.com/a/b"),
            ("type:.eq.[3]string", ""),
            ("memeqbody", ""),
            ("example.com/a.", "example.com/a"),
            ("a%2", ""),
            ("", ""),
        ] {
            assert_eq!(package_of(name.as_bytes()), package, "{name}");
        }
        assert_eq!(package_of(b"\xff/\xfe.x"), "\u{fffd}/\u{fffd}");
        assert_eq!(unescaped("a%2eb%zz%e2%82%ac%2"), "a.b%zz€%2");
    }

    #[test]
    fn code_belongs_to_the_module_with_the_longest_path() {
        let module = |path: &str| Module { path: path.into(), ..Module::default() };
        let info = BuildInfo {
            main: Some(module("layer")),
            deps: ["example.com/a", "example.com/a/b/v2", "gopkg.in/yaml.v3"].map(module).into(),
            ..BuildInfo::default()
        };
        let table = table(&[
            ("main.main", 1),
            ("layer/internal/x.F", 2),
            ("example.com/a.F", 4),
            ("example.com/a/b.F", 8),
            ("example.com/a/b/v2/c.(*T).F", 16),
            ("example.com/ab.F", 32),
            ("gopkg.in/yaml%2ev3.F", 64),
            ("net/http.Get", 128),
            ("vendor/golang.org/x/net/idna.F", 256),
            ("memeqbody", 512),
            ("go:textfipsstart.x", 1024),
        ]);
        let sizes = of_elf("collector", &sample(EM_X86_64, ".gopclntab", &table), &info).unwrap();
        let sizes: Vec<(&str, u64)> = sizes.iter().map(|size| (size.module.as_str(), size.bytes)).collect();
        let wanted = [
            (OTHER, 32 + 512 + 1024),
            (STD, 128 + 256),
            ("gopkg.in/yaml.v3", 64),
            ("example.com/a/b/v2", 16),
            ("example.com/a", 4 + 8),
            ("layer", 1 + 2),
        ];
        assert_eq!(sizes, wanted);
    }
}

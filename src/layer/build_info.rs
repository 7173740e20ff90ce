//! Go's build information inside a binary: toolchain, modules that were really linked, and build settings.
//!
//! Go 1.18 and later store it in the section `.go.buildinfo`, where it survives `-s -w`: a magic number, two flag
//! bytes, and at offset 32 two strings with varint lengths, the Go version and a text of tab-separated lines. Source
//! of the format: Go's `debug/buildinfo` and `runtime/debug` packages.

use crate::layer::elf;
use crate::layer::error::LayerError;

const SECTION: &str = ".go.buildinfo";
const MAGIC: &[u8] = b"\xff Go buildinf:";
/// The header that stands before the strings.
const HEADER: usize = 32;
/// Set in the byte after the pointer size if the strings follow inline (Go ≥ 1.18).
const INLINE_FLAG: u8 = 2;
const FLAGS_AT: usize = 15;
const ALIGNMENT: usize = 16;
/// The module text stands between two marks of this many bytes.
const MARK: usize = 16;

/// The module whose version is the collector's.
pub const CORE: &str = "go.opentelemetry.io/collector/otelcol";

/// The build information of a Go binary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildInfo {
    /// The toolchain, for example `go1.26.8`.
    pub go_version: String,
    /// The import path of the main package.
    pub path: String,
    /// The main module.
    pub main: Option<Module>,
    /// The modules with packages in the binary, sorted by path as Go writes them.
    pub deps: Vec<Module>,
    /// Build settings as key and value: `-tags`, `GOARCH`, `CGO_ENABLED`, …
    pub settings: Vec<(String, String)>,
}

/// A module in a binary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Module {
    /// The module path.
    pub path: String,
    /// The version; `(devel)` or empty for a local one.
    pub version: String,
    /// The `h1:` sum of its archive; empty for a local or replaced module.
    pub sum: String,
    /// What it was replaced with.
    pub replace: Option<Box<Module>>,
}

impl BuildInfo {
    /// Reads the build information of an ELF binary. `file` is only used in messages.
    pub fn of_elf(file: &str, bytes: &[u8]) -> Result<Self, LayerError> {
        let refuse = |problem: &str| LayerError::binary(file, problem);
        let section = elf::section(bytes, SECTION)
            .ok_or_else(|| refuse("it has no Go build information (section .go.buildinfo); is it a Go binary?"))?;
        let blob = (0..section.len())
            .step_by(ALIGNMENT)
            .map(|at| &section[at..])
            .find(|blob| blob.starts_with(MAGIC))
            .ok_or_else(|| refuse("its Go build information has no valid start"))?;
        if blob.get(FLAGS_AT).is_none_or(|flags| flags & INLINE_FLAG == 0) {
            return Err(refuse("its Go build information is of Go 1.17 or older; build it with the Go of go.mod"));
        }
        let damaged = || refuse("its Go build information is damaged");
        let (go_version, rest) = blob.get(HEADER..).and_then(string).ok_or_else(damaged)?;
        let (text, _) = string(rest).ok_or_else(damaged)?;
        let mut info = Self { go_version: lossy(go_version), ..Self::default() };
        // Without module mode the text is empty; otherwise it ends with a newline before the closing mark.
        if text.len() > 2 * MARK {
            let inner = text.get(MARK..text.len() - MARK).ok_or_else(damaged)?;
            info.read_lines(&lossy(inner)).ok_or_else(damaged)?;
        }
        Ok(info)
    }

    /// The value of a build setting.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|(held, _)| held == key).map(|(_, value)| value.as_str())
    }

    /// The value of `-tags`, empty if the binary was built without.
    pub fn tags(&self) -> &str {
        self.setting("-tags").unwrap_or_default()
    }

    /// The collector's version with its `v`; empty if it is not linked in.
    pub fn collector_version(&self) -> &str {
        self.deps.iter().find(|module| module.path == CORE).map_or("", |core| &core.version)
    }

    fn read_lines(&mut self, text: &str) -> Option<()> {
        for line in text.lines() {
            let (kind, rest) = line.split_once('\t').unwrap_or((line, ""));
            match kind {
                "path" => self.path = rest.to_owned(),
                "mod" => self.main = Some(module(rest)?),
                "dep" => self.deps.push(module(rest)?),
                "=>" => {
                    let replaced = self.deps.last_mut().or(self.main.as_mut())?;
                    replaced.replace = Some(Box::new(module(rest)?));
                }
                "build" => self.settings.push(setting(rest)?),
                // Kinds that a later Go adds are none of ours.
                _ => {}
            }
        }
        Some(())
    }
}

fn module(fields: &str) -> Option<Module> {
    let mut fields = fields.split('\t').map(str::to_owned);
    let path = fields.next().filter(|path| !path.is_empty())?;
    Some(Module {
        path,
        version: fields.next().unwrap_or_default(),
        sum: fields.next().unwrap_or_default(),
        replace: None,
    })
}

fn setting(text: &str) -> Option<(String, String)> {
    let (key, rest) = quoted_or_until(text, '=')?;
    let value = rest.strip_prefix('=')?;
    let (value, _) = quoted_or_until(value, '\n')?;
    Some((key, value))
}

/// A Go string literal, or plain text up to `end`; and what follows.
fn quoted_or_until(text: &str, end: char) -> Option<(String, &str)> {
    if let Some(raw) = text.strip_prefix('`') {
        let (value, rest) = raw.split_once('`')?;
        return Some((value.to_owned(), rest));
    }
    let Some(literal) = text.strip_prefix('"') else {
        let at = text.find(end).unwrap_or(text.len());
        return Some((text[..at].to_owned(), &text[at..]));
    };
    let mut value = String::new();
    let mut chars = literal.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &literal[at + 1..])),
            '\\' => value.push(escaped(&mut chars)?),
            c => value.push(c),
        }
    }
    None
}

fn escaped(chars: &mut std::str::CharIndices<'_>) -> Option<char> {
    let digits = match chars.next()?.1 {
        'n' => return Some('\n'),
        't' => return Some('\t'),
        'r' => return Some('\r'),
        c @ ('"' | '\\' | '\'') => return Some(c),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => return None,
    };
    let mut code = 0u32;
    for _ in 0..digits {
        code = code.checked_mul(16)?.checked_add(chars.next()?.1.to_digit(16)?)?;
    }
    char::from_u32(code)
}

/// A string with a varint length in front, and what follows it.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        length |= u64::from(byte & 0x7f).checked_shl(7 * index as u32)?;
        if byte & 0x80 == 0 {
            return bytes[index + 1..].split_at_checked(usize::try_from(length).ok()?);
        }
    }
    None
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::elf::tests::sample;
    use object::elf::EM_X86_64;

    const TEXT: &str = "path\texample.com/collector\nmod\texample.com/collector\t(devel)\t\ndep\ta.org/a\tv1.0.0\th1:aaa=\n\
        dep\tb.org/b\tv0.0.0\n=>\t./b\t(devel)\t\nnew\tthing\nbuild\t-tags=x.custom,x.y\nbuild\tCGO_ENABLED=0\n\
        build\t\"a key\"=\"a \\\"b\\\"\\n\\u00e9\"\nbuild\tDefaultGODEBUG=\n";

    fn blob(version: &str, text: &str) -> Vec<u8> {
        let mut blob = MAGIC.to_vec();
        blob.extend([8, INLINE_FLAG]);
        blob.resize(HEADER, 0);
        for text in [version.to_owned(), format!("{0}{text}{0}", "0123456789abcdef")] {
            let mut length = text.len();
            while length >= 0x80 {
                blob.push(length as u8 | 0x80);
                length >>= 7;
            }
            blob.push(length as u8);
            blob.extend(text.as_bytes());
        }
        blob
    }

    fn read(section: &[u8]) -> Result<BuildInfo, String> {
        let file = sample(EM_X86_64, SECTION, section);
        BuildInfo::of_elf("collector", &file).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_versions_modules_and_settings() {
        let info = read(&blob("go1.26.8", TEXT)).unwrap();
        assert_eq!((info.go_version.as_str(), info.path.as_str()), ("go1.26.8", "example.com/collector"));
        assert_eq!(info.main.as_ref().unwrap().version, "(devel)");
        assert_eq!(info.deps.len(), 2);
        assert_eq!(info.deps[0].sum, "h1:aaa=");
        assert_eq!(info.deps[1].replace.as_ref().unwrap().path, "./b");
        assert_eq!(info.tags(), "x.custom,x.y");
        assert_eq!(info.setting("CGO_ENABLED"), Some("0"));
        assert_eq!(info.setting("a key"), Some("a \"b\"\né"));
        assert_eq!(info.setting("DefaultGODEBUG"), Some(""));
        assert_eq!(info.setting("GOARCH"), None);
    }

    #[test]
    fn the_start_may_be_at_any_aligned_place() {
        let mut section = vec![0; 32];
        section.extend(blob("go1.26.8", TEXT));
        assert_eq!(read(&section).unwrap().go_version, "go1.26.8");
        section.insert(0, 0);
        assert_eq!(read(&section).unwrap_err(), "collector: its Go build information has no valid start");
    }

    #[test]
    fn what_is_not_there_or_damaged_is_said() {
        assert!(
            BuildInfo::of_elf("x", &sample(EM_X86_64, ".text", b"")).unwrap_err().to_string().contains("is it a Go")
        );
        let good = blob("go1.26.8", TEXT);
        let mut old = good.clone();
        old[FLAGS_AT] = 0;
        assert!(read(&old).unwrap_err().contains("Go 1.17 or older"));
        assert!(read(&good[..good.len() - 1]).unwrap_err().contains("damaged"));
        let mut endless = good[..HEADER].to_vec();
        endless.extend([0xff; 40]);
        assert!(read(&endless).unwrap_err().contains("damaged"));
        assert!(read(&blob("go1.26.8", "dep\t\n")).unwrap_err().contains("damaged"));
        assert!(read(&blob("go1.26.8", "=>\ta\tb\n")).unwrap_err().contains("damaged"));
    }

    proptest::proptest! {
        #[test]
        fn damage_never_panics(changes in proptest::collection::vec((0usize..600, 0u8..=255), 0..6), cut in 0usize..700) {
            let mut blob = blob("go1.26.8", TEXT);
            let length = blob.len();
            for (at, byte) in changes {
                blob[at % length] = byte;
            }
            blob.truncate(cut);
            let _ = read(&blob);
        }
    }
}

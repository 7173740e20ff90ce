//! For tests: a binary that looks like a collector, and a configuration that fits it.

use crate::layer::arch::Arch;
use crate::layer::elf;

/// Tags of [`collector`].
pub(crate) const TAGS: &str =
    "lambdacomponents.custom,lambdacomponents.exporter.otlphttp,lambdacomponents.receiver.otlp";
/// A configuration that a layer with these tags can start with.
pub(crate) const CONFIG_TEXT: &str = "\
receivers:
  otlp:
exporters:
  otlphttp:
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [otlphttp]}
";

/// A file with the headers, build information and version of a collector for `arch`.
pub(crate) fn collector(arch: Arch) -> Vec<u8> {
    let arch = arch.goarch();
    let machine: u16 = if arch == "amd64" { 62 } else { 183 };
    let modules = format!(
        "path\texample.com/collector\nmod\texample.com/collector\t(devel)\t\n\
         dep\tgo.opentelemetry.io/collector/otelcol\tv0.145.0\th1:x=\nbuild\t-trimpath=true\nbuild\t-tags={TAGS}\n\
         build\tCGO_ENABLED=0\nbuild\tGOARCH={arch}\nbuild\tGOOS=linux\n"
    );
    let mut info = b"\xff Go buildinf:\x08\x02".to_vec();
    info.resize(32, 0);
    for text in ["go1.26.8".to_owned(), format!("{0}{modules}{0}", "0123456789abcdef")] {
        let mut length = text.len();
        while length >= 0x80 {
            info.push(length as u8 | 0x80);
            length >>= 7;
        }
        info.push(length as u8);
        info.extend(text.as_bytes());
    }
    info.extend(b"\0v0.145.0\0");
    elf::tests::sample(machine, ".go.buildinfo", &info)
}

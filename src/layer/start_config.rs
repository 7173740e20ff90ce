//! What a collector configuration offers to whoever starts it outside Lambda: where it listens, where it can be made to
//! send, and what it needs that only AWS can give.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::diag::SourceMap;
use crate::layer::collector_config::{ConfigNames, Pipeline};
use crate::layer::config_yaml;
use crate::spec::smoke::SmokeValues;
use crate::spec::yaml::{self, Limits, Tree};

/// What OTLP carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// Log records.
    Logs,
    /// Metrics.
    Metrics,
    /// Spans.
    Traces,
}

impl Signal {
    /// All of them, sorted.
    pub const ALL: [Self; 3] = [Self::Logs, Self::Metrics, Self::Traces];

    /// The name in a pipeline's id and in the path of OTLP over HTTP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Metrics => "metrics",
            Self::Traces => "traces",
        }
    }
}

/// What carries OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// Unary calls over HTTP/2, in clear.
    Grpc,
    /// `POST /v1/SIGNAL`.
    Http,
}

impl Transport {
    /// Both, sorted.
    pub const ALL: [Self; 2] = [Self::Grpc, Self::Http];

    /// As in a configuration, below `protocols`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }

    /// The port where none is said.
    const fn port(self) -> u16 {
        match self {
            Self::Grpc => 4317,
            Self::Http => 4318,
        }
    }
}

/// What a run with this configuration can count on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartConfig {
    /// The TCP ports on which it listens for OTLP, sorted.
    pub ports: Vec<u16>,
    /// Where OTLP can be sent to: for each transport the port of the first receiver that asks neither for TLS nor for a login.
    pub receivers: BTreeMap<Transport, u16>,
    /// Variables that hold the endpoint of an OTLP/HTTP exporter, sorted.
    pub endpoints: Vec<String>,
    /// Signals that can be sent without reaching for anything outside: all exporters behind them are known, and near.
    pub sent: Vec<Signal>,
    /// Signals that have to come out at the address in `endpoints`.
    pub awaited: Vec<Signal>,
    /// What of it has to ask somebody outside before it can start.
    pub asks_outside: Option<Asks>,
}

/// A question that nobody answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asks {
    /// What is asked, in words.
    pub what: String,
    /// The line of it.
    pub line: usize,
    /// What could be given so that it is answered.
    pub remedy: Option<Remedy>,
}

/// A value of [`SmokeValues`] that answers a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The secret of this name, or the object at `s3://BUCKET/KEY`.
    Secret(String),
    /// The variable of this name, with the address of a server that runs.
    Variable(String),
}

/// Providers of the collector that read from outside the machine.
const OUTSIDE: [&str; 4] = [SECRETS_MANAGER, S3, "https", "http"];
const SECRETS_MANAGER: &str = "secretsmanager";
const S3: &str = "s3";
/// Exporters that do not start unless their server answers. Source: `clickhouseexporter` of contrib v0.145.0, which looks at
/// the columns of its tables.
const ASKING: [&str; 1] = ["clickhouse"];
/// Processors that may drop what they are given.
const DROPPING: [&str; 3] = ["filter", "probabilistic_sampler", "tail_sampling"];

/// Reads a configuration that [`config_yaml::read_names`] accepts, and that is started with what is given.
///
/// # Errors
/// Every problem of the YAML.
pub fn read(file: &str, text: &str, given: &SmokeValues) -> Result<StartConfig, Vec<String>> {
    let names = config_yaml::read_names(file, text)?;
    let mut sources = SourceMap::default();
    let source = sources.add(file, text);
    let Some(tree) = yaml::parse(source, text, &Limits::default(), &mut Vec::new()) else {
        return Ok(StartConfig::default());
    };
    let (ports, receivers) = ports(&tree);
    let pointed = pointed(&tree);
    let asks_outside = asks_outside(text, given).or_else(|| asks_its_server(&tree, &names, given));
    let mut config = StartConfig { ports, receivers, asks_outside, ..StartConfig::default() };
    config.endpoints = pointed.values().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    for signal in Signal::ALL {
        let flow = Flow::of(&names, signal, &pointed);
        if !config.receivers.is_empty() && flow.starts && flow.is_near {
            config.sent.push(signal);
            if flow.comes_out {
                config.awaited.push(signal);
            }
        }
    }
    Ok(config)
}

/// Where a signal that is received goes.
struct Flow {
    /// Some pipeline receives it over OTLP.
    starts: bool,
    /// No exporter behind it needs anything but the address it is given.
    is_near: bool,
    /// It has to arrive at that address.
    comes_out: bool,
}

impl Flow {
    fn of(names: &ConfigNames, signal: Signal, pointed: &BTreeMap<String, String>) -> Self {
        let kind = |id: &str| id.split('/').next().unwrap_or_default().to_owned();
        let takes = |pipeline: &&Pipeline| {
            kind(&pipeline.named.id) == signal.name() && pipeline.receivers.iter().any(|r| kind(&r.id) == "otlp")
        };
        let pipelines: Vec<&Pipeline> = names.pipelines.iter().filter(takes).collect();
        let near = |id: &str| pointed.contains_key(id) || matches!(kind(id).as_str(), "debug" | "nop");
        Self {
            starts: !pipelines.is_empty(),
            is_near: pipelines.iter().flat_map(|pipeline| &pipeline.exporters).all(|exporter| near(&exporter.id)),
            comes_out: pipelines.iter().any(|pipeline| {
                pipeline.exporters.iter().any(|exporter| pointed.contains_key(&exporter.id))
                    && !pipeline.processors.iter().any(|p| DROPPING.contains(&kind(&p.id).as_str()))
            }),
        }
    }
}

/// The ports of all OTLP receivers, and for each transport the first that takes what is sent in clear.
fn ports(tree: &Tree<'_>) -> (Vec<u16>, BTreeMap<Transport, u16>) {
    let mut ports = BTreeSet::new();
    let mut open = BTreeMap::new();
    for entry in tree.get("receivers").map(Tree::entries).unwrap_or_default() {
        if entry.key.as_str().split('/').next() != Some("otlp") {
            continue;
        }
        let Some(protocols) = entry.value.get("protocols") else { continue };
        for transport in Transport::ALL {
            let Some(protocol) = protocols.get(transport.name()) else { continue };
            let port = match protocol.get("endpoint").and_then(Tree::as_str) {
                Some(endpoint) => port(endpoint),
                None => Some(transport.port()),
            };
            ports.extend(port);
            let is_open = ["tls", "auth"].iter().all(|key| protocol.get(key).is_none());
            if let Some(port) = port.filter(|_| is_open) {
                open.entry(transport).or_insert(port);
            }
        }
    }
    (ports.into_iter().collect(), open)
}

/// The port of `HOST:PORT`, where a variable stands for what follows its `:-`.
fn port(endpoint: &str) -> Option<u16> {
    let bare = endpoint.trim_end_matches('}');
    bare.rsplit_once(':')?.1.trim_start_matches('-').parse().ok()
}

/// Exporters that send OTLP over HTTP to what a variable says, with the variable.
fn pointed(tree: &Tree<'_>) -> BTreeMap<String, String> {
    let of = |entry: &yaml::Entry<'_>| {
        let id = entry.key.as_str();
        let kind = id.split('/').next()?;
        let endpoint = entry.value.get("endpoint")?.as_str()?;
        matches!(kind, "otlphttp" | "otlp_http").then(|| Some((id.to_owned(), variable(endpoint)?)))?
    };
    tree.get("exporters").map(Tree::entries).unwrap_or_default().iter().filter_map(of).collect()
}

/// The name in `${env:NAME}`, `${env:NAME:-DEFAULT}` or `${NAME}`, if the text is nothing else.
fn variable(text: &str) -> Option<String> {
    let inner = text.strip_prefix("${")?.strip_suffix('}')?;
    let inner = inner.strip_prefix("env:").unwrap_or(inner);
    let name = inner.split_once(":-").map_or(inner, |(name, _)| name);
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then(|| name.to_owned())
}

fn asks_outside(text: &str, given: &SmokeValues) -> Option<Asks> {
    text.lines().zip(1..).find_map(|(text, line)| {
        // A comment that explains a provider asks nobody.
        let text = text.split(" #").next().filter(|text| !text.trim_start().starts_with('#'))?;
        text.match_indices("${").find_map(|(at, open)| {
            let (provider, asked) = text[at + open.len()..].split_once(':')?;
            if !OUTSIDE.contains(&provider) {
                return None;
            }
            let secret = secret(provider, asked, &given.env);
            if secret.as_ref().is_some_and(|id| given.secrets.contains_key(id)) {
                return None;
            }
            let named = secret.as_ref().map_or_else(|| "values".to_owned(), |id| format!("`{id}`"));
            let remedy = secret.map(Remedy::Secret);
            Some(Asks { what: format!("it asks `{provider}:` for {named} when it starts"), line, remedy })
        })
    })
}

/// The name of what a provider of AWS is asked for, by the text behind its colon: that of the secret, or `s3://BUCKET/KEY`.
fn secret(provider: &str, asked: &str, env: &BTreeMap<String, String>) -> Option<String> {
    let asked = expanded(inner(asked)?, env);
    match provider {
        // `NAME#KEY` is one member of the object in it, and `NAME:-DEFAULT` has a default.
        SECRETS_MANAGER => {
            let name = asked.split_once(":-").map_or(asked.as_str(), |(name, _)| name);
            Some(name.split('#').next().unwrap_or_default().to_owned())
        }
        S3 => {
            let (host, key) = asked.trim_start_matches('/').split_once('/')?;
            let bucket = host.split_once(".s3.").map_or(host, |(bucket, _)| bucket);
            Some(format!("s3://{bucket}/{key}"))
        }
        _ => None,
    }
    .filter(|name| !name.is_empty())
}

/// What stands before the brace that closes an open one.
fn inner(text: &str) -> Option<&str> {
    let mut depth = 1;
    let end = text.bytes().position(|byte| {
        depth += match byte {
            b'{' => 1,
            b'}' => -1,
            _ => 0,
        };
        depth == 0
    })?;
    text.get(..end)
}

/// The text with each `${env:NAME}` and `${env:NAME:-DEFAULT}` replaced, innermost first; one that is not set is empty.
fn expanded(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    while let Some(from) = text.rfind("${") {
        let Some(length) = text[from..].find('}') else { break };
        let named = text[from + 2..from + length].to_owned();
        let named = named.strip_prefix("env:").unwrap_or(&named);
        let (name, default) = named.split_once(":-").unwrap_or((named, ""));
        let value = env.get(name).filter(|value| !value.is_empty()).map_or(default, String::as_str);
        // What is put in is not looked at again, so that this ends.
        text.replace_range(from..=from + length, &value.replace("${", ""));
    }
    text
}

/// The first exporter that does not start without its server. Whoever gives its address for the start says that one runs
/// there.
fn asks_its_server(tree: &Tree<'_>, names: &ConfigNames, given: &SmokeValues) -> Option<Asks> {
    let address = |id: &str| {
        let exporters = tree.get("exporters").map(Tree::entries).unwrap_or_default();
        let named = exporters.iter().find(|entry| entry.key.as_str() == id)?;
        variable(named.value.get("endpoint")?.as_str()?)
    };
    let mut used = names.pipelines.iter().flat_map(|pipeline| &pipeline.exporters);
    used.find_map(|exporter| {
        if !ASKING.contains(&exporter.id.split('/').next()?) {
            return None;
        }
        let address = address(&exporter.id);
        if address.as_ref().is_some_and(|name| given.env.contains_key(name)) {
            return None;
        }
        let what = format!("exporter `{}` asks its server when it starts", exporter.id);
        Some(Asks { what, line: exporter.mark, remedy: address.map(Remedy::Variable) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(exporters: &str, processors: &str) -> String {
        format!(
            "receivers:\n  otlp:\n    protocols:\n      grpc: {{endpoint: 'localhost:4417'}}\n      http:\n\
             exporters:\n{exporters}service:\n  pipelines:\n    traces: {{receivers: [otlp], processors: \
             [{processors}], exporters: [otlphttp]}}\n    metrics: {{receivers: [otlp], exporters: [debug]}}\n"
        )
    }

    const POINTED: &str = "  debug:\n  otlphttp: {endpoint: \"${env:WHERE:-http://localhost:4319}\"}\n";

    #[test]
    fn data_is_awaited_where_a_variable_leads() {
        let read = read("c", &config(POINTED, "batch"), &SmokeValues::default()).unwrap();
        let expected = StartConfig {
            ports: vec![4318, 4417],
            receivers: [(Transport::Grpc, 4417), (Transport::Http, 4318)].into(),
            endpoints: vec!["WHERE".into()],
            sent: vec![Signal::Metrics, Signal::Traces],
            awaited: vec![Signal::Traces],
            asks_outside: None,
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn nothing_is_sent_where_tls_or_a_login_is_asked_for() {
        let locked = config(POINTED, "").replace("'localhost:4417'", "'localhost:4417', tls: {cert_file: c}");
        let read_one = |text: &str| read("c", text, &SmokeValues::default()).unwrap();
        let one = read_one(&locked);
        assert_eq!((one.ports, one.receivers), (vec![4318, 4417], [(Transport::Http, 4318)].into()));
        let both = read_one(&locked.replace("http:\n", "http: {auth: {authenticator: a}}\n"));
        assert_eq!((both.receivers.len(), both.sent), (0, vec![]));
    }

    #[test]
    fn what_may_be_dropped_or_goes_elsewhere_is_not_awaited() {
        let dropped = read("c", &config(POINTED, "filter/x"), &SmokeValues::default()).unwrap();
        assert_eq!((dropped.sent.len(), dropped.awaited), (2, vec![]));
        let fixed =
            read("c", &config("  debug:\n  otlphttp: {endpoint: 'https://x'}\n", ""), &SmokeValues::default()).unwrap();
        assert_eq!((fixed.sent, fixed.awaited), (vec![Signal::Metrics], vec![]));
    }

    fn asked(text: &str, given: &SmokeValues) -> Option<(usize, Option<String>)> {
        asks_outside(text, given).map(|asks| match asks.remedy {
            Some(Remedy::Secret(id)) => (asks.line, Some(id)),
            _ => (asks.line, None),
        })
    }

    #[test]
    fn a_provider_that_asks_aws_is_found_with_its_line_and_not_in_a_comment() {
        let none = SmokeValues::default();
        let text = "# ${s3:x}\na: 1 # ${s3:x}\nb: ${secretsmanager:${env:N:-n}#e}\n";
        assert_eq!(asked(text, &none), Some((3, Some("n".into()))));
        assert_eq!(asked("a: ${env:https}\n", &none), None);
        assert_eq!(asked("a: ${https:x}\n", &none), Some((1, None)));
        assert_eq!(asked("a: ${secretsmanager:open\n", &none), Some((1, None)));
    }

    #[test]
    fn what_is_answered_is_no_question() {
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let given = SmokeValues {
            env: pairs(&[("N", "mine/own")]),
            secrets: pairs(&[("mine/own", "1"), ("s3://b/k/l", "2"), ("arn:aws:x:secret:y", "3")]),
            ..SmokeValues::default()
        };
        for (text, open) in [
            ("${secretsmanager:${env:N:-n}#e}", None),
            ("${secretsmanager:${env:M:-n}#e}", Some("n")),
            ("${secretsmanager:mine/own:-d}", None),
            ("${secretsmanager:arn:aws:x:secret:y}", None),
            ("${secretsmanager:mine/own}${secretsmanager:other}", Some("other")),
            ("${s3://b.s3.eu-west-1.amazonaws.com/k/l}", None),
            ("${s3:b/k}", Some("s3://b/k")),
        ] {
            assert_eq!(asked(text, &given), open.map(|id| (1, Some(id.to_owned()))), "{text}");
        }
    }

    #[test]
    fn an_exporter_that_asks_its_server_is_found_where_it_is_used() {
        let defined = "  debug:\n  clickhouse/main:\n  otlphttp: {endpoint: 'https://x'}\n";
        assert_eq!(
            read("c", &config(defined, ""), &SmokeValues::default()).unwrap().asks_outside,
            None,
            "defined, and in no pipeline"
        );
        let used = config(defined, "").replace("exporters: [debug]", "exporters: [debug, clickhouse/main]");
        let line = used.lines().count();
        let what = "exporter `clickhouse/main` asks its server when it starts".to_owned();
        let expected = Asks { what: what.clone(), line, remedy: None };
        assert_eq!(read("c", &used, &SmokeValues::default()).unwrap().asks_outside, Some(expected));
        let pointed =
            used.replace("clickhouse/main:\n", "clickhouse/main: {endpoint: '${env:SERVER:-tcp://x:9000}'}\n");
        let expected = Asks { what, line, remedy: Some(Remedy::Variable("SERVER".into())) };
        assert_eq!(read("c", &pointed, &SmokeValues::default()).unwrap().asks_outside, Some(expected));
        let env = BTreeMap::from([("SERVER".to_owned(), "tcp://y:9000".to_owned())]);
        let given = SmokeValues { env, ..SmokeValues::default() };
        assert_eq!(read("c", &pointed, &given).unwrap().asks_outside, None, "somebody says that it runs there");
    }

    #[test]
    fn variables_and_ports_are_read_in_every_form() {
        for (text, name) in [("${env:A_1}", Some("A_1")), ("${A:-x}", Some("A")), ("http://${env:A}", None), ("", None)]
        {
            assert_eq!(variable(text).as_deref(), name, "{text}");
        }
        for (text, found) in
            [("localhost:1", Some(1)), ("${env:P:-0.0.0.0:9}", Some(9)), ("h:${env:P:-7}", Some(7)), ("${env:P}", None)]
        {
            assert_eq!(port(text), found, "{text}");
        }
    }
}

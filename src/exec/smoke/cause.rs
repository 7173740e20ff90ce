//! What an extension says when it fails: its own cause out of its log, and the line of the configuration it is about.

use serde_json::Value;

/// Members of a log line in JSON that hold a cause, the most telling first. Upstream's extension writes `error`; its
/// `msg` says only what was attempted.
const CAUSES: [&str; 5] = ["error", "err", "cause", "msg", "message"];
/// A cause is shown on one line.
const LONGEST: usize = 600;

/// The cause that a log names, on one line.
pub(super) fn find(log: &str) -> Option<String> {
    let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // A panic is followed by its stack; what it is about comes first.
    let panic = lines.iter().find(|line| line.starts_with("panic: ") || line.starts_with("fatal error: "));
    if let Some(panic) = panic {
        return Some(shorten(panic));
    }
    let errors: Vec<String> = lines.iter().filter_map(|line| of_json(line)).collect();
    // The longest of the errors: what was wrapped around it at each level repeats it or says less.
    let best = errors.iter().max_by_key(|error| error.len());
    best.map(|error| shorten(error)).or_else(|| {
        let is_error = |line: &&&str| {
            let lower = line.to_lowercase();
            lower.contains("error") || lower.contains("failed") || lower.contains("cannot")
        };
        // What is JSON and no error was looked at above.
        let mut plain = lines.iter().filter(|line| !line.contains('{'));
        plain.clone().rfind(is_error).or_else(|| plain.next_back()).map(|line| shorten(line))
    })
}

/// The cause in a line of JSON that is an error.
fn of_json(line: &str) -> Option<String> {
    let value: Value = serde_json::from_str(&line[line.find('{')?..]).ok()?;
    let level = value["level"].as_str().unwrap_or_default().to_lowercase();
    // An ordinary line may carry an error that is none: "http: Server closed".
    let unnamed = level.is_empty() && value["error"].is_string();
    let is_error = ["error", "fatal", "panic", "dpanic"].contains(&level.as_str()) || unnamed;
    is_error.then(|| CAUSES.iter().find_map(|name| value[*name].as_str().map(str::to_owned)))?
}

fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// The line of the configuration that a cause is about, from 1, and what is written there.
pub(super) fn config_line<'c>(cause: &str, config: &'c str) -> Option<(usize, &'c str)> {
    let line = |number: usize| Some((number, config.lines().nth(number.checked_sub(1)?)?.trim()));
    let numbered = cause.find("line ").and_then(|at| {
        let digits: String = cause[at + 5..].chars().take_while(char::is_ascii_digit).collect();
        line(digits.parse().ok()?)
    });
    numbered.or_else(|| {
        // The id of a component, in quotes, stands as a key somewhere; a section is named only where nothing nearer is.
        let words =
            cause.split(['"', '\'', '`']).filter(|word| !word.is_empty() && !word.contains(char::is_whitespace));
        let keys: Vec<&str> = words.map(|word| word.rsplit("::").next().unwrap_or(word)).collect();
        let find = |is_section: bool| {
            keys.iter().find_map(|key| {
                config.lines().position(|line| {
                    let inner = line.trim_start();
                    (inner.len() == line.len()) == is_section
                        && inner.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'))
                })
            })
        };
        line(find(false).or_else(|| find(true))? + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_json_log_is_the_cause() {
        let log = "{\"level\":\"info\",\"msg\":\"launching\"}\n\
                   {\"level\":\"error\",\"ts\":1,\"msg\":\"Unable to start\",\"error\":\"decoding failed:\\n\\n'exporters' \
                   unknown type: \\\"debug\\\"\"}\n{\"level\":\"fatal\",\"msg\":\"exit\",\"error\":\"decoding failed\"}\n";
        assert_eq!(find(log).unwrap(), "decoding failed: 'exporters' unknown type: \"debug\"");
        let closed = "{\"level\":\"info\",\"msg\":\"closed:\",\"error\":\"a much longer text, and no cause at all, is here to read\"}\n";
        assert_eq!(find(&format!("{closed}{log}")).unwrap(), find(log).unwrap());
        assert_eq!(find("2026 {\"level\":\"ERROR\",\"msg\":\"m\",\"cause\":\"c\"}").unwrap(), "c");
    }

    #[test]
    fn panics_and_plain_lines_are_causes_too() {
        assert_eq!(find("x\npanic: nil map\n\ngoroutine 1:\nmain.main()\n").unwrap(), "panic: nil map");
        assert_eq!(find("starting\nError: no\nbye\n").unwrap(), "Error: no");
        assert_eq!(find("only this").unwrap(), "only this");
        assert_eq!(find("\n"), None);
        assert_eq!(find("{\"level\":\"INFO\",\"msg\":\"failed over\"}\n"), None);
        assert!(find(&"é".repeat(2000)).unwrap().ends_with('…'));
    }

    #[test]
    fn a_cause_leads_to_its_line() {
        let config = "receivers:\n  otlp:\nexporters:\n  debug:\n";
        assert_eq!(config_line("'exporters' unknown type: \"debug\" for id", config), Some((4, "debug:")));
        assert_eq!(config_line("'exporters' it doesn't know", config), Some((3, "exporters:")));
        assert_eq!(config_line("config.yaml: line 2: receivers", config), Some((2, "otlp:")));
        assert_eq!(config_line("line 99 of nothing", config), None);
        assert_eq!(config_line("no quotes", config), None);
    }
}

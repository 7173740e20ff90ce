//! The little that Ocelot reads in Go source files besides build constraints: imports and component type names.

/// The import paths of a Go file, in order. Reading stops at the first declaration that is no import, and at anything
/// that is not Go.
pub fn imports(text: &str) -> Vec<&str> {
    let mut tokens = Tokens { rest: text.trim_start_matches('\u{feff}') };
    let mut found = Vec::new();
    if tokens.next() != Some(Token::Word("package")) || !matches!(tokens.next(), Some(Token::Word(_))) {
        return found;
    }
    loop {
        match tokens.next() {
            Some(Token::Other(';')) => continue,
            Some(Token::Word("import")) => {}
            _ => return found,
        }
        let mut in_group = false;
        loop {
            match tokens.next() {
                Some(Token::Other('(')) if !in_group => in_group = true,
                Some(Token::Other(')')) if in_group => break,
                Some(Token::Text(path)) => {
                    found.push(path);
                    if !in_group {
                        break;
                    }
                }
                // An alias, `_`, `.`, or a separator.
                Some(Token::Word(_) | Token::Other('.' | ';')) => {}
                _ => return found,
            }
        }
    }
}

/// The configuration names that a component's Go source registers: the literals of `component.MustNewType("…")`, in
/// order. A component's `metadata` package has its type; its factory may have a deprecated alias as well.
pub fn component_types(text: &str) -> Vec<&str> {
    text.split("MustNewType(\"").skip(1).filter_map(|rest| rest.split_once("\")").map(|(name, _)| name)).collect()
}

#[derive(Debug, PartialEq, Eq)]
enum Token<'t> {
    Word(&'t str),
    /// The inside of a string literal; import paths contain no escapes.
    Text(&'t str),
    Other(char),
}

struct Tokens<'t> {
    rest: &'t str,
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        loop {
            self.rest = self.rest.trim_start();
            if let Some(comment) = self.rest.strip_prefix("//") {
                self.rest = comment.split_once('\n')?.1;
            } else if let Some(comment) = self.rest.strip_prefix("/*") {
                self.rest = comment.split_once("*/")?.1;
            } else {
                break;
            }
        }
        let first = self.rest.chars().next()?;
        if first == '"' || first == '`' {
            let (text, rest) = self.rest[1..].split_once(first)?;
            self.rest = rest;
            return Some(Token::Text(text));
        }
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (token, length) =
            if end == 0 { (Token::Other(first), first.len_utf8()) } else { (Token::Word(&self.rest[..end]), end) };
        self.rest = &self.rest[length..];
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_import() {
        let text = "//go:build x\n/* import \"no\" */\npackage exporter\n\nimport \"one\"\nimport two \"a.b/two\"\nimport (\n\t_ \"three\" // import \"no\"\n\
                    . `four`\n\talias \"five\"; \"six\"\n)\n\nvar x = \"no\"\nimport \"no\"\n";
        assert_eq!(imports(text), ["one", "a.b/two", "three", "four", "five", "six"]);
        assert_eq!(imports("package x\n"), Vec::<&str>::new());
        assert_eq!(imports("func main() {}"), Vec::<&str>::new());
        assert_eq!(imports("package x\nimport (\"a\" 1+"), ["a"]);
    }

    #[test]
    fn component_type_names() {
        let text = "var Type = component.MustNewType(\"otlp_http\")\nxexporter.WithDeprecatedTypeAlias(component.MustNewType(\"otlphttp\"))";
        assert_eq!(component_types(text), ["otlp_http", "otlphttp"]);
        assert_eq!(component_types("component.MustNewType(name)"), Vec::<&str>::new());
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(package|import|\\(|\\)|\"|`|//|/\\*|\\*/|a|é|;| |\n){0,40}") {
            let _ = (imports(&text), component_types(&text));
        }
    }
}

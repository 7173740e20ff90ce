//! Which repository of which server is meant, from the variables that GitHub Actions sets.

use std::collections::BTreeMap;

/// Where the API is; for GitHub Enterprise it ends in `/api/v3`.
const API: &str = "GITHUB_API_URL";
const PUBLIC_API: &str = "https://api.github.com";
const REPOSITORY: &str = "GITHUB_REPOSITORY";
/// The variable with the token.
pub const TOKEN: &str = "GITHUB_TOKEN";
/// The variable with the commit that runs.
pub const SHA: &str = "GITHUB_SHA";
/// Variables that decide which repository is meant.
pub const VARIABLES: [&str; 2] = [API, REPOSITORY];

/// A repository of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The URL of the API, without a slash at its end.
    pub api: String,
    /// `owner/name`.
    pub repository: String,
}

impl Place {
    /// The place that variables name; `repository` goes before theirs if it is not empty.
    ///
    /// # Errors
    /// What is missing or of another form; in words, with the fix.
    pub fn of(env: &BTreeMap<String, String>, repository: &str) -> Result<Self, String> {
        let variable = |name: &str| env.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let api = variable(API).unwrap_or(PUBLIC_API).trim_end_matches('/');
        let is_plain = |c: char| c.is_ascii_graphic() && !"@?#".contains(c);
        let host = api.strip_prefix("https://").or_else(|| api.strip_prefix("http://")).unwrap_or_default();
        if host.is_empty() || !host.chars().all(is_plain) {
            return Err(format!(
                "{API} is `{}`, which is no URL of an API; unset it for github.com",
                api.escape_debug()
            ));
        }
        let named = if repository.is_empty() { variable(REPOSITORY) } else { Some(repository) };
        let named = named.ok_or_else(|| {
            format!("{REPOSITORY} is not set: set it to `owner/name`, or give the `release` node its `repo:`")
        })?;
        let is_part = |part: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            !part.is_empty() && part != "." && part != ".." && part.chars().all(fits)
        };
        match named.split_once('/') {
            Some((owner, name)) if is_part(owner) && is_part(name) => {
                Ok(Self { api: api.to_owned(), repository: named.to_owned() })
            }
            _ => Err(format!("`{}` is no repository; write `owner/name`", named.escape_debug())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)], repository: &str) -> Result<Place, String> {
        let env = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Place::of(&env, repository)
    }

    #[test]
    fn variables_and_the_node_name_the_place() {
        let place = |api: &str, repository: &str| Ok(Place { api: api.into(), repository: repository.into() });
        assert_eq!(of(&[(REPOSITORY, "o/n")], ""), place(PUBLIC_API, "o/n"));
        let enterprise = [(API, "https://ghe.example/api/v3/"), (REPOSITORY, "o/n")];
        assert_eq!(of(&enterprise, "x/y.z"), place("https://ghe.example/api/v3", "x/y.z"));
        assert_eq!(of(&[(API, ""), (REPOSITORY, "o/n")], ""), place(PUBLIC_API, "o/n"));
    }

    #[test]
    fn what_is_missing_or_odd_is_said_with_the_fix() {
        assert!(of(&[], "").unwrap_err().contains("GITHUB_REPOSITORY is not set"));
        for odd in ["o", "o/", "o/n/x", "o/..", "o/n?x", "o n/x"] {
            assert!(of(&[], odd).unwrap_err().contains("owner/name"), "{odd}");
        }
        for odd in ["file:///x", "https://", "https://user@host", "https://a b"] {
            assert!(of(&[(API, odd)], "o/n").unwrap_err().contains(API), "{odd}");
        }
    }
}

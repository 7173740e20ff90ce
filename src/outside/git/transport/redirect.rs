//! Where a server may send us on to. Only the first question of a talk is sent on; all later ones go where that led.

use crate::outside::git::location::host_of;

/// What is asked first of a repository over HTTP (gitprotocol-http(5)).
pub(super) const REFS: &str = "/info/refs?service=git-upload-pack";

/// The longest chain that is followed; git's own limit is 20, and one or two are what hosts need.
pub(super) const MOST: usize = 5;

/// The repository's URL after a redirect from `base` to `location`.
///
/// A redirect may lead to another host (a renamed or moved repository does), which then gets no login. It may not lead
/// from TLS into the clear, from elsewhere to this machine, or to something other than a repository's refs.
///
/// # Errors
/// In words, if it is not followed.
pub(super) fn follow(base: &str, location: &str) -> Result<String, String> {
    let refuse = |why: &str| Err(format!("the server redirects to `{}`, {why}", location.escape_debug()));
    let (scheme, authority) = parts(base).ok_or_else(|| format!("`{base}` is no URL"))?;
    let absolute = match location {
        path if path.starts_with('/') && !path.starts_with("//") => format!("{scheme}://{authority}{path}"),
        whole => whole.to_owned(),
    };
    let Some((to_scheme, to_authority)) = parts(&absolute) else {
        return refuse("which is no https URL");
    };
    if to_authority.is_empty() || to_authority.contains('@') || absolute.contains(|c: char| c <= ' ' || c == '\u{7f}') {
        return refuse("which is no usable URL");
    }
    let same_place = to_scheme == scheme && to_authority.eq_ignore_ascii_case(authority);
    if to_scheme != "https" && !same_place {
        return refuse("which is not protected by TLS");
    }
    match absolute.strip_suffix(REFS) {
        Some(repository) => Ok(repository.to_owned()),
        None => refuse("which is not the same question to a repository; it may ask for a login in a browser"),
    }
}

/// Whether two URLs are of one host, and so one login is for both.
pub(super) fn same_host(one: &str, other: &str) -> bool {
    let host = |url| parts(url).map(|(scheme, authority)| (scheme == "https", host_of(authority), port(authority)));
    host(one).is_some() && host(one) == host(other)
}

fn port(authority: &str) -> Option<&str> {
    authority.rsplit_once(':').map(|(_, port)| port).filter(|port| port.bytes().all(|b| b.is_ascii_digit()))
}

fn parts(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    matches!(scheme, "https" | "http").then_some((scheme, authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_repository_is_followed_also_to_another_host() {
        let base = "https://example.org/a/b.git";
        for (location, repository) in [
            ("https://example.org/c/b.git/info/refs?service=git-upload-pack", "https://example.org/c/b.git"),
            ("/c/b/info/refs?service=git-upload-pack", "https://example.org/c/b"),
            ("https://other.example/b/info/refs?service=git-upload-pack", "https://other.example/b"),
        ] {
            assert_eq!(follow(base, location).as_deref(), Ok(repository));
        }
        let local = "http://127.0.0.1:80/a";
        assert!(follow(local, "/b/info/refs?service=git-upload-pack").is_ok());
    }

    #[test]
    fn what_leads_out_of_tls_or_to_no_repository_is_not_followed() {
        let base = "https://example.org/a/b.git";
        for (location, why) in [
            ("http://example.org/a/b.git/info/refs?service=git-upload-pack", "TLS"),
            ("http://127.0.0.1/a/b.git/info/refs?service=git-upload-pack", "TLS"),
            ("https://example.org/login?next=/a/b", "login"),
            ("//other.example/a/info/refs?service=git-upload-pack", "no https URL"),
            ("file:///etc/info/refs?service=git-upload-pack", "no https URL"),
            ("https://u:p@example.org/a/info/refs?service=git-upload-pack", "no usable URL"),
            ("https://example.org/a b/info/refs?service=git-upload-pack", "no usable URL"),
            ("", "no https URL"),
        ] {
            let error = follow(base, location).unwrap_err();
            assert!(error.contains(why), "{location}: {error}");
        }
        let other_port = "http://127.0.0.1:81/b/info/refs?service=git-upload-pack";
        assert!(follow("http://127.0.0.1:80/a", other_port).is_err());
    }

    #[test]
    fn a_login_is_for_one_host_and_port_over_tls() {
        let base = "https://example.org/a";
        assert!(same_host(base, "https://EXAMPLE.org/b"));
        for other in ["https://example.org:8443/a", "http://example.org/a", "https://example.org.evil/a", "example.org"]
        {
            assert!(!same_host(base, other), "{other}");
        }
    }
}

//! The login for a server that asks for one: from the helper that the user's git configuration names, and never in the clear.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use git2::{Config, CredentialHelper};

use crate::outside::git::location::Scheme;
use crate::outside::git::transfer::Login;
use crate::outside::git::transport::Talk;
use crate::outside::git::transport::redirect::same_host;

/// The value of `Authorization` for `base`, the place that the server's answer came from; `None` if there is none to give.
pub(super) fn authorization(talk: &Talk, base: &str) -> Option<String> {
    let may = talk.settings.login == Login::AgentAndHelper
        && talk.url.scheme() == Scheme::Https
        && same_host(talk.url.as_str(), base);
    if !may {
        return None;
    }
    let mut helper = CredentialHelper::new(talk.url.as_str());
    let (user, password) = helper.config(&Config::open_default().ok()?).execute()?;
    Some(basic(&user, &password))
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_written_as_rfc_7617_has_it() {
        assert_eq!(basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}

//! The client: which call means what, when it is made again, and who gets to see the token.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::outside::github::error::{ErrorKind, GithubError};
use crate::outside::github::limits::asked_for;
use crate::outside::github::place::Place;
use crate::outside::github::transport::{Answer, Http, Request, Transport};
use crate::outside::github::{Asset, Release, ReleaseHost, Wish};

const VERSION: &str = "2022-11-28";
/// Entries of a page, which is the most that GitHub gives.
const PAGE: usize = 100;
/// GitHub lists no more than ten thousand.
const PAGES: usize = 100;
/// The longest answer that is not a file, in bytes.
const ANSWER: u64 = 32 << 20;
/// Milliseconds between attempts of a question that had no answer.
const AGAIN: [u64; 3] = [100, 1_000, 4_000];
/// The longest wait for a limit that a run takes.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// Limits that are waited for in one call.
const LIMITS: u32 = 5;
const REDIRECTS: usize = 5;

/// The time, and waiting.
pub trait Waits {
    /// Seconds since 1970.
    fn now(&self) -> u64;

    /// Waits, and tells why if it takes long; `false` if the run is ending.
    fn pause(&self, time: Duration, why: &str) -> bool;
}

/// GitHub, for one repository.
pub struct GithubClient<'w> {
    place: Place,
    token: String,
    transport: Box<dyn Transport>,
    waits: &'w dyn Waits,
}

/// A call: what it is for people, and the request.
struct Call<'a> {
    action: String,
    method: &'static str,
    url: String,
    content_type: &'static str,
    accept: &'static str,
    body: Option<&'a [u8]>,
    limit: u64,
}

impl<'a> Call<'a> {
    fn new(action: impl Into<String>, method: &'static str, url: String) -> Self {
        let (content_type, accept) = ("application/json", "application/vnd.github+json");
        Self { action: action.into(), method, url, content_type, accept, body: None, limit: ANSWER }
    }

    fn with(mut self, body: &'a [u8]) -> Self {
        self.body = Some(body);
        self
    }

    fn error(&self, kind: ErrorKind, problem: impl Into<String>) -> GithubError {
        GithubError::new(kind, self.action.as_str(), problem)
    }
}

impl<'w> GithubClient<'w> {
    /// A client for a repository. Nothing is asked yet.
    ///
    /// # Errors
    /// A token that cannot stand in a header; in words that do not hold it.
    pub fn new(place: Place, token: &str, waits: &'w dyn Waits) -> Result<Self, String> {
        Self::over(Box::new(Http::new()), place, token, waits)
    }

    fn over(transport: Box<dyn Transport>, place: Place, token: &str, waits: &'w dyn Waits) -> Result<Self, String> {
        let token = token.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("GITHUB_TOKEN is empty or has characters that no token has".to_owned());
        }
        Ok(Self { place, token: token.to_owned(), transport, waits })
    }

    fn url(&self, path: &str) -> String {
        format!("{}/repos/{}/{path}", self.place.api, self.place.repository)
    }

    /// Makes a call, again where that is safe, and gives an answer below 300.
    fn call(&self, call: &Call<'_>) -> Result<Answer, GithubError> {
        let mut limits = 0;
        let mut again = AGAIN.iter();
        loop {
            let outcome = self.follow(call);
            let (error, pause) = match outcome {
                Ok(answer) if answer.status < 300 => return Ok(answer),
                Ok(answer) => {
                    let text = self.without_token(&String::from_utf8_lossy(&answer.body));
                    let header = |name: &str| answer.header(name);
                    let limit = asked_for(answer.status, header, &text, self.waits.now(), limits);
                    if let Some(wait) = limit {
                        // It was turned away, so nothing was done.
                        limits += 1;
                        if wait > PATIENCE || limits > LIMITS {
                            let problem = format!(
                                "GitHub's limit on calls is reached and asks for {} s; run again after that",
                                wait.as_secs()
                            );
                            return Err(call.error(ErrorKind::Limited, problem));
                        }
                        self.pause(call, wait, "GitHub's limit on calls is reached")?;
                        continue;
                    }
                    let error = GithubError::of_answer(&call.action, answer.status, &text);
                    let pause = (error.kind == ErrorKind::Unclear).then(|| again.next()).flatten();
                    (error, pause)
                }
                Err(error) => {
                    let pause = (error.kind == ErrorKind::Unclear).then(|| again.next()).flatten();
                    (error, pause)
                }
            };
            // What changes something may have been done: the caller looks before it goes on.
            match pause {
                Some(pause) if call.method == "GET" => {
                    self.pause(call, Duration::from_millis(*pause), &error.to_string())?;
                }
                _ => return Err(error),
            }
        }
    }

    fn pause(&self, call: &Call<'_>, time: Duration, why: &str) -> Result<(), GithubError> {
        if self.waits.pause(time, why) { Ok(()) } else { Err(call.error(ErrorKind::Cancelled, "the run is ending")) }
    }

    /// One attempt; questions are followed where GitHub sends them. Only its own hosts see the token.
    fn follow(&self, call: &Call<'_>) -> Result<Answer, GithubError> {
        let mut url = call.url.clone();
        for _ in 0..=REDIRECTS {
            let is_ours = origin(&url) == origin(&call.url);
            let mut headers = vec![("accept", call.accept.to_owned())];
            if is_ours {
                headers.push(("authorization", format!("Bearer {}", self.token)));
                headers.push(("x-github-api-version", VERSION.to_owned()));
            }
            if call.body.is_some() {
                headers.push(("content-type", call.content_type.to_owned()));
            }
            let request = Request { method: call.method, url, headers, body: call.body, limit: call.limit };
            let answer = self.transport.send(&request);
            let answer = answer.map_err(|problem| call.error(ErrorKind::Unclear, self.without_token(&problem)))?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            if call.method != "GET" {
                let problem =
                    "GitHub sends us elsewhere; was the repository renamed? set GITHUB_REPOSITORY to its name";
                return Err(call.error(ErrorKind::Invalid, problem));
            }
            let target = joined(&request.url, answer.header("location").unwrap_or_default());
            url = target.ok_or_else(|| {
                call.error(ErrorKind::Invalid, "GitHub sends us to an address that is not protected as its own is")
            })?;
        }
        Err(call.error(ErrorKind::Invalid, format!("GitHub sends us on more than {REDIRECTS} times")))
    }

    fn without_token(&self, text: &str) -> String {
        text.replace(&self.token, "***")
    }

    fn json<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, GithubError> {
        let answer = self.call(call)?;
        serde_json::from_slice(&answer.body).map_err(|error| {
            call.error(
                ErrorKind::Unclear,
                format!("the answer is none of GitHub's ({error}); is GITHUB_API_URL right?"),
            )
        })
    }

    fn pages<T: DeserializeOwned>(&self, action: &str, path: &str) -> Result<Vec<T>, GithubError> {
        let mut all = Vec::new();
        for page in 1..=PAGES {
            let url = self.url(&format!("{path}?per_page={PAGE}&page={page}"));
            let some: Vec<T> = self.json(&Call::new(action, "GET", url))?;
            let is_last = some.len() < PAGE;
            all.extend(some);
            if is_last {
                break;
            }
        }
        Ok(all)
    }
}

impl ReleaseHost for GithubClient<'_> {
    fn releases(&self) -> Result<Vec<Release>, GithubError> {
        let listed = self.pages(&format!("list the releases of `{}`", self.place.repository), "releases");
        listed.map_err(|error| match error.kind {
            // A repository that a token may not see is not told from one that is not there.
            ErrorKind::Conflict => GithubError {
                kind: ErrorKind::Denied,
                problem: format!("{}; there is no such repository, or the token is not for it", error.problem),
                ..error
            },
            _ => error,
        })
    }

    fn release(&self, id: u64) -> Result<Release, GithubError> {
        self.json(&Call::new(format!("read release {id}"), "GET", self.url(&format!("releases/{id}"))))
    }

    fn create(&self, wish: &Wish) -> Result<Release, GithubError> {
        let action = format!("make the release `{}`", wish.tag.as_deref().unwrap_or_default());
        self.json(&Call::new(action, "POST", self.url("releases")).with(&encoded(wish)))
    }

    fn edit(&self, id: u64, wish: &Wish) -> Result<Release, GithubError> {
        let verb = if wish.draft == Some(false) { "publish" } else { "edit" };
        let url = self.url(&format!("releases/{id}"));
        self.json(&Call::new(format!("{verb} release {id}"), "PATCH", url).with(&encoded(wish)))
    }

    fn delete_draft(&self, id: u64) -> Result<(), GithubError> {
        let call = Call::new(format!("delete the draft {id}"), "DELETE", self.url(&format!("releases/{id}")));
        if !self.release(id)?.is_draft {
            return Err(call.error(ErrorKind::Conflict, "it was published meanwhile, and stays"));
        }
        self.call(&call).map(drop)
    }

    fn assets(&self, release: u64) -> Result<Vec<Asset>, GithubError> {
        self.pages(&format!("list the files of release {release}"), &format!("releases/{release}/assets"))
    }

    fn upload(&self, release: &Release, name: &str, bytes: &[u8]) -> Result<Asset, GithubError> {
        let base = release.upload_url.split('{').next().unwrap_or_default();
        let url = format!("{base}?name={}", encoded_name(name));
        let mut call = Call::new(format!("upload `{name}`"), "POST", url).with(bytes);
        call.content_type = content_type(name);
        let is_tls = |url: &str| url.starts_with("https://");
        if origin(base).is_none() || (is_tls(&self.place.api) && !is_tls(base)) {
            return Err(call.error(ErrorKind::Invalid, "the address for uploads is not protected as the API's is"));
        }
        self.json(&call)
    }

    fn rename(&self, asset: u64, name: &str) -> Result<Asset, GithubError> {
        let body = serde_json::json!({ "name": name }).to_string();
        let url = self.url(&format!("releases/assets/{asset}"));
        self.json(&Call::new(format!("rename a file to `{name}`"), "PATCH", url).with(body.as_bytes()))
    }

    fn delete_asset(&self, asset: u64) -> Result<(), GithubError> {
        let url = self.url(&format!("releases/assets/{asset}"));
        self.call(&Call::new(format!("delete file {asset}"), "DELETE", url)).map(drop)
    }

    fn download(&self, asset: &Asset) -> Result<Vec<u8>, GithubError> {
        let url = self.url(&format!("releases/assets/{}", asset.id));
        let mut call = Call::new(format!("read `{}`", asset.name), "GET", url);
        (call.accept, call.limit) = ("application/octet-stream", asset.size);
        let bytes = self.call(&call)?.body;
        if bytes.len() as u64 != asset.size {
            return Err(call.error(ErrorKind::Unclear, format!("{} bytes came of {}", bytes.len(), asset.size)));
        }
        Ok(bytes)
    }
}

fn encoded(wish: &Wish) -> Vec<u8> {
    serde_json::to_vec(wish).expect("BUG: texts always encode")
}

/// A name as a part of a query.
fn encoded_name(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn content_type(name: &str) -> &'static str {
    match name.trim_end_matches(".waiting").rsplit_once('.').map(|(_, end)| end) {
        Some("zip") => "application/zip",
        Some("json") => "application/json",
        Some("csv") => "text/csv",
        Some("md" | "tf" | "ts" | "sha256" | "lock") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Scheme and authority of a URL.
fn origin(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().filter(|authority| !authority.is_empty())?;
    matches!(scheme, "https" | "http").then_some((scheme, authority))
}

/// Where a redirect leads; never out of TLS.
fn joined(from: &str, location: &str) -> Option<String> {
    let (scheme, authority) = origin(from)?;
    let target = match location {
        path if path.starts_with('/') && !path.starts_with("//") => format!("{scheme}://{authority}{path}"),
        whole => whole.to_owned(),
    };
    let (to_scheme, to_authority) = origin(&target)?;
    (to_scheme == "https" || scheme == "http").then_some(())?;
    (!to_authority.contains('@')).then_some(target)
}

#[cfg(test)]
mod tests;

//! Smart HTTP (gitprotocol-http(5)): one question for the refs, then one POST for each round of the talk.

use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream};
use ureq::http::Response;
use ureq::{Agent, Body, BodyReader, Proxy};

use crate::outside::git::transport::redirect::{MOST, REFS, follow};
use crate::outside::git::transport::{Failure, Talk, login};
use crate::outside::tls;

/// Some hosts answer only what calls itself git, and give a web page to all else.
const AGENT: &str = concat!("git/2.0 (ocelot ", env!("CARGO_PKG_VERSION"), ")");

/// One talk with a server.
pub(super) struct Http {
    talk: Talk,
    place: Mutex<Option<Place>>,
}

/// What the first answer settled for the rest of the talk.
#[derive(Clone)]
struct Place {
    agent: Agent,
    base: String,
    authorization: Option<String>,
}

impl Http {
    pub(super) fn new(talk: Talk) -> Self {
        Self { talk, place: Mutex::new(None) }
    }

    fn place(&self) -> std::sync::MutexGuard<'_, Option<Place>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for the refs, and follows the server to where the repository is.
    fn refs(&self) -> Result<Answer, Failure> {
        let mut place =
            Place { agent: agent(&self.talk)?, base: self.talk.url.as_str().to_owned(), authorization: None };
        for _ in 0..=MOST {
            let mut question = place.agent.get(format!("{}{REFS}", place.base));
            if let Some(login) = &place.authorization {
                question = question.header("authorization", login);
            }
            let answer = question.call().map_err(|error| failure(&error))?;
            self.talk.line.beat();
            match answer.status().as_u16() {
                200 => {
                    let answer = self.answer(answer, "advertisement")?;
                    *self.place() = Some(place);
                    return Ok(answer);
                }
                301 | 302 | 303 | 307 | 308 => {
                    let location = answer.headers().get("location").and_then(|value| value.to_str().ok());
                    place.base = follow(&place.base, location.unwrap_or_default()).map_err(Failure::denied)?;
                    place.authorization = None;
                }
                401 if place.authorization.is_none() => {
                    place.authorization = login::authorization(&self.talk, &place.base);
                    if place.authorization.is_none() {
                        return Err(Failure::denied("the server asks for a login"));
                    }
                }
                _ => return Err(refusal(&answer)),
            }
        }
        Err(Failure::denied(format!("the server redirects more than {MOST} times")))
    }

    /// The body of an answer that is git's.
    fn answer(&self, answer: Response<Body>, what: &str) -> Result<Answer, Failure> {
        let due = format!("application/x-git-upload-pack-{what}");
        let kind = answer.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(&due) {
            let kind = kind.escape_debug();
            return Err(Failure::denied(format!("the server's answer is no git repository's but of type `{kind}`")));
        }
        Ok(Answer { talk: self.talk.clone(), body: answer.into_body().into_reader() })
    }
}

impl SmartSubtransport for Http {
    fn action(&self, _: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        match service {
            Service::UploadPackLs => Ok(Box::new(self.refs().map_err(|failure| self.talk.fail(failure))?)),
            Service::UploadPack => {
                let place = self.place().clone();
                let place = place.ok_or_else(|| git2::Error::from_str("the refs were not asked for"))?;
                let round = Round { http: Self::new(self.talk.clone()), place, question: Vec::new(), answer: None };
                Ok(Box::new(round))
            }
            Service::ReceivePackLs | Service::ReceivePack => {
                Err(self.talk.fail(Failure::denied("nothing is ever pushed")))
            }
        }
    }

    fn close(&self) -> Result<(), git2::Error> {
        *self.place() = None;
        Ok(())
    }
}

/// What a server sends.
struct Answer {
    talk: Talk,
    body: BodyReader<'static>,
}

impl Read for Answer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.body.read(buffer).map_err(|error| {
            let why = format!("the server's answer broke off: {error}");
            self.talk.fail_stream(Failure::network(why))
        })?;
        match self.talk.line.beat() {
            true => Ok(count),
            false => Err(io::Error::other("nobody waits for it any more")),
        }
    }
}

impl Write for Answer {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One round: what is written is the question, and the first read sends it.
struct Round {
    http: Http,
    place: Place,
    question: Vec<u8>,
    answer: Option<Answer>,
}

impl Round {
    fn ask(&self) -> Result<Answer, Failure> {
        let mut question = self
            .place
            .agent
            .post(format!("{}/git-upload-pack", self.place.base))
            .header("content-type", "application/x-git-upload-pack-request")
            .header("accept", "application/x-git-upload-pack-result");
        if let Some(login) = &self.place.authorization {
            question = question.header("authorization", login);
        }
        let answer = question.send(&self.question[..]).map_err(|error| failure(&error))?;
        self.http.talk.line.beat();
        match answer.status().as_u16() {
            200 => self.http.answer(answer, "result"),
            _ => Err(refusal(&answer)),
        }
    }
}

impl Read for Round {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.answer.is_none() {
            let answer = self.ask().map_err(|failure| self.http.talk.fail_stream(failure))?;
            self.answer = Some(answer);
        }
        self.answer.as_mut().map_or(Ok(0), |answer| answer.read(buffer))
    }
}

impl Write for Round {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.question.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The client of one talk. Nothing of the process's environment counts but what `settings` say.
fn agent(talk: &Talk) -> Result<Agent, Failure> {
    let settings = &talk.settings;
    let proxy = match &settings.proxy {
        // The URL may hold a password, so it is not shown.
        Some(url) => Some(Proxy::new(url).map_err(|_| Failure::denied("the proxy's URL is not usable"))?),
        None => None,
    };
    let config = Agent::config_builder()
        .proxy(proxy)
        .tls_config(tls::trusted())
        .user_agent(AGENT)
        .accept("*/*")
        .accept_encoding("identity")
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        // The watching thread gives a silent talk up; these end the thread that it left behind.
        .timeout_connect(Some(settings.connect_timeout))
        .timeout_per_read(Some(settings.stall_timeout))
        .timeout_per_write(Some(settings.stall_timeout))
        .build();
    Ok(config.new_agent())
}

/// An answer that is not the wanted one. A server's trouble may pass; a "no" stays.
fn refusal(answer: &Response<Body>) -> Failure {
    let status = answer.status();
    let why = format!("the server answered {status}");
    match status.as_u16() {
        408 | 425 | 429 | 500.. => Failure::network(why),
        _ => Failure::denied(why),
    }
}

fn failure(error: &ureq::Error) -> Failure {
    match error {
        // A certificate that is not trusted comes as an I/O error around one of rustls.
        ureq::Error::Io(inner) if is_certificate(inner) => Failure::distrust(format!("TLS: {inner}")),
        ureq::Error::Rustls(rustls::Error::InvalidCertificate(_)) => Failure::distrust(error.to_string()),
        ureq::Error::Io(inner) => Failure::network(inner.to_string()),
        ureq::Error::Rustls(_)
        | ureq::Error::Timeout(_)
        | ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::Protocol(_)
        | ureq::Error::ConnectProxyFailed(_) => Failure::network(error.to_string()),
        _ => Failure::denied(error.to_string()),
    }
}

/// Whether it is the server's certificate that is at fault, and not the connection.
fn is_certificate(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

//! The client over answers that are written down.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::*;

const TOKEN: &str = "ghs_s3cret";

type Sent = (String, String, Option<String>);

/// Gives answers in order, and notes method, URL and login of each request.
#[derive(Clone, Default)]
struct Script {
    answers: Rc<RefCell<VecDeque<Result<Answer, String>>>>,
    sent: Rc<RefCell<Vec<Sent>>>,
}

impl Transport for Script {
    fn send(&self, request: &Request<'_>) -> Result<Answer, String> {
        let login = request.headers.iter().find(|(name, _)| *name == "authorization").map(|(_, value)| value.clone());
        self.sent.borrow_mut().push((request.method.to_owned(), request.url.clone(), login));
        self.answers.borrow_mut().pop_front().expect("an answer is left")
    }
}

#[derive(Default)]
struct Noted(RefCell<Vec<u64>>);

impl Waits for Noted {
    fn now(&self) -> u64 {
        1_000
    }

    fn pause(&self, time: Duration, _: &str) -> bool {
        self.0.borrow_mut().push(u64::try_from(time.as_millis()).unwrap());
        self.0.borrow().len() < 20
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Result<Answer, String> {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Ok(Answer { status, headers, body: body.as_bytes().to_vec() })
}

/// Asks with these answers; gives also what was sent and waited for.
fn ask<T>(
    answers: Vec<Result<Answer, String>>,
    question: impl Fn(&GithubClient<'_>) -> Result<T, GithubError>,
) -> (Result<T, GithubError>, Vec<Sent>, Vec<u64>) {
    let (script, waits) = (Script::default(), Noted::default());
    script.answers.borrow_mut().extend(answers);
    let place = Place { api: "https://api.github.com".into(), repository: "o/n".into() };
    let client = GithubClient::over(Box::new(script.clone()), place, TOKEN, &waits).unwrap();
    let result = question(&client);
    assert!(script.answers.borrow().is_empty(), "every answer is used");
    (result, script.sent.take(), waits.0.take())
}

fn releases(client: &GithubClient<'_>) -> Result<Vec<Release>, GithubError> {
    client.releases()
}

fn asset() -> Asset {
    Asset { id: 7, name: "index.json".into(), state: "uploaded".into(), size: 2, digest: None }
}

const RELEASE: &str = r#"{"id":1,"tag_name":"t","draft":true,"prerelease":false,
    "upload_url":"https://uploads.github.com/repos/o/n/releases/1/assets{?name,label}","html_url":"https://x"}"#;

#[test]
fn a_redirect_to_another_host_never_carries_the_token() {
    let to = |place| answer(302, &[("location", place)], "");
    let answers = vec![to("/elsewhere"), to("https://objects.example/file?signature=x"), answer(200, &[], "{}")];
    let (result, sent, _) = ask(answers, |client| client.download(&asset()));
    assert_eq!(result.unwrap(), b"{}");
    let logins: Vec<bool> = sent.iter().map(|(_, _, login)| login.is_some()).collect();
    assert_eq!(logins, [true, true, false], "{sent:?}");
    assert_eq!(sent[1].1, "https://api.github.com/elsewhere");
    for place in ["http://objects.example/", "ftp://x", "", "https://user@host/"] {
        let (result, sent, _) = ask(vec![to(place)], |client| client.download(&asset()));
        assert_eq!((result.unwrap_err().kind, sent.len()), (ErrorKind::Invalid, 1), "{place}");
    }
    let (result, ..) = ask(vec![to("https://api.github.com/x")], |client| client.delete_asset(7));
    assert!(result.unwrap_err().problem.contains("renamed"));
}

#[test]
fn the_token_is_in_no_error() {
    let echo = format!(r#"{{"message":"token {TOKEN} is bad"}}"#);
    let (result, ..) = ask(vec![answer(401, &[], &echo)], releases);
    let error = result.unwrap_err();
    assert!(error.kind == ErrorKind::Denied && !error.to_string().contains(TOKEN), "{error}");
    let (result, ..) = ask(vec![Err(format!("no answer to {TOKEN}"))], |client| client.delete_asset(7));
    assert!(!result.unwrap_err().to_string().contains(TOKEN));
    let place = Place { api: "https://x".into(), repository: "o/n".into() };
    let refused = GithubClient::over(Box::new(Script::default()), place, "a\nb-s3cret", &Noted::default()).err();
    assert!(refused.is_some_and(|text| !text.contains("s3cret")));
}

#[test]
fn limits_are_waited_for_and_a_long_one_is_told() {
    let wait = |seconds| answer(429, &[("retry-after", seconds)], "");
    let answers = vec![wait("3"), wait("0"), answer(204, &[], "")];
    let (result, sent, waited) = ask(answers, |client| client.delete_asset(7));
    assert!(result.is_ok());
    assert_eq!((sent.len(), waited), (3, vec![3_000, 0]));
    let (result, _, waited) = ask(vec![wait("3600")], |client| client.delete_asset(7));
    let error = result.unwrap_err();
    assert!(error.kind == ErrorKind::Limited && error.problem.contains("3600 s"), "{error}");
    assert!(waited.is_empty());
    let (result, ..) = ask((0..6).map(|_| wait("1")).collect(), |client| client.delete_asset(7));
    assert_eq!(result.unwrap_err().kind, ErrorKind::Limited, "not for ever");
}

#[test]
fn a_question_is_asked_again_and_a_change_is_not() {
    let silent = || Err("no answer: reset".to_owned());
    let (result, sent, waited) = ask(vec![silent(), answer(502, &[], "<html>"), answer(200, &[], "[]")], releases);
    assert_eq!((result.unwrap().len(), sent.len(), waited), (0, 3, vec![100, 1_000]));
    let (result, sent, _) = ask((0..4).map(|_| silent()).collect(), releases);
    assert_eq!((result.unwrap_err().kind, sent.len()), (ErrorKind::Unclear, 4));
    for lost in [silent(), answer(500, &[], "")] {
        let (result, sent, _) = ask(vec![lost], |client| client.create(&Wish::default()));
        assert_eq!((result.unwrap_err().kind, sent.len()), (ErrorKind::Unclear, 1));
    }
}

#[test]
fn all_pages_are_read_and_a_repository_that_is_not_there_is_said() {
    let page = format!("[{}]", vec![RELEASE; PAGE].join(","));
    let (result, sent, _) = ask(vec![answer(200, &[], &page), answer(200, &[], "[]")], releases);
    assert_eq!(result.unwrap().len(), PAGE);
    assert!(sent[1].1.ends_with("/repos/o/n/releases?per_page=100&page=2"), "{sent:?}");
    let (result, ..) = ask(vec![answer(404, &[], "")], releases);
    let error = result.unwrap_err();
    assert!(error.kind == ErrorKind::Denied && error.problem.contains("no such repository"), "{error}");
    let (result, ..) = ask(vec![answer(200, &[], "<html>")], releases);
    assert!(result.unwrap_err().problem.contains("GITHUB_API_URL"));
}

#[test]
fn files_go_where_the_release_says_and_never_out_of_tls() {
    let release: Release = serde_json::from_str(RELEASE).unwrap();
    let made = r#"{"id":9,"name":"a b.zip","state":"uploaded","size":1,"digest":"sha256:x"}"#;
    let (result, sent, _) = ask(vec![answer(201, &[], made)], |client| client.upload(&release, "a b.zip", b"x"));
    assert_eq!(result.unwrap().id, 9);
    assert_eq!(sent[0].1, "https://uploads.github.com/repos/o/n/releases/1/assets?name=a%20b.zip");
    let open = Release { upload_url: "http://uploads.github.com/x".into(), ..release };
    let (result, sent, _) = ask(vec![], |client| client.upload(&open, "a", b"x"));
    assert!(result.unwrap_err().problem.contains("protected") && sent.is_empty());
}

#[test]
fn only_a_draft_is_deleted() {
    let (result, sent, _) = ask(vec![answer(200, &[], RELEASE), answer(204, &[], "")], |client| client.delete_draft(1));
    assert!(result.is_ok() && sent[1].0 == "DELETE");
    let published = RELEASE.replace(r#""draft":true"#, r#""draft":false"#);
    let (result, sent, _) = ask(vec![answer(200, &[], &published)], |client| client.delete_draft(1));
    assert_eq!((result.unwrap_err().kind, sent.len()), (ErrorKind::Conflict, 1));
}

#[test]
fn a_file_of_another_length_is_none() {
    for body in ["{", "{}}"] {
        let answers = vec![answer(200, &[], body)];
        let (result, ..) = ask(answers, |client| client.download(&asset()));
        assert_eq!(result.unwrap_err().kind, ErrorKind::Unclear, "{body}");
    }
}

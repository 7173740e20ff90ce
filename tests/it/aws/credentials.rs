//! Whose credentials are used, and what happens without any.

use sha2::{Digest, Sha256};

use crate::aws::{ACCOUNT, KEY, assert_live, layer, project, publish};
use crate::support::proxy::Proxy;
use crate::support::{Space, moto};

const OTHER: &str = "222222222222";

/// Makes the space use a role of the other account, as a CI job does: by a token in a file.
fn be_other(space: &mut Space) {
    space.unset("AWS_ACCESS_KEY_ID");
    space.unset("AWS_SECRET_ACCESS_KEY");
    space.write("token", "a-web-identity-token");
    let token = space.root().join("token");
    space.set("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().expect("UTF-8"));
    space.set("AWS_ROLE_ARN", &format!("arn:aws:iam::{OTHER}:role/publisher"));
    space.set("AWS_REGION", "us-east-1");
}

fn be_first(space: &mut Space) {
    for name in ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"] {
        space.unset(name);
    }
    space.set("AWS_ACCESS_KEY_ID", KEY);
    space.set("AWS_SECRET_ACCESS_KEY", "secret");
}

#[test]
fn each_account_has_its_own_versions_and_receipts() {
    let proxy = Proxy::start();
    let mut space = project(&proxy);
    let regions = ["us-east-1"];
    let first = publish(&space, "accounts", &regions).status(0);
    assert!(first.stdout.contains(ACCOUNT), "{first:?}");
    be_other(&mut space);
    proxy.rule(|_, _| None);
    let other = publish(&space, "accounts", &regions).status(0);
    assert!(other.stdout.contains(OTHER), "{other:?}");
    assert_eq!(proxy.calls()["publish"], 2, "the other account had none: {:?}", proxy.calls());
    // Back, and to the other again: each knows its receipts.
    for turn in 0..3 {
        proxy.rule(|_, _| None);
        match turn % 2 {
            0 => be_first(&mut space),
            _ => be_other(&mut space),
        }
        let again = publish(&space, "accounts", &regions).status(0);
        assert_eq!(again.ended("ran"), ["report[minimal]"], "only the report says another account: {again:?}");
        assert!(proxy.seen().is_empty(), "turn {turn}: {:?}", proxy.seen());
    }
    assert_live("accounts", &regions, &[1]);
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_kind_of_profile_is_understood() {
    let proxy = Proxy::start();
    let mut space = project(&proxy);
    space.unset("AWS_ACCESS_KEY_ID");
    space.unset("AWS_SECRET_ACCESS_KEY");
    space.write("token", "a-web-identity-token");
    let root = space.root();
    let root = root.to_str().expect("UTF-8");
    let config = format!(
        "[profile static]\nregion = us-east-1\naws_access_key_id = {KEY}\naws_secret_access_key = s\n\
         [profile process]\nregion = us-east-1\n\
         credential_process = echo '{{\"Version\":1,\"AccessKeyId\":\"{KEY}\",\"SecretAccessKey\":\"s\"}}'\n\
         [profile role]\nregion = us-east-1\nrole_arn = arn:aws:iam::{OTHER}:role/x\nsource_profile = static\n\
         [profile web]\nregion = us-east-1\nrole_arn = arn:aws:iam::{OTHER}:role/x\n\
         web_identity_token_file = {root}/token\n"
    );
    // Tokens as `aws sso login` and `aws login` leave them; the files are named after what they are for.
    let session = "arn:aws:sts::123456789012:assumed-role/someone/me";
    let config = format!(
        "{config}[profile sso]\nregion = us-east-1\nsso_session = company\nsso_account_id = {ACCOUNT}\n\
         sso_role_name = publisher\n[sso-session company]\nsso_region = us-east-1\n\
         sso_start_url = https://company.example/start\n\
         [profile login]\nregion = us-east-1\nlogin_session = {session}\n"
    );
    let login = format!(
        r#"{{"accessToken": {{"accessKeyId": "{KEY}", "secretAccessKey": "s", "sessionToken": "t", "accountId": "{ACCOUNT}",
           "expiresAt": "2099-01-01T00:00:00Z"}}, "tokenType": "aws_sigv4", "refreshToken": "r", "idToken": "i",
           "clientId": "arn:aws:signin:::devtools/same-device", "dpopKey": "k"}}"#
    );
    space.write(&format!("home/.aws/login/cache/{}.json", sha256(session)), &login);
    // SHA-1 of `company`.
    let sso = r#"{"accessToken": "token", "expiresAt": "2099-01-01T00:00:00Z"}"#;
    space.write("home/.aws/sso/cache/71b21161ffa1e6516bcc072aaf5ef38cbe85b511.json", sso);
    space.write("aws-config", &config);
    space.set("AWS_CONFIG_FILE", &format!("{root}/aws-config"));
    space.set("HOME", &format!("{root}/home"));
    let profiles = [
        ("static", ACCOUNT),
        ("process", ACCOUNT),
        ("role", OTHER),
        ("web", OTHER),
        ("sso", ACCOUNT),
        ("login", ACCOUNT),
    ];
    for (profile, account) in profiles {
        let mut arguments = crate::aws::arguments("profiles", &["us-east-1"]);
        arguments.extend(["--profile", profile]);
        let ran = space.run(&arguments).status(0);
        let arn = format!("arn:aws:lambda:us-east-1:{account}:layer:{}:1", layer("profiles", "amd64"));
        let report = space.read("build/report/minimal/report.json");
        assert!(report.contains(&arn), "{profile}: {ran:?} {report}");
    }
    assert_live("profiles", &["us-east-1"], &[1]);
    assert!(proxy.seen().iter().any(|seen| seen.call == "sso"), "the role's keys were asked for");
}

#[test]
fn a_job_of_github_becomes_its_role_by_one_exchange() {
    let proxy = Proxy::start();
    let mut space = project(&proxy);
    space.unset("AWS_ACCESS_KEY_ID");
    space.unset("AWS_SECRET_ACCESS_KEY");
    space.set("ACTIONS_ID_TOKEN_REQUEST_URL", &format!("{}/token?job=1", proxy.url()));
    space.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request-token");
    space.set("OCELOT_PUBLISH_ROLE_ARN", &format!("arn:aws:iam::{OTHER}:role/publisher"));
    let ran = publish(&space, "github-job", &["us-east-1", "eu-west-1"]).status(0);
    let arn = format!("arn:aws:lambda:eu-west-1:{OTHER}:layer:{}:1", layer("github-job", "amd64"));
    assert!(ran.stdout.contains(&arn), "{ran:?}");
    let calls = proxy.calls();
    assert_eq!((calls["token"], calls["credentials"], calls["account"]), (1, 1, 1), "{calls:?}");
    // A token that is not given out, and a role that is not, are told before anything is built.
    space.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "another");
    space.remove("build");
    let ran = publish(&space, "github-job2", &["us-east-1"]).status(3);
    assert!(ran.stderr.contains("no identity token") && ran.stderr.contains("id-token: write"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("an-identity-token") && !ran.stderr.contains("another"), "{}", ran.stderr);
    space.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request-token");
    proxy.rule(|request, _| {
        (request.call == "credentials").then_some(crate::support::proxy::Fault::Answer(403, "AccessDenied"))
    });
    let ran = publish(&space, "github-job2", &["us-east-1"]).status(3);
    assert!(ran.stderr.contains("role/publisher was not given") && ran.stderr.contains("oidc setup"), "{}", ran.stderr);
    assert!(!space.exists("build"), "nothing was built");
}

#[test]
fn row_64_without_credentials_nothing_is_built() {
    let proxy = Proxy::start();
    let mut space = project(&proxy);
    space.unset("AWS_ACCESS_KEY_ID");
    space.unset("AWS_SECRET_ACCESS_KEY");
    let ran = publish(&space, "none", &["us-east-1"]).status(3);
    assert!(ran.stderr.contains("no AWS credentials") && ran.stderr.contains("AWS_PROFILE"), "{}", ran.stderr);
    assert!(proxy.seen().is_empty(), "{:?}", proxy.seen());
    assert!(!space.exists("build"), "nothing was built");
    // Refused credentials end it as early.
    space.set("AWS_ACCESS_KEY_ID", KEY);
    space.set("AWS_SECRET_ACCESS_KEY", "secret");
    proxy.rule(|_, _| Some(crate::support::proxy::Fault::Answer(403, "ExpiredToken")));
    let ran = publish(&space, "none", &["us-east-1"]).status(3);
    assert!(ran.stderr.contains("whose credentials"), "{}", ran.stderr);
    assert!(!space.exists("build"), "nothing was built");
    // Without publishing nobody asks.
    proxy.rule(|_, _| None);
    let mut arguments = crate::aws::build("none");
    arguments.push("--skip-publish");
    let _ = space.run(&arguments).status(0);
    assert!(proxy.seen().is_empty(), "{:?}", proxy.seen());
}

#[test]
fn accounts_that_are_not_listed_and_foreign_partitions_are_refused_before_the_build() {
    let proxy = Proxy::start();
    let space = project(&proxy);
    let settings = space.read("config/ocelot.yaml");
    space.write("config/ocelot.yaml", &format!("{settings}accounts: ['{OTHER}']\n"));
    let ran = publish(&space, "listed", &["us-east-1"]).status(3);
    assert!(ran.stderr.contains(ACCOUNT) && ran.stderr.contains(OTHER), "{}", ran.stderr);
    space.write("config/ocelot.yaml", &format!("{settings}accounts: ['{ACCOUNT}']\n"));
    let ran = publish(&space, "listed", &["us-east-1", "cn-north-1"]).status(3);
    assert!(ran.stderr.contains("does not have cn-north-1"), "{}", ran.stderr);
    assert_eq!(proxy.calls().keys().copied().collect::<Vec<_>>(), ["account"]);
    assert!(!space.exists("build") && moto::versions(KEY, "us-east-1", &layer("listed", "amd64")).is_empty());
    space.write("config/ocelot.yaml", &format!("{settings}accounts: ['123']\n"));
    let ran = publish(&space, "listed", &["us-east-1"]).status(2);
    assert!(ran.stderr.contains("config/ocelot.yaml") && ran.stderr.contains("12 digits"), "{}", ran.stderr);
}

#[test]
fn credentials_that_change_while_it_runs_never_make_a_receipt_for_the_other_account() {
    let proxy = Proxy::start();
    let mut space = project(&proxy);
    space.unset("AWS_ACCESS_KEY_ID");
    space.unset("AWS_SECRET_ACCESS_KEY");
    let file = space.root().join("aws-config");
    space.set("AWS_CONFIG_FILE", file.to_str().expect("UTF-8"));
    let keys = format!("aws_access_key_id = {KEY}\naws_secret_access_key = s\n");
    let first = format!("[default]\nregion = us-east-1\n{keys}");
    let other = format!(
        "[default]\nregion = us-east-1\nrole_arn = arn:aws:iam::{OTHER}:role/x\nsource_profile = static\n\
         [profile static]\n{keys}"
    );
    // Both accounts are known, so that the other one could be taken for the first.
    for text in [&first, &other] {
        std::fs::write(&file, text).expect("a file");
        let _ = publish(&space, "before", &["us-east-1"]).status(0);
    }
    std::fs::write(&file, &first).expect("a file");
    let (path, text) = (file.clone(), other.clone());
    proxy.rule(move |request, before| {
        if request.call == "publish" && before == 0 {
            std::fs::write(&path, &text).expect("a file");
        }
        None
    });
    let _ = publish(&space, "switched", &["us-east-1"]).status(0);
    assert_eq!(proxy.calls()["publish"], 2);
    assert_live("switched", &["us-east-1"], &[1]);
    // The files name the other account now: it has none of them yet.
    proxy.rule(|_, _| None);
    let ran = publish(&space, "switched", &["us-east-1"]).status(0);
    assert_eq!(proxy.calls().get("publish"), Some(&2), "{ran:?}");
    let report = space.read("build/report/minimal/report.json");
    assert!(report.contains(&format!("{OTHER}:layer:{}:1", layer("switched", "amd64"))), "{report}");
    // And the first account's receipts are there.
    std::fs::write(&file, &first).expect("a file");
    proxy.rule(|_, _| None);
    let _ = publish(&space, "switched", &["us-east-1"]).status(0);
    assert!(proxy.seen().is_empty(), "{:?}", proxy.seen());
    assert_live("switched", &["us-east-1"], &[1]);
}

//! Which credentials would be used, told from files and variables alone: without a socket, a command, or a secret.
//!
//! What AWS said about credentials once (whose account they are of) stands while their fingerprint is the same. Tokens
//! that were resolved, and change by the hour, are not part of it; what they are resolved from is.

use std::path::PathBuf;

/// Variables that decide which credentials are used, and where.
pub const VARIABLES: [&str; 18] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_PROFILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_LAMBDA",
    "AWS_ENDPOINT_URL_STS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "HOME",
    "OCELOT_PUBLISH_ROLE_ARN",
];

/// Settings whose values are secrets, or change with every refresh.
const SECRETS: [&str; 3] = ["aws_secret_access_key", "aws_session_token", "aws_security_token"];

/// The shared files of the caller: configuration and credentials. They need not exist.
pub fn files(env: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    [("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")]
        .into_iter()
        .filter_map(|(variable, name)| match set(env, variable) {
            Some(path) => Some(PathBuf::from(path)),
            None => Some(PathBuf::from(set(env, "HOME")?).join(".aws").join(name)),
        })
        .collect()
}

/// The endpoint that was set in place of Lambda's own; empty if none was.
pub fn endpoint(env: &dyn Fn(&str) -> Option<String>) -> String {
    set(env, "AWS_ENDPOINT_URL_LAMBDA").or_else(|| set(env, "AWS_ENDPOINT_URL")).unwrap_or_default()
}

/// The fingerprint: 40 hexadecimal digits. All profiles of the shared files are in it, since one may name another;
/// `read` gives a file's text, if it is there.
pub fn fingerprint(env: &dyn Fn(&str) -> Option<String>, read: &dyn Fn(&PathBuf) -> Option<String>) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    for name in VARIABLES {
        add(name);
        add(&set(env, name).unwrap_or_default());
    }
    for file in files(env) {
        let text = read(&file).unwrap_or_default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
            let name = line.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
            add(if SECRETS.contains(&name.as_str()) { &name } else { line });
        }
    }
    hasher.finalize().to_hex()[..40].to_owned()
}

/// An empty variable is as good as none: so the SDK has it.
fn set(env: &dyn Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    env(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(vars: &[(&str, &str)], credentials: &str) -> String {
        let env = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        fingerprint(&env, &|file| file.ends_with(".aws/credentials").then(|| credentials.to_owned()))
    }

    #[test]
    fn what_decides_the_account_changes_the_fingerprint_and_secrets_do_not() {
        let home = ("HOME", "/home/ada");
        let file = "[default]\naws_access_key_id = AKIA1\naws_secret_access_key = s3cret\n";
        let plain = of(&[home], file);
        assert_eq!(plain.len(), 40);
        assert_eq!(plain, of(&[home, ("AWS_PROFILE", "")], file));
        assert_eq!(plain, of(&[home], &file.replace("s3cret", "another")));
        assert_eq!(plain, of(&[home], &format!("# a comment\n{file}\n")));
        assert_eq!(plain, of(&[home, ("AWS_SESSION_TOKEN", "t"), ("AWS_SECRET_ACCESS_KEY", "s")], file));
        for other in [
            of(&[home, ("AWS_PROFILE", "prod")], file),
            of(&[home, ("AWS_ACCESS_KEY_ID", "AKIA2")], file),
            of(&[home, ("AWS_ENDPOINT_URL", "http://127.0.0.1:1")], file),
            of(&[home, ("AWS_ROLE_ARN", "arn:aws:iam::1:role/x")], file),
            of(&[home], &file.replace("AKIA1", "AKIA3")),
            of(&[home], &format!("{file}[prod]\nrole_arn = x\n")),
            of(&[("HOME", "/home/bob")], file),
        ] {
            assert_ne!(plain, other);
        }
    }

    #[test]
    fn files_and_endpoint_are_where_the_sdk_looks() {
        let env = |vars: &'static [(&'static str, &'static str)]| {
            move |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        };
        let paths = |vars| files(&env(vars)).iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        assert_eq!(paths(&[("HOME", "/h")]), ["/h/.aws/config", "/h/.aws/credentials"]);
        assert_eq!(paths(&[("HOME", "/h"), ("AWS_CONFIG_FILE", "/c")]), ["/c", "/h/.aws/credentials"]);
        assert!(paths(&[]).is_empty());
        assert_eq!(endpoint(&env(&[("AWS_ENDPOINT_URL", "a"), ("AWS_ENDPOINT_URL_LAMBDA", "b")])), "b");
        assert_eq!(endpoint(&env(&[])), "");
    }
}

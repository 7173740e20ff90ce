//! Values of parameters: defaults, `--set`, and the words that stand for lists (`all`, `session`).

use std::collections::BTreeMap;

use indexmap::IndexMap;

use crate::base::code;
use crate::base::diag::Diagnostic;
use crate::base::suggest;
use crate::graph::elsewhere::Choices;
use crate::graph::scope::{ParamValue, Params};
use crate::spec::config::RegionsFile;
use crate::spec::pipeline::ParamFile;

/// `--set NAME=VALUE`, in order; a name may repeat.
pub type Sets = BTreeMap<String, Vec<String>>;

/// What the words in a parameter can stand for.
pub struct Words<'a> {
    /// Names in the distributions file, if they are known.
    pub distributions: Option<Vec<String>>,
    /// Facts about regions.
    pub regions: Option<&'a RegionsFile>,
    /// The caller's region, or why there is none.
    pub session: Result<String, String>,
}

/// A problem with `--set` or a flag.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct SetError(pub String);

/// Problems of the file, or of the command line.
pub enum ParamErrors {
    /// With places in the file.
    File(Vec<Diagnostic>),
    /// Of a flag.
    Set(SetError),
}

/// Resolves every parameter.
///
/// # Errors
/// Unknown names, values that are no choice, a default of a wrong shape.
pub fn resolve(params: &IndexMap<String, ParamFile>, sets: &Sets, words: &Words<'_>) -> Result<Params, ParamErrors> {
    let mut errors = Vec::new();
    if let Some(name) = sets.keys().find(|name| !params.contains_key(*name)) {
        let near = suggest::closest(name, params.keys().map(String::as_str));
        let hint = match near {
            Some(near) => format!("; did you mean `{near}`?"),
            None if params.is_empty() => "; it has none".to_owned(),
            None => format!("; it has: {}", params.keys().cloned().collect::<Vec<_>>().join(", ")),
        };
        return Err(ParamErrors::Set(SetError(format!("the pipeline has no parameter `{name}`{hint}"))));
    }
    let mut values = Params::new();
    for (name, param) in params {
        let choices = choices_of(param, words);
        let is_list = param.default.is_list || word_of(param, "session");
        let value = match sets.get(name) {
            Some(given) => from_set(name, given, is_list, &choices, words).map_err(ParamErrors::Set)?,
            None => match from_default(param, is_list, &choices, words) {
                Ok(value) => value,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            },
        };
        values.insert(name.clone(), value);
    }
    if errors.is_empty() { Ok(values) } else { Err(ParamErrors::File(errors)) }
}

fn word_of(param: &ParamFile, word: &str) -> bool {
    !param.default.is_list && param.default.items.first().is_some_and(|text| text.value == word)
}

/// What each parameter that has choices could be.
pub fn choices(params: &IndexMap<String, ParamFile>, words: &Words<'_>) -> Choices {
    params.iter().filter_map(|(name, param)| Some((name.clone(), choices_of(param, words)?))).collect()
}

/// What a parameter may be; `None` is anything.
fn choices_of(param: &ParamFile, words: &Words<'_>) -> Option<Vec<String>> {
    let items = &param.choices.items;
    match (param.choices.is_list, items.first().map(|text| text.value.as_str())) {
        (false, Some("distributions")) => words.distributions.clone(),
        (false, Some("regions")) => words.regions.map(|file| file.regions.keys().cloned().collect()),
        (_, None) => None,
        _ => Some(items.iter().map(|text| text.value.clone()).collect()),
    }
}

/// `all` of a list parameter with choices.
fn all(name: &str, choices: &[String], words: &Words<'_>) -> Vec<String> {
    match words.regions {
        Some(file) if name == "region" || choices.iter().all(|choice| file.regions.contains_key(choice)) => {
            let partition = words.session.as_ref().map_or("aws", |region| file.partition(region));
            file.published_in(partition)
        }
        _ => choices.to_vec(),
    }
}

fn from_set(
    name: &str,
    given: &[String],
    is_list: bool,
    choices: &Option<Vec<String>>,
    words: &Words<'_>,
) -> Result<ParamValue, SetError> {
    let check = |value: &String| match choices {
        Some(choices) if !choices.contains(value) => {
            let near = suggest::closest(value, choices.iter().map(String::as_str));
            let hint = near.map_or_else(
                || format!("; it is one of: {}", choices.join(", ")),
                |near| format!("; did you mean `{near}`?"),
            );
            Err(SetError(format!("`{value}` is no {name}{hint}")))
        }
        _ => Ok(()),
    };
    if !is_list {
        let [value] = given else {
            return Err(SetError(format!("parameter `{name}` takes one value, and {} were given", given.len())));
        };
        check(value)?;
        return Ok(ParamValue::Text(value.clone()));
    }
    let mut values = Vec::new();
    for value in given.iter().flat_map(|given| given.split(',')).map(|value| value.trim().to_owned()) {
        match choices {
            Some(choices) if value == "all" => values.extend(all(name, choices, words)),
            _ if value.is_empty() => {}
            _ => {
                check(&value)?;
                values.push(value);
            }
        }
    }
    values.dedup();
    Ok(ParamValue::List(values))
}

fn from_default(
    param: &ParamFile,
    is_list: bool,
    choices: &Option<Vec<String>>,
    words: &Words<'_>,
) -> Result<ParamValue, Diagnostic> {
    if word_of(param, "session") {
        return Ok(match &words.session {
            Ok(region) => ParamValue::List(vec![region.clone()]),
            Err(why) => ParamValue::Unknown {
                message: why.clone(),
                help: "pass `--region REGION`, or set AWS_REGION".to_owned(),
            },
        });
    }
    let items = &param.default.items;
    for item in items {
        if let Some(choices) = choices
            && !choices.contains(&item.value)
        {
            return Err(Diagnostic::error(code::NO_CHOICE, format!("`{}` is not one of the choices", item.value))
                .label(item.span, format!("expected one of: {}", choices.join(", ")))
                .did_you_mean(suggest::closest(&item.value, choices.iter().map(String::as_str))));
        }
    }
    if is_list {
        return Ok(ParamValue::List(items.iter().map(|text| text.value.clone()).collect()));
    }
    match items.as_slice() {
        [one] => Ok(ParamValue::Text(one.value.clone())),
        _ => Ok(ParamValue::Text(String::new())),
    }
}

/// The caller's region: `AWS_REGION`, `AWS_DEFAULT_REGION`, then the profile in the shared config file.
///
/// # Errors
/// In words, if none is set.
pub fn session_region(
    env: &dyn Fn(&str) -> Option<String>,
    read: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        if let Some(region) = env(name).filter(|region| !region.is_empty()) {
            return Ok(region);
        }
    }
    let profile = env("AWS_PROFILE").filter(|profile| !profile.is_empty()).unwrap_or_else(|| "default".to_owned());
    let file = env("AWS_CONFIG_FILE").or_else(|| env("HOME").map(|home| format!("{home}/.aws/config")));
    let text = file.and_then(|file| read(&file)).unwrap_or_default();
    let header = if profile == "default" { "[default]".to_owned() } else { format!("[profile {profile}]") };
    let section = text.lines().map(str::trim).skip_while(|line| *line != header).skip(1);
    let region = section
        .take_while(|line| !line.starts_with('['))
        .find_map(|line| line.strip_prefix("region").and_then(|rest| rest.trim_start().strip_prefix('=')));
    region.map(|region| region.trim().to_owned()).ok_or_else(|| "no AWS region is set".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_comes_from_the_environment_then_the_profile() {
        let config = "[default]\nregion = eu-west-1\n[profile p]\noutput = json\nregion=us-east-2\n";
        let region = |vars: &[(&str, &str)]| {
            session_region(&|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()), &|file| {
                (file == "/h/.aws/config").then(|| config.to_owned())
            })
        };
        assert_eq!(region(&[("AWS_REGION", "a"), ("AWS_DEFAULT_REGION", "b")]).as_deref(), Ok("a"));
        assert_eq!(region(&[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "b")]).as_deref(), Ok("b"));
        assert_eq!(region(&[("HOME", "/h")]).as_deref(), Ok("eu-west-1"));
        assert_eq!(region(&[("HOME", "/h"), ("AWS_PROFILE", "p")]).as_deref(), Ok("us-east-2"));
        assert!(region(&[("HOME", "/h"), ("AWS_PROFILE", "q")]).is_err());
    }
}

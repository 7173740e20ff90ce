//! Which release of a repository is the one of a name, and what has to be done before its content can be looked at.

use crate::layer::release::name::ReleaseName;

/// A release that a repository has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The host's number of it.
    pub id: u64,
    /// Its tag.
    pub tag: String,
    /// Whether it is not published yet.
    pub is_draft: bool,
    /// The tag of the name that its body says it is of.
    pub mark: Option<String>,
}

/// What to do about the releases of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// There is none: make a draft under this tag.
    Create(String),
    /// Delete this draft of ours, which another release has overtaken.
    Discard(u64),
    /// Give this draft another tag: its own can never be used again.
    Retag(u64, String),
    /// Bring this one up to date. `before` is the published one whose place it takes, if it is a draft.
    Update {
        /// The release.
        id: u64,
        /// The one before it.
        before: Option<u64>,
    },
}

/// Chooses. `spent` are tags that the host will not take again.
///
/// Drafts can share a tag: two runs that begin at once both make one. The first stands, and once one is published all
/// drafts that it overtakes go.
///
/// # Errors
/// A tag that belongs to a release of another name; in words.
pub fn choose(name: &ReleaseName, seen: &[Seen], spent: &[String]) -> Result<Choice, String> {
    let base = name.tag();
    let mut ours = Vec::new();
    for one in seen {
        match (name.number(&one.tag), &one.mark) {
            (Some(1), Some(mark)) if *mark != base => {
                return Err(format!(
                    "the tag `{base}` is that of a release after `{mark}`; use another release group or version"
                ));
            }
            // A tag with a number may be of a group whose name ends in one.
            (Some(number), mark) if number == 1 || mark.as_ref() == Some(&base) => ours.push((number, one)),
            _ => {}
        }
    }
    let published = ours.iter().filter(|(_, one)| !one.is_draft).max_by_key(|(number, _)| *number);
    let last = published.map_or(0, |(number, _)| *number);
    let mut drafts: Vec<_> = ours.iter().filter(|(_, one)| one.is_draft).collect();
    drafts.sort_by_key(|(number, one)| (*number, one.id));
    let chosen = drafts.iter().find(|(number, _)| *number > last);
    let is_surplus = |draft: &Seen| draft.mark.is_some() && chosen.is_none_or(|(_, chosen)| chosen.id != draft.id);
    if let Some((_, surplus)) = drafts.iter().find(|(_, draft)| is_surplus(draft)) {
        return Ok(Choice::Discard(surplus.id));
    }
    let highest = ours.iter().map(|(number, _)| *number).max().unwrap_or(0);
    let free = (highest + 1..).map(|number| name.numbered(number)).find(|tag| !spent.contains(tag));
    let free = free.expect("BUG: numbers do not end");
    let before = published.map(|(_, one)| one.id);
    Ok(match (chosen, before) {
        (Some((_, draft)), _) if spent.contains(&draft.tag) => Choice::Retag(draft.id, free),
        (Some((_, draft)), before) => Choice::Update { id: draft.id, before },
        (None, Some(id)) => Choice::Update { id, before: None },
        (None, None) => Choice::Create(free),
    })
}

/// The tag after this one.
pub fn successor(name: &ReleaseName, tag: &str, spent: &[String]) -> String {
    let number = name.number(tag).unwrap_or(1);
    let free = (number + 1..).map(|number| name.numbered(number)).find(|tag| !spent.contains(tag));
    free.expect("BUG: numbers do not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "minimal-v1.0-prod";

    fn name() -> ReleaseName {
        ReleaseName::new("minimal", "1.0", "prod").unwrap()
    }

    fn seen(id: u64, suffix: &str, is_draft: bool) -> Seen {
        Seen { id, tag: format!("{TAG}{suffix}"), is_draft, mark: Some(TAG.into()) }
    }

    fn choice(seen: &[Seen]) -> Choice {
        choose(&name(), seen, &[]).unwrap()
    }

    #[test]
    fn the_newest_published_one_is_updated_and_without_one_a_draft_is_made() {
        let other = Seen { tag: "minimal-v2.0-prod".into(), ..seen(9, "", false) };
        assert_eq!(choice(std::slice::from_ref(&other)), Choice::Create(TAG.into()));
        assert_eq!(choice(&[other, seen(1, "", false)]), Choice::Update { id: 1, before: None });
        assert_eq!(choice(&[seen(1, "", false), seen(2, "-2", false)]), Choice::Update { id: 2, before: None });
    }

    #[test]
    fn an_interrupted_draft_is_gone_on_with() {
        assert_eq!(choice(&[seen(1, "", true)]), Choice::Update { id: 1, before: None });
        assert_eq!(choice(&[seen(1, "", false), seen(2, "-2", true)]), Choice::Update { id: 2, before: Some(1) });
    }

    #[test]
    fn of_two_drafts_the_first_stands_and_what_is_overtaken_goes() {
        assert_eq!(choice(&[seen(5, "", true), seen(3, "", true)]), Choice::Discard(5));
        assert_eq!(choice(&[seen(5, "", true), seen(7, "", false)]), Choice::Discard(5));
        // A person's draft is not ours to delete.
        let theirs = Seen { mark: None, ..seen(5, "", true) };
        assert_eq!(choice(&[theirs, seen(7, "", false)]), Choice::Update { id: 7, before: None });
    }

    #[test]
    fn a_tag_that_cannot_be_used_again_is_passed_over() {
        let spent = [TAG.to_owned(), format!("{TAG}-2")];
        assert_eq!(choose(&name(), &[], &spent), Ok(Choice::Create(format!("{TAG}-3"))));
        assert_eq!(choose(&name(), &[seen(1, "", true)], &spent), Ok(Choice::Retag(1, format!("{TAG}-3"))));
        assert_eq!(successor(&name(), TAG, &spent), format!("{TAG}-3"));
        assert_eq!(successor(&name(), &format!("{TAG}-4"), &[]), format!("{TAG}-5"));
    }

    #[test]
    fn a_group_that_ends_in_a_number_is_another_name() {
        let group = "minimal-v1.0-prod-2";
        let theirs = Seen { mark: Some(group.into()), ..seen(4, "-2", false) };
        assert_eq!(choice(&[seen(1, "", false), theirs.clone()]), Choice::Update { id: 1, before: None });
        let other = ReleaseName::new("minimal", "1.0", "prod-2").unwrap();
        assert_eq!(choose(&other, &[theirs], &[]), Ok(Choice::Update { id: 4, before: None }));
        assert!(choose(&other, &[seen(4, "-2", false)], &[]).unwrap_err().contains("another release group"));
    }
}

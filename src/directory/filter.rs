//! Search filters (RFC 4515) from the settings, with placeholders for what a caller searches.

use ldap3::{ldap_escape, parse_filter};

/// A filter of the settings cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilterError {
    #[error(
        "is not a search filter (RFC 4515), such as (objectClass=person); check its parentheses"
    )]
    Invalid,
    #[error(
        "has a brace that belongs to no placeholder; write \\7b and \\7d, or check the spelling"
    )]
    UnknownPlaceholder,
    #[error("must contain {0}")]
    MissingPlaceholder(&'static str),
}

/// The part of a filter that a search replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placeholder {
    /// The text that the caller searches.
    Search,
    /// The distinguished name of a group.
    Group,
    /// The relative identifier of a group: the last number of its SID.
    GroupRid,
}

impl Placeholder {
    const ALL: [Self; 3] = [Self::Search, Self::Group, Self::GroupRid];

    /// The spelling in a filter.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Search => "{search}",
            Self::Group => "{group}",
            Self::GroupRid => "{group_rid}",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Placeholder(Placeholder),
}

/// A filter with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilterTemplate(Vec<Part>);

impl FilterTemplate {
    /// Parses a filter that may contain the placeholders of `allowed`, and must contain one of them
    /// unless there are none.
    ///
    /// # Errors
    /// See [`FilterError`].
    pub(crate) fn parse(text: &str, allowed: &[Placeholder]) -> Result<Self, FilterError> {
        let template = Self(split(text, allowed)?);
        if let Some(first) = allowed.first()
            && !allowed.iter().any(|placeholder| template.contains(*placeholder))
        {
            return Err(FilterError::MissingPlaceholder(first.as_str()));
        }
        // Escaped, this is a value and nothing else: no name of an attribute, and no escape sequence
        // together with the text before it.
        let filled = template.fill(|_| "\\".to_owned());
        let is_filter = filled.starts_with('(') && parse_filter(&filled).is_ok();
        if is_filter { Ok(template) } else { Err(FilterError::Invalid) }
    }

    /// True when the filter contains that placeholder.
    pub(super) fn contains(&self, placeholder: Placeholder) -> bool {
        self.0.contains(&Part::Placeholder(placeholder))
    }

    /// The filter with values instead of its placeholders. Each value is escaped, and its text is
    /// not searched for placeholders.
    pub(super) fn fill(&self, value: impl Fn(Placeholder) -> String) -> String {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Placeholder(placeholder) => {
                    filled.push_str(&ldap_escape(value(*placeholder)));
                }
            }
        }
        // An empty value between two asterisks matches every value.
        while filled.contains("**") {
            filled = filled.replace("**", "*");
        }
        filled
    }
}

/// Splits a filter at its placeholders.
fn split(text: &str, allowed: &[Placeholder]) -> Result<Vec<Part>, FilterError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(place) = rest.find(['{', '}']) {
        let (before, from_brace) = rest.split_at(place);
        let found =
            Placeholder::ALL.into_iter().filter(|placeholder| allowed.contains(placeholder));
        let mut found = found.filter_map(|one| Some((one, from_brace.strip_prefix(one.as_str())?)));
        let (placeholder, after) = found.next().ok_or(FilterError::UnknownPlaceholder)?;
        parts.push(Part::Text(before.to_owned()));
        parts.push(Part::Placeholder(placeholder));
        rest = after;
    }
    parts.push(Part::Text(rest.to_owned()));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(template: &str, value: &str) -> String {
        let template = FilterTemplate::parse(template, &[Placeholder::Search]).unwrap();
        template.fill(|_| value.to_owned())
    }

    #[test]
    fn a_value_is_escaped() {
        for (value, escaped) in [
            ("ol", "ol"),
            ("*", "\\2a"),
            ("a)(cn=*", "a\\29\\28cn=\\2a"),
            ("\\", "\\5c"),
            ("\0", "\\00"),
            ("Ås {search} {group}", "Ås {search} {group}"),
        ] {
            let filter = search("(cn=*{search}*)", value);
            assert_eq!(filter, format!("(cn=*{escaped}*)"));
            assert!(parse_filter(&filter).is_ok(), "{filter}");
        }
    }

    #[test]
    fn an_empty_search_matches_everything() {
        assert_eq!(search("(|(cn=*{search}*)(mail={search}*))", ""), "(|(cn=*)(mail=*))");
        assert!(parse_filter(search("(anr={search})", "")).is_ok());
    }

    #[test]
    fn an_unusable_filter_is_refused() {
        let parse =
            |text| FilterTemplate::parse(text, &[Placeholder::Group, Placeholder::GroupRid]);
        assert!(parse("(|(memberOf={group})(primaryGroupID={group_rid}))").is_ok());
        assert!(parse("(memberOf:1.2.840.113556.1.4.1941:={group})").is_ok());
        for (text, error) in [
            ("(memberOf=x)", FilterError::MissingPlaceholder("{group}")),
            ("(memberOf={group}", FilterError::Invalid),
            ("memberOf={group}", FilterError::Invalid),
            ("(memberOf={group}))", FilterError::Invalid),
            ("(memberOf={search})", FilterError::UnknownPlaceholder),
            ("(memberOf={group)", FilterError::UnknownPlaceholder),
            ("(memberOf={group}})", FilterError::UnknownPlaceholder),
            ("({group}=x)", FilterError::Invalid),
            ("(memberOf:{group}:=x)", FilterError::Invalid),
            ("(memberOf=\\{group})", FilterError::Invalid),
            ("(memberOf=\\4{group})", FilterError::Invalid),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        assert_eq!(FilterTemplate::parse("", &[]), Err(FilterError::Invalid));
        assert!(
            FilterTemplate::parse("(!(userAccountControl:1.2.840.113556.1.4.803:=2))", &[]).is_ok()
        );
    }
}

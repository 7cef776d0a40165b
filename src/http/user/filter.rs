//! Parses `$filter` and `$orderby` of the list of users, a subset of `OData`
//! (docs/reference/wire-contract.md#d33-rest).

use crate::{
    domain::{
        InvalidField, Reason,
        user::{LoginName, UserType},
        user_list::{Names, UserFilter},
    },
    http::vendor_names::read_user_type_name,
};

/// The parameter that errors name.
pub(super) const FILTER: &str = "$filter";

/// As [`FILTER`].
pub(super) const ORDER_BY: &str = "$orderby";

/// The conditions of a filter, at most one for each field.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct Conditions {
    pub(in crate::http) names: Option<Names>,
    pub(in crate::http) others: UserFilter,
}

/// A field of the list that has an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Field {
    Id,
    Type,
    Name,
}

/// A part of a filter. Letter case matters in texts only.
#[derive(Debug, PartialEq, Eq)]
enum Token<'text> {
    Word(&'text str),
    /// In single quotes, where two of them mean one.
    Text(String),
    Mark(char),
}

/// A condition, before its field and its value are checked.
struct Condition<'text> {
    field: &'text str,
    operator: &'text str,
    value: Token<'text>,
}

/// Parses a filter.
///
/// # Errors
/// When the filter is not one to three known conditions on different fields, or a value is invalid.
pub(in crate::http) fn parse_filter(text: &str) -> Result<Conditions, InvalidField> {
    let tokens = tokens(text).ok_or_else(unknown_filter)?;
    let mut tokens = tokens.into_iter();
    let mut conditions = Conditions::default();
    loop {
        let condition = next_condition(&mut tokens).ok_or_else(unknown_filter)?;
        conditions.add(condition)?;
        match tokens.next() {
            None => return Ok(conditions),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("and") => {}
            Some(_) => return Err(unknown_filter()),
        }
    }
}

/// Parses an order: a field, and whether it is descending.
///
/// # Errors
/// When the field or the direction is unknown.
pub(in crate::http) fn parse_order(text: &str) -> Result<(Field, bool), InvalidField> {
    let unknown = || InvalidField::new(ORDER_BY, Reason::UnknownOrder);
    let mut words = text.split_ascii_whitespace();
    let field = words.next().ok_or_else(unknown)?;
    let fields = [("id", Field::Id), ("type", Field::Type), ("name", Field::Name)];
    let found = fields.into_iter().find(|(name, _)| field.eq_ignore_ascii_case(name));
    let (_, field) = found.ok_or_else(unknown)?;
    let direction = words.next().unwrap_or("asc");
    let is_descending = direction.eq_ignore_ascii_case("desc");
    let is_known = is_descending || direction.eq_ignore_ascii_case("asc");
    if is_known && words.next().is_none() { Ok((field, is_descending)) } else { Err(unknown()) }
}

fn unknown_filter() -> InvalidField {
    InvalidField::new(FILTER, Reason::UnknownFilter)
}

impl Conditions {
    fn add(&mut self, condition: Condition<'_>) -> Result<(), InvalidField> {
        let Condition { field, operator, value } = condition;
        let is_field = |name| field.eq_ignore_ascii_case(name);
        let is_equality = operator.eq_ignore_ascii_case("eq");
        match value {
            Token::Text(text) if is_field("name") && self.names.is_none() => {
                self.names = Some(names(operator, &text)?);
            }
            Token::Text(text) if is_field("type") && is_equality => {
                put(&mut self.others.user_type, user_type(&text)?)?;
            }
            Token::Word(word) if is_field("retired") && is_equality => {
                put(&mut self.others.is_retired, flag(word)?)?;
            }
            Token::Text(_) | Token::Word(_) | Token::Mark(_) => return Err(unknown_filter()),
        }
        Ok(())
    }
}

/// Sets a condition that has no value yet.
fn put<T>(condition: &mut Option<T>, value: T) -> Result<(), InvalidField> {
    if condition.replace(value).is_some() { Err(unknown_filter()) } else { Ok(()) }
}

fn names(operator: &str, text: &str) -> Result<Names, InvalidField> {
    let name = LoginName::require(FILTER, Some(text))?.canonical().to_owned();
    if operator.eq_ignore_ascii_case("eq") {
        Ok(Names::Exactly(name))
    } else if operator.eq_ignore_ascii_case("startswith") {
        Ok(Names::StartingWith(name))
    } else {
        Err(unknown_filter())
    }
}

fn user_type(name: &str) -> Result<UserType, InvalidField> {
    read_user_type_name(FILTER, name)
}

fn flag(word: &str) -> Result<bool, InvalidField> {
    let flags = [("true", true), ("false", false)];
    let found = flags.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
    found.map(|(_, flag)| flag).ok_or_else(unknown_filter)
}

/// The next condition: `name startswith 'text'` as the vendor writes it, or
/// `startswith(name,'text')` as `OData` does; every other operator is between field and value.
fn next_condition<'text>(
    tokens: &mut impl Iterator<Item = Token<'text>>,
) -> Option<Condition<'text>> {
    let Token::Word(first) = tokens.next()? else { return None };
    match tokens.next()? {
        Token::Word(operator) => Some(Condition { field: first, operator, value: tokens.next()? }),
        Token::Mark('(') => {
            let Token::Word(field) = tokens.next()? else { return None };
            (tokens.next()? == Token::Mark(',')).then_some(())?;
            let value = tokens.next()?;
            (tokens.next()? == Token::Mark(')')).then_some(())?;
            let is_function = first.eq_ignore_ascii_case("startswith");
            is_function.then_some(Condition { field, operator: first, value })
        }
        Token::Text(_) | Token::Mark(_) => None,
    }
}

/// Splits a filter; `None` when it has other characters or a text without an end.
fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_ascii_start();
    while let Some(first) = rest.chars().next() {
        let after = rest.get(first.len_utf8()..)?;
        let (token, left) = match first {
            '\'' => quoted(after)?,
            '(' | ')' | ',' => (Token::Mark(first), after),
            'a'..='z' | 'A'..='Z' => {
                let end = rest.find(|c: char| !c.is_ascii_alphabetic());
                let (word, left) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
                (Token::Word(word), left)
            }
            _ => return None,
        };
        tokens.push(token);
        rest = left.trim_ascii_start();
    }
    Some(tokens)
}

/// The text up to its closing quote, and what follows it.
fn quoted(text: &str) -> Option<(Token<'_>, &str)> {
    let mut unquoted = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('\'')?;
        unquoted.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                unquoted.push('\'');
                rest = more;
            }
            None => return Some((Token::Text(unquoted), after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_has_up_to_three_conditions_in_any_order_and_letter_case() {
        let names = |names| Conditions { names: Some(names), ..Conditions::default() };
        let exactly = |name: &str| names(Names::Exactly(name.to_owned()));
        let starting = |name: &str| names(Names::StartingWith(name.to_owned()));
        let retired = UserFilter { is_retired: Some(true), ..UserFilter::default() };
        let external = UserFilter { user_type: Some(UserType::External), is_retired: Some(false) };
        for (text, expected) in [
            ("name eq 'Ada'", exactly("ada")),
            ("  NAME  Eq\t'ada' ", exactly("ada")),
            ("name eq'ada'", exactly("ada")),
            ("name eq 'o''neill''s'", exactly("o'neill's")),
            ("name eq 'ÅSE and x eq 1'", exactly("åse and x eq 1")),
            ("name startswith 'Å'", starting("å")),
            ("startswith(name,'ab')", starting("ab")),
            ("StartsWith ( Name , 'ab' )", starting("ab")),
            ("retired eq TRUE", Conditions { names: None, others: retired }),
            (
                "retired eq false and name eq 'a' AND type eq 'externalassociate'",
                Conditions { names: Some(Names::Exactly("a".to_owned())), others: external },
            ),
        ] {
            assert_eq!(parse_filter(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_without_its_text() {
        for text in [
            "",
            " ",
            "name",
            "name eq",
            "name eq ada",
            "name eq 'ada",
            "name eq 'ada' and",
            "and",
            "name eq 'a' or name eq 'b'",
            "name eq 'a' name eq 'b'",
            "name ne 'a'",
            "name = 'a'",
            "name eq 'a' and name startswith 'a'",
            "retired eq 'true'",
            "retired eq 1",
            "retired eq true and retired eq true",
            "type eq InternalAssociate",
            "type ne 'x'",
            "type startswith 'I'",
            "email eq 'a'",
            "(name eq 'a')",
            "not name eq 'a'",
            "startswith(name,'a'",
            "startswith(name 'a')",
            "endswith(name,'a')",
            "startswith('a',name)",
            "contains(name,'a')",
            "name eq \"a\"",
            "name eq null",
            "nаme eq 'a'",
            "name eq 'a';drop table users",
            "name eq 'a' -- ",
        ] {
            let refused = parse_filter(text).unwrap_err();
            assert_eq!(
                (refused.field.as_str(), refused.reason),
                (FILTER, Reason::UnknownFilter),
                "{text}"
            );
        }
        for (text, reason) in [
            ("name eq ''", Reason::Empty),
            ("startswith(name,'')", Reason::Empty),
            ("name eq 'a:b'", Reason::NameCharacters),
            ("name eq 'a\u{0}'", Reason::NameCharacters),
            ("type eq 'Boss'", Reason::UnknownUserType),
            ("type eq '1'", Reason::UnknownUserType),
        ] {
            assert_eq!(parse_filter(text).unwrap_err().reason, reason, "{text}");
        }
        let long = format!("name eq '{}'", "x".repeat(240));
        assert_eq!(parse_filter(&long).unwrap_err().reason, Reason::TooManyCharacters(239));
    }

    #[test]
    fn an_order_is_one_field_and_a_direction() {
        for (text, expected) in [
            ("name", (Field::Name, false)),
            (" ID  desc ", (Field::Id, true)),
            ("Type ASC", (Field::Type, false)),
        ] {
            assert_eq!(parse_order(text), Ok(expected), "{text}");
        }
        for text in ["", " ", "desc", "name,id", "name desc,id", "name up", "name asc desc", "nаme"]
        {
            let refused = parse_order(text).unwrap_err();
            assert_eq!(
                (refused.field.as_str(), refused.reason),
                (ORDER_BY, Reason::UnknownOrder),
                "{text}"
            );
        }
    }
}

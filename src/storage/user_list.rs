//! Lists users page by page. Each page reads ranges of an index
//! ([ADR 51](../../docs/adr/0051-rest-users.md)).

use sqlx::PgConnection;

use super::{error::StorageError, users::UserRow};
use crate::domain::{
    user::{MAXIMUM_LOGIN_NAME, User, UserId, UserType},
    user_list::{Names, UserFilter, UserListQuery, UserOrder, UserPage},
};

/// The first character that a login name can contain: names have no control character.
const FIRST_CHARACTER: char = '\u{1}';

/// The length of a text that sorts after every name: the last code point, once more than the longest
/// name has characters.
const AFTER_ALL_NAMES: usize = MAXIMUM_LOGIN_NAME + 1;

struct ListedRow {
    user_id: i32,
    login_name: String,
    canonical_name: String,
    display_name: String,
    user_type: String,
    is_administrator: bool,
    role: Option<String>,
    is_retired: bool,
    session_epoch: i64,
    person_id: i32,
    role_id: i32,
    ej_user_id: i32,
    nick_name: String,
}

/// Lists a page of users.
pub(crate) async fn list(
    connection: &mut PgConnection,
    query: &UserListQuery,
) -> Result<UserPage, StorageError> {
    let size = usize::from(query.top);
    let mut rows = match &query.order {
        UserOrder::Id { after } => {
            let kinds = kinds(&query.filter).map(|user_type| (user_type, *after));
            rows_by_id(connection, query, kinds.collect(), false).await?
        }
        UserOrder::Type { after } => {
            let kinds = kinds_after(&query.filter, *after, query.is_descending);
            rows_by_id(connection, query, kinds, true).await?
        }
        UserOrder::Name { names, after } => {
            let range = name_range(names, after.as_deref(), query.is_descending);
            rows_by_name(connection, query, range).await?
        }
    };
    let is_last = rows.len() <= size;
    rows.truncate(size);
    let last = rows.last().filter(|_| !is_last);
    let next = last.map(|row| order_after(&query.order, row)).transpose()?;
    let users = rows.into_iter().map(User::try_from).collect::<Result<_, _>>()?;
    Ok(UserPage { users, next })
}

/// The rows of a page by id, and one more; by type first if `is_by_type`. `kinds` are the types to
/// list, each with the id after which it starts.
async fn rows_by_id(
    connection: &mut PgConnection,
    query: &UserListQuery,
    kinds: Vec<(UserType, Option<UserId>)>,
    is_by_type: bool,
) -> Result<Vec<ListedRow>, StorageError> {
    let types: Vec<_> = kinds.iter().map(|(kind, _)| kind.as_str().to_owned()).collect();
    let ranges = kinds.iter().map(|(_, after)| id_range(*after, query.is_descending));
    let (after, last): (Vec<i32>, Vec<i32>) = ranges.unzip();
    let states = states(&query.filter);
    let (limit, skip) = (i64::from(query.top) + 1, i64::from(query.skip));
    macro_rules! page {
        ($file:literal) => {
            sqlx::query_file_as!(
                ListedRow, $file, &types, &after, &last, &states, limit, skip, is_by_type
            )
            .fetch_all(connection)
            .await
        };
    }
    Ok(if query.is_descending {
        page!("src/storage/list_users_by_id_descending.sql")?
    } else {
        page!("src/storage/list_users_by_id.sql")?
    })
}

/// The rows of a page by name, and one more. The names are those from the first text up to the
/// second.
async fn rows_by_name(
    connection: &mut PgConnection,
    query: &UserListQuery,
    (from, until): (String, String),
) -> Result<Vec<ListedRow>, StorageError> {
    let types: Vec<_> = kinds(&query.filter).map(|kind| kind.as_str().to_owned()).collect();
    let states = states(&query.filter);
    let (limit, skip) = (i64::from(query.top) + 1, i64::from(query.skip));
    macro_rules! page {
        ($file:literal) => {
            sqlx::query_file_as!(ListedRow, $file, &types, &states, from, until, limit, skip)
                .fetch_all(connection)
                .await
        };
    }
    Ok(if query.is_descending {
        page!("src/storage/list_users_by_name_descending.sql")?
    } else {
        page!("src/storage/list_users_by_name.sql")?
    })
}

/// The types of a filter, in the order of their names.
fn kinds(filter: &UserFilter) -> impl Iterator<Item = UserType> {
    let only = filter.user_type;
    UserType::ALL.into_iter().filter(move |kind| only.is_none_or(|only| *kind == only))
}

/// The types that are left after a position in the order by type, each with the id after which it
/// starts.
fn kinds_after(
    filter: &UserFilter,
    after: Option<(UserType, UserId)>,
    is_descending: bool,
) -> Vec<(UserType, Option<UserId>)> {
    let Some((reached, id)) = after else {
        return kinds(filter).map(|kind| (kind, None)).collect();
    };
    let is_left = |kind: &UserType| {
        let order = kind.as_str().cmp(reached.as_str());
        if is_descending { order.is_le() } else { order.is_ge() }
    };
    let start = |kind| (kind, (kind == reached).then_some(id));
    kinds(filter).filter(is_left).map(start).collect()
}

/// The states of a filter.
fn states(filter: &UserFilter) -> Vec<bool> {
    filter.is_retired.map_or_else(|| vec![false, true], |is_retired| vec![is_retired])
}

/// The ids of a page: those above the first number, up to the second.
fn id_range(after: Option<UserId>, is_descending: bool) -> (i32, i32) {
    match after {
        None => (0, i32::MAX),
        Some(id) if is_descending => (0, id.as_i32() - 1),
        Some(id) => (id.as_i32(), i32::MAX),
    }
}

/// The names of a page: those from the first text up to the second, without it.
fn name_range(names: &Names, after: Option<&str>, is_descending: bool) -> (String, String) {
    let next = |name: &str| format!("{name}{FIRST_CHARACTER}");
    let after_all = |prefix: &str| {
        let mut text = prefix.to_owned();
        text.extend(std::iter::repeat_n(char::MAX, AFTER_ALL_NAMES));
        text
    };
    let (from, until) = match names {
        Names::All => (String::new(), after_all("")),
        Names::Exactly(name) => (name.clone(), next(name)),
        Names::StartingWith(prefix) => (prefix.clone(), after_all(prefix)),
    };
    match after {
        None => (from, until),
        Some(name) if is_descending => (from, until.min(name.to_owned())),
        Some(name) => (from.max(next(name)), until),
    }
}

/// The order with the position of a row.
fn order_after(order: &UserOrder, row: &ListedRow) -> Result<UserOrder, StorageError> {
    let inconsistent = || StorageError::Inconsistent { table: "users" };
    let id = UserId::try_from(row.user_id).map_err(|_| inconsistent())?;
    Ok(match order {
        UserOrder::Id { .. } => UserOrder::Id { after: Some(id) },
        UserOrder::Type { .. } => {
            let kind = UserType::parse(&row.user_type).ok_or_else(inconsistent)?;
            UserOrder::Type { after: Some((kind, id)) }
        }
        UserOrder::Name { names, .. } => {
            UserOrder::Name { names: names.clone(), after: Some(row.canonical_name.clone()) }
        }
    })
}

impl TryFrom<ListedRow> for User {
    type Error = StorageError;

    fn try_from(row: ListedRow) -> Result<Self, StorageError> {
        Self::try_from(UserRow {
            user_id: row.user_id,
            login_name: row.login_name,
            display_name: row.display_name,
            user_type: row.user_type,
            is_administrator: row.is_administrator,
            role: row.role,
            is_retired: row.is_retired,
            session_epoch: row.session_epoch,
            person_id: row.person_id,
            role_id: row.role_id,
            ej_user_id: row.ej_user_id,
            nick_name: row.nick_name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_exactly_the_names_of_a_condition() {
        let names = ["a", "ab", "ab c", "abé", "ab\u{10ffff}", "ab\u{10ffff}z", "ac", "b"];
        let within = |(from, until): (String, String)| {
            let is_within = |name: &&&str| **name >= from.as_str() && **name < until.as_str();
            names.iter().filter(is_within).copied().collect::<Vec<_>>()
        };
        let prefix = Names::StartingWith("ab".to_owned());
        assert_eq!(within(name_range(&Names::All, None, false)), names);
        assert_eq!(within(name_range(&Names::Exactly("ab".to_owned()), None, false)), ["ab"]);
        assert_eq!(within(name_range(&prefix, None, false)), names[1..6]);
        assert_eq!(within(name_range(&prefix, Some("ab c"), false)), names[3..6]);
        assert_eq!(within(name_range(&prefix, Some("ab c"), true)), ["ab"; 1]);
        assert_eq!(within(name_range(&Names::All, Some("b"), false)), [""; 0]);
        assert_eq!(within(name_range(&prefix, Some("zz"), true)), names[1..6]);
    }

    #[test]
    fn the_order_by_type_continues_within_the_type_that_was_reached() {
        let id = UserId::try_from(7).unwrap();
        let after = Some((UserType::Internal, id));
        let left = |is_descending| {
            let mut left = kinds_after(&UserFilter::default(), after, is_descending);
            left.sort_unstable_by_key(|(kind, _)| kind.as_str());
            left.into_iter().map(|(kind, id)| (kind.as_str(), id.is_some())).collect::<Vec<_>>()
        };
        assert_eq!(left(false), [("internal", true), ("resource", false), ("system", false)]);
        assert_eq!(left(true), [("anonymous", false), ("external", false), ("internal", true)]);
        assert_eq!(id_range(Some(id), false), (7, i32::MAX));
        assert_eq!(id_range(Some(id), true), (0, 6));
    }
}

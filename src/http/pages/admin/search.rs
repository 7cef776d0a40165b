//! The search for users: the fields of its form, and the position of a page in the list.
//!
//! The list is in the order of names, and a position is a name. A page after a name reads on, a page
//! before a name reads backwards, so neither counts rows.

use actix_web::web::Query;
use data_encoding::BASE64URL_NOPAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::{
    domain::{
        InvalidField,
        user::{LoginName, User, UserType},
        user_list::{Names, UserFilter, UserListQuery, UserOrder, UserPage},
    },
    http::error::{BodyFault, ErrorKind},
};

/// The number of users of a page.
const ROWS: u16 = 50;

/// The characters of values that query strings escape.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The fields of the form, as received.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct SearchForm {
    /// The beginning of login names; empty for all.
    pub(super) name: String,
    /// A user type; empty for all.
    pub(super) r#type: String,
    /// `active` or `retired`; empty for all.
    pub(super) state: String,
    /// The position after which the page starts.
    after: Option<String>,
    /// The position before which the page ends.
    before: Option<String>,
}

/// A page of a search.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) query: UserListQuery,
    /// True if the page starts after another one.
    has_earlier: bool,
}

/// The users of a page, and the positions of its neighbors.
pub(super) struct FoundUsers {
    pub(super) users: Vec<User>,
    /// The query string of the previous page.
    pub(super) previous: Option<String>,
    /// The query string of the next page.
    pub(super) next: Option<String>,
}

impl SearchForm {
    /// Reads a query string.
    ///
    /// # Errors
    /// When a field is repeated.
    pub(super) fn read(query: &str) -> Result<Self, ErrorKind> {
        let form = Query::<Self>::from_query(query);
        Ok(form.map_err(|_| BodyFault::Framework)?.into_inner())
    }

    /// The search that the form describes. A position that no page has is ignored: the list starts
    /// from the beginning.
    ///
    /// # Errors
    /// Names the field that is invalid.
    pub(super) fn search(&self) -> Result<Search, InvalidField> {
        let names = if self.name.is_empty() {
            Names::All
        } else {
            Names::StartingWith(
                LoginName::require("name", Some(&self.name))?.canonical().to_owned(),
            )
        };
        let filter = UserFilter {
            user_type: UserType::parse(&self.r#type),
            is_retired: [("active", false), ("retired", true)]
                .into_iter()
                .find_map(|(name, is_retired)| (self.state == name).then_some(is_retired)),
        };
        let before = self.before.as_deref().and_then(name_at);
        let is_descending = before.is_some();
        let after = before.or_else(|| self.after.as_deref().and_then(name_at));
        let has_earlier = after.is_some() && !is_descending;
        let order = UserOrder::Name { names, after };
        let query = UserListQuery { filter, order, is_descending, top: ROWS, skip: 0 };
        Ok(Search { query, has_earlier })
    }

    /// The query string of the page at a position.
    fn at(&self, name: &str, user: &User) -> Option<String> {
        let position = LoginName::parse(&user.login_name).ok()?;
        let position = BASE64URL_NOPAD.encode(position.canonical().as_bytes());
        let fields = [("name", &self.name), ("type", &self.r#type), ("state", &self.state)];
        let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
        let mut pairs: Vec<_> = fields
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ESCAPED)))
            .collect();
        pairs.push(format!("{name}={position}"));
        Some(pairs.join("&"))
    }
}

impl Search {
    /// The users of the page in the order of names, with the neighbors of the page.
    pub(super) fn found(&self, form: &SearchForm, page: UserPage) -> FoundUsers {
        let UserPage { mut users, next } = page;
        let (has_previous, has_next) = if self.query.is_descending {
            users.reverse();
            (next.is_some(), true)
        } else {
            (self.has_earlier, next.is_some())
        };
        let previous = users.first().filter(|_| has_previous);
        let previous = previous.and_then(|first| form.at("before", first));
        let next = users.last().filter(|_| has_next);
        let next = next.and_then(|last| form.at("after", last));
        FoundUsers { users, previous, next }
    }
}

/// The canonical name of a position; `None` when the text is not a position.
fn name_at(position: &str) -> Option<String> {
    let name = String::from_utf8(BASE64URL_NOPAD.decode(position.as_bytes()).ok()?).ok()?;
    Some(LoginName::parse(&name).ok()?.canonical().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{user::UserId, vendor_ids::VendorIds};

    fn user(name: &str) -> User {
        User {
            user_id: UserId::try_from(7).unwrap(),
            login_name: name.to_owned(),
            display_name: name.to_owned(),
            user_type: UserType::Internal,
            is_administrator: false,
            role: None,
            is_retired: false,
            session_epoch: 0,
            vendor_ids: VendorIds::default(),
            nick_name: String::new(),
        }
    }

    fn order(query: &str) -> (UserOrder, bool) {
        let search = SearchForm::read(query).unwrap().search().unwrap();
        (search.query.order, search.query.is_descending)
    }

    #[test]
    fn the_links_of_a_page_keep_the_search_and_lead_to_its_neighbors() {
        let form = SearchForm::read("name=%C3%85+b&type=system&state=retired&after=YQ").unwrap();
        let search = form.search().unwrap();
        assert_eq!(search.query.filter.user_type, Some(UserType::System));
        assert_eq!(search.query.filter.is_retired, Some(true));
        let next = Some(UserOrder::Id { after: None });
        let users = vec![user("Åse & co"), user("b")];
        let found = search.found(&form, UserPage { users, next });
        let names = Names::StartingWith("å b".to_owned());
        let fields = "name=%C3%85%20b&type=system&state=retired";
        assert_eq!(found.previous.as_deref().unwrap(), format!("{fields}&before=w6VzZSAmIGNv"));
        assert_eq!(found.next.as_deref().unwrap(), format!("{fields}&after=Yg"));
        let before = UserOrder::Name { names: names.clone(), after: Some("åse & co".to_owned()) };
        assert_eq!(order(&found.previous.unwrap()), (before, true));
        let after = UserOrder::Name { names, after: Some("b".to_owned()) };
        assert_eq!(order(&found.next.unwrap()), (after, false));
    }

    #[test]
    fn a_page_that_was_read_backwards_is_in_order_and_has_a_next_page() {
        let form = SearchForm::read("before=Yw").unwrap();
        let search = form.search().unwrap();
        let page = UserPage { users: vec![user("b"), user("a")], next: None };
        let found = search.found(&form, page);
        let names: Vec<_> = found.users.iter().map(|user| user.login_name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!((found.previous, found.next.as_deref()), (None, Some("after=Yg")));
    }

    #[test]
    fn unknown_positions_types_and_states_are_ignored_and_invalid_names_refused() {
        for query in ["after=*", "before=AA", "after=_w", "type=boss&state=x", "notice=y", ""] {
            let (order, is_descending) = order(query);
            assert_eq!(order, UserOrder::Name { names: Names::All, after: None }, "{query}");
            assert!(!is_descending, "{query}");
        }
        for query in ["name=a:b", "name=%00", "name=7T:x"] {
            let refused = SearchForm::read(query).unwrap().search().unwrap_err();
            assert_eq!(refused.field, "name", "{query}");
        }
        assert!(SearchForm::read("name=a&name=b").is_err());
    }
}

//! The queries of the list of users and of the audit log, for fuzz targets.

use super::{
    audit_filter::{ACTOR, FilterForm, USER},
    search::SearchForm,
};
use crate::domain::{
    user::{LoginName, User, UserId, UserType},
    user_list::{UserOrder, UserPage},
    vendor_ids::VendorIds,
};

/// A page of the list of users.
#[derive(Debug, PartialEq, Eq)]
pub struct UsersPage {
    /// The condition on names, and that on types and states.
    pub conditions: String,
    /// The name after or before which the page is; `None` for the first page.
    pub position: Option<String>,
    /// True if the page ends before the position.
    pub is_before: bool,
    /// The query of the page after a user.
    pub next: String,
    /// The query of the page before a user; `None` on the first page.
    pub previous: Option<String>,
}

/// The page of a query, if it ends with the user of this name, and others follow.
///
/// # Errors
/// The field that is refused.
pub fn users_page(query: &str, name: &str) -> Result<UsersPage, String> {
    let form = SearchForm::read(query).map_err(|_| "query string".to_owned())?;
    let search = form.search().map_err(|refused| refused.field.clone())?;
    let user = user(name).ok_or("no name")?;
    let found = search
        .found(&form, UserPage { users: vec![user], next: Some(UserOrder::Id { after: None }) });
    let UserOrder::Name { names, after } = search.query.order else {
        return Err("another order".to_owned());
    };
    Ok(UsersPage {
        conditions: format!("{names:?} {:?}", search.query.filter),
        position: after,
        is_before: search.query.is_descending,
        next: found.next.ok_or("no next page")?,
        previous: found.previous,
    })
}

/// The canonical form of a login name.
#[must_use]
pub fn canonical_name(name: &str) -> Option<String> {
    Some(LoginName::parse(name).ok()?.canonical().to_owned())
}

/// The query of the page of the audit log with the same filter and position, with the fields that are
/// refused.
#[must_use]
pub fn audit_page(query: &str) -> (String, Vec<String>) {
    let form = FilterForm::read(query);
    let since = form.since();
    let until = form.until(since.as_ref().ok().copied().flatten());
    let refused = [
        form.user(USER).err(),
        form.user(ACTOR).err(),
        form.kinds().err(),
        since.err(),
        until.err(),
    ];
    let refused = refused.into_iter().flatten().map(|refused| refused.field.clone());
    (form.path("", form.after()), refused.collect())
}

fn user(name: &str) -> Option<User> {
    Some(User {
        user_id: UserId::try_from(7).ok()?,
        login_name: LoginName::parse(name).ok()?.as_str().to_owned(),
        display_name: String::new(),
        user_type: UserType::Internal,
        is_administrator: false,
        role: None,
        is_retired: false,
        session_epoch: 0,
        vendor_ids: VendorIds::default(),
        nick_name: String::new(),
    })
}

//! The query of the list of users: filter, order and page
//! (docs/reference/wire-contract.md#d33-rest).

use super::user::{User, UserId, UserType};

/// The largest page, in users.
pub(crate) const MAXIMUM_TOP: u16 = 1_000;

/// The size of a page when the caller names none, in users.
pub(crate) const DEFAULT_TOP: u16 = 100;

/// The maximum number of users to skip. The position after a page has no such limit.
pub(crate) const MAXIMUM_SKIP: u16 = 10_000;

/// A page of the list of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserListQuery {
    pub(crate) filter: UserFilter,
    pub(crate) order: UserOrder,
    pub(crate) is_descending: bool,
    /// The size of the page, in users.
    pub(crate) top: u16,
    /// The number of users to skip.
    pub(crate) skip: u16,
}

/// The users of a list; `None` means all. Conditions on the name are part of [`UserOrder::Name`],
/// so that they are a range of the order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UserFilter {
    pub(crate) user_type: Option<UserType>,
    pub(crate) is_retired: Option<bool>,
}

/// The order of a list, with the position after which the page starts; `None` for the first page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UserOrder {
    /// By id.
    Id { after: Option<UserId> },
    /// By user type, then by id.
    Type { after: Option<(UserType, UserId)> },
    /// By canonical login name, in the order of code points.
    Name { names: Names, after: Option<String> },
}

/// The canonical login names of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Names {
    All,
    Exactly(String),
    StartingWith(String),
}

/// A page of the list.
#[derive(Debug)]
pub(crate) struct UserPage {
    pub(crate) users: Vec<User>,
    /// The order with the position after this page; `None` on the last page.
    pub(crate) next: Option<UserOrder>,
}

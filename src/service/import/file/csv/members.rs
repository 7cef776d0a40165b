//! The members of a line, and the usual names of their columns.

/// The members of a line, with the names that people give their columns. The first name is that of
/// the member.
const MEMBERS: [(&str, &[&str]); 17] = [
    ("login_name", &["login_name", "login", "username", "user_name"]),
    ("id", &["id", "user_id"]),
    ("display_name", &["display_name", "full_name", "name"]),
    ("type", &["type", "user_type"]),
    ("administrator", &["administrator", "admin", "is_admin"]),
    ("retired", &["retired", "disabled"]),
    ("person_id", &["person_id"]),
    ("role_id", &["role_id"]),
    ("ej_user_id", &["ej_user_id"]),
    ("nick_name", &["nick_name", "nickname"]),
    ("value", &["value", "password"]),
    ("hash", &["hash", "password_hash", "hashed_password"]),
    ("credential_type", &["credential_type"]),
    ("display_value", &["display_value"]),
    ("valid_from", &["valid_from"]),
    ("valid_to", &["valid_to"]),
    ("change_required", &["change_required"]),
];

/// The member of a column with one of its usual names. Letter case, spaces and hyphens do not
/// matter.
pub(super) fn known_member(column: &str) -> Option<&'static str> {
    let name = column.trim().to_lowercase().replace([' ', '-'], "_");
    let known = MEMBERS.iter().find(|(_, names)| names.contains(&name.as_str()));
    known.map(|(member, _)| *member)
}

/// True for a usual name of a column.
pub(crate) fn is_known_column(column: &str) -> bool {
    known_member(column).is_some()
}

/// The member with that name.
pub(super) fn member_named(name: &str) -> Option<&'static str> {
    member_names().into_iter().find(|member| *member == name)
}

/// The names of all members.
pub(super) fn member_names() -> [&'static str; 17] {
    MEMBERS.map(|(member, _)| member)
}

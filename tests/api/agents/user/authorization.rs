//! Authorization: every call of the agent by every kind of caller, on the caller and on another
//! user.

use credential_keeper::describe_routes;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::agent;
use crate::support::{Answer, Credentials, PLAIN, RETIRED, TestApp, password_of};

/// Another plain user: the target of calls on another user.
const OTHER: (i32, &str) = (500, "otto");

/// Builds the query and the body of a call that targets the user with this id and name.
type Request = fn(i32, &str) -> (String, Value);

/// The callers whose request is not answered with 403.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Callers {
    /// Administrators and system users only.
    Administrators,
    /// Administrators, the help desk and auditors, who may read every user.
    Readers,
    /// Every user on themselves; those who may read users on every user.
    SelfOrReader,
    /// Administrators and auditors.
    DirectorySearchers,
    /// Administrators; the help desk, because the target has no rights over others.
    Helpers,
    /// As [`Self::CredentialOwner`], and auditors on every user.
    UntrustedReaders,
    /// Users who may change their own credentials, on themselves; administrators on every user.
    CredentialOwner,
    /// Users who may change their own credentials, on themselves; the call names no user.
    Owner,
    /// Every authenticated user, on every user.
    AnyUser,
}

/// The type of the user with this name.
fn type_of(name: &str) -> &'static str {
    match name {
        "sys" => "SystemAssociate",
        "ext" => "ExternalAssociate",
        "ano" => "AnonymousAssociate",
        _ => "InternalAssociate",
    }
}

fn empty_request(_: i32, _: &str) -> (String, Value) {
    (String::new(), Value::Null)
}

/// Every call of the agent. Other tests cover the content of its answers.
const CALLS: [(&str, Callers, Request); 56] = [
    ("SaveCredential", Callers::CredentialOwner, |id, name| {
        (String::new(), json!({"UserId": id, "Credential": {"Value": password_of(name)}}))
    }),
    ("DeleteCredential", Callers::Administrators, |id, _| {
        (String::new(), json!({"UserId": id, "CredentialType": "ActiveDirectory"}))
    }),
    ("GetCredentialTypes", Callers::AnyUser, empty_request),
    ("GetCredentialTypesForUserType", Callers::AnyUser, |_, _| {
        (String::new(), json!({"UserType": "InternalAssociate"}))
    }),
    ("FindCredentialsGroups", Callers::DirectorySearchers, |_, _| {
        (String::new(), json!({"Type": "ActiveDirectory", "SearchString": ""}))
    }),
    ("FindCredentialUsers", Callers::DirectorySearchers, |_, _| {
        (String::new(), json!({"Type": "ActiveDirectory", "SearchString": ""}))
    }),
    ("GetCredentialUsersInGroup", Callers::DirectorySearchers, |_, _| {
        (String::new(), json!({"Type": "ActiveDirectory", "GroupName": "g"}))
    }),
    ("GetAccessToken", Callers::AnyUser, empty_request),
    ("SetPassword", Callers::Administrators, |id, name| {
        (String::new(), json!({"AssociateId": id, "Password": password_of(name)}))
    }),
    ("SetPasswordFromName", Callers::Administrators, |_, name| {
        (String::new(), json!({"AssociateName": name, "Password": password_of(name)}))
    }),
    ("SetGeneratedPassword", Callers::Helpers, |_, _| {
        (String::new(), json!({"AssociateId": OTHER.0}))
    }),
    ("SetGeneratedPasswordFromName", Callers::Helpers, |_, _| {
        (String::new(), json!({"AssociateName": OTHER.1}))
    }),
    ("ChangePassword", Callers::CredentialOwner, |id, _| {
        (String::new(), json!({"AssociateId": id, "OldPassword": "wrong", "NewPassword": "x"}))
    }),
    ("ChangePasswordFromName", Callers::CredentialOwner, |_, name| {
        (String::new(), json!({"AssociateName": name, "OldPassword": "wrong", "NewPassword": "x"}))
    }),
    ("ChangeOwnPassword", Callers::CredentialOwner, |_, _| {
        (String::new(), json!({"OldPassword": "wrong", "NewPassword": "x"}))
    }),
    ("CanChangePassword", Callers::AnyUser, |id, _| (String::new(), json!({"AssociateId": id}))),
    ("GetSupportedChangePasswordTypes", Callers::AnyUser, |id, _| {
        (String::new(), json!({"AssociateId": id}))
    }),
    ("SendChangePasswordEMail", Callers::CredentialOwner, |id, _| {
        (String::new(), json!({"AssociateId": id}))
    }),
    ("IsPasswordValid", Callers::AnyUser, |_, _| (String::new(), json!({"Password": "x"}))),
    ("IsPasswordValidWithReason", Callers::AnyUser, |_, _| {
        (String::new(), json!({"Password": "x"}))
    }),
    ("IsUserNameValid", Callers::Readers, |id, name| {
        (String::new(), json!({"AssociateId": id, "UserName": name}))
    }),
    ("IsUserNameValidWithReason", Callers::Readers, |id, name| {
        (String::new(), json!({"AssociateId": id, "UserName": name}))
    }),
    ("GetValidUserName", Callers::Readers, |id, name| {
        (String::new(), json!({"AssociateId": id, "UserName": name}))
    }),
    ("GetUser", Callers::SelfOrReader, |id, _| (format!("?userId={id}"), Value::Null)),
    ("GetUserFromName", Callers::SelfOrReader, |_, name| {
        (String::new(), json!({"UserName": name}))
    }),
    ("GetUserInfo", Callers::SelfOrReader, |id, _| (format!("?userInfoId={id}"), Value::Null)),
    ("GetUserInfoList", Callers::SelfOrReader, |id, _| (String::new(), json!([id]))),
    ("CreateDefaultUser", Callers::AnyUser, empty_request),
    ("CreateDefaultUserFromUserType", Callers::AnyUser, |_, _| {
        (String::new(), json!({"UserType": "SystemAssociate"}))
    }),
    ("SaveUser", Callers::Administrators, |id, _| {
        (String::new(), json!({"AssociateId": id, "Tooltip": "New"}))
    }),
    ("ValidateUser", Callers::Administrators, |id, _| {
        (String::new(), json!({"User": {"AssociateId": id, "Tooltip": "New"}}))
    }),
    ("MakeRetired", Callers::Administrators, |id, _| {
        (String::new(), json!({"AssociateId": id, "Retired": false}))
    }),
    ("GetUserFromPersonId", Callers::Readers, |_, _| (String::new(), json!({"PersonId": 7}))),
    ("GetUserFromEjUserId", Callers::Readers, |_, _| (String::new(), json!({"EjUserId": 7}))),
    ("CreateDefaultUserFromUserTypeAndPersonId", Callers::AnyUser, |_, _| {
        (String::new(), json!({"UserType": "InternalAssociate", "PersonId": 7}))
    }),
    ("CreateDefaultUserFromUserTypeAndCredential", Callers::AnyUser, |_, _| {
        (String::new(), json!({"UserType": "InternalAssociate", "CredentialValue": "x"}))
    }),
    ("SaveUserFromName", Callers::Administrators, |_, name| {
        (String::new(), json!({"UserName": name, "User": {"Tooltip": "New"}}))
    }),
    ("ChangeUserType", Callers::Administrators, |id, name| {
        let user = json!({"AssociateId": id});
        (String::new(), json!({"User": user, "UserType": type_of(name)}))
    }),
    ("ResolveUserFromInfo", Callers::Administrators, |_, name| {
        let credential = json!({"Value": "x", "DisplayValue": name});
        let user_type = type_of(name);
        let body = json!({"ContactId": 2, "UserType": user_type, "Credential": credential});
        (String::new(), body)
    }),
    ("RemoveLicenses", Callers::Administrators, |id, _| {
        (String::new(), json!({"AssociateId": id}))
    }),
    ("GetValidUserNameForNewUser", Callers::Readers, |_, name| {
        (String::new(), json!({"User": {"Name": name}}))
    }),
    ("GetDefaultAssociateUserName", Callers::Readers, |_, name| {
        (String::new(), json!({"User": {"Name": name}}))
    }),
    ("IsNickNameUnique", Callers::Readers, |id, name| {
        (String::new(), json!({"AssociateId": id, "NickName": name}))
    }),
    // An unknown name or id, because a deletion would remove the users of this test.
    ("DeleteUserFromName", Callers::Administrators, |_, _| {
        (String::new(), json!({"UserName": "nobody"}))
    }),
    ("CreateDefaultUntrustedCredentials", Callers::AnyUser, empty_request),
    ("SaveUntrustedCredentials", Callers::Owner, |_, _| {
        (
            String::new(),
            json!({"Type": "t", "Credentials": {"PublicValue": "p", "SecretValue": "s"}}),
        )
    }),
    ("SaveUntrustedCredentialsForAssociate", Callers::CredentialOwner, |id, _| {
        let credentials = json!({"PublicValue": "p", "SecretValue": "s"});
        (String::new(), json!({"AssociateId": id, "Type": "t", "Credentials": credentials}))
    }),
    ("GetUntrustedCredentials", Callers::Owner, |_, _| (String::new(), json!({"Type": "t"}))),
    ("GetUntrustedCredentialsForAssociate", Callers::UntrustedReaders, |id, _| {
        (String::new(), json!({"AssociateId": id, "Type": "t"}))
    }),
    ("RemoveUntrustedCredentials", Callers::Owner, |_, _| {
        (String::new(), json!({"Type": "t", "PublicValue": "p"}))
    }),
    ("RemoveUntrustedCredentialsForAssociate", Callers::CredentialOwner, |id, _| {
        (String::new(), json!({"AssociateId": id, "Type": "t", "PublicValue": "p"}))
    }),
    ("DeleteUser", Callers::Administrators, |_, _| ("?userId=4711".to_owned(), Value::Null)),
    // These calls are refused after the check of the right: the name is taken, and the users are
    // not external.
    ("CreateExternalUser", Callers::Administrators, |_, name| {
        (String::new(), json!({"UserName": name, "Password": "p", "IsActive": true}))
    }),
    ("SetExternalUserInfo", Callers::Administrators, |id, _| {
        let flags = "Active";
        let body = json!({
            "AssociateId": id, "IsActive": true, "ExternalUserInfoModification": flags,
        });
        (String::new(), body)
    }),
    ("DeleteExternalUser", Callers::Administrators, |id, _| {
        (String::new(), json!({"AssociateId": id}))
    }),
    ("GenerateNewPasswordForExternalUser", Callers::Administrators, |_, name| {
        (String::new(), json!({"AssociateName": name}))
    }),
];

/// The statuses of a permitted call.
fn permitted_statuses(name: &str) -> &'static [u16] {
    match name {
        "DeleteUser" | "DeleteUserFromName" => &[404],
        "CreateExternalUser" => &[409],
        "SetExternalUserInfo" | "DeleteExternalUser" | "GenerateNewPasswordForExternalUser" => {
            &[400]
        }
        _ => &[200, 204],
    }
}

/// Sends a call that targets a user, as the user named `caller`.
async fn call(
    app: &TestApp,
    name: &str,
    caller: &str,
    target: (i32, &str),
    request: Request,
) -> Answer {
    let (query, body) = request(target.0, target.1);
    let credentials = Credentials::basic(caller, &password_of(caller));
    app.post(&format!("{}{query}", agent(name)), &credentials, &body).await
}

#[sqlx::test]
async fn each_call_allows_only_its_callers(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user(OTHER, &[]);
    // The user, their right over others, and whether they may change their own credentials.
    let callers = [
        ((1, "anna"), Some(Right::Administrator), true),
        ((401, "sys"), Some(Right::Administrator), true),
        ((405, "hilde"), Some(Right::HelpDesk), true),
        ((407, "aurel"), Some(Right::Auditor), true),
        (PLAIN, None, true),
        ((402, "ext"), None, false),
        ((403, "ano"), None, false),
    ];
    app.add_user((405, "hilde"), &["--role", "help-desk"]);
    app.add_user((407, "aurel"), &["--role", "auditor"]);
    app.add_user((401, "sys"), &["--type", "system"]);
    app.add_user((402, "ext"), &["--type", "external", "--administrator"]);
    app.add_user((403, "ano"), &["--type", "anonymous"]);
    for (name, allowed, request) in CALLS {
        for (caller, right, can_change_own) in callers {
            for target in [caller, OTHER] {
                let is_self = target == caller || name == "ChangeOwnPassword";
                let is_allowed = is_allowed(allowed, right, is_self, can_change_own);
                let answer = call(&app, name, caller.1, target, request).await;
                if is_allowed {
                    let is_expected = permitted_statuses(name).contains(&answer.status.as_u16());
                    assert!(is_expected, "{name} by {caller:?} on {target:?}: {answer:?}");
                } else {
                    answer.assert_forbidden();
                }
            }
        }
    }
}

/// The right of a caller over other users.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Right {
    Administrator,
    HelpDesk,
    Auditor,
}

fn is_allowed(allowed: Callers, right: Option<Right>, is_self: bool, can_change_own: bool) -> bool {
    let is_administrator = right == Some(Right::Administrator);
    let is_owner = is_self && can_change_own;
    match allowed {
        Callers::AnyUser => true,
        Callers::Administrators => is_administrator,
        Callers::Readers => right.is_some(),
        Callers::SelfOrReader => right.is_some() || is_self,
        Callers::DirectorySearchers => is_administrator || right == Some(Right::Auditor),
        Callers::Helpers => is_administrator || right == Some(Right::HelpDesk),
        Callers::CredentialOwner => is_administrator || is_owner,
        Callers::UntrustedReaders => is_administrator || right == Some(Right::Auditor) || is_owner,
        Callers::Owner => can_change_own,
    }
}

#[test]
fn every_route_of_the_agent_is_in_the_matrix() {
    let prefix = agent("");
    for route in describe_routes() {
        if let Some(name) = route.path.strip_prefix(prefix.as_str()) {
            assert!(
                CALLS.iter().any(|(known, ..)| *known == name),
                "{name} is missing from the matrix"
            );
        }
    }
}

#[sqlx::test]
async fn a_missing_right_is_refused_before_the_user_is_looked_up(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // Answered for every caller, but the same for a missing user as for a forbidden one.
    let uniform_calls = ["CanChangePassword", "GetSupportedChangePasswordTypes"];
    for (name, allowed, request) in CALLS {
        let mut answers = Vec::new();
        for target in [(OTHER.0, OTHER.1), (1, "anna")] {
            let answer = call(&app, name, PLAIN.1, target, request).await;
            let names_user = allowed != Callers::Owner && name != "ChangeOwnPassword";
            if allowed != Callers::AnyUser && names_user {
                answer.assert_forbidden();
            }
            let is_refused = !matches!(allowed, Callers::AnyUser | Callers::Owner);
            if is_refused || uniform_calls.contains(&name) {
                let mut body = answer.json();
                if let Value::Object(members) = &mut body {
                    members.remove("RequestId");
                }
                answers.push((answer.status, body));
            }
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{name}: {answers:?}");
    }
}

#[sqlx::test]
async fn wrong_passwords_and_retired_users_are_refused_on_every_call(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (name, _, request) in CALLS {
        let (query, body) = request(PLAIN.0, PLAIN.1);
        let wrong = Credentials::basic(PLAIN.1, "wrong");
        let path = format!("{}{query}", agent(name));
        app.post(&path, &wrong, &body).await.assert_unauthenticated();
        let retired = Credentials::basic(RETIRED.1, &password_of(RETIRED.1));
        let sent = app.request(Method::POST, &path, &retired).json(&body).send().await.unwrap();
        Answer::read(sent).await.assert_unauthenticated();
    }
}

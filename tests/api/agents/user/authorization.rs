//! Who may call what on whom: every call of the agent, for every kind of caller, on themselves and
//! on somebody else.

use credential_keeper::describe_routes;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::agent;
use crate::support::{Answer, Credentials, PLAIN, RETIRED, TestApp, password_of};

/// Another plain user, on whom everybody tries.
const OTHER: (i32, &str) = (500, "otto");

/// What a call does to the user of an id and a name: the query and the body.
type Request = fn(i32, &str) -> (String, Value);

/// Who gets an answer that is no 403: on themselves, and on others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Administrators and system users only.
    Administrators,
    /// Everybody on themselves, administrators on anybody.
    Self_,
    /// Users who may act on themselves, administrators on anybody.
    ActingSelf,
    /// Everybody, whomever it is about.
    Everybody,
}

fn none(_: i32, _: &str) -> (String, Value) {
    (String::new(), Value::Null)
}

/// Each call once. What it answers is the business of other tests.
const CALLS: [(&str, Who, Request); 29] = [
    ("SaveCredential", Who::ActingSelf, |id, name| {
        (String::new(), json!({"UserId": id, "Credential": {"Value": password_of(name)}}))
    }),
    ("DeleteCredential", Who::Administrators, |id, _| {
        (String::new(), json!({"UserId": id, "CredentialType": "ActiveDirectory"}))
    }),
    ("GetCredentialTypes", Who::Everybody, none),
    ("GetCredentialTypesForUserType", Who::Everybody, |_, _| {
        (String::new(), json!({"UserType": "InternalAssociate"}))
    }),
    ("GetAccessToken", Who::Everybody, none),
    ("SetPassword", Who::Administrators, |id, name| {
        (String::new(), json!({"AssociateId": id, "Password": password_of(name)}))
    }),
    ("SetPasswordFromName", Who::Administrators, |_, name| {
        (String::new(), json!({"AssociateName": name, "Password": password_of(name)}))
    }),
    ("SetGeneratedPassword", Who::Administrators, |_, _| {
        (String::new(), json!({"AssociateId": RETIRED.0}))
    }),
    ("SetGeneratedPasswordFromName", Who::Administrators, |_, _| {
        (String::new(), json!({"AssociateName": RETIRED.1}))
    }),
    ("ChangePassword", Who::ActingSelf, |id, _| {
        (String::new(), json!({"AssociateId": id, "OldPassword": "wrong", "NewPassword": "x"}))
    }),
    ("ChangePasswordFromName", Who::ActingSelf, |_, name| {
        (String::new(), json!({"AssociateName": name, "OldPassword": "wrong", "NewPassword": "x"}))
    }),
    ("ChangeOwnPassword", Who::ActingSelf, |_, _| {
        (String::new(), json!({"OldPassword": "wrong", "NewPassword": "x"}))
    }),
    ("CanChangePassword", Who::Everybody, |id, _| (String::new(), json!({"AssociateId": id}))),
    ("GetSupportedChangePasswordTypes", Who::Everybody, |id, _| {
        (String::new(), json!({"AssociateId": id}))
    }),
    ("IsPasswordValid", Who::Everybody, |_, _| (String::new(), json!({"Password": "x"}))),
    ("IsPasswordValidWithReason", Who::Everybody, |_, _| (String::new(), json!({"Password": "x"}))),
    ("IsUserNameValid", Who::Administrators, |id, name| {
        (String::new(), json!({"AssociateId": id, "UserName": name}))
    }),
    ("IsUserNameValidWithReason", Who::Administrators, |id, name| {
        (String::new(), json!({"AssociateId": id, "UserName": name}))
    }),
    ("GetValidUserName", Who::Administrators, |id, name| {
        (String::new(), json!({"AssociateId": id, "UserName": name}))
    }),
    ("GetUser", Who::Self_, |id, _| (format!("?userId={id}"), Value::Null)),
    ("GetUserFromName", Who::Self_, |_, name| (String::new(), json!({"UserName": name}))),
    ("GetUserInfo", Who::Self_, |id, _| (format!("?userInfoId={id}"), Value::Null)),
    ("GetUserInfoList", Who::Self_, |id, _| (String::new(), json!([id]))),
    ("CreateDefaultUser", Who::Everybody, none),
    ("CreateDefaultUserFromUserType", Who::Everybody, |_, _| {
        (String::new(), json!({"UserType": "SystemAssociate"}))
    }),
    ("SaveUser", Who::Administrators, |id, _| {
        (String::new(), json!({"AssociateId": id, "Tooltip": "New"}))
    }),
    ("ValidateUser", Who::Administrators, |id, _| {
        (String::new(), json!({"User": {"AssociateId": id, "Tooltip": "New"}}))
    }),
    ("MakeRetired", Who::Administrators, |id, _| {
        (String::new(), json!({"AssociateId": id, "Retired": false}))
    }),
    // Deleting ends the test's users, so it is refused for another reason than the right.
    ("DeleteUser", Who::Administrators, |_, _| ("?userId=4711".to_owned(), Value::Null)),
];

async fn call(app: &TestApp, name: &str, by: &str, on: (i32, &str), request: Request) -> Answer {
    let (query, body) = request(on.0, on.1);
    let credentials = Credentials::basic(by, &password_of(by));
    app.post(&format!("{}{query}", agent(name)), &credentials, &body).await
}

#[sqlx::test]
async fn every_call_is_for_whom_it_is_for(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user(OTHER, &[]);
    let callers = [
        ((1, "anna"), true, true),
        ((401, "sys"), true, true),
        (PLAIN, false, true),
        ((402, "ext"), false, false),
        ((403, "ano"), false, false),
    ];
    app.add_user((401, "sys"), &["--type", "system"]);
    app.add_user((402, "ext"), &["--type", "external", "--administrator"]);
    app.add_user((403, "ano"), &["--type", "anonymous"]);
    for (name, who, request) in CALLS {
        for (caller, administers, acts) in callers {
            for on in [caller, OTHER] {
                let is_self = on == caller || name == "ChangeOwnPassword";
                let is_allowed = match who {
                    Who::Everybody => true,
                    Who::Administrators => administers,
                    Who::Self_ => administers || is_self,
                    Who::ActingSelf => administers || (is_self && acts),
                };
                let answer = call(&app, name, caller.1, on, request).await;
                if is_allowed {
                    let is_expected = matches!(answer.status.as_u16(), 200 | 204)
                        || (name == "DeleteUser" && answer.status == 404);
                    assert!(is_expected, "{name} by {caller:?} on {on:?}: {answer:?}");
                } else {
                    answer.assert_forbidden();
                }
            }
        }
    }
}

#[test]
fn every_call_is_in_the_matrix() {
    let prefix = agent("");
    for route in describe_routes() {
        if let Some(name) = route.path.strip_prefix(prefix.as_str()) {
            assert!(CALLS.iter().any(|(known, ..)| *known == name), "{name}");
        }
    }
}

#[sqlx::test]
async fn a_right_is_missing_before_anybody_is_looked_for(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let told_apart = ["CanChangePassword", "GetSupportedChangePasswordTypes"];
    for (name, who, request) in CALLS {
        let answers = [(OTHER.0, OTHER.1), (1, "anna")];
        let mut said = Vec::new();
        for on in answers {
            let answer = call(&app, name, PLAIN.1, on, request).await;
            if who != Who::Everybody && name != "ChangeOwnPassword" {
                answer.assert_forbidden();
            }
            if who != Who::Everybody || told_apart.contains(&name) {
                let mut body = answer.json();
                if let Value::Object(members) = &mut body {
                    members.remove("RequestId");
                }
                said.push((answer.status, body));
            }
        }
        assert!(said.windows(2).all(|pair| pair[0] == pair[1]), "{name}: {said:?}");
    }
}

#[sqlx::test]
async fn nobody_without_proof_gets_anything(pool: PgPool) {
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

//! Adding, changing and deleting external users.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::agent;
use crate::support::{Answer, Credentials, PRINCIPAL, TestApp};

/// A password that every policy accepts.
pub(super) const PASSWORD: &str = "correct horse battery staple";

async fn call(app: &TestApp, name: &str, body: &Value) -> Answer {
    app.post(&agent(name), &app.administrator(), body).await
}

/// The body that adds an external user with that login name.
pub(super) fn new_user(name: &str) -> Value {
    json!({"PersonId": 5, "UserName": name, "Password": PASSWORD, "RoleId": 3, "IsActive": true})
}

/// Adds an external user and returns the id.
pub(super) async fn create(app: &TestApp, name: &str) -> i32 {
    let answer = call(app, "CreateExternalUser", &new_user(name)).await;
    answer.assert_status(200);
    answer.json().as_i64().unwrap().try_into().unwrap()
}

async fn user(app: &TestApp, id: i32) -> Value {
    call(app, &format!("GetUser?userId={id}"), &Value::Null).await.json()
}

async fn logs_in(app: &TestApp, name: &str, password: &str) -> bool {
    app.get(PRINCIPAL, &Credentials::basic(name, password)).await.status == 200
}

/// The kinds of a user's audit events, oldest first.
async fn event_kinds(app: &TestApp, id: i32) -> Vec<String> {
    let kinds = sqlx::query_scalar!(
        "SELECT kind FROM audit_events WHERE user_id = $1 ORDER BY sequence",
        id
    );
    kinds.fetch_all(&app.pool).await.unwrap()
}

/// Asserts that the audit chains explain the state of every user but the retired user of the tests,
/// whom a statement retired.
#[track_caller]
fn assert_chains_verified(app: &TestApp) {
    let finished = app.command(&["audit", "verify"], "");
    assert!(finished.stdout.lines().skip(1).all(|line| line.starts_with("300 ")), "{finished:?}");
}

/// The members of an external user that can be changed, with the password that logs in.
async fn state(app: &TestApp, id: i32, passwords: &[&str]) -> Value {
    let user = user(app, id).await;
    let mut accepted = Vec::new();
    for password in passwords {
        // A retired user cannot log in, so the stored password is verified.
        let verified = app.command(&["credential", "verify", "--user", &id.to_string()], password);
        accepted.extend((verified.code == 0).then_some(*password));
    }
    json!({
        "name": user["UserName"], "role": user["Role"]["Id"], "person": user["Person"]["PersonId"],
        "type": user["Type"], "deleted": user["Deleted"], "passwords": accepted,
    })
}

/// Every user, login name and credential.
async fn rows(app: &TestApp) -> String {
    let statement = "SELECT concat(
        (SELECT string_agg(u::text, ',' ORDER BY user_id) FROM users u),
        (SELECT string_agg(n::text, ',' ORDER BY canonical_name) FROM login_names n),
        (SELECT string_agg(c.sealed_hash::text, ',' ORDER BY user_id) FROM credentials c)
    )";
    sqlx::query_scalar(statement).fetch_one(&app.pool).await.unwrap()
}

#[sqlx::test]
async fn a_new_external_user_has_the_given_ids_and_logs_in(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let id = create(&app, "Erik").await;
    assert!(id >= 1000);
    assert!(logs_in(&app, "erik", PASSWORD).await);
    let erik = user(&app, id).await;
    assert_eq!((&erik["Type"], &erik["Deleted"]), (&json!("ExternalAssociate"), &json!(false)));
    assert_eq!((&erik["UserName"], &erik["Tooltip"]), (&json!("Erik"), &json!("Erik")));
    assert_eq!(erik["Person"]["PersonId"], 5);
    assert_eq!((&erik["Role"]["Id"], &erik["Role"]["Value"]), (&json!(3), &json!("User")));
    let principal = app.get(PRINCIPAL, &Credentials::basic("erik", PASSWORD)).await.json();
    assert_eq!((&principal["PersonId"], &principal["RoleId"]), (&json!(5), &json!(3)));
    assert_eq!(principal["RoleType"], "ExternalUser");
    assert_eq!(event_kinds(&app, id).await, ["user_added", "credential_saved"]);
    assert_chains_verified(&app);
}

#[sqlx::test]
async fn an_inactive_external_user_is_retired_until_set_active(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let body = json!({"UserName": "erik", "Password": PASSWORD, "IsActive": false});
    let id = call(&app, "CreateExternalUser", &body).await.json();
    let id = i32::try_from(id.as_i64().unwrap()).unwrap();
    assert!(!logs_in(&app, "erik", PASSWORD).await);
    let erik = user(&app, id).await;
    assert_eq!((&erik["Deleted"], &erik["Person"]), (&json!(true), &Value::Null));
    assert_eq!(erik["Role"]["Id"], 0);
    let set = async |is_active: bool| {
        let body = json!({
            "AssociateId": id, "IsActive": is_active, "ExternalUserInfoModification": "Active",
        });
        call(&app, "SetExternalUserInfo", &body).await.assert_status(204);
    };
    set(true).await;
    let ticket = Credentials::Ticket(app.ticket(&Credentials::basic("erik", PASSWORD)).await);
    set(true).await;
    app.get(PRINCIPAL, &ticket).await.assert_status(200);
    set(false).await;
    app.get(PRINCIPAL, &ticket).await.assert_unauthenticated();
    assert!(!logs_in(&app, "erik", PASSWORD).await);
    let expected = [
        "user_added",
        "user_retired",
        "credential_saved",
        "user_reactivated",
        "ticket_issued",
        "user_retired",
    ];
    assert_eq!(event_kinds(&app, id).await, expected);
}

#[sqlx::test]
async fn only_the_flagged_parts_change(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let new_password = "battery horse staple correct";
    let passwords = [PASSWORD, new_password];
    for (number, (flags, changed, kinds)) in [
        (json!("UserName"), vec!["name"], vec!["user_changed"]),
        (json!("Password"), vec!["passwords"], vec!["credential_saved"]),
        (json!("Role"), vec!["role"], vec!["user_changed"]),
        (json!("Active"), vec!["deleted"], vec!["user_retired"]),
        (json!(1), vec!["name"], vec!["user_changed"]),
        (json!("2"), vec!["passwords"], vec!["credential_saved"]),
        (json!("role, ACTIVE"), vec!["role", "deleted"], vec!["user_changed", "user_retired"]),
        (
            json!("UserName Password"),
            vec!["name", "passwords"],
            vec!["user_changed", "credential_saved"],
        ),
        (
            json!("All"),
            vec!["name", "role", "deleted", "passwords"],
            vec!["user_changed", "user_retired", "credential_saved"],
        ),
        (
            json!(15),
            vec!["name", "role", "deleted", "passwords"],
            vec!["user_changed", "user_retired", "credential_saved"],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let id = create(&app, &format!("old-{number}")).await;
        let before = state(&app, id, &passwords).await;
        let new = json!({
            "name": format!("new-{number}"), "role": 9, "deleted": true, "passwords": [new_password],
        });
        let body = json!({
            "AssociateId": id, "UserName": new["name"], "Password": new_password, "RoleId": 9,
            "IsActive": false, "ExternalUserInfoModification": flags,
        });
        let answer = call(&app, "SetExternalUserInfo", &body).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""), "{flags}");
        let mut expected = before;
        for member in changed {
            expected[member] = new[member].clone();
        }
        assert_eq!(state(&app, id, &passwords).await, expected, "{flags}");
        assert_eq!(event_kinds(&app, id).await[2..], kinds, "{flags}");
    }
    assert_chains_verified(&app);
}

#[sqlx::test]
async fn without_a_flag_nothing_changes(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let id = create(&app, "erik").await;
    let before = rows(&app).await;
    // Members without a flag are not even checked.
    let members = json!({
        "AssociateId": id, "UserName": "a:b", "Password": "", "RoleId": -1, "IsActive": false,
    });
    for flags in [Value::Null, json!(""), json!(0), json!("0"), json!("Unknown")] {
        let mut body = members.clone();
        body["ExternalUserInfoModification"] = flags;
        call(&app, "SetExternalUserInfo", &body).await.assert_status(204);
    }
    call(&app, "SetExternalUserInfo", &members).await.assert_status(204);
    assert_eq!(rows(&app).await, before);
    let unknown = json!({"AssociateId": 4711});
    let answer = call(&app, "SetExternalUserInfo", &unknown).await;
    answer.assert_refused(404, "SoNotFoundException", "unknown_user");
}

#[sqlx::test]
async fn unchanged_values_append_no_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let id = create(&app, "erik").await;
    let body = json!({
        "AssociateId": id, "UserName": "erik", "RoleId": 3, "IsActive": true,
        "ExternalUserInfoModification": "UserName, Role, Active",
    });
    call(&app, "SetExternalUserInfo", &body).await.assert_status(204);
    assert_eq!(event_kinds(&app, id).await, ["user_added", "credential_saved"]);
}

#[sqlx::test]
async fn a_user_who_is_not_external_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (id, name, user_type) in
        [(401, "resource", "resource"), (402, "anonymous", "anonymous"), (403, "system", "system")]
    {
        app.add_user((id, name), &["--type", user_type]);
    }
    let ticket = Credentials::Ticket(app.ticket(&app.administrator()).await);
    let before = rows(&app).await;
    for (id, name) in [
        (278, "paul"),
        (300, "rita"),
        (401, "resource"),
        (402, "anonymous"),
        (403, "system"),
        (1, "anna"),
    ] {
        let flags = ["All", "Unknown", "Active", "Password"];
        let changes = flags.map(|flags| {
            let body = json!({
                "AssociateId": id, "UserName": "taken over", "Password": PASSWORD, "RoleId": 1,
                "IsActive": true, "ExternalUserInfoModification": flags,
            });
            ("SetExternalUserInfo", body, "AssociateId")
        });
        let others = [
            ("DeleteExternalUser", json!({"AssociateId": id}), "AssociateId"),
            ("GenerateNewPasswordForExternalUser", json!({"AssociateName": name}), "AssociateName"),
        ];
        for (call, body, field) in changes.into_iter().chain(others) {
            let answer = app.post(&agent(call), &ticket, &body).await;
            answer.assert_field_refused(field);
            let message = answer.json()["Message"].as_str().unwrap().to_owned();
            let expected = "is not an external user; use a call for all users, such as SaveUser";
            assert_eq!(message, format!("{field}: {expected}"), "{call} {body}");
        }
    }
    assert_eq!(rows(&app).await, before);
}

#[sqlx::test]
async fn a_deleted_external_user_is_gone_and_the_name_is_free(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let id = create(&app, "erik").await;
    let erik = Credentials::basic("erik", PASSWORD);
    let ticket = Credentials::Ticket(app.ticket(&erik).await);
    let delete = json!({"AssociateId": id});
    let answer = call(&app, "DeleteExternalUser", &delete).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""));
    for credentials in [erik, ticket] {
        app.get(PRINCIPAL, &credentials).await.assert_unauthenticated();
    }
    assert_eq!(user(&app, id).await, Value::Null);
    assert_eq!(event_kinds(&app, id).await.last().unwrap(), "user_deleted");
    let again = call(&app, "DeleteExternalUser", &delete).await;
    again.assert_refused(404, "SoNotFoundException", "unknown_user");
    assert_ne!(create(&app, "erik").await, id);
    assert_chains_verified(&app);
}

#[sqlx::test]
async fn a_generated_password_of_an_external_user_replaces_the_old_one(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let id = create(&app, "erik").await;
    let ticket = Credentials::Ticket(app.ticket(&Credentials::basic("erik", PASSWORD)).await);
    let body = json!({"AssociateName": "ERIK"});
    let first = call(&app, "GenerateNewPasswordForExternalUser", &body).await.json();
    let second = call(&app, "GenerateNewPasswordForExternalUser", &body).await.json();
    let (first, second) = (first.as_str().unwrap(), second.as_str().unwrap());
    assert_eq!((first.len(), second.len()), (24, 24));
    assert!(logs_in(&app, "erik", second).await);
    assert!(!logs_in(&app, "erik", first).await && !logs_in(&app, "erik", PASSWORD).await);
    app.get(PRINCIPAL, &ticket).await.assert_unauthenticated();
    let saved = "credential_saved";
    assert_eq!(event_kinds(&app, id).await, ["user_added", saved, "ticket_issued", saved, saved]);
    let unknown = json!({"AssociateName": "nobody"});
    let answer = call(&app, "GenerateNewPasswordForExternalUser", &unknown).await;
    answer.assert_refused(404, "SoNotFoundException", "unknown_user");
}

#[sqlx::test]
async fn a_taken_name_or_a_refused_password_writes_nothing(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    let id = create(&app, "erik").await;
    let other = create(&app, "frida").await;
    app.reconfigure(&[("KEEPER__PASSWORDS__POLICY", "nist")]).await;
    let administrator = Credentials::Ticket(app.ticket(&app.administrator()).await);
    let before = rows(&app).await;
    let all = "All";
    for (name, password, code, field) in [
        ("PAUL", PASSWORD, "login_name_taken", Value::Null),
        ("frida", PASSWORD, "login_name_taken", Value::Null),
        ("free", "x", "password_refused", json!("Password")),
        ("free", "passwordpassword", "password_refused", json!("Password")),
        // The policy compares with the new login name.
        ("gunnar-gunnarson", "gunnar-gunnarson", "password_refused", json!("Password")),
    ] {
        let body = json!({
            "AssociateId": id, "PersonId": 6, "UserName": name, "Password": password, "RoleId": 9,
            "IsActive": false, "ExternalUserInfoModification": all,
        });
        for call in ["CreateExternalUser", "SetExternalUserInfo"] {
            let answer = app.post(&agent(call), &administrator, &body).await;
            let status = if code == "login_name_taken" { 409 } else { 400 };
            answer.assert_refused(status, "ArgumentException", code);
            assert_eq!(answer.json()["Field"], field, "{call} {name}");
        }
    }
    assert_eq!(rows(&app).await, before);
    assert!(logs_in(&app, "erik", PASSWORD).await && logs_in(&app, "frida", PASSWORD).await);
    assert_eq!(user(&app, other).await["Deleted"], json!(false));
}

#[sqlx::test]
async fn form_and_xml_bodies_are_read(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let send = async |name: &str, media_type: &str, body: String| {
        let request = app.request(Method::POST, &agent(name), &app.administrator());
        let request = request.header("Content-Type", media_type).header("Accept", "text/xml");
        let request = request.body(body);
        Answer::read(request.send().await.unwrap()).await
    };
    let form = "application/x-www-form-urlencoded";
    let xml = "<CreateExternalUser><PersonId>5</PersonId><UserName>erik</UserName>\
               <Password>of XML</Password><RoleId>3</RoleId><IsActive>1</IsActive></CreateExternalUser>";
    let created = send("CreateExternalUser", "application/xml", xml.to_owned()).await;
    created.assert_status(200);
    let id = created
        .body
        .strip_prefix(r#"<int xmlns="http://schemas.microsoft.com/2003/10/Serialization/">"#);
    let id: i32 = id.unwrap().strip_suffix("</int>").unwrap().parse().unwrap();
    assert!(logs_in(&app, "erik", "of XML").await);
    let xml = format!(
        "<R><AssociateId>{id}</AssociateId><Password>of a list</Password><RoleId>4</RoleId>\
         <ExternalUserInfoModification>Password Role</ExternalUserInfoModification></R>"
    );
    send("SetExternalUserInfo", "application/xml", xml).await.assert_status(204);
    assert!(logs_in(&app, "erik", "of a list").await);
    let body = format!(
        "associateid={id}&password=of+a+form&externalUserInfoModification=Password%2C+Unknown"
    );
    send("SetExternalUserInfo", form, body).await.assert_status(204);
    assert!(logs_in(&app, "erik", "of a form").await);
    assert_eq!(user(&app, id).await["Role"]["Id"], 4);
    let generated = send(
        "GenerateNewPasswordForExternalUser",
        "text/xml",
        "<R><AssociateName>erik</AssociateName></R>".to_owned(),
    );
    assert!(generated.await.body.starts_with("<string xmlns="));
    let body = format!("AssociateId={id}");
    send("DeleteExternalUser", form, body).await.assert_status(204);
}

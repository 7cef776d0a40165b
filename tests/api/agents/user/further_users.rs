//! Users by name, person and credential, and the names of users before they are saved.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::agent;
use crate::{
    constraints::assert_no_orphans,
    support::{ADMINISTRATOR, Answer, Credentials, PLAIN, PRINCIPAL, RETIRED, TestApp},
};

const SID: &str = "S-1-5-21-7";

async fn call(app: &TestApp, name: &str, body: &Value) -> Answer {
    app.post(&agent(name), &app.administrator(), body).await
}

/// A call that must succeed with a result.
async fn result(app: &TestApp, name: &str, body: &Value) -> Value {
    let answer = call(app, name, body).await;
    answer.assert_status(200);
    answer.json()
}

/// The kinds of all audit events but logins, oldest first, of the users from an id on.
async fn event_kinds(app: &TestApp, from: i32) -> Vec<String> {
    let kinds = sqlx::query_scalar!(
        "SELECT kind FROM audit_events WHERE user_id >= $1 ORDER BY user_id, sequence",
        from
    );
    kinds.fetch_all(&app.pool).await.unwrap()
}

/// A request to find or to add the user of a SID.
fn of_sid(sid: &str, display_value: &str) -> Value {
    let credential = json!({
        "Type": {"Type": "ActiveDirectory"}, "Value": sid, "DisplayValue": display_value,
    });
    json!({
        "ContactId": 2, "PersonName": "Ola Nord", "PhoneNumbers": ["123"],
        "Emails": ["ola@example.com"], "UserType": "InternalAssociate", "Credential": credential,
    })
}

#[sqlx::test]
async fn a_user_is_changed_and_deleted_by_name_as_by_id(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let body = json!({"UserName": "PAUL", "User": {"Tooltip": "Paul", "EjUserId": 5}});
    let saved = result(&app, "SaveUserFromName", &body).await;
    assert_eq!((&saved["AssociateId"], &saved["Tooltip"]), (&json!(PLAIN.0), &json!("Paul")));
    assert_eq!((&saved["EjUserId"], &saved["Name"]), (&json!(5), &json!("paul")));
    // The id of the same user, a new name, and the state that was read.
    let mut read = saved;
    read["Name"] = json!("pål");
    let body = json!({"UserName": "paul", "User": read});
    assert_eq!(result(&app, "SaveUserFromName", &body).await["UserName"], "pål");
    let stale = json!({"UserName": "pål", "User": body["User"]});
    call(&app, "SaveUserFromName", &stale).await.assert_refused(
        409,
        "ArgumentException",
        "outdated",
    );
    let taken = json!({"UserName": "pål", "User": {"Name": "Anna"}});
    let refused = call(&app, "SaveUserFromName", &taken).await;
    refused.assert_refused(409, "ArgumentException", "login_name_taken");
    let other = json!({"UserName": "pål", "User": {"AssociateId": ADMINISTRATOR.0}});
    call(&app, "SaveUserFromName", &other).await.assert_field_refused("User.AssociateId");
    // Of an existing user, a credential without its value stays.
    let read = json!({"UserName": "pål", "User": {"Credentials": [{"Value": null}]}});
    result(&app, "SaveUserFromName", &read).await;
    let password = json!([{"Value": "another password"}]);
    let body = json!({"UserName": "pål", "User": {"Credentials": password}});
    result(&app, "SaveUserFromName", &body).await;
    let own = Credentials::basic("pål", "another password");
    app.get(PRINCIPAL, &own).await.assert_status(200);

    let answer = call(&app, "DeleteUserFromName", &json!({"UserName": "PÅL"})).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""));
    app.get(PRINCIPAL, &own).await.assert_unauthenticated();
    let again = call(&app, "DeleteUserFromName", &json!({"UserName": "pål"})).await;
    again.assert_refused(404, "SoNotFoundException", "unknown_user");
    let kinds = sqlx::query_scalar!(
        "SELECT kind FROM audit_events WHERE user_id = 278 AND sequence > 2 ORDER BY sequence"
    );
    let expected = ["user_changed", "user_changed", "credential_saved", "user_deleted"];
    assert_eq!(kinds.fetch_all(&app.pool).await.unwrap(), expected);
}

#[sqlx::test]
async fn a_change_of_the_user_type_is_saved(pool: PgPool) {
    let settings = r#"
        [credentials]
        additional_types = [{ name = "Pin", kind = "secret", user_types = ["internal"] }]"#;
    let app = TestApp::spawn_with(pool, &[], settings).await;
    let read = result(&app, &format!("GetUser?userId={}", PLAIN.0), &Value::Null).await;
    let mut edited = read.clone();
    edited["Tooltip"] = json!("Robot");
    let body = json!({"User": edited, "UserType": "SystemAssociate"});
    let changed = result(&app, "ChangeUserType", &body).await;
    assert_eq!(
        (&changed["Type"], &changed["Tooltip"]),
        (&json!("SystemAssociate"), &json!("Robot"))
    );
    let stored = result(&app, &format!("GetUser?userId={}", PLAIN.0), &Value::Null).await;
    assert_eq!((&stored["Type"], &stored["Tooltip"]), (&changed["Type"], &changed["Tooltip"]));
    let stale = json!({"User": read, "UserType": "InternalAssociate"});
    let refused = call(&app, "ChangeUserType", &stale).await;
    refused.assert_refused(409, "ArgumentException", "outdated");
    let internal = json!({"User": {"AssociateId": PLAIN.0}, "UserType": "InternalAssociate"});
    result(&app, "ChangeUserType", &internal).await;
    app.save(&app.administrator(), PLAIN.0, "Pin", "1234").await.assert_saved();
    // As saving the user with this type, which excludes the PIN.
    call(&app, "ChangeUserType", &body_of(PLAIN.0)).await.assert_field_refused("User.Type");
    let kinds = sqlx::query_scalar!(
        "SELECT kind FROM audit_events WHERE user_id = 278 AND sequence > 2 ORDER BY sequence"
    );
    let expected = [
        "user_changed",
        "administrator_granted",
        "user_changed",
        "administrator_revoked",
        "credential_saved",
    ];
    assert_eq!(kinds.fetch_all(&app.pool).await.unwrap(), expected);
}

fn body_of(user_id: i32) -> Value {
    json!({"User": {"AssociateId": user_id}, "UserType": "SystemAssociate"})
}

#[sqlx::test]
async fn users_are_found_by_person_and_ej_user(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (user_id, ej_user_id) in [(RETIRED.0, 5), (PLAIN.0, 6)] {
        let body = json!({
            "AssociateId": user_id, "Person": {"PersonId": 7}, "EjUserId": ej_user_id,
        });
        result(&app, "SaveUser", &body).await;
    }
    let ids = |users: &Value| -> Vec<i64> {
        users.as_array().unwrap().iter().map(|user| user["AssociateId"].as_i64().unwrap()).collect()
    };
    let by_person = result(&app, "GetUserFromPersonId", &json!({"PersonId": 7})).await;
    assert_eq!(ids(&by_person), [278, 300]);
    assert_eq!(by_person[0]["Credentials"][0]["Type"]["Type"], "CRM5/PASSWORD");
    assert_eq!(by_person[0]["Credentials"][0]["Value"], Value::Null);
    let by_ej_user = result(&app, "GetUserFromEjUserId", &json!({"EjUserId": "5"})).await;
    assert_eq!(ids(&by_ej_user), [300]);
    assert_eq!(result(&app, "GetUserFromPersonId", &json!({"PersonId": 5})).await, json!([]));
    assert_eq!(result(&app, "GetUserFromEjUserId", &json!({"EjUserId": 7})).await, json!([]));
    let request = app
        .request(reqwest::Method::POST, &agent("GetUserFromPersonId"), &app.administrator())
        .header("Accept", "text/xml")
        .json(&json!({"PersonId": 7}));
    let xml = Answer::read(request.send().await.unwrap()).await;
    assert!(xml.body.starts_with("<ArrayOfUser "), "{xml:?}");
    assert!(xml.body.contains("<Person><FieldProperties"), "{xml:?}");
    call(&app, "DeleteUserFromName", &json!({"UserName": "paul"})).await.assert_status(204);
    let left = result(&app, "GetUserFromPersonId", &json!({"PersonId": 7})).await;
    assert_eq!(ids(&left), [300]);
}

#[sqlx::test]
async fn default_users_have_the_person_or_the_credential_without_its_value(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let body = json!({"UserType": "ExternalAssociate", "PersonId": 7});
    let user = result(&app, "CreateDefaultUserFromUserTypeAndPersonId", &body).await;
    assert_eq!((&user["AssociateId"], &user["Type"]), (&json!(0), &json!("ExternalAssociate")));
    assert_eq!(user["Person"]["PersonId"], 7);
    for user_type in ["SystemAssociate", "AnonymousAssociate"] {
        for body in [json!({"UserType": user_type}), json!({"UserType": user_type, "PersonId": 0})]
        {
            let user = result(&app, "CreateDefaultUserFromUserTypeAndPersonId", &body).await;
            assert_eq!(user["Person"], Value::Null);
        }
    }
    let body = json!({
        "UserType": "InternalAssociate", "ContactId": 2, "CredentialType": "activedirectory",
        "CredentialValue": SID, "CredentialDisplayValue": "DOM\\ola",
    });
    let answer = call(&app, "CreateDefaultUserFromUserTypeAndCredential", &body).await;
    answer.assert_status(200);
    assert!(!answer.body.contains(SID), "{answer:?}");
    let mut user = answer.json();
    let credential = &user["Credentials"][0];
    assert_eq!(credential["Type"]["Type"], "ActiveDirectory");
    let shown = (&credential["Value"], &credential["DisplayValue"]);
    assert_eq!(shown, (&Value::Null, &json!("DOM\\ola")));
    // Saved as it is, it would lose the credential.
    user["Name"] = json!("ola");
    call(&app, "SaveUser", &user).await.assert_field_refused("Credentials[0].Value");
    let problems = result(&app, "ValidateUser", &json!({"User": user})).await;
    assert_eq!(problems.as_object().unwrap().keys().collect::<Vec<_>>(), ["Credentials[0].Value"]);
    user["Credentials"][0]["Value"] = json!(SID);
    let saved = result(&app, "SaveUser", &user).await;
    let resolved = result(&app, "ResolveUserFromInfo", &of_sid(SID, "")).await;
    assert_eq!(resolved["User"]["AssociateId"], saved["AssociateId"]);
}

#[sqlx::test]
async fn a_user_is_resolved_by_an_identifier_or_added_with_it(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let first = result(&app, "ResolveUserFromInfo", &of_sid(SID, "DOM\\Ola")).await;
    assert_eq!(first["PersonCreated"], true);
    let user = &first["User"];
    assert_eq!((&user["Name"], &user["Tooltip"]), (&json!("ola"), &json!("Ola Nord")));
    assert_eq!(user["Credentials"][0]["DisplayValue"], "DOM\\Ola");
    assert_eq!(event_kinds(&app, 1000).await, ["user_added", "credential_saved"]);
    // Found, in any spelling of the other members; nothing changes.
    let mut again = of_sid(SID, "DOM\\other");
    again["PersonName"] = json!("Somebody");
    again["Emails"] = Value::Null;
    let again = result(&app, "ResolveUserFromInfo", &again).await;
    assert_eq!((&again["PersonCreated"], &again["User"]), (&json!(false), user));
    assert_eq!(event_kinds(&app, 1000).await.len(), 2);
    // Another person with the same account name.
    let second = result(&app, "ResolveUserFromInfo", &of_sid("S-1-5-8", "OTHER\\ola")).await;
    assert_eq!((&second["PersonCreated"], &second["User"]["Name"]), (&json!(true), &json!("ola2")));
    let mut of_mail = of_sid("S-1-5-9", "");
    let third = result(&app, "ResolveUserFromInfo", &of_mail).await;
    assert_eq!(third["User"]["Name"], "ola@example.com");
    of_mail["Emails"] = json!([]);
    of_mail["Credential"]["Value"] = json!("S-1-5-10");
    let fourth = result(&app, "ResolveUserFromInfo", &of_mail).await;
    assert_eq!(fourth["User"]["Name"], "ola.nord");
    assert_no_orphans(&app.pool, "resolve").await;
    // The type is part of the question.
    let mut external = of_sid(SID, "");
    external["UserType"] = json!("ExternalAssociate");
    let refused = call(&app, "ResolveUserFromInfo", &external).await;
    refused.assert_refused(409, "ArgumentException", "identifier_taken");
    // A retired user is found, and stays retired.
    app.save(&app.administrator(), RETIRED.0, "ActiveDirectory", "S-1-5-300").await.assert_saved();
    let retired = result(&app, "ResolveUserFromInfo", &of_sid("S-1-5-300", "")).await;
    assert_eq!(
        (&retired["User"]["Name"], &retired["User"]["Deleted"]),
        (&json!("rita"), &json!(true))
    );
}

#[sqlx::test]
async fn a_directory_row_without_its_credential_resolves_to_nobody(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.save(&app.administrator(), PLAIN.0, "ActiveDirectory", SID).await.assert_saved();
    app.save(&app.administrator(), RETIRED.0, "ActiveDirectory", "S-1-5-8").await.assert_saved();
    sqlx::raw_sql("UPDATE credential_identifiers SET user_id = 300 WHERE user_id = 278")
        .execute(&app.pool)
        .await
        .unwrap();
    let refused = call(&app, "ResolveUserFromInfo", &of_sid(SID, "")).await;
    refused.assert_refused(409, "ArgumentException", "identifier_taken");
}

#[sqlx::test]
async fn a_user_is_resolved_by_name_for_a_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let of_name = |name: &str, value: &str| {
        json!({
            "ContactId": 2, "UserType": "InternalAssociate",
            "Credential": {"Type": {"Type": "CRM5/PASSWORD"}, "Value": value, "DisplayValue": name},
        })
    };
    // Nobody is found by a password: it is neither compared nor saved.
    let found = result(&app, "ResolveUserFromInfo", &of_name("PAUL", "another")).await;
    assert_eq!(
        (&found["PersonCreated"], &found["User"]["AssociateId"]),
        (&json!(false), &json!(278))
    );
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    let added = result(&app, "ResolveUserFromInfo", &of_name("Ola", "a password of Ola")).await;
    assert_eq!((&added["PersonCreated"], &added["User"]["Tooltip"]), (&json!(true), &json!("Ola")));
    app.get(PRINCIPAL, &Credentials::basic("ola", "a password of Ola")).await.assert_status(200);
    let mut system = of_name("ola", "x");
    system["UserType"] = json!("SystemAssociate");
    let refused = call(&app, "ResolveUserFromInfo", &system).await;
    refused.assert_refused(409, "ArgumentException", "login_name_taken");
}

#[sqlx::test]
async fn a_refused_password_adds_nobody(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    app.reconfigure(&[("KEEPER__PASSWORDS__POLICY", "nist")]).await;
    let body = json!({
        "ContactId": 2, "UserType": "InternalAssociate",
        "Credential": {"Value": "short", "DisplayValue": "ola"},
    });
    let refused = call(&app, "ResolveUserFromInfo", &body).await;
    refused.assert_refused(400, "ArgumentException", "password_refused");
    let count = sqlx::query_scalar!("SELECT count(*) FROM users");
    assert_eq!(count.fetch_one(&app.pool).await.unwrap(), Some(3));
}

/// Sends a call several times at once; returns the answers.
async fn at_once(app: &TestApp, name: &str, bodies: Vec<Value>) -> Vec<Answer> {
    let requests = bodies.into_iter().map(|body| {
        let request = app.request(reqwest::Method::POST, &agent(name), &app.administrator());
        tokio::spawn(async move { Answer::read(request.json(&body).send().await.unwrap()).await })
    });
    let mut answers = Vec::new();
    for request in requests.collect::<Vec<_>>() {
        answers.push(request.await.unwrap());
    }
    answers
}

#[sqlx::test]
async fn concurrent_calls_resolve_to_one_user(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for round in 0..4 {
        let by_name = json!({
            "ContactId": 2, "UserType": "InternalAssociate",
            "Credential": {"Value": "a password", "DisplayValue": format!("user {round}")},
        });
        for body in [of_sid(&format!("{SID}-{round}"), "DOM\\ola"), by_name] {
            let answers = at_once(&app, "ResolveUserFromInfo", vec![body; 6]).await;
            for answer in &answers {
                answer.assert_status(200);
            }
            let answers: Vec<_> = answers.iter().map(Answer::json).collect();
            let first = &answers[0]["User"]["AssociateId"];
            assert!(answers.iter().all(|answer| answer["User"]["AssociateId"] == *first));
            let added = answers.iter().filter(|answer| answer["PersonCreated"] == true).count();
            assert_eq!(added, 1);
            assert_no_orphans(&app.pool, "resolve").await;
        }
        // Different persons whose names compete.
        let bodies = (0..4).map(|number| of_sid(&format!("S-2-{round}-{number}"), "DOM\\kari"));
        let answers = at_once(&app, "ResolveUserFromInfo", bodies.collect()).await;
        for answer in &answers {
            answer.assert_status(200);
        }
    }
    let count = sqlx::query_scalar!("SELECT count(*) FROM users");
    assert_eq!(count.fetch_one(&app.pool).await.unwrap(), Some(3 + 4 * (1 + 1 + 4)));
}

#[sqlx::test]
async fn names_are_suggested_and_checked(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let suggest = async |name: &str, user: Value| {
        result(&app, name, &json!({ "User": user })).await.as_str().unwrap().to_owned()
    };
    for (user, for_new_user, default) in [
        (json!({}), "user", "user"),
        (json!({"Name": "Paul"}), "Paul2", "paul2"),
        (json!({"AssociateId": PLAIN.0, "Name": "Paul"}), "Paul", "paul"),
        (json!({"Name": "ola", "Tooltip": "Ola Nord"}), "ola", "ola.nord"),
        (json!({"Tooltip": "Anna"}), "anna2", "anna2"),
        (json!({"Credentials": [{"DisplayValue": "DOM\\Ola"}]}), "ola", "ola"),
        (json!({"UserName": "a\u{200b}b:c", "Tooltip": " "}), "abc", "abc"),
    ] {
        assert_eq!(
            suggest("GetValidUserNameForNewUser", user.clone()).await,
            for_new_user,
            "{user}"
        );
        assert_eq!(suggest("GetDefaultAssociateUserName", user.clone()).await, default, "{user}");
    }
    result(&app, "SaveUser", &json!({"AssociateId": PLAIN.0, "NickName": "Lin"})).await;
    for (user_id, name, is_unique) in [
        (0, "LIN", false),
        (RETIRED.0, "lin", false),
        (PLAIN.0, "ＬＩＮ", true),
        (0, "Pal", true),
        (0, "paul", true),
        (0, "", true),
        (0, "a\u{200b}", false),
        (0, " ", false),
    ] {
        let body = json!({"AssociateId": user_id, "NickName": name});
        assert_eq!(result(&app, "IsNickNameUnique", &body).await, is_unique, "{body}");
    }
}

#[sqlx::test]
async fn removing_licenses_changes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let before = event_kinds(&app, 1).await;
    for user_id in [PLAIN.0, RETIRED.0] {
        let answer = call(&app, "RemoveLicenses", &json!({"AssociateId": user_id})).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""));
    }
    assert_eq!(event_kinds(&app, 1).await, before);
}

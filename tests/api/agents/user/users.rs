//! Reading, adding, changing, retiring and deleting users through the agent.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::agent;
use crate::support::{Answer, Credentials, PLAIN, PRINCIPAL, RETIRED, TestApp, password_of};

async fn call(app: &TestApp, name: &str, body: &Value) -> Answer {
    app.post(&agent(name), &app.administrator(), body).await
}

async fn user(app: &TestApp, id: i32) -> Value {
    let answer = call(app, &format!("GetUser?userId={id}"), &Value::Null).await;
    answer.assert_status(200);
    answer.json()
}

/// The user without the member that every login changes, and without the links of a resource.
fn without_last_login(mut user: Value) -> Value {
    user["Lastlogin"].take();
    user.as_object_mut().unwrap().remove("_Links");
    user
}

/// The kinds of a user's audit events, oldest first.
async fn event_kinds(app: &TestApp, id: i32) -> Vec<String> {
    let kinds = sqlx::query_scalar!(
        "SELECT kind FROM audit_events WHERE user_id = $1 ORDER BY sequence",
        id
    );
    kinds.fetch_all(&app.pool).await.unwrap()
}

#[sqlx::test]
async fn a_user_is_readable_by_id_name_and_resource_without_values(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.save(&app.administrator(), PLAIN.0, "ActiveDirectory", "S-1-5-21").await.assert_saved();
    let by_id = user(&app, 278).await;
    assert_eq!(by_id["Name"], "paul");
    assert_eq!(by_id["Type"], "InternalAssociate");
    assert_eq!(by_id["Role"]["Value"], "User");
    assert_eq!((&by_id["Deleted"], &by_id["Person"]), (&json!(false), &Value::Null));
    let credentials = by_id["Credentials"].as_array().unwrap();
    let types: Vec<_> =
        credentials.iter().map(|credential| credential["Type"]["Type"].clone()).collect();
    assert_eq!(types, ["ActiveDirectory", "CRM5/PASSWORD"]);
    assert!(credentials.iter().all(|credential| credential["Value"].is_null()));
    assert!(!by_id.to_string().contains("S-1-5-21"));
    let by_name = call(&app, "GetUserFromName", &json!({"UserName": "PAUL"})).await.json();
    let resource = app.get("/api/v1/User/278", &app.administrator()).await.json();
    let own = app.get("/api/v1/User/current", &app.plain()).await.json();
    for other in [by_name, resource, own] {
        assert_eq!(without_last_login(other), without_last_login(by_id.clone()));
    }
    let associate = app.get("/api/v1/User/currentAssociate", &app.plain()).await.json();
    assert_eq!((&associate["AssociateId"], &associate["Name"]), (&json!(278), &json!("paul")));
}

#[sqlx::test]
async fn an_unknown_user_is_null_on_the_agent_and_404_as_a_resource(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    assert_eq!(user(&app, 4711).await, Value::Null);
    for (name, body) in [
        ("GetUserFromName", json!({"UserName": "no"})),
        ("GetUserInfo?userInfoId=4711", json!(null)),
    ] {
        let answer = call(&app, name, &body).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "null"));
    }
    for path in ["/api/v1/User/4711", "/api/v1/User/nobody", "/api/v1/User/-1"] {
        let answer = app.get(path, &app.administrator()).await;
        answer.assert_refused(404, "SoNotFoundException", "unknown_user");
    }
    let xml =
        app.request(reqwest::Method::POST, &agent("GetUser?userId=4711"), &app.administrator());
    let xml = Answer::read(xml.header("Accept", "text/xml").send().await.unwrap()).await;
    assert!(xml.body.contains("nil=\"true\""), "{xml:?}");
}

#[sqlx::test]
async fn user_infos_are_in_request_order(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let infos = call(&app, "GetUserInfoList", &json!([300, 4711, 1, 278])).await.json();
    let ids: Vec<_> =
        infos.as_array().unwrap().iter().map(|info| info["UserInfoId"].as_i64().unwrap()).collect();
    assert_eq!(ids, [300, 1, 278]);
    assert_eq!((&infos[0]["Deleted"], &infos[0]["CanLogon"]), (&json!(true), &json!(false)));
    assert_eq!(infos[1]["RoleName"], "Administrator");
    assert_eq!(call(&app, "GetUserInfoList", &json!([])).await.body, "[]");
    let one = call(&app, "GetUserInfo?userInfoId=1", &Value::Null).await.json();
    assert_eq!(one, infos[1]);
    call(&app, "GetUserInfoList", &json!([1, 0])).await.assert_field_refused("[1]");
    call(&app, "GetUserInfoList", &json!([1, "x"])).await.assert_field_refused("[1]");
    call(&app, "GetUserInfoList", &json!({"ids": [1]})).await.assert_status(400);
}

#[sqlx::test]
async fn a_new_user_is_saved_with_credentials_and_logs_in(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut new =
        call(&app, "CreateDefaultUserFromUserType", &json!({"UserType": "SystemAssociate"}))
            .await
            .json();
    assert_eq!((&new["AssociateId"], &new["Type"]), (&json!(0), &json!("SystemAssociate")));
    new["Name"] = json!("Robot");
    new["Tooltip"] = json!("The robot");
    new["Credentials"] = json!([
        {"Type": {"Type": "CRM5/PASSWORD"}, "Value": "beep", "DisplayValue": ""},
        {"Type": {"Type": "ActiveDirectory"}, "Value": "S-1-5-9", "DisplayValue": "DOM\\robot"},
    ]);
    let answer = call(&app, "SaveUser", &new).await;
    answer.assert_status(200);
    let saved = answer.json();
    let id = saved["AssociateId"].as_i64().unwrap();
    assert!(id >= 1000);
    assert_eq!((&saved["Tooltip"], &saved["UserName"]), (&json!("The robot"), &json!("Robot")));
    assert_eq!(saved["Credentials"].as_array().unwrap().len(), 2);
    app.get(PRINCIPAL, &Credentials::basic("robot", "beep")).await.assert_status(200);
    let kinds = event_kinds(&app, id.try_into().unwrap()).await;
    let expected = ["user_added", "administrator_granted", "credential_saved", "credential_saved"];
    assert_eq!(kinds, expected);
}

#[sqlx::test]
async fn form_and_xml_bodies_save_a_user_with_credentials(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let form = "Name=form&Credentials[0][Type][Type]=CRM5/PASSWORD&Credentials[0].Value=of+a+form\
                &Credentials[1].Type.Type=ActiveDirectory&Credentials[1].Value=S-1-5-9";
    let xml = "<User><Name>xml</Name><Credentials><Credential><Value>of XML</Value></Credential>\
               </Credentials></User>";
    for (media_type, body, name, value, credentials) in [
        ("application/x-www-form-urlencoded", form, "form", "of a form", 2),
        ("application/xml", xml, "xml", "of XML", 1),
    ] {
        let request = app
            .request(reqwest::Method::POST, &agent("SaveUser"), &app.administrator())
            .header("Content-Type", media_type)
            .header("Accept", "application/json")
            .body(body);
        let saved = Answer::read(request.send().await.unwrap()).await;
        saved.assert_status(200);
        assert_eq!(saved.json()["Credentials"].as_array().unwrap().len(), credentials);
        app.get(PRINCIPAL, &Credentials::basic(name, value)).await.assert_status(200);
    }
}

#[sqlx::test]
async fn saving_a_user_as_read_changes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let read = user(&app, 278).await;
    let before = event_kinds(&app, 278).await;
    let saved = call(&app, "SaveUser", &read).await.json();
    assert_eq!(without_last_login(saved), without_last_login(read));
    assert_eq!(event_kinds(&app, 278).await, before);
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
}

#[sqlx::test]
async fn each_change_to_a_user_appends_its_own_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let mut read = user(&app, 278).await;
    read["Name"] = json!("Pål");
    read["Role"]["Value"] = json!("Administrator");
    let saved = call(&app, "SaveUser", &read).await.json();
    assert_eq!((&saved["Name"], &saved["UserName"]), (&json!("Pål"), &json!("Pål")));
    app.get(PRINCIPAL, &Credentials::basic("PÅL", "paul-password")).await.assert_status(200);
    app.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
    app.get(PRINCIPAL, &ticket).await.assert_status(200);
    let retired =
        call(&app, "SaveUser", &json!({"AssociateId": 278, "Deleted": true})).await.json();
    assert_eq!((&retired["Deleted"], &retired["Name"]), (&json!(true), &json!("Pål")));
    app.get(PRINCIPAL, &ticket).await.assert_unauthenticated();
    let events = event_kinds(&app, 278).await;
    let expected = ["ticket_issued", "user_changed", "administrator_granted", "user_retired"];
    assert_eq!(events[2..], expected);
    assert_eq!(
        app.command(&["audit", "list", "--user", "278"], "").assert_success().lines().count(),
        7
    );
}

#[sqlx::test]
async fn a_failed_save_is_rolled_back_completely(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.save(&app.administrator(), 1, "ActiveDirectory", "S-1-5-1").await.assert_saved();
    let taken = json!([
        {"Type": {"Type": "CRM5/PASSWORD"}, "Value": "new"},
        {"Type": {"Type": "ActiveDirectory"}, "Value": "S-1-5-1"},
    ]);
    let before = (without_last_login(user(&app, 278).await), event_kinds(&app, 278).await);
    let body = json!({"AssociateId": 278, "Name": "other", "Credentials": taken});
    call(&app, "SaveUser", &body).await.assert_refused(
        409,
        "ArgumentException",
        "identifier_taken",
    );
    let body = json!({"AssociateId": 278, "Name": "Anna", "Deleted": true});
    call(&app, "SaveUser", &body).await.assert_refused(
        409,
        "ArgumentException",
        "login_name_taken",
    );
    assert_eq!((without_last_login(user(&app, 278).await), event_kinds(&app, 278).await), before);
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    let body = json!({"Name": "fresh", "Credentials": taken});
    call(&app, "SaveUser", &body).await.assert_refused(
        409,
        "ArgumentException",
        "identifier_taken",
    );
    let count = sqlx::query_scalar!("SELECT count(*) FROM users");
    assert_eq!(count.fetch_one(&app.pool).await.unwrap(), Some(3));
}

#[sqlx::test]
async fn retiring_revokes_tickets_and_tokens_and_is_reversible(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let token = Credentials::Bearer(app.token(&app.plain()).await);
    let retire = |retired: bool| json!({"AssociateId": 278, "Retired": retired});
    for _ in 0..2 {
        call(&app, "MakeRetired", &retire(true)).await.assert_status(204);
    }
    for credentials in [&app.plain(), &ticket, &token] {
        app.get(PRINCIPAL, credentials).await.assert_unauthenticated();
    }
    call(&app, "MakeRetired", &retire(false)).await.assert_status(204);
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    for credentials in [&ticket, &token] {
        app.get(PRINCIPAL, credentials).await.assert_unauthenticated();
    }
    let expected = ["ticket_issued", "user_retired", "user_reactivated"];
    assert_eq!(event_kinds(&app, 278).await[2..], expected);
}

#[sqlx::test]
async fn deleting_revokes_everything_and_keeps_a_tombstone(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.save(&app.administrator(), PLAIN.0, "ActiveDirectory", "S-1-5-7").await.assert_saved();
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let token = Credentials::Bearer(app.token(&app.plain()).await);
    call(&app, "DeleteUser?UserId=278", &Value::Null).await.assert_status(204);
    for credentials in [app.plain(), ticket, token] {
        app.get(PRINCIPAL, &credentials).await.assert_unauthenticated();
    }
    assert_eq!(user(&app, 278).await, Value::Null);
    call(&app, "DeleteUser?userId=278", &Value::Null).await.assert_status(404);
    app.save(&app.administrator(), 278, "", "x").await.assert_status(404);
    let remaining = sqlx::query!(
        r#"SELECT u.login_name, u.display_name, u.is_retired,
                  (SELECT count(*) FROM credentials WHERE user_id = 278)
                  + (SELECT count(*) FROM credential_identifiers WHERE user_id = 278)
                  + (SELECT count(*) FROM tickets WHERE user_id = 278)
                  + (SELECT count(*) FROM login_names WHERE user_id = 278) AS "rows!"
           FROM users u WHERE user_id = 278"#
    );
    let remaining = remaining.fetch_one(&app.pool).await.unwrap();
    assert_eq!((remaining.login_name.as_str(), remaining.display_name.as_str()), ("", ""));
    assert_eq!((remaining.is_retired, remaining.rows), (true, 0));
    assert_eq!(event_kinds(&app, 278).await.last().unwrap(), "user_deleted");
    // The names are free again; the id is never reused.
    app.add_user((500, "paul"), &[]);
    app.save(&app.administrator(), 500, "ActiveDirectory", "S-1-5-7").await.assert_saved();
    let again = app.command(&["user", "add", "other", "--id", "278"], "x");
    again.assert_error("the user id is taken");
}

/// Sends a call that waits while `revocation` ends the administrator's right; asserts a refusal.
async fn assert_refused_after_revocation(
    app: &TestApp,
    name: &str,
    body: Value,
    revocation: &'static str,
) {
    let ticket = Credentials::Ticket(app.ticket(&app.administrator()).await);
    let mut transaction = app.pool.begin().await.unwrap();
    sqlx::raw_sql(revocation).execute(&mut *transaction).await.unwrap();
    let request = app.request(reqwest::Method::POST, &agent(name), &ticket).json(&body);
    let change = tokio::spawn(async move { Answer::read(request.send().await.unwrap()).await });
    app.wait_for_blocked_sessions(1).await;
    transaction.commit().await.unwrap();
    change.await.unwrap().assert_unauthenticated();
    app.restore_administrator().await;
}

#[sqlx::test]
async fn a_change_is_refused_when_its_right_ended_while_it_waited(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for revocation in [
        "UPDATE users SET session_epoch = session_epoch + 1 WHERE user_id = 1",
        "UPDATE users SET is_retired = true WHERE user_id = 1",
        "UPDATE users SET is_administrator = false WHERE user_id = 1",
        "UPDATE users SET user_type = 'external' WHERE user_id = 1",
        "DELETE FROM tickets WHERE user_id = 1",
    ] {
        for (name, body) in [
            ("DeleteUser?userId=278", Value::Null),
            ("MakeRetired", json!({"AssociateId": 278, "Retired": true})),
            ("SaveUser", json!({"AssociateId": 278, "Name": "other"})),
            ("DeleteCredential", json!({"UserId": 278, "CredentialType": "CRM5/PASSWORD"})),
            ("SetPassword", json!({"AssociateId": 278, "Password": "x"})),
        ] {
            assert_refused_after_revocation(&app, name, body, revocation).await;
        }
    }
    assert_eq!(event_kinds(&app, 278).await, ["user_added", "credential_saved"]);
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
}

#[sqlx::test]
async fn every_grant_and_revocation_appends_an_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let created = ["user_added", "administrator_granted", "credential_saved"];
    assert_eq!(event_kinds(&app, 1).await, created);
    let save = async |members: Value| {
        let mut body = json!({"AssociateId": 278});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        call(&app, "SaveUser", &body).await.assert_status(200);
    };
    save(json!({"Type": "SystemAssociate"})).await;
    save(json!({"Role": {"Value": "Administrator"}})).await;
    save(json!({"Type": "ExternalAssociate"})).await;
    let changed = "user_changed";
    let expected = [changed, "administrator_granted", changed, changed, "administrator_revoked"];
    assert_eq!(event_kinds(&app, 278).await[2..], expected);
    let retired = json!({"Name": "late", "Deleted": true});
    let id = call(&app, "SaveUser", &retired).await.json()["AssociateId"].as_i64().unwrap();
    assert_eq!(event_kinds(&app, id.try_into().unwrap()).await, ["user_added", "user_retired"]);
}

#[sqlx::test]
async fn saving_a_stale_user_is_refused_as_outdated(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut stale = user(&app, 278).await;
    call(&app, "MakeRetired", &json!({"AssociateId": 278, "Retired": true}))
        .await
        .assert_status(204);
    stale["Tooltip"] = json!("Paul the Plain");
    call(&app, "SaveUser", &stale).await.assert_refused(409, "ArgumentException", "outdated");
    assert_eq!(user(&app, 278).await["Deleted"], json!(true));
    // A password change does not make a read user outdated.
    let mut fresh = user(&app, 278).await;
    app.save(&app.administrator(), 278, "", "another").await.assert_saved();
    fresh["Tooltip"] = json!("Paul the Plain");
    let saved = call(&app, "SaveUser", &fresh).await.json();
    assert_eq!((&saved["Tooltip"], &saved["Deleted"]), (&fresh["Tooltip"], &json!(true)));
}

#[sqlx::test]
async fn a_user_type_that_excludes_a_credential_is_refused(pool: PgPool) {
    let settings = r#"
        [credentials]
        additional_types = [{ name = "Pin", kind = "secret", user_types = ["internal"] }]"#;
    let app = TestApp::spawn_with(pool, &[], settings).await;
    app.save(&app.administrator(), 278, "Pin", "1234").await.assert_saved();
    let body = json!({"AssociateId": 278, "Type": "SystemAssociate"});
    call(&app, "SaveUser", &body).await.assert_field_refused("Type");
    let problems = call(&app, "ValidateUser", &json!({"User": body})).await.json();
    assert_eq!(problems, json!({"Type": "Type: contradicts another member"}));
    let pin = json!([{"Type": {"Type": "Pin"}, "Value": "1234"}]);
    let body = json!({"Name": "new", "Type": "SystemAssociate", "Credentials": pin});
    let field = "Credentials[0].Type.Type";
    call(&app, "SaveUser", &body).await.assert_field_refused(field);
    let problems = call(&app, "ValidateUser", &json!({"User": body})).await.json();
    assert_eq!(problems.as_object().unwrap().keys().collect::<Vec<_>>(), [field]);
}

#[sqlx::test]
async fn single_per_user_refuses_two_credentials(pool: PgPool) {
    let settings = [("KEEPER__CREDENTIALS__SINGLE_PER_USER", "true")];
    let app = TestApp::spawn_with(pool, &settings, "").await;
    let credentials = json!([
        {"Type": {"Type": "CRM5/PASSWORD"}, "Value": "x"},
        {"Type": {"Type": "ActiveDirectory"}, "Value": "S-1"},
    ]);
    let body = json!({"AssociateId": 278, "Credentials": credentials});
    call(&app, "SaveUser", &body).await.assert_field_refused("Credentials");
    let problems = call(&app, "ValidateUser", &json!({"User": body})).await.json();
    assert_eq!(problems, json!({"Credentials": "Credentials: contradicts another member"}));
}

#[sqlx::test]
async fn validation_reports_every_invalid_member(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let validate =
        async |user: Value| call(&app, "ValidateUser", &json!({"User": user})).await.json();
    assert_eq!(validate(json!({"Name": "new"})).await, json!({}));
    assert_eq!(validate(user(&app, 278).await).await, json!({}));
    let invalid = json!({
        "Name": "a:b",
        "Tooltip": "x".repeat(255),
        "Type": "King",
        "Role": {"Value": "Queen"},
        "Credentials": [
            {"Type": {"Type": "Nope"}, "Value": "x"},
            {"Type": {"Type": "CRM5/PASSWORD"}, "Value": "x"},
            {"Type": {"Type": "CRM5/PASSWORD"}, "Value": "y"},
        ],
    });
    let problems = validate(invalid.clone()).await;
    let fields: Vec<_> = problems.as_object().unwrap().keys().cloned().collect();
    let expected = [
        "Credentials[0].Type.Type",
        "Credentials[2].Type.Type",
        "Name",
        "Role.Value",
        "Tooltip",
        "Type",
    ];
    assert_eq!(fields, expected);
    call(&app, "SaveUser", &invalid).await.assert_status(400);
    let taken = validate(json!({"Name": "PAUL"})).await;
    assert_eq!(taken.as_object().unwrap().keys().collect::<Vec<_>>(), ["Name"]);
    let request = app
        .request(reqwest::Method::POST, &agent("ValidateUser"), &app.administrator())
        .header("Accept", "text/xml")
        .json(&json!({"User": {"Name": "a:b"}}));
    let xml = Answer::read(request.send().await.unwrap()).await;
    assert!(xml.body.contains("<KeyValueOfstringstring><Key>Name</Key><Value>"), "{xml:?}");
}

#[sqlx::test]
async fn an_unknown_application_token_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for body in [Value::Null, json!({}), json!({"AppToken": "", "IncludeCsSession": false})] {
        let token = call(&app, "GetAccessToken", &body).await.json();
        let token = Credentials::Bearer(token.as_str().unwrap().to_owned());
        app.get(PRINCIPAL, &token).await.assert_status(200);
    }
    let unknown = json!({"AppToken": "not known to anybody"});
    call(&app, "GetAccessToken", &unknown).await.assert_field_refused("AppToken");
}

#[sqlx::test]
async fn a_retired_user_is_shown_as_retired_and_cannot_log_in(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    assert_eq!(user(&app, RETIRED.0).await["Deleted"], json!(true));
    let shown = app.command(&["user", "show", "rita", "--json"], "").assert_success();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["id"], &shown["state"]), (&json!(300), &json!("retired")));
    let password = Credentials::basic(RETIRED.1, &password_of(RETIRED.1));
    app.get(PRINCIPAL, &password).await.assert_unauthenticated();
}

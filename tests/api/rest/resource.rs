//! Reading, adding, changing, validating and deleting one user.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{USERS, get, page, put, send};
use crate::support::{
    Answer, Credentials, PLAIN, PRINCIPAL, SAVE, TestApp, keeper, run_with_input,
};

#[sqlx::test]
async fn a_user_is_found_by_id_and_by_login_name(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (id, name) in [(401, "O'Neill / Søn?#%"), (402, "12345"), (403, "default")] {
        app.add_user((id, name), &[]);
    }
    for (path, id) in [
        ("278", 278),
        ("0278", 278),
        ("paul", 278),
        ("PAUL", 278),
        ("pa%75l", 278),
        ("278/", 278),
        ("O'Neill%20%2F%20S%C3%B8n%3F%23%25", 401),
        ("o'neill%20%2f%20s%c3%98n%3f%23%25", 401),
    ] {
        let found = get(&app, path).await;
        found.assert_status(200);
        assert_eq!(found.json()["AssociateId"], id, "{path}");
    }
    // Digits are an id, and the words of other routes are those routes.
    get(&app, "12345").await.assert_refused(404, "SoNotFoundException", "unknown_user");
    assert_eq!(get(&app, "Default").await.json()["AssociateId"], 0);
    assert_eq!(get(&app, "402").await.json()["Name"], "12345");
    let long = "x".repeat(240);
    for missing in ["4711", "nobody", "0", "-1", "+278", "99999999999", "a:b", "%ff", "%00", &long]
    {
        get(&app, missing).await.assert_refused(404, "SoNotFoundException", "unknown_user");
    }
}

#[sqlx::test]
async fn a_user_is_added_and_logs_in(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let body = json!({
        "Name": "nina", "Tooltip": "Nina N", "Type": "InternalAssociate",
        "Role": {"Value": "Administrator"},
        "Credentials": [{"Type": {"Type": "CRM5/PASSWORD"}, "Value": "a first password"}],
    });
    let added = app.post(USERS, &app.administrator(), &body).await;
    added.assert_status(200);
    let added = added.json();
    let id = added["AssociateId"].as_i64().unwrap();
    assert_eq!(added["_Links"]["Self"], format!("{}{USERS}/{id}", app.url));
    assert_eq!((&added["Name"], &added["Tooltip"]), (&json!("nina"), &json!("Nina N")));
    assert_eq!(added["Credentials"][0]["Value"], Value::Null);
    let nina = Credentials::basic("nina", "a first password");
    assert_eq!(app.get(PRINCIPAL, &nina).await.json()["AssociateId"], id);
    app.post(USERS, &app.administrator(), &body).await.assert_refused(
        409,
        "ArgumentException",
        "login_name_taken",
    );
}

/// The vendor's client of REST entities posts to the address with a slash at the end, in camelCase,
/// and writes dates as `toUTCString` does.
#[sqlx::test]
async fn the_requests_of_the_vendors_client_are_served(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let added = app.post("/api/v1/User/", &app.administrator(), &json!({"name": "nina"})).await;
    added.assert_status(200);
    let id = added.json()["AssociateId"].to_string();
    assert_eq!(get(&app, "default").await.json()["AssociateId"], 0);
    let date = [("If-Unmodified-Since", "Fri, 31 Dec 9999 23:59:59 GMT")];
    let body = json!({"associateId": id.parse::<i32>().unwrap(), "tooltip": "Nina"});
    let changed = send(&app, Method::PUT, &id, &date, Some(&body)).await;
    changed.assert_status(200);
    assert_eq!(changed.json()["Tooltip"], "Nina");
    send(&app, Method::DELETE, &id, &date, None).await.assert_status(204);
}

#[sqlx::test]
async fn what_default_returns_can_be_named_and_added(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut user = get(&app, "Default").await.json();
    assert!(user.get("_Links").is_none(), "{user}");
    user["Name"] = json!("dina");
    app.post(USERS, &app.administrator(), &user).await.assert_status(200);
    assert_eq!(get(&app, "dina").await.json()["Name"], "dina");
}

#[sqlx::test]
async fn default_has_the_type_and_the_person_of_the_query(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (query, user_type, person_id) in [
        ("userType=ExternalAssociate&personId=5", "ExternalAssociate", json!(5)),
        ("USERTYPE=anonymousassociate", "AnonymousAssociate", Value::Null),
        ("userType=5", "SystemAssociate", Value::Null),
        ("personId=865", "InternalAssociate", json!(865)),
        ("personId=0&userType=", "InternalAssociate", Value::Null),
        ("$select=Type,Person/PersonId&personID=5", "InternalAssociate", json!(5)),
    ] {
        let user = get(&app, &format!("Default?{query}")).await;
        user.assert_status(200);
        let user = user.json();
        assert_eq!((&user["Type"], &user["Person"]["PersonId"]), (&json!(user_type), &person_id));
    }
    for (query, field) in [
        ("userType=boss", "userType"),
        ("userType=%ff", "userType"),
        ("personId=x", "personId"),
        ("personId=-1", "personId"),
        ("personId=2147483648", "personId"),
    ] {
        get(&app, &format!("Default?{query}")).await.assert_field_refused(field);
    }
    let twice = get(&app, "Default?userType=1&userType=2").await;
    twice.assert_refused(400, "ArgumentException", "duplicate_member");
    let mut user = get(&app, "Default?userType=ExternalAssociate&personId=5").await.json();
    user["Name"] = json!("erna");
    app.post(USERS, &app.administrator(), &user).await.assert_status(200);
    let saved = get(&app, "erna").await.json();
    assert_eq!(saved["Type"], "ExternalAssociate");
    assert_eq!(saved["Person"]["PersonId"], 5);
}

/// Generated clients send only the parameters that the operation declares.
#[test]
fn default_declares_the_parameters_of_the_vendor() {
    let document = run_with_input(keeper(&["openapi"]), "").assert_success();
    let document: Value = serde_json::from_str(&document).unwrap();
    let parameters = &document["paths"]["/api/v1/User/Default"]["get"]["parameters"];
    let declared = |name: &str| {
        let mut parameters = parameters.as_array().unwrap().iter();
        let found = parameters.find(|parameter| parameter["name"] == name);
        found.unwrap_or_else(|| panic!("{name} is not declared")).clone()
    };
    let (user_type, person_id) = (declared("userType"), declared("personId"));
    assert_eq!(user_type["schema"]["enum"].as_array().unwrap().len(), 5);
    assert_eq!(person_id["schema"]["type"], "integer");
    for parameter in [user_type, person_id] {
        assert_eq!(parameter["in"], "query");
        assert_ne!(parameter["required"], true);
    }
}

#[sqlx::test]
async fn a_user_that_was_read_is_changed_and_omitted_members_stay(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let read = get(&app, "278").await.json();
    let unchanged = put(&app, "278", &read).await;
    unchanged.assert_status(200);
    assert_eq!(unchanged.json()["RequestSignature"], read["RequestSignature"]);
    let changed = put(&app, "PAUL", &json!({"Tooltip": "Paul P"})).await;
    changed.assert_status(200);
    let changed = changed.json();
    assert_eq!((&changed["Name"], &changed["Tooltip"]), (&json!("paul"), &json!("Paul P")));
    assert_eq!(changed["Credentials"].as_array().unwrap().len(), 1);
    // The signature of the first read is outdated now.
    put(&app, "278", &read).await.assert_refused(409, "ArgumentException", "outdated");
    let renamed = put(&app, "paul", &json!({"AssociateId": 278, "Name": "pavel"})).await;
    assert_eq!(renamed.json()["Name"], "pavel");
    get(&app, "paul").await.assert_status(404);
    let retired = put(&app, "pavel", &json!({"Deleted": true})).await;
    assert_eq!(retired.json()["Deleted"], true);
    app.get(PRINCIPAL, &Credentials::basic("pavel", "paul-password"))
        .await
        .assert_unauthenticated();
    assert_eq!(
        event_kinds(&app, 278).await,
        ["user_added", "credential_saved", "user_changed", "user_changed", "user_retired"]
    );
}

#[sqlx::test]
async fn a_default_display_value_follows_the_login_name(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let sid =
        json!({"Type": {"Type": "ActiveDirectory"}, "Value": "S-1", "DisplayValue": "DOM\\paul"});
    let body = json!({"UserId": PLAIN.0, "Credential": sid});
    app.post(SAVE, &app.administrator(), &body).await.assert_saved();
    // By type: the SID, whose display value was chosen, and the password.
    let shown = |user: &Value| {
        let credentials = user["Credentials"].as_array().unwrap().iter();
        credentials.map(|one| one["DisplayValue"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(shown(&get(&app, "278").await.json()), ["DOM\\paul", "paul"]);
    // Another name, and another spelling of it.
    for name in ["pavel", "Pavel"] {
        let renamed = put(&app, "278", &json!({"Name": name})).await;
        renamed.assert_status(200);
        assert_eq!(shown(&renamed.json()), ["DOM\\paul", name]);
        assert_eq!(shown(&get(&app, "278").await.json()), ["DOM\\paul", name]);
    }
    app.get(PRINCIPAL, &Credentials::basic("pavel", "paul-password")).await.assert_status(200);
    // Another user's credentials stay.
    let other = get(&app, "anna").await.json();
    assert_eq!(shown(&other), ["anna"]);
}

#[sqlx::test]
async fn a_user_is_changed_in_every_format(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (content_type, body) in [
        ("application/json", "{\"tooltip\":\"new\"}"),
        ("application/merge-patch+json", "{\"Tooltip\":\"new\"}"),
        ("text/xml", "<User><Tooltip>new</Tooltip></User>"),
        ("application/x-www-form-urlencoded", "Tooltip=new"),
    ] {
        put(&app, "278", &json!({"Tooltip": "old"})).await.assert_status(200);
        let request = app.request(Method::PUT, &format!("{USERS}/278"), &app.administrator());
        let request = request.header("Content-Type", content_type).header("Accept", "text/json");
        let changed = Answer::read(request.body(body).send().await.unwrap()).await;
        assert_eq!(changed.json()["Tooltip"], "new", "{content_type}");
    }
}

#[sqlx::test]
async fn a_deleted_user_is_gone_with_everything_issued(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    app.add_user((401, "a/b c"), &[]);
    for (path, id) in [("278", 278), ("A%2FB%20c", 401)] {
        let deleted = send(&app, Method::DELETE, path, &[], None).await;
        assert_eq!((deleted.status.as_u16(), deleted.body.as_str()), (204, ""));
        get(&app, &id.to_string()).await.assert_refused(404, "SoNotFoundException", "unknown_user");
        send(&app, Method::DELETE, path, &[], None).await.assert_refused(
            404,
            "SoNotFoundException",
            "unknown_user",
        );
        let last = event_kinds(&app, id).await.pop().unwrap();
        assert_eq!(last, "user_deleted");
    }
    app.get(PRINCIPAL, &ticket).await.assert_unauthenticated();
    assert_eq!(super::names(&page(&app, "").await), ["anna", "rita"]);
}

#[sqlx::test]
async fn validation_names_every_problem_and_saves_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let path = format!("{USERS}/Validate");
    let validate = async |body: Value| app.post(&path, &app.administrator(), &body).await;
    assert_eq!(validate(json!({"Name": "new"})).await.json(), json!({}));
    let problems = validate(json!({"Name": "a:b", "Type": "Boss", "Tooltip": " "})).await.json();
    let names: Vec<_> = problems.as_object().unwrap().keys().collect();
    assert_eq!(names, ["Name", "Tooltip", "Type"]);
    let taken = validate(json!({"AssociateId": PLAIN.0, "Name": "anna"})).await.json();
    assert_eq!(taken, json!({"Name": "Name: belongs to another user"}));
    assert_eq!(super::names(&page(&app, "").await), ["anna", "paul", "rita"]);
}

/// The kinds of a user's audit events, oldest first.
async fn event_kinds(app: &TestApp, id: i32) -> Vec<String> {
    let kinds = "SELECT kind FROM audit_events WHERE user_id = $1 ORDER BY sequence";
    sqlx::query_scalar(kinds).bind(id).fetch_all(&app.pool).await.unwrap()
}

//! Invalid requests: each error names the parameter or member and what is known, never the value.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{USERS, page, put, send};
use crate::support::{Answer, TestApp};

/// Part of refused values; must not be in any answer.
const MARKER: &str = "Zx7marker";

#[sqlx::test]
async fn an_invalid_parameter_is_named_with_what_is_known(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let nested = format!("{}name eq '{MARKER}'{}", "(".repeat(900), ")".repeat(900));
    let long_name = format!("name eq '{MARKER}{}'", "å".repeat(1000));
    let many = format!("name eq '{MARKER}'{}", " and name eq 'a'".repeat(150));
    let filters = [
        MARKER,
        "name",
        "name eq",
        "name eq Zx7marker",
        "name eq 'Zx7marker",
        "''",
        "and",
        "name eq 'a' or name eq 'Zx7marker'",
        "name ne 'Zx7marker'",
        "name eq 'a''Zx7marker",
        "Zx7marker eq 'a'",
        "retired eq 'true'",
        "retired eq 2",
        "type eq 1",
        "name eq 'a' and name startswith 'a'",
        "contains(name,'Zx7marker')",
        "name eq '1'; DROP TABLE users",
        "nаme eq 'Zx7marker'",
        "name eq ‘Zx7marker’",
        "💥",
        "name in ('Zx7marker','b')",
        "id eq 278",
        "\u{1}",
        &nested,
        &many,
        "",
    ];
    for filter in filters {
        let answer = page_with(&app, &[("$filter", filter)]).await;
        assert_names(&answer, "$filter", "name startswith 'text'");
    }
    for (filter, known) in [
        (long_name.as_str(), "239"),
        ("name eq 'Zx7marker:'", "colon"),
        ("name startswith ''", "empty"),
        ("type eq 'Zx7marker'", "user type"),
    ] {
        assert_names(&page_with(&app, &[("$filter", filter)]).await, "$filter", known);
    }
    for order in ["", MARKER, "name,id", "Id asc desc", "user_id", "name; DROP", "name Zx7marker"] {
        let answer = page_with(&app, &[("$orderby", order)]).await;
        assert_names(&answer, "$orderby", "id, name or type");
    }
    for top in [
        "0",
        "-1",
        "+1",
        "1001",
        "9999999999",
        "99999999999999999999999999",
        "",
        "1.0",
        " 1",
        "１",
        MARKER,
    ] {
        assert_names(&page_with(&app, &[("$top", top)]).await, "$top", "1 to 1000");
    }
    for skip in ["-1", "10001", "9999999999", "", MARKER] {
        assert_names(&page_with(&app, &[("$skip", skip)]).await, "$skip", "odata.nextLink");
    }
    for token in ["", "0", "-1", MARKER, "internal.1", "1 "] {
        assert_names(
            &page_with(&app, &[("$skiptoken", token)]).await,
            "$skiptoken",
            "odata.nextLink",
        );
    }
    let by_name = [("$orderby", "name"), ("$skiptoken", "AAAA")];
    assert_names(&page_with(&app, &by_name).await, "$skiptoken", "odata.nextLink");
    for unknown in ["$expand", "$count", "$search", "$", "$Zx7marker", "$filter[]"] {
        let answer = page_with(&app, &[(unknown, MARKER)]).await;
        assert_names(&answer, "query string", "$skiptoken");
    }
    let conflicting = [("$orderby", "id"), ("$filter", "name startswith 'Zx7marker'")];
    assert_names(&page_with(&app, &conflicting).await, "$orderby", "name");
    let both = [("$skip", "1"), ("$skiptoken", "1")];
    assert_names(&page_with(&app, &both).await, "$skip", "contradicts");
    for encoded in ["$filter=%ff", "$filter=name%20eq%20'%c3'", "$top=%80"] {
        let field = encoded.split('=').next().unwrap();
        assert_names(&page(&app, &format!("?{encoded}")).await, field, "UTF-8");
    }
}

/// A page with these parameters, encoded.
async fn page_with(app: &TestApp, parameters: &[(&str, &str)]) -> Answer {
    let byte = |byte: u8| format!("%{byte:02X}");
    let encoded = |text: &str| text.bytes().map(byte).collect::<Vec<_>>().concat();
    let pair = |(name, value): &(&str, &str)| format!("{}={}", encoded(name), encoded(value));
    let pairs: Vec<_> = parameters.iter().map(pair).collect();
    page(app, &format!("?{}", pairs.join("&"))).await
}

/// Asserts a 400 that names the parameter and what is known, and repeats nothing.
#[track_caller]
fn assert_names(answer: &Answer, field: &str, known: &str) {
    answer.assert_field_refused(field);
    let message = answer.json()["Message"].as_str().unwrap().to_owned();
    assert!(message.starts_with(&format!("{field}: ")) && message.contains(known), "{message}");
    assert!(!answer.body.contains(MARKER), "{answer:?}");
}

#[sqlx::test]
async fn a_repeated_parameter_is_refused_in_any_spelling(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for name in ["$select", "$filter", "$orderby", "$top", "$skip", "$skiptoken"] {
        let encoded = name.to_uppercase().replace('$', "%24");
        let answer = page(&app, &format!("?{name}=1&{encoded}=1")).await;
        answer.assert_refused(400, "ArgumentException", "duplicate_member");
        assert_eq!(answer.json()["Field"], name);
    }
    // A parameter of others may be repeated.
    page(&app, "?a=1&a=2").await.assert_status(200);
}

#[sqlx::test]
async fn a_refusal_is_in_the_language_and_the_format_of_the_caller(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let request = app.request(Method::GET, &format!("{USERS}?$top=0"), &app.administrator());
    let request = request.header("Accept-Language", "de").header("Accept", "text/xml");
    let answer = Answer::read(request.send().await.unwrap()).await;
    answer.assert_status(400);
    assert!(answer.body.contains("<Field>$top</Field>"), "{answer:?}");
    assert!(answer.body.contains("muss eine ganze Zahl von 1 bis 1000 sein"), "{answer:?}");
}

#[sqlx::test]
async fn a_save_without_a_user_in_the_body_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let nil = "<User xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:nil='true'/>";
    for (method, path) in [
        (Method::POST, USERS.to_owned()),
        (Method::PUT, format!("{USERS}/278")),
        (Method::PUT, format!("{USERS}/paul")),
        (Method::POST, format!("{USERS}/Validate")),
    ] {
        for (content_type, body) in [
            (None, ""),
            (Some("application/json"), ""),
            (Some("application/json"), " null "),
            (Some("text/xml"), "<User/>"),
            (Some("text/xml"), nil),
            (Some("application/x-www-form-urlencoded"), ""),
        ] {
            let mut request = app.request(method.clone(), &path, &app.administrator());
            if let Some(content_type) = content_type {
                request = request.header("Content-Type", content_type);
            }
            let request = request.header("Accept", "application/json");
            let answer = Answer::read(request.body(body).send().await.unwrap()).await;
            answer.assert_refused(400, "ArgumentException", "malformed_body");
            let message = answer.json()["Message"].as_str().unwrap().to_owned();
            assert!(message.contains("is missing"), "{method} {path} {body:?}: {message}");
        }
        // A list of patches is not a user.
        let patches = json!([{"op": "replace", "path": "/Tooltip", "value": MARKER}]);
        let request = app.request(method.clone(), &path, &app.administrator()).json(&patches);
        let answer = Answer::read(request.send().await.unwrap()).await;
        answer.assert_refused(400, "ArgumentException", "malformed_body");
    }
}

#[sqlx::test]
async fn a_user_cannot_be_saved_at_the_address_of_another(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (user, id) in [("278", 1), ("paul", 1), ("278", 4711), ("278", -278)] {
        let answer = put(&app, user, &json!({"AssociateId": id, "Tooltip": MARKER})).await;
        answer.assert_field_refused("AssociateId");
        assert!(!answer.body.contains(MARKER), "{answer:?}");
    }
    put(&app, "278", &json!({"AssociateId": 0, "Tooltip": "new"})).await.assert_status(200);
    let existing = json!({"AssociateId": 278, "Name": "paul", "Tooltip": MARKER});
    let answer = app.post(USERS, &app.administrator(), &existing).await;
    answer.assert_field_refused("AssociateId");
    let body = json!({"Tooltip": "new"});
    for missing in ["4711", "nobody", "0", "a:b"] {
        put(&app, missing, &body).await.assert_refused(404, "SoNotFoundException", "unknown_user");
    }
}

#[sqlx::test]
async fn an_invalid_member_is_named(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (body, field) in [
        (json!({"Name": "a:b"}), "Name"),
        (json!({"Name": "x", "UserName": "y"}), "UserName"),
        (json!({"Tooltip": "\u{202e}"}), "Tooltip"),
        (json!({"Type": "Boss"}), "Type"),
        (json!({"Role": {"Value": "Boss"}}), "Role.Value"),
        (json!({"Deleted": "yes"}), "Deleted"),
        (
            json!({"Credentials": [{"Type": {"Type": "Nothing"}, "Value": MARKER}]}),
            "Credentials[0].Type.Type",
        ),
    ] {
        let answer = put(&app, "278", &body).await;
        answer.assert_field_refused(field);
        assert!(!answer.body.contains(MARKER), "{answer:?}");
    }
    let user = app.post(USERS, &app.administrator(), &json!({"Tooltip": "No name"})).await;
    user.assert_field_refused("Name");
    let twice = app.request(Method::PUT, &format!("{USERS}/278"), &app.administrator());
    let twice = twice.header("Content-Type", "application/json");
    let twice = twice.body(r#"{"Tooltip":"a","tooltip":"b"}"#).send().await.unwrap();
    Answer::read(twice).await.assert_refused(400, "ArgumentException", "duplicate_member");
    let nothing = send(&app, Method::PUT, "Default", &[], Some(&Value::Null)).await;
    nothing.assert_refused(405, "HttpResponseException", "method_not_allowed");
    assert_eq!(nothing.header("allow"), "GET, HEAD");
}

#[sqlx::test]
async fn a_refused_password_is_named_where_the_body_has_it(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    app.reconfigure(&[("KEEPER__PASSWORDS__POLICY", "nist")]).await;
    let body = json!({"Credentials": [{"Value": "short"}]});
    let refused = put(&app, "paul", &body).await;
    refused.assert_refused(400, "ArgumentException", "password_refused");
    assert_eq!(refused.json()["Field"], "Credentials[0].Value");
}

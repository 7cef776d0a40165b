//! `$select` (docs/reference/wire-contract.md#query-parameters-and-headers and
//! docs/reference/wire-contract.md#d20-select).

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Credentials, PLAIN, PRINCIPAL, SAVE, TYPES, TestApp};

#[sqlx::test]
async fn members_that_are_not_selected_are_null(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let whole = app.get(PRINCIPAL, &app.plain()).await.json();
    for (query, selected) in [
        ("?$select=AssociateId,fullname", vec!["AssociateId", "FullName"]),
        ("?%24SELECT=%20userName%20,nothing", vec!["UserName"]),
        ("?$select=nothing", vec![]),
    ] {
        let answer = app.get(&format!("{PRINCIPAL}{query}"), &app.plain()).await.json();
        let members = answer.as_object().unwrap();
        assert_eq!(members.len(), whole.as_object().unwrap().len());
        for (name, value) in members {
            let expected =
                if selected.contains(&name.as_str()) { &whole[name] } else { &Value::Null };
            assert_eq!(value, expected, "{query} {name}");
        }
    }
}

#[sqlx::test]
async fn a_nested_path_selects_within_every_item(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let path = format!("{TYPES}?$select=type,tableright/MASK");
    let answer = app.post(&path, &app.administrator(), &Value::Null).await;
    assert_eq!(
        answer.json()[0],
        json!({
            "DisplayType": null, "Type": "CRM5/PASSWORD", "Description": null,
            "ValueControl": null, "CanCreatePerson": null, "IsUserNameSupported": null,
            "TableRight": { "Mask": "Select", "Reason": null }, "FieldProperties": null,
        })
    );
}

#[sqlx::test]
async fn a_map_and_a_response_without_a_body_ignore_the_selection(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let user = json!({"Name": "a:b", "Type": "Boss"});
    for (path, body) in [
        ("/api/v1/Agents/User/ValidateUser", json!({ "User": user })),
        ("/api/v1/User/Validate", user),
    ] {
        let whole = app.post(path, &app.administrator(), &body).await.json();
        let names: Vec<_> = whole.as_object().unwrap().keys().collect();
        assert_eq!(names, ["Name", "Type"]);
        for selected in ["Name", "nothing"] {
            let path = format!("{path}?$select={selected}");
            let answer = app.post(&path, &app.administrator(), &body).await;
            answer.assert_status(200);
            assert_eq!(answer.json(), whole, "{path}");
        }
    }
    let body = json!({"AssociateId": PLAIN.0, "Retired": true});
    let path = "/api/v1/Agents/User/MakeRetired?$select=Name";
    let answer = app.post(path, &app.administrator(), &body).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""));
    assert!(answer.headers.get("content-type").is_none(), "{answer:?}");
}

#[sqlx::test]
async fn the_published_requests_succeed_in_every_scheme(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let schemes = [
        app.administrator(),
        Credentials::Ticket(app.ticket(&app.administrator()).await),
        Credentials::Bearer(app.token(&app.administrator()).await),
        app.session("anna").await,
    ];
    for credentials in schemes {
        for query in ["", "?$select=name,department,category/id"] {
            let body = json!({ "UserId": 278, "Credential": {
                "Type": {}, "Value": "fuga", "DisplayValue": "aut" } });
            app.post(&format!("{SAVE}{query}"), &credentials, &body).await.assert_saved();
        }
    }
}

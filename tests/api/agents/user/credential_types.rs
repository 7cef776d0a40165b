//! Credential types from the settings, and the user types they apply to.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::agent;
use crate::support::{PLAIN, TYPES, TestApp};

const SETTINGS: &str = r#"
[credentials]
additional_types = [
    { name = "Pin", kind = "secret", display_type = "PIN", description = "Four digits", user_types = ["internal"], minimum_bytes = 4, maximum_bytes = 6 },
    { name = "Badge", kind = "identifier", control = "hidden", user_types = ["resource", "system"] },
]"#;

#[sqlx::test]
async fn a_configured_type_has_the_configured_attributes(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[], SETTINGS).await;
    let types = app.post(TYPES, &app.plain(), &json!(null)).await.json();
    let find_type = |name: &str| {
        let mut types = types.as_array().unwrap().iter();
        let found = types.find(|credential_type| credential_type["Type"] == name);
        found.unwrap_or_else(|| panic!("the type {name} is missing")).clone()
    };
    assert_eq!(find_type("Pin")["DisplayType"], "PIN");
    assert_eq!(find_type("Pin")["Description"], "Four digits");
    assert_eq!(find_type("Pin")["ValueControl"], "Password");
    assert_eq!(find_type("Badge")["DisplayType"], "Badge");
    assert_eq!(find_type("Badge")["ValueControl"], "Hidden");
    assert_eq!(find_type("ActiveDirectory")["ValueControl"], "Link");
}

#[sqlx::test]
async fn each_user_type_has_its_own_credential_types(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[], SETTINGS).await;
    let built_in = ["CRM5/PASSWORD", "ActiveDirectory"];
    for (user_type, additional_type) in [
        (json!("InternalAssociate"), Some("Pin")),
        (json!("resourceassociate"), Some("Badge")),
        (json!("SystemAssociate"), Some("Badge")),
        (json!("ExternalAssociate"), None),
        (json!("AnonymousAssociate"), None),
        (json!(1), Some("Pin")),
        (json!("1"), Some("Pin")),
        (json!(2), Some("Badge")),
        (json!(" 2 "), Some("Badge")),
        (json!(3), None),
        (json!(4), None),
        (json!(5), Some("Badge")),
        (json!("5"), Some("Badge")),
    ] {
        let body = json!({"UserType": user_type});
        let types =
            app.post(&agent("GetCredentialTypesForUserType"), &app.plain(), &body).await.json();
        let types = types.as_array().unwrap().iter();
        let names: Vec<_> = types.map(|credential_type| credential_type["Type"].clone()).collect();
        assert_eq!(names, [&built_in[..], additional_type.as_slice()].concat(), "{user_type}");
    }
}

#[sqlx::test]
async fn an_unknown_user_type_is_refused_by_name_and_by_number(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for user_type in [
        json!("Unknown"),
        json!("Boss"),
        json!(0),
        json!("0"),
        json!(6),
        json!("-1"),
        json!(257),
        json!(1.0),
        json!("1.0"),
        json!([1]),
    ] {
        let body = json!({"UserType": user_type});
        let answer = app.post(&agent("GetCredentialTypesForUserType"), &app.plain(), &body).await;
        answer.assert_field_refused("UserType");
    }
}

#[sqlx::test]
async fn a_type_accepts_only_its_user_types_and_value_lengths(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[], SETTINGS).await;
    let administrator = app.administrator();
    app.save(&administrator, PLAIN.0, "Pin", "1234").await.assert_saved();
    for value in ["123", "1234567"] {
        app.save(&administrator, PLAIN.0, "Pin", value)
            .await
            .assert_field_refused("Credential.Value");
    }
    let answer = app.save(&administrator, PLAIN.0, "Badge", "B-1").await;
    answer.assert_field_refused("Credential.Type.Type");
    app.add_user((500, "room"), &["--type", "resource"]);
    app.save(&administrator, 500, "Badge", "B-1").await.assert_saved();
}

#[sqlx::test]
async fn a_type_that_is_not_for_the_user_is_named_with_its_position(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[], SETTINGS).await;
    let badge = json!({"Type": {"Type": "Badge"}, "Value": "B-1"});
    let credentials = json!([{"Value": "a new password"}, badge]);
    for user in [
        json!({"AssociateId": PLAIN.0, "Credentials": credentials}),
        json!({"Name": "new", "Credentials": credentials}),
    ] {
        let saved = app.post(&agent("SaveUser"), &app.administrator(), &user).await;
        saved.assert_field_refused("Credentials[1].Type.Type");
        let body = json!({"User": user});
        let problems = app.post(&agent("ValidateUser"), &app.administrator(), &body).await.json();
        let message = "Credentials[1].Type.Type: is not available to users of this type";
        assert_eq!(problems, json!({"Credentials[1].Type.Type": message}));
    }
}

#[sqlx::test]
async fn an_import_names_such_a_type_with_its_position(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[], SETTINGS).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.jsonl");
    let badge = json!({"type": "Badge", "value": "B-1"});
    let line = json!({"login_name": "new", "credentials": [{"value": "a new password"}, badge]});
    std::fs::write(&path, format!("{line}\n")).unwrap();
    let import = |options: &[&str]| {
        app.command(&[&["import", path.to_str().unwrap()], options].concat(), "")
    };
    for output in [import(&["--dry-run"]), import(&[])] {
        assert_eq!(output.code, 1, "{output:?}");
        let result: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(result["field"], "credentials[1].type", "{output:?}");
    }
}

//! Credential types from the settings, and the user types they apply to.

use serde_json::json;
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
        ("InternalAssociate", Some("Pin")),
        ("resourceassociate", Some("Badge")),
        ("SystemAssociate", Some("Badge")),
        ("ExternalAssociate", None),
        ("AnonymousAssociate", None),
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

//! Types of the settings, and for whom they are.

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
async fn a_type_of_the_settings_is_as_they_say(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[], SETTINGS).await;
    let types = app.post(TYPES, &app.plain(), &json!(null)).await.json();
    let of = |name: &str| {
        let types = types.as_array().unwrap().iter();
        types.clone().find(|of| of["Type"] == name).unwrap_or_else(|| panic!("{name}")).clone()
    };
    assert_eq!(of("Pin")["DisplayType"], "PIN");
    assert_eq!(of("Pin")["Description"], "Four digits");
    assert_eq!(of("Pin")["ValueControl"], "Password");
    assert_eq!(of("Badge")["DisplayType"], "Badge");
    assert_eq!(of("Badge")["ValueControl"], "Hidden");
    assert_eq!(of("ActiveDirectory")["ValueControl"], "Link");
}

#[sqlx::test]
async fn each_type_of_users_has_its_own(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[], SETTINGS).await;
    let built_in = ["CRM5/PASSWORD", "ActiveDirectory"];
    for (user_type, more) in [
        ("InternalAssociate", Some("Pin")),
        ("resourceassociate", Some("Badge")),
        ("SystemAssociate", Some("Badge")),
        ("ExternalAssociate", None),
        ("AnonymousAssociate", None),
    ] {
        let body = json!({"UserType": user_type});
        let types =
            app.post(&agent("GetCredentialTypesForUserType"), &app.plain(), &body).await.json();
        let names: Vec<_> = types.as_array().unwrap().iter().map(|of| of["Type"].clone()).collect();
        assert_eq!(names, [&built_in[..], more.as_slice()].concat(), "{user_type}");
    }
}

#[sqlx::test]
async fn a_type_is_saved_for_its_users_and_in_its_limits_only(pool: PgPool) {
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

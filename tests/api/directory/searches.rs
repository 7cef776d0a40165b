//! Searches in a real `OpenLDAP` server.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{FIND_GROUPS, FIND_USERS, display_values, find, find_in_group, spawn, spawn_with_file};
use crate::support::{Credentials, PLAIN, PRINCIPAL, Slapd, TestApp, TestIssuer};

const DOMAIN: &str = "S-1-5-21-3010642705-225627618-3277575874";

/// The binary form of a SID in the domain.
fn sid(relative_id: u32) -> Vec<u8> {
    let numbers = [21, 3_010_642_705, 225_627_618, 3_277_575_874, relative_id];
    let numbers = numbers.into_iter().flat_map(u32::to_le_bytes);
    [1, 5, 0, 0, 0, 0, 0, 5].into_iter().chain(numbers).collect()
}

/// An entry of a user.
fn user(name: &str, more: &str) -> String {
    let display_name = STANDARD.encode(name);
    format!(
        "dn:: {}\nobjectClass: inetOrgPerson\nobjectClass: securityPrincipal\nsn: x\n\
         displayName:: {display_name}\nsAMAccountName:: {display_name}\n{more}\n",
        STANDARD.encode(format!("uid={},ou=people,dc=test", escape_dn(name))),
    )
    .replace("sn: x", &format!("sn: x\ncn: x\nuid:: {display_name}"))
}

pub(super) fn escape_dn(name: &str) -> String {
    let escape =
        |c: char| if c.is_alphanumeric() { c.to_string() } else { format!("\\{:02x}", c as u32) };
    name.chars().map(escape).collect()
}

fn with_sid(relative_id: u32) -> String {
    format!("objectSid:: {}\n", STANDARD.encode(sid(relative_id)))
}

/// Two groups and some users.
fn entries() -> String {
    let staff = "cn=Staff,ou=groups,dc=test";
    let mut text = format!(
        "dn: {staff}\nobjectClass: groupOfNames\nobjectClass: securityPrincipal\ncn: Staff\n\
         member: uid=ola,ou=people,dc=test\n{}\n\
         dn: cn=Guests,ou=groups,dc=test\nobjectClass: groupOfNames\n\
         objectClass: securityPrincipal\ncn: Guests\nmember: cn=nobody\n{}\n",
        with_sid(513),
        with_sid(514),
    );
    text += &user("ola", &format!("memberOf: {staff}\nmail: ola@test\n{}", with_sid(1101)));
    text += &user("olaf", &format!("primaryGroupID: 513\n{}", with_sid(1102)));
    text += &user("Åse *(æ)\\", &with_sid(1103));
    text += &user("no sid", "");
    text += &user("bad sid", "objectSid:: AQUAAAAAAAUVAAAA\n");
    text
}

#[sqlx::test]
async fn groups_and_users_are_found_over_tls_and_start_tls(pool: PgPool) {
    let slapd = Slapd::start(&entries());
    let app = spawn(pool, &slapd.variables(), &[]).await;
    for url in [slapd.tls_url(), slapd.url()] {
        let app = app.spawn_instance(&[("KEEPER__DIRECTORY__URL", &url)]).await;
        let groups = find(&app, FIND_GROUPS, "").await.json();
        let names: Vec<_> = groups.as_array().unwrap().iter().map(|g| &g["DisplayName"]).collect();
        assert_eq!(names, ["Guests", "Staff"], "{groups}");
        assert_eq!(groups[1]["Name"], "cn=Staff,ou=groups,dc=test");
        assert_eq!(find(&app, FIND_GROUPS, "taf").await.json().as_array().unwrap().len(), 1);
        let found = find(&app, FIND_USERS, "OL").await.json();
        let expected = json!({
            "Headings": ["displayName", "mail"],
            "Users": [
                { "Value": format!("{DOMAIN}-1101"), "DisplayValue": "TEST\\ola",
                  "Columns": ["ola", "ola@test"], "CanCreatePerson": false,
                  "TableRight": { "Mask": "Select", "Reason": "" }, "FieldProperties": null },
                { "Value": format!("{DOMAIN}-1102"), "DisplayValue": "TEST\\olaf",
                  "Columns": ["olaf", ""], "CanCreatePerson": false,
                  "TableRight": { "Mask": "Select", "Reason": "" }, "FieldProperties": null },
            ],
            "TableRight": { "Mask": "Select", "Reason": "" },
            "FieldProperties": null,
        });
        assert_eq!(found, expected);
        // ola is a member, and Staff is the primary group of olaf.
        let in_group = find_in_group(&app, "cn=Staff,ou=groups,dc=test").await;
        assert_eq!(display_values(&in_group), ["TEST\\ola", "TEST\\olaf"]);
        assert!(
            display_values(&find_in_group(&app, "cn=Guests,ou=groups,dc=test").await).is_empty()
        );
        assert!(app.metric("keeper_directory_connections").await >= 1.0);
    }
}

#[sqlx::test]
async fn a_chosen_user_is_saved_and_logs_in_through_an_issuer(pool: PgPool) {
    let slapd = Slapd::start(&entries());
    let issuer = TestIssuer::new();
    let settings = issuer
        .settings_with_options(r#", claim = "onprem_sid""#)
        .replace(r#"credential_type = "OpenId""#, r#"credential_type = "ActiveDirectory""#);
    let app = spawn_with_file(pool, &slapd.variables(), &[], &settings).await;
    let chosen = find(&app, FIND_USERS, "olaf").await.json()["Users"][0].clone();
    let mut claims = TestIssuer::claims("subject");
    claims["onprem_sid"] = chosen["Value"].clone();
    let bearer = Credentials::Bearer(issuer.token(&claims));
    app.get(PRINCIPAL, &bearer).await.assert_unauthenticated();
    let body = json!({ "UserId": PLAIN.0, "Credential": {
        "Type": { "Type": "ActiveDirectory" },
        "Value": chosen["Value"], "DisplayValue": chosen["DisplayValue"],
    } });
    app.post(crate::support::SAVE, &app.administrator(), &body).await.assert_saved();
    let principal = app.get(PRINCIPAL, &bearer).await;
    principal.assert_status(200);
    assert_eq!(principal.json()["AssociateId"], PLAIN.0, "{principal:?}");
    let path = format!("/api/v1/Agents/User/GetUser?userId={}", PLAIN.0);
    let user = app.post(&path, &app.administrator(), &Value::Null).await.json();
    assert_eq!(user["Credentials"][0]["DisplayValue"], "TEST\\olaf", "{user}");
}

#[sqlx::test]
async fn special_characters_are_searched_as_they_are(pool: PgPool) {
    let slapd = Slapd::start(&entries());
    let app = spawn(pool, &slapd.variables(), &[]).await;
    for search in ["*", "(", ")", "\\", "*(æ)", "Åse", "åSE *(Æ)\\"] {
        let found = find(&app, FIND_USERS, search).await;
        assert_eq!(display_values(&found), ["TEST\\Åse *(æ)\\"], "{search}");
    }
    let nothing = ["a*b", ")(objectSid=*", "*)(|(cn=*", "\0", "{search}", "ola\0", "日本", "🦀"];
    for search in nothing {
        let found = find(&app, FIND_USERS, search).await;
        assert!(display_values(&found).is_empty(), "{search}: {found:?}");
        let groups = find(&app, FIND_GROUPS, search).await.json();
        assert_eq!((groups[0]["Name"].as_str(), groups.as_array().unwrap().len()), (Some(""), 1));
        assert!(display_values(&find_in_group(&app, search).await).is_empty(), "{search}");
    }
    let injected = "cn=Staff,ou=groups,dc=test)(cn=*";
    assert!(display_values(&find_in_group(&app, injected).await).is_empty());
    assert!(display_values(&find_in_group(&app, "").await).is_empty());
    assert!(display_values(&find_in_group(&app, "ou=people,dc=test").await).is_empty(), "no group");
    for path in [FIND_USERS, FIND_GROUPS] {
        find(&app, path, &"*".repeat(255)).await.assert_field_refused("SearchString");
        find(&app, path, &"\\".repeat(254)).await.assert_status(200);
    }
    find_in_group(&app, &"x".repeat(2049)).await.assert_field_refused("GroupName");
}

#[sqlx::test]
async fn all_pages_are_read_and_too_many_entries_are_refused(pool: PgPool) {
    let mut many = entries();
    for number in 0..45_u32 {
        let more = format!("memberOf: cn=Guests,ou=groups,dc=test\n{}", with_sid(2000 + number));
        let _ = write!(many, "{}", user(&format!("page{number:03}"), &more));
    }
    let slapd = Slapd::start(&many);
    let limits = [("PAGE_SIZE", "10"), ("MAXIMUM_ENTRIES", "45")];
    let app = spawn(pool, &slapd.variables(), &limits).await;
    let expected: Vec<_> = (0..45).map(|number| format!("TEST\\page{number:03}")).collect();
    assert_eq!(display_values(&find(&app, FIND_USERS, "page").await), expected);
    let guests = find_in_group(&app, "cn=Guests,ou=groups,dc=test").await;
    assert_eq!(display_values(&guests), expected);
    let limit = [("KEEPER__DIRECTORY__MAXIMUM_ENTRIES", "44")];
    let app = app.spawn_instance(&limit).await;
    let refused = find(&app, FIND_USERS, "page").await;
    refused.assert_field_refused("SearchString");
    assert!(refused.body.contains("44"), "{refused:?}");
    find_in_group(&app, "cn=Guests,ou=groups,dc=test").await.assert_field_refused("GroupName");
    // The connection of a refused search is not used again.
    assert_eq!(display_values(&find(&app, FIND_USERS, "olaf").await), ["TEST\\olaf"]);
}

#[sqlx::test]
async fn another_attribute_than_object_sid_is_text(pool: PgPool) {
    let slapd = Slapd::start(&entries());
    let names = [
        ("USER_VALUE_ATTRIBUTE", "entryUUID"),
        ("USER_NAME_ATTRIBUTE", "UID"),
        ("USER_COLUMNS", "mail"),
        ("MEMBER_FILTER", "(memberOf={group})"),
        ("DOMAIN", ""),
    ];
    let app = spawn(pool, &slapd.variables(), &names).await;
    let found = find(&app, FIND_USERS, "").await;
    assert_eq!(display_values(&found), ["bad sid", "no sid", "ola", "olaf", "Åse *(æ)\\"]);
    let value = found.json()["Users"][0]["Value"].as_str().unwrap().to_owned();
    assert_eq!(value.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{value}");
}

#[sqlx::test]
async fn without_a_directory_there_is_one_empty_group(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for search in ["", "ola"] {
        let groups = find(&app, FIND_GROUPS, search).await.json();
        let group = json!([{ "Name": "", "DisplayName": "", "FieldProperties": null,
                             "TableRight": { "Mask": "Select", "Reason": "" } }]);
        assert_eq!(groups, group);
        assert!(display_values(&find(&app, FIND_USERS, search).await).is_empty());
    }
    assert!(display_values(&find_in_group(&app, "cn=Staff").await).is_empty());
    app.save(&app.administrator(), PLAIN.0, "ActiveDirectory", "S-1-5-7").await.assert_saved();
}

#[sqlx::test]
async fn a_type_without_a_choice_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (name, message) in [
        (json!("CRM5/PASSWORD"), "not chosen from a directory"),
        (json!("marker"), "not a known"),
        (json!(""), "empty"),
        (json!(null), "required"),
    ] {
        for path in [FIND_GROUPS, FIND_USERS, super::IN_GROUP] {
            let body = json!({ "Type": name, "SearchString": "", "GroupName": "" });
            let answer = app.post(path, &app.administrator(), &body).await;
            answer.assert_field_refused("Type");
            assert!(answer.body.contains(message), "{answer:?}");
            assert!(!answer.body.contains("marker"), "{answer:?}");
        }
    }
    let body = json!({ "Type": "activedirectory" });
    app.post(FIND_USERS, &app.administrator(), &body).await.assert_status(200);
    app.post(super::IN_GROUP, &app.administrator(), &body).await.assert_field_refused("GroupName");
}

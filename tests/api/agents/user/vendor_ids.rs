//! The vendor's person, role and EJ user ids, and nicknames.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sqlx::PgPool;

use super::agent;
use crate::{
    constraints::assert_no_orphans,
    support::{ADMINISTRATOR, Answer, Credentials, PLAIN, PRINCIPAL, RETIRED, TestApp},
};

async fn save(app: &TestApp, body: &Value) -> Answer {
    app.post(&agent("SaveUser"), &app.administrator(), body).await
}

async fn user(app: &TestApp, id: i32) -> Value {
    let path = agent(&format!("GetUser?userId={id}"));
    app.post(&path, &app.administrator(), &Value::Null).await.json()
}

/// The members of this file that a user has: person, role, EJ user and nickname.
fn kept(user: &Value) -> (i64, i64, i64, &str) {
    let number = |value: &Value| value.as_i64().unwrap();
    (
        user["Person"].as_object().map_or(0, |person| number(&person["PersonId"])),
        number(&user["Role"]["Id"]),
        number(&user["EjUserId"]),
        user["NickName"].as_str().unwrap(),
    )
}

/// Asserts that every chain verifies; the tests retire a user without an audit event.
async fn assert_chains_verify(app: &TestApp) {
    sqlx::raw_sql("UPDATE users SET is_retired = false").execute(&app.pool).await.unwrap();
    app.command(&["audit", "verify"], "").assert_success();
}

fn with_all() -> Value {
    json!({
        "AssociateId": PLAIN.0,
        "Person": {"PersonId": 7, "Firstname": "ignored"},
        "Role": {"Id": 3},
        "EjUserId": 5,
        "NickName": "Lin",
    })
}

#[sqlx::test]
async fn ids_and_the_nickname_are_returned_in_every_carrier(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let token = Credentials::Bearer(app.token(&app.plain()).await);
    let saved = save(&app, &with_all()).await;
    saved.assert_status(200);
    let saved = saved.json();
    assert_eq!(kept(&saved), (7, 3, 5, "Lin"));
    // The role id gives no rights.
    assert_eq!(
        (&saved["Role"]["Value"], &saved["Person"]["FullName"]),
        (&json!("User"), &json!("paul"))
    );
    assert_eq!(kept(&user(&app, PLAIN.0).await), (7, 3, 5, "Lin"));
    for credentials in [app.plain(), ticket, token] {
        let own = app.get("/api/v1/User/current", &credentials).await.json();
        assert_eq!(kept(&own), (7, 3, 5, "Lin"));
        let principal = app.get(PRINCIPAL, &credentials).await.json();
        let ids = [&principal["PersonId"], &principal["RoleId"], &principal["EjUserId"]];
        assert_eq!(ids, [7, 3, 5]);
        assert_eq!(
            (&principal["IsPerson"], &principal["RoleName"]),
            (&json!(true), &json!("User"))
        );
        let associate = app.get("/api/v1/User/currentAssociate", &credentials).await.json();
        assert_eq!([&associate["PersonId"], &associate["EjUserId"]], [7, 5]);
    }
    let resource = app.get("/api/v1/User/278", &app.administrator()).await.json();
    assert_eq!(kept(&resource), (7, 3, 5, "Lin"));
    let infos = app.post(&agent("GetUserInfoList"), &app.administrator(), &json!([278, 1])).await;
    let infos = infos.json();
    assert_eq!([&infos[0]["PersonId"], &infos[0]["EjUserId"]], [7, 5]);
    assert_eq!([&infos[1]["PersonId"], &infos[1]["EjUserId"]], [0, 0]);
    assert_eq!(user(&app, ADMINISTRATOR.0).await["Person"], Value::Null);
}

#[sqlx::test]
async fn an_omitted_member_stays_and_zero_or_an_empty_text_removes_it(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    save(&app, &with_all()).await.assert_status(200);
    for unchanged in [
        json!({}),
        json!({"Person": null, "Role": null, "EjUserId": null, "NickName": null}),
        json!({"Person": {}, "Role": {"Value": "User"}}),
        json!({"NickName": "Lin", "EjUserId": "5"}),
    ] {
        let mut body = json!({"AssociateId": PLAIN.0});
        body.as_object_mut().unwrap().extend(unchanged.as_object().unwrap().clone());
        let saved = save(&app, &body).await;
        saved.assert_status(200);
        assert_eq!(kept(&saved.json()), (7, 3, 5, "Lin"), "{unchanged}");
    }
    for (removed, expected) in [
        (json!({"Person": {"PersonId": 0}}), (0, 3, 5, "Lin")),
        (json!({"Role": {"Id": 0}}), (0, 0, 5, "Lin")),
        (json!({"EjUserId": 0}), (0, 0, 0, "Lin")),
        (json!({"NickName": "LIN"}), (0, 0, 0, "LIN")),
        (json!({"NickName": ""}), (0, 0, 0, "")),
    ] {
        let mut body = json!({"AssociateId": PLAIN.0});
        body.as_object_mut().unwrap().extend(removed.as_object().unwrap().clone());
        assert_eq!(kept(&save(&app, &body).await.json()), expected, "{removed}");
        assert_no_orphans(&app.pool, &removed.to_string()).await;
    }
    let kinds = sqlx::query_scalar!(
        "SELECT kind FROM audit_events WHERE user_id = 278 AND sequence > 2 ORDER BY sequence"
    );
    // One for each save that changed something.
    assert_eq!(kinds.fetch_all(&app.pool).await.unwrap(), ["user_changed"; 6]);
    assert_chains_verify(&app).await;
}

#[sqlx::test]
async fn a_change_of_an_id_or_the_nickname_makes_a_read_user_outdated(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for change in [
        json!({"AssociateId": PLAIN.0, "NickName": "Lin"}),
        json!({"AssociateId": PLAIN.0, "EjUserId": 9}),
        json!({"AssociateId": PLAIN.0, "Role": {"Id": 9}}),
        json!({"AssociateId": PLAIN.0, "Person": {"PersonId": 9}}),
    ] {
        let stale = user(&app, PLAIN.0).await;
        save(&app, &change).await.assert_status(200);
        save(&app, &stale).await.assert_refused(409, "ArgumentException", "outdated");
        let fresh = user(&app, PLAIN.0).await;
        save(&app, &fresh).await.assert_status(200);
    }
}

#[sqlx::test]
async fn a_nickname_has_one_owner(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    save(&app, &with_all()).await.assert_status(200);
    let taken = json!({"AssociateId": RETIRED.0, "NickName": "ＬＩＮ", "Tooltip": "Changed"});
    save(&app, &taken).await.assert_refused(409, "ArgumentException", "nick_name_taken");
    assert_eq!(user(&app, RETIRED.0).await["Tooltip"], "rita");
    let new = json!({"Name": "new", "NickName": "lin"});
    save(&app, &new).await.assert_refused(409, "ArgumentException", "nick_name_taken");
    let validate = json!({"User": new});
    let problems = app.post(&agent("ValidateUser"), &app.administrator(), &validate).await.json();
    assert_eq!(problems.as_object().unwrap().keys().collect::<Vec<_>>(), ["NickName"]);
    // A login name is no nickname, and nobody logs in with a nickname.
    save(&app, &json!({"AssociateId": RETIRED.0, "NickName": "paul"})).await.assert_status(200);
    app.get(PRINCIPAL, &Credentials::basic("Lin", "paul-password")).await.assert_unauthenticated();
    // A new nickname frees the old one.
    save(&app, &json!({"AssociateId": PLAIN.0, "NickName": "Pal"})).await.assert_status(200);
    save(&app, &json!({"AssociateId": RETIRED.0, "NickName": "Lin"})).await.assert_status(200);
    assert_no_orphans(&app.pool, "rename").await;
}

#[sqlx::test]
async fn concurrent_saves_give_a_nickname_to_one_user(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for round in 0..5 {
        let nick_name = format!("Lin {round}");
        let bodies = (0..6)
            .map(|number| json!({"Name": format!("user {round} {number}"), "NickName": nick_name}));
        let requests = bodies.map(|body| {
            let request =
                app.request(reqwest::Method::POST, &agent("SaveUser"), &app.administrator());
            tokio::spawn(
                async move { Answer::read(request.json(&body).send().await.unwrap()).await },
            )
        });
        let mut saved = 0;
        for answer in requests.collect::<Vec<_>>() {
            let answer = answer.await.unwrap();
            if answer.status == 200 {
                saved += 1;
            } else {
                answer.assert_refused(409, "ArgumentException", "nick_name_taken");
            }
        }
        assert_eq!(saved, 1);
        assert_no_orphans(&app.pool, &nick_name).await;
    }
    assert_chains_verify(&app).await;
}

#[sqlx::test]
async fn invalid_ids_and_nicknames_are_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (body, field) in [
        (json!({"Person": {"PersonId": -1}}), "Person.PersonId"),
        (json!({"Person": {"PersonId": 2_147_483_648_i64}}), "Person.PersonId"),
        (json!({"Person": {"PersonId": "x"}}), "Person.PersonId"),
        (json!({"Person": 7}), "Person"),
        (json!({"Role": {"Id": -1}}), "Role.Id"),
        (json!({"Role": {"Id": 1.5}}), "Role.Id"),
        (json!({"EjUserId": -1}), "EjUserId"),
        (json!({"EjUserId": {}}), "EjUserId"),
        (json!({"NickName": " "}), "NickName"),
        (json!({"NickName": "a\u{200b}b"}), "NickName"),
        (json!({"NickName": "a\u{202e}b"}), "NickName"),
        (json!({"NickName": "a\nb"}), "NickName"),
        (json!({"NickName": "å".repeat(240)}), "NickName"),
        (json!({"NickName": ["x"]}), "NickName"),
    ] {
        let mut with_id = json!({"AssociateId": PLAIN.0});
        with_id.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        save(&app, &with_id).await.assert_field_refused(field);
    }
    assert_eq!(kept(&user(&app, PLAIN.0).await), (0, 0, 0, ""));
}

#[sqlx::test]
async fn a_deleted_user_keeps_neither_ids_nor_nickname(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    save(&app, &with_all()).await.assert_status(200);
    let path = agent("DeleteUser?userId=278");
    app.post(&path, &app.administrator(), &Value::Null).await.assert_status(204);
    let left = sqlx::query!(
        r#"SELECT person_id + role_id + ej_user_id AS "ids!", nick_name, canonical_nick_name,
                  (SELECT count(*) FROM nick_names) AS "nick_names!"
           FROM users WHERE user_id = 278"#
    );
    let left = left.fetch_one(&app.pool).await.unwrap();
    assert_eq!((left.ids, left.nick_names), (0, 0));
    assert_eq!((left.nick_name.as_str(), left.canonical_nick_name.as_str()), ("", ""));
    save(&app, &json!({"AssociateId": RETIRED.0, "NickName": "lin"})).await.assert_status(200);
}

#[sqlx::test]
async fn an_export_and_an_import_keep_ids_and_nicknames(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    save(&app, &with_all()).await.assert_status(200);
    let exported = app.command(&["export"], "").assert_success();
    let lines: Vec<Value> =
        exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let paul = lines.iter().find(|line| line["id"] == PLAIN.0).unwrap();
    assert_eq!((&paul["person_id"], &paul["role_id"]), (&json!(7), &json!(3)));
    assert_eq!((&paul["ej_user_id"], &paul["nick_name"]), (&json!(5), &json!("Lin")));
    // Earlier releases can import the line of a user who has none of these values.
    let members = |line: &Value| line.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let anna = lines.iter().find(|line| line["id"] == ADMINISTRATOR.0).unwrap();
    let old =
        ["administrator", "credentials", "display_name", "id", "login_name", "retired", "type"];
    assert_eq!(members(anna), old.map(str::to_owned).into());

    app.command(&["import", "-"], &exported).assert_success();
    assert_eq!(kept(&user(&app, PLAIN.0).await), (7, 3, 5, "Lin"));
    let removal = r#"{"login_name":"paul","person_id":0,"ej_user_id":0,"nick_name":""}"#;
    app.command(&["import", "-"], removal).assert_success();
    assert_eq!(kept(&user(&app, PLAIN.0).await), (0, 3, 0, ""));
    app.command(&["import", "-"], r#"{"login_name":"paul"}"#).assert_success();
    assert_eq!(kept(&user(&app, PLAIN.0).await), (0, 3, 0, ""));
}

/// 100 new users, enough for `COPY`; the user with this number has the nickname of the first.
fn lines(repeated: usize) -> String {
    let line = |number: usize| {
        let nick_name = if number == repeated { 0 } else { number };
        json!({
            "login_name": format!("user{number}"), "person_id": 7, "role_id": 3,
            "ej_user_id": number, "nick_name": format!("Nick\t{nick_name}").replace('\t', "\\"),
        })
        .to_string()
    };
    (0..100).map(line).collect::<Vec<_>>().join("\n")
}

#[sqlx::test]
async fn many_users_are_imported_with_ids_and_nicknames(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let preview = app.command(&["import", "--dry-run", "-"], &lines(99));
    assert_eq!(preview.code, 0, "{preview:?}");
    let imported = app.command(&["import", "-"], &lines(99));
    assert_eq!(imported.code, 1, "{imported:?}");
    assert!(imported.stdout.contains("nick_name"), "{imported:?}");
    let found = sqlx::query!(
        r#"SELECT count(*) AS "users!", max(nick_name) AS "last!", sum(person_id) AS "persons!",
                  max(ej_user_id) AS "ej_user!"
           FROM users WHERE user_id >= 1000 AND nick_name <> ''"#
    );
    let found = found.fetch_one(&app.pool).await.unwrap();
    assert_eq!((found.users, found.persons, found.ej_user), (99, 99 * 7, 98));
    assert_eq!(found.last, "Nick\\98");
    assert_no_orphans(&app.pool, "import").await;
    assert_chains_verify(&app).await;
}

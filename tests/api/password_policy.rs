//! The password policy: every way to set a password enforces it, in the language of the caller.

use credential_keeper::{Effect, describe_routes};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    audited_routes::is_at,
    pages::admin_browser::{Browser, form},
    support::{
        Answer, Credentials, PLAIN, PRINCIPAL, TestApp, keeper, password_of, run_with_input,
    },
};

const NIST: (&str, &str) = ("KEEPER__PASSWORDS__POLICY", "nist");
const GOOD: &str = "correct horse battery staple";

/// Starts the service with users whose passwords predate the policy.
async fn app_with_policy(pool: PgPool) -> TestApp {
    let mut app = TestApp::spawn(pool).await;
    app.reconfigure(&[NIST]).await;
    app
}

async fn call(app: &TestApp, name: &str, credentials: &Credentials, body: &Value) -> Answer {
    app.post(&format!("/api/v1/Agents/User/{name}"), credentials, body).await
}

/// A password and the reason for its refusal.
const REFUSED: [(&str, &str); 7] = [
    ("fourteen chars", "must have at least 15 characters"),
    ("x", "must have at least 15 characters"),
    ("paulpaulpaulpaul", "consists mostly of your user name or the service's name"),
    ("SuperOffice 2026!", "consists mostly of your user name or the service's name"),
    ("passwordpassword", "is a common or breached password"),
    ("PASSWORDPASSWORD", "is a common or breached password"),
    ("øaøaøaøaøaøaøaøaøa", "is too easy to guess"),
];

/// A request that sets a password: method and path, body, and the member of the password.
type Request = (&'static str, &'static str, Value, &'static str);

/// The name of a new user who would have the password.
const NEW: &str = "paulpaulpaul";

/// The requests that set the password of the plain user.
fn requests_for_passwords(password: &str) -> [Request; 6] {
    let old = password_of("paul");
    [
        (
            "POST",
            "/api/v1/Agents/User/SaveCredential",
            json!({"UserId": 278, "Credential": {"Value": password}}),
            "Credential.Value",
        ),
        (
            "POST",
            "/api/v1/Agents/User/SetPassword",
            json!({"AssociateId": 278, "Password": password}),
            "Password",
        ),
        (
            "POST",
            "/api/v1/Agents/User/SetPasswordFromName",
            json!({"AssociateName": "paul", "Password": password}),
            "Password",
        ),
        (
            "POST",
            "/api/v1/Agents/User/ChangePassword",
            json!({"AssociateId": 278, "OldPassword": old, "NewPassword": password}),
            "NewPassword",
        ),
        (
            "POST",
            "/api/v1/Agents/User/ChangePasswordFromName",
            json!({"AssociateName": "paul", "OldPassword": old, "NewPassword": password}),
            "NewPassword",
        ),
        (
            "POST",
            "/api/v1/Agents/User/ChangeOwnPassword",
            json!({"OldPassword": old, "NewPassword": password}),
            "NewPassword",
        ),
    ]
}

/// The requests that save a user with a password.
fn requests_for_users(password: &str) -> [Request; 8] {
    let credential = json!({"Value": password});
    let credentials = json!([credential]);
    let sid = json!({"Type": {"Type": "ActiveDirectory"}, "Value": "S-1-5"});
    let external = json!({
        "AssociateId": 400, "UserName": NEW, "Password": password, "RoleId": 9, "IsActive": true,
        "ExternalUserInfoModification": "All",
    });
    let resolved = json!({
        "ContactId": 2, "UserType": "InternalAssociate",
        "Credential": {"Value": password, "DisplayValue": NEW},
    });
    let typed = json!({
        "UserType": "InternalAssociate", "User": {"AssociateId": 278, "Credentials": credentials},
    });
    [
        (
            "POST",
            "/api/v1/Agents/User/SaveUser",
            json!({"AssociateId": 278, "Name": "paul", "Credentials": credentials}),
            "Credentials[0].Value",
        ),
        (
            "POST",
            "/api/v1/Agents/User/SaveUserFromName",
            json!({"UserName": "paul", "User": {"Credentials": [sid, credential]}}),
            "User.Credentials[1].Value",
        ),
        ("POST", "/api/v1/Agents/User/ChangeUserType", typed, "User.Credentials[0].Value"),
        ("POST", "/api/v1/Agents/User/CreateExternalUser", external.clone(), "Password"),
        ("POST", "/api/v1/Agents/User/SetExternalUserInfo", external, "Password"),
        ("POST", "/api/v1/Agents/User/ResolveUserFromInfo", resolved, "Credential.Value"),
        (
            "POST",
            "/api/v1/User",
            json!({"Name": NEW, "Credentials": credentials}),
            "Credentials[0].Value",
        ),
        ("PUT", "/api/v1/User/278", json!({"Credentials": credentials}), "Credentials[0].Value"),
    ]
}

/// The forms of pages with a password: the path and the query of the page, and the path of the form.
const FORMS: [(&str, &str); 2] = [
    ("/admin/users/278/credential?type=CRM5%2FPASSWORD", "/admin/users/278/credential"),
    ("/account/change-password", "/account/change-password"),
];

/// Further routes that set a password, each with its test.
const ELSEWHERE: [(&str, &str); 3] = [
    (
        "POST /login/change-password",
        "change_required::page::mistakes_are_shown_beside_the_field_and_change_nothing",
    ),
    (
        "POST /account/password",
        "mail::links::a_refused_password_keeps_the_link_and_names_the_reasons",
    ),
    ("POST /admin/import", "the_policy_applies_neither_to_other_types_nor_to_imported_hashes"),
];

/// The routes that change something, and set no password that the caller chooses.
const WITHOUT_PASSWORD: [&str; 40] = [
    "POST /api/v1/Agents/User/DeleteCredential",
    "POST /api/v1/Agents/User/SetGeneratedPassword",
    "POST /api/v1/Agents/User/SetGeneratedPasswordFromName",
    "POST /api/v1/Agents/User/SendChangePasswordEMail",
    "POST /api/v1/Agents/User/MakeRetired",
    "POST /api/v1/Agents/User/DeleteUser",
    "POST /api/v1/Agents/User/DeleteUserFromName",
    "POST /api/v1/Agents/User/RemoveLicenses",
    "POST /api/v1/Agents/User/DeleteExternalUser",
    "POST /api/v1/Agents/User/GenerateNewPasswordForExternalUser",
    "POST /api/v1/Agents/User/SaveUntrustedCredentials",
    "POST /api/v1/Agents/User/SaveUntrustedCredentialsForAssociate",
    "POST /api/v1/Agents/User/GetUntrustedCredentials",
    "POST /api/v1/Agents/User/GetUntrustedCredentialsForAssociate",
    "POST /api/v1/Agents/User/RemoveUntrustedCredentials",
    "POST /api/v1/Agents/User/RemoveUntrustedCredentialsForAssociate",
    "DELETE /api/v1/User/{user}",
    "DELETE /keeper/users/{id}/tickets",
    "DELETE /keeper/users/{id}/tickets/{ticket}",
    "DELETE /keeper/users/{id}/attempts",
    "PUT /keeper/users/{id}/role",
    "PUT /keeper/users/{id}/change-required",
    "DELETE /keeper/users/{id}/change-required",
    "POST /account/forgotten",
    "POST /account/sessions",
    "POST /admin/export",
    "POST /admin/import/{import}/cancel",
    "POST /admin/users/new",
    "POST /admin/users/{id}/change",
    "POST /admin/users/{id}/retire",
    "POST /admin/users/{id}/reactivate",
    "POST /admin/users/{id}/delete",
    "POST /admin/users/{id}/unlock",
    "POST /admin/users/{id}/credential/expire",
    "POST /admin/users/{id}/credential/delete",
    "POST /admin/users/{id}/credential/require-change",
    "POST /admin/users/{id}/credential/clear-change",
    "POST /admin/users/{id}/password",
    "POST /admin/users/{id}/tickets/end",
    "POST /admin/users/{id}/tickets/end-all",
];

#[test]
fn no_route_that_sets_a_password_is_missing() {
    let requests = requests_for_passwords("x").into_iter().chain(requests_for_users("x"));
    let forms = FORMS.map(|(_, path)| ("POST", path));
    let sent = requests.map(|(method, path, ..)| (method, path)).chain(forms);
    let sent: Vec<_> = sent.collect();
    for route in describe_routes().into_iter().filter(|route| route.effect == Effect::Changes) {
        let name = format!("{} {}", route.method, route.path);
        let mut sent = sent.iter();
        let is_sent = sent.any(|(method, path)| *method == route.method && is_at(path, route.path));
        let is_elsewhere = ELSEWHERE.iter().any(|(known, _)| *known == name);
        let is_without = WITHOUT_PASSWORD.contains(&name.as_str());
        let lists = [is_sent, is_elsewhere, is_without];
        assert_eq!(lists.iter().filter(|is_in| **is_in).count(), 1, "{name}: {lists:?}");
    }
}

#[sqlx::test]
async fn every_way_to_set_a_password_enforces_the_policy(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    app.add_user((400, "extern"), &["--type", "external"]);
    app.reconfigure(&[NIST]).await;
    let (administrator, plain) = (app.administrator(), app.plain());
    for (password, reason) in REFUSED {
        let requests = requests_for_passwords(password).into_iter();
        for (method, path, body, field) in requests.chain(requests_for_users(password)) {
            let callers = match path.rsplit_once('/') {
                Some((_, "SaveCredential")) => vec![&administrator, &plain],
                Some((_, "ChangeOwnPassword")) => vec![&plain],
                _ => vec![&administrator],
            };
            for caller in callers {
                let request = app.request(method.parse().unwrap(), path, caller).json(&body);
                let answer = Answer::read(request.send().await.unwrap()).await;
                answer.assert_refused(400, "ArgumentException", "password_refused");
                let error = answer.json();
                assert_eq!(error["Field"], field, "{path}");
                let message = error["Message"].as_str().unwrap();
                assert_eq!(message, format!("{field}: {reason}"), "{path}: {password}");
            }
        }
        app.get(PRINCIPAL, &plain).await.assert_status(200);
        for arguments in [
            vec!["credential", "save", "--user", "paul"],
            vec!["user", "add", "paulpaul", "--id", "900"],
        ] {
            let mut command = keeper(&arguments);
            command.envs(app.variables());
            let finished = run_with_input(command, password);
            finished.assert_error(reason);
        }
    }
    app.get(PRINCIPAL, &Credentials::basic("paulpaul", "x")).await.assert_unauthenticated();
}

#[sqlx::test]
async fn every_form_with_a_password_enforces_the_policy(pool: PgPool) {
    let app = app_with_policy(pool).await;
    for (page, action) in FORMS {
        let sender = if page.starts_with("/admin/") { "anna" } else { PLAIN.1 };
        let browser = Browser::signed_in(&app, sender).await;
        for (password, reason) in REFUSED {
            let typed = [
                ("CredentialValue", password),
                ("OldPassword", "paul-password"),
                ("NewPassword", password),
                ("RepeatedPassword", password),
            ];
            let refused = browser.send(&form(&browser.open(page).await, action), &typed).await;
            refused.assert_status(400);
            let reason = reason.replace('\'', "&#39;");
            assert!(refused.body.contains(&reason), "{action} {password}: {refused:?}");
        }
    }
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
}

#[sqlx::test]
async fn validation_has_every_reason_of_the_refused_save(pool: PgPool) {
    let app = app_with_policy(pool).await;
    let user = json!({"Name": "paul9", "Credentials": [{"Value": "paul9paul9"}]});
    let refused = call(&app, "SaveUser", &app.administrator(), &user).await;
    refused.assert_refused(400, "ArgumentException", "password_refused");
    let message = "Credentials[0].Value: must have at least 15 characters, \
                   consists mostly of your user name or the service's name";
    assert_eq!(refused.json()["Message"], message);
    let body = json!({"User": user});
    let problems = call(&app, "ValidateUser", &app.administrator(), &body).await.json();
    assert_eq!(problems, json!({"Credentials[0].Value": message}));
}

#[sqlx::test]
async fn long_passwords_of_any_characters_are_accepted_without_truncation(pool: PgPool) {
    let app = app_with_policy(pool).await;
    let long = "correct horse battery staple ".repeat(35);
    for password in
        [GOOD, "ælv på øya spiser ål 🦉", "only lower case letters and spaces", &long[..1015]]
    {
        app.save(&app.administrator(), PLAIN.0, "", password).await.assert_saved();
        app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, password)).await.assert_status(200);
        let shorter: String = password.chars().take(password.chars().count() - 1).collect();
        app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, &shorter)).await.assert_unauthenticated();
    }
}

#[sqlx::test]
async fn reasons_for_a_refused_password_are_in_the_language_of_the_caller(pool: PgPool) {
    let app = app_with_policy(pool).await;
    let ask = async |name: &str, language: &str, password: &str| {
        let path = format!("/api/v1/Agents/User/{name}");
        let request = app.request(Method::POST, &path, &app.plain());
        let request = request.header("Accept-Language", language);
        Answer::read(request.json(&json!({"Password": password})).send().await.unwrap())
            .await
            .json()
    };
    for (language, reason) in [
        ("en", "Password: must have at least 15 characters"),
        ("de", "Password: muss mindestens 15 Zeichen lang sein"),
        ("nb-NO", "Password: må ha minst 15 tegn"),
    ] {
        let answer = ask("IsPasswordValidWithReason", language, "too short").await;
        assert_eq!((&answer["Result"], &answer["Reason"]), (&json!(false), &json!(reason)));
    }
    for (password, is_valid) in
        [(GOOD, true), ("", false), ("paulpaulpaulpaul", false), ("x\0y", false)]
    {
        assert_eq!(ask("IsPasswordValid", "en", password).await, json!(is_valid), "{password}");
        let answer = ask("IsPasswordValidWithReason", "en", password).await;
        assert_eq!(answer["Result"], is_valid);
        assert_eq!(answer["Reason"] == "", is_valid);
    }
    let german = app.request(Method::POST, crate::support::SAVE, &app.administrator());
    let german = german.header("Accept-Language", "de");
    let body = json!({"UserId": 278, "Credential": {"Value": "zu kurz"}});
    let answer = Answer::read(german.json(&body).send().await.unwrap()).await;
    let message = answer.json()["Message"].as_str().unwrap().to_owned();
    assert_eq!(message, "Credential.Value: muss mindestens 15 Zeichen lang sein");
    assert!(!answer.body.contains("zu kurz"));
}

#[sqlx::test]
async fn a_password_is_checked_for_the_user_of_the_request_if_the_caller_may_read_them(
    pool: PgPool,
) {
    let mut app = TestApp::spawn(pool).await;
    // A login name that is a good password of everybody else.
    app.add_user((500, GOOD), &[]);
    app.add_user((501, "helen"), &["--role", "help-desk"]);
    app.reconfigure(&[NIST]).await;
    let helper = Credentials::basic("helen", &password_of("helen"));
    let named = Credentials::basic(GOOD, &password_of(GOOD));
    for (caller, id, is_valid) in [
        (app.administrator(), json!(500), false),
        (app.administrator(), json!("500"), false),
        (app.administrator(), json!(PLAIN.0), true),
        (app.administrator(), json!(0), true),
        (app.administrator(), json!(-1), true),
        (app.administrator(), json!(999), true),
        (app.administrator(), Value::Null, true),
        (helper, json!(500), false),
        // A plain user learns nothing about the names of others.
        (app.plain(), json!(500), true),
        (app.plain(), json!(999), true),
        (named.clone(), json!(500), false),
        (named.clone(), json!(PLAIN.0), false),
        (named, Value::Null, false),
    ] {
        let body = json!({"AssociateId": id, "Type": "InternalAssociate", "Password": GOOD});
        let answer = call(&app, "IsPasswordValid", &caller, &body).await;
        answer.assert_status(200);
        assert_eq!(answer.json(), json!(is_valid), "{id}");
        let with_reason = call(&app, "IsPasswordValidWithReason", &caller, &body).await.json();
        assert_eq!(with_reason["Result"], is_valid, "{id}");
        let reason = with_reason["Reason"].as_str().unwrap();
        assert_eq!(reason.contains("consists mostly of"), !is_valid, "{id}: {reason}");
    }
    let body = json!({"AssociateId": 500, "Password": GOOD});
    let refused = call(&app, "SetPassword", &app.administrator(), &body).await;
    refused.assert_refused(400, "ArgumentException", "password_refused");
}

#[sqlx::test]
async fn the_policy_applies_neither_to_other_types_nor_to_imported_hashes(pool: PgPool) {
    let file = r#"
        [credentials]
        additional_types = [{ name = "Pin", kind = "secret" }]"#;
    let mut app = TestApp::spawn_with(pool, &[], file).await;
    app.reconfigure(&[NIST]).await;
    app.save(&app.administrator(), PLAIN.0, "Pin", "1234").await.assert_saved();
    app.save(&app.administrator(), PLAIN.0, "ActiveDirectory", "S-1").await.assert_saved();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.jsonl");
    let hash = "pbkdf2_sha256$120000$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let lines = [
        json!({"login_name": "hashed", "credentials": [{"hash": hash}]}),
        json!({"login_name": "weak", "credentials": [{"value": "too short"}]}),
        json!({"login_name": "strong", "credentials": [{"value": GOOD}]}),
    ];
    std::fs::write(&path, lines.map(|line| line.to_string()).join("\n")).unwrap();
    let import = |options: &[&str]| {
        let finished = app.command(&[&["import", path.to_str().unwrap()], options].concat(), "");
        let results = finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
        let mut results: Vec<Value> = results.collect();
        results.sort_by_key(|line| line["line"].as_u64());
        (finished.code, results)
    };
    for is_dry_run in [true, false] {
        let (code, results) = import(if is_dry_run { &["--dry-run"] } else { &[] });
        assert_eq!((code, results.len()), (1, 3), "{results:?}");
        assert!(results[1].to_string().contains("must have at least 15 characters"), "{results:?}");
        assert!(!results[0].to_string().contains("characters"), "{results:?}");
        assert!(!results[2].to_string().contains("characters"), "{results:?}");
    }
}

#[sqlx::test]
async fn a_second_factor_allows_8_characters_and_policy_none_any_number(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    app.reconfigure(&[NIST, ("KEEPER__PASSWORDS__WITH_SECOND_FACTOR", "true")]).await;
    let save =
        async |app: &TestApp, value: &str| app.save(&app.administrator(), PLAIN.0, "", value).await;
    save(&app, "7 chars").await.assert_refused(400, "ArgumentException", "password_refused");
    save(&app, "iloveyou").await.assert_refused(400, "ArgumentException", "password_refused");
    save(&app, "kZ4#pQ9wv").await.assert_saved();
    app.reconfigure(&[("KEEPER__PASSWORDS__POLICY", "none")]).await;
    save(&app, "x").await.assert_saved();
    // A generated password satisfies the policy.
    app.reconfigure(&[NIST, ("KEEPER__PASSWORDS__WITH_SECOND_FACTOR", "false")]).await;
    let answer =
        call(&app, "SetGeneratedPassword", &app.administrator(), &json!({"AssociateId": 278}))
            .await;
    answer.assert_status(200);
    let generated = answer.json();
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, generated.as_str().unwrap()))
        .await
        .assert_status(200);
    app.command(&["user", "add", "new", "--generate"], "").assert_success();
}

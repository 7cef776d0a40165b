//! Properties of all routes, read from the table that registers them.

use credential_keeper::{Access, RouteDescription, describe_routes};
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::support::{Answer, Credentials, PLAIN, TestApp};

#[sqlx::test]
async fn every_route_that_is_not_public_requires_authentication(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let is_for_programs =
        |route: &RouteDescription| matches!(route.access, Access::Authenticated | Access::Agent);
    let routes: Vec<_> = describe_routes().into_iter().filter(is_for_programs).collect();
    assert!(routes.len() >= 7);
    for route in routes {
        let method: Method = route.method.parse().unwrap();
        for path in [route.path.to_owned(), route.path.to_uppercase()] {
            let request = app.request(method.clone(), &path, &Credentials::Anonymous);
            let answer = Answer::read(request.send().await.unwrap()).await;
            answer.assert_refused(401, "ArgumentException", "xsrf_missing");
        }
    }
}

#[sqlx::test]
async fn a_percent_encoded_letter_of_a_path_is_the_letter(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let body = json!({"UserId": PLAIN.0, "Credential": {"Value": "another password"}});
    for path in [
        "/api/v1/Agents/User/%53aveCredential",
        "/api/v1/Agents/User/SaveCredentia%4c",
        "/api/v1/Agents/User/%73aveCredential",
        "/%41%50%49/v1/%41gents/%55ser/Save%43redential/",
    ] {
        app.post(path, &app.administrator(), &body).await.assert_saved();
    }
    for path in ["/api/v1/Agents/User%2FSaveCredential", "/api/v1/Agents/User/%2553aveCredential"] {
        let answer = app.post(path, &app.administrator(), &body).await;
        answer.assert_refused(404, "SoNotFoundException", "unknown_route");
    }
    let user = app.get("/api/v1/User/%50%41ul", &app.administrator()).await;
    assert_eq!(user.json()["Name"], "paul", "{user:?}");
}

#[sqlx::test]
async fn an_unsupported_method_answers_405_with_the_allowed_ones(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for route in describe_routes() {
        let request = app.request(Method::PATCH, route.path, &app.administrator());
        let answer = Answer::read(request.send().await.unwrap()).await;
        answer.assert_refused(405, "HttpResponseException", "method_not_allowed");
        assert!(answer.header("allow").contains(&route.method), "{answer:?}");
    }
}

#[sqlx::test]
async fn an_unknown_route_answers_404_in_the_error_envelope(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for path in ["/nothing", "/api/v1/Agents/User/Nothing", "/health/ready", "/keeper/tickets/x"] {
        for credentials in [Credentials::Anonymous, app.administrator()] {
            let answer = app.get(path, &credentials).await;
            answer.assert_refused(404, "SoNotFoundException", "unknown_route");
        }
    }
}

//! Every route, from the table that they are registered from.

use credential_keeper::{Access, describe_routes};
use reqwest::Method;
use sqlx::PgPool;

use crate::support::{Answer, Credentials, TestApp};

#[sqlx::test]
async fn every_route_wants_to_know_who_is_asking(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let routes = describe_routes().into_iter().filter(|route| route.access != Access::Anybody);
    let routes: Vec<_> = routes.collect();
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
async fn another_method_is_405_and_names_the_right_ones(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for route in describe_routes() {
        let request = app.request(Method::PATCH, route.path, &app.administrator());
        let answer = Answer::read(request.send().await.unwrap()).await;
        answer.assert_refused(405, "HttpResponseException", "method_not_allowed");
        assert!(answer.header("allow").contains(&route.method), "{answer:?}");
    }
}

#[sqlx::test]
async fn an_unknown_route_is_404_in_the_same_envelope(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for path in ["/nothing", "/api/v1/Agents/User/Nothing", "/health/ready", "/keeper/tickets/x"] {
        for credentials in [Credentials::Anonymous, app.administrator()] {
            let answer = app.get(path, &credentials).await;
            answer.assert_refused(404, "SoNotFoundException", "unknown_route");
        }
    }
}

//! The WSDL. `tests/acceptance/soap.py` generates a client from it.

use reqwest::Method;
use sqlx::PgPool;

use super::{NAMESPACE, SERVICE, TEXT_XML};
use crate::support::{Answer, TestApp};

async fn get(app: &TestApp, query: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = app.client.get(format!("{}{SERVICE}{query}", app.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::read(request.send().await.unwrap()).await
}

#[sqlx::test]
async fn the_wsdl_describes_the_served_operations(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let wsdl = get(&app, "?wsdl", &[]).await;
    wsdl.assert_status(200);
    assert_eq!(wsdl.header("content-type"), TEXT_XML);
    for query in ["", "?WSDL", "?singleWsdl"] {
        assert_eq!(get(&app, query, &[]).await.body, wsdl.body, "{query}");
    }
    let address = format!("<soap:address location=\"{}{SERVICE}\"/>", app.url);
    assert!(wsdl.body.contains(&address), "{}", wsdl.body);
    let (_, binding) = wsdl.body.split_once("<wsdl:binding").unwrap();
    let actions: Vec<_> = binding
        .split("soapAction=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().rsplit_once('/').unwrap())
        .collect();
    let prefix = format!("{NAMESPACE}/SoPrincipal");
    let expected = ["AuthenticateUsernamePassword", "AuthenticateWithAccessToken", "GetSystemInfo"];
    assert_eq!(actions, expected.map(|name| (prefix.as_str(), name)));
    let head = app.client.request(Method::HEAD, format!("{}{SERVICE}?wsdl", app.url));
    let head = Answer::read(head.send().await.unwrap()).await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
}

#[sqlx::test]
async fn the_address_is_the_url_of_the_client(pool: PgPool) {
    let settings =
        [("KEEPER__HTTP__BASE_PATH", "/Cust1"), ("KEEPER__HTTP__TRUSTED_PROXIES", "127.0.0.1")];
    let app = TestApp::spawn_with(pool, &settings, "").await;
    let headers =
        [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "crm.example"), ("Host", "inner")];
    let request = app.client.get(format!("{}/Cust1{SERVICE}?wsdl", app.url));
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = Answer::read(request.send().await.unwrap()).await;
    let address = format!("location=\"https://crm.example/Cust1{SERVICE}\"");
    assert!(answer.body.contains(&address), "{answer:?}");
}

//! The list of users: filters, selection, links and formats.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{USERS, names, page};
use crate::support::{Answer, Credentials, RETIRED, TestApp};

/// The attributes of an element that is null.
const NIL: &str = " xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" i:nil=\"true\"/>";

#[sqlx::test]
async fn a_list_has_the_users_with_links(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let list = page(&app, "").await;
    list.assert_status(200);
    let url = &app.url;
    let row = json!({
        "PrimaryKey": "300", "EntityName": "user", "Id": 300, "Name": "rita", "FullName": "rita",
        "Type": "InternalAssociate", "Role": "Administrator", "Retired": true,
        "_Links": {"Self": format!("{url}{USERS}/300"), "Archive": format!("{url}{USERS}")},
    });
    let list = list.json();
    assert_eq!(list["odata.metadata"], format!("{url}/openapi.json"));
    assert_eq!(list["odata.nextLink"], Value::Null);
    let rows = list["value"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[2]), (3, &row));
    let own = app.get(&format!("{USERS}/300"), &app.administrator()).await.json();
    assert_eq!(own["_Links"], row["_Links"]);
}

#[sqlx::test]
async fn links_have_the_base_path_and_the_host_of_the_caller(pool: PgPool) {
    let variables = [("KEEPER__HTTP__BASE_PATH", "/SuperOffice")];
    let app = TestApp::spawn_with(pool, &variables, "").await;
    let request =
        app.request(Method::GET, &format!("/SuperOffice{USERS}?$top=1"), &app.administrator());
    let sent = request.header("Host", "Keeper.example:8443").send().await.unwrap();
    let list = Answer::read(sent).await.json();
    let base = "http://keeper.example:8443/SuperOffice/api/v1/User";
    assert_eq!(list["value"][0]["_Links"]["Self"], format!("{base}/1"));
    assert_eq!(list["odata.nextLink"], format!("{base}?$top=1&$skiptoken=1"));
}

#[sqlx::test]
async fn a_filter_lists_only_its_users(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (id, name, arguments) in [
        (401, "O'Neill & Søn", &["--type", "external"][..]),
        (402, "paula", &["--type", "system"]),
        (403, "PAUL\u{e5}", &["--type", "external"]),
        (404, "50%_off", &[]),
    ] {
        app.add_user((id, name), arguments);
    }
    app.command(&["user", "retire", "402"], "").assert_success();
    app.command(&["user", "delete", "404"], "").assert_success();
    for (query, expected) in [
        ("", &["anna", "paul", "rita", "O'Neill & Søn", "paula", "PAULå"][..]),
        ("?$filter=name eq 'PAUL'", &["paul"]),
        ("?$filter=name eq 'o''neill %26 SØN'", &["O'Neill & Søn"]),
        ("?$filter=name+eq+'o''neill+%26+s%C3%B8n'&$orderby=id", &["O'Neill & Søn"]),
        ("?$filter=name eq 'nobody'", &[]),
        ("?$filter=name startswith 'paul'", &["paul", "paula", "PAULå"]),
        ("?$filter=startswith(name,'paul')&$orderby=name desc", &["PAULå", "paula", "paul"]),
        ("?$filter=name startswith '50%25'", &[]),
        ("?$filter=name startswith '_'", &[]),
        ("?$filter=retired eq true", &["rita", "paula"]),
        ("?$filter=type eq 'ExternalAssociate'&$orderby=id desc", &["PAULå", "O'Neill & Søn"]),
        (
            "?$filter=startswith(name,'p') and type eq 'systemassociate' and retired eq true",
            &["paula"],
        ),
        ("?$filter=name eq 'paul' and retired eq true", &[]),
        ("?$orderby=name", &["anna", "O'Neill & Søn", "paul", "paula", "PAULå", "rita"]),
        ("?$orderby=type", &["O'Neill & Søn", "PAULå", "anna", "paul", "rita", "paula"]),
        ("?$orderby=type desc", &["paula", "rita", "paul", "anna", "PAULå", "O'Neill & Søn"]),
        ("?$skip=1&$top=2", &["paul", "rita"]),
        ("?$skip=10000", &[]),
        ("?%24TOP=1&$OrderBy=NAME%20DESC&unknown=1", &["rita"]),
    ] {
        assert_eq!(names(&page(&app, query).await), expected, "{query}");
    }
}

#[sqlx::test]
async fn a_selection_keeps_the_key_and_the_envelope(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let list = page(&app, "?$select=name,Retired,nothing&$filter=name eq 'rita'").await.json();
    let expected = json!([{
        "PrimaryKey": "300", "EntityName": "user", "Id": null, "Name": "rita", "FullName": null,
        "Type": null, "Role": null, "Retired": true, "_Links": null,
    }]);
    assert_eq!(list["value"], expected);
    assert!(list["odata.metadata"].is_string());
    let next = page(&app, "?$select=name&$top=2").await.json();
    let next = next["odata.nextLink"].as_str().unwrap().to_owned();
    assert!(next.ends_with("?$select=name&$top=2&$skiptoken=278"), "{next}");
    let path = format!("{USERS}/300?$select=name,_links/self");
    let user = app.get(&path, &app.administrator()).await.json();
    assert_eq!((&user["Name"], &user["Tooltip"]), (&json!(RETIRED.1), &Value::Null));
    assert_eq!(user["_Links"]["Archive"], Value::Null);
    assert!(user["_Links"]["Self"].is_string());
}

#[sqlx::test]
async fn a_list_and_a_user_are_written_as_xml(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let xml = async |path: &str| {
        let request = app.request(Method::GET, path, &app.administrator());
        let sent = request.header("Accept", "application/xml").send().await.unwrap();
        let answer = Answer::read(sent).await;
        answer.assert_status(200);
        answer.body.replace(&app.url, "URL").replace(NIL, "=nil/>")
    };
    let list = xml(&format!("{USERS}?$filter=name eq 'rita'&$select=name,_Links/self")).await;
    let expected = "<UserList><odata.metadata>URL/openapi.json</odata.metadata>\
                    <odata.nextLink=nil/><value><User><EntityName>user</EntityName><FullName=nil/>\
                    <Id=nil/><Name>rita</Name><PrimaryKey>300</PrimaryKey><Retired=nil/><Role=nil/>\
                    <Type=nil/><_Links><Archive=nil/><Self>URL/api/v1/User/300</Self></_Links>\
                    </User></value></UserList>";
    assert_eq!(list, expected);
    let user = xml(&format!("{USERS}/rita?$select=name")).await;
    assert!(user.starts_with("<UserWithLinks "), "{user}");
    assert!(user.contains("<Name>rita</Name>"), "{user}");
    let empty = xml(&format!("{USERS}?$filter=name eq 'nobody'")).await;
    assert!(empty.contains("<value/>"), "{empty}");
}

/// The vendor's Python SDK sends `$format=json` with every list.
#[sqlx::test]
async fn the_format_of_a_list_is_that_of_the_query_string(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (query, accept, expected) in [
        ("?$format=json", "*/*", "application/json; charset=utf-8"),
        ("?$format=JSON", "application/xml", "application/json; charset=utf-8"),
        ("?$top=1&$format=xml", "application/json", "application/xml; charset=utf-8"),
    ] {
        let request = app.request(Method::GET, &format!("{USERS}{query}"), &app.administrator());
        let answer = Answer::read(request.header("Accept", accept).send().await.unwrap()).await;
        answer.assert_status(200);
        assert_eq!(answer.header("content-type"), expected, "{query}");
    }
    let next = page(&app, "?$format=json&$top=1").await.json()["odata.nextLink"].clone();
    assert!(next.as_str().unwrap().ends_with("?$format=json&$top=1&$skiptoken=1"), "{next}");
    for unknown in ["", "atom", "application/json"] {
        let answer = page(&app, &format!("?$format={unknown}")).await;
        answer.assert_field_refused("$format");
    }
    let wrong = Credentials::basic("anna", "wrong");
    for (credentials, query, status) in [
        (app.administrator(), "?$format=xml&$top=0", 400),
        (app.administrator(), "?%24FORMAT=xml&$unknown=1", 400),
        (app.plain(), "?$format=xml", 403),
        (wrong, "?$format=xml", 401),
    ] {
        let path = format!("{USERS}{query}");
        let answer = app.get(&path, &credentials).await;
        answer.assert_status(status);
        assert_eq!(answer.header("content-type"), "application/xml; charset=utf-8", "{query}");
        let head = app.request(Method::HEAD, &path, &credentials).send().await.unwrap();
        assert_eq!(head.status(), answer.status, "{query}");
        for name in ["content-type", "content-length"] {
            assert_eq!(head.headers()[name], answer.headers[name], "{query}: {name}");
        }
    }
    // The POST of the same path does not.
    let path = format!("{USERS}?$format=xml");
    let refused = app.post(&path, &app.administrator(), &json!({"AssociateId": 1})).await;
    refused.assert_field_refused("AssociateId");
    // Only the list has this parameter.
    let unknown = app.get(&format!("{USERS}/4711?$format=xml"), &app.administrator()).await;
    assert_eq!(unknown.header("content-type"), "application/json; charset=utf-8");
}

//! Checks that every server does what is measured.

use crate::{
    load::{Connection, request, save},
    servers::{FIRST_TARGET, PRINCIPAL, Running, Servers, basic, caller_basic},
};

/// Checks each server, and prints its name.
pub(crate) async fn check(servers: &Servers) {
    for server in &servers.running {
        check_server(server).await;
        println!("{}: the answers are right", server.name);
    }
}

async fn check_server(server: &Running) {
    let mut connection = Connection::open(server.address).await;
    let token = connection.send(&request("GET", crate::servers::TOKEN, &caller_basic(0), "")).await;
    assert_eq!(token.status, 200, "{}: a token for a password: {token:?}", server.name);
    let token = token.body.trim().trim_matches('"').to_owned();
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let (last, rest) = token.split_at(token.len() - 8);
    let forged =
        format!("Authorization: Bearer {last}{}\r\n", rest.chars().rev().collect::<String>());
    let (first, second) = (FIRST_TARGET, FIRST_TARGET + 1);
    let target = |password| basic("target0", password);

    for (what, request, status) in [
        ("a save with a token", save(&bearer, first, "value 1"), 200),
        ("a login with the saved value", request("GET", PRINCIPAL, &target("value 1"), ""), 200),
        ("a save with a password", save(&caller_basic(1), first, "value 2"), 200),
        ("a login with the new value", request("GET", PRINCIPAL, &target("value 2"), ""), 200),
        ("a login with the former value", request("GET", PRINCIPAL, &target("value 1"), ""), 401),
        ("the principal of a token", request("GET", PRINCIPAL, &bearer, ""), 200),
        ("a forged token", save(&forged, first, "value 3"), 401),
        ("no authentication", save("", first, "value 3"), 401),
        ("an unknown name", save(&basic("nobody", "value 2"), first, "value 3"), 401),
        ("another user's credential", save(&target("value 2"), second, "value 3"), 403),
        ("an unknown user", save(&bearer, 99_999, "value 3"), 404),
        (
            "the value that was never replaced",
            request("GET", PRINCIPAL, &target("value 2"), ""),
            200,
        ),
    ] {
        let answer = connection.send(&request).await;
        assert_eq!(answer.status, status, "{}: {what}: {answer:?}", server.name);
        if request.starts_with("POST") && status == 200 {
            assert_eq!(answer.body.trim(), "true", "{}: {what}", server.name);
        }
    }
}

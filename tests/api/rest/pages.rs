//! Pages of the list: every user exactly once in every order, and what the database reads for a page.

use serde_json::Value;
use sqlx::{Connection, PgConnection, PgPool, Row};

use super::{add_rows, page};
use crate::support::TestApp;

/// Leaves tombstones of users.
const DELETE: &str = "UPDATE users SET deleted_at = now(), is_retired = true, login_name = '',
                             canonical_name = '', display_name = ''
                      WHERE user_id = ANY($1)";

/// Follows the links from a first page; returns the ids in the order of the list.
async fn all_ids(app: &TestApp, query: &str, top: usize) -> Vec<i64> {
    let mut ids = Vec::new();
    let mut next = Some(query.to_owned());
    while let Some(query) = next {
        let answer = page(app, &query).await;
        answer.assert_status(200);
        let list = answer.json();
        let rows = list["value"].as_array().unwrap();
        ids.extend(rows.iter().map(|row| row["Id"].as_i64().unwrap()));
        next = list["odata.nextLink"].as_str().map(|link| {
            assert_eq!(rows.len(), top, "a page that is not full has a next page: {link}");
            let path = link.strip_prefix(&format!("{}{}", app.url, super::USERS));
            path.unwrap_or_else(|| panic!("not an address of this service: {link}")).to_owned()
        });
    }
    ids
}

/// The ids in the order that PostgreSQL gives them.
async fn ids(pool: &PgPool, condition: &str, order: &str) -> Vec<i64> {
    let statement = format!(
        "SELECT user_id::bigint FROM users WHERE deleted_at IS NULL AND {condition} ORDER BY {order}"
    );
    let statement = sqlx::AssertSqlSafe(statement);
    sqlx::query_scalar(statement).fetch_all(pool).await.unwrap()
}

#[sqlx::test]
async fn the_pages_of_every_order_have_every_user_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_rows(&app.pool, 500).await;
    let name = "canonical_name COLLATE \"C\"";
    for (order, sql) in [
        ("id", "user_id".to_owned()),
        ("id desc", "user_id DESC".to_owned()),
        ("type", "user_type COLLATE \"C\", user_id".to_owned()),
        ("type desc", "user_type COLLATE \"C\" DESC, user_id DESC".to_owned()),
        ("name", name.to_owned()),
        ("name desc", format!("{name} DESC")),
    ] {
        for (filter, condition) in [
            ("", "true"),
            ("&$filter=retired eq false", "NOT is_retired"),
            ("&$filter=type eq 'SystemAssociate'", "user_type = 'system'"),
            (
                "&$filter=type eq 'ResourceAssociate' and retired eq true",
                "user_type = 'resource' AND is_retired",
            ),
        ] {
            let query = format!("?$orderby={order}&$top=37{filter}");
            let expected = ids(&app.pool, condition, &sql).await;
            assert_eq!(all_ids(&app, &query, 37).await, expected, "{query}");
        }
    }
    let prefix = all_ids(&app, "?$filter=startswith(name,'ua')&$top=5", 5).await;
    assert_eq!(prefix, ids(&app.pool, "canonical_name LIKE 'ua%'", name).await);
    // The size of the last page is the size of a page.
    assert_eq!(all_ids(&app, "?$top=503", 503).await.len(), 503);
}

#[sqlx::test]
async fn users_who_come_and_go_between_pages_shift_no_other_user(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_rows(&app.pool, 40).await;
    for order in ["id", "name", "type"] {
        let first = page(&app, &format!("?$orderby={order}&$top=20")).await.json();
        let seen: Vec<_> = first["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["Id"].as_i64().unwrap())
            .collect();
        // The last user of the page is gone, and so is one before.
        let gone: Vec<_> = [seen[19], seen[7]].map(|id| i32::try_from(id).unwrap()).into();
        sqlx::query(DELETE).bind(gone).execute(&app.pool).await.unwrap();
        let link = first["odata.nextLink"].as_str().unwrap();
        let query = &link[link.find('?').unwrap()..];
        let rest = all_ids(&app, query, 20).await;
        assert!(rest.iter().all(|id| !seen.contains(id)), "{order}");
        let left = ids(&app.pool, "true", "user_id").await;
        assert_eq!(rest.len() + seen.len(), left.len() + 2, "{order}");
    }
}

/// The rows of `users` that a plan reads, with those that it discards.
fn rows_read(plan: &Value) -> i64 {
    let number = |name: &str| plan[name].as_f64().unwrap_or_default();
    let discarded = number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
    let is_users = plan["Relation Name"] == "users";
    #[expect(clippy::cast_possible_truncation, reason = "a count")]
    let own = ((number("Actual Rows") + discarded) * number("Actual Loops")).ceil() as i64;
    let inner = plan["Plans"].as_array().into_iter().flatten().map(rows_read).sum::<i64>();
    inner + if is_users { own } else { 0 }
}

#[sqlx::test]
async fn a_page_of_50000_users_reads_at_most_a_page_of_each_type_and_state(pool: PgPool) {
    const TOP: i64 = 100;
    let app = TestApp::spawn(pool).await;
    add_rows(&app.pool, 50_000).await;
    // Deleted users at the beginning of every order cost nothing.
    let deleted: Vec<_> = (100_001..=110_000).collect();
    sqlx::query(DELETE).bind(deleted).execute(&app.pool).await.unwrap();
    sqlx::query("VACUUM ANALYZE users").execute(&app.pool).await.unwrap();
    let by_id = include_str!("../../../src/storage/list_users_by_id.sql");
    let by_id_descending = include_str!("../../../src/storage/list_users_by_id_descending.sql");
    let by_name = include_str!("../../../src/storage/list_users_by_name.sql");
    let by_name_descending = include_str!("../../../src/storage/list_users_by_name_descending.sql");
    let all = "'{internal,resource,external,anonymous,system}'";
    let everything = "'{false,true}'";
    let last_id = "'{2147483647,2147483647,2147483647,2147483647,2147483647}'";
    let all_names = "'', repeat(U&'\\+10FFFF', 240)";
    let statements = [
        (by_id, format!("{all}, '{{0,0,0,0,0}}', {last_id}, {everything}"), ", false", 10),
        (
            by_id,
            format!("{all}, '{{130000,130000,130000,130000,130000}}', {last_id}, {everything}"),
            ", true",
            10,
        ),
        (by_id, "'{system}', '{0}', '{2147483647}', '{true}'".to_owned(), ", false", 1),
        (
            by_id_descending,
            format!("{all}, '{{0,0,0,0,0}}', {last_id}, {everything}"),
            ", false",
            10,
        ),
        (by_name, format!("{all}, {everything}, {all_names}"), "", 10),
        (by_name, "'{internal}', '{false}', 'u5', repeat(U&'\\+10FFFF', 240)".to_owned(), "", 1),
        (
            by_name,
            format!("{all}, {everything}, 'u77', 'u77' || repeat(U&'\\+10FFFF', 240)"),
            "",
            10,
        ),
        (by_name_descending, format!("{all}, {everything}, {all_names}"), "", 10),
    ];
    let mut connection = PgConnection::connect(&app.owner_url()).await.unwrap();
    for mode in ["force_generic_plan", "force_custom_plan"] {
        let set = format!("SET plan_cache_mode = {mode}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&mut connection).await.unwrap();
        for (text, arguments, rest, groups) in &statements {
            let prepare = format!("PREPARE page AS {text}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(prepare)).execute(&mut connection).await.unwrap();
            let explain =
                format!("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE page({arguments}, {TOP}, 0{rest})");
            let row = sqlx::raw_sql(sqlx::AssertSqlSafe(explain.clone()));
            let row = row.fetch_one(&mut connection).await.unwrap();
            let plan: Value = row.get(0);
            let plan = &plan[0]["Plan"];
            let read = rows_read(plan);
            assert!(read <= groups * TOP, "{read} rows by {explain}: {plan:#}");
            let is_listed = read > 0;
            assert!(is_listed, "nothing by {explain}: {plan:#}");
            sqlx::raw_sql("DEALLOCATE page").execute(&mut connection).await.unwrap();
        }
    }
    assert_eq!(all_ids(&app, "?$top=1000", 1000).await.len(), 40_003);
}

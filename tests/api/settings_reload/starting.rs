//! A settings file that changes while the service starts.

use std::fs;

use sqlx::PgPool;
use tokio::task::spawn_blocking;

use crate::support::{DatabaseProxy, Instance, SETTINGS_RELOADED, TestApp, free_address, keeper};

#[sqlx::test]
async fn a_file_that_changes_while_the_service_waits_for_its_database_is_read_again(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let proxy = DatabaseProxy::start(&app.pool).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    fs::write(&file, "log.level = 'info'\n").unwrap();
    let operations = free_address();
    let mut command = keeper(&["serve"]);
    command.envs(app.variables()).env("KEEPER_CONFIG", &file);
    command.env("KEEPER__OPERATIONS__LISTEN", &operations);
    command.env("KEEPER__DATABASE__URL", &proxy.url);
    proxy.hold_reply_to("_sqlx_migrations");
    let starting = spawn_blocking(move || Instance::attach(command, &operations));
    // The service asks its database after it has read the settings.
    proxy.wait_until_held().await;
    fs::write(&file, "maintenance.read_only = true\n").unwrap();
    proxy.release();
    let instance = starting.await.unwrap();
    instance.wait_for_metric(SETTINGS_RELOADED, 1.0).await;
    instance.wait_for_metric("keeper_read_only", 1.0).await;
}

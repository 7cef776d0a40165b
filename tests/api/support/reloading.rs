//! A process of `serve` whose settings file a test changes.

use std::{fs, path::PathBuf};

use rustix::process::Signal;
use sqlx::PgPool;
use tempfile::TempDir;

use super::{Instance, TestApp};

/// Reloads of the settings that succeeded, and that failed.
pub(crate) const SETTINGS_RELOADED: &str =
    r#"keeper_reloads_total{setting="settings",outcome="success"}"#;
pub(crate) const SETTINGS_REFUSED: &str =
    r#"keeper_reloads_total{setting="settings",outcome="failure"}"#;

/// A process of `serve` whose settings file a test changes. The requests of `app` go to it.
pub(crate) struct Reloading {
    pub(crate) app: TestApp,
    pub(crate) instance: Instance,
    pub(crate) file: PathBuf,
    /// The URL of another instance, with the settings of other tests.
    pub(crate) other: String,
    _folder: TempDir,
}

impl Reloading {
    /// Starts `serve` with these settings, of which each is a name and a value in TOML.
    pub(crate) async fn start(pool: PgPool, settings: &[(&str, &str)]) -> Self {
        let mut app = TestApp::spawn(pool).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.toml");
        fs::write(&file, to_toml(settings)).unwrap();
        let variables = [
            ("KEEPER_CONFIG", file.to_str().unwrap()),
            // An empty variable counts as unset, so that the file has an effect.
            ("KEEPER__PASSWORDS__POLICY", ""),
        ];
        let instance = Instance::start(&app, &variables);
        let other = std::mem::replace(&mut app.url, instance.server.ready.clone());
        Self { app, instance, file, other, _folder: folder }
    }

    /// Replaces the settings, reloads them with SIGHUP, and waits until they are in use.
    pub(crate) async fn set(&self, settings: &[(&str, &str)]) {
        let reloads = self.instance.metric(SETTINGS_RELOADED).await.unwrap();
        self.write(&to_toml(settings));
        self.instance.server.signal(Signal::HUP);
        self.instance.wait_for_more(SETTINGS_RELOADED, reloads).await;
    }

    /// Replaces the text of the file, as an editor does.
    pub(crate) fn write(&self, text: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, &self.file).unwrap();
    }
}

/// A settings file.
fn to_toml(settings: &[(&str, &str)]) -> String {
    let mut lines: Vec<_> =
        settings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    // No setting is in the way of another: all names are complete.
    lines.push(String::new());
    lines.join("\n")
}

//! PKCS#11 tokens of SoftHSM.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// The library of Debian's package `softhsm2`, which `script/setup checks` installs.
const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// The PIN of every token.
pub(crate) const PIN: &str = "271828";

/// A folder with tokens. Processes with [`SoftHsm::settings`] see only these tokens.
pub(crate) struct SoftHsm {
    folder: TempDir,
}

impl SoftHsm {
    /// A token `keeper` with an AES key `keyring`.
    pub(crate) fn new() -> Self {
        assert!(Path::new(MODULE).exists(), "SoftHSM not found; run `script/setup checks`");
        let tokens = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(tokens.path("tokens")).unwrap();
        let text = format!("directories.tokendir = {}\n", tokens.path("tokens").display());
        fs::write(tokens.path("softhsm2.conf"), text).unwrap();
        tokens.add_token("keeper");
        tokens.add_key("keyring");
        tokens.write_pin(PIN);
        tokens
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The environment of the service for this token.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let text = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let setting =
            |name: &str, value: String| (format!("KEEPER__KEYRING__PKCS11__{name}"), value);
        vec![
            ("SOFTHSM2_CONF".to_owned(), text("softhsm2.conf")),
            setting("MODULE", MODULE.to_owned()),
            setting("TOKEN", "keeper".to_owned()),
            setting("KEY", "keyring".to_owned()),
            setting("PIN_FILE", text("pin")),
        ]
    }

    /// Adds a token.
    pub(crate) fn add_token(&self, label: &str) {
        let pins = ["--so-pin", "141421", "--pin", PIN];
        self.run(&[&["--init-token", "--free", "--label", label], &pins[..]].concat());
    }

    /// Adds an AES-256 key to the token `keeper`.
    pub(crate) fn add_key(&self, label: &str) {
        // Without a zero byte, at which softhsm2-util would cut the key.
        let key: Vec<u8> = label.bytes().cycle().take(32).collect();
        fs::write(self.path("key"), key).unwrap();
        let file = self.path("key");
        let id = super::hex(label);
        let import = ["--import", file.to_str().unwrap(), "--aes", "--force"];
        let place = ["--token", "keeper", "--pin", PIN, "--label", label, "--id", &id];
        self.run(&[&import[..], &place].concat());
    }

    /// Deletes a token.
    pub(crate) fn delete_token(&self, label: &str) {
        self.run(&["--delete-token", "--token", label]);
    }

    /// Writes the file with the PIN.
    pub(crate) fn write_pin(&self, pin: &str) {
        let _ = fs::remove_file(self.path("pin"));
        fs::write(self.path("pin"), format!("{pin}\n")).unwrap();
        super::restrict(&self.path("pin"));
    }

    fn run(&self, arguments: &[&str]) {
        let mut command = Command::new("softhsm2-util");
        command.args(arguments).env("SOFTHSM2_CONF", self.path("softhsm2.conf"));
        super::run_successfully(&mut command);
    }
}

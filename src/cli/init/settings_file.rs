//! The settings file that `init` writes.

use std::path::Path;

use super::answers::{Answers, Tls};

/// The text of the file. `url` is the database URL without its password.
pub(super) fn settings_text(answers: &Answers, url: &str, password_file: Option<&Path>) -> String {
    let mut lines = vec![
        "# The settings of this installation, written by `credential-keeper init`.".to_owned(),
        "# `credential-keeper config show` prints all settings, also those with their default."
            .into(),
        String::new(),
        "[http]".to_owned(),
        "# Address and port of the API.".to_owned(),
        format!("listen = {}", quoted(&answers.listen.to_string())),
        "# The host names that clients use. Requests for other hosts get 421.".to_owned(),
        format!("allowed_hosts = {}", list(&answers.allowed_hosts())),
    ];
    match &answers.tls {
        Tls::None => lines.push("# Without TLS, `serve` listens on this machine only.".to_owned()),
        Tls::Proxy(proxies) => lines.extend([
            "# These proxies terminate TLS. Requests of other machines get 421.".to_owned(),
            "tls_terminated_by_proxy = true".to_owned(),
            format!("trusted_proxies = {}", list(proxies)),
        ]),
        Tls::Certificate { certificate, key } => lines.extend([
            String::new(),
            "[http.tls]".to_owned(),
            "# The service reads both files again when they change.".to_owned(),
            format!("certificate_file = {}", path(certificate)),
            format!("key_file = {}", path(key)),
        ]),
    }
    lines.extend([String::new(), "[database]".to_owned(), format!("url = {}", quoted(url))]);
    if let Some(file) = password_file {
        lines.push("# The password of the role in the URL.".to_owned());
        lines.push(format!("password_file = {}", path(file)));
    }
    lines.extend([
        String::new(),
        "[keyring]".to_owned(),
        "# Keep a copy apart from the backups of the database. Without it, no stored credential can"
            .to_owned(),
        "# be read.".to_owned(),
        format!("file = {}", path(&answers.keyring)),
    ]);
    lines.join("\n") + "\n"
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

fn list(texts: &[impl AsRef<str>]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}

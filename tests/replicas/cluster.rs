//! Three instances behind HAProxy, with the configuration of `deploy/haproxy.cfg`.

use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::{Client, redirect::Policy};
use rustix::process::Signal;

use crate::{ports::free_address, server::Server, service::Installation, tls::ServerCertificate};

/// How long a test waits for something that takes a few seconds: longer than on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The number of instances.
pub(crate) const INSTANCES: usize = 3;

/// An instance and its addresses, which it has again after a restart.
pub(crate) struct Instance {
    server: Option<Server>,
    address: String,
    operations: String,
}

impl Instance {
    /// The URL of the instance itself, past the proxy.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn operations_port(&self) -> &str {
        self.operations.rsplit_once(':').unwrap().1
    }
}

/// The installation, its instances and the proxy. The proxy stops first.
pub(crate) struct Cluster {
    proxy: Proxy,
    pub(crate) instances: Vec<Instance>,
    pub(crate) installation: Installation,
    settings: Vec<(&'static str, String)>,
    certificate: ServerCertificate,
    _folder: tempfile::TempDir,
}

impl Cluster {
    /// Starts the instances with the program of the installation and these settings.
    pub(crate) fn start(installation: Installation, settings: &[(&'static str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate = ServerCertificate::create(folder.path());
        let mut all = vec![
            ("KEEPER__HTTP__TLS_TERMINATED_BY_PROXY", "true".to_owned()),
            ("KEEPER__HTTP__TRUSTED_PROXIES", "127.0.0.1".to_owned()),
            // The default, instead of that of the load generator.
            ("KEEPER__SHUTDOWN__GRACE_SECONDS", "5".to_owned()),
        ];
        all.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let instances: Vec<_> = (0..INSTANCES)
            .map(|_| Instance { server: None, address: free_address(), operations: free_address() })
            .collect();
        let proxy = Proxy::start(folder.path(), &certificate, &instances);
        let mut cluster =
            Self { proxy, instances, installation, settings: all, certificate, _folder: folder };
        for index in 0..INSTANCES {
            cluster.begin(index);
        }
        cluster
    }

    /// The URL of the proxy.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.proxy.address.rsplit_once(':').unwrap().1)
    }

    /// The certificate of the proxy, in PEM.
    pub(crate) fn trusted(&self) -> Vec<u8> {
        fs::read(&self.certificate.certificate).unwrap()
    }

    /// Stops an instance as a supervisor does, and starts it again with the program of the
    /// installation, when HAProxy has noticed that it is back.
    pub(crate) async fn restart(&mut self, index: usize) {
        self.end(index);
        tokio::task::block_in_place(|| self.begin(index));
        self.wait_until_used(index).await;
    }

    /// Sends SIGTERM, and waits until the process has ended.
    fn end(&mut self, index: usize) {
        let server = self.instances[index].server.take().unwrap();
        server.signal(Signal::TERM);
        let (ended_well, log) = tokio::task::block_in_place(|| server.wait());
        assert!(ended_well && !log.contains("panicked"), "{log}");
    }

    fn begin(&mut self, index: usize) {
        let instance = &mut self.instances[index];
        let mut command = self.installation.keeper(&["serve"]);
        command
            .envs(self.settings.iter().map(|(name, value)| (*name, value)))
            .env("KEEPER__HTTP__LISTEN", &instance.address)
            .env("KEEPER__OPERATIONS__LISTEN", &instance.operations);
        let server = Server::start(command);
        instance.server = Some(server.unwrap_or_else(|log| panic!("it does not start: {log}")));
    }

    /// Waits until HAProxy sends requests to all instances.
    pub(crate) async fn wait_until_all_are_used(&self) {
        for index in 0..INSTANCES {
            self.wait_until_used(index).await;
        }
    }

    /// Waits until the proxy says that an instance is up, by its statistics.
    async fn wait_until_used(&self, index: usize) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.proxy.is_up(index).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("HAProxy does not use instance {index}: {}", self.proxy.log());
    }

    /// Stops everything, and asserts that every instance ends without an error.
    pub(crate) fn stop(mut self) {
        for instance in &mut self.instances {
            instance.server.as_ref().unwrap().signal(Signal::TERM);
        }
        for index in 0..INSTANCES {
            self.end(index);
        }
    }
}

/// A HAProxy of its own.
struct Proxy {
    child: Child,
    address: String,
    socket: std::path::PathBuf,
    log: std::path::PathBuf,
}

impl Proxy {
    fn start(folder: &Path, certificate: &ServerCertificate, instances: &[Instance]) -> Self {
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        let pem = folder.join("keeper.pem");
        fs::write(&pem, read(&certificate.certificate) + &read(&certificate.key)).unwrap();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/haproxy.cfg");
        let (socket, log) = (folder.join("haproxy.sock"), folder.join("haproxy.log"));
        // The statistics of the proxy, which the shipped file leaves to the operator.
        let extra = folder.join("statistics.cfg");
        let level = format!("global\n    stats socket {} level user\n", socket.display());
        fs::write(&extra, level).unwrap();
        let output = fs::File::create(&log).unwrap();
        let address = free_address();
        let mut command = Command::new(program());
        command
            .arg("-db")
            .arg("-f")
            .arg(file)
            .arg("-f")
            .arg(extra)
            .env("KEEPER_BIND", &address)
            .env("KEEPER_CERTIFICATE", pem)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        for (number, instance) in (1..).zip(instances) {
            command
                .env(format!("KEEPER_{number}"), &instance.address)
                .env(format!("KEEPER_{number}_OPERATIONS"), instance.operations_port());
        }
        let child = command.spawn().unwrap();
        let proxy = Self { child, address, socket, log };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(&proxy.address).is_err() {
            assert!(Instant::now() < deadline, "HAProxy does not listen: {}", proxy.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        proxy
    }

    /// True when the proxy sends requests to an instance.
    async fn is_up(&self, index: usize) -> bool {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::UnixStream::connect(&self.socket).await.unwrap();
        stream.write_all(b"show stat\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let name = format!("keeper,keeper{},", index + 1);
        let line = text.lines().find(|line| line.starts_with(&name)).unwrap();
        line.split(',').nth(17) == Some("UP")
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// HAProxy, which Debian installs into a folder that is not on the path of every user.
fn program() -> &'static str {
    let installed = "/usr/sbin/haproxy";
    if Path::new(installed).exists() { installed } else { "haproxy" }
}

/// A client of the instances themselves, as the proxy is: the headers of a proxy are trusted.
pub(crate) fn direct_client() -> Client {
    let headers = [("x-forwarded-proto", "https")];
    let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .default_headers(headers.into_iter().collect())
        // Shorter than `http.idle_timeout_seconds`.
        .pool_idle_timeout(Duration::from_secs(2))
        .build()
        .unwrap()
}

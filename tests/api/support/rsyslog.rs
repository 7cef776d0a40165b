//! A real rsyslog that receives messages over TLS and writes them to a file.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{TestAuthority, free_port, replace, wait_until_listening};

/// A running rsyslog. It ends with this value.
pub(crate) struct Rsyslog {
    pub(crate) authority: TestAuthority,
    pub(crate) port: u16,
    folder: TempDir,
    process: Option<Child>,
}

impl Rsyslog {
    /// Starts a server for `localhost` that requires certificates of clients, or none.
    pub(crate) fn start(requires_clients: bool) -> Self {
        let authority = TestAuthority::new();
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self { authority, port: free_port(), folder, process: None };
        replace(&server.path("ca.crt"), &server.authority.certificate(), 0o444);
        for name in ["server", "client"] {
            let names: &[&str] = if name == "server" { &["localhost"] } else { &["keeper"] };
            server.authority.issue(names).write(server.folder.path(), name);
        }
        let mode = if requires_clients { "x509/certvalid" } else { "anon" };
        let path = |name: &str| server.path(name).to_str().unwrap().to_owned();
        let configuration = format!(
            "global(workDirectory=\"{work}\" maxMessageSize=\"16k\" defaultNetstreamDriver=\"gtls\"
                    defaultNetstreamDriverCAFile=\"{ca}\"
                    defaultNetstreamDriverCertFile=\"{certificate}\"
                    defaultNetstreamDriverKeyFile=\"{key}\")
             module(load=\"imtcp\" streamDriver.name=\"gtls\" streamDriver.mode=\"1\"
                    streamDriver.authMode=\"{mode}\")
             template(name=\"whole\" type=\"string\" string=\"%rawmsg%\\n\")
             ruleset(name=\"store\") {{ action(type=\"omfile\" file=\"{messages}\" template=\"whole\") }}
             input(type=\"imtcp\" port=\"{port}\" address=\"127.0.0.1\" ruleset=\"store\")\n",
            work = server.folder.path().display(),
            ca = path("ca.crt"),
            certificate = path("server.crt"),
            key = path("server.key"),
            messages = path("messages"),
            port = server.port,
        );
        fs::write(server.path("rsyslog.conf"), configuration).unwrap();
        server.restart();
        server
    }

    /// A file of the server.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The lines that the server has written.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("messages")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Stops the server, which writes what it has received.
    pub(crate) fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let pid = rustix::process::Pid::from_child(&process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        process.wait().unwrap();
    }

    /// Starts the server again.
    pub(crate) fn restart(&mut self) {
        let mut process = Command::new("/usr/sbin/rsyslogd")
            .args(["-n", "-f"])
            .arg(self.path("rsyslog.conf"))
            .arg("-i")
            .arg(self.path("pid"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until_listening("rsyslog", &mut process, &[self.port]);
        self.process = Some(process);
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

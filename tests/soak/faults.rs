//! The faults of a run: one round of them in each block of the trend.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use sqlx::PgConnection;
use tokio::time::{sleep_until, timeout};

use crate::{server::Server, service::Installation, tls::ServerCertificate};

/// For how long the database refuses to write.
const READ_ONLY: Duration = Duration::from_secs(3);

/// The parts of a round after which the faults come.
const MOMENTS: [(f64, Fault); 5] = [
    (0.15, Fault::Reload),
    (0.30, Fault::Certificate),
    (0.45, Fault::Backends),
    (0.60, Fault::ReadOnly),
    (0.80, Fault::Restart),
];

/// A fault.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// SIGHUP to the measured instance.
    Reload,
    /// Another certificate in the files of both instances.
    Certificate,
    /// PostgreSQL ends every connection of the service.
    Backends,
    /// PostgreSQL refuses to write, as a standby does.
    ReadOnly,
    /// The other instance stops and starts again.
    Restart,
}

/// The instances and what is needed to disturb them.
pub(crate) struct Faults {
    pub(crate) installation: Installation,
    pub(crate) measured: Server,
    /// `None` while it restarts.
    pub(crate) other: Option<Server>,
    pub(crate) database: PgConnection,
    pub(crate) certificates: Certificates,
    /// The settings of the other instance.
    pub(crate) settings: Vec<(&'static str, String)>,
}

/// Two certificates, which take turns in the files that the instances read.
pub(crate) struct Certificates {
    folder: tempfile::TempDir,
    sources: [ServerCertificate; 2],
    turn: usize,
}

impl Certificates {
    pub(crate) fn create() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let create = |name: &str| {
            let folder = folder.path().join(name);
            fs::create_dir(&folder).expect("a folder");
            ServerCertificate::create(&folder)
        };
        let sources = [create("first"), create("second")];
        let mut certificates = Self { folder, sources, turn: 0 };
        certificates.replace();
        certificates
    }

    /// The files that the instances read: the certificate and its key.
    pub(crate) fn files(&self) -> [PathBuf; 2] {
        ["live.crt", "live.key"].map(|name| self.folder.path().join(name))
    }

    /// Both certificates in PEM.
    pub(crate) fn trusted(&self) -> Vec<Vec<u8>> {
        self.sources.iter().map(|source| fs::read(&source.certificate).expect("PEM")).collect()
    }

    /// Puts the other certificate into the files, each as a whole, as a renewal does.
    fn replace(&mut self) {
        self.turn = 1 - self.turn;
        let source = &self.sources[self.turn];
        let [certificate, key] = self.files();
        copy(&source.certificate, &certificate, 0o444);
        copy(&source.key, &key, 0o400);
    }
}

fn copy(from: &Path, to: &Path, mode: u32) {
    let temporary = to.with_extension("temporary");
    fs::write(&temporary, fs::read(from).expect("a file")).expect("written");
    fs::set_permissions(&temporary, PermissionsExt::from_mode(mode)).expect("a mode");
    fs::rename(&temporary, to).expect("renamed");
}

impl Faults {
    /// Runs rounds of faults until the given time.
    pub(crate) async fn run(&mut self, start: Instant, round: Duration, until: Instant) {
        let mut begin = start;
        loop {
            for (part, fault) in MOMENTS {
                let at = begin + round.mul_f64(part);
                // The last fault must be over at the end of the run.
                if at + round.mul_f64(0.1) > until {
                    return;
                }
                sleep_until(at.into()).await;
                self.inject(fault).await;
            }
            begin += round;
        }
    }

    async fn inject(&mut self, fault: Fault) {
        match fault {
            Fault::Reload => self.measured.signal(Signal::HUP),
            Fault::Certificate => self.certificates.replace(),
            Fault::Backends => {
                let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                           WHERE application_name = 'credential-keeper'";
                self.execute(end).await;
            }
            Fault::ReadOnly => {
                self.execute("ALTER SYSTEM SET default_transaction_read_only = on").await;
                self.execute("SELECT pg_reload_conf()").await;
                tokio::time::sleep(READ_ONLY).await;
                // This connection is read-only, too, but settings of the system are no data.
                self.execute("ALTER SYSTEM RESET default_transaction_read_only").await;
                self.execute("SELECT pg_reload_conf()").await;
            }
            Fault::Restart => tokio::task::block_in_place(|| self.restart()),
        }
    }

    async fn execute(&mut self, statement: &'static str) {
        let done = sqlx::raw_sql(statement).execute(&mut self.database);
        let done = timeout(Duration::from_secs(60), done).await.expect("in time");
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    fn restart(&mut self) {
        let other = self.other.take().expect("the other instance");
        other.signal(Signal::TERM);
        let (ended_well, log) = other.wait();
        assert!(ended_well && !log.contains("panicked"), "{log}");
        self.other = Some(start(self.command()));
    }

    fn command(&self) -> Command {
        let mut command = self.installation.keeper(&["serve"]);
        command.envs(self.settings.iter().map(|(name, value)| (*name, value)));
        command
    }
}

/// Starts an instance.
pub(crate) fn start(command: Command) -> Server {
    Server::start(command).unwrap_or_else(|log| panic!("an instance does not start: {log}"))
}

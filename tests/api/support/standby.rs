//! A standby of a private PostgreSQL server, by streaming replication.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use super::{PrivateServer, run_successfully};

/// A running standby; it stops with the test.
pub(crate) struct Standby {
    programs: PathBuf,
    account: (u32, u32),
    /// Its data directory and its socket.
    folder: tempfile::TempDir,
    pub(crate) options: PgConnectOptions,
}

impl Standby {
    /// Copies the server and follows it.
    pub(crate) async fn follow(primary: &PrivateServer) -> Self {
        let mut connection = PgConnection::connect_with(&primary.options).await.unwrap();
        let (programs, data): (String, String) = sqlx::query_as(
            "SELECT (SELECT setting FROM pg_config WHERE name = 'BINDIR'),
                    current_setting('data_directory')",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        let owner = fs::metadata(data).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let account = (owner.uid(), owner.gid());
        chown(folder.path(), Some(account.0), Some(account.1)).unwrap();
        let options = primary.options.clone().socket(folder.path());
        let standby = Self { programs: programs.into(), account, folder, options };
        let mut copy = standby.program("pg_basebackup");
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--username=keeper"])
            .arg("--host")
            .arg(primary.options.get_socket().unwrap())
            .arg("--pgdata")
            .arg(standby.data());
        run_successfully(&mut copy);
        let socket = standby.folder.path().display();
        let mut start = standby.control("start");
        start
            .arg(format!("--log={}", standby.folder.path().join("log").display()))
            .arg("--options")
            .arg(format!("-c unix_socket_directories={socket} -c listen_addresses="))
            // The server would keep the pipes open.
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        assert!(start.status().unwrap().success());
        standby
    }

    /// Makes it the primary server, and waits until it is.
    pub(crate) fn promote(&self) {
        run_successfully(&mut self.control("promote"));
    }

    /// The folder of the socket.
    pub(crate) fn socket(&self) -> &Path {
        self.folder.path()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir("/").uid(self.account.0).gid(self.account.1);
        command
    }

    fn control(&self, action: &str) -> Command {
        let mut command = self.program("pg_ctl");
        command.args([action, "--wait", "--pgdata"]).arg(self.data());
        command
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        let mut stop = self.control("stop");
        let _ = stop.arg("--mode=immediate").stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

//! The programs that the service is compared with.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::{keeper::Database, ports::free_address};

/// The time for the start of a server, and for its end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program below `benches/peers`, with the arguments of its framework's documentation for production
/// on two processors.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// Its folder.
    folder: &'static str,
    /// The commands that create the tables and the users; callers, targets and password follow the
    /// last one.
    prepare: &'static [&'static [&'static str]],
    /// The command that serves; `HOST`, `PORT` and `ADDRESS` stand for those values.
    serve: &'static [&'static str],
}

pub(crate) const PROGRAMS: [Program; 3] = [
    Program {
        name: "FastAPI",
        folder: "fastapi",
        prepare: &[&[".venv/bin/python", "prepare.py"]],
        serve: &[
            ".venv/bin/uvicorn",
            "main:app",
            "--host",
            "HOST",
            "--port",
            "PORT",
            "--workers",
            "2",
            "--no-access-log",
            "--log-level",
            "warning",
            "--timeout-keep-alive",
            "75",
        ],
    },
    Program {
        name: "Fastify",
        folder: "fastify",
        prepare: &[&["node", "prepare.js"]],
        serve: &["node", "server.js"],
    },
    Program {
        name: "Django",
        folder: "django",
        prepare: &[
            &[".venv/bin/python", "manage.py", "migrate", "--verbosity", "0"],
            &[".venv/bin/python", "manage.py", "prepare"],
        ],
        serve: &[
            ".venv/bin/gunicorn",
            "peer.wsgi",
            "--bind",
            "ADDRESS",
            "--workers",
            "2",
            "--threads",
            "4",
            "--keep-alive",
            "75",
            "--log-level",
            "warning",
        ],
    },
];

/// A running peer. Dropping it stops all its processes.
pub(crate) struct Peer {
    child: Child,
    log: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Program {
    /// Fills a database of its own and starts the program.
    pub(crate) fn start(&self, database: &Database, callers: usize, password: &str) -> Peer {
        let name = format!("peer_{}", self.folder);
        database.create(&name);
        let counts = [callers.to_string(), crate::servers::TARGETS.to_string()];
        let (last, first) = self.prepare.split_last().expect("a command");
        for command in first {
            self.run(self.command(command, database, &name));
        }
        let mut command = self.command(last, database, &name);
        command.args(&counts).arg(password);
        self.run(command);

        let address: SocketAddr = free_address().parse().expect("an address");
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let arguments: Vec<_> = self
            .serve
            .iter()
            .map(|argument| match *argument {
                "HOST" => host.clone(),
                "PORT" => port.clone(),
                "ADDRESS" => address.to_string(),
                other => other.to_owned(),
            })
            .collect();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let log = database.folder().join(format!("{name}.log"));
        let output = File::create(&log).expect("a log");
        let mut command = self.command(&arguments, database, &name);
        command
            .env("PORT", &port)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a descriptor"))
            .stderr(output)
            // A group of its own, so that no process of it stays.
            .process_group(0);
        let child = command.spawn().expect("a process");
        let mut peer = Peer { child, log, address };
        peer.wait_until_ready(self.name);
        peer
    }

    fn command(&self, arguments: &[&str], database: &Database, name: &str) -> Command {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(self.folder);
        let (program, arguments) = arguments.split_first().expect("a program");
        // A relative path would begin at the folder of this process.
        let program =
            if program.contains('/') { folder.join(program) } else { PathBuf::from(program) };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(folder)
            .env("TOKEN_SECRET", "a secret of this measurement, which has enough bytes for HS256")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("NODE_ENV", "production");
        database.set_environment(&mut command, name);
        command
    }

    fn run(&self, mut command: Command) {
        let output = command.stdin(Stdio::null()).output();
        let output = output.unwrap_or_else(|error| {
            panic!(
                "{} does not start: {error}; run `script/bench peers`, which installs it",
                self.name
            )
        });
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {}: {error}", self.name, output.status);
    }
}

impl Peer {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_ready(&mut self, name: &str) {
        let start = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            let has_ended = self.child.try_wait().expect("a status").is_some();
            if has_ended || start.elapsed() > PATIENCE {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                panic!("{name} did not start; its log: {log}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        // The other worker of two needs as long.
        std::thread::sleep(2 * start.elapsed().min(Duration::from_secs(5)));
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let leader = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let leader = leader.expect("a process id");
        let _ = kill_process(leader, Signal::TERM);
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < Duration::from_secs(5)
        {
            std::thread::sleep(Duration::from_millis(50));
        }
        // Workers that wait for their last answers.
        let _ = kill_process_group(leader, Signal::KILL);
        let _ = self.child.wait();
    }
}

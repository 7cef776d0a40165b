//! Machines in a network: a network namespace for each, connected by a bridge.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

/// The address of this process, where the service, its clients and HAProxy are.
const OWN: &str = "10.0.0.1";

/// The network of a test. The process must be in an empty network namespace.
pub(crate) struct Network;

impl Network {
    /// Creates the bridge.
    pub(crate) fn create() -> Self {
        let interfaces = std::fs::read_to_string("/proc/self/net/dev").unwrap();
        assert_eq!(
            interfaces.lines().count(),
            3,
            "the tests need an empty network namespace; run script/failover"
        );
        ip("link set lo up");
        // A bridge takes the address of a port otherwise, and changes it when that port is cut off.
        ip("link add bridge address 02:00:00:00:00:01 type bridge");
        ip(&format!("address add {OWN}/24 dev bridge"));
        ip("link set bridge up");
        Self
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        ip("link delete bridge");
    }
}

/// A machine of the network.
pub(crate) struct Machine {
    pub(crate) name: &'static str,
    pub(crate) address: &'static str,
    /// Keeps the namespace.
    holder: Child,
}

impl Machine {
    pub(crate) fn start(name: &'static str, address: &'static str) -> Self {
        let mut holder = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo ready; exec sleep infinity"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare of util-linux");
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let machine = Self { name, address, holder };
        ip(&format!("link add to-{name} type veth peer name eth0 netns {}", machine.holder.id()));
        ip(&format!("link set to-{name} master bridge up"));
        machine.ip("link set lo up");
        machine.ip(&format!("address add {address}/24 dev eth0"));
        machine.ip("link set eth0 up");
        machine
    }

    /// A command on this machine, as root.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--net").arg(format!("--target={}", self.holder.id()));
        command.arg("--").arg(program.as_ref());
        command
    }

    /// Cuts the machine off the network. Its interface stays up, and every packet is lost, as when
    /// a switch fails.
    pub(crate) fn cut(&self) {
        ip(&format!("link set to-{} nomaster", self.name));
    }

    /// Ends [`Self::cut`].
    pub(crate) fn reconnect(&self) {
        ip(&format!("link set to-{} master bridge", self.name));
    }

    /// Drops what this machine sends to another one.
    pub(crate) fn drop_packets_to(&self, other: &Self) {
        self.ip(&format!("route add blackhole {}", other.address));
    }

    /// Ends [`Self::drop_packets_to`].
    pub(crate) fn send_packets_to(&self, other: &Self) {
        self.ip(&format!("route delete blackhole {}", other.address));
    }

    fn ip(&self, arguments: &str) {
        let mut command = self.command("ip");
        run(command.args(arguments.split(' ')));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The namespace may end later, and its interface with it.
        ip(&format!("link delete to-{}", self.name));
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn ip(arguments: &str) {
    run(Command::new("ip").args(arguments.split(' ')));
}

/// Runs a command and asserts that it succeeds; returns what it prints.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("a command");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

//! Ports for programs that must be told which port to listen on.
//!
//! A port that the kernel chose for a socket may be given to another socket as soon as the first
//! one closes: before the program listens, a client connection or another test can have it. Ports
//! come from below the range of the kernel instead, and stay reserved until the process ends.

use std::{
    env,
    fs::{self, File, Permissions},
    io::ErrorKind,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    process::{self, Child},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// The ports that tests may use. Registered services seldom use them, and the kernel assigns them
/// to no socket (`net.ipv4.ip_local_port_range` starts at 32,768 by default).
const FIRST: u16 = 20_000;
const NUMBER: u16 = 12_000;

/// The locks of the ports that this process reserved. The kernel releases them when it ends.
static RESERVED: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// Reserves a port of the loopback interface for this process.
pub(crate) fn free_port() -> u16 {
    let folder = env::temp_dir().join("credential-keeper-ports");
    fs::create_dir_all(&folder).unwrap();
    // Tests of other users of this machine reserve ports, too; only the owner can set this.
    let _ = fs::set_permissions(&folder, Permissions::from_mode(0o1777));
    let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
    // Processes that start at the same time begin at different places.
    let start = process::id().wrapping_mul(7);
    for step in 0..u32::from(NUMBER) {
        let port = FIRST + u16::try_from(start.wrapping_add(step) % u32::from(NUMBER)).unwrap();
        let lock = match File::create(folder.join(port.to_string())) {
            Ok(lock) => lock,
            // A file of another user.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => continue,
            Err(error) => panic!("cannot reserve a port: {error}"),
        };
        if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            reserved.push(lock);
            return port;
        }
    }
    panic!("every port from {FIRST} on is in use");
}

/// A loopback address with a port that is reserved for this process.
pub(crate) fn free_address() -> String {
    format!("127.0.0.1:{}", free_port())
}

/// Waits until a program listens on these ports.
pub(crate) fn wait_until_listening(name: &str, program: &mut Child, ports: &[u16]) {
    let end = Instant::now() + Duration::from_secs(60);
    for port in ports {
        while TcpStream::connect(("127.0.0.1", *port)).is_err() {
            let status = program.try_wait().unwrap();
            assert!(
                status.is_none(),
                "{name} stopped before it listened on port {port}: {status:?}"
            );
            assert!(Instant::now() < end, "timed out waiting for {name} on port {port}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

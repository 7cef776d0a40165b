//! What packages need of the binary: manual pages, a check of the migrations, and the sockets of a
//! systemd socket unit.

use std::{fs, net::TcpListener, os::fd::AsRawFd, path::Path, process::Command, time::Duration};

use rustix::process::Signal;
use sqlx::{ConnectOptions, PgPool};

use crate::support::{PRINCIPAL, Server, TestApp, keeper, run_with_input};

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let write = |folder: &Path| run_with_input(keeper(&["manual", folder.to_str().unwrap()]), "");
    write(folder.path()).assert_success();
    let page = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let main = page("credential-keeper.1");
    for part in ["KEEPER_CONFIG", "EXIT STATUS", "credential\\-keeper\\-serve(1)"] {
        assert!(main.contains(part), "{part}: {main}");
    }
    for (command, part) in [
        ("serve", "Run the service"),
        ("user-add", "administrator"),
        ("init", "first administrator"),
        ("calibrate", "target"),
        ("config-show", "origin"),
    ] {
        let page = page(&format!("credential-keeper-{command}.1"));
        assert!(page.contains(part) && page.contains("SEE ALSO"), "{command}: {page}");
    }
    for hidden in ["manual", "reference", "help"] {
        assert!(!folder.path().join(format!("credential-keeper-{hidden}.1")).exists(), "{hidden}");
    }
    write(&folder.path().join("missing")).assert_error("cannot write");
}

#[sqlx::test(migrations = false)]
async fn migrate_check_changes_nothing_and_fails_while_migrations_are_pending(pool: PgPool) {
    let url = pool.connect_options().to_url_lossy();
    let run = |arguments: &[&str]| {
        let mut command = keeper(arguments);
        command.env("KEEPER__DATABASE__URL", url.as_str());
        run_with_input(command, "")
    };
    for _ in 0..2 {
        run(&["migrate", "--check"]).assert_error("database migrations are pending");
    }
    run(&["migrate"]).assert_success();
    run(&["migrate", "--check"]).assert_success();
}

/// Starts `serve` as a socket unit does: with open sockets as file descriptors 3 and up.
fn serve_on(
    app: &TestApp,
    sockets: &[&TcpListener],
    variables: &[(&str, &str)],
) -> Result<Server, String> {
    let script = "
import os, sys
descriptors = [int(number) for number in sys.argv[2].split()]
copies = [os.dup(number) for number in descriptors]
for place, copy in enumerate(copies, start=3):
    os.dup2(copy, place)
    os.set_inheritable(place, True)
os.environ['LISTEN_FDS'] = str(len(copies))
os.environ['LISTEN_PID'] = str(os.getpid())
os.execv(sys.argv[1], [sys.argv[1], 'serve'])
";
    let numbers: Vec<_> = sockets
        .iter()
        .map(|socket| {
            rustix::io::fcntl_setfd(socket, rustix::io::FdFlags::empty()).unwrap();
            socket.as_raw_fd().to_string()
        })
        .collect();
    let mut command = Command::new("python3");
    let service = keeper(&[]);
    command.arg("-c").arg(script).arg(service.get_program()).arg(numbers.join(" "));
    command.env("KEEPER__LOG__FORMAT", "json");
    command.envs(app.variables()).envs(variables.iter().copied());
    Server::start(command)
}

#[sqlx::test]
async fn connections_wait_in_the_socket_of_systemd_while_the_service_restarts(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    let api = TcpListener::bind("127.0.0.1:0").unwrap();
    let operations = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = |socket: &TcpListener| socket.local_addr().unwrap().to_string();
    let (listen, operations_listen) = (address(&api), address(&operations));
    let variables = [
        ("KEEPER__HTTP__LISTEN", listen.as_str()),
        ("KEEPER__OPERATIONS__LISTEN", operations_listen.as_str()),
    ];
    // The order of the sockets does not matter.
    let start = || serve_on(&app, &[&operations, &api], &variables);
    let server = start().unwrap();
    assert_eq!(server.ready, format!("http://{listen}"));
    let health = format!("http://{operations_listen}/health/ready");
    assert_eq!(app.client.get(health).send().await.unwrap().status(), 200);
    server.signal(Signal::TERM);
    assert!(server.wait().0);
    let waiting = tokio::spawn(app.client.get(format!("http://{listen}{PRINCIPAL}")).send());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "the connection was refused");
    let server = start().unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 401);
    drop(server);
}

#[sqlx::test]
async fn a_socket_that_no_setting_names_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let message = serve_on(&app, &[&socket], &[]).err().unwrap();
    let address = socket.local_addr().unwrap().to_string();
    assert!(message.contains("ListenStream=") && message.contains(&address), "{message}");
}

#[sqlx::test]
async fn a_descriptor_that_is_not_a_tcp_socket_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    let mut command = Command::new("bash");
    let service = keeper(&[]);
    let script = "exec 3</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" serve";
    command.args(["-c", script]).arg(service.get_program()).envs(app.variables());
    let message = Server::start(command).err().unwrap();
    assert!(message.contains("unusable socket"), "{message}");
}

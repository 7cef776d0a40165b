//! The faults: how each is injected and ended, and what the service says meanwhile.

use std::time::Duration;

use rustix::process::Signal;
use sqlx::PgConnection;

use crate::{
    bed::Bed,
    postgres::{MAXIMUM_CONNECTIONS, Postgres, SERVICE_PASSWORD, execute},
    proxy::Wire,
    random::Random,
};

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    ServiceKill,
    PostmasterKill,
    BackendKill,
    KillAtAnswer,
    CrashAtAnswer,
    ImmediateShutdown,
    FullDisk,
    ReadOnlyDisk,
    Latency,
    Loss,
    Cut,
    Reset,
    HalfOpen,
    Silence,
    ExhaustedPool,
    TooManyConnections,
    RoleLimit,
    ReadOnlyServer,
    Recovery,
    RefusedPassword,
}

/// How a fault is shown.
pub(crate) struct Description {
    /// The argument of `script/faults`.
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
    /// What readiness says during the fault, if it must say something.
    pub(crate) reason: Option<&'static str>,
}

impl Fault {
    pub(crate) const ALL: [Self; 21] = [
        Self::Nothing,
        Self::ServiceKill,
        Self::PostmasterKill,
        Self::BackendKill,
        Self::KillAtAnswer,
        Self::CrashAtAnswer,
        Self::ImmediateShutdown,
        Self::FullDisk,
        Self::ReadOnlyDisk,
        Self::Latency,
        Self::Loss,
        Self::Cut,
        Self::Reset,
        Self::HalfOpen,
        Self::Silence,
        Self::ExhaustedPool,
        Self::TooManyConnections,
        Self::RoleLimit,
        Self::ReadOnlyServer,
        Self::Recovery,
        Self::RefusedPassword,
    ];

    pub(crate) fn description(self) -> Description {
        let (name, text, reason) = match self {
            Self::Nothing => ("nothing", "no fault", None),
            Self::ServiceKill => ("service-kill", "`kill -9` of an instance", None),
            Self::PostmasterKill => ("postmaster-kill", "`kill -9` of the postmaster", None),
            Self::BackendKill => ("backend-kill", "`kill -9` of a server process", None),
            Self::KillAtAnswer => {
                ("kill-at-answer", "`kill -9` of an instance at its answer to a save", None)
            }
            Self::CrashAtAnswer => {
                ("crash-at-answer", "`kill -9` of all of PostgreSQL at the answer to a save", None)
            }
            Self::ImmediateShutdown => {
                ("immediate-shutdown", "immediate shutdown of PostgreSQL", None)
            }
            Self::FullDisk => ("full-disk", "full disk of PostgreSQL", None),
            Self::ReadOnlyDisk => {
                ("read-only-disk", "file system turned read-only by an error", None)
            }
            Self::Latency => ("latency", "up to 200 ms in each direction", None),
            Self::Loss => ("loss", "one packet in ten is lost", None),
            Self::Cut => ("cut", "every packet to the database is lost", None),
            Self::Reset => ("reset", "every connection reset", None),
            Self::HalfOpen => ("half-open", "open connections swallow packets", None),
            Self::Silence => ("silence", "every connection swallows packets", None),
            Self::ExhaustedPool => ("exhausted-pool", "every connection waits for a lock", None),
            Self::TooManyConnections => (
                "too-many-connections",
                "`max_connections` taken by others",
                Some("the database server has too many connections"),
            ),
            Self::RoleLimit => ("role-limit", "`CONNECTION LIMIT 3` for the role", None),
            Self::ReadOnlyServer => {
                ("read-only-server", "read-only server", Some("the database server is read-only"))
            }
            Self::Recovery => {
                ("recovery", "server in recovery", Some("the database server is read-only"))
            }
            Self::RefusedPassword => (
                "refused-password",
                "password of the role changed",
                Some("the database server refused the role or its password"),
            ),
        };
        Description { name, text, reason }
    }

    /// The time that a recovery from this fault may take beyond that of others.
    pub(crate) fn allowance(self) -> Duration {
        if matches!(self, Self::ServiceKill | Self::KillAtAnswer) {
            // A process starts.
            Duration::from_secs(3)
        } else if self == Self::HalfOpen {
            // The save waits for a second until its connection is asked about, and runs again.
            Duration::from_secs(2)
        } else {
            Duration::ZERO
        }
    }

    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.description().name == name)
    }

    /// Why this system does not permit the fault.
    pub(crate) fn refusal(self, bed: &Bed) -> Option<&str> {
        let needs_disk = matches!(self, Self::FullDisk | Self::ReadOnlyDisk);
        bed.postgres.disk.refusal().filter(|_| needs_disk)
    }

    /// Injects the fault once and ends it. Between both, `bed.hold` watches readiness.
    pub(crate) async fn inject(self, bed: &mut Bed, random: &mut Random) {
        match self {
            Self::Nothing => tokio::time::sleep(Duration::from_secs(1)).await,
            Self::ServiceKill => {
                let number = usize::try_from(random.below(3)).expect("a number");
                bed.kill_instance(number);
            }
            Self::PostmasterKill => {
                bed.postgres.kill().await;
                bed.postgres.start().await;
            }
            Self::BackendKill => {
                bed.postgres.kill_backend().await;
                bed.postgres.start().await;
            }
            Self::KillAtAnswer => {
                let instance = bed.load.next_acknowledged().await;
                bed.kill_instance(instance);
            }
            Self::CrashAtAnswer => {
                // Whatever is sent after the answer arrives too late.
                bed.proxy.set(Wire::Latency(LATENCY));
                bed.load.next_acknowledged().await;
                bed.postgres.kill_all().await;
                bed.proxy.heal();
                bed.postgres.start().await;
            }
            Self::ImmediateShutdown => {
                bed.postgres.stop(Signal::QUIT);
                bed.postgres.start().await;
            }
            Self::FullDisk | Self::ReadOnlyDisk => self.inject_on_disk(bed, random).await,
            Self::Latency
            | Self::Loss
            | Self::Cut
            | Self::HalfOpen
            | Self::Silence
            | Self::Reset => {
                self.inject_on_wire(bed, random).await;
            }
            Self::ExhaustedPool | Self::TooManyConnections | Self::RoleLimit => {
                self.inject_on_connections(bed, random).await;
            }
            Self::ReadOnlyServer | Self::Recovery | Self::RefusedPassword => {
                self.inject_on_server(bed, random).await;
            }
        }
    }

    async fn inject_on_disk(self, bed: &mut Bed, random: &mut Random) {
        if self == Self::FullDisk {
            bed.postgres.disk.fill();
            bed.postgres.use_up_wal().await;
            bed.hold(self, random.milliseconds(1000, 3000)).await;
            bed.postgres.disk.empty();
        } else {
            bed.postgres.disk.fail();
            bed.hold(self, random.milliseconds(1000, 3000)).await;
            bed.postgres.stop(Signal::QUIT);
            bed.postgres.disk.repair();
        }
        bed.postgres.start().await;
    }

    async fn inject_on_wire(self, bed: &mut Bed, random: &mut Random) {
        if self == Self::Reset {
            return bed.proxy.reset();
        }
        if self == Self::HalfOpen {
            // It ends for each instance when it has replaced its connections.
            return bed.proxy.set(Wire::HalfOpen);
        }
        let wires = [
            (Self::Silence, Wire::Silence),
            (Self::Loss, Wire::Loss),
            (Self::Cut, Wire::Cut),
            (Self::Latency, Wire::Latency(LATENCY)),
        ];
        let wire = wires.iter().find(|(fault, _)| *fault == self);
        bed.proxy.set(wire.expect("a fault of the wire").1);
        bed.hold(self, random.milliseconds(1000, 4000)).await;
        bed.proxy.heal();
    }

    async fn inject_on_connections(self, bed: &mut Bed, random: &mut Random) {
        let time = random.milliseconds(1000, 3000);
        if self == Self::ExhaustedPool {
            let mut holder = bed.postgres.tables().await.expect("a connection");
            for statement in ["BEGIN", "LOCK TABLE users IN ACCESS EXCLUSIVE MODE"] {
                execute(&mut holder, statement).await.expect("a lock");
            }
            bed.hold(self, time).await;
            execute(&mut holder, "COMMIT").await.expect("the end of the lock");
        } else if self == Self::TooManyConnections {
            let holders = take_connections(&bed.postgres).await;
            bed.hold(self, time).await;
            drop(holders);
            bed.postgres.start().await;
        } else {
            bed.postgres.execute("ALTER ROLE service CONNECTION LIMIT 3").await;
            bed.postgres.execute(END_SESSIONS).await;
            bed.hold(self, time).await;
            bed.postgres.execute("ALTER ROLE service CONNECTION LIMIT -1").await;
        }
    }

    async fn inject_on_server(self, bed: &mut Bed, random: &mut Random) {
        let time = random.milliseconds(1000, 3000);
        let set_read_only = |value: &str| {
            format!(
                "ALTER SYSTEM SET default_transaction_read_only = {value}; SELECT pg_reload_conf()"
            )
        };
        if self == Self::ReadOnlyServer {
            bed.postgres.execute(&set_read_only("on")).await;
            bed.hold(self, time).await;
            bed.postgres.execute(&set_read_only("off")).await;
            bed.postgres.start().await;
        } else if self == Self::Recovery {
            bed.postgres.enter_recovery().await;
            bed.hold(self, time).await;
            bed.postgres.promote().await;
        } else {
            bed.postgres.execute("ALTER ROLE service PASSWORD 'another one'").await;
            bed.postgres.execute(END_SESSIONS).await;
            bed.hold(self, time).await;
            let password = format!("ALTER ROLE service PASSWORD '{SERVICE_PASSWORD}'");
            bed.postgres.execute(&password).await;
        }
    }
}

/// The longest delay of [`Fault::Latency`].
const LATENCY: Duration = Duration::from_millis(200);

/// Ends the sessions of the service.
const END_SESSIONS: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'service'";

/// Takes every connection that the server has for roles that are no superuser.
async fn take_connections(postgres: &Postgres) -> Vec<PgConnection> {
    let mut admin = postgres.owner().await.expect("a connection");
    let mut holders = Vec::new();
    loop {
        // A superuser also gets the reserved connections, which the service never gets.
        while let Ok(holder) = postgres.owner().await {
            holders.push(holder);
        }
        // A session of the service that still authenticates has a connection, and no user yet.
        let of_others = "SELECT count(*) FROM pg_stat_activity
             WHERE backend_type = 'client backend' AND usename <> 'service'";
        let taken: i64 =
            sqlx::query_scalar(of_others).fetch_one(&mut admin).await.expect("a count");
        if taken == i64::from(MAXIMUM_CONNECTIONS) {
            holders.push(admin);
            return holders;
        }
        execute(&mut admin, END_SESSIONS).await.expect("a statement");
    }
}

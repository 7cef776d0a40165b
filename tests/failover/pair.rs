//! A primary with its standby, and the work of a cluster manager: notice that the primary is gone,
//! promote the standby, and bring the former primary back.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use sqlx::{Connection as _, PgConnection};

use crate::{
    document,
    network::{Machine, Network},
    node::Node,
};

/// The time between two checks of the primary. Two that fail in a row begin a promotion.
const CHECK_PERIOD: Duration = Duration::from_millis(200);

/// How a primary fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Every process is killed.
    Kill,
    /// Every process stops, and the connections stay open.
    Freeze,
    /// The network loses every packet to and from the machine.
    Cut,
    /// Nothing fails: the operator shuts the primary down.
    Switchover,
}

impl Fault {
    pub(crate) const ALL: [Self; 4] = [Self::Kill, Self::Freeze, Self::Cut, Self::Switchover];

    /// How the tables name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill => "`kill -9`",
            Self::Freeze => "`SIGSTOP`",
            Self::Cut => "network cut",
            Self::Switchover => "planned",
        }
    }
}

/// How acknowledged writes reach the standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replication {
    /// The standby has a write before it is acknowledged.
    Synchronous,
    Asynchronous,
}

/// Two servers. Fields are dropped in this order.
pub(crate) struct Pair {
    nodes: [Node; 2],
    primary: usize,
    replication: Replication,
    folder: tempfile::TempDir,
    _network: Network,
}

impl Pair {
    /// Starts both servers, and waits until the standby follows.
    pub(crate) async fn start(replication: Replication) -> Self {
        let network = Network::create();
        let folder = tempfile::tempdir().unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), mode).unwrap();
        let node = |name, address| Node::new(Machine::start(name, address), folder.path());
        let [mut first, mut second] = [node("a", "10.0.0.11"), node("b", "10.0.0.12")];
        first.create_cluster();
        first.start(second.machine.address).await;
        second.copy(&first);
        second.start(first.machine.address).await;
        let nodes = [first, second];
        let pair = Self { nodes, primary: 0, replication, folder, _network: network };
        pair.wait_for_standby().await;
        pair
    }

    pub(crate) fn primary(&self) -> &Node {
        &self.nodes[self.primary]
    }

    pub(crate) fn standby(&self) -> &Node {
        &self.nodes[1 - self.primary]
    }

    pub(crate) fn nodes(&self) -> &[Node; 2] {
        &self.nodes
    }

    pub(crate) fn primary_mut(&mut self) -> &mut Node {
        &mut self.nodes[self.primary]
    }

    /// Lets the primary fail.
    pub(crate) fn fail(&mut self, fault: Fault) {
        match fault {
            Fault::Kill => self.primary_mut().kill(),
            Fault::Freeze => self.primary().freeze(),
            Fault::Cut => self.primary().machine.cut(),
            Fault::Switchover => self.primary_mut().shut_down(),
        }
    }

    /// Separates the servers from each other; everything else reaches both.
    pub(crate) fn separate(&self) {
        self.primary().machine.drop_packets_to(&self.standby().machine);
        self.standby().machine.drop_packets_to(&self.primary().machine);
    }

    /// Ends the server that was the primary before the promotion.
    pub(crate) fn end_former_primary(&mut self) {
        self.nodes[1 - self.primary].kill();
    }

    /// Returns when two checks of the primary failed in a row.
    pub(crate) async fn wait_for_failure(&self) {
        let mut failures = 0;
        while failures < 2 {
            let start = Instant::now();
            let works = match self.primary().try_connect().await {
                Some(mut connection) => is_primary(&mut connection).await,
                None => false,
            };
            failures = if works { 0 } else { failures + 1 };
            tokio::time::sleep(CHECK_PERIOD.saturating_sub(start.elapsed())).await;
        }
    }

    /// Promotes the standby. It acknowledges writes alone until the other server follows it.
    pub(crate) async fn promote(&mut self) {
        let mut connection = self.standby().connect().await;
        let promoted: bool = sqlx::query_scalar("SELECT pg_promote(true, 30)")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert!(promoted, "the standby was not promoted within 30 s");
        self.primary = 1 - self.primary;
    }

    /// Ends the former primary, reconnects its machine, and returns it as the standby.
    pub(crate) async fn rejoin(&mut self) {
        let (primary, former) = (self.primary, 1 - self.primary);
        self.nodes[former].kill();
        self.nodes[former].machine.reconnect();
        // After a promotion, pg_rewind reads the new timeline from a checkpoint.
        let mut connection = self.primary().connect().await;
        sqlx::query("CHECKPOINT").execute(&mut connection).await.unwrap();
        let address = self.primary().machine.address;
        self.nodes[former].rewind(&self.nodes[primary]);
        self.nodes[former].start(address).await;
        // After a rewind that had nothing to do, it still has the setting from when it was the primary.
        let mut standby = self.standby().connect().await;
        for statement in ["ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"]
        {
            sqlx::raw_sql(statement).execute(&mut standby).await.unwrap();
        }
        self.wait_for_standby().await;
    }

    /// Waits until the standby streams; then writes wait for it, if the replication is synchronous.
    async fn wait_for_standby(&self) {
        let mut connection = self.primary().connect().await;
        wait_for_state(&mut connection, "streaming", "state").await;
        if self.replication == Replication::Asynchronous {
            return;
        }
        // ALTER SYSTEM must be the only statement of its transaction.
        for statement in document::block("synchronous.sql").lines() {
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        }
        wait_for_state(&mut connection, "quorum", "sync_state").await;
        connection.close().await.unwrap();
    }

    /// The folder for files of other programs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// True when the server accepts writes. A frozen server does not answer.
async fn is_primary(connection: &mut PgConnection) -> bool {
    let asking = sqlx::query_scalar("SELECT NOT pg_is_in_recovery()").fetch_one(connection);
    let answer = tokio::time::timeout(Duration::from_millis(500), asking).await;
    matches!(answer, Ok(Ok(true)))
}

/// Waits until the server has one standby in this state.
pub(crate) async fn wait_for_state(connection: &mut PgConnection, state: &str, column: &str) {
    let query = format!("SELECT count(*) FROM pg_stat_replication WHERE {column} = $1");
    let until = Instant::now() + Duration::from_secs(180);
    loop {
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query.as_str()))
            .bind(state)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        if count == 1 {
            return;
        }
        assert!(Instant::now() < until, "the standby is not {state} after 180 s");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

//! Requirements on the database and its content.

use time::{Duration, OffsetDateTime};

use super::{
    diagnostics::{DiagnosticReport, ServerReport},
    finding::Finding,
};
use crate::storage::Timeouts;

/// The oldest supported PostgreSQL, as `server_version_num`.
const SERVER_VERSION: i32 = 150_000;

/// The largest acceptable difference between the clocks of service and database. Delays and expiry
/// times use both clocks.
const CLOCK_DIFFERENCE: Duration = Duration::seconds(5);

/// The longest time that a key may seal data before it is rotated.
const KEY_AGE: Duration = Duration::days(365);

/// Checks the database server, the writing key and the kinds of hashes.
pub(crate) fn check_server(report: &ServerReport) -> Vec<Finding> {
    let mut findings = check_database(report);
    findings.extend(check_key_and_hashes(report));
    findings
}

fn check_database(report: &ServerReport) -> Vec<Finding> {
    let facts = &report.facts;
    vec![
        Finding::new(
            "ASVS 13.3.1 and 16.5.3",
            "the keyring and the database are usable and match",
            true,
            "",
        ),
        Finding::new(
            "ASVS 6.3.2",
            "the database is not a demo with published passwords",
            !facts.is_development,
            "create a new database and run `migrate`",
        ),
        Finding::new(
            "ASVS 15.2.1",
            "PostgreSQL is version 15 or newer",
            facts.server_version >= SERVER_VERSION,
            "upgrade PostgreSQL",
        ),
        Finding::new(
            "ASVS 12.3.1 and 12.3.2",
            "the database connection is local, or encrypted with a verified certificate",
            is_connection_protected(report),
            "add sslmode=verify-full to database.url",
        ),
        Finding::new(
            "durability",
            "committed changes survive a crash of PostgreSQL",
            facts.is_durable,
            "enable fsync, full_page_writes and synchronous_commit",
        ),
        Finding::advice(
            "durability",
            "committed changes survive the loss of the PostgreSQL server",
            facts.is_synchronous,
            "replication is asynchronous, or there is none: a failover can lose the last changes; set \
             synchronous_standby_names on the server",
        ),
        Finding::new(
            "ASVS 13.2.6",
            "the server enforces the timeouts of the settings",
            has_timeouts(report),
            &timeouts_to_set(report.timeouts),
        ),
        Finding::new(
            "ASVS 16.2.2",
            "the clocks of the service and the database agree",
            (facts.now - report.read_at).abs() <= CLOCK_DIFFERENCE,
            "synchronize the clocks",
        ),
    ]
}

fn check_key_and_hashes(report: &ServerReport) -> [Finding; 3] {
    let is_young = |first: OffsetDateTime| report.read_at - first <= KEY_AGE;
    let below = report.below_target.len();
    [
        Finding::new(
            "ASVS 13.1.4 and 13.3.4",
            "the writing key is less than a year old",
            report.key_first_used_at.is_none_or(is_young),
            "run `rotate-key add`, `use`, `reseal` and `retire`",
        ),
        Finding::advice(
            "durability",
            "a copy of the writing key is confirmed",
            report.is_key_backed_up || report.facts.is_development,
            "no copy is confirmed: copy the keyring to another place, and run `keys confirm-backup` with \
             the copy",
        ),
        Finding::advice(
            "NIST 3.1.1.2 cost factor",
            "every hash has the current cost",
            below == 0,
            &format!(
                "{below} sets of hash parameters are outdated; the next login of each user rehashes"
            ),
        ),
    ]
}

/// True when each timeout of the session is set, and not longer than that of the settings. Behind a
/// connection pooler, the service does not set them itself, or the pooler gives it another session.
fn has_timeouts(report: &ServerReport) -> bool {
    let ServerReport { facts, timeouts, .. } = report;
    let is_set = |milliseconds: i64, limit: std::time::Duration| {
        u128::try_from(milliseconds).is_ok_and(|set| set > 0 && set <= limit.as_millis())
    };
    is_set(facts.lock_timeout, timeouts.lock)
        && is_set(facts.statement_timeout, timeouts.statement)
        && is_set(facts.idle_timeout, timeouts.idle)
}

/// The next step when the server enforces other timeouts.
fn timeouts_to_set(timeouts: Timeouts) -> String {
    let Timeouts { lock, statement, idle } = timeouts;
    format!(
        "for the role of database.url, run ALTER ROLE … SET lock_timeout = {}, … SET \
         statement_timeout = {} and … SET idle_in_transaction_session_timeout = {} \
         (milliseconds), and reconnect the pooler (RECONNECT)",
        lock.as_millis(),
        statement.as_millis(),
        idle.as_millis()
    )
}

/// Checks both ends of the connection: the server alone cannot distinguish a tunnel from a local
/// connection, and encryption without a verified certificate does not authenticate the server.
fn is_connection_protected(report: &ServerReport) -> bool {
    let ServerReport { facts, connection_security, .. } = report;
    (facts.is_local && connection_security.is_local)
        || (facts.is_encrypted && connection_security.verifies_server)
}

/// Checks the content of the database.
pub(crate) fn check_contents(report: &DiagnosticReport) -> Vec<Finding> {
    let contents = &report.contents;
    vec![
        Finding::new(
            "ASVS 8.2.1",
            "there is an active administrator",
            contents.administrators > 0,
            "run `user grant-admin` or `user add --administrator`",
        ),
        Finding::new(
            "NIST 3.1.1.2 keyed hash",
            "every credential is sealed under the writing key",
            report.to_reseal == 0,
            "run `rotate-key reseal`",
        ),
        Finding::advice(
            "ASVS 6.1.1",
            "no credential is locked",
            contents.stopped == 0,
            "run `credential attempts` to inspect and `credential unlock` to unlock",
        ),
    ]
}

//! Clauses that the keyring, the database and the system decide.

use time::{Duration, OffsetDateTime};

use super::{Finding, Verdict};
use crate::{
    cli::{command_context, output::Failure},
    clock,
    configuration::Settings,
    service::operations::diagnostics::DiagnosticReport,
    startup::{self, Components},
    storage::installation::{self, InstallationKind},
};

/// The oldest PostgreSQL that this was made for.
const SERVER_VERSION: i32 = 150_000;

/// Clocks of service and database may differ by so much; delays and expiries go by both.
const CLOCK_DIFFERENCE: Duration = Duration::seconds(5);

/// A key that is older should be replaced.
const KEY_AGE: Duration = Duration::days(365);

/// Everything that is found where the settings lead to.
pub(super) async fn found(settings: Settings) -> Vec<Finding> {
    let opened = diagnose(settings).await;
    let mut findings = vec![system()];
    match opened {
        Ok((diagnostics, kind)) => {
            findings.extend(database(&diagnostics, kind));
            findings.extend(kept(&diagnostics));
        }
        Err(Failure(reason)) => findings.push(Finding {
            clause: "ASVS 13.3.1 and 16.5.3",
            what: "keyring and database can be used, and belong together",
            verdict: Verdict::Fail(reason),
        }),
    }
    findings
}

async fn diagnose(
    settings: Settings,
) -> Result<(DiagnosticReport, Option<InstallationKind>), Failure> {
    let Components { database, administration, .. } = command_context::open_with(settings).await?;
    let kind = installation::find_kind(&database).await?;
    Ok((administration.diagnostics.diagnose().await?, kind))
}

/// Asks both ends: the server alone cannot tell a tunnel from a local connection, and encryption
/// without a verified certificate lets another server answer.
fn is_way_protected(diagnostics: &DiagnosticReport) -> bool {
    let DiagnosticReport { facts, route, .. } = diagnostics;
    (facts.is_local && route.is_local) || (facts.is_encrypted && route.verifies_server)
}

fn system() -> Finding {
    let protection = startup::protect();
    Finding::advice(
        "ASVS 11.7.2",
        "no core dumps, and memory stays out of swap",
        protection.core_dumps_off && protection.memory_locked,
        "let the account lock memory (LimitMEMLOCK=infinity or CAP_IPC_LOCK), or have no swap",
    )
}

fn database(diagnostics: &DiagnosticReport, kind: Option<InstallationKind>) -> Vec<Finding> {
    let facts = &diagnostics.facts;
    let difference = (facts.now - clock::now()).abs();
    vec![
        Finding::new(
            "ASVS 13.3.1 and 16.5.3",
            "keyring and database can be used, and belong together",
            true,
            "",
        ),
        Finding::new(
            "ASVS 6.3.2",
            "this is no trial, whose passwords are published",
            kind != Some(InstallationKind::Development),
            "make a new database with `migrate`",
        ),
        Finding::new(
            "ASVS 15.2.1",
            "PostgreSQL is 15 or newer",
            facts.server_version >= SERVER_VERSION,
            "upgrade PostgreSQL",
        ),
        Finding::new(
            "ASVS 13.2.2",
            "the service's role is no superuser",
            !facts.is_superuser,
            "create a role without SUPERUSER, and set database.role to it",
        ),
        Finding::new(
            "ASVS 12.3.1 and 12.3.2",
            "the way to the database is encrypted, or stays on this machine",
            is_way_protected(diagnostics),
            "put sslmode=verify-full into database.url",
        ),
        Finding::advice(
            "ASVS 13.2.2",
            "the service's role cannot change audit events",
            !facts.can_change_evidence,
            "set database.role to the service's role, and run `migrate` as another role",
        ),
        Finding::new(
            "nothing is lost",
            "what was acknowledged outlives a crash of PostgreSQL",
            facts.is_durable,
            "turn on fsync, full_page_writes and synchronous_commit",
        ),
        Finding::new(
            "ASVS 16.2.2",
            "the clocks of service and database agree",
            difference <= CLOCK_DIFFERENCE,
            "synchronise the clocks",
        ),
    ]
}

fn kept(diagnostics: &DiagnosticReport) -> Vec<Finding> {
    let facts = &diagnostics.facts;
    let is_young = |first: OffsetDateTime| clock::now() - first <= KEY_AGE;
    let below = diagnostics.below_target.len();
    vec![
        Finding::new(
            "ASVS 8.2.1",
            "somebody can administer",
            facts.administrators > 0,
            "`user grant-admin`, or `user add --administrator`",
        ),
        Finding::new(
            "ASVS 13.1.4 and 13.3.4",
            "the writing key is less than a year old",
            facts.key_first_used_at.is_none_or(is_young),
            "`rotate-key add`, `use`, `reseal` and `retire`",
        ),
        Finding::new(
            "NIST 3.1.1.2 key held apart",
            "everything is sealed under the writing key",
            diagnostics.to_reseal == 0,
            "`rotate-key reseal`",
        ),
        Finding::advice(
            "NIST 3.1.1.2 cost raised over time",
            "every hash costs what a new one does",
            below == 0,
            &format!("{below} kinds of hashes are made anew when their owners log in"),
        ),
        Finding::advice(
            "ASVS 6.1.1",
            "nobody's credential is stopped",
            facts.stopped == 0,
            "`credential attempts` tells whose, `credential unlock` opens it",
        ),
    ]
}

//! Requirements that depend on the keyring, the database and the operating system.

use time::{Duration, OffsetDateTime};

use super::{
    finding::{Finding, Verdict},
    roles::check_roles,
};
use crate::{
    cli::{command_context, output::Failure},
    clock,
    configuration::Settings,
    service::operations::diagnostics::DiagnosticReport,
    startup::{self, Components, RoleInspections},
    storage::{
        installation::{self, InstallationKind},
        privileges::GrantedRole,
    },
};

/// The oldest supported PostgreSQL, as `server_version_num`.
const SERVER_VERSION: i32 = 150_000;

/// The largest acceptable difference between the clocks of service and database. Delays and expiry
/// times use both clocks.
const CLOCK_DIFFERENCE: Duration = Duration::seconds(5);

/// The longest time that a key may seal data before it is rotated.
const KEY_AGE: Duration = Duration::days(365);

/// Checks the operating system, the keyring and the database of the settings.
pub(super) async fn check_environment(settings: Settings) -> Vec<Finding> {
    let has_auditor = settings.database.auditor_role.is_some();
    let diagnosed = diagnose(settings).await;
    let mut findings = vec![system()];
    match diagnosed {
        Ok(Diagnosis { diagnostics, kind, roles }) => {
            findings.extend(database(&diagnostics, kind));
            findings.extend(check_roles(&roles, has_auditor));
            findings.extend(stored_data(&diagnostics));
        }
        Err(failure) => findings.push(Finding {
            clause: "ASVS 13.3.1 and 16.5.3",
            requirement: "the keyring and the database are usable and match",
            verdict: Verdict::Fail(failure.to_string()),
        }),
    }
    findings
}

/// The facts about the keyring and the database.
struct Diagnosis {
    diagnostics: DiagnosticReport,
    kind: Option<InstallationKind>,
    roles: RoleInspections,
}

async fn diagnose(settings: Settings) -> Result<Diagnosis, Failure> {
    let components = command_context::open_with(settings.clone(), GrantedRole::Auditor).await?;
    let Components { database, administration, .. } = components;
    Ok(Diagnosis {
        kind: installation::find_kind(&database).await?,
        roles: startup::inspect_roles(&settings, &database).await?,
        diagnostics: administration.diagnostics.diagnose().await?,
    })
}

/// Checks both ends of the connection: the server alone cannot distinguish a tunnel from a local
/// connection, and encryption without a verified certificate does not authenticate the server.
fn is_connection_protected(diagnostics: &DiagnosticReport) -> bool {
    let DiagnosticReport { facts, connection_security, .. } = diagnostics;
    (facts.is_local && connection_security.is_local)
        || (facts.is_encrypted && connection_security.verifies_server)
}

fn system() -> Finding {
    let protection = startup::protect();
    Finding::advice(
        "ASVS 11.7.2",
        "core dumps are disabled and memory is not swapped",
        protection.core_dumps_off && protection.memory_locked,
        "allow memory locking (LimitMEMLOCK=infinity or CAP_IPC_LOCK), or disable swap",
    )
}

fn database(diagnostics: &DiagnosticReport, kind: Option<InstallationKind>) -> Vec<Finding> {
    let facts = &diagnostics.facts;
    let difference = (facts.now - clock::now()).abs();
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
            kind != Some(InstallationKind::Development),
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
            is_connection_protected(diagnostics),
            "add sslmode=verify-full to database.url",
        ),
        Finding::new(
            "durability",
            "committed changes survive a crash of PostgreSQL",
            facts.is_durable,
            "enable fsync, full_page_writes and synchronous_commit",
        ),
        Finding::new(
            "ASVS 16.2.2",
            "the clocks of the service and the database agree",
            difference <= CLOCK_DIFFERENCE,
            "synchronize the clocks",
        ),
    ]
}

fn stored_data(diagnostics: &DiagnosticReport) -> Vec<Finding> {
    let facts = &diagnostics.facts;
    let is_young = |first: OffsetDateTime| clock::now() - first <= KEY_AGE;
    let below = diagnostics.below_target.len();
    vec![
        Finding::new(
            "ASVS 8.2.1",
            "there is an active administrator",
            facts.administrators > 0,
            "run `user grant-admin` or `user add --administrator`",
        ),
        Finding::new(
            "ASVS 13.1.4 and 13.3.4",
            "the writing key is less than a year old",
            facts.key_first_used_at.is_none_or(is_young),
            "run `rotate-key add`, `use`, `reseal` and `retire`",
        ),
        Finding::new(
            "NIST 3.1.1.2 keyed hash",
            "every credential is sealed under the writing key",
            diagnostics.to_reseal == 0,
            "run `rotate-key reseal`",
        ),
        Finding::advice(
            "NIST 3.1.1.2 cost factor",
            "every hash has the current cost",
            below == 0,
            &format!(
                "{below} sets of hash parameters are outdated; the next login of each user rehashes"
            ),
        ),
        Finding::advice(
            "ASVS 6.1.1",
            "no credential is locked",
            facts.stopped == 0,
            "run `credential attempts` to inspect and `credential unlock` to unlock",
        ),
    ]
}

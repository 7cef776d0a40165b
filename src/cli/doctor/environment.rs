//! Requirements that depend on the keyring, the database and the operating system.

use super::roles::check_roles;
use crate::{
    cli::{command_context, output::Failure},
    configuration::Settings,
    service::operations::{
        diagnostics::DiagnosticReport,
        finding::{Finding, Verdict},
        findings::{check_contents, check_server},
    },
    startup::{self, Components, RoleInspections},
    storage::privileges::GrantedRole,
};

/// Checks the operating system, the keyring and the database of the settings.
pub(super) async fn check_environment(settings: Settings) -> Vec<Finding> {
    let has_auditor = settings.database.auditor_role.is_some();
    let diagnosed = Box::pin(diagnose(settings)).await;
    let mut findings = vec![system()];
    match diagnosed {
        Ok(Diagnosis { diagnostics, roles }) => {
            findings.extend(check_server(&diagnostics.server));
            findings.extend(check_roles(&roles, has_auditor));
            findings.extend(check_contents(&diagnostics));
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
    roles: RoleInspections,
}

async fn diagnose(settings: Settings) -> Result<Diagnosis, Failure> {
    let components =
        command_context::open_with_timeouts(settings.clone(), GrantedRole::Auditor).await?;
    let Components { database, administration, .. } = components;
    Ok(Diagnosis {
        roles: startup::inspect_roles(&settings, &database).await?,
        diagnostics: administration.diagnostics.diagnose().await?,
    })
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

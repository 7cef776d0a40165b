//! Requirements on the database roles of the service and of the auditor.

use crate::{
    service::operations::finding::{Finding, Verdict},
    startup::{RoleInspection, RoleInspections, summary},
};

/// The next step for a role that is too powerful.
const OTHER_ROLE: &str = "set database.role to a role that has no attribute except LOGIN and does \
                          not own the tables, run `migrate` as their owner, and connect as \
                          database.role";

/// Checks the roles. `has_auditor` tells whether `database.auditor_role` is set.
pub(super) fn check_roles(inspections: &RoleInspections, has_auditor: bool) -> Vec<Finding> {
    let mut findings = match &inspections.service {
        Some(role) => service(role),
        None => vec![Finding {
            clause: CLAUSE,
            requirement: "the database role of the service is known",
            verdict: Verdict::Note(
                "set database.role, so that the auditor can check the role of the service"
                    .to_owned(),
            ),
        }],
    };
    if has_auditor {
        findings.push(auditor(inspections.auditor.as_ref()));
    }
    findings
}

const CLAUSE: &str = "ASVS 13.2.2";

fn service(role: &RoleInspection) -> Vec<Finding> {
    let RoleInspection { powers, difference, other_databases } = role;
    let others = [
        powers.can_create_roles,
        powers.can_create_databases,
        powers.can_replicate,
        powers.bypasses_row_security,
        !powers.predefined_roles.is_empty(),
    ];
    let changes_events = |entry: &&String| {
        entry.ends_with(" ON audit_events")
            && ["UPDATE", "DELETE", "TRUNCATE", "TRIGGER"].iter().any(|one| entry.starts_with(one))
    };
    vec![
        Finding::new(
            CLAUSE,
            "the database role of the service is not a superuser",
            !powers.is_superuser,
            OTHER_ROLE,
        ),
        Finding::new(
            CLAUSE,
            "the database role of the service does not own the tables",
            !powers.is_owner,
            OTHER_ROLE,
        ),
        Finding::new(
            CLAUSE,
            "the database role of the service has no administrative attribute or role",
            !others.contains(&true),
            &format!("it {}; {OTHER_ROLE}", powers.describe().join(", ")),
        ),
        Finding::new(
            "ASVS 13.2.2 and 16.4.2",
            "the database role of the service cannot change audit events",
            !powers.is_superuser
                && !powers.is_owner
                && !difference.excess.iter().any(|entry| changes_events(&entry)),
            OTHER_ROLE,
        ),
        Finding::new(
            CLAUSE,
            "the database role of the service has only the privileges that it needs",
            difference.excess.is_empty(),
            &format!(
                "it also has {}; run `migrate` as the owner of the database, with database.role, and \
                 revoke its memberships in other roles",
                summary(difference.excess.iter())
            ),
        ),
        Finding::advice(
            CLAUSE,
            "the database role of the service can connect to one database only",
            other_databases.is_empty(),
            &format!(
                "run REVOKE CONNECT ON DATABASE … FROM PUBLIC: {}",
                other_databases.join(", ")
            ),
        ),
    ]
}

fn auditor(role: Option<&RoleInspection>) -> Finding {
    let next_step = match role {
        None => "create database.auditor_role, and run `migrate`".to_owned(),
        Some(RoleInspection { powers, difference, .. }) => {
            let powers = powers.describe();
            let (excess, missing) = (&difference.excess, &difference.missing);
            if !powers.is_empty() {
                format!("it {}; choose another database.auditor_role", powers.join(", "))
            } else if !excess.is_empty() {
                format!(
                    "it also has {}; run `migrate`, and revoke its memberships in other roles",
                    summary(excess.iter())
                )
            } else if !missing.is_empty() {
                format!("it lacks {}; run `migrate`", summary(missing.iter()))
            } else {
                String::new()
            }
        }
    };
    Finding::new(
        "ASVS 13.2.2 and 16.4.2",
        "the database role of the auditor can read what it needs, and nothing else",
        next_step.is_empty(),
        &next_step,
    )
}

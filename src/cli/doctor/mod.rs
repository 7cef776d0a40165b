//! `doctor`: checks the configuration of this installation against the requirements of NIST
//! SP 800-63B-4 and OWASP ASVS 5.0. docs/reference/security-claims.md lists every requirement.

mod audit_sinks;
mod bundle;
mod certificates;
mod command;
mod directory;
mod environment;
mod mail;
mod migration;
mod roles;
mod telemetry;

pub(super) use self::command::{Arguments, run};

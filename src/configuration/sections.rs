//! All settings as typed sections. `config/default.toml` documents each setting.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;

use super::{
    audit::AuditStreamSettings,
    credential_types::TypeSettings,
    directory::DirectorySettings,
    distribution::DistributionSetting,
    hashing::HashingSettings,
    http::{ADDRESS, HttpSettings},
    issuers::IssuerSettings,
    log::LogSettings,
    mail::MailSettings,
    master_keys::MasterKeySettings,
    migration::MigrationSettings,
    reader::Reader,
    telemetry::TelemetrySettings,
    tls::TlsSettings,
};
use crate::domain::{application::InstallationType, user::UserType};

/// The settings of a process.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) http: HttpSettings,
    pub(crate) installation: InstallationSettings,
    pub(crate) operations: OperationsSettings,
    pub(crate) database: DatabaseSettings,
    pub(crate) keyring_file: Option<PathBuf>,
    pub(crate) master_keys: MasterKeySettings,
    /// `None`: the installation has no directory.
    pub(crate) directory: Option<DirectorySettings>,
    /// `None`: the installation sends no mails.
    pub(crate) mail: Option<MailSettings>,
    /// `None`: no users move from an old system.
    pub(crate) migration: Option<MigrationSettings>,
    pub(crate) authentication: AuthenticationSettings,
    pub(crate) attempts: AttemptSettings,
    /// The period of audit anchors. Zero: disabled.
    pub(crate) anchor_period: Duration,
    /// True when every sensitive change must have a reason.
    pub(crate) requires_reason: bool,
    pub(crate) audit_stream: AuditStreamSettings,
    pub(crate) credentials: CredentialSettings,
    pub(crate) passwords: PasswordSettings,
    pub(crate) hashing: HashingSettings,
    pub(crate) tickets: TicketSettings,
    pub(crate) import: ImportSettings,
    pub(crate) sessions: SessionSettings,
    pub(crate) access_tokens: AccessTokenSettings,
    /// True when this instance makes no changes.
    pub(crate) is_read_only: bool,
    pub(crate) shutdown: ShutdownSettings,
    pub(crate) log: LogSettings,
    /// `None`: nothing is exported.
    pub(crate) telemetry: Option<TelemetrySettings>,
}

/// Section `installation`.
#[derive(Debug, Clone)]
pub(crate) struct InstallationSettings {
    pub(crate) installation_type: InstallationType,
    pub(crate) applications: Vec<ApplicationSettings>,
}

/// One entry of `installation.applications`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplicationSettings {
    pub(crate) name: String,
    /// SHA-256 of the application's secret, in hexadecimal digits.
    pub(crate) token_sha256: String,
    #[serde(default, deserialize_with = "super::value_types::deserialize_switch")]
    pub(crate) trusted: bool,
}

/// Section `operations`.
#[derive(Debug, Clone)]
pub(crate) struct OperationsSettings {
    /// `None`: health is served on the listener of the API, as in `dev`.
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) tls: TlsSettings,
}

/// Section `database`.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseSettings {
    pub(crate) url: Option<SecretString>,
    pub(crate) password_file: Option<PathBuf>,
    /// True: a server off this host may be unverified.
    pub(crate) allow_unverified_server: bool,
    /// The role to which `migrate` grants the privileges of `serve`. `None`: no grants.
    pub(crate) role: Option<String>,
    /// The role to which `migrate` grants the privileges of `audit verify`. `None`: no grants.
    pub(crate) auditor_role: Option<String>,
    pub(crate) maximum_connections: u32,
    pub(crate) acquire_timeout: Duration,
    pub(crate) lock_timeout: Duration,
    pub(crate) statement_timeout: Duration,
    pub(crate) transaction_pooling: bool,
    pub(crate) startup_wait: Duration,
    pub(crate) migrate_on_start: bool,
    pub(crate) distributed: DistributionSetting,
}

/// Section `authentication`.
#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
#[derive(Debug, Clone)]
pub(crate) struct AuthenticationSettings {
    pub(crate) basic: bool,
    pub(crate) so_ticket: bool,
    pub(crate) bearer: bool,
    pub(crate) session: bool,
    pub(crate) basic_challenge: bool,
    /// The maximum age of the proof that a ticket or a token has, for sensitive changes. Zero: no
    /// limit.
    pub(crate) maximum_proof_age: Duration,
    pub(crate) issuers: Vec<IssuerSettings>,
}

/// Section `attempts`.
#[derive(Debug, Clone)]
pub(crate) struct AttemptSettings {
    pub(crate) before_delay: u32,
    pub(crate) maximum_delay: Duration,
    pub(crate) maximum_failures: u32,
    /// Zero: unlimited.
    pub(crate) maximum_per_address: u32,
}

/// Section `credentials`.
#[derive(Debug, Clone)]
pub(crate) struct CredentialSettings {
    pub(crate) default_type: String,
    pub(crate) additional_types: Vec<TypeSettings>,
    pub(crate) single_per_user: bool,
}

/// Section `passwords`.
#[derive(Debug, Clone)]
pub(crate) struct PasswordSettings {
    pub(crate) policy: PolicyProfile,
    pub(crate) with_second_factor: bool,
    pub(crate) context_words: Vec<String>,
    /// True to mark common passwords when their owners log in.
    pub(crate) check_at_login: bool,
    /// Users of these types keep a common password.
    pub(crate) check_at_login_except: Vec<UserType>,
    pub(crate) change_required_after_reset: bool,
}

/// The policy for new passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PolicyProfile {
    /// No rules.
    None,
    /// NIST SP 800-63B-4.
    Nist,
}

/// Section `tickets`.
#[derive(Debug, Clone)]
pub(crate) struct TicketSettings {
    pub(crate) lifetime: Duration,
    pub(crate) maximum_per_user: u32,
}

/// Section `import`.
#[derive(Debug, Clone)]
pub(crate) struct ImportSettings {
    /// The largest file of an import in the browser.
    pub(crate) maximum_upload_bytes: u32,
    /// The longest time in which it is received.
    pub(crate) upload_timeout: Duration,
}

/// Section `sessions`.
#[derive(Debug, Clone)]
pub(crate) struct SessionSettings {
    pub(crate) lifetime: Duration,
    pub(crate) maximum: Duration,
    /// The maximum lifetime of issued tickets, sessions and tokens, from the login. Zero:
    /// unlimited.
    pub(crate) absolute: Duration,
}

/// Section `access_tokens`.
#[derive(Debug, Clone)]
pub(crate) struct AccessTokenSettings {
    pub(crate) context: String,
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) lifetime: Duration,
}

/// Section `shutdown`.
#[derive(Debug, Clone)]
pub(crate) struct ShutdownSettings {
    pub(crate) grace: Duration,
    pub(crate) timeout: Duration,
}

impl Settings {
    /// Reads every setting.
    pub(super) fn take(reader: &mut Reader) -> Self {
        Self {
            http: HttpSettings::take(reader),
            installation: InstallationSettings::take(reader),
            operations: OperationsSettings::take(reader),
            database: DatabaseSettings::take(reader),
            keyring_file: reader.secret_file("keyring.file"),
            master_keys: MasterKeySettings::take(reader),
            directory: DirectorySettings::take(reader),
            mail: MailSettings::take(reader),
            migration: MigrationSettings::take(reader),
            authentication: AuthenticationSettings::take(reader),
            attempts: AttemptSettings {
                before_delay: reader.get("attempts.before_delay"),
                maximum_delay: reader.seconds("attempts.maximum_delay_seconds"),
                maximum_failures: reader.get("attempts.maximum_failures"),
                maximum_per_address: reader.get("attempts.maximum_per_address"),
            },
            anchor_period: reader.seconds("audit.anchor_seconds"),
            requires_reason: reader.get("audit.require_reason"),
            audit_stream: AuditStreamSettings::take(reader),
            credentials: CredentialSettings {
                default_type: reader.get("credentials.default_type"),
                additional_types: reader.get("credentials.additional_types"),
                single_per_user: reader.get("credentials.single_per_user"),
            },
            passwords: PasswordSettings::take(reader),
            hashing: HashingSettings::take(reader),
            tickets: TicketSettings {
                lifetime: reader.seconds("tickets.lifetime_seconds"),
                maximum_per_user: reader.get("tickets.maximum_per_user"),
            },
            import: ImportSettings {
                maximum_upload_bytes: reader.get("import.maximum_upload_bytes"),
                upload_timeout: reader.seconds("import.upload_timeout_seconds"),
            },
            sessions: SessionSettings {
                lifetime: reader.seconds("sessions.lifetime_seconds"),
                maximum: reader.seconds("sessions.maximum_seconds"),
                absolute: reader.seconds("sessions.absolute_seconds"),
            },
            access_tokens: AccessTokenSettings {
                context: reader.get("access_tokens.context"),
                issuer: reader.get("access_tokens.issuer"),
                audience: reader.get("access_tokens.audience"),
                lifetime: reader.seconds("access_tokens.lifetime_seconds"),
            },
            is_read_only: reader.get("maintenance.read_only"),
            shutdown: ShutdownSettings {
                grace: reader.seconds("shutdown.grace_seconds"),
                timeout: reader.seconds("shutdown.timeout_seconds"),
            },
            log: LogSettings::take(reader),
            telemetry: TelemetrySettings::take(reader),
        }
    }
}

impl InstallationSettings {
    fn take(reader: &mut Reader) -> Self {
        let parse = |text: &str| match text {
            "onsite" => Some(InstallationType::Onsite),
            "online" => Some(InstallationType::Online),
            _ => None,
        };
        let installation_type =
            reader.parsed("installation.type", "must be onsite or online", parse);
        Self {
            // The stricter value if even the default is invalid.
            installation_type: installation_type.unwrap_or(InstallationType::Online),
            applications: reader.get("installation.applications"),
        }
    }
}

impl OperationsSettings {
    pub(super) fn take(reader: &mut Reader) -> Self {
        Self {
            listen: reader.parsed("operations.listen", ADDRESS, |text| text.parse().ok()),
            tls: TlsSettings::take_operations(reader),
        }
    }
}

impl DatabaseSettings {
    fn take(reader: &mut Reader) -> Self {
        Self {
            url: reader.secret("database.url"),
            password_file: reader.secret_file("database.password_file"),
            allow_unverified_server: reader.get("database.allow_unverified_server"),
            role: reader.optional("database.role"),
            auditor_role: reader.optional("database.auditor_role"),
            maximum_connections: reader.get("database.maximum_connections"),
            acquire_timeout: reader.seconds("database.acquire_timeout_seconds"),
            lock_timeout: reader.seconds("database.lock_timeout_seconds"),
            statement_timeout: reader.seconds("database.statement_timeout_seconds"),
            startup_wait: reader.seconds("database.startup_wait_seconds"),
            transaction_pooling: reader.get("database.transaction_pooling"),
            migrate_on_start: reader.get("database.migrate_on_start"),
            distributed: DistributionSetting::take(reader),
        }
    }
}

impl AuthenticationSettings {
    fn take(reader: &mut Reader) -> Self {
        Self {
            basic: reader.get("authentication.basic"),
            so_ticket: reader.get("authentication.so_ticket"),
            bearer: reader.get("authentication.bearer"),
            session: reader.get("authentication.session"),
            basic_challenge: reader.get("authentication.basic_challenge"),
            maximum_proof_age: reader.seconds("authentication.maximum_proof_age_seconds"),
            issuers: reader.get("authentication.issuers"),
        }
    }
}

impl PasswordSettings {
    fn take(reader: &mut Reader) -> Self {
        let policy = reader.parsed("passwords.policy", "must be nist or none", |text| match text {
            "nist" => Some(PolicyProfile::Nist),
            "none" => Some(PolicyProfile::None),
            _ => None,
        });
        let check_at_login: bool = reader.get("passwords.check_at_login");
        let except = take_user_types(reader, "passwords.check_at_login_except");
        if !check_at_login && !except.is_empty() {
            let reason =
                "requires passwords.check_at_login; set it to true, or remove this setting";
            reader.problem("passwords.check_at_login_except", reason);
        }
        Self {
            // The stricter value if even the default is invalid.
            policy: policy.unwrap_or(PolicyProfile::Nist),
            with_second_factor: reader.get("passwords.with_second_factor"),
            context_words: reader.words("passwords.context_words"),
            check_at_login,
            check_at_login_except: except,
            change_required_after_reset: reader.get("passwords.change_required_after_reset"),
        }
    }
}

/// The user types of a setting.
fn take_user_types(reader: &mut Reader, setting: &str) -> Vec<UserType> {
    let words = reader.words(setting);
    let types: Option<Vec<_>> = words.iter().map(|word| UserType::parse(word)).collect();
    types.unwrap_or_else(|| {
        let names = UserType::ALL.map(UserType::as_str).join(", ");
        reader.problem(setting, format!("must be a list of user types: {names}"));
        Vec::new()
    })
}

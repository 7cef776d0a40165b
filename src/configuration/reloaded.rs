//! The settings that a running service reads again.

/// The settings whose new values take effect while the service runs. All others need a restart.
/// `Settings::reloaded` takes over their values, and a test compares both.
const RELOADED: [&str; 36] = [
    "http.allowed_hosts",
    "http.trusted_proxies",
    "http.cors_origins",
    "installation.applications",
    "authentication.basic",
    "authentication.so_ticket",
    "authentication.bearer",
    "authentication.session",
    "authentication.basic_challenge",
    "authentication.maximum_proof_age_seconds",
    "authentication.issuers",
    "attempts.before_delay",
    "attempts.maximum_delay_seconds",
    "attempts.maximum_failures",
    "attempts.maximum_per_address",
    "audit.require_reason",
    "credentials.single_per_user",
    "passwords.policy",
    "passwords.with_second_factor",
    "passwords.context_words",
    "passwords.check_at_login",
    "passwords.check_at_login_except",
    "passwords.change_required_after_reset",
    "tickets.lifetime_seconds",
    "tickets.maximum_per_user",
    "import.maximum_upload_bytes",
    "import.upload_timeout_seconds",
    "sessions.lifetime_seconds",
    "sessions.maximum_seconds",
    "sessions.absolute_seconds",
    "access_tokens.context",
    "access_tokens.issuer",
    "access_tokens.audience",
    "access_tokens.lifetime_seconds",
    "maintenance.read_only",
    "log.level",
];

/// True for a setting whose new value takes effect while the service runs.
pub(super) fn is_reloaded(setting: &str) -> bool {
    RELOADED.contains(&setting)
}

//! Validates the settings: invalid values, contradictions, and values that are unsafe for `serve`.

use std::{ops::RangeInclusive, time::Duration};

use data_encoding::HEXLOWER_PERMISSIVE;

use super::{
    credential_types::TypeSettings,
    hashing::is_strong_hash,
    http::PublicUrl,
    issuers::{has_credentials, is_claim_text, issuer_problems},
    problem::Problem,
    sections::{ApplicationSettings, AttemptSettings, PasswordSettings, PolicyProfile, Settings},
};
use crate::domain::{
    application::InstallationType,
    credential_type::{CredentialType, CredentialTypes, TICKET},
    origin_pattern::OriginPattern,
    password_policy::{
        MINIMUM_CHARACTERS, MINIMUM_WITH_SECOND_FACTOR, PasswordPolicy, SHORTEST_WORD,
    },
    stored_credential::HashParameters,
    throttling::MAXIMUM_CONSECUTIVE,
    user::UserType,
};

/// The bounds of `database.maximum_connections`. The pool reserves memory for each.
const CONNECTIONS: RangeInclusive<u32> = 1..=10_000;

/// The sizes of `import.maximum_upload_bytes`. The file is in memory.
const UPLOAD_BYTES: RangeInclusive<u32> = 64 * 1024..=256 * 1024 * 1024;

/// The longest role name that PostgreSQL does not truncate, in bytes.
const LONGEST_ROLE: usize = 63;

impl ApplicationSettings {
    /// The digest of the application's secret; `None` if it is invalid.
    pub(crate) fn digest(&self) -> Option<[u8; 32]> {
        HEXLOWER_PERMISSIVE.decode(self.token_sha256.as_bytes()).ok()?.try_into().ok()
    }
}

impl Settings {
    /// The credential types of this installation; `None` if the default type is unknown.
    pub(crate) fn credential_types(&self) -> Option<CredentialTypes> {
        let additional =
            self.credentials.additional_types.iter().map(TypeSettings::credential_type);
        CredentialTypes::new(additional.collect(), &self.credentials.default_type)
    }

    /// The policy for new passwords; `None` if there are no rules.
    pub(crate) fn password_policy(&self) -> Option<PasswordPolicy> {
        let PasswordSettings { policy, with_second_factor, context_words, .. } = &self.passwords;
        let minimum_characters =
            if *with_second_factor { MINIMUM_WITH_SECOND_FACTOR } else { MINIMUM_CHARACTERS };
        let password_policy =
            PasswordPolicy { minimum_characters, context_words: context_words.clone() };
        (*policy == PolicyProfile::Nist).then_some(password_policy)
    }

    /// The user types whose common passwords stay unmarked at login; `None` if nobody's are marked.
    pub(crate) fn unmarked_at_login(&self) -> Option<Vec<UserType>> {
        let PasswordSettings { policy, check_at_login, check_at_login_except, .. } =
            &self.passwords;
        let is_on = *check_at_login && *policy == PolicyProfile::Nist;
        is_on.then(|| check_at_login_except.clone())
    }

    /// The origins whose pages may call the API.
    pub(crate) fn cors_origins(&self) -> Vec<OriginPattern> {
        self.http.cors_origins.iter().filter_map(|pattern| OriginPattern::parse(pattern)).collect()
    }

    /// The cost of every new hash.
    pub(crate) fn hash_parameters(&self) -> HashParameters {
        self.hashing.parameters()
    }

    /// Problems that every command rejects.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut reject = |setting: &str, reason: &str| problems.push(Problem::new(setting, reason));
        let schemes = &self.authentication;
        if !(schemes.basic || schemes.so_ticket || schemes.bearer || schemes.session) {
            reject("authentication", "enable at least one scheme");
        }
        if !CONNECTIONS.contains(&self.database.maximum_connections) {
            reject("database.maximum_connections", "must be between 1 and 10000");
        }
        if self.tickets.maximum_per_user == 0 {
            reject("tickets.maximum_per_user", "must be at least 1");
        }
        if !UPLOAD_BYTES.contains(&self.import.maximum_upload_bytes) {
            reject("import.maximum_upload_bytes", "must be from 65536 to 268435456");
        }
        problems.extend(self.duration_problems());
        problems.extend(self.role_problems());
        problems.extend(self.token_problems());
        problems.extend(self.challenge_problem());
        problems.extend(self.word_problem());
        problems.extend(self.http.connections.problems());
        problems.extend(self.attempt_problems());
        problems.extend(self.answer_problem());
        problems.extend(self.directory_problems());
        problems.extend(self.mail_problems());
        problems.extend(self.migration_problem());
        problems.extend(self.hashing.problems());
        problems.extend(self.network_problems());
        problems.extend(self.type_problems());
        problems
    }

    fn role_problems(&self) -> Vec<Problem> {
        let (service, auditor) = (&self.database.role, &self.database.auditor_role);
        let mut problems = Vec::new();
        let mut reject = |setting: &str, reason: &str| problems.push(Problem::new(setting, reason));
        for (setting, role) in [("database.role", service), ("database.auditor_role", auditor)] {
            let Some(role) = role else { continue };
            if !(1..=LONGEST_ROLE).contains(&role.len()) || role.contains('\0') {
                reject(setting, "must be a role name of 1 to 63 bytes");
            } else if role.starts_with("pg_") {
                reject(setting, "PostgreSQL reserves names that start with pg_; use another role");
            }
        }
        if auditor.is_some() && service == auditor {
            reject("database.auditor_role", "must differ from database.role; use two roles");
        }
        problems
    }

    fn token_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut reject = |setting: &str, reason: &str| problems.push(Problem::new(setting, reason));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let context = &self.access_tokens.context;
        if context.is_empty() || !context.chars().all(is_plain) {
            reject("access_tokens.context", "must consist of ASCII letters, digits, - and _");
        }
        for (setting, text) in [
            ("access_tokens.issuer", &self.access_tokens.issuer),
            ("access_tokens.audience", &self.access_tokens.audience),
        ] {
            if !is_claim_text(text) {
                reject(
                    setting,
                    "must not be empty, start or end with a space, or contain control characters",
                );
            } else if has_credentials(text) {
                reject(
                    setting,
                    "URLs must not contain credentials; remove the user name and password",
                );
            }
        }
        problems
    }

    fn challenge_problem(&self) -> Option<Problem> {
        let is_contradictory = self.authentication.basic_challenge && !self.authentication.basic;
        is_contradictory.then(|| {
            let reason = "requires authentication.basic = true";
            Problem::new("authentication.basic_challenge", reason)
        })
    }

    /// The password policy ignores shorter words, and a word with a comma never matches.
    fn word_problem(&self) -> Option<Problem> {
        let is_valid = |word: &String| word.chars().count() >= SHORTEST_WORD && !word.contains(',');
        (!self.passwords.context_words.iter().all(is_valid)).then(|| {
            Problem::new(
                "passwords.context_words",
                "must be words of at least three characters without a comma; separate words with \
                 spaces in a variable",
            )
        })
    }

    fn attempt_problems(&self) -> Option<Problem> {
        let AttemptSettings { before_delay, maximum_failures, .. } = self.attempts;
        if !(1..=MAXIMUM_CONSECUTIVE).contains(&maximum_failures) {
            return Some(Problem::new("attempts.maximum_failures", "must be between 1 and 100"));
        }
        (before_delay == 0).then(|| Problem::new("attempts.before_delay", "must be at least 1"))
    }

    /// Saving a credential waits for a connection, the hash, another connection and the lock on the
    /// user. The response timeout must exceed their sum, or it would hide which wait timed out.
    fn answer_problem(&self) -> Option<Problem> {
        let waits = [
            self.database.acquire_timeout,
            self.hashing.deadline,
            self.database.acquire_timeout,
            self.database.lock_timeout,
        ];
        let longest = waits.into_iter().fold(Duration::ZERO, Duration::saturating_add);
        (self.http.answer_timeout <= longest).then(|| {
            Problem::new(
                "http.answer_timeout_seconds",
                "must be greater than 2 * database.acquire_timeout_seconds + \
                 hashing.deadline_seconds + database.lock_timeout_seconds",
            )
        })
    }

    /// Problems of the directory that depend on other sections.
    fn directory_problems(&self) -> Vec<Problem> {
        let Some(directory) = &self.directory else { return Vec::new() };
        let (deadline, timeout) = (self.hashing.deadline, self.http.answer_timeout);
        let mut problems = directory.timeout_problems(deadline, timeout);
        let reason = if self.migration.is_some() {
            "contradicts migration.hook_url: two systems would decide about a login; remove one"
        } else if !self.accepts_passwords() {
            "has no effect, because nobody can log in with a password; set authentication.basic or \
             authentication.session, or remove it"
        } else {
            return problems;
        };
        let setting = "directory.verify_passwords";
        problems.extend(directory.verification.map(|_| Problem::new(setting, reason)));
        problems
    }

    /// Problems of mails that depend on other sections.
    fn mail_problems(&self) -> Vec<Problem> {
        let Some(mail) = &self.mail else { return Vec::new() };
        let mut problems = Vec::new();
        let mut reject = |setting: &str, reason: &str| problems.push(Problem::new(setting, reason));
        match &self.http.public_url {
            None => reject("http.public_url", "is required for the links in mails; set it"),
            Some(PublicUrl { host, .. }) => {
                let hosts = &self.http.allowed_hosts;
                let is_valid = !host.is_empty();
                if is_valid
                    && !hosts.is_empty()
                    && !hosts.iter().any(|known| known.to_lowercase() == *host)
                {
                    let reason = "its host is not in http.allowed_hosts; add it there";
                    reject("http.public_url", reason);
                }
            }
        }
        if let Some(name) = &mail.address_type {
            let types = self.credential_types();
            let found = types.as_ref().and_then(|types| types.find(name));
            if !found.is_some_and(CredentialType::is_identifier) {
                reject(
                    "mail.address_type",
                    "must be an entry of credentials.additional_types whose values are identifiers",
                );
            }
        }
        problems
    }

    /// A login waits for a place and for the answer of the old system. The hash of the password and its
    /// verification follow, all while the caller is authenticated.
    fn migration_problem(&self) -> Option<Problem> {
        let migration = self.migration.as_ref()?;
        if self.installation.installation_type != InstallationType::Onsite {
            let reason = "requires installation.type = \"onsite\", because only administrators log \
                          in with a password online, and they never move; remove it, or set \
                          installation.type";
            return Some(Problem::new("migration.hook_url", reason));
        }
        if !self.accepts_passwords() {
            let reason = "has no effect, because nobody can log in with a password; set \
                          authentication.basic or authentication.session, or remove it";
            return Some(Problem::new("migration.hook_url", reason));
        }
        let asked = migration.timeout.saturating_add(migration.timeout / 2);
        let longest = asked.saturating_add(2 * self.hashing.deadline);
        (self.http.answer_timeout <= longest).then(|| {
            Problem::new(
                "migration.hook_timeout_seconds",
                "1.5 * migration.hook_timeout_seconds + 2 * hashing.deadline_seconds must be less \
                 than http.answer_timeout_seconds; lower it, or raise http.answer_timeout_seconds",
            )
        })
    }

    /// True when an onsite installation lets users log in with a password: with Basic, or on the login
    /// page.
    fn accepts_passwords(&self) -> bool {
        self.authentication.session || self.authentication.basic
    }

    fn type_problems(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> =
            self.credentials.additional_types.iter().flat_map(TypeSettings::problems).collect();
        let mut reject = |setting: &str, reason: &str| problems.push(Problem::new(setting, reason));
        let canonical_name = |entry: &TypeSettings| entry.name.to_lowercase();
        let mut seen = vec!["crm5/password".to_owned(), "activedirectory".to_owned()];
        for entry in &self.credentials.additional_types {
            if seen.contains(&canonical_name(entry)) || entry.name.eq_ignore_ascii_case(TICKET) {
                reject(
                    "credentials.additional_types",
                    "duplicate or built-in type name; choose another name",
                );
            }
            seen.push(canonical_name(entry));
        }
        let Some(types) = self.credential_types() else {
            reject(
                "credentials.default_type",
                "unknown credential type; use a built-in type or an entry of additional_types",
            );
            return problems;
        };
        problems.extend(issuer_problems(&self.authentication.issuers, &types));
        problems
    }

    /// True if the cost meets at least one of OWASP's equivalents.
    pub(crate) fn is_hashing_strong(&self) -> bool {
        is_strong_hash(self.hash_parameters())
    }

    /// Problems that `serve` rejects. `dev` and tests accept them.
    pub(crate) fn problems_of_serving(&self) -> Vec<Problem> {
        let mut problems = self.problems_of_commands();
        let mut reject = |setting: &str, reason: &str| problems.push(Problem::new(setting, reason));
        let is_encrypted = self.http.tls.is_enabled() || self.http.tls_terminated_by_proxy;
        if !self.http.listen.ip().is_loopback() && !is_encrypted {
            reject(
                "http.listen",
                "plain HTTP is allowed on loopback only; set http.tls.certificate_file and \
                 http.tls.key_file, or http.tls_terminated_by_proxy and http.trusted_proxies if a \
                 proxy terminates TLS",
            );
        }
        if self.http.tls_terminated_by_proxy && self.http.trusted_proxies.is_empty() {
            reject(
                "http.tls_terminated_by_proxy",
                "requires the address of the proxy in http.trusted_proxies",
            );
        }
        if !self.is_hashing_strong() {
            reject(
                "hashing",
                "the cost is below OWASP's minimum; set memory_kib = 19456 and iterations = 2",
            );
        }
        problems
    }

    /// Problems for commands that need the service.
    pub(crate) fn problems_of_commands(&self) -> Vec<Problem> {
        let mut problems = self.problems_of_migrating();
        if self.keyring_file.is_none() {
            problems.push(Problem::new(
                "keyring.file",
                "is required; set it to the keyring file, which `keys generate` creates",
            ));
        }
        problems
    }

    /// Problems for `migrate`.
    pub(crate) fn problems_of_migrating(&self) -> Vec<Problem> {
        let is_missing = self.database.url.is_none();
        let reason = "is required; set it to the URL of the database";
        is_missing.then(|| Problem::new("database.url", reason)).into_iter().collect()
    }
}

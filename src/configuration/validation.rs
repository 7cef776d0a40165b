//! Rules between settings: what contradicts itself, and what `serve` refuses as unsafe.

use std::{collections::HashSet, time::Duration};

use url::{Host, Url};

use super::{
    ApplicationSettings, AttemptSettings, HashingSettings, IssuerSettings, KeySource,
    PasswordSettings, PolicyProfile, Problem, Settings, TypeSettings,
};
use crate::domain::{
    attempts::MAXIMUM_CONSECUTIVE,
    credential_type::{CredentialType, CredentialTypes, TICKET},
    hexadecimal,
    origin_pattern::OriginPattern,
    password_policy::{MINIMUM_CHARACTERS, MINIMUM_WITH_SECOND_FACTOR, PasswordPolicy},
    stored_credential::HashParameters,
};

/// More remembered claims than this would take a tenth of a gigabyte.
const MOST_VERIFIED: usize = 1_000_000;

/// The most that one hash may fill, in KiB over all passes: what takes some fifteen seconds.
const MOST_BLOCKS: u64 = 16 * 1024 * 1024;

/// The longest time that a setting can mean: beyond it, clocks and timers overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// The longest time that PostgreSQL's own timeouts can mean.
const LONGEST_FOR_POSTGRESQL: Duration = Duration::from_secs(24 * 3600);

/// OWASP's equally strong argon2id points (Password Storage Cheat Sheet), as (KiB, iterations).
const OWASP_POINTS: [(u32, u32); 5] =
    [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

impl ApplicationSettings {
    /// The digest of the application's secret; `None` when it is not one.
    pub(crate) fn digest(&self) -> Option<[u8; 32]> {
        hexadecimal::bytes(&self.token_sha256)?.try_into().ok()
    }
}

impl IssuerSettings {
    /// Where the keys are; `None` when it is not one usable place.
    pub(crate) fn key_source(&self) -> Option<KeySource<'_>> {
        match (&self.jwks_file, &self.jwks_url) {
            (Some(file), None) => Some(KeySource::File(file)),
            (None, Some(url)) => Some(KeySource::Url(key_set_url(url)?)),
            (None, None) | (Some(_), Some(_)) => None,
        }
    }
}

/// A URL that nobody on the way can change the answer of.
fn key_set_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_loopback = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    (url.scheme() == "https" || (url.scheme() == "http" && is_loopback)).then_some(url)
}

impl Settings {
    /// The types of this installation; `None` when the default is none of them.
    pub(crate) fn credential_types(&self) -> Option<CredentialTypes> {
        let additional =
            self.credentials.additional_types.iter().map(TypeSettings::credential_type);
        CredentialTypes::new(additional.collect(), &self.credentials.default_type)
    }

    /// What new passwords have to be; `None`: anything.
    pub(crate) fn password_policy(&self) -> Option<PasswordPolicy> {
        let PasswordSettings { policy, with_second_factor, context_words } = &self.passwords;
        let minimum_characters =
            if *with_second_factor { MINIMUM_WITH_SECOND_FACTOR } else { MINIMUM_CHARACTERS };
        let policy_of = PasswordPolicy { minimum_characters, context_words: context_words.clone() };
        (*policy == PolicyProfile::Nist).then_some(policy_of)
    }

    /// The origins whose pages may call the API.
    pub(crate) fn cors_origins(&self) -> Vec<OriginPattern> {
        self.http.cors_origins.iter().filter_map(|pattern| OriginPattern::parse(pattern)).collect()
    }

    /// The cost of every new hash.
    pub(crate) fn hash_parameters(&self) -> HashParameters {
        HashParameters {
            memory_kib: self.hashing.memory_kib,
            iterations: self.hashing.iterations,
            parallelism: self.hashing.parallelism,
        }
    }

    /// Settings that cannot be meant, whoever uses them.
    pub(super) fn contradictions(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |setting: &str, reason: &str| problems.push(Problem::new(setting, reason));
        let schemes = &self.authentication;
        if !(schemes.basic || schemes.so_ticket || schemes.bearer || schemes.session) {
            refuse("authentication", "at least one scheme must be on");
        }
        if self.database.maximum_connections == 0 {
            refuse("database.maximum_connections", "must be at least 1");
        }
        if self.tickets.maximum_per_user == 0 {
            refuse("tickets.maximum_per_user", "must be at least 1");
        }
        for (setting, duration) in [
            ("http.read_timeout_seconds", self.http.connections.read_timeout),
            ("http.idle_timeout_seconds", self.http.connections.idle_timeout),
            ("http.write_timeout_seconds", self.http.connections.write_timeout),
            ("database.acquire_timeout_seconds", self.database.acquire_timeout),
            ("database.lock_timeout_seconds", self.database.lock_timeout),
            ("database.statement_timeout_seconds", self.database.statement_timeout),
            ("hashing.deadline_seconds", self.hashing.deadline),
            ("http.answer_timeout_seconds", self.http.answer_timeout),
            ("hashing.verified_lifetime_seconds", self.hashing.verified_lifetime),
            ("attempts.maximum_delay_seconds", self.attempts.maximum_delay),
            ("tickets.lifetime_seconds", self.tickets.lifetime),
            ("sessions.lifetime_seconds", self.sessions.lifetime),
            ("sessions.maximum_seconds", self.sessions.maximum),
            ("access_tokens.lifetime_seconds", self.access_tokens.lifetime),
        ] {
            if duration.is_zero() || duration > LONGEST {
                refuse(setting, "must be between 1 and 31536000 (a year)");
            }
        }
        for (setting, duration) in [
            ("database.lock_timeout_seconds", self.database.lock_timeout),
            ("database.statement_timeout_seconds", self.database.statement_timeout),
            ("hashing.deadline_seconds", self.hashing.deadline),
            ("database.startup_wait_seconds", self.database.startup_wait),
        ] {
            if duration > LONGEST_FOR_POSTGRESQL {
                refuse(setting, "must be at most 86400 (a day)");
            }
        }
        for (setting, duration) in [
            ("audit.anchor_seconds", self.anchor_period),
            ("sessions.absolute_seconds", self.sessions.absolute),
            ("shutdown.grace_seconds", self.shutdown.grace),
            ("shutdown.timeout_seconds", self.shutdown.timeout),
        ] {
            if duration > 10 * LONGEST {
                refuse(setting, "must be at most 315360000 (ten years)");
            }
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let context = &self.access_tokens.context;
        if context.is_empty() || !context.chars().all(is_plain) {
            refuse("access_tokens.context", "must be letters, digits, - and _");
        }
        problems.extend(self.http.connections.contradictions());
        problems.extend(self.attempt_contradictions());
        problems.extend(self.answer_contradiction());
        problems.extend(self.hashing_contradictions());
        problems.extend(self.network_contradictions());
        problems.extend(self.type_contradictions());
        problems
    }

    fn attempt_contradictions(&self) -> Option<Problem> {
        let AttemptSettings { before_delay, maximum_failures, .. } = self.attempts;
        if !(1..=MAXIMUM_CONSECUTIVE).contains(&maximum_failures) {
            return Some(Problem::new("attempts.maximum_failures", "must be between 1 and 100"));
        }
        (before_delay == 0).then(|| Problem::new("attempts.before_delay", "must be at least 1"))
    }

    /// A save waits for a connection before its hash and after it, and for its user's row. When the
    /// answer were due before one of these waits is over, its clear refusal would never be heard.
    fn answer_contradiction(&self) -> Option<Problem> {
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
                "must be more than twice database.acquire_timeout_seconds, \
                 hashing.deadline_seconds and database.lock_timeout_seconds together",
            )
        })
    }

    fn network_contradictions(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |setting: &str, reason: &str| problems.push(Problem::new(setting, reason));
        let base_path = &self.http.base_path;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
        let is_path = base_path.starts_with('/') && !base_path.ends_with('/');
        let is_usable = base_path.is_empty() || (is_path && base_path.chars().all(is_plain));
        if !is_usable {
            refuse("http.base_path", "must be empty, or a path such as /SuperOffice");
        }
        if !self.http.cors_origins.iter().all(|pattern| OriginPattern::parse(pattern).is_some()) {
            refuse(
                "http.cors_origins",
                "must be *, or origins such as https://app.example, with * for subdomains or port",
            );
        }
        let applications = &self.installation.applications;
        let digests: HashSet<_> = applications.iter().map(|of| of.token_sha256.as_str()).collect();
        let names: HashSet<_> = applications.iter().map(|of| of.name.as_str()).collect();
        if digests.len() < applications.len() || names.len() < applications.len() {
            refuse("installation.applications", "names an application or a digest twice");
        }
        if applications.iter().any(|of| of.name.is_empty() || of.digest().is_none()) {
            refuse(
                "installation.applications",
                "each needs a name, and token_sha256 as 64 hexadecimal digits",
            );
        }
        problems
    }

    fn hashing_contradictions(&self) -> Option<Problem> {
        let HashParameters { memory_kib, iterations, parallelism } = self.hash_parameters();
        let is_possible = iterations >= 1
            && (1..=255).contains(&parallelism)
            && memory_kib >= 8 * parallelism
            && memory_kib <= 4 * 1024 * 1024
            && u64::from(memory_kib) * u64::from(iterations) <= MOST_BLOCKS;
        if !is_possible {
            let reason = "argon2id has no such cost, or it would take seconds; see `hashing` in \
                          config/default.toml";
            return Some(Problem::new("hashing", reason));
        }
        // Each takes about a hundred bytes.
        (self.hashing.maximum_verified > MOST_VERIFIED)
            .then(|| Problem::new("hashing.maximum_verified", "must be at most 1000000"))
    }

    fn type_contradictions(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self
            .credentials
            .additional_types
            .iter()
            .flat_map(TypeSettings::contradictions)
            .collect();
        let mut refuse = |setting: &str, reason: &str| problems.push(Problem::new(setting, reason));
        let names = |entry: &TypeSettings| entry.name.to_lowercase();
        let mut seen = vec!["crm5/password".to_owned(), "activedirectory".to_owned()];
        for entry in &self.credentials.additional_types {
            if seen.contains(&names(entry)) || entry.name.eq_ignore_ascii_case(TICKET) {
                refuse("credentials.additional_types", "names a type twice, or a built-in one");
            }
            seen.push(names(entry));
        }
        let Some(types) = self.credential_types() else {
            refuse("credentials.default_type", "is not a known credential type");
            return problems;
        };
        let mut issuers = Vec::new();
        for entry in &self.authentication.issuers {
            let bound = types.find(&entry.credential_type);
            if !bound.is_some_and(CredentialType::is_identifier) {
                refuse("authentication.issuers", "credential_type must be an identifier type");
            }
            if entry.key_source().is_none() {
                refuse(
                    "authentication.issuers",
                    "each needs a jwks_file, or a jwks_url with https (http on loopback only)",
                );
            }
            if entry.maximum_age_seconds == 0 {
                refuse("authentication.issuers", "maximum_age_seconds must be at least 1");
            }
            if issuers.contains(&&entry.issuer) {
                refuse("authentication.issuers", "names an issuer twice");
            }
            issuers.push(&entry.issuer);
        }
        problems
    }

    /// True for at least one of OWASP's equivalents.
    pub(crate) fn is_hashing_strong(&self) -> bool {
        let HashingSettings { memory_kib, iterations, .. } = self.hashing;
        OWASP_POINTS.into_iter().any(|(least, passes)| memory_kib >= least && iterations >= passes)
    }

    /// What `serve` needs and what it refuses. `dev` and tests may do with less.
    pub(crate) fn problems_of_serving(&self) -> Vec<Problem> {
        let mut problems = self.problems_of_commands();
        let mut refuse = |setting: &str, reason: &str| problems.push(Problem::new(setting, reason));
        if !self.http.listen.ip().is_loopback() && !self.http.tls_terminated_by_proxy {
            refuse(
                "http.listen",
                "plain HTTP off loopback; set http.tls_terminated_by_proxy when a proxy \
                 terminates TLS in front of it",
            );
        }
        if !self.is_hashing_strong() {
            refuse("hashing", "cheaper than OWASP's minimum of 19456 KiB and 2 iterations");
        }
        problems
    }

    /// What every command needs that opens the database.
    pub(crate) fn problems_of_commands(&self) -> Vec<Problem> {
        let mut problems = self.problems_of_migrating();
        if self.keyring_file.is_none() {
            problems.push(Problem::new("keyring.file", "is required"));
        }
        problems
    }

    /// What `migrate` needs.
    pub(crate) fn problems_of_migrating(&self) -> Vec<Problem> {
        let is_missing = self.database.url.is_none();
        is_missing.then(|| Problem::new("database.url", "is required")).into_iter().collect()
    }
}

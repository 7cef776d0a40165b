//! Rules between settings: what contradicts itself, and what `serve` refuses as unsafe.

use std::time::Duration;

use data_encoding::HEXLOWER_PERMISSIVE;

use super::{
    ApplicationSettings, AttemptSettings, HashingSettings, PasswordSettings, PolicyProfile,
    Problem, Settings, TypeSettings,
    issuers::{has_credentials, is_token_text},
};
use crate::domain::{
    attempts::MAXIMUM_CONSECUTIVE,
    credential_type::{CredentialTypes, TICKET},
    origin_pattern::OriginPattern,
    password_policy::{
        MINIMUM_CHARACTERS, MINIMUM_WITH_SECOND_FACTOR, PasswordPolicy, SHORTEST_WORD,
    },
    stored_credential::HashParameters,
};

/// More remembered claims than this would take a tenth of a gigabyte.
const MOST_VERIFIED: usize = 1_000_000;

/// The most that one hash may fill, in KiB over all passes: what takes some fifteen seconds.
const MOST_BLOCKS: u64 = 16 * 1024 * 1024;

/// The longest name that PostgreSQL does not cut off, in bytes.
const LONGEST_ROLE: usize = 63;

/// OWASP's equally strong argon2id points (Password Storage Cheat Sheet), as (KiB, iterations).
const OWASP_POINTS: [(u32, u32); 5] =
    [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

impl ApplicationSettings {
    /// The digest of the application's secret; `None` when it is not one.
    pub(crate) fn digest(&self) -> Option<[u8; 32]> {
        HEXLOWER_PERMISSIVE.decode(self.token_sha256.as_bytes()).ok()?.try_into().ok()
    }
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
        problems.extend(self.duration_contradictions());
        problems.extend(self.role_contradiction());
        problems.extend(self.token_contradictions());
        problems.extend(self.challenge_contradiction());
        problems.extend(self.word_contradiction());
        problems.extend(self.http.connections.contradictions());
        problems.extend(self.attempt_contradictions());
        problems.extend(self.answer_contradiction());
        problems.extend(self.hashing_contradictions());
        problems.extend(self.network_contradictions());
        problems.extend(self.type_contradictions());
        problems
    }

    fn role_contradiction(&self) -> Option<Problem> {
        let role = self.database.role.as_deref()?;
        let is_name = (1..=LONGEST_ROLE).contains(&role.len()) && !role.contains('\0');
        (!is_name)
            .then(|| Problem::new("database.role", "must be the name of a role, of 1 to 63 bytes"))
    }

    fn token_contradictions(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |setting: &str, reason: &str| problems.push(Problem::new(setting, reason));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let context = &self.access_tokens.context;
        if context.is_empty() || !context.chars().all(is_plain) {
            refuse("access_tokens.context", "must be letters, digits, - and _");
        }
        for (setting, text) in [
            ("access_tokens.issuer", &self.access_tokens.issuer),
            ("access_tokens.audience", &self.access_tokens.audience),
        ] {
            if !is_token_text(text) {
                refuse(setting, "must be a text, without blanks around it");
            } else if has_credentials(text) {
                refuse(setting, "put no credentials into the URL");
            }
        }
        problems
    }

    fn challenge_contradiction(&self) -> Option<Problem> {
        let is_offered_in_vain = self.authentication.basic_challenge && !self.authentication.basic;
        is_offered_in_vain.then(|| {
            let reason = "offers a scheme that is off; switch authentication.basic on";
            Problem::new("authentication.basic_challenge", reason)
        })
    }

    /// Shorter words are not looked for in passwords, and a list in one word is in none.
    fn word_contradiction(&self) -> Option<Problem> {
        let counts = |word: &String| word.chars().count() >= SHORTEST_WORD && !word.contains(',');
        (!self.passwords.context_words.iter().all(counts)).then(|| {
            Problem::new(
                "passwords.context_words",
                "must be words of at least three characters without a comma; in a variable, spaces \
                 between them",
            )
        })
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
        problems.extend(self.issuer_contradictions(&types));
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

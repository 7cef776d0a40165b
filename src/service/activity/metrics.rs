//! Counters of saves, authentications and audit events.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::domain::{audit::AuditKind, principal::AuthenticationScheme};

/// Counts saves and attempts. Shared by the use cases, `/metrics` and the report of the activity.
#[derive(Debug, Default)]
pub(crate) struct ActivityMetrics {
    saves: Counter,
    logins: Counter,
    failures: Counter,
    throttled: Counter,
    authentications: Family<AuthenticationLabels, Counter>,
    events: Family<EventLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AuthenticationLabels {
    scheme: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    kind: &'static str,
}

/// How an authentication ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) enum AuthenticationOutcome {
    /// The caller was authenticated.
    Success,
    /// The credential authenticates nobody.
    Refused,
    /// The password is right, and must be changed first.
    ChangeRequired,
    /// There were too many attempts.
    Throttled,
    /// The credential is locked.
    Locked,
    /// Hashing had no capacity.
    Overloaded,
    /// A system that decides did not answer: the database, an issuer, the directory or the old system.
    Unavailable,
}

impl AuthenticationOutcome {
    const ALL: [Self; 7] = [
        Self::Success,
        Self::Refused,
        Self::ChangeRequired,
        Self::Throttled,
        Self::Locked,
        Self::Overloaded,
        Self::Unavailable,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
            Self::ChangeRequired => "change_required",
            Self::Throttled => "throttled",
            Self::Locked => "locked",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
        }
    }
}

/// The schemes of requests.
const SCHEMES: [AuthenticationScheme; 4] = [
    AuthenticationScheme::Basic,
    AuthenticationScheme::SoTicket,
    AuthenticationScheme::Bearer,
    AuthenticationScheme::Session,
];

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ActivityCounts {
    pub(super) saves: u64,
    pub(super) logins: u64,
    pub(super) failures: u64,
    pub(super) throttled: u64,
}

impl ActivityMetrics {
    /// Counts credentials that were saved.
    pub(in crate::service) fn record_saves(&self, credentials: usize) {
        self.saves.inc_by(u64::try_from(credentials).unwrap_or(u64::MAX));
    }

    /// Counts a password that authenticated its user.
    pub(in crate::service) fn record_login(&self) {
        self.logins.inc();
    }

    /// Counts a password that was refused.
    pub(in crate::service) fn record_failure(&self) {
        self.failures.inc();
    }

    /// Counts an attempt that was refused because there were too many.
    pub(in crate::service) fn record_throttled(&self) {
        self.throttled.inc();
    }

    /// Counts the authentication of a request.
    pub(in crate::service) fn record_authentication(
        &self,
        scheme: AuthenticationScheme,
        outcome: AuthenticationOutcome,
    ) {
        self.authentication(scheme, outcome).inc();
    }

    /// Counts an audit event.
    pub(in crate::service) fn record_event(&self, kind: AuditKind) {
        self.event(kind).inc();
    }

    fn event(&self, kind: AuditKind) -> Counter {
        self.events.get_or_create_owned(&EventLabels { kind: kind.as_str() })
    }

    fn authentication(
        &self,
        scheme: AuthenticationScheme,
        outcome: AuthenticationOutcome,
    ) -> Counter {
        let labels = AuthenticationLabels { scheme: scheme.as_str(), outcome: outcome.as_str() };
        self.authentications.get_or_create_owned(&labels)
    }

    /// Reads the counters.
    pub(super) fn counts(&self) -> ActivityCounts {
        ActivityCounts {
            saves: self.saves.get(),
            logins: self.logins.get(),
            failures: self.failures.get(),
            throttled: self.throttled.get(),
        }
    }

    /// Registers all metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        for (name, help, counter) in [
            (
                "credential_saves",
                "Credentials that were saved, also if the change was rolled back",
                &self.saves,
            ),
            ("logins", "Passwords that authenticated their user", &self.logins),
            (
                "failed_attempts",
                "Passwords that were refused, at a login or as the old password of a change",
                &self.failures,
            ),
            (
                "throttled_attempts",
                "Attempts that were refused without a look at their password, because there were \
                 too many",
                &self.throttled,
            ),
        ] {
            registry.register(name, help, counter.clone());
        }
        // Alerts compare counters from their first second on.
        for scheme in SCHEMES {
            for outcome in AuthenticationOutcome::ALL {
                drop(self.authentication(scheme, outcome));
            }
        }
        let help = "Authentications of requests, by the scheme of their credential";
        registry.register("authentications", help, self.authentications.clone());
        for kind in AuditKind::ALL {
            drop(self.event(kind));
        }
        let help = "Audit events of changes by this instance, also if the change was rolled back";
        registry.register("audit_events", help, self.events.clone());
    }
}

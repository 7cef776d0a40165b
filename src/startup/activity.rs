//! Builds what records and reports the activity.

use std::sync::Arc;

use rustix::system::uname;
use uuid::Uuid;

use super::{options::attempt_limits, parts::Parts, settings_findings::check_settings};
use crate::{
    clock,
    configuration::Settings,
    service::{
        activity::{
            hash_survey::HashSurvey,
            instance_activity::{ActivityCounters, InstanceActivity},
            key_survey::KeySurvey,
            recorder::ActivityRecorder,
            report::{Activity, ActivitySettings, Surveys},
        },
        audit::anchors::Anchors,
        operations::diagnostics::Diagnostics,
    },
};

/// The maximum number of characters of the host's name in the id of an instance.
const HOST_CHARACTERS: usize = 60;

/// What records the activity, as long as the process runs.
pub(super) struct Recording {
    pub(super) anchors: Arc<Anchors>,
    pub(super) recorder: Arc<ActivityRecorder>,
    pub(super) surveys: Surveys,
    instance: Arc<InstanceActivity>,
}

impl Recording {
    pub(super) fn new(parts: &Parts) -> Self {
        let counters =
            ActivityCounters { metrics: Arc::clone(&parts.metrics), hashing: parts.hashing() };
        let instance = Arc::new(InstanceActivity::new(instance_id(), counters, clock::now()));
        let chains = Arc::clone(&parts.changed_chains);
        Self {
            anchors: Arc::new(Anchors::new(parts.database(), parts.keyring(), chains)),
            recorder: Arc::new(ActivityRecorder::new(parts.database(), Arc::clone(&instance))),
            surveys: Surveys {
                hashes: Arc::new(HashSurvey::new(parts.database(), parts.hashing())),
                keys: Arc::new(KeySurvey::new(parts.database())),
            },
            instance,
        }
    }

    /// The id of this instance.
    pub(super) fn instance_id(&self) -> &str {
        self.instance.id()
    }

    /// What reports the activity.
    pub(super) fn report(&self, parts: &Parts, settings: &Settings) -> Arc<Activity> {
        Arc::new(Activity::new(
            Arc::clone(&self.instance),
            self.surveys.clone(),
            Arc::clone(&self.anchors),
            Diagnostics {
                database: parts.database(),
                keyring: parts.keyring(),
                hashing: parts.hashing(),
                limits: attempt_limits(settings),
            },
            ActivitySettings {
                anchor_period: settings.anchor_period,
                findings: check_settings(settings),
            },
        ))
    }
}

/// A new id for this process: the name of the host, for people, and random digits.
fn instance_id() -> String {
    let (digits, ..) = Uuid::new_v4().as_fields();
    format!("{}-{digits:08x}", host_label(&uname().nodename().to_string_lossy()))
}

/// The name of a host without characters that a table or a page would have to escape.
fn host_label(name: &str) -> String {
    let safe = |letter: char| {
        if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' }
    };
    name.chars().take(HOST_CHARACTERS).map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_id_fits_into_its_column_and_is_new_each_time() {
        let (one, other) = (instance_id(), instance_id());
        assert_ne!(one, other);
        assert!((10..=80).contains(&one.len()), "{one}");
        assert_eq!(host_label("keeper_1.example<b>"), "keeper-1.example-b-");
        assert_eq!(host_label(&"å".repeat(300)).len(), 60);
    }
}

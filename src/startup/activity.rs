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
            recorder::ActivityRecorder,
            report::{Activity, ActivitySettings},
        },
        audit::anchors::Anchors,
        operations::diagnostics::Diagnostics,
    },
};

/// The maximum number of characters of the host's name in the id of an instance.
const HOST_CHARACTERS: usize = 60;

/// What records and reports the activity.
pub(super) struct ActivityParts {
    pub(super) recorder: Arc<ActivityRecorder>,
    pub(super) survey: Arc<HashSurvey>,
    pub(super) activity: Arc<Activity>,
    /// The id of this instance.
    pub(super) instance_id: String,
}

/// Builds what records and reports the activity.
pub(super) fn open_activity(
    parts: &Parts,
    settings: &Settings,
    anchors: &Arc<Anchors>,
) -> ActivityParts {
    let counters =
        ActivityCounters { metrics: Arc::clone(&parts.metrics), hashing: parts.hashing() };
    let instance_id = instance_id();
    let instance = Arc::new(InstanceActivity::new(instance_id.clone(), counters, clock::now()));
    let survey = Arc::new(HashSurvey::new(parts.database(), parts.hashing()));
    let activity = Activity::new(
        Arc::clone(&instance),
        Arc::clone(&survey),
        Arc::clone(anchors),
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
    );
    ActivityParts {
        recorder: Arc::new(ActivityRecorder::new(parts.database(), instance)),
        survey,
        activity: Arc::new(activity),
        instance_id,
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

//! The report of the activity and the state of the installation, for administrators.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use time::OffsetDateTime;
use tokio::sync::Mutex;

use super::{
    hash_survey::{HashShare, HashSurvey, SchemeShare},
    instance_activity::{InstanceActivity, full},
    key_survey::{KeyAge, KeySurvey},
    metrics::ActivityMetrics,
};
use crate::{
    domain::{
        activity::{
            ActivityScope, MINUTE_SECONDS, MINUTES, Period, QUARTER_SECONDS, QUARTERS,
            RecentActivity,
        },
        principal::Principal,
    },
    security::{hashing::Capacity, keyring::KeyState},
    service::{
        audit::anchors::{AnchorState, Anchors},
        operations::{diagnostics::Diagnostics, finding::Finding, findings::check_server},
    },
    storage::{ConnectionCounts, StorageError, activity_minutes},
};

/// How long the stored activity is reused: it changes once a minute for each instance.
const REUSE: Duration = Duration::from_secs(10);

/// An error from reading the activity.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadActivityError {
    #[error("the caller may not read the activity")]
    Forbidden,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A key of the keyring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyUse {
    pub(crate) id: String,
    /// `writing`, `readable` or `retired`.
    pub(crate) state: &'static str,
    /// `None`: it has written nothing.
    pub(crate) first_used_at: Option<OffsetDateTime>,
}

/// The state of the instance that answers.
pub(crate) struct InstanceState {
    pub(crate) id: String,
    pub(crate) started_at: OffsetDateTime,
    pub(crate) connections: ConnectionCounts,
    pub(crate) capacity: Capacity,
    /// Jobs in the hashing queue.
    pub(crate) waiting: u64,
    /// The period of anchors; zero for none.
    pub(crate) anchor_period: Duration,
    pub(crate) anchors: AnchorState,
}

/// The activity and the state of the installation.
pub(crate) struct ActivityReport {
    pub(crate) scope: ActivityScope,
    pub(crate) recent: RecentActivity,
    pub(crate) at: OffsetDateTime,
    pub(crate) instance: InstanceState,
    /// As a number: 150004 is 15.4.
    pub(crate) database_version: i32,
    /// The newest migration that is applied.
    pub(crate) schema_version: i64,
    /// `None` before the first survey.
    pub(crate) hash_share: Option<HashShare>,
    pub(crate) keys: Vec<KeyUse>,
    /// The requirements of `doctor` that the service itself can check.
    pub(crate) findings: Vec<Finding>,
}

/// What the settings say.
pub(crate) struct ActivitySettings {
    /// The period of anchors; zero for none.
    pub(crate) anchor_period: Duration,
    /// The requirements on the settings.
    pub(crate) findings: Vec<Finding>,
}

/// What is counted now and then, because it costs a statement.
#[derive(Clone)]
pub(crate) struct Surveys {
    pub(crate) hashes: Arc<HashSurvey>,
    pub(crate) keys: Arc<KeySurvey>,
}

/// The state of this instance and the latest surveys, for the metrics.
#[derive(Debug, Clone, Default)]
pub(crate) struct MetricFigures {
    pub(crate) anchors: AnchorState,
    /// The period of anchors; zero for none.
    pub(crate) anchor_period: Duration,
    pub(crate) hashes: Vec<SchemeShare>,
    /// The keys of the keyring in use.
    pub(crate) keys: Vec<KeyUse>,
}

/// Reports the activity and the state of the installation.
pub(crate) struct Activity {
    instance: Arc<InstanceActivity>,
    surveys: Surveys,
    anchors: Arc<Anchors>,
    diagnostics: Diagnostics,
    settings: ActivitySettings,
    /// The activity of all instances, and when it was read. Concurrent reports share one reading.
    stored: Mutex<Option<(Instant, RecentActivity)>>,
}

impl Activity {
    /// Reports about this instance and its database.
    pub(crate) fn new(
        instance: Arc<InstanceActivity>,
        surveys: Surveys,
        anchors: Arc<Anchors>,
        diagnostics: Diagnostics,
        settings: ActivitySettings,
    ) -> Self {
        Self { instance, surveys, anchors, diagnostics, settings, stored: Mutex::default() }
    }

    /// The counters of this instance.
    pub(in crate::service) fn metrics(&self) -> &ActivityMetrics {
        self.instance.metrics()
    }

    /// The figures for the metrics. It runs no statement.
    pub(in crate::service) fn figures(&self) -> MetricFigures {
        MetricFigures {
            anchors: self.anchors.state(),
            anchor_period: self.settings.anchor_period,
            hashes: self.surveys.hashes.schemes(),
            keys: self.key_uses(&self.surveys.keys.latest()),
        }
    }

    /// The report for a caller.
    ///
    /// # Errors
    /// See [`ReadActivityError`].
    pub(crate) async fn report(
        &self,
        caller: &Principal,
        scope: ActivityScope,
        now: OffsetDateTime,
    ) -> Result<ActivityReport, ReadActivityError> {
        if !caller.may_read_activity() {
            return Err(ReadActivityError::Forbidden);
        }
        let recent = match scope {
            ActivityScope::Instance => self.instance.recent(now),
            ActivityScope::Installation => self.stored(now).await?,
        };
        let server = self.diagnostics.examine_server().await?;
        let mut findings = self.settings.findings.clone();
        findings.extend(check_server(&server));
        Ok(ActivityReport {
            scope,
            recent,
            at: now,
            instance: self.instance_state(),
            database_version: server.facts.server_version,
            schema_version: server.facts.schema_version,
            hash_share: self.surveys.hashes.latest(),
            keys: self.key_uses(&server.keys.iter().map(KeyAge::of).collect::<Vec<_>>()),
            findings,
        })
    }

    fn instance_state(&self) -> InstanceState {
        InstanceState {
            id: self.instance.id().to_owned(),
            started_at: self.instance.started_at(),
            connections: self.diagnostics.database.counts(),
            capacity: self.diagnostics.hashing.capacity(),
            waiting: self.instance.waiting(),
            anchor_period: self.settings.anchor_period,
            anchors: self.anchors.state(),
        }
    }

    /// The keys of the keyring in use. `known` are the keys that the database was written with.
    fn key_uses(&self, known: &[KeyAge]) -> Vec<KeyUse> {
        let keyring = self.diagnostics.keyring.current();
        let key_use = |(id, state): (&str, KeyState)| {
            let known = known.iter().find(|known| known.id == id);
            let first_used_at = known.map(|known| known.first_used_at);
            KeyUse { id: id.to_owned(), state: state.as_str(), first_used_at }
        };
        keyring.states().map(key_use).collect()
    }

    /// The activity of all instances.
    async fn stored(&self, now: OffsetDateTime) -> Result<RecentActivity, StorageError> {
        // Not locked during the read: one caller's wait for a connection keeps no other waiting.
        if let Some((read, recent)) = self.stored.lock().await.as_ref()
            && read.elapsed() < REUSE
        {
            return Ok(recent.clone());
        }
        let read = Instant::now();
        let first_minute = first(now, MINUTE_SECONDS, MINUTES);
        let first_quarter = first(now, QUARTER_SECONDS, QUARTERS);
        let database = &self.diagnostics.database;
        let listed = read_on_connection!(database, |connection| activity_minutes::list(
            &mut connection,
            first_quarter,
            first_minute,
            now
        ))?;
        let recent = RecentActivity { day: quarters(&listed), hour: minutes(listed, first_minute) };
        *self.stored.lock().await = Some((read, recent.clone()));
        Ok(recent)
    }
}

/// The start of the first of the last periods of this width.
fn first(now: OffsetDateTime, width: u64, periods: u64) -> OffsetDateTime {
    full(now, width) - Duration::from_secs(width * (periods - 1))
}

/// The minutes of a list that begins with quarters of an hour.
fn minutes(listed: Vec<Period>, first: OffsetDateTime) -> Vec<Period> {
    listed.into_iter().filter(|period| period.start >= first).collect()
}

/// The quarters of an hour of a list that ends with minutes.
fn quarters(listed: &[Period]) -> Vec<Period> {
    let mut quarters: Vec<Period> = Vec::new();
    for period in listed {
        let start = full(period.start, QUARTER_SECONDS);
        match quarters.last_mut() {
            Some(last) if last.start == start => {
                last.instances = last.instances.max(period.instances);
                last.figures = last.figures.plus(period.figures);
            }
            Some(_) | None => quarters.push(Period { start, ..*period }),
        }
    }
    quarters
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::domain::activity::Figures;

    fn period(start: OffsetDateTime, instances: u64, saves: u64) -> Period {
        Period { start, instances, figures: Figures { saves, ..Figures::default() } }
    }

    #[test]
    fn a_day_has_96_quarters_and_an_hour_60_minutes() {
        let now = datetime!(2026-11-28 12:07:30 UTC);
        assert_eq!(first(now, 60, 60), datetime!(2026-11-28 11:08 UTC));
        assert_eq!(first(now, 900, 96), datetime!(2026-11-27 12:15 UTC));
    }

    #[test]
    fn minutes_are_part_of_their_quarter() {
        let listed = vec![
            period(datetime!(2026-11-28 10:45 UTC), 2, 100),
            // The quarter in which the hour begins.
            period(datetime!(2026-11-28 11:00 UTC), 3, 20),
            period(datetime!(2026-11-28 11:08 UTC), 1, 3),
            period(datetime!(2026-11-28 11:14 UTC), 2, 4),
            period(datetime!(2026-11-28 11:15 UTC), 2, 5),
        ];
        let expected = [
            period(datetime!(2026-11-28 10:45 UTC), 2, 100),
            period(datetime!(2026-11-28 11:00 UTC), 3, 27),
            period(datetime!(2026-11-28 11:15 UTC), 2, 5),
        ];
        assert_eq!(quarters(&listed), expected);
        let first = datetime!(2026-11-28 11:08 UTC);
        assert_eq!(minutes(listed.clone(), first), listed[2..]);
    }
}

//! The activity of the installation: counters, the last hour and day in memory and in the database,
//! and a report for administrators.

pub(crate) mod hash_survey;
mod history;
pub(crate) mod instance_activity;
pub(crate) mod key_survey;
pub(crate) mod metrics;
pub(crate) mod recorder;
pub(crate) mod report;

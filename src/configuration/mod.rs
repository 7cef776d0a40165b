//! Settings from `config/default.toml`, the file named by `KEEPER_CONFIG`, and the environment
//! variables `KEEPER__SECTION__NAME`. Later sources override earlier ones.
//!
//! This is the only module that reads the environment. Reading collects every problem instead of
//! stopping at the first.

mod audit;
mod connections;
mod credential_types;
mod descriptions;
mod directory;
mod distribution;
mod durations;
mod effective;
mod environment;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz_support;
mod hashing;
mod http;
mod issuers;
mod log;
mod mail;
mod master_keys;
mod migration;
mod network;
mod origins;
mod problem;
mod reader;
mod reloaded;
mod reloading;
mod sections;
mod source_file;
mod telemetry;
mod tls;
mod validation;
mod value_types;
mod verification;

pub(crate) use self::{
    audit::{SinkSettings, SyslogSetting},
    connections::ConnectionSettings,
    descriptions::{SettingDescription, describe_settings},
    directory::{DirectoryEncryption, DirectorySettings},
    distribution::DistributionSetting,
    effective::EffectiveSetting,
    environment::{
        effective_settings, operations_settings, program_folders, runtime_folder, settings_file,
        settings_with_origin,
    },
    hashing::is_strong_hash,
    http::parse_network,
    issuers::{IssuerSettings, KeySource},
    log::{LogFormat, LogSettings},
    mail::{MailSettings, SmtpSource},
    master_keys::MasterKeySettings,
    migration::MigrationSettings,
    reloading::{LoadedSettings, SettingChanges, SettingDifference, compare_with_file},
    sections::{DatabaseSettings, OperationsSettings, PolicyProfile, ShutdownSettings},
    telemetry::TelemetrySettings,
    tls::TlsSettings,
    verification::VerificationSettings,
};
pub use self::{
    problem::{Problem, Problems},
    sections::Settings,
};

#[cfg(test)]
mod directory_tests;
#[cfg(test)]
mod mail_tests;
#[cfg(test)]
mod migration_tests;
#[cfg(test)]
mod number_tests;
#[cfg(test)]
mod reloading_tests;
#[cfg(test)]
mod secret_file_tests;
#[cfg(test)]
mod telemetry_tests;
#[cfg(test)]
mod tests;

//! Whether the tables are distributed over several servers.

use super::reader::Reader;

/// Setting `database.distributed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DistributionSetting {
    /// The database says whether its tables are distributed.
    Auto,
    On,
    Off,
}

impl DistributionSetting {
    pub(super) fn take(reader: &mut Reader) -> Self {
        let parsed =
            reader.parsed("database.distributed", "must be auto, on or off", |text| match text {
                "auto" => Some(Self::Auto),
                "on" => Some(Self::On),
                "off" => Some(Self::Off),
                _ => None,
            });
        parsed.unwrap_or(Self::Auto)
    }
}

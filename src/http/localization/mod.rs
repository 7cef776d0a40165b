//! Texts and dates in the caller's language and time zone.

mod language;
#[cfg(test)]
mod tests;
mod texts;
mod time_zone;

pub(crate) use self::texts::load_english_texts;
pub(super) use self::{
    language::Language,
    time_zone::{SO_TIME_ZONE, TimeZone, format as format_moment, parse as parse_moment},
};

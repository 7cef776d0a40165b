//! The reference of secret files.

use std::collections::HashMap;

use super::{Settings, reader::Reader};

#[test]
fn the_reference_names_every_setting_of_a_secret_file() {
    let mut reader = Reader::open(None, HashMap::new()).unwrap();
    Settings::take(&mut reader);
    let list = include_str!("../../docs/reference/secret-files.md").split("\n\n").nth(1).unwrap();
    let ends: Vec<_> = list.split('`').skip(1).step_by(2).collect();
    let (_, settings) = reader.secret_settings();
    for setting in settings {
        assert!(ends.iter().any(|end| setting.ends_with(end)), "{setting} is not named: {list}");
    }
}

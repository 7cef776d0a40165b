//! Rules of the section `telemetry`.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use super::{Problems, Settings};

const URL: (&str, &str) = ("OTLP_URL", "https://collector.example.com:4318");

fn read(settings: &[(&str, &str)]) -> Result<Settings, Problems> {
    let variable =
        |(name, value): &(&str, &str)| (format!("KEEPER__TELEMETRY__{name}"), (*value).to_owned());
    let variables: HashMap<_, _> = settings.iter().map(variable).collect();
    Settings::read(None, variables)
}

#[test]
fn the_section_is_optional_and_accepts_https_and_http_on_loopback() {
    assert!(read(&[]).unwrap().telemetry.is_none());
    let telemetry = read(&[URL]).unwrap().telemetry.unwrap();
    assert_eq!(telemetry.timeout, Duration::from_secs(10));
    assert!((telemetry.sample_ratio - 1.0).abs() < f64::EPSILON);
    for url in ["https://192.0.2.1/base/", "http://localhost:4318", "http://[::1]:4318/x"] {
        assert!(read(&[("OTLP_URL", url)]).unwrap().telemetry.is_some(), "{url}");
    }
    for ratio in ["0", "0.25", "1"] {
        assert!(read(&[URL, ("TRACE_SAMPLE_RATIO", ratio)]).is_ok(), "{ratio}");
    }
}

#[test]
fn every_invalid_setting_is_named_without_its_value() {
    for (settings, named) in [
        (vec![("OTLP_URL", "marker")], "otlp_url"),
        (vec![("OTLP_URL", "http://marker.example.com/")], "otlp_url"),
        (vec![("OTLP_URL", "grpc://localhost/marker")], "otlp_url"),
        (vec![("OTLP_URL", "https://u:marker@collector.example.com")], "otlp_url"),
        (vec![("OTLP_URL", "https://collector.example.com/?key=marker")], "otlp_url"),
        (vec![("OTLP_CA_FILE", "/marker")], "otlp_url"),
        (vec![("OTLP_HEADERS_FILE", "/marker")], "otlp_url"),
        (vec![("OTLP_URL", "http://localhost/"), ("OTLP_CA_FILE", "/marker")], "otlp_ca_file"),
        (vec![URL, ("OTLP_TIMEOUT_SECONDS", "0")], "otlp_timeout_seconds"),
        (vec![URL, ("OTLP_TIMEOUT_SECONDS", "61")], "otlp_timeout_seconds"),
        (vec![URL, ("TRACE_SAMPLE_RATIO", "-0.1")], "trace_sample_ratio"),
        (vec![URL, ("TRACE_SAMPLE_RATIO", "1.1")], "trace_sample_ratio"),
        (vec![URL, ("TRACE_SAMPLE_RATIO", "NaN")], "trace_sample_ratio"),
        (vec![URL, ("TRACE_SAMPLE_RATIO", "marker")], "trace_sample_ratio"),
    ] {
        let Problems(problems) = read(&settings).unwrap_err();
        let names: BTreeSet<_> = problems.iter().map(|problem| problem.setting.clone()).collect();
        assert_eq!(names, BTreeSet::from([format!("telemetry.{named}")]), "{settings:?}");
        assert!(!format!("{problems:?}").contains("marker"), "{problems:?}");
    }
}

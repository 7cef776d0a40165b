//! Rules of the section `mail` and of `http.public_url`.

use std::collections::{BTreeSet, HashMap};

use super::{Problems, Settings, SmtpSource};

/// The settings that are required together.
const COMPLETE: [(&str, &str); 3] = [
    ("MAIL__SMTP_URL", "smtps://keeper:password@mail.example.com"),
    ("MAIL__FROM", "keeper@example.com"),
    ("HTTP__PUBLIC_URL", "https://keeper.example.com"),
];

fn read(settings: &[(&str, &str)]) -> Result<Settings, Problems> {
    let variable = |(name, value): &(&str, &str)| (format!("KEEPER__{name}"), (*value).to_owned());
    let variables: HashMap<_, _> = settings.iter().map(variable).collect();
    Settings::read(None, variables)
}

fn read_with(more: &[(&str, &str)]) -> Result<Settings, Problems> {
    read(&[&COMPLETE[..], more].concat())
}

#[test]
fn a_complete_section_is_read() {
    assert!(read(&[]).unwrap().mail.is_none());
    let settings = read_with(&[]).unwrap();
    assert_eq!(settings.http.public_url.unwrap().origin, "https://keeper.example.com");
    let mail = settings.mail.unwrap();
    assert!(matches!(mail.source, SmtpSource::Url(_)));
    assert_eq!((mail.from_name, mail.from.to_string().as_str()), (None, "keeper@example.com"));
    assert_eq!(mail.link_lifetime.as_secs(), 1800);
    assert_eq!((mail.maximum_per_hour, mail.timeout.as_secs()), (3, 30));
    let named = read_with(&[("MAIL__FROM", "The Keeper <keeper@bücher.example>")]).unwrap();
    let mail = named.mail.unwrap();
    assert_eq!(mail.from_name.unwrap(), "The Keeper");
    assert_eq!(mail.from.to_string(), "keeper@xn--bcher-kva.example");
    let file = [("MAIL__SMTP_URL", ""), ("MAIL__SMTP_URL_FILE", "/f")];
    let mail = read_with(&file).unwrap().mail.unwrap();
    assert!(matches!(mail.source, SmtpSource::File(_)));
    for (url, start_tls) in [("smtp://mail", "true"), ("smtp://[::1]:25", "false")] {
        read_with(&[("MAIL__SMTP_URL", url), ("MAIL__START_TLS", start_tls)]).unwrap();
    }
    let waived = [
        ("MAIL__SMTP_URL", "smtp://mail"),
        ("MAIL__START_TLS", "false"),
        ("MAIL__ALLOW_UNENCRYPTED", "true"),
    ];
    read_with(&waived).unwrap();
}

#[test]
fn every_invalid_setting_is_named_without_its_value() {
    let long_name = format!("{} <marker@example.com>", "n".repeat(101));
    for (settings, named) in [
        (vec![("MAIL__SMTP_URL", "marker")], "mail.smtp_url"),
        (vec![("MAIL__SMTP_URL", "https://marker")], "mail.smtp_url"),
        (vec![("MAIL__SMTP_URL", "smtps://marker@mail")], "mail.smtp_url"),
        (vec![("MAIL__SMTP_URL", "smtps://mail/marker")], "mail.smtp_url"),
        (vec![("MAIL__SMTP_URL_FILE", "/marker")], "mail.smtp_url_file"),
        (vec![("MAIL__START_TLS", "false")], "mail.start_tls"),
        (vec![("MAIL__START_TLS", "marker")], "mail.start_tls"),
        (vec![("MAIL__SMTP_URL", "smtp://marker"), ("MAIL__START_TLS", "false")], "mail.start_tls"),
        (vec![("MAIL__ALLOW_UNENCRYPTED", "true")], "mail.allow_unencrypted"),
        (
            vec![
                ("MAIL__SMTP_URL", "smtp://127.0.0.1"),
                ("MAIL__START_TLS", "false"),
                ("MAIL__CA_FILE", "/marker"),
            ],
            "mail.ca_file",
        ),
        (vec![("MAIL__FROM", "marker")], "mail.from"),
        (vec![("MAIL__FROM", "marker@")], "mail.from"),
        (vec![("MAIL__FROM", "marker <a@example.com> b")], "mail.from"),
        (vec![("MAIL__FROM", " <marker@example.com>")], "mail.from"),
        (vec![("MAIL__FROM", "a@example.com\r\nBcc: marker@example.com")], "mail.from"),
        (vec![("MAIL__FROM", "marker\r\nBcc: b <a@example.com>")], "mail.from"),
        (vec![("MAIL__FROM", long_name.as_str())], "mail.from"),
        (vec![("MAIL__ADDRESS_TYPE", "marker")], "mail.address_type"),
        (vec![("MAIL__ADDRESS_TYPE", "CRM5/PASSWORD")], "mail.address_type"),
        (vec![("MAIL__LINK_LIFETIME_SECONDS", "299")], "mail.link_lifetime_seconds"),
        (vec![("MAIL__LINK_LIFETIME_SECONDS", "7201")], "mail.link_lifetime_seconds"),
        (vec![("MAIL__MAXIMUM_PER_HOUR", "0")], "mail.maximum_per_hour"),
        (vec![("MAIL__MAXIMUM_PER_HOUR", "101")], "mail.maximum_per_hour"),
        (vec![("MAIL__TIMEOUT_SECONDS", "0")], "mail.timeout_seconds"),
        (vec![("MAIL__TIMEOUT_SECONDS", "301")], "mail.timeout_seconds"),
        (vec![("HTTP__PUBLIC_URL", "")], "http.public_url"),
        (vec![("HTTP__PUBLIC_URL", "marker")], "http.public_url"),
        (vec![("HTTP__PUBLIC_URL", "http://marker.example")], "http.public_url"),
        (vec![("HTTP__PUBLIC_URL", "https://marker.example/path")], "http.public_url"),
        (vec![("HTTP__PUBLIC_URL", "https://u:marker@a.example")], "http.public_url"),
        (vec![("HTTP__PUBLIC_URL", "https://a.example?marker")], "http.public_url"),
        (vec![("HTTP__ALLOWED_HOSTS", "marker.example")], "http.public_url"),
    ] {
        let problems = read_with(&settings).unwrap_err();
        let names: Vec<_> = problems.0.iter().map(|problem| problem.setting.as_str()).collect();
        assert_eq!(names, [named], "{settings:?}");
        assert!(!problems.to_string().contains("marker"), "{problems}");
    }
}

#[test]
fn the_settings_of_the_section_are_required_together() {
    let missing = |settings: &[(&str, &str)]| -> BTreeSet<String> {
        let problems = read(settings).unwrap_err();
        problems.0.into_iter().map(|problem| problem.setting).collect()
    };
    assert_eq!(missing(&COMPLETE[..1]), ["mail.from".to_owned()].into());
    assert_eq!(missing(&COMPLETE[1..2]), ["mail.smtp_url".to_owned()].into());
    assert_eq!(missing(&COMPLETE[..2]), ["http.public_url".to_owned()].into());
    let both = ["mail.from".to_owned(), "mail.smtp_url".to_owned()].into();
    for setting in [("MAIL__CA_FILE", "/f"), ("MAIL__START_TLS", "false")] {
        assert_eq!(missing(&[setting]), both, "{setting:?}");
    }
    // A public URL alone is allowed.
    read(&COMPLETE[2..]).unwrap();
    read(&[("HTTP__PUBLIC_URL", "http://127.0.0.1:8080")]).unwrap();
}

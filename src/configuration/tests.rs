//! Layers, names and rules of the settings.

use std::{
    collections::{BTreeSet, HashMap},
    io::Write,
    path::{Path, PathBuf},
};

use super::{reader::Reader, *};

fn variables(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read(pairs: &[(&str, &str)]) -> Result<Settings, Problems> {
    Settings::read(None, variables(pairs))
}

fn named(problems: &Problems) -> BTreeSet<&str> {
    problems.0.iter().map(|problem| problem.setting.as_str()).collect()
}

#[test]
fn the_defaults_are_read_without_a_problem() {
    let settings = read(&[]).unwrap();
    assert_eq!(settings.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.hash_parameters().memory_kib, 19_456);
    assert!(settings.credential_types().is_some());
}

#[test]
fn environment_variables_override_the_file() {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    writeln!(file, "[http]\nlisten = '127.0.0.1:1'\nread_timeout_seconds = 3").unwrap();
    let environment = variables(&[("KEEPER__HTTP__LISTEN", "127.0.0.1:2")]);
    let settings = Settings::read(Some(file.path()), environment).unwrap();
    assert_eq!(settings.http.listen.port(), 2);
    assert_eq!(settings.http.connections.read_timeout.as_secs(), 3);
}

#[test]
fn a_password_of_digits_is_not_parsed_as_a_number() {
    use secrecy::ExposeSecret;
    let settings = read(&[("KEEPER__DATABASE__URL", "0070")]).unwrap();
    assert_eq!(settings.database.url.unwrap().expose_secret(), "0070");
}

#[test]
fn all_problems_are_reported_without_values() {
    let problems = read(&[
        ("KEEPER__HTTP__LISTEN", "marker-listen"),
        ("KEEPER__HTTP__READ_TIMEOUT_SECONDS", "marker-timeout"),
        ("KEEPER__DATABASE__MAXIMUM_CONNECTIONS", "0"),
        ("KEEPER__DATABASE__ULR", "marker-url"),
        ("KEEPER__LOG__FORMAT", "marker-format"),
        ("KEEPER__AUTHENTICATION__BASIC", "marker-basic"),
        ("KEEPER__ACCESS_TOKENS__CONTEXT", "marker.context"),
        ("KEEPER__CREDENTIALS__DEFAULT_TYPE", "marker-type"),
    ])
    .unwrap_err();
    let expected = [
        "access_tokens.context",
        "authentication.basic",
        "credentials.default_type",
        "database.maximum_connections",
        "database.ulr",
        "http.listen",
        "http.read_timeout_seconds",
        "log.format",
    ];
    assert_eq!(named(&problems), BTreeSet::from(expected));
    assert!(!problems.to_string().contains("marker"), "{problems}");
}

#[test]
fn invalid_toml_is_reported_without_its_text() {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    writeln!(file, "[database]\nurl = marker-secret").unwrap();
    let problems = Settings::read(Some(file.path()), HashMap::new()).unwrap_err();
    assert!(!problems.to_string().contains("marker"), "{problems}");
    assert!(problems.to_string().contains("line 2"), "{problems}");
}

#[test]
fn a_missing_file_is_a_problem() {
    assert!(Settings::read(Some(Path::new("no-such-file.toml")), HashMap::new()).is_err());
}

#[test]
fn debug_output_hides_secrets() {
    let settings = read(&[("KEEPER__DATABASE__URL", "postgres://u:marker@h/d")]).unwrap();
    assert!(!format!("{settings:?}").contains("marker"));
}

#[test]
fn types_and_issuers_are_checked_together() {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    writeln!(
        file,
        r#"
        [credentials]
        additional_types = [
            {{ name = "OpenId", kind = "identifier" }},
            {{ name = "openid", kind = "secret" }},
            {{ name = "Badge", kind = "identifier", usable_for_basic = true }},
        ]
        [authentication]
        issuers = [
            {{ issuer = "i", audience = "a", jwks_file = "f", credential_type = "CRM5/PASSWORD" }},
            {{ issuer = "j", audience = "a", jwks_file = "f", credential_type = "ActiveDirectory", maximum_age_seconds = 0 }},
        ]"#
    )
    .unwrap();
    let problems = Settings::read(Some(file.path()), HashMap::new()).unwrap_err();
    assert_eq!(problems.0.len(), 4, "{problems}");
}

#[test]
fn serving_rejects_unsafe_settings() {
    let serving = |pairs: &[(&str, &str)]| {
        let problems = read(pairs).unwrap().problems_of_serving();
        problems.into_iter().map(|problem| problem.setting).collect::<Vec<_>>()
    };
    assert_eq!(serving(&[]), ["database.url", "keyring.file"]);
    let base = [("KEEPER__DATABASE__URL", "u"), ("KEEPER__KEYRING__FILE", "f")];
    let with = |more: &[(&'static str, &'static str)]| serving(&[&base, more].concat());
    assert!(with(&[]).is_empty());
    assert_eq!(with(&[("KEEPER__HTTP__LISTEN", "0.0.0.0:8080")]), ["http.listen"]);
    let everywhere = ("KEEPER__HTTP__LISTEN", "0.0.0.0:8080");
    let behind_proxy = ("KEEPER__HTTP__TLS_TERMINATED_BY_PROXY", "true");
    let named = ("KEEPER__HTTP__TRUSTED_PROXIES", "192.0.2.1");
    assert!(with(&[everywhere, behind_proxy, named]).is_empty());
    assert_eq!(with(&[everywhere, behind_proxy]), ["http.tls_terminated_by_proxy"]);
    assert_eq!(with(&[behind_proxy]), ["http.tls_terminated_by_proxy"]);
    let tls = [("KEEPER__HTTP__TLS__CERTIFICATE_FILE", "c"), ("KEEPER__HTTP__TLS__KEY_FILE", "k")];
    assert!(with(&[&[everywhere][..], &tls].concat()).is_empty());
    assert_eq!(with(&[("KEEPER__HASHING__ITERATIONS", "1")]), ["hashing"]);
    let owasp = [("KEEPER__HASHING__MEMORY_KIB", "47104"), ("KEEPER__HASHING__ITERATIONS", "1")];
    assert!(with(&owasp).is_empty());
}

#[test]
fn tls_settings_that_cannot_work_together_are_rejected() {
    let certificate = ("KEEPER__HTTP__TLS__CERTIFICATE_FILE", "c");
    let key = ("KEEPER__HTTP__TLS__KEY_FILE", "k");
    let behind_proxy = ("KEEPER__HTTP__TLS_TERMINATED_BY_PROXY", "true");
    let operations_key = ("KEEPER__OPERATIONS__TLS__KEY_FILE", "k");
    let client_ca = ("KEEPER__OPERATIONS__TLS__CLIENT_CA_FILE", "c");
    for (pairs, setting) in [
        (&[certificate][..], "http.tls.key_file"),
        (&[key], "http.tls.certificate_file"),
        (&[certificate, key, behind_proxy], "http.tls_terminated_by_proxy"),
        (&[operations_key], "operations.tls.certificate_file"),
        (&[client_ca], "operations.tls.client_ca_file"),
        (&[("KEEPER__HTTP__TLS__CLIENT_CA_FILE", "c")], "http.tls.client_ca_file"),
    ] {
        let problems = read(pairs).unwrap_err();
        assert_eq!(named(&problems), BTreeSet::from([setting]), "{pairs:?}: {problems}");
    }
    read(&[certificate, key]).unwrap();
    for (additional, setting) in [
        ("{ certificate_file = 'c' }", "http.tls.additional"),
        ("{ certificate_file = 'c', key_file = 'k', name = 'n' }", "http.tls.additional"),
        // Additional to nothing.
        ("{ certificate_file = 'c', key_file = 'k' }", "http.tls.additional"),
    ] {
        let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        writeln!(file, "[http.tls]\nadditional = [{additional}]").unwrap();
        let problems = Settings::read(Some(file.path()), HashMap::new()).unwrap_err();
        assert_eq!(named(&problems), BTreeSet::from([setting]), "{additional}: {problems}");
    }
}

#[test]
fn the_response_timeout_must_exceed_the_waits_of_a_save() {
    // Twice two seconds for a connection, two for the hash, two for the lock.
    let problems = read(&[("KEEPER__HTTP__ANSWER_TIMEOUT_SECONDS", "8")]).unwrap_err();
    assert_eq!(named(&problems), BTreeSet::from(["http.answer_timeout_seconds"]));
    read(&[("KEEPER__HTTP__ANSWER_TIMEOUT_SECONDS", "9")]).unwrap();
    let problems = read(&[("KEEPER__DATABASE__LOCK_TIMEOUT_SECONDS", "3")]).unwrap_err();
    assert_eq!(named(&problems), BTreeSet::from(["http.answer_timeout_seconds"]));
}

#[test]
fn the_attempt_limits_cannot_be_disabled() {
    for (name, value, setting) in [
        ("KEEPER__ATTEMPTS__MAXIMUM_FAILURES", "0", "attempts.maximum_failures"),
        ("KEEPER__ATTEMPTS__MAXIMUM_FAILURES", "101", "attempts.maximum_failures"),
        ("KEEPER__ATTEMPTS__BEFORE_DELAY", "0", "attempts.before_delay"),
        ("KEEPER__ATTEMPTS__MAXIMUM_DELAY_SECONDS", "0", "attempts.maximum_delay_seconds"),
    ] {
        assert_eq!(named(&read(&[(name, value)]).unwrap_err()), BTreeSet::from([setting]));
    }
    read(&[("KEEPER__ATTEMPTS__MAXIMUM_FAILURES", "100")]).unwrap();
}

#[test]
fn the_size_and_the_time_of_a_file_in_the_browser_are_bounded() {
    let variable = "KEEPER__IMPORT__MAXIMUM_UPLOAD_BYTES";
    for value in ["0", "65535", "268435457", "-1", "16 MB"] {
        let problems = read(&[(variable, value)]).unwrap_err();
        assert_eq!(named(&problems), BTreeSet::from(["import.maximum_upload_bytes"]), "{value}");
    }
    for value in ["65536", "268435456"] {
        read(&[(variable, value)]).unwrap();
    }
    let variable = "KEEPER__IMPORT__UPLOAD_TIMEOUT_SECONDS";
    for value in ["0", "86401", "-1", "ten"] {
        let problems = read(&[(variable, value)]).unwrap_err();
        assert_eq!(named(&problems), BTreeSet::from(["import.upload_timeout_seconds"]), "{value}");
    }
    read(&[(variable, "86400")]).unwrap();
}

#[test]
fn every_duration_has_an_upper_bound() {
    let mut section = "";
    let mut count = 0;
    for line in include_str!("../../config/default.toml").lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
        }
        let Some((name, _)) = line.split_once("_seconds = ") else { continue };
        if name.starts_with('#') {
            continue;
        }
        let setting = format!("{section}.{name}_seconds");
        let variable = format!("KEEPER__{}", setting.replace('.', "__").to_uppercase());
        for value in [u64::MAX, i64::MAX.unsigned_abs(), 315_360_001] {
            let problems = read(&[(&variable, &value.to_string())]).err();
            let problems = problems.unwrap_or_else(|| panic!("{setting} = {value} is accepted"));
            let found = problems.0.iter().find(|problem| problem.setting == setting);
            assert!(found.unwrap().to_string().contains("must be "), "{setting}: {problems}");
        }
        count += 1;
    }
    assert!(count > 20, "{count}");
    for value in ["0", "86400"] {
        read(&[("KEEPER__KEYRING__STARTUP_WAIT_SECONDS", value)]).unwrap();
    }
    read(&[("KEEPER__KEYRING__STARTUP_WAIT_SECONDS", "86401")]).unwrap_err();
}

#[test]
fn values_that_never_match_are_rejected() {
    for (name, value, setting) in [
        ("HTTP__ALLOWED_HOSTS", "a.example,b.example", "http.allowed_hosts"),
        ("HTTP__ALLOWED_HOSTS", "https://a.example", "http.allowed_hosts"),
        ("HTTP__ALLOWED_HOSTS", "a.example:8080", "http.allowed_hosts"),
        ("HTTP__ALLOWED_HOSTS", "a.example/path", "http.allowed_hosts"),
        ("HTTP__ALLOWED_HOSTS", "*.example", "http.allowed_hosts"),
        ("HTTP__ALLOWED_HOSTS", "::1", "http.allowed_hosts"),
        ("HTTP__ALLOWED_HOSTS", "[0:0::1]", "http.allowed_hosts"),
        ("HTTP__ALLOWED_HOSTS", "bücher.example", "http.allowed_hosts"),
        ("HTTP__TRUSTED_PROXIES", "0.0.0.0/0", "http.trusted_proxies"),
        ("HTTP__TRUSTED_PROXIES", "::/0", "http.trusted_proxies"),
        ("HTTP__TRUSTED_PROXIES", "0.0.0.0/1 128.0.0.0/1", "http.trusted_proxies"),
        ("HTTP__TRUSTED_PROXIES", "2000::/3", "http.trusted_proxies"),
        ("HTTP__TRUSTED_PROXIES", "8.0.0.0/8", "http.trusted_proxies"),
        ("HTTP__TRUSTED_PROXIES", "2a00::/7", "http.trusted_proxies"),
        ("HTTP__TRUSTED_PROXIES", "::ffff:0:0/96", "http.trusted_proxies"),
        ("HTTP__TRUSTED_PROXIES", "::1/80", "http.trusted_proxies"),
        ("HTTP__TRUSTED_PROXIES", "10.0.0.0/7", "http.trusted_proxies"),
        ("HTTP__TRUSTED_PROXIES", "0.0.0.0", "http.trusted_proxies"),
        ("HTTP__TRUSTED_PROXIES", "::ffff:10.0.0.1", "http.trusted_proxies"),
        ("HTTP__TRUSTED_PROXIES", "10.0.0.1,10.0.0.2", "http.trusted_proxies"),
        ("HTTP__CORS_ORIGINS", "https://a.example,https://b.example", "http.cors_origins"),
        ("HTTP__CORS_ORIGINS", "https://a.example:99999", "http.cors_origins"),
        ("HTTP__CORS_ORIGINS", "https://a.example/", "http.cors_origins"),
        ("HTTP__BASE_PATH", "/a//b", "http.base_path"),
        ("HTTP__BASE_PATH", "/a/../b", "http.base_path"),
        ("HTTP__BASE_PATH", "/.", "http.base_path"),
        ("HTTP__LISTEN", "0.0.0.0:9090", "operations.listen"),
        ("HTTP__LISTEN", "127.0.0.1:9090", "operations.listen"),
        ("PASSWORDS__CONTEXT_WORDS", "keeper,vault", "passwords.context_words"),
        ("PASSWORDS__CONTEXT_WORDS", "ab", "passwords.context_words"),
        ("ACCESS_TOKENS__ISSUER", " keeper", "access_tokens.issuer"),
        ("AUTHENTICATION__BASIC_CHALLENGE", "true", "authentication.basic_challenge"),
    ] {
        let basic = ("KEEPER__AUTHENTICATION__BASIC", "false");
        let problems = read(&[(&format!("KEEPER__{name}"), value), basic]).unwrap_err();
        assert_eq!(named(&problems), BTreeSet::from([setting]), "{name}={value}: {problems}");
    }
    for (name, value) in [
        ("HTTP__ALLOWED_HOSTS", "Keeper.example [2001:db8::1] 127.0.0.1"),
        ("HTTP__TRUSTED_PROXIES", "10.0.0.0/8 fc00::/7 192.0.2.1 172.64.0.0/13 2a06:98c0::/29"),
        ("HTTP__LISTEN", "127.0.0.2:9090"),
        ("HTTP__BASE_PATH", "/Super.Office/~v1"),
    ] {
        read(&[(&format!("KEEPER__{name}"), value)]).unwrap();
    }
    let off = ["BASIC", "SO_TICKET", "BEARER", "SESSION"];
    let off = off.map(|name| (format!("KEEPER__AUTHENTICATION__{name}"), "false"));
    let off: Vec<_> = off.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(named(&read(&off).unwrap_err()), BTreeSet::from(["authentication"]));
}

#[test]
fn settings_of_required_changes_are_checked() {
    for (name, value) in [
        ("check_at_login", "mark"),
        ("check_at_login_except", "robots"),
        ("change_required_after_reset", "maybe"),
    ] {
        let variable = format!("KEEPER__PASSWORDS__{}", name.to_uppercase());
        let problems = read(&[(&variable, value)]).unwrap_err();
        let setting = format!("passwords.{name}");
        assert_eq!(named(&problems), BTreeSet::from([setting.as_str()]), "{problems}");
        assert!(!problems.to_string().contains(value), "{problems}");
    }
    let unchecked = ("KEEPER__PASSWORDS__CHECK_AT_LOGIN", "false");
    let except = ("KEEPER__PASSWORDS__CHECK_AT_LOGIN_EXCEPT", "system external");
    read(&[unchecked]).unwrap();
    read(&[except]).unwrap();
    let both = read(&[unchecked, except]).unwrap_err();
    assert_eq!(named(&both), BTreeSet::from(["passwords.check_at_login_except"]));
}

#[test]
fn a_variable_with_a_missing_underscore_is_reported() {
    for name in ["KEEPER_HTTP__LISTEN", "KEEPER_DATABASE__URL"] {
        assert_eq!(named(&read(&[(name, "marker")]).unwrap_err()), BTreeSet::from([name]));
    }
    // Kubernetes sets such variables for a service named keeper.
    read(&[("KEEPER_SERVICE_HOST", "10.0.0.1"), ("KEEPER_PORT_8080_TCP", "tcp://x")]).unwrap();
}

#[test]
fn a_setting_with_an_empty_name_is_reported() {
    let problems = read(&[("KEEPER__", "x")]).unwrap_err();
    assert_eq!(named(&problems), BTreeSet::from(["KEEPER__"]));
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    writeln!(file, "\"\" = 1").unwrap();
    let problems = Settings::read(Some(file.path()), HashMap::new()).unwrap_err();
    assert_eq!(named(&problems), BTreeSet::from(["KEEPER__"]));
}

#[test]
fn an_issuer_that_never_matches_a_token_is_rejected() {
    for (issuer, audience, claim) in
        [("", "a", "sub"), ("i", "", "sub"), ("i", "a", ""), ("i ", "a", "sub")]
    {
        let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        writeln!(
            file,
            "[authentication]\nissuers = [{{ issuer = '{issuer}', audience = '{audience}', \
             claim = '{claim}', jwks_file = 'f', credential_type = 'ActiveDirectory' }}]"
        )
        .unwrap();
        let problems = Settings::read(Some(file.path()), HashMap::new()).unwrap_err();
        assert_eq!(named(&problems), BTreeSet::from(["authentication.issuers"]), "{problems}");
    }
}

#[test]
fn every_secret_can_come_from_a_file_and_every_secret_file_is_checked() {
    let mut reader = Reader::open(None, HashMap::new()).unwrap();
    Settings::take(&mut reader);
    let (secrets, files) = reader.secret_settings();
    // The password is the only secret of the URL that has no file of its own.
    let of_url = ("database.url", "database.password_file");
    for secret in secrets {
        let twin = if secret == of_url.0 { of_url.1.to_owned() } else { format!("{secret}_file") };
        assert!(files.contains(&twin), "{secret} needs the setting {twin}");
    }
    let is_public = |name: &str| name.ends_with("certificate_file") || name.ends_with("ca_file");
    let named = reader.known().iter().filter(|name| name.ends_with("file"));
    let secret: BTreeSet<_> = named.filter(|name| !is_public(name)).cloned().collect();
    assert_eq!(secret, *files, "read the setting with Reader::secret_file");
}

#[test]
fn a_secret_file_is_found_among_the_credentials_of_systemd() {
    let folder = tempfile::tempdir().unwrap();
    let credential = folder.path().join("database.password_file");
    std::fs::write(&credential, "secret").unwrap();
    let directory = folder.path().to_str().unwrap();
    let found = |variables: &[(&str, &str)]| read(variables).unwrap().database.password_file;
    assert_eq!(found(&[("CREDENTIALS_DIRECTORY", directory)]), Some(credential));
    let own = ("KEEPER__DATABASE__PASSWORD_FILE", "/own");
    let own = found(&[("CREDENTIALS_DIRECTORY", directory), own]);
    assert_eq!(own, Some(PathBuf::from("/own")), "a setting has precedence");
    assert_eq!(found(&[("CREDENTIALS_DIRECTORY", "relative")]), None);
    assert_eq!(found(&[("CREDENTIALS_DIRECTORY", "/no/such/folder")]), None);
}

//! Checks log lines against the JSON Schema of the reference.

use serde_json::{Map, Value};

const SCHEMA: &str = include_str!("../../../docs/reference/log.schema.json");

/// The beginning of the names that the pattern of the schema matches.
const LABELS: &str = "labels.";

/// Asserts that every line in JSON fits the schema, and that the service itself writes no field that
/// only libraries may write.
pub(crate) fn assert_lines_fit_schema(log: &str) {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    for line in log.lines().filter(|line| line.starts_with('{')) {
        let problems = problems(&schema, line);
        assert!(problems.is_empty(), "{problems:?}: {line}");
    }
}

fn problems(schema: &Value, line: &str) -> Vec<String> {
    let parsed: Map<String, Value> = match serde_json::from_str(line) {
        Ok(parsed) => parsed,
        Err(error) => return vec![format!("not a JSON object: {error}")],
    };
    // The parser would keep the last of several members with one name.
    let repeated = parsed.keys().filter(|name| line.matches(&format!("\"{name}\":")).count() > 1);
    let mut problems: Vec<_> = repeated.map(|name| format!("{name} is repeated")).collect();
    for name in schema["required"].as_array().unwrap() {
        if !parsed.contains_key(name.as_str().unwrap()) {
            problems.push(format!("{name} is missing"));
        }
    }
    assert_eq!(schema["additionalProperties"], false);
    let patterns = schema["patternProperties"].as_object().unwrap();
    assert_eq!(patterns.keys().collect::<Vec<_>>(), ["^labels\\.[A-Za-z0-9_]+$"]);
    let is_own = parsed["log.logger"].as_str().is_some_and(|name| name.starts_with("credential_"));
    for (name, value) in &parsed {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_label = name
            .strip_prefix(LABELS)
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(plain));
        let property = match schema["properties"].get(name) {
            Some(property) => property,
            None if is_label && !is_own => &patterns["^labels\\.[A-Za-z0-9_]+$"],
            None => {
                problems.push(format!("{name} is not in the schema"));
                continue;
            }
        };
        if !fits(property, value) {
            problems.push(format!("{name} is not {property}"));
        }
    }
    problems
}

/// True if a value has the type, the format and the value of a property.
fn fits(property: &Value, value: &Value) -> bool {
    let has_type = match property["type"].as_str().unwrap() {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        other => panic!("the schema has the type {other}"),
    };
    has_type
        && property.get("enum").is_none_or(|values| values.as_array().unwrap().contains(value))
        && property.get("const").is_none_or(|constant| constant == value)
        && property.get("format").is_none_or(|format| format == "date-time" && is_utc(value))
}

/// True for a time in UTC as in RFC 3339.
fn is_utc(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    let Some((whole, fraction)) = text.strip_suffix('Z').and_then(|text| text.split_at_checked(19))
    else {
        return false;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let shape = whole.chars().map(|c| if c.is_ascii_digit() { 'd' } else { c });
    shape.eq("dddd-dd-ddTdd:dd:dd".chars())
        && (fraction.is_empty() || fraction.strip_prefix('.').is_some_and(digits))
}

#[test]
fn a_line_that_does_not_fit_is_found() {
    let good = r#"{"@timestamp":"2026-11-29T07:00:00Z","log.level":"info","message":"m","ecs.version":"8.17.0","log.logger":"sqlx::query"}"#;
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(problems(&schema, good), [""; 0]);
    for (part, other) in [
        (r#""@timestamp":"2026-11-29T07:00:00Z","#, ""),
        ("2026-11-29T07:00:00Z", "yesterday"),
        (r#""info""#, r#""INFO""#),
        (r#""m""#, "1"),
        ("8.17.0", "1"),
        (r#""message":"#, r#""message":"a","message":"#),
        ("}", r#","user.id":1}"#),
        ("}", r#","unknown":"a"}"#),
        ("}", r#","labels.a.b":"a"}"#),
        ("}", r#","labels.a":1}"#),
        (r#"sqlx::query""#, r#"credential_keeper","labels.a":"a""#),
        ("}", ""),
    ] {
        let bad = good.replacen(part, other, 1);
        assert_ne!(bad, good);
        assert_eq!(problems(&schema, &bad).len(), 1, "{bad}: {:?}", problems(&schema, &bad));
    }
}

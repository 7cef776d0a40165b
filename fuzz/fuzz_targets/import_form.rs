//! The form with a file of an import, in `multipart/form-data`.
#![no_main]

use credential_keeper::fuzz_support::{ReceivedForm, receive_form};
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

/// The parser has buffers of 64 KiB, and the runtime its own.
const LIMITS: Limits = Limits { bytes_in_all: 2 * 1024 * 1024, ..Limits::PARSER };

/// The largest file.
const MAXIMUM: usize = 4096;

const BOUNDARY: &str = "boundary";

/// Fields whose values are never kept.
const SECRETS: [&str; 2] = ["OwnPassword", "XSRF_TOKEN"];

fuzz_target!(
    init: {
        // The runtime is built once.
        let _ = receive_form(BOUNDARY, b"", 1, MAXIMUM);
    },
    |input: (bool, u16, Vec<(u8, String)>, &[u8])| {
        let (is_written, part, fields, bytes) = input;
        let part = usize::from(part);
        if is_written {
            assert_reads_back(&fields, bytes, part);
            return;
        }
        let length = bytes.len();
        let read = within(LIMITS, length, || receive_form(BOUNDARY, bytes, part, MAXIMUM));
        // Neither the time nor the parts in which it arrives matter.
        assert_eq!(read.is_ok(), receive_form(BOUNDARY, bytes, length, MAXIMUM).is_ok());
        let Ok(ReceivedForm { kept, file, is_too_large }) = read else { return };
        assert_no_secret(&kept);
        let file = file.unwrap_or_default();
        assert!(file.len() <= MAXIMUM && (file.is_empty() || !is_too_large), "too large");
        assert!(bytes.windows(file.len().max(1)).any(|part| part == file) || file.is_empty());
    }
);

fn assert_no_secret(kept: &str) {
    for secret in SECRETS {
        assert!(kept.split('&').all(|pair| !pair.starts_with(&format!("{secret}="))), "{kept}");
    }
}

/// Writes fields and a file as a browser does, and receives them.
fn assert_reads_back(fields: &[(u8, String)], file: &[u8], part: usize) {
    let names = ["Import", "KEEP", "Mode", "OwnPassword", "PAGE", "Reason", "XSRF_TOKEN"];
    let is_plain = |text: &str| !text.contains(BOUNDARY) && text.len() < 4096;
    let has_boundary = file.windows(BOUNDARY.len()).any(|part| part == BOUNDARY.as_bytes());
    if fields.len() > 12 || !fields.iter().all(|(_, text)| is_plain(text)) || has_boundary {
        return;
    }
    let mut body = Vec::new();
    for (name, text) in fields {
        let name = names[usize::from(*name) % names.len()];
        let head =
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend_from_slice(format!("{head}{text}\r\n").as_bytes());
    }
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"File\"; filename=\"f\"\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    let read = receive_form(BOUNDARY, &body, part, MAXIMUM).expect("a written form");
    assert_eq!(read.is_too_large, file.len() > MAXIMUM, "another size");
    if !read.is_too_large {
        assert_eq!(read.file.unwrap_or_default(), file, "another file");
    }
    assert_no_secret(&read.kept);
    let kept = fields
        .iter()
        .filter(|(name, _)| !SECRETS.contains(&names[usize::from(*name) % names.len()]));
    let pairs = read.kept.split('&').filter(|pair| !pair.is_empty());
    assert_eq!(pairs.count(), kept.count(), "another number of fields");
}

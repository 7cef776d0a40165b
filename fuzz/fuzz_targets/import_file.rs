//! The lines of an imported file, from any line on, and the checkpoint beside it.
#![no_main]

use credential_keeper::fuzz_support::{read_checkpoint, read_file};
use credential_keeper_fuzz::{InputFile, Limits, assert_hides, within};
use libfuzzer_sys::fuzz_target;

/// The longest line in bytes.
const MAXIMUM_LINE: usize = 64 * 1024;

/// A reader has buffers of 64 KiB.
const LIMITS: Limits = Limits { bytes_in_all: 1024 * 1024, ..Limits::PARSER };

/// Compressed input may need a window of 128 MiB.
const COMPRESSED: Limits = Limits { bytes_in_all: 256 * 1024 * 1024, ..Limits::PARSER };

/// The start of an archive, whose passphrase comes from a terminal.
const ARCHIVE: &[u8] = b"keeper-archive 1\n";

/// The start of gzip, and the second to fourth byte of Zstandard.
const GZIP: &[u8] = b"\x1f\x8b";
const ZSTANDARD: [&[u8]; 2] = [b"\xb5\x2f\xfd", b"\x2a\x4d\x18"];

fuzz_target!(|input: (u8, u16, u8, &[u8])| {
    let (after, long_line, checkpoint, content) = input;
    // One line may be longer than the inputs of the fuzzer.
    let (checkpoint, rest) = content.split_at(usize::from(checkpoint).min(content.len()));
    let mut padding = vec![b'x'; usize::from(long_line % 4) * (MAXIMUM_LINE / 2 - 1)];
    if !padding.is_empty() {
        // A last line that is no JSON would be refused without its line feed.
        padding.push(b'\n');
    }
    let content = [rest, &padding].concat();
    if content.starts_with(ARCHIVE) {
        return;
    }
    let file = InputFile::new("import", &content);
    let rest = content.get(1..).unwrap_or_default();
    if content.starts_with(GZIP) || ZSTANDARD.iter().any(|magic| rest.starts_with(magic)) {
        let _ = within(COMPRESSED, content.len(), || read_file(file.path(), 0));
        return;
    }
    let read = within(LIMITS, content.len(), || read_file(file.path(), 0));
    if let Ok((lines, position)) = &read {
        assert_eq!(usize::try_from(*position), Ok(content.len()), "bytes are missing");
        assert!(std::str::from_utf8(&content).is_ok(), "another encoding");
        let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content);
        assert_eq!(lines, &expected(text), "other lines");
        let (rest, _) = read_file(file.path(), after.into()).expect("the rest of a readable file");
        let expected: Vec<_> = lines.iter().filter(|(number, _)| *number > after.into()).collect();
        assert_eq!(rest.iter().collect::<Vec<_>>(), expected, "other lines after a resume");
    }
    let beside = file.beside(".progress", checkpoint);
    if let Err(message) = read_checkpoint(file.path()) {
        assert_hides(&message, checkpoint);
    }
    drop(beside);
});

/// The lines that are not blank, with their numbers; `None` for one that is too long.
fn expected(text: &[u8]) -> Vec<(u64, Option<Vec<u8>>)> {
    let mut lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    let numbered = (1..).zip(lines).filter_map(|(number, line)| {
        if line.len() > MAXIMUM_LINE {
            return Some((number, None));
        }
        (!line.trim_ascii().is_empty()).then(|| (number, Some(line.to_vec())))
    });
    numbered.collect()
}

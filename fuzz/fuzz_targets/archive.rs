//! Archives with a real passphrase: changed ones are refused, and others are read as written.
#![no_main]

use arbitrary::Arbitrary;
use credential_keeper::fuzz_support::{read_archive, write_archive};
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;
use secrecy::SecretString;

const PASSPHRASE: &str = "correct horse battery";

/// Bytes of a chunk of the content, and of its tag.
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;

/// Bytes of the header: the name of the format, three numbers, a salt and a nonce.
const HEADER: usize = 17 + 12 + 16 + 19;

/// Reader and writer have buffers of a chunk, and the key is derived in a huge page.
const LIMITS: Limits = Limits { bytes_in_all: 4 * 1024 * 1024, ..Limits::PARSER };

#[derive(Debug, Arbitrary)]
enum Case<'data> {
    /// A file that is not an archive, or one with another header.
    Raw(&'data [u8]),
    /// A header with any numbers, before encrypted chunks.
    Header {
        memory: u32,
        passes: u32,
        lanes: u32,
    },
    Content {
        length: u32,
        byte: u8,
        edits: [Option<Edit>; 3],
    },
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Edit {
    Change { place: u32, with: u8 },
    Truncate { length: u32 },
    Append { byte: u8 },
    SwapChunks { one: u8, other: u8 },
    RemoveChunk { number: u8 },
}

fuzz_target!(|case: Case<'_>| {
    let passphrase = SecretString::from(PASSPHRASE);
    match case {
        Case::Raw(bytes) => {
            if is_cheap(bytes) {
                let read = within(LIMITS, bytes.len(), || read_archive(bytes, &passphrase));
                assert!(read.is_err(), "an archive that nobody wrote");
            }
        }
        Case::Header { memory, passes, lanes } => {
            let mut archive = write_archive(b"content", &passphrase).expect("an archive");
            let cheapest = (8, 1, 1);
            let numbers = [memory, passes, lanes].map(u32::to_be_bytes).concat();
            archive[17..29].copy_from_slice(&numbers);
            if is_cheap(&archive) {
                let read = within(LIMITS, archive.len(), || read_archive(&archive, &passphrase));
                assert_eq!(read.is_ok(), (memory, passes, lanes) == cheapest, "another cost");
            }
        }
        Case::Content { length, byte, edits } => {
            let length = content_length(length);
            let content = vec![byte; length];
            let archive = write_archive(&content, &passphrase).expect("an archive");
            let changed = edits.iter().flatten().fold(archive.clone(), |a, edit| edited(a, *edit));
            if !is_cheap(&changed) {
                return;
            }
            let read = within(LIMITS, changed.len(), || read_archive(&changed, &passphrase));
            if changed == archive {
                assert_eq!(read.as_deref(), Ok(content.as_slice()), "other content");
            } else {
                assert!(read.is_err(), "a changed archive was read: {edits:?}");
            }
            let other = SecretString::from("another passphrase");
            assert!(read_archive(&changed, &other).is_err(), "opened with another passphrase");
        }
    }
});

/// Mostly a short content, which is fast, else one around the end of the first or second chunk.
fn content_length(number: u32) -> usize {
    let rest = usize::try_from(number / 8).unwrap_or_default();
    match number % 8 {
        0..=5 => rest % 64,
        6 => CHUNK - 1 + rest % 3,
        _ => 2 * CHUNK - 1 + rest % 3,
    }
}

/// True when the header asks for little work, or is refused before any work.
fn is_cheap(archive: &[u8]) -> bool {
    let number = |place: usize| {
        let bytes = archive.get(17 + place..21 + place)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    let (Some(memory), Some(passes)) = (number(0), number(4)) else { return true };
    let is_refused = memory > 1024 * 1024 || passes > 16;
    is_refused || (memory <= 64 && passes <= 2)
}

fn edited(mut archive: Vec<u8>, edit: Edit) -> Vec<u8> {
    match edit {
        Edit::Change { place, with } => {
            let place = usize::try_from(place).unwrap_or_default() % archive.len().max(1);
            archive.iter_mut().skip(place).take(1).for_each(|byte| *byte = with);
        }
        Edit::Truncate { length } => {
            let length = usize::try_from(length).unwrap_or_default() % (archive.len() + 1);
            archive.truncate(length);
        }
        Edit::Append { byte } => archive.push(byte),
        Edit::SwapChunks { one, other } => {
            let mut chunks = chunks(&archive);
            let (one, other) =
                (usize::from(one) % chunks.len().max(1), usize::from(other) % chunks.len().max(1));
            if !chunks.is_empty() {
                chunks.swap(one, other);
                archive = join(&archive, &chunks);
            }
        }
        Edit::RemoveChunk { number } => {
            let mut chunks = chunks(&archive);
            if !chunks.is_empty() {
                chunks.remove(usize::from(number) % chunks.len());
                archive = join(&archive, &chunks);
            }
        }
    }
    archive
}

fn chunks(archive: &[u8]) -> Vec<Vec<u8>> {
    let sealed = archive.get(HEADER..).unwrap_or_default();
    sealed.chunks(CHUNK + TAG).map(<[u8]>::to_vec).collect()
}

fn join(archive: &[u8], chunks: &[Vec<u8>]) -> Vec<u8> {
    [archive.get(..HEADER).unwrap_or_default(), &chunks.concat()].concat()
}

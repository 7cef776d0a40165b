//! The memory of the idle process.

use std::{
    fs::{self, File},
    io::{Error, ErrorKind},
    os::unix::fs::FileExt,
};

use memchr::memmem;

use super::{MARKER, assert_no_marker};

/// The smallest page, in bytes.
const PAGE: usize = 4096;

/// A text in the environment of the process, which its memory contains.
const ENVIRONMENT: &[u8] = b"KEEPER__KEYRING__FILE=";

/// The readable memory of a process.
struct Memory {
    regions: Vec<Vec<u8>>,
    /// The number of bytes that were read. The others are zero in `regions`.
    read: usize,
}

impl Memory {
    fn of(process: u32) -> Result<Self, Error> {
        let file = File::open(format!("/proc/{process}/mem"))?;
        let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
        let mut memory = Self { regions: Vec::new(), read: 0 };
        for line in maps.lines() {
            let mut fields = line.split_whitespace();
            let (range, rights) = (fields.next().unwrap(), fields.next().unwrap());
            let (start, end) = range.split_once('-').unwrap();
            let number = |digits: &str| u64::from_str_radix(digits, 16).unwrap();
            if !rights.starts_with('r') || line.contains("[v") {
                continue;
            }
            let mut region = vec![0; usize::try_from(number(end) - number(start)).unwrap()];
            memory.read += read_region(&file, number(start), &mut region);
            memory.regions.push(region);
        }
        Ok(memory)
    }
}

/// Reads a region that begins at this address; returns the number of bytes that were read. A page
/// that is not mapped cannot be read.
fn read_region(file: &File, start: u64, region: &mut [u8]) -> usize {
    let (mut offset, mut read) = (0, 0);
    while offset < region.len() {
        let address = start + u64::try_from(offset).unwrap();
        let bytes = file.read_at(&mut region[offset..], address).unwrap_or_default();
        read += bytes;
        offset += if bytes == 0 { PAGE } else { bytes };
    }
    read
}

/// Asserts that the memory has no secret. Only root can read the memory of an undumpable process.
pub(super) fn assert_memory_has_no_secret(process: u32) {
    let memory = match Memory::of(process) {
        Ok(memory) => memory,
        Err(error) => {
            assert!(!rustix::process::geteuid().is_root(), "{error}");
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            return;
        }
    };
    assert!(memory.read > 10_000_000, "only {} bytes of the memory were read", memory.read);
    let mut regions = memory.regions.iter();
    let has_environment = regions.any(|region| memmem::find(region, ENVIRONMENT).is_some());
    assert!(has_environment, "the memory that was read has no environment");
    for region in &memory.regions {
        assert_no_marker(MARKER, "the memory of the idle process", region);
    }
}

//! Access control lists of secret files, as Linux stores them.
#![no_main]

use credential_keeper::fuzz_support::refuses_acl;
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

/// The account that the parser checks for.
const ACCOUNT: u32 = 1000;

fuzz_target!(|list: &[u8]| {
    let refused = within(Limits::PARSER, list.len(), || refuses_acl(ACCOUNT, ACCOUNT, list));
    let Some(refused) = refused else { return };
    assert_eq!(list.len() % 8, 4, "an incomplete list was read");
    assert_eq!(refuses_acl(0, ACCOUNT, list), Some(refused), "a file of root is another case");
    // Who reads beside the account is visible in the entries themselves.
    if let Some(others) = entries(list).find(|entry| entry.tag == 0x20) {
        assert!(refused || others.permissions & 6 == 0, "others may access the file");
    }
    let mask = entries(list).filter(|entry| entry.tag == 0x10).last();
    let mask = mask.map_or(7, |entry| entry.permissions);
    let is_foreign = |entry: &Entry| matches!(entry.tag, 0x02 | 0x08) && entry.id > ACCOUNT;
    let granted = entries(list).filter(is_foreign).any(|entry| entry.permissions & mask & 4 != 0);
    assert!(refused || !granted, "another account may read the file");
});

struct Entry {
    tag: u16,
    permissions: u16,
    id: u32,
}

fn entries(list: &[u8]) -> impl Iterator<Item = Entry> {
    list.get(4..).unwrap_or_default().chunks_exact(8).map(|entry| Entry {
        tag: u16::from_le_bytes([entry[0], entry[1]]),
        permissions: u16::from_le_bytes([entry[2], entry[3]]),
        id: u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]),
    })
}

//! Reads files with secrets, and refuses a file that others can read or change.
//!
//! The permissions of the opened file count, not those of its path: a Kubernetes Secret is reached by
//! symbolic links and belongs to root and the group of `fsGroup`, and a systemd credential may name
//! its service in an access control list (acl(5)).

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::fgetxattr,
    io::Errno,
    process::{Gid, getegid, geteuid, getgroups},
};
use zeroize::Zeroizing;

use crate::domain::encoding::{self, EncodingError};

/// Longer files are not secrets.
const MAXIMUM_LENGTH: u64 = 1024 * 1024;

/// Where Linux keeps the access control list of a file.
const ACL_ATTRIBUTE: &str = "system.posix_acl_access";

const READ: u32 = 4;
const WRITE: u32 = 2;

/// Why a file with a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretFileError {
    #[error("{0} cannot be read")]
    Unreadable(PathBuf, #[source] io::Error),
    #[error("permissions on {0} are too open; run `chmod 0400 {0}`")]
    TooOpen(PathBuf),
    #[error(
        "{0} belongs to another user; change its owner to root or to the account that reads it"
    )]
    ForeignOwner(PathBuf),
    #[error("{0} is empty; write the secret into it")]
    Empty(PathBuf),
    #[error("{0} {1}")]
    Encoding(PathBuf, EncodingError),
}

/// Reads the text of a file that only root and this process's account or groups can read, and only
/// their owner can change.
///
/// # Errors
/// See [`SecretFileError`].
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let unreadable = |error| SecretFileError::Unreadable(path.to_owned(), error);
    let file = open(path)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAXIMUM_LENGTH).read_to_end(&mut bytes).map_err(unreadable)?;
    let text = encoding::text(&bytes)
        .map_err(|error| SecretFileError::Encoding(path.to_owned(), error))?;
    if text.trim().is_empty() {
        return Err(SecretFileError::Empty(path.to_owned()));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// Opens such a file, for a secret that somebody else reads.
///
/// # Errors
/// See [`SecretFileError`].
pub(crate) fn open(path: &Path) -> Result<File, SecretFileError> {
    let unreadable = |error| SecretFileError::Unreadable(path.to_owned(), error);
    let file = File::open(path).map_err(unreadable)?;
    let grants = grants(&file).map_err(unreadable)?;
    let process = Process::current().map_err(unreadable)?;
    match process.refuse(&grants) {
        None => Ok(file),
        Some(Refusal::TooOpen) => Err(SecretFileError::TooOpen(path.to_owned())),
        Some(Refusal::ForeignOwner) => Err(SecretFileError::ForeignOwner(path.to_owned())),
    }
}

/// Somebody who may access a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// The owner, who may change the permissions whatever they are.
    Owner(u32),
    /// A user that the access control list names.
    User(u32),
    /// A group.
    Group(u32),
    /// Everybody else.
    Others,
}

/// A holder, with the permissions as the three bits of a mode.
type Grant = (Holder, u32);

/// Why a file is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    TooOpen,
    ForeignOwner,
}

/// The account of this process.
struct Process {
    user: u32,
    groups: Vec<u32>,
}

impl Process {
    fn current() -> io::Result<Self> {
        let groups = getgroups()?.into_iter().chain([getegid()]).map(Gid::as_raw).collect();
        Ok(Self { user: geteuid().as_raw(), groups })
    }

    /// Root and this account may do anything, this account's groups may read, nobody else may do
    /// anything.
    fn refuse(&self, grants: &[Grant]) -> Option<Refusal> {
        grants.iter().find_map(|(holder, permissions)| {
            let (may_read, may_write) = (permissions & READ != 0, permissions & WRITE != 0);
            let is_ours = |user: &u32| *user == 0 || *user == self.user;
            match holder {
                Holder::Owner(user) => (!is_ours(user)).then_some(Refusal::ForeignOwner),
                Holder::User(user) => {
                    ((may_read || may_write) && !is_ours(user)).then_some(Refusal::TooOpen)
                }
                Holder::Group(group) => {
                    let is_foreign = may_read && !self.groups.contains(group);
                    (is_foreign || may_write).then_some(Refusal::TooOpen)
                }
                Holder::Others => (may_read || may_write).then_some(Refusal::TooOpen),
            }
        })
    }
}

/// Who may access an opened file.
fn grants(file: &File) -> io::Result<Vec<Grant>> {
    let metadata = file.metadata()?;
    let mut list = [0; 4096];
    match fgetxattr(file, ACL_ATTRIBUTE, list.as_mut_slice()) {
        Ok(length) => {
            let list = list.get(..length).unwrap_or_default();
            read_acl(metadata.uid(), metadata.gid(), list)
                .ok_or_else(|| io::Error::other("its access control list has an unknown form"))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(mode_grants(&metadata)),
        Err(error) => Err(error.into()),
    }
}

fn mode_grants(metadata: &Metadata) -> Vec<Grant> {
    let bits = |shift: u32| metadata.mode() >> shift & 0o7;
    vec![
        (Holder::Owner(metadata.uid()), bits(6)),
        (Holder::Group(metadata.gid()), bits(3)),
        (Holder::Others, bits(0)),
    ]
}

/// The entries of an access control list, as Linux stores it: a version, and for each entry a tag,
/// permissions and an id.
fn read_acl(owner: u32, group: u32, list: &[u8]) -> Option<Vec<Grant>> {
    let entries = list.strip_prefix(&2_u32.to_le_bytes())?;
    let (entries, rest) = entries.as_chunks::<8>();
    if !rest.is_empty() {
        return None;
    }
    let mut grants = Vec::new();
    let mut mask = 0o7;
    for [tag, tag_high, permissions, permissions_high, id @ ..] in entries {
        let permissions = u32::from(u16::from_le_bytes([*permissions, *permissions_high]));
        let id = u32::from_le_bytes(*id);
        match u16::from_le_bytes([*tag, *tag_high]) {
            0x01 => grants.push((Holder::Owner(owner), permissions)),
            0x02 => grants.push((Holder::User(id), permissions)),
            0x04 => grants.push((Holder::Group(group), permissions)),
            0x08 => grants.push((Holder::Group(id), permissions)),
            0x10 => mask = permissions,
            0x20 => grants.push((Holder::Others, permissions)),
            _ => return None,
        }
    }
    // The mask bounds everybody but the owner and others.
    for (holder, permissions) in &mut grants {
        if matches!(holder, Holder::User(_) | Holder::Group(_)) {
            *permissions &= mask;
        }
    }
    Some(grants)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: Process = Process { user: 1000, groups: Vec::new() };

    fn of_mode(owner: u32, group: u32, mode: u32) -> Vec<Grant> {
        vec![
            (Holder::Owner(owner), mode >> 6 & 7),
            (Holder::Group(group), mode >> 3 & 7),
            (Holder::Others, mode & 7),
        ]
    }

    #[test]
    fn a_file_is_accepted_when_nobody_else_can_read_or_change_it() {
        let service = Process { user: 1000, groups: vec![1000, 2000] };
        for (owner, group, mode, refusal) in [
            (1000, 1000, 0o400, None),
            (1000, 1000, 0o000, None),
            (1000, 1000, 0o600, None),
            (1000, 1000, 0o440, None),
            // A Kubernetes Secret with `fsGroup`, and a systemd credential.
            (0, 2000, 0o440, None),
            (0, 2000, 0o640, None),
            (0, 0, 0o400, None),
            (1000, 0, 0o400, None),
            (1000, 3000, 0o440, Some(Refusal::TooOpen)),
            (0, 0, 0o440, Some(Refusal::TooOpen)),
            (1000, 1000, 0o404, Some(Refusal::TooOpen)),
            (1000, 1000, 0o402, Some(Refusal::TooOpen)),
            (1000, 1000, 0o460, Some(Refusal::TooOpen)),
            (1000, 1000, 0o420, Some(Refusal::TooOpen)),
            (0, 2000, 0o444, Some(Refusal::TooOpen)),
            (1001, 1000, 0o400, Some(Refusal::ForeignOwner)),
            (1001, 1000, 0o440, Some(Refusal::ForeignOwner)),
        ] {
            let found = service.refuse(&of_mode(owner, group, mode));
            assert_eq!(found, refusal, "{owner}:{group} {mode:o}");
        }
    }

    /// An access control list as Linux stores it.
    fn list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            list.extend(tag.to_le_bytes());
            list.extend(permissions.to_le_bytes());
            list.extend(id.to_le_bytes());
        }
        list
    }

    #[test]
    fn an_access_control_list_counts_instead_of_the_groups_bits() {
        let nobody = u32::MAX;
        let with = |more: &[(u16, u16, u32)]| {
            let common = [(0x01, 4, nobody), (0x04, 0, nobody), (0x20, 0, nobody)];
            SERVICE.refuse(&read_acl(0, 0, &list(&[&common, more].concat())).unwrap())
        };
        // As systemd lets a service read its credential.
        assert_eq!(with(&[(0x02, 4, 1000), (0x10, 4, nobody)]), None);
        assert_eq!(with(&[(0x02, 4, 1001), (0x10, 4, nobody)]), Some(Refusal::TooOpen));
        assert_eq!(with(&[(0x02, 4, 1001), (0x10, 0, nobody)]), None, "the mask bounds it");
        assert_eq!(with(&[(0x08, 4, 50), (0x10, 4, nobody)]), Some(Refusal::TooOpen));
        for damaged in [&b""[..], b"\x02\0\0\0x", &list(&[(0x40, 4, 0)]), b"\x01\0\0\0"] {
            assert_eq!(read_acl(0, 0, damaged), None, "{damaged:?}");
        }
    }
}

//! Reads files with secrets. Refuses a file that others can read or write.
//!
//! It checks the permissions of the opened file, not of its path. A Kubernetes Secret is a
//! symbolic link to a file of root and the group of `fsGroup`. A systemd credential may grant
//! access to its service with an access control list (acl(5)).

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::fgetxattr,
    io::Errno,
    process::{Gid, getegid, geteuid, getgroups},
};
use zeroize::Zeroizing;

use crate::{
    bounded_file,
    domain::encoding::{self, EncodingError},
};

/// The extended attribute with the access control list of a file.
pub(super) const ACL_ATTRIBUTE: &str = "system.posix_acl_access";

const READ: u32 = 4;
const WRITE: u32 = 2;

/// A file with a secret was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretFileError {
    #[error("failed to read {0}")]
    Unreadable(PathBuf, #[source] io::Error),
    #[error(
        "permissions on {path} are too open; run `chmod {mode} {path}` (for a Kubernetes Secret, \
         set `defaultMode: 0440` and `fsGroup`)"
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// The narrowest change that makes it acceptable.
        mode: &'static str,
    },
    #[error("{0} has the wrong owner; change its owner to root or to the account that reads it")]
    ForeignOwner(PathBuf),
    #[error("{0} is empty; write the secret into it")]
    Empty(PathBuf),
    #[error("{0} {1}")]
    Encoding(PathBuf, EncodingError),
}

/// Reads a text file that only root and the account and groups of this process may read, and only
/// its owner may write. Root also reads the files of other accounts and groups.
///
/// # Errors
/// See [`SecretFileError`].
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let unreadable = |error| SecretFileError::Unreadable(path.to_owned(), error);
    let bytes = bounded_file::read_opened(&open(path)?).map_err(unreadable)?;
    let text = encoding::text(&bytes)
        .map_err(|error| SecretFileError::Encoding(path.to_owned(), error))?;
    if text.trim().is_empty() {
        return Err(SecretFileError::Empty(path.to_owned()));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// Opens such a file, for a secret that another process reads.
///
/// # Errors
/// See [`SecretFileError`].
pub(crate) fn open(path: &Path) -> Result<File, SecretFileError> {
    let unreadable = |error| SecretFileError::Unreadable(path.to_owned(), error);
    let file = File::open(path).map_err(unreadable)?;
    let grants = grants(&file).map_err(unreadable)?;
    let process = Process::current().map_err(unreadable)?;
    let path = path.to_owned();
    match process.refuse(&grants) {
        None => Ok(file),
        // Accounts that may read the file keep this right.
        Some(Refusal::TooOpen) => Err(SecretFileError::TooOpen { path, mode: "g-w,o=" }),
        Some(Refusal::ForeignReader) => Err(SecretFileError::TooOpen { path, mode: "0400" }),
        Some(Refusal::ForeignOwner) => Err(SecretFileError::ForeignOwner(path)),
    }
}

/// A party that may access a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// The owner, who may always change the permissions.
    Owner(u32),
    /// A user in the access control list.
    User(u32),
    /// A group.
    Group(u32),
    /// All others.
    Others,
}

/// A party and its permissions, as the three bits of a mode.
type Grant = (Holder, u32);

/// The reason to refuse a file. A later one needs a greater change of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    /// A group or another user may write it, or others have access.
    TooOpen,
    /// Another group or user may read it.
    ForeignReader,
    /// Another account owns it.
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

    /// The reason that needs the greatest change.
    fn refuse(&self, grants: &[Grant]) -> Option<Refusal> {
        grants.iter().filter_map(|grant| self.refuse_grant(grant)).max()
    }

    /// Root and this account may have any permission, the groups of this account may read, and
    /// others may have none.
    ///
    /// Root runs commands for a service with another account, and can read its files whatever their
    /// mode. It is no member of their groups and does not know which account serves, so it cannot
    /// tell a foreign reader from the service. It therefore accepts an owner, a group or a user in
    /// the access control list that somebody chose by name to read the file. PostgreSQL does the
    /// same for a key of root and its group. Only the owner may write, and others have no access.
    /// The same holds for a service that runs as root, so that `config check` and `serve` agree.
    fn refuse_grant(&self, (holder, permissions): &Grant) -> Option<Refusal> {
        let (may_read, may_write) = (permissions & READ != 0, permissions & WRITE != 0);
        let is_root = self.user == 0;
        let is_ours = |user: &u32| *user == 0 || *user == self.user;
        let is_known = match holder {
            Holder::Owner(user) => {
                return (!is_root && !is_ours(user)).then_some(Refusal::ForeignOwner);
            }
            Holder::User(user) if is_ours(user) => return None,
            Holder::User(_) => is_root,
            Holder::Group(group) => is_root || self.groups.contains(group),
            Holder::Others => return (may_read || may_write).then_some(Refusal::TooOpen),
        };
        if may_read && !is_known {
            return Some(Refusal::ForeignReader);
        }
        may_write.then_some(Refusal::TooOpen)
    }
}

/// The parties that may access an opened file.
fn grants(file: &File) -> io::Result<Vec<Grant>> {
    let metadata = file.metadata()?;
    let Some(list) = access_list(file)? else { return Ok(mode_grants(&metadata)) };
    read_acl(metadata.uid(), metadata.gid(), &list)
        .ok_or_else(|| io::Error::other("unknown format of the access control list"))
}

/// The access control list of an opened file, as Linux stores it.
pub(super) fn access_list(file: &File) -> io::Result<Option<Vec<u8>>> {
    let mut list = vec![0; 4096];
    match fgetxattr(file, ACL_ATTRIBUTE, list.as_mut_slice()) {
        Ok(length) => {
            list.truncate(length);
            Ok(Some(list))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(None),
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

/// Parses an access control list as Linux stores it: a version, then a tag, permissions and an id
/// for each entry.
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
    // The mask limits all but the owner and others.
    for (holder, permissions) in &mut grants {
        if matches!(holder, Holder::User(_) | Holder::Group(_)) {
            *permissions &= mask;
        }
    }
    Some(grants)
}

/// True when a file with this access control list is refused; `None` when the list is invalid.
#[cfg(feature = "fuzz")]
pub(super) fn refuses_acl(owner: u32, group: u32, list: &[u8]) -> Option<bool> {
    let process = Process { user: 1000, groups: vec![1000] };
    Some(process.refuse(&read_acl(owner, group, list)?).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: Process = Process { user: 1000, groups: Vec::new() };

    fn mode_grants_of(owner: u32, group: u32, mode: u32) -> Vec<Grant> {
        vec![
            (Holder::Owner(owner), mode >> 6 & 7),
            (Holder::Group(group), mode >> 3 & 7),
            (Holder::Others, mode & 7),
        ]
    }

    #[test]
    fn a_file_that_others_can_read_or_write_is_refused() {
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
            (1000, 3000, 0o440, Some(Refusal::ForeignReader)),
            (1000, 3000, 0o464, Some(Refusal::ForeignReader)),
            (1000, 3000, 0o420, Some(Refusal::TooOpen)),
            (0, 0, 0o440, Some(Refusal::ForeignReader)),
            (1000, 1000, 0o404, Some(Refusal::TooOpen)),
            (1000, 1000, 0o402, Some(Refusal::TooOpen)),
            (1000, 1000, 0o460, Some(Refusal::TooOpen)),
            (1000, 1000, 0o420, Some(Refusal::TooOpen)),
            (0, 2000, 0o444, Some(Refusal::TooOpen)),
            (1001, 1000, 0o400, Some(Refusal::ForeignOwner)),
            (1001, 1000, 0o440, Some(Refusal::ForeignOwner)),
        ] {
            let found = service.refuse(&mode_grants_of(owner, group, mode));
            assert_eq!(found, refusal, "{owner}:{group} {mode:o}");
        }
    }

    #[test]
    fn root_reads_the_files_of_a_service_that_others_cannot_read_or_write() {
        // Root is not a member of any of these groups.
        let root = Process { user: 0, groups: vec![0] };
        for (owner, group, mode, refusal) in [
            (0, 0, 0o400, None),
            (0, 0, 0o440, None),
            // A keyring for the group of the service, and a key of `ssl-cert`.
            (0, 2000, 0o440, None),
            (0, 2000, 0o640, None),
            // The token that an agent writes for the service.
            (1000, 1000, 0o400, None),
            (1000, 2000, 0o640, None),
            (0, 2000, 0o444, Some(Refusal::TooOpen)),
            (0, 2000, 0o442, Some(Refusal::TooOpen)),
            (0, 2000, 0o460, Some(Refusal::TooOpen)),
            (0, 0, 0o420, Some(Refusal::TooOpen)),
            (1000, 1000, 0o404, Some(Refusal::TooOpen)),
            (1000, 1000, 0o660, Some(Refusal::TooOpen)),
        ] {
            let found = root.refuse(&mode_grants_of(owner, group, mode));
            assert_eq!(found, refusal, "{owner}:{group} {mode:o}");
        }
        for (holder, permissions, refusal) in [
            (Holder::User(1000), 4, None),
            (Holder::User(1000), 6, Some(Refusal::TooOpen)),
            (Holder::User(1000), 2, Some(Refusal::TooOpen)),
            (Holder::Group(2000), 4, None),
            (Holder::Group(2000), 6, Some(Refusal::TooOpen)),
        ] {
            let found = root.refuse(&[(Holder::Owner(0), 6), (holder, permissions)]);
            assert_eq!(found, refusal, "{holder:?} {permissions}");
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
    fn an_access_control_list_replaces_the_group_bits() {
        let nobody = u32::MAX;
        let with = |more: &[(u16, u16, u32)]| {
            let common = [(0x01, 4, nobody), (0x04, 0, nobody), (0x20, 0, nobody)];
            SERVICE.refuse(&read_acl(0, 0, &list(&[&common, more].concat())).unwrap())
        };
        // A systemd credential grants its service read access.
        assert_eq!(with(&[(0x02, 4, 1000), (0x10, 4, nobody)]), None);
        assert_eq!(with(&[(0x02, 4, 1001), (0x10, 4, nobody)]), Some(Refusal::ForeignReader));
        assert_eq!(with(&[(0x02, 4, 1001), (0x10, 0, nobody)]), None, "the mask limits it");
        assert_eq!(with(&[(0x08, 4, 50), (0x10, 4, nobody)]), Some(Refusal::ForeignReader));
        for damaged in [&b""[..], b"\x02\0\0\0x", &list(&[(0x40, 4, 0)]), b"\x01\0\0\0"] {
            assert_eq!(read_acl(0, 0, damaged), None, "{damaged:?}");
        }
    }
}

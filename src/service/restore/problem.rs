//! What `restore check` finds, and the next step for each problem.

use crate::{
    domain::user::UserId,
    service::{audit::verification::Discrepancy, keys::keyring_check::KeyringMismatch},
    storage::restore_checks::DirectoryGap,
};

/// A problem of a restored database, or of the files that belong to it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreProblem {
    #[error("migration {0} is not applied")]
    PendingMigration(i64),
    #[error("migration {0} was applied by a newer release")]
    UnknownMigration(i64),
    #[error(transparent)]
    Keyring(KeyringMismatch),
    #[error("the table keys is empty, although credentials exist")]
    KeysLost,
    #[error("the table installation is empty")]
    KindLost,
    #[error("the table {0} is missing or has no primary key")]
    NoPrimaryKey(String),
    #[error(
        "the positions of new audit events begin at or below {0}, which the audit stream has passed: \
         sinks would miss these events"
    )]
    PassedPositions(i64),
    #[error("{}", gap(*.0))]
    Directory(DirectoryGap),
    #[error("the identifier {0} does not belong to its digest")]
    WrongDigest(String),
    #[error("an untrusted credential cannot be unsealed: it was changed or moved")]
    UntrustedChanged,
    #[error(transparent)]
    Audit(Discrepancy),
    #[error(
        "events after the backup are missing: {} (the anchor has event {anchored}, the database ends \
         with {last})", .anchored - .last
    )]
    Missing { anchored: i64, last: i64 },
    #[error("event {0} differs from the one that the anchor has")]
    Replaced(i64),
    #[error("the anchor in line {0} is forged, or belongs to another installation")]
    ForgedAnchor(usize),
    #[error("the anchor in line {0} is invalid: it was changed, cut or reformatted")]
    UnreadableAnchor(usize),
    #[error("the anchor in line {line} was signed with key {key_id}, which is not in the keyring")]
    AnchorOfUnknownKey { line: usize, key_id: String },
}

fn gap(gap: DirectoryGap) -> &'static str {
    match gap {
        DirectoryGap::LoginName => "the tables users and login_names disagree about the login name",
        DirectoryGap::NickName => "the tables users and nick_names disagree about the nickname",
        DirectoryGap::Identifier => {
            "the tables credentials and credential_identifiers disagree about an identifier"
        }
    }
}

/// The part of the restore that a problem is about.
const RESTORE_AGAIN: &str = "restore the whole dump into an empty database, without errors";

impl RestoreProblem {
    /// What is checked.
    pub(crate) fn subject(&self) -> &'static str {
        match self {
            Self::PendingMigration(_) | Self::UnknownMigration(_) => "migrations",
            Self::Keyring(_) | Self::KeysLost => "keyring",
            Self::KindLost
            | Self::NoPrimaryKey(_)
            | Self::PassedPositions(_)
            | Self::Directory(_) => "tables",
            Self::WrongDigest(_) | Self::UntrustedChanged => "credentials",
            Self::Audit(_) => "audit",
            Self::Missing { .. }
            | Self::Replaced(_)
            | Self::ForgedAnchor(_)
            | Self::UnreadableAnchor(_)
            | Self::AnchorOfUnknownKey { .. } => "anchors",
        }
    }

    /// What the operator does next.
    pub(crate) fn next_step(&self) -> &'static str {
        match self {
            Self::PendingMigration(_) => "run `migrate` as the owner of the tables",
            Self::UnknownMigration(_) => "use the release that wrote the database, or a newer one",
            Self::Keyring(mismatch) => match mismatch {
                KeyringMismatch::NotRetired(_) => {
                    "use the copy of the keyring from before the retirement, and rotate again"
                }
                KeyringMismatch::Retired(_) => "use a newer copy of the keyring",
                KeyringMismatch::Missing(_)
                | KeyringMismatch::Wrong(_)
                | KeyringMismatch::Sealed
                | KeyringMismatch::Storage(_) => {
                    "use the copy of the keyring that belongs to this backup"
                }
            },
            Self::KeysLost | Self::NoPrimaryKey(_) | Self::Directory(_) => RESTORE_AGAIN,
            Self::PassedPositions(_) => {
                "run `SELECT setval('audit_events_position_seq', POSITION)` with that position, as the \
                 owner of the tables; if events were added since the restore, also run \
                 `audit stream --sink NAME --from first`"
            }
            Self::KindLost => "run `migrate`, which records the purpose of the database",
            Self::WrongDigest(_) => "save the identifier of the user again",
            Self::UntrustedChanged => "save or remove the untrusted credential of the user",
            Self::Audit(discrepancy) => match discrepancy {
                Discrepancy::EventMissing(_)
                | Discrepancy::CredentialGone(_)
                | Discrepancy::HeadChanged(_)
                | Discrepancy::RolledBack(_)
                | Discrepancy::CopiedEventGone(_) => RESTORE_AGAIN,
                Discrepancy::UnknownKey(..) => {
                    "use a copy of the keyring that has the key; retired keys stay in it"
                }
                Discrepancy::EventChanged(_)
                | Discrepancy::EventUnreadable(_)
                | Discrepancy::UserInvalid
                | Discrepancy::RightsChanged
                | Discrepancy::RoleChanged
                | Discrepancy::RetirementChanged
                | Discrepancy::EpochChanged
                | Discrepancy::CredentialPutBack { .. }
                | Discrepancy::CredentialUnexplained(_)
                | Discrepancy::CredentialChanged(_) => {
                    "use an older backup, or review the user and save their credentials again"
                }
            },
            Self::Missing { .. } => {
                "use a newer backup, or review the user: password, rights and retirement are older"
            }
            Self::Replaced(_) => "review the user: other changes took the place of these",
            Self::ForgedAnchor(_) => "use the anchors of this installation",
            Self::UnreadableAnchor(_) => "look for the original line in another copy of the log",
            Self::AnchorOfUnknownKey { .. } => "use a newer copy of the keyring",
        }
    }
}

/// A problem, and the user that it is about.
pub(crate) type UserProblem = (Option<UserId>, RestoreProblem);

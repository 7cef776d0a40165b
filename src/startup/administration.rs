//! The capabilities of commands, and the imports of administrators.

use std::sync::Arc;

use super::{options::attempt_limits, parts::Parts, saving::Saving, systems::Systems};
use crate::{
    configuration::Settings,
    service::{
        audit::{
            stream::{copy_verification::CopyVerifier, positions::StreamPositions},
            verification::ChainVerifier,
        },
        import::{
            bulk::BulkImport,
            export::Export,
            jobs::{ImportJobs, registry::ImportRegistry},
            run::Importers,
            users::UserImport,
        },
        keys::rotation::KeyRotation,
        operations::diagnostics::Diagnostics,
        restore::check::RestoreCheck,
    },
};

/// The capabilities of commands.
pub(crate) struct Administration {
    pub(crate) chain_verifier: ChainVerifier,
    pub(crate) copy_verifier: CopyVerifier,
    pub(crate) stream_positions: StreamPositions,
    pub(crate) key_rotation: KeyRotation,
    pub(crate) user_import: Arc<UserImport>,
    pub(crate) bulk_import: Arc<BulkImport>,
    pub(crate) export: Arc<Export>,
    pub(crate) diagnostics: Diagnostics,
    pub(crate) restore_check: RestoreCheck,
}

pub(super) fn administration(
    parts: &Parts,
    settings: &Settings,
    saving: &Saving,
) -> Administration {
    let user_import = Arc::new(UserImport {
        database: parts.database(),
        directory: Arc::clone(&saving.directory),
        users: Arc::clone(&saving.users),
        hasher: Arc::clone(&saving.hasher),
    });
    Administration {
        chain_verifier: ChainVerifier { database: parts.database(), keyring: parts.keyring() },
        copy_verifier: CopyVerifier::new(parts.database(), parts.keyring()),
        stream_positions: StreamPositions { database: parts.database() },
        key_rotation: KeyRotation { database: parts.database(), keyring: parts.keyring() },
        bulk_import: Arc::new(BulkImport {
            database: parts.database(),
            keyring: parts.keyring(),
            single: Arc::clone(&user_import),
            hasher: Arc::clone(&saving.hasher),
            credentials: Arc::clone(&saving.credential_writer),
            writer: Arc::clone(&saving.user_writer),
        }),
        user_import,
        export: Arc::new(Export {
            database: parts.database(),
            keyring: parts.keyring(),
            transactions: Arc::clone(&saving.user_writer.transactions),
        }),
        diagnostics: Diagnostics {
            database: parts.database(),
            keyring: parts.keyring(),
            hashing: parts.hashing(),
            limits: attempt_limits(settings),
        },
        restore_check: RestoreCheck { database: parts.database(), keyring: parts.keyring() },
    }
}

pub(super) fn import_jobs(
    parts: &Parts,
    settings: &Settings,
    importers: Importers,
    systems: &Systems,
) -> Arc<ImportJobs> {
    let maximum = settings.import.maximum_upload_bytes;
    Arc::new(ImportJobs {
        importers,
        transactions: parts.transactions(),
        maximum_bytes: usize::try_from(maximum).unwrap_or(usize::MAX),
        upload_timeout: settings.import.upload_timeout,
        metrics: Arc::clone(&systems.import_metrics),
        registry: ImportRegistry {
            database: parts.database(),
            instance_id: systems.recording.instance_id().to_owned(),
        },
        shared: Arc::clone(&systems.imports),
    })
}

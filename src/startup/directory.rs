//! Builds the client of the directory from the settings, and checks these.

use std::sync::Arc;

use super::error::StartError;
use crate::{
    configuration::{DirectoryEncryption, DirectorySettings, Problem, Problems, Settings},
    directory::{
        CA_FILE, Directory, DirectoryError, DirectoryMetrics, DirectoryOptions, Encryption,
        FilterTemplate, GroupOptions, Placeholder, ServerOptions, UserOptions, VerifierOptions,
    },
    security::{secret_file, tls::client_config},
    service::{
        authentication::directory_logins::DirectoryLogins, directory::search::DirectorySearch,
    },
    telemetry::error_chain,
};

/// What uses the directory of the settings. It connects on demand.
pub(super) struct OpenDirectory {
    pub(super) search: Arc<DirectorySearch>,
    /// `None`: the directory verifies no passwords.
    pub(super) logins: Option<Arc<DirectoryLogins>>,
}

/// Builds what uses the directory of the settings.
///
/// # Errors
/// When a setting or a file cannot be used.
pub(super) fn open_directory(settings: &Settings) -> Result<OpenDirectory, StartError> {
    let metrics = Arc::<DirectoryMetrics>::default();
    let (directory, verification) = match &settings.directory {
        None => (None, None),
        Some(settings) => {
            let directory = build(settings, Arc::clone(&metrics)).map_err(failed)?;
            (Some(directory), settings.verification)
        }
    };
    let verifier = directory.as_ref().map(Directory::password_verifier).transpose();
    let verifier = verifier.map_err(|error| StartError::Setting(error_chain(&error)))?;
    let verifier = verifier.flatten().map(Arc::new);
    let logins = verifier.clone().zip(verification).map(|(verifier, settings)| {
        let (lifetime, time) = (settings.verified_lifetime, settings.refusal_time());
        Arc::new(DirectoryLogins::new(verifier, lifetime, time))
    });
    Ok(OpenDirectory {
        search: Arc::new(DirectorySearch::new(directory, verifier, metrics)),
        logins,
    })
}

fn failed(problems: Vec<Problem>) -> StartError {
    StartError::Setting(Problems(problems).to_string())
}

fn build(
    settings: &DirectorySettings,
    metrics: Arc<DirectoryMetrics>,
) -> Result<Directory, Vec<Problem>> {
    let options = options(settings)?;
    Directory::new(options, metrics)
        .map_err(|error| vec![Problem::new(CA_FILE, error_chain(&error))])
}

/// Connects and binds to the directory of the settings.
///
/// # Errors
/// The problem, as a text for the operator.
pub(crate) async fn check_directory(settings: &DirectorySettings) -> Result<(), String> {
    let directory =
        build(settings, Arc::default()).map_err(|problems| Problems(problems).to_string())?;
    let checked: Result<(), DirectoryError> = directory.check_connection().await;
    checked.map_err(|error| error_chain(&error))
}

/// Looks for an entry, and asks for the root of the directory, as a login does. Sends no password of
/// a user.
///
/// # Errors
/// The problem, as a text for the operator.
pub(crate) async fn check_password_verifier(settings: &DirectorySettings) -> Result<(), String> {
    let directory =
        build(settings, Arc::default()).map_err(|problems| Problems(problems).to_string())?;
    let checked = async {
        match directory.password_verifier()? {
            Some(verifier) => verifier.check().await,
            None => Ok(()),
        }
    };
    checked.await.map_err(|error: DirectoryError| error_chain(&error))
}

/// Problems of the filters and of the files. Does not connect.
pub(super) fn problems_of_directory(settings: &DirectorySettings) -> Vec<Problem> {
    let mut problems = options(settings).err().unwrap_or_default();
    if let Err(error) = secret_file::read(&settings.password_file) {
        problems.push(Problem::new("directory.password_file", error_chain(&error)));
    }
    if settings.encryption != DirectoryEncryption::Nothing
        && let Err(error) = client_config(CA_FILE, settings.ca_file.as_deref())
    {
        problems.push(Problem::new("directory.ca_file", error_chain(&error)));
    }
    problems
}

/// The options of the client.
///
/// # Errors
/// The problems of all filters.
fn options(settings: &DirectorySettings) -> Result<DirectoryOptions, Vec<Problem>> {
    let members = [Placeholder::Group, Placeholder::GroupRid];
    let filters = [
        ("directory.user_filter", &settings.user_filter, &[][..]),
        ("directory.user_search_filter", &settings.user_search_filter, &[Placeholder::Search]),
        ("directory.member_filter", &settings.member_filter, &members),
        ("directory.group_filter", &settings.group_filter, &[]),
        ("directory.group_search_filter", &settings.group_search_filter, &[Placeholder::Search]),
    ];
    let mut problems = Vec::new();
    let parsed = filters.map(|(setting, text, allowed)| {
        let parsed = FilterTemplate::parse(text, allowed);
        parsed.map_err(|error| problems.push(Problem::new(setting, error.to_string()))).ok()
    });
    let [Some(user), Some(user_search), Some(member), Some(group), Some(group_search)] = parsed
    else {
        return Err(problems);
    };
    Ok(DirectoryOptions {
        server: server_options(settings),
        users: UserOptions {
            base_dn: settings.user_base_dn.clone(),
            filter: user,
            search_filter: user_search,
            member_filter: member,
            value_attribute: settings.user_value_attribute.clone(),
            name_attribute: settings.user_name_attribute.clone(),
            domain: settings.domain.clone(),
            columns: settings.user_columns.clone(),
        },
        groups: GroupOptions {
            base_dn: settings.group_base_dn.clone(),
            filter: group,
            search_filter: group_search,
            name_attribute: settings.group_name_attribute.clone(),
        },
        search_timeout: settings.search_timeout,
        page_size: settings.page_size,
        maximum_entries: settings.maximum_entries,
        passwords: settings.verification.map(|verification| VerifierOptions {
            timeout: verification.timeout,
            maximum_connections: verification.maximum_connections,
        }),
    })
}

fn server_options(settings: &DirectorySettings) -> ServerOptions {
    ServerOptions {
        host: settings.host.clone(),
        port: settings.port,
        encryption: match settings.encryption {
            DirectoryEncryption::Tls => Encryption::Tls,
            DirectoryEncryption::StartTls => Encryption::StartTls,
            DirectoryEncryption::Nothing => Encryption::Nothing,
        },
        ca_file: settings.ca_file.clone(),
        bind_dn: settings.bind_dn.clone(),
        password_file: settings.password_file.clone(),
        connect_timeout: settings.connect_timeout,
        maximum_connections: settings.maximum_connections,
    }
}

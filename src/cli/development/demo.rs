//! Initializes a new `dev` database with the schema, a keyring and the demo users. An existing one
//! is only migrated: a changed demo password stays changed.

use super::data_folder::DataFolder;
use crate::{
    cli::output::{Failure, print_status},
    clock,
    configuration::Settings,
    security::keyring::Keyring,
    service::errors::AddUserError,
    startup::{self, InitialUser, add_initial_user},
    storage::{
        self, Database,
        installation::{self, InstallationKind},
        privileges::GrantedRole,
        users::UserTakenError,
    },
};

/// The first user has the credentials of the vendor's published sample,
/// `Authorization: Basic dGplMDpUamUw`.
const DEMO_USERS: [InitialUser<'static>; 2] = [
    InitialUser { id: 1, login_name: "tje0", password: "Tje0", is_administrator: true },
    InitialUser { id: 278, login_name: "demo", password: "demo", is_administrator: false },
];

/// Migrates the database, and adds a keyring and the demo users if it is new.
pub(super) async fn prepare(
    settings: &Settings,
    database: &Database,
    data: &DataFolder,
) -> Result<(), Failure> {
    startup::require_kind(database, InstallationKind::Development).await?;
    storage::migrate(database).await?;
    if installation::find_kind(database).await?.is_some() {
        return Ok(());
    }
    // If `dev` is killed before it inserts the kind, the next start repeats the steps below.
    if !data.keyring().exists() {
        Keyring::generate(&data.keyring())?;
    }
    let keyring = startup::open_keyring(settings, database, GrantedRole::Service).await?;
    let users = startup::build(settings, database.clone(), keyring)?.services.users;
    for user in DEMO_USERS {
        match add_initial_user(&users, &user).await {
            // A start that was killed before the marker was written has added the user.
            Ok(())
            | Err(AddUserError::Taken(
                UserTakenError::UserIdTaken | UserTakenError::LoginNameTaken,
            )) => {}
            Err(error) => return Err(error.into()),
        }
    }
    installation::insert_kind(database, InstallationKind::Development, clock::now()).await?;
    print_status("demo users: tje0 with password Tje0 (administrator), demo with password demo");
    Ok(())
}

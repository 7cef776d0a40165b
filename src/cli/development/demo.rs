//! What a new `dev` database gets: a schema, a keyring and the demo users. Made once, never
//! repaired: a changed demo password stays changed.

use secrecy::SecretString;

use super::data_folder::DataFolder;
use crate::{
    cli::{
        command_context,
        output::{Failure, print_status},
    },
    clock,
    configuration::Settings,
    domain::{
        credential::CredentialValue,
        new_login_name::NewLoginName,
        new_user::NewUser,
        user::{DisplayName, UserId, UserType},
    },
    security::keyring::Keyring,
    service::{errors::AddUserError, users::saving::Users},
    startup,
    storage::{
        self, Database,
        installation::{self, InstallationKind},
        users::UserTakenError,
    },
};

/// Id, login name, password and whether an administrator. The first is the one of the vendor's
/// published sample, `Authorization: Basic dGplMDpUamUw`.
const DEMO_USERS: [(i32, &str, &str, bool); 2] =
    [(1, "tje0", "Tje0", true), (278, "demo", "demo", false)];

/// Brings the database to this binary's schema, and fills it when it is new.
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
    // A start that was killed before the marker comes here again and finds what it had made.
    if !data.keyring().exists() {
        Keyring::generate(&data.keyring())?;
    }
    let users = startup::build(settings, database.clone())?.services.users;
    for (id, name, password, is_administrator) in DEMO_USERS {
        add(&users, (id, name, is_administrator), password).await?;
    }
    installation::insert_kind(database, InstallationKind::Development, clock::now()).await?;
    print_status("demo users: tje0 with password Tje0 (administrator), demo with password demo");
    Ok(())
}

async fn add(
    users: &Users,
    (id, name, is_administrator): (i32, &str, bool),
    password: &str,
) -> Result<(), Failure> {
    let user = NewUser {
        user_id: Some(UserId::try_from(id)?),
        login_name: NewLoginName::parse(name)?,
        display_name: DisplayName::parse("Tooltip", name)?,
        user_type: UserType::Internal,
        is_administrator,
        is_retired: false,
    };
    let password = CredentialValue::parse("Password", &SecretString::from(password))?;
    let client_info = command_context::client_info();
    match users.add(command_context::change_context(&client_info), &user, password).await {
        Ok(_)
        | Err(AddUserError::Taken(UserTakenError::UserIdTaken | UserTakenError::LoginNameTaken)) => {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

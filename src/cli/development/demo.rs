//! Initializes a new `dev` database with the schema, a keyring and the demo users. An existing one
//! is only migrated: a changed demo password stays changed.

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

/// A demo user.
struct DemoUser {
    id: i32,
    login_name: &'static str,
    password: &'static str,
    is_administrator: bool,
}

/// The first has the login of the vendor's published sample, `Authorization: Basic dGplMDpUamUw`.
const DEMO_USERS: [DemoUser; 2] = [
    DemoUser { id: 1, login_name: "tje0", password: "Tje0", is_administrator: true },
    DemoUser { id: 278, login_name: "demo", password: "demo", is_administrator: false },
];

/// Migrates the database, and initializes a new one.
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
    // A start that was killed before the marker was written repeats the steps below.
    if !data.keyring().exists() {
        Keyring::generate(&data.keyring())?;
    }
    let users = startup::build(settings, database.clone())?.services.users;
    for user in DEMO_USERS {
        add(&users, &user).await?;
    }
    installation::insert_kind(database, InstallationKind::Development, clock::now()).await?;
    print_status("demo users: tje0 with password Tje0 (administrator), demo with password demo");
    Ok(())
}

async fn add(users: &Users, demo: &DemoUser) -> Result<(), Failure> {
    let user = NewUser {
        user_id: Some(UserId::try_from(demo.id)?),
        login_name: NewLoginName::parse(demo.login_name)?,
        display_name: DisplayName::parse("Tooltip", demo.login_name)?,
        user_type: UserType::Internal,
        is_administrator: demo.is_administrator,
        is_retired: false,
    };
    let password = CredentialValue::parse("Password", &SecretString::from(demo.password))?;
    let client_info = command_context::client_info();
    match users.add(command_context::change_context(&client_info), &user, password).await {
        Ok(_)
        | Err(AddUserError::Taken(UserTakenError::UserIdTaken | UserTakenError::LoginNameTaken)) => {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

//! `user`: users of the configured installation.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use secrecy::ExposeSecret;

use serde_json::{Value, json};

use super::{
    command_context, credential,
    output::{self, Failure, Format},
    secret_input::read_secret,
};
use crate::{
    domain::{
        credential::CredentialValue,
        new_login_name::NewLoginName,
        new_user::NewUser,
        save_user::SaveUser,
        user::{DisplayName, User, UserId, UserType},
    },
    security::generated_password::generate_password,
    service::Services,
};

/// The subcommands of `user`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Adds a user; the first password comes from stdin or a prompt.
    Add(AddArguments),
    /// Lists all users.
    List,
    /// Shows a user and their credentials, without the values.
    Show(Named),
    /// Lets a user not log in any more; everything derived from their password ends.
    Retire(Named),
    /// Lets a retired user log in again.
    Reactivate(Named),
    /// Deletes a user with everything that could log in as them. Their id and their audit events
    /// stay.
    Delete(Named),
    /// Lets a user act on anybody.
    GrantAdmin(Named),
    /// Takes that back.
    RevokeAdmin(Named),
}

/// Which user.
#[derive(Args)]
pub(super) struct Named {
    /// The user: an id or a login name. Of a number, `id:7` and `name:7` say which it is.
    user: String,
}

/// The arguments of `user add`.
#[derive(Args)]
pub(super) struct AddArguments {
    /// The login name.
    name: String,
    /// The name that is shown; without it, the login name.
    #[arg(long)]
    display_name: Option<String>,
    /// The user id; without it, the next free one from 1000 on.
    #[arg(long)]
    id: Option<i32>,
    /// What kind of user.
    #[arg(long = "type", value_enum, default_value = "internal")]
    user_type: UserTypeArgument,
    /// May save credentials of anybody.
    #[arg(long)]
    administrator: bool,
    /// Make a password up and print it, this once.
    #[arg(long)]
    generate: bool,
}

/// The user types as arguments.
#[derive(Clone, Copy, ValueEnum)]
enum UserTypeArgument {
    Internal,
    Resource,
    External,
    Anonymous,
    System,
}

impl From<UserTypeArgument> for UserType {
    fn from(argument: UserTypeArgument) -> Self {
        match argument {
            UserTypeArgument::Internal => Self::Internal,
            UserTypeArgument::Resource => Self::Resource,
            UserTypeArgument::External => Self::External,
            UserTypeArgument::Anonymous => Self::Anonymous,
            UserTypeArgument::System => Self::System,
        }
    }
}

/// Runs a subcommand.
pub(super) async fn run(command: Command, format: Format) -> Result<ExitCode, Failure> {
    let services = command_context::open().await?.services;
    let retired = |is_retired| SaveUser { is_retired: Some(is_retired), ..SaveUser::default() };
    let administrator = |is| SaveUser { is_administrator: Some(is), ..SaveUser::default() };
    match command {
        Command::Add(arguments) => add(&services, arguments).await?,
        Command::List => list(&services, format).await?,
        Command::Show(named) => show(&services, &named, format).await?,
        Command::Retire(named) => change(&services, &named, retired(true)).await?,
        Command::Reactivate(named) => change(&services, &named, retired(false)).await?,
        Command::Delete(named) => delete(&services, &named).await?,
        Command::GrantAdmin(named) => change(&services, &named, administrator(true)).await?,
        Command::RevokeAdmin(named) => change(&services, &named, administrator(false)).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(services: &Services, arguments: AddArguments) -> Result<(), Failure> {
    let user = new_user(&arguments)?;
    let password = if arguments.generate { generate_password()? } else { read_secret("Password")? };
    let value = CredentialValue::parse("Password", &password)?;
    let client_info = command_context::client_info();
    let user_id =
        services.users.add(command_context::change_context(&client_info), &user, value).await?;
    output::print_status(format_args!("added user {user_id}"));
    if arguments.generate {
        output::print_result(password.expose_secret())?;
    }
    Ok(())
}

async fn change(services: &Services, named: &Named, change: SaveUser) -> Result<(), Failure> {
    let user = command_context::find_user(&services.directory, &named.user).await?;
    let command = SaveUser { user_id: Some(user.user_id), ..change };
    let client_info = command_context::client_info();
    services.users.save(command_context::change_context(&client_info), command).await?;
    output::print_status(format_args!("changed user {}", user.user_id));
    Ok(())
}

async fn delete(services: &Services, named: &Named) -> Result<(), Failure> {
    let user = command_context::find_user(&services.directory, &named.user).await?;
    let client_info = command_context::client_info();
    services.users.delete(command_context::change_context(&client_info), user.user_id).await?;
    output::print_status(format_args!("deleted user {}", user.user_id));
    Ok(())
}

fn new_user(arguments: &AddArguments) -> Result<NewUser, Failure> {
    let login_name = NewLoginName::parse(&arguments.name)?;
    let display_name = match &arguments.display_name {
        Some(text) => DisplayName::parse("--display-name", text)?,
        None => DisplayName::from(&login_name),
    };
    Ok(NewUser {
        user_id: arguments.id.map(UserId::try_from).transpose()?,
        login_name,
        display_name,
        user_type: arguments.user_type.into(),
        is_administrator: arguments.administrator,
        is_retired: false,
    })
}

async fn list(services: &Services, format: Format) -> Result<(), Failure> {
    let mut users: Vec<User> = Vec::new();
    loop {
        let page = services.directory.list_after(users.last().map(|user| user.user_id)).await?;
        if page.is_empty() {
            break;
        }
        users.extend(page);
    }
    output::rows(format, HEADING, &users.iter().map(row).collect::<Vec<_>>())
}

async fn show(services: &Services, named: &Named, format: Format) -> Result<(), Failure> {
    let user = command_context::find_user(&services.directory, &named.user).await?;
    let credentials = services.credentials.list(user.user_id).await?;
    if format == Format::Table {
        output::record(HEADING, &row(&user))?;
        output::print_result("")?;
        return credential::print(format, &credentials);
    }
    let mut object = output::object(HEADING, &row(&user));
    if let Value::Object(members) = &mut object {
        members.insert("credentials".to_owned(), credential::objects(&credentials));
    }
    output::print_result(serde_json::to_string_pretty(&object)?)
}

const HEADING: [&str; 6] = ["ID", "LOGIN NAME", "DISPLAY NAME", "TYPE", "STATE", "RIGHT"];

fn row(user: &User) -> [Value; 6] {
    let state = if user.is_retired { "retired" } else { "active" };
    let right = if user.is_administrator { "administrator" } else { "" };
    [
        json!(user.user_id.as_i32()),
        json!(user.login_name),
        json!(user.display_name),
        json!(user.user_type.as_str()),
        json!(state),
        json!(right),
    ]
}

//! `user`: users of the configured installation.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use secrecy::ExposeSecret;

use super::{output, output::Failure, secret_input::read_secret, session};
use crate::{
    clock,
    domain::{
        credential::CredentialValue,
        user::{LoginName, NewUser, User, UserId, UserType},
    },
    security::generated_password::generate_password,
    service::Service,
};

/// The subcommands of `user`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Adds a user; the first password comes from stdin or a prompt.
    Add(AddArguments),
    /// Lists all users.
    List,
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
pub(super) async fn run(command: Command) -> Result<ExitCode, Failure> {
    let service = session::open().await?;
    match command {
        Command::Add(arguments) => add(&service, arguments).await?,
        Command::List => list(&service).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(service: &Service, arguments: AddArguments) -> Result<(), Failure> {
    let user = new_user(&arguments)?;
    let password = if arguments.generate { generate_password()? } else { read_secret("Password")? };
    let value = CredentialValue::parse("Password", &password)?;
    let user_id = service.add_user(&user, value, &session::origin(), clock::now()).await?;
    output::complain(format_args!("added user {user_id}"));
    if arguments.generate {
        output::say(password.expose_secret())?;
    }
    Ok(())
}

fn new_user(arguments: &AddArguments) -> Result<NewUser, Failure> {
    let login_name = LoginName::parse(&arguments.name)?;
    let display_name = arguments.display_name.as_ref().unwrap_or(&arguments.name);
    if display_name.is_empty() || display_name.chars().count() > 254 {
        return Err(Failure::because("--display-name must have 1 to 254 characters"));
    }
    Ok(NewUser {
        user_id: arguments.id.map(UserId::try_from).transpose()?,
        login_name,
        display_name: display_name.clone(),
        user_type: arguments.user_type.into(),
        is_administrator: arguments.administrator,
    })
}

async fn list(service: &Service) -> Result<(), Failure> {
    let mut users: Vec<User> = Vec::new();
    loop {
        let page = service.list_users_after(users.last().map(|user| user.user_id)).await?;
        if page.is_empty() {
            break;
        }
        users.extend(page);
    }
    let row = |user: &User| {
        let state = if user.is_retired { "retired" } else { "active" };
        let right = if user.is_administrator { "administrator" } else { "" };
        [
            user.user_id.to_string(),
            user.login_name.clone(),
            user.user_type.as_str().to_owned(),
            state.to_owned(),
            right.to_owned(),
        ]
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    output::table(["ID", "LOGIN NAME", "TYPE", "STATE", "RIGHT"], &rows)
}

//! `user`: manages users.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use secrecy::ExposeSecret;

use serde_json::{Value, json};

use super::{
    command_context::{self, ReasonArgument},
    credential,
    output::{self, Failure, Format},
    secret_input::read_secret,
};
use crate::{
    domain::{
        change_cause::ChangeCause,
        credential::CredentialValue,
        delete_user::DeleteUser,
        new_login_name::NewLoginName,
        new_user::NewUser,
        nick_name::NickName,
        role::Role,
        save_user::SaveUser,
        user::{DisplayName, User, UserId, UserReference, UserType},
        vendor_ids::VendorIds,
    },
    security::generated_password::generate_password,
    service::Services,
};

/// The subcommands of `user`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Add a user; read the first password from standard input or a prompt.
    Add(AddArguments),
    /// List all users.
    List,
    /// Show a user and their credentials, without the values.
    Show(Target),
    /// Disable a user and revoke everything issued to them.
    Retire(Change),
    /// Enable a retired user.
    Reactivate(Change),
    /// Delete a user with their credentials, tickets, sessions and tokens. The user id stays
    /// reserved and the audit events are kept.
    Delete(Change),
    /// Grant a user the administrator right.
    GrantAdmin(Change),
    /// Revoke the administrator right of a user.
    RevokeAdmin(Change),
    /// Set the role of a user, beside the administrator right.
    SetRole(SetRoleArguments),
}

/// The user that a subcommand applies to.
#[derive(Args)]
pub(super) struct Target {
    /// User id or login name; use `id:7` or `name:7` if a number is ambiguous.
    user: String,
}

/// The user that a subcommand changes.
#[derive(Args)]
pub(super) struct Change {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    reason: ReasonArgument,
}

/// The arguments of `user add`.
#[derive(Args)]
pub(super) struct AddArguments {
    /// Login name.
    name: String,
    /// Display name [default: the login name].
    #[arg(long)]
    display_name: Option<String>,
    /// User id [default: the next free id, from 1000].
    #[arg(long)]
    id: Option<i32>,
    /// User type.
    #[arg(long = "type", value_enum, default_value = "internal")]
    user_type: UserTypeArgument,
    /// Grant the administrator right.
    #[arg(long)]
    administrator: bool,
    /// Role of the user, beside the administrator right.
    #[arg(long, value_enum, default_value = "none")]
    role: RoleArgument,
    /// Generate a password and print it once.
    #[arg(long)]
    generate: bool,
    /// Require the user to change the password: until then it allows nothing else.
    #[arg(long)]
    must_change: bool,
    #[command(flatten)]
    reason: ReasonArgument,
}

/// The arguments of `user set-role`.
#[derive(Args)]
pub(super) struct SetRoleArguments {
    #[command(flatten)]
    target: Target,
    /// Role of the user.
    #[arg(value_enum)]
    role: RoleArgument,
    #[command(flatten)]
    reason: ReasonArgument,
}

/// Roles as command-line values.
#[derive(Clone, Copy, ValueEnum)]
enum RoleArgument {
    /// Unlocks users, generates passwords and ends sessions.
    HelpDesk,
    /// Reads everything that an administrator reads, and changes nothing.
    Auditor,
    /// No role.
    None,
}

impl From<RoleArgument> for Option<Role> {
    fn from(argument: RoleArgument) -> Self {
        match argument {
            RoleArgument::HelpDesk => Some(Role::HelpDesk),
            RoleArgument::Auditor => Some(Role::Auditor),
            RoleArgument::None => None,
        }
    }
}

/// User types as command-line values.
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
    let administrator = |is_administrator| SaveUser {
        is_administrator: Some(is_administrator),
        ..SaveUser::default()
    };
    match command {
        Command::Add(arguments) => add(&services, arguments).await?,
        Command::List => list(&services, format).await?,
        Command::Show(target) => show(&services, &target, format).await?,
        Command::Retire(user) => change(&services, &user, retired(true)).await?,
        Command::Reactivate(user) => change(&services, &user, retired(false)).await?,
        Command::Delete(user) => delete(&services, &user).await?,
        Command::GrantAdmin(user) => change(&services, &user, administrator(true)).await?,
        Command::RevokeAdmin(user) => change(&services, &user, administrator(false)).await?,
        Command::SetRole(SetRoleArguments { target, role, reason }) => {
            let command = SaveUser { role: Some(role.into()), ..SaveUser::default() };
            change(&services, &Change { target, reason }, command).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(services: &Services, arguments: AddArguments) -> Result<(), Failure> {
    let user = new_user(&arguments)?;
    let operator = arguments.reason.operator()?;
    let password = if arguments.generate { generate_password()? } else { read_secret("Password")? };
    let value = CredentialValue::parse("Password", &password)?;
    let change_required = arguments.must_change.then_some(ChangeCause::Administrator);
    let context = operator.change_context();
    let user_id = services.users.add(context, &user, value, change_required).await?;
    output::print_status(format_args!("added user {user_id}"));
    if arguments.generate {
        output::print_or_fail(password.expose_secret()).map_err(|failure| {
            Failure::new(format!(
                "user {user_id} was added, but the password could not be printed: {failure}; save \
                 another one with `credential-keeper credential save`"
            ))
        })?;
    }
    Ok(())
}

async fn change(services: &Services, named: &Change, change: SaveUser) -> Result<(), Failure> {
    let operator = named.reason.operator()?;
    let user = command_context::find_user(&services.users.directory, &named.target.user).await?;
    let command = SaveUser { user_id: Some(user.user_id), ..change };
    services.users.save(operator.change_context(), command).await?;
    output::print_status(format_args!("changed user {}", user.user_id));
    Ok(())
}

async fn delete(services: &Services, named: &Change) -> Result<(), Failure> {
    let operator = named.reason.operator()?;
    let user = command_context::find_user(&services.users.directory, &named.target.user).await?;
    let context = operator.change_context();
    services.users.delete(context, DeleteUser::of(UserReference::Id(user.user_id))).await?;
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
        role: arguments.role.into(),
        is_retired: false,
        vendor_ids: VendorIds::default(),
        nick_name: NickName::default(),
    })
}

async fn list(services: &Services, format: Format) -> Result<(), Failure> {
    let mut users: Vec<User> = Vec::new();
    loop {
        let page =
            services.users.directory.list_after(users.last().map(|user| user.user_id)).await?;
        if page.is_empty() {
            break;
        }
        users.extend(page);
    }
    output::print_rows(format, HEADING, &users.iter().map(row).collect::<Vec<_>>())
}

async fn show(services: &Services, target: &Target, format: Format) -> Result<(), Failure> {
    let user = command_context::find_user(&services.users.directory, &target.user).await?;
    let credentials = services.credentials.list(user.user_id).await?;
    if format == Format::Table {
        output::print_record(HEADING, &row(&user))?;
        output::print_result("")?;
        return credential::print(format, &credentials);
    }
    let mut object = output::json_object(HEADING, &row(&user));
    if let Value::Object(members) = &mut object {
        members.insert("credentials".to_owned(), credential::json_objects(&credentials));
    }
    output::print_json(&object)
}

const HEADING: [&str; 7] = ["ID", "LOGIN NAME", "DISPLAY NAME", "TYPE", "STATE", "RIGHT", "ROLE"];

fn row(user: &User) -> [Value; 7] {
    let state = if user.is_retired { "retired" } else { "active" };
    let right = if user.is_administrator { "administrator" } else { "" };
    [
        json!(user.user_id.as_i32()),
        json!(user.login_name),
        json!(user.display_name),
        json!(user.user_type.as_str()),
        json!(state),
        json!(right),
        json!(user.role.map_or("", Role::as_str)),
    ]
}

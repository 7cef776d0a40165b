//! Creates an installation from valid answers, and removes what was written if a step fails.

use std::{
    collections::HashMap,
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};

use super::{answers::Answers, folder::Folder, settings_file::settings_text};
use crate::{
    cli::{
        command_context::{Operator, invalid_settings, require},
        output::{self, Failure},
    },
    configuration::Settings,
    domain::{
        action_reason::ActionReason,
        credential::CredentialValue,
        new_user::NewUser,
        nick_name::NickName,
        user::{DisplayName, UserType},
        vendor_ids::VendorIds,
    },
    security::{
        generated_password::generate_password,
        keyring::{KeyringError, KeyringFile},
    },
    startup::{self, Components, StartError},
    storage::{Database, installation::InstallationKind, privileges::GrantedRole, split_password},
};

/// The mode of the settings file: its owner may write it, and its group may serve with it.
const SETTINGS_MODE: u32 = 0o640;

/// The mode of a file with a secret.
const SECRET_MODE: u32 = 0o400;

/// The mode of a new folder.
const FOLDER_MODE: u32 = 0o750;

/// An installation that is being created.
pub(super) struct Installation<'answers> {
    folder: &'answers Folder,
    answers: &'answers Answers,
    /// The files that were written, in this order.
    files: Vec<PathBuf>,
    has_created_folder: bool,
    has_migrated: bool,
    /// The database has recorded the key of the keyring, so the keyring must stay.
    is_keyring_in_use: bool,
}

impl<'answers> Installation<'answers> {
    /// An installation of which nothing exists yet.
    pub(super) fn new(folder: &'answers Folder, answers: &'answers Answers) -> Self {
        Self {
            folder,
            answers,
            files: Vec::new(),
            has_created_folder: false,
            has_migrated: false,
            is_keyring_in_use: false,
        }
    }

    /// Writes the files, checks the settings as `serve` does, migrates the database, and adds the
    /// administrator. Returns their password if it was generated.
    ///
    /// # Errors
    /// When a step fails. Call [`Self::undo`] then.
    pub(super) async fn create(&mut self) -> Result<Option<SecretString>, Failure> {
        self.write_files()?;
        let settings = self.read_settings()?;
        require(startup::problems_of_serving(&settings))?;
        output::print_status("the settings are valid");
        let database = startup::connect(&settings).await?;
        let pending = self.answers.database.pending_migrations;
        if pending > 0 {
            self.has_migrated = true;
            startup::migrate(&settings, &database, InstallationKind::Production).await?;
            output::print_status(format_args!("applied {pending} migrations to the database"));
        }
        let components = self.open(&settings, database).await?;
        self.add_administrator(&components).await
    }

    /// Removes what was written. Returns what remains, and the next step.
    pub(super) fn undo(&mut self) -> String {
        if self.is_keyring_in_use {
            return self.remaining_installation();
        }
        let mut remaining: Vec<_> = Vec::new();
        for file in self.files.drain(..).rev() {
            if fs::remove_file(&file).is_err() {
                remaining.push(file.display().to_string());
            }
        }
        if self.has_created_folder && fs::remove_dir(&self.folder.path).is_err() {
            remaining.push(self.folder.path.display().to_string());
        }
        let mut lines = Vec::new();
        if remaining.is_empty() {
            lines.push("every file that `init` wrote was removed".to_owned());
        } else {
            lines.push(format!("remove what remains: {}", remaining.join(", ")));
        }
        if self.has_migrated {
            lines.push("tables that were created remain in the database".to_owned());
        }
        lines.push("run `init` again".to_owned());
        lines.join("; ")
    }

    /// What to say when the keyring must stay.
    fn remaining_installation(&self) -> String {
        let files: Vec<_> = self.files.iter().map(|file| file.display().to_string()).collect();
        format!(
            "these files remain, because the database may already belong to this keyring: {}. To go \
             on, set KEEPER_CONFIG to the first one, and run `credential-keeper user list`. If it \
             does not list the administrator, run `credential-keeper user add NAME --administrator \
             --generate`; if it does, and you do not know the password, run `credential-keeper \
             credential save --user NAME`",
            files.join(", ")
        )
    }

    fn write_files(&mut self) -> Result<(), Failure> {
        if self.folder.is_new {
            let failed = |error| unwritable(&self.folder.path, &error);
            DirBuilder::new().mode(FOLDER_MODE).create(&self.folder.path).map_err(failed)?;
            self.has_created_folder = true;
        }
        let invalid = || Failure::new("--database-url: is invalid");
        let (url, password) = split_password(&self.answers.database.url).ok_or_else(invalid)?;
        let password_file = self.folder.password_file();
        let named = password.as_ref().map(|_| password_file.as_path());
        let text = settings_text(self.answers, &url, named);
        self.write(&self.folder.settings_file(), &text, SETTINGS_MODE)?;
        if let Some(password) = password {
            self.write(&password_file, password.expose_secret(), SECRET_MODE)?;
        }
        let keyring = KeyringFile::generate()?.to_json()?;
        let written = KeyringFile::write_new(&self.answers.keyring, &keyring);
        if let Ok(()) | Err(KeyringError::NotDurable(..)) = &written {
            self.files.push(self.answers.keyring.clone());
        }
        written?;
        for file in &self.files {
            output::print_status(format_args!("wrote {}", file.display()));
        }
        Ok(())
    }

    /// Writes a file that does not exist.
    fn write(&mut self, file: &Path, text: &str, mode: u32) -> Result<(), Failure> {
        let failed = |error| unwritable(file, &error);
        let mut out = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(SECRET_MODE)
            .open(file)
            .map_err(failed)?;
        self.files.push(file.to_owned());
        // The mask of the process must not hide the file from the group.
        out.set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
        out.write_all(text.as_bytes()).map_err(failed)?;
        out.sync_all().map_err(failed)
    }

    /// Reads the settings file, without the variables of the environment.
    fn read_settings(&self) -> Result<Settings, Failure> {
        let settings = Settings::read(Some(&self.folder.settings_file()), HashMap::new());
        settings.map_err(|problems| invalid_settings(&problems))
    }

    async fn open(
        &mut self,
        settings: &Settings,
        database: Database,
    ) -> Result<Components, Failure> {
        startup::require_privileges(&database, GrantedRole::Service).await?;
        startup::require_migrations(&database).await?;
        // The command may be stopped while the database records the key.
        self.is_keyring_in_use = true;
        let opened = startup::open_keyring(settings, &database, GrantedRole::Service).await;
        // After any other failure, the database may know the key.
        self.is_keyring_in_use = !matches!(opened, Err(StartError::Keyring(_)));
        let mut settings = settings.clone();
        // One hash at a time is enough for a command.
        settings.hashing.threads = 1;
        Ok(startup::build(&settings, database, opened?)?)
    }

    async fn add_administrator(
        &self,
        components: &Components,
    ) -> Result<Option<SecretString>, Failure> {
        let (password, is_generated) = match &self.answers.password {
            Some(password) => (password.clone(), false),
            None => (generate_password()?, true),
        };
        let login_name = self.answers.administrator.clone();
        let user = NewUser {
            user_id: None,
            display_name: DisplayName::from(&login_name),
            login_name,
            user_type: UserType::Internal,
            is_administrator: true,
            role: None,
            is_retired: false,
            vendor_ids: VendorIds::default(),
            nick_name: NickName::default(),
        };
        let value = CredentialValue::parse("Password", &password)?;
        let reason = ActionReason::parse("reason", "first administrator")?;
        let operator = Operator::new(Some(reason));
        components.services.users.add(operator.change_context(), &user, value, None).await?;
        output::print_status(format_args!("added the administrator {}", user.login_name.as_str()));
        Ok(is_generated.then_some(password))
    }
}

fn unwritable(file: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot create {}: {error}", file.display()))
}

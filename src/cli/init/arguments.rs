//! The arguments and the answers file of `init`.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Deserialize;

use crate::{cli::output::Failure, domain::encoding, security::secret_file, storage::DatabaseUrl};

/// The longest answers file, in bytes.
const MAXIMUM_ANSWERS: u64 = 64 * 1024;

/// The arguments of `init`.
#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// Folder for the settings file, the keyring and the password of the database. It is created if
    /// it does not exist.
    #[arg(long, value_name = "DIR", default_value = "keeper")]
    pub(super) directory: PathBuf,
    /// Read the answers from this TOML file, and ask nothing; `-` is standard input. Its members
    /// have the names of the options below, with _ for -. Only its owner may read it, because its
    /// `database_url` may contain a password.
    #[arg(long, value_name = "FILE")]
    pub(super) answers: Option<PathBuf>,
    #[command(flatten)]
    pub(super) given: Given,
}

/// Answers that need not be asked for.
#[derive(Args, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Given {
    /// URL of the database. As an argument without password, because other processes can read the
    /// arguments of a process.
    #[arg(long, value_name = "URL")]
    pub(super) database_url: Option<String>,
    /// Host name that clients use.
    #[arg(long, value_name = "NAME")]
    pub(super) host: Option<String>,
    /// Address and port of the API [default: by the answer on TLS].
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,
    /// `none` for clients on this machine only, `proxy`, or the file with the certificate.
    #[arg(long, value_name = "TLS")]
    pub(super) tls: Option<String>,
    /// File with the private key of the certificate.
    #[arg(long, value_name = "FILE")]
    pub(super) tls_key: Option<String>,
    /// Address of the proxy, as the service sees it; separate several with spaces.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) proxy: Option<String>,
    /// Login name of the first administrator. Without a terminal, their password is generated and
    /// printed once.
    #[arg(long, value_name = "NAME")]
    pub(super) administrator: Option<String>,
    /// File for the keyring [default: keyring.json in the folder].
    #[arg(long, value_name = "FILE")]
    pub(super) keyring: Option<String>,
    /// Apply pending migrations to the database.
    #[arg(long)]
    pub(super) migrate: bool,
}

impl Arguments {
    /// The answers of the options and of the answers file. An option overrides the file.
    ///
    /// # Errors
    /// When the file is invalid or others may read it, or an option contains a password.
    pub(super) fn given(self) -> Result<Given, Failure> {
        let option = self.given;
        let has_password = |url: &String| {
            DatabaseUrl::parse(&url.as_str().into()).is_ok_and(|url| url.has_password)
        };
        if option.database_url.as_ref().is_some_and(has_password) {
            return Err(Failure::new(
                "--database-url: contains a password, which other processes can read; type it when \
                 `init` asks for it, or write the URL to an answers file (--answers)",
            ));
        }
        let Some(file) = self.answers else { return Ok(option) };
        let answered = read(&file)?;
        Ok(Given {
            database_url: option.database_url.or(answered.database_url),
            host: option.host.or(answered.host),
            listen: option.listen.or(answered.listen),
            tls: option.tls.or(answered.tls),
            tls_key: option.tls_key.or(answered.tls_key),
            proxy: option.proxy.or(answered.proxy),
            administrator: option.administrator.or(answered.administrator),
            keyring: option.keyring.or(answered.keyring),
            migrate: option.migrate || answered.migrate,
        })
    }
}

fn read(file: &Path) -> Result<Given, Failure> {
    let text = if file == Path::new("-") {
        let mut bytes = zeroize::Zeroizing::new(Vec::new());
        io::stdin().take(MAXIMUM_ANSWERS).read_to_end(&mut bytes)?;
        let text = encoding::text(&bytes);
        let text = text.map_err(|error| Failure::new(format!("standard input {error}")))?;
        zeroize::Zeroizing::new(text.to_owned())
    } else {
        secret_file::read(file)?
    };
    parse(&text).map_err(|line| {
        Failure::new(format!(
            "{}:{line}: invalid answer; the members are those of the options of `init --help`, with \
             _ for -",
            file.display()
        ))
    })
}

/// Parses an answers file.
///
/// # Errors
/// The number of the invalid line. The message of the parser would repeat the line, which may contain a
/// password.
pub(super) fn parse(text: &str) -> Result<Given, usize> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        before.map_or(1, |before| 1 + before.matches('\n').count())
    })
}

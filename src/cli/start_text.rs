//! What `credential-keeper` prints without arguments: where to start.

/// The text.
pub(super) const START_TEXT: &str = "\
Credential Keeper stores and verifies the login credentials of users.

Start with one of these commands:

  credential-keeper dev      Run a local demo: private PostgreSQL, demo users, loopback only
  credential-keeper init     Create an installation: settings, keyring, first administrator
  credential-keeper serve    Run the service with the settings that KEEPER_CONFIG names

`credential-keeper --help` lists all commands, and `credential-keeper COMMAND --help` explains one.
A running service documents its API at /docs. The guides are in the folder docs/ of the sources, and
in /usr/share/doc/credential-keeper/docs/ of the Debian package.";

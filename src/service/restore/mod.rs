//! Restored databases: proves that a database, its keyring and its audit chains belong together, and
//! ends the sessions that a restore would revive.

pub(crate) mod check;
pub(crate) mod problem;
pub(crate) mod watch;

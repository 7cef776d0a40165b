//! The binary's commands.

mod bundle;
mod calibrate;
mod config_diff;
mod config_show;
mod development;
mod doctor;
mod drain;
mod field_cases;
mod hash_families;
mod import;
mod import_batches;
mod import_formats;
mod import_stopped;
mod imported_passwords;
mod init;
mod init_undo;
mod operators;
mod packaging;
mod serve;
mod settings;
mod starting;
mod tables;
mod users;

//! Helpers that the API tests share.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

mod assertions;
mod certificates;
mod collector;
mod command;
pub(crate) mod compose;
mod credentials;
mod database_container;
mod database_proxy;
mod instance;
mod issuer;
mod key_server;
mod mail_server;
mod old_system;
mod open_bao;
#[path = "../../load/packet_loss.rs"]
#[expect(dead_code, reason = "no test ends a loss")]
mod packet_loss;
mod pgbouncer;
mod pipe;
mod ports;
mod private_server;
mod raw_directory;
mod reloading;
mod rsyslog;
mod server;
mod slapd;
mod soft_hsm;
mod standby;
mod terminal;
mod test_app;
mod waiting;

pub(crate) use self::{
    assertions::Answer,
    certificates::{TestAuthority, TestCertificate, replace, tls_client},
    collector::{Collector, CollectorFront, FrontReply},
    command::{CommandOutput, binary, keeper, run_with_input},
    credentials::Credentials,
    database_container::{DatabaseContainer, run_successfully},
    database_proxy::DatabaseProxy,
    instance::Instance,
    issuer::TestIssuer,
    key_server::KeyServer,
    mail_server::{MAIL_LOGIN, MAIL_PASSWORD, MailServer, converse, raw_mail_server},
    old_system::{OldSystem, Reply, http_reply, late, old_password, server_config, verify_by_name},
    open_bao::OpenBao,
    pgbouncer::{PgBouncer, installed_pgbouncer, newer_pgbouncer, role_timeouts},
    pipe::{end_pipe, make_pipe},
    ports::{free_address, free_port, wait_until_listening},
    private_server::PrivateServer,
    raw_directory::{
        BIND, EXTENDED, RawDirectory, SEARCH, done, element, entry, message, page_done, result,
    },
    reloading::{Reloading, SETTINGS_REFUSED, SETTINGS_RELOADED},
    rsyslog::Rsyslog,
    server::{Server, started},
    slapd::{BIND_PASSWORD, Slapd},
    soft_hsm::{PIN, SoftHsm},
    standby::Standby,
    terminal::{Terminal, with_color_terminal},
    test_app::{
        ADMINISTRATOR, PLAIN, RETIRED, SERVICE_ROLE, TestApp, client_builder, is_distributed,
        password_of,
    },
    waiting::{assert_becomes, wait_for, wait_until},
};

/// POST: saves a credential.
pub(crate) const SAVE: &str = "/api/v1/Agents/User/SaveCredential";
/// POST: lists the credential types.
pub(crate) const TYPES: &str = "/api/v1/Agents/User/GetCredentialTypes";
/// GET: the user who sent the request.
pub(crate) const PRINCIPAL: &str = "/api/v1/User/currentPrincipal";
/// GET: issues a Bearer token for the user who sent the request.
pub(crate) const TOKEN: &str = "/api/v1/User/currentToken";
/// POST: issues a ticket.
pub(crate) const TICKETS: &str = "/keeper/tickets";
/// The ticket that authenticates the request.
pub(crate) const CURRENT_TICKET: &str = "/keeper/tickets/current";

/// Makes a file a secret file: only its owner may read it.
pub(crate) fn restrict(file: &Path) {
    fs::set_permissions(file, Permissions::from_mode(0o400)).unwrap();
}

/// The bytes of a text in the hex format of PostgreSQL.
pub(crate) fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

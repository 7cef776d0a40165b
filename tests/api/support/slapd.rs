//! `OpenLDAP` servers with the attributes of Active Directory, each private to one test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{TestAuthority, free_port, replace, run_successfully, wait_until_listening};

/// The server of Debian's package `slapd`, which `script/setup checks` installs.
const PROGRAM: &str = "/usr/sbin/slapd";

/// The account of the service.
const BIND_DN: &str = "cn=keeper,dc=test";
pub(crate) const BIND_PASSWORD: &str = "bind-secret-7Q";

/// The name in the certificate of the server.
const HOST: &str = "localhost";

/// A running server. It stops with the test.
pub(crate) struct Slapd {
    folder: TempDir,
    authority: TestAuthority,
    process: Child,
    port: u16,
    tls_port: u16,
}

impl Slapd {
    /// Starts a server with the account of the service and these entries, as LDIF.
    pub(crate) fn start(entries: &str) -> Self {
        assert!(Path::new(PROGRAM).exists(), "slapd not found; run `script/setup checks`");
        let folder = tempfile::tempdir().unwrap();
        let authority = TestAuthority::new();
        authority.issue(&[HOST]).write(folder.path(), "server");
        replace(&folder.path().join("ca.pem"), &authority.certificate(), 0o444);
        replace(&folder.path().join("password"), &format!("{BIND_PASSWORD}\n"), 0o400);
        for name in ["slapd.d", "data"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        add(folder.path(), "0", &configuration(folder.path()));
        add(folder.path(), "1", &format!("{BASE}{entries}"));
        let (port, tls_port) = (free_port(), free_port());
        let process = run(folder.path(), port, tls_port);
        Self { folder, authority, process, port, tls_port }
    }

    /// Stops the server.
    pub(crate) fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Freezes the server: it accepts connections, and answers nothing until [`Self::resume`].
    pub(crate) fn freeze(&self) {
        kill_process(Pid::from_child(&self.process), Signal::STOP).unwrap();
    }

    /// Lets a frozen server answer what it was asked.
    pub(crate) fn resume(&self) {
        kill_process(Pid::from_child(&self.process), Signal::CONT).unwrap();
    }

    /// Starts the server again, on the same ports.
    pub(crate) fn restart(&mut self) {
        self.process = run(self.folder.path(), self.port, self.tls_port);
    }

    /// Stops the server, changes entries, and starts it again.
    pub(crate) fn modify(&mut self, changes: &str) {
        self.stop();
        let file = self.path("changes.ldif");
        fs::write(&file, changes).unwrap();
        let mut command = Command::new("/usr/sbin/slapmodify");
        command.args(["-n", "1", "-F"]).arg(self.path("slapd.d")).arg("-l").arg(file);
        run_successfully(&mut command);
        self.restart();
    }

    /// A file in the folder of the server.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces the certificate by one of another authority; the server reads it at its next start.
    pub(crate) fn issue_from(&self, authority: &TestAuthority) {
        authority.issue(&[HOST]).write(self.folder.path(), "server");
    }

    /// Replaces the certificate by an expired one; the server reads it at its next start.
    pub(crate) fn issue_expired(&self) {
        self.authority.issue_expired(&[HOST]).write(self.folder.path(), "server");
    }

    /// The URL with TLS from the start.
    pub(crate) fn tls_url(&self) -> String {
        format!("ldaps://{HOST}:{}", self.tls_port)
    }

    /// The URL for `StartTLS`.
    pub(crate) fn url(&self) -> String {
        format!("ldap://{HOST}:{}", self.port)
    }

    /// The variables of a service that searches this server over TLS.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let text = |name: &str| self.path(name).to_str().unwrap().to_owned();
        [
            ("URL", self.tls_url()),
            ("CA_FILE", text("ca.pem")),
            ("BIND_DN", BIND_DN.to_owned()),
            ("PASSWORD_FILE", text("password")),
            ("USER_BASE_DN", "ou=people,dc=test".to_owned()),
            ("GROUP_BASE_DN", "ou=groups,dc=test".to_owned()),
            ("DOMAIN", "TEST".to_owned()),
            ("USER_FILTER", "(objectClass=inetOrgPerson)".to_owned()),
            (
                "USER_SEARCH_FILTER",
                "(|(sAMAccountName=*{search}*)(displayName=*{search}*))".to_owned(),
            ),
            ("GROUP_FILTER", "(objectClass=groupOfNames)".to_owned()),
            ("GROUP_SEARCH_FILTER", "(cn=*{search}*)".to_owned()),
            // slapd does not have the matching rule of nested groups.
            ("MEMBER_FILTER", "(|(memberOf={group})(primaryGroupID={group_rid}))".to_owned()),
        ]
        .map(|(name, value)| (format!("KEEPER__DIRECTORY__{name}"), value))
        .into()
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs the server in the foreground, without a system service.
fn run(folder: &Path, port: u16, tls_port: u16) -> Child {
    let addresses = format!("ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}");
    let mut server = Command::new(PROGRAM)
        .args(["-d", "0", "-h", &addresses, "-F"])
        .arg(folder.join("slapd.d"))
        .spawn()
        .unwrap();
    wait_until_listening("slapd", &mut server, &[port, tls_port]);
    server
}

/// Adds entries to a database of a server that does not run.
fn add(folder: &Path, database: &str, entries: &str) {
    let file = folder.join(format!("{database}.ldif"));
    fs::write(&file, entries).unwrap();
    let mut command = Command::new("/usr/sbin/slapadd");
    command.args(["-n", database, "-F"]).arg(folder.join("slapd.d")).arg("-l").arg(file);
    run_successfully(&mut command);
}

/// The entries that every server has.
const BASE: &str = "\
dn: dc=test
objectClass: domain
dc: test

dn: cn=keeper,dc=test
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: keeper
userPassword: bind-secret-7Q

dn: ou=people,dc=test
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=test
objectClass: organizationalUnit
ou: groups

";

/// The configuration, with the few definitions of Active Directory that tests need.
fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "\
dn: cn=config
objectClass: olcGlobal
cn: config
olcTLSCertificateFile: {folder}/server.crt
olcTLSCertificateKeyFile: {folder}/server.key

dn: cn=module,cn=config
objectClass: olcModuleList
cn: module
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb
olcModuleLoad: memberof

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file:///etc/ldap/schema/core.ldif
include: file:///etc/ldap/schema/cosine.ldif
include: file:///etc/ldap/schema/inetorgperson.ldif

dn: cn=directory,cn=schema,cn=config
objectClass: olcSchemaConfig
cn: directory
olcAttributeTypes: ( 1.2.840.113556.1.4.146 NAME 'objectSid'
  EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
olcAttributeTypes: ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch
  SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
olcAttributeTypes: ( 1.2.840.113556.1.4.98 NAME 'primaryGroupID'
  EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
olcObjectClasses: ( 1.2.840.113556.1.5.6 NAME 'securityPrincipal' SUP top AUXILIARY
  MAY ( objectSid $ sAMAccountName $ primaryGroupID ) )

dn: olcDatabase=mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: mdb
olcSuffix: dc=test
olcDbDirectory: {folder}/data

dn: olcOverlay=memberof,olcDatabase={{1}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcMemberOfConfig
olcOverlay: memberof
"
    )
}

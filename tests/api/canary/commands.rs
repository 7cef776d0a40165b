//! Runs every command that takes or prints a secret.

use std::fs;

use serde_json::json;

use super::{Installation, secret};
use crate::support::CommandOutput;

/// The files that are imported.
const FILES: [&str; 4] = ["users.jsonl", "users.csv", "headless.csv", "users.ldif"];

/// What the commands left.
pub(super) struct Ran {
    /// The texts that they printed, except for the ticket.
    pub(super) outputs: Vec<String>,
    /// A ticket that was issued and revoked.
    pub(super) ticket: String,
}

/// Runs commands, and keeps their outputs.
struct Runner<'canary> {
    installation: &'canary Installation,
    /// The number of the last secret.
    number: &'canary mut usize,
    outputs: Vec<String>,
}

impl Runner<'_> {
    fn secret(&mut self) -> String {
        secret(self.number)
    }

    /// The path of a file of this name.
    fn path(&self, name: &str) -> String {
        self.installation.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Runs a command. The exit code and the text that it prints show that it took its input.
    #[track_caller]
    fn run(&mut self, arguments: &[&str], input: &str, code: i32, text: &str) {
        let CommandOutput { code: ended, stdout, stderr } = self.installation.run(arguments, input);
        let said = format!("{stdout}{stderr}");
        assert_eq!(ended, code, "{arguments:?}: {said}");
        assert!(said.contains(text), "{arguments:?}: {said}");
        self.outputs.push(said);
    }

    /// As [`Self::run`], with a new secret as the input.
    #[track_caller]
    fn run_with_secret(&mut self, arguments: &[&str], code: i32, text: &str) {
        let secret = self.secret();
        self.run(arguments, &secret, code, text);
    }

    fn write_files(&mut self) {
        let untrusted = json!({"type": "imap", "public_value": "v", "secret": self.secret()});
        let line = json!({
            "login_name": "imported", "credentials": [{"value": self.secret()}],
            "untrusted_credentials": [untrusted],
        });
        fs::write(self.path(FILES[0]), line.to_string()).unwrap();
        let (first, second) = (self.secret(), self.secret());
        let table = format!("username,password,id\ntable,\"{first}\",\nwrong,\"{second}\",x\n");
        fs::write(self.path(FILES[1]), table).unwrap();
        let headless = format!("somebody,{}\n", self.secret());
        fs::write(self.path(FILES[2]), headless).unwrap();
        let entry = format!("dn: uid=entry\nuid: entry\nuserPassword: {}\n\n", self.secret());
        fs::write(self.path(FILES[3]), entry).unwrap();
    }

    fn import_files(&mut self) {
        self.write_files();
        let [json_lines, csv, headless, ldif] = FILES.map(|name| self.path(name));
        self.run(&["import", &json_lines], "", 0, "1 added, 0 changed, 0 failed");
        self.run(&["import", &csv], "", 1, "1 added, 0 changed, 1 failed");
        self.run(&["import", &headless], "", 1, "no column with the login name");
        self.run(&["import", "--from", "ldif", &ldif], "", 0, "1 added, 0 changed, 0 failed");
        for file in [json_lines, csv, headless, ldif] {
            fs::remove_file(file).unwrap();
        }
    }

    fn save_and_verify(&mut self) {
        let save = ["credential", "save", "--user", "another"];
        let verify = ["credential", "verify", "--user", "another"];
        let password = self.secret();
        self.run(&save, &password, 0, "credential saved");
        self.run(&verify, &password, 0, "the value matches");
        self.run_with_secret(&verify, 1, "the value does not match");
        let with_type = |name| [&save[..], &["--type", name]].concat();
        self.run_with_secret(&with_type("ActiveDirectory"), 0, "credential saved");
        self.run_with_secret(&with_type("Unknown"), 1, "is not a known credential type");
    }

    /// Issues a ticket, and revokes it.
    fn issue_and_revoke(&mut self) -> String {
        let issued = self.installation.run(&["ticket", "issue", "--user", "another"], "");
        let CommandOutput { code, stdout, stderr } = issued;
        assert_eq!(code, 0, "{stderr}");
        let ticket = stdout.trim_end().to_owned();
        assert!(ticket.starts_with("7T:") && !stderr.contains(&ticket), "{stderr}");
        self.outputs.push(stderr);
        self.run(&["ticket", "revoke"], &ticket, 0, "ticket revoked");
        self.run_with_secret(&["ticket", "revoke"], 1, "ticket not found");
        assert!(self.outputs.iter().all(|said| !said.contains(&ticket)), "a ticket was printed");
        ticket
    }
}

/// Runs every command that takes or prints a secret.
pub(super) fn run_every_command(installation: &Installation, number: &mut usize) -> Ran {
    let mut runner = Runner { installation, number, outputs: Vec::new() };
    runner.run_with_secret(&["user", "add", "another"], 0, "added user");
    runner.save_and_verify();
    let ticket = runner.issue_and_revoke();
    runner.run_with_secret(&["application", "digest"], 0, "");
    runner.import_files();
    let archive = runner.path("whole.keeper");
    runner.run_with_secret(&["export", "--whole", &archive], 0, "0 credentials cannot be unsealed");
    runner.run_with_secret(&["import", &archive], 1, "the passphrase is wrong");
    runner.run(&["export"], "", 0, "\"login_name\":\"another\"");
    runner.run(&["rotate-key", "add"], "", 0, "added key");
    runner.run(&["audit", "verify"], "", 0, " 0 findings");
    Ran { outputs: runner.outputs, ticket }
}

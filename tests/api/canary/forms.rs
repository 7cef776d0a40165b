//! Sends every form of the pages for signed-in users, with secrets in its fields.

use credential_keeper::{Access, describe_routes};
use sqlx::{Connection, PgConnection};

use super::{Installation, RecordingClient};
use crate::{
    pages::{admin_browser::form, browser::Browser},
    support::Answer,
};

/// The administrator who sends the forms.
const SENDER: &str = "boss";

/// In place of a new secret.
const SECRET: &str = "SECRET";

/// The form of the page with this path has a file, and `import_in_the_browser` sends it.
const IMPORT: &str = "/admin/import";

/// The id of an import that does not exist.
const UNKNOWN_IMPORT: &str = "00000000-0000-4000-8000-000000000000";

/// A form of a page.
struct FormOfPage {
    /// The path and the query of the page.
    page: &'static str,
    /// The path that the form is sent to.
    action: &'static str,
    typed: &'static [(&'static str, &'static str)],
    /// The status when the form is accepted.
    status: u16,
}

/// The forms that ask for the caller's own password, in an order in which each is accepted.
const PROVEN: [FormOfPage; 12] = [
    FormOfPage {
        page: "/admin/users/new",
        action: "/admin/users/new",
        typed: &[("UserName", "formed-later"), ("Type", "internal"), ("First", "generated")],
        status: 200,
    },
    FormOfPage {
        page: "/admin/users/600/change",
        action: "/admin/users/600/change",
        typed: &[("UserName", "formed"), ("DisplayName", "Formed"), ("Type", "internal")],
        status: 303,
    },
    FormOfPage {
        page: "/admin/users/600/credential?type=CRM5%2FPASSWORD",
        action: "/admin/users/600/credential",
        typed: &[("CredentialValue", SECRET)],
        status: 303,
    },
    FormOfPage {
        page: "/admin/users/600/credential/require-change?type=CRM5%2FPASSWORD",
        action: "/admin/users/600/credential/require-change",
        typed: &[],
        status: 303,
    },
    FormOfPage {
        page: "/admin/users/600/credential/clear-change?type=CRM5%2FPASSWORD",
        action: "/admin/users/600/credential/clear-change",
        typed: &[],
        status: 303,
    },
    FormOfPage {
        page: "/admin/users/600/credential/expire?type=CRM5%2FPASSWORD",
        action: "/admin/users/600/credential/expire",
        typed: &[],
        status: 303,
    },
    FormOfPage {
        page: "/admin/users/600/password",
        action: "/admin/users/600/password",
        typed: &[],
        status: 200,
    },
    FormOfPage {
        page: "/admin/users/600/retire",
        action: "/admin/users/600/retire",
        typed: &[],
        status: 303,
    },
    FormOfPage {
        page: "/admin/users/600/reactivate",
        action: "/admin/users/600/reactivate",
        typed: &[],
        status: 303,
    },
    FormOfPage {
        page: "/admin/users/600/credential/delete?type=CRM5%2FPASSWORD",
        action: "/admin/users/600/credential/delete",
        typed: &[],
        status: 303,
    },
    FormOfPage { page: "/admin/export", action: "/admin/export", typed: &[], status: 200 },
    FormOfPage {
        page: "/admin/users/600/delete",
        action: "/admin/users/600/delete",
        typed: &[("UserName", "formed")],
        status: 303,
    },
];

/// The other forms. They ask for no password, and get one all the same.
const OTHERS: [FormOfPage; 5] = [
    FormOfPage {
        page: "/admin/users/600",
        action: "/admin/users/600/unlock",
        typed: &[],
        status: 303,
    },
    FormOfPage {
        page: "/admin/users/600",
        action: "/admin/users/600/tickets/end",
        typed: &[],
        status: 303,
    },
    FormOfPage {
        page: "/admin/users/600",
        action: "/admin/users/600/tickets/end-all",
        typed: &[],
        status: 303,
    },
    FormOfPage {
        page: IMPORT,
        action: "/admin/import/00000000-0000-4000-8000-000000000000/cancel",
        typed: &[],
        status: 303,
    },
    FormOfPage {
        page: "/account/sessions",
        action: "/account/sessions",
        typed: &[("Others", "1")],
        status: 303,
    },
];

/// Sends forms in a session.
struct Sender<'canary> {
    recorder: &'canary mut RecordingClient,
    browser: Browser,
    connection: PgConnection,
    /// The password of the user who is signed in.
    own_password: String,
    /// The paths of the forms that were accepted.
    sent: Vec<&'static str>,
    /// The passwords that pages have shown.
    generated: Vec<String>,
}

impl Sender<'_> {
    fn record(&mut self, answer: &Answer) {
        self.recorder.answers.push(format!("{:?}", answer.headers));
        self.recorder.answers.push(answer.body.clone());
    }

    async fn open(&mut self, path: &str) -> Answer {
        let page = self.browser.open(path).await;
        page.assert_status(200);
        self.record(&page);
        page
    }

    /// Sends fields. The status shows whether a handler has received them: without a session, or
    /// without its XSRF token, it is 401.
    async fn send(&mut self, action: &str, fields: &[(String, String)], status: u16) -> Answer {
        let answer = self.browser.submit_fields(action, fields).await;
        self.record(&answer);
        assert_eq!(answer.status.as_u16(), status, "{action}: {answer:?}");
        let is_login = answer.body.contains("name=\"LoginToken\"");
        assert_eq!(is_login, status == 401, "{action}: {answer:?}");
        answer
    }

    /// Sends fields as a form whose session has ended, and which asks to keep all of them.
    async fn send_interrupted(&mut self, action: &str, fields: &[(String, String)]) {
        let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
        let keep = ("KEEP".to_owned(), names.join(" "));
        let is_typed = |(name, _): &&(String, String)| name != "XSRF_TOKEN" && name != "KEEP";
        let fields: Vec<_> = fields.iter().filter(is_typed).cloned().chain([keep]).collect();
        self.send(action, &fields, 401).await;
    }

    /// The fields of a form: what its page hides in it, what is typed, and a password.
    fn fields(
        &mut self,
        form: &FormOfPage,
        page: &Answer,
        own_password: String,
    ) -> Vec<(String, String)> {
        let mut fields = hidden_of(page, form.action);
        for (name, value) in form.typed {
            let value = if *value == SECRET { self.recorder.secret() } else { (*value).to_owned() };
            fields.push(((*name).to_owned(), value));
        }
        fields.push(("OwnPassword".to_owned(), own_password));
        fields
    }

    /// Makes the last proof of the password so old that a form asks for it.
    async fn age_proof(&mut self) {
        let statement = "UPDATE tickets SET auth_time = now() - interval '11 minutes',
                                            created_at = now() - interval '11 minutes'";
        sqlx::query(statement).execute(&mut self.connection).await.unwrap();
    }

    /// Sends a form three times: without a session, with a wrong password, and with the right one.
    async fn send_with_proof(&mut self, form: &FormOfPage) {
        self.age_proof().await;
        let page = self.open(form.page).await;
        assert!(page.body.contains("name=\"OwnPassword\""), "{}: {page:?}", form.page);
        let wrong = self.recorder.secret();
        let fields = self.fields(form, &page, wrong);
        self.send_interrupted(form.action, &fields).await;
        self.send(form.action, &fields, 400).await;
        let fields = self.fields(form, &page, self.own_password.clone());
        let answer = self.send(form.action, &fields, form.status).await;
        self.generated.extend(password_in(&answer));
        self.sent.push(form.action);
    }

    /// Sends a form that asks for no password.
    async fn send_without_proof(&mut self, form: &FormOfPage) {
        let page = self.open(form.page).await;
        let secret = self.recorder.secret();
        let fields = self.fields(form, &page, secret);
        self.send_interrupted(form.action, &fields).await;
        self.send(form.action, &fields, form.status).await;
        self.sent.push(form.action);
    }

    /// Lets a password be proposed, and chooses another one: at first with mistakes.
    async fn change_own_password(&mut self) {
        let action = "/account/change-password";
        let page = self.open(action).await;
        let hidden = hidden_of(&page, action);
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let propose = [&hidden[..], &[field("Action", "generate")]].concat();
        let proposal = self.send(action, &propose, 200).await;
        self.generated.extend(password_in(&proposal));
        let (old, new) = (self.own_password.clone(), self.recorder.secret());
        let (wrong, other) = (self.recorder.secret(), self.recorder.secret());
        for (old, repeated, status) in [(&wrong, &new, 400), (&old, &other, 400), (&old, &new, 303)]
        {
            let typed = [
                field("OldPassword", old),
                field("NewPassword", &new),
                field("RepeatedPassword", repeated),
            ];
            let fields = [&hidden[..], &typed].concat();
            self.send_interrupted(action, &fields).await;
            self.send(action, &fields, status).await;
        }
        self.own_password = new;
        self.sent.push(action);
    }
}

/// The hidden fields of the form of a page. A page that does not have the form has at least the
/// XSRF token, in the form to sign out.
fn hidden_of(page: &Answer, action: &str) -> Vec<(String, String)> {
    let has_form = page.body.contains(&format!("action=\"{action}\""));
    form(page, if has_form { action } else { "/logout" }).hidden
}

/// The generated password that a page shows.
fn password_in(page: &Answer) -> Option<String> {
    let (_, rest) = page.body.split_once(" class=\"secret\"")?;
    let (_, rest) = rest.split_once('>')?;
    Some(rest.split_once('<')?.0.to_owned())
}

/// Sends every form, and returns the passwords that the service generated.
pub(super) async fn send_every_form(
    recorder: &mut RecordingClient,
    installation: &Installation,
) -> Vec<String> {
    let own_password = recorder.secret();
    installation.add_user(SENDER, &["--administrator"], &own_password);
    installation.add_user("formed", &["--id", "600"], &recorder.secret());
    installation.run(&["ticket", "issue", "--user", "formed"], "").assert_success();
    let mut browser = Browser::at(&recorder.url);
    browser.sign_in("/login", SENDER, &own_password).await.assert_status(303);
    let connection = PgConnection::connect(installation.url()).await.unwrap();
    let (sent, generated) = (Vec::new(), Vec::new());
    let mut sender = Sender { recorder, browser, connection, own_password, sent, generated };
    sender.change_own_password().await;
    for form in &OTHERS {
        sender.send_without_proof(form).await;
    }
    for form in &PROVEN {
        sender.send_with_proof(form).await;
    }
    let Sender { sent, generated, .. } = sender;
    let path_of = |action: &str| action.replace("600", "{id}").replace(UNKNOWN_IMPORT, "{import}");
    let sent: Vec<_> = sent.into_iter().map(path_of).chain([IMPORT.to_owned()]).collect();
    for route in describe_routes() {
        let is_form = route.access == Access::Page && route.method != "GET";
        let is_sent = sent.iter().any(|path| path == route.path);
        assert!(!is_form || is_sent, "{} is missing", route.path);
    }
    assert_eq!(generated.len(), 3, "a user, a password and a proposal: {generated:?}");
    generated
}

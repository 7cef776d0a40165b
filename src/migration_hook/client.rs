//! Asks the old system, with a limit of requests, a deadline and a circuit breaker.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{
    Client, RequestBuilder, Response, StatusCode, header::CONTENT_TYPE, redirect::Policy,
    tls::Version,
};
use secrecy::SecretString;
use time::OffsetDateTime;
use tracing::Instrument;
use zeroize::Zeroizing;

use super::{
    answer::{AnswerProblem, HookAnswer, MAXIMUM_LENGTH, read_answer, read_pong},
    error::HookError,
    metrics::HookMetrics,
    options::HookOptions,
    request::{JSON, Question, read_keys, signed_request},
};
use crate::{
    circuit_breaker::{Breaker, Passage},
    domain::client_info::FairnessKey,
    log_events::alarm,
    security::{
        file_work::FileWork, secret_file::SecretFileError, tls::http_authorities,
        trusting_client::TrustingClient, webhook_signature::WebhookKeys,
    },
    trace_context::{client_span, outgoing_headers},
    turns::{Turn, Turns},
};

/// How long an unused connection stays open.
const IDLE_TIME: Duration = Duration::from_secs(15);

/// The old system.
pub(crate) struct MigrationHook {
    /// Follows the changes of `migration.hook_ca_file`.
    client: TrustingClient<Client, HookError>,
    /// Reads `migration.hook_key_file`.
    key_file: FileWork<Result<WebhookKeys, HookError>>,
    options: HookOptions,
    breaker: Arc<Breaker>,
    turns: Turns,
    metrics: Arc<HookMetrics>,
}

/// The permission to ask the old system once.
pub(crate) struct HookTurn<'hook> {
    hook: &'hook MigrationHook,
    passage: Passage<'hook>,
    _turn: Turn<'hook>,
}

impl MigrationHook {
    /// Builds the client. Connects to nothing.
    ///
    /// # Errors
    /// When TLS is not available, or the file with the certificates is unusable.
    pub(crate) fn new(options: HookOptions, metrics: Arc<HookMetrics>) -> Result<Self, HookError> {
        let of_client = options.clone();
        let build = move |ca_file: Option<&Path>| http_client(&of_client, ca_file);
        let client = TrustingClient::new("migration.hook_ca_file", options.ca_file.clone(), build);
        drop(client.read()?);
        Ok(Self {
            client,
            key_file: FileWork::default(),
            breaker: Arc::clone(&metrics.breaker),
            turns: Turns::new(options.maximum_requests),
            options,
            metrics,
        })
    }

    /// Waits for a place of a caller among the requests to the old system.
    ///
    /// # Errors
    /// [`HookError::Suspended`], [`HookError::Busy`] and [`HookError::CallerBusy`].
    pub(crate) async fn take_turn(&self, caller: FairnessKey) -> Result<HookTurn<'_>, HookError> {
        let turn = self.wait_for_turn(caller).await;
        if let Err(error) = &turn {
            self.metrics.record(Err(error));
        }
        turn
    }

    async fn wait_for_turn(&self, caller: FairnessKey) -> Result<HookTurn<'_>, HookError> {
        // The time for the question begins after the wait.
        let turn = self.turns.take(caller, self.options.timeout / 2).await?;
        let passage = self.breaker.enter(Instant::now()).ok_or(HookError::Suspended)?;
        Ok(HookTurn { hook: self, passage, _turn: turn })
    }

    /// Counts a user whose password is kept here from now on.
    pub(crate) fn record_move(&self) {
        self.metrics.record_move();
    }

    /// Asks without a name and a password whether the old system is there.
    ///
    /// # Errors
    /// See [`HookError`].
    pub(crate) async fn check(&self, now: OffsetDateTime) -> Result<(), HookError> {
        let request = self.request(Question::Ping, now).await?;
        let text = self.send(request).await?;
        read_pong(&text).map_err(|problem| self.answer_error(problem))
    }

    /// The signed request with a question. Its time limit begins now, and includes the time for the
    /// files. An error is a fault of this service.
    async fn request(
        &self,
        question: Question<'_>,
        now: OffsetDateTime,
    ) -> Result<RequestBuilder, HookError> {
        let begun = Instant::now();
        // Half of the time is left for the old system.
        let limit = self.options.timeout / 4;
        let keys = self.keys(limit).await?;
        let client = self.client.read_within(limit).await?;
        let request = signed_request(&client, self.options.url.clone(), &keys, question, now)?;
        Ok(request.timeout(self.options.timeout.saturating_sub(begun.elapsed())))
    }

    /// Reads the keys that sign requests.
    async fn keys(&self, limit: Duration) -> Result<WebhookKeys, HookError> {
        let file = self.options.key_file.clone();
        let read = self.key_file.run(limit, move || read_keys(&file)).await;
        read.unwrap_or_else(|error| {
            let file = self.options.key_file.clone();
            Err(HookError::Key(SecretFileError::Unreadable(file, error.into())))
        })
    }

    /// Sends a request, and returns the text of the answer.
    async fn send(&self, mut request: RequestBuilder) -> Result<Zeroizing<Vec<u8>>, HookError> {
        let unanswered = |error| HookError::of_request(self.options.host(), error);
        for (name, value) in outgoing_headers() {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(unanswered)?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(HookError::Status { host: self.options.host(), status });
        }
        if !is_json(&response) {
            let problem = "has another Content-Type than application/json";
            return Err(self.answer_error(AnswerProblem::Form(problem)));
        }
        let text = read(response).await.map_err(unanswered)?;
        // Only a description can be that long.
        text.ok_or_else(|| self.answer_error(AnswerProblem::User("is longer than 16 KiB")))
    }

    /// Sends a request about a login, and records whether the old system answered it.
    async fn ask(
        &self,
        request: RequestBuilder,
        passage: Passage<'_>,
    ) -> Result<HookAnswer, HookError> {
        let answered = self.send(request).instrument(client_span!("migration_hook.ask")).await;
        let answered = answered
            .and_then(|text| read_answer(&text).map_err(|problem| self.answer_error(problem)));
        match &answered {
            Ok(_) => passage.succeed(),
            // Otherwise this user could open the breaker for all others.
            Err(error) if error.is_about_one_user() => passage.succeed(),
            Err(error) => {
                if passage.fail(Instant::now()) {
                    let error = error as &dyn std::error::Error;
                    alarm!(error, "the old system fails; logins of users who move get 503");
                }
            }
        }
        answered
    }

    fn answer_error(&self, problem: AnswerProblem) -> HookError {
        HookError::Answer { host: self.options.host(), problem }
    }
}

impl HookTurn<'_> {
    /// Asks whether a name and a password are right. The password is sent as the user typed it.
    ///
    /// # Errors
    /// See [`HookError`].
    pub(crate) async fn ask(
        self,
        name: &str,
        password: &SecretString,
        now: OffsetDateTime,
    ) -> Result<HookAnswer, HookError> {
        let Self { hook, passage, _turn } = self;
        let answered = match hook.request(Question::Login { name, password }, now).await {
            Ok(request) => hook.ask(request, passage).await,
            // Without a request, the passage ends without a result.
            Err(error) => Err(error),
        };
        hook.metrics.record(answered.as_ref());
        answered
    }
}

/// Builds an HTTP client that uses no proxy and follows no redirects.
///
/// # Errors
/// When TLS is not available, or the file with the certificates is unusable.
pub(crate) fn http_client(
    options: &HookOptions,
    ca_file: Option<&Path>,
) -> Result<Client, HookError> {
    let mut builder = Client::builder()
        .tls_version_min(Version::TLS_1_2)
        .https_only(options.url.scheme() == "https")
        // Send passwords only to the configured URL, not to a redirect target or a proxy.
        .redirect(Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(options.maximum_requests)
        .pool_idle_timeout(IDLE_TIME);
    if let Some(file) = ca_file {
        builder = builder.tls_certs_only(http_authorities(file)?);
    }
    builder.build().map_err(HookError::Tls)
}

/// True for an answer that claims to be JSON.
fn is_json(response: &Response) -> bool {
    let value = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(JSON)
}

/// The body; `None` if it is too long.
async fn read(mut response: Response) -> Result<Option<Zeroizing<Vec<u8>>>, reqwest::Error> {
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MAXIMUM_LENGTH {
            return Ok(None);
        }
    }
    Ok(Some(body))
}

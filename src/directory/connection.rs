//! One connection to the server: binds, and searches page by page.

use std::sync::Arc;

use ldap3::{
    Ldap, LdapError, LdapResult, Scope, SearchOptions, SearchResult,
    controls::{Control, ControlType, PagedResults},
};

use super::{entry::Entry, error::DirectoryError, relay::Answers, result_code};

/// Asks for an entry without its attributes (RFC 4511, section 4.5.1.8).
const NO_ATTRIBUTES: &str = "1.1";

/// A search. The names are as the server expects them.
pub(super) struct SearchRequest {
    pub(super) base_dn: String,
    /// False: the entry of the base DN only.
    pub(super) is_recursive: bool,
    pub(super) filter: String,
    pub(super) attributes: Vec<String>,
    /// In seconds, for the server.
    pub(super) time_limit: i32,
    pub(super) page_size: u16,
    pub(super) maximum_entries: usize,
}

/// A connection.
pub(super) struct Connection {
    ldap: Ldap,
    answers: Arc<Answers>,
    /// False during a search, and after one that was not finished.
    is_idle: bool,
}

impl Connection {
    pub(super) fn new(ldap: Ldap, answers: Arc<Answers>) -> Self {
        Self { ldap, answers, is_idle: true }
    }

    /// True when another search can use the connection.
    pub(super) fn is_reusable(&mut self) -> bool {
        self.is_idle && !self.ldap.is_closed()
    }

    /// Binds with a password. After an error or a cancellation, the connection is not reusable.
    pub(super) async fn bind(
        &mut self,
        dn: &str,
        password: &str,
    ) -> Result<LdapResult, DirectoryError> {
        self.is_idle = false;
        self.answers.begin_operation();
        let bound = self.ldap.simple_bind(dn, password).await;
        let result = bound.map_err(|error| describe(&error, &self.answers))?;
        self.is_idle = true;
        Ok(result)
    }

    /// Asks for the root of the directory, which names nobody. Any answer shows that the server is
    /// there; returns its result code.
    pub(super) async fn probe(&mut self) -> Result<u32, DirectoryError> {
        self.is_idle = false;
        self.answers.begin_operation();
        let probed = self.ldap.search("", Scope::Base, "(objectClass=*)", [NO_ATTRIBUTES]).await;
        let SearchResult(_, result) = probed.map_err(|error| describe(&error, &self.answers))?;
        self.is_idle = true;
        Ok(result.rc)
    }

    /// Searches all pages. After an error or a cancellation, the connection is not reusable.
    pub(super) async fn search(
        &mut self,
        request: &SearchRequest,
    ) -> Result<Vec<Entry>, DirectoryError> {
        self.is_idle = false;
        self.answers.begin_operation();
        let mut entries = Vec::new();
        let mut cookie = Vec::new();
        loop {
            let result = self.search_page(request, cookie, &mut entries).await?;
            check_result(&result, request.maximum_entries)?;
            cookie = next_cookie(&result);
            if cookie.is_empty() {
                break;
            }
        }
        self.is_idle = true;
        Ok(entries)
    }

    /// Searches the page after `cookie`, and appends its entries. Each keeps only what was requested,
    /// because the server can send more.
    async fn search_page(
        &mut self,
        request: &SearchRequest,
        cookie: Vec<u8>,
        entries: &mut Vec<Entry>,
    ) -> Result<LdapResult, DirectoryError> {
        let maximum = request.maximum_entries;
        let size_limit = i32::try_from(maximum.saturating_add(1)).unwrap_or(i32::MAX);
        let options = SearchOptions::new().sizelimit(size_limit).timelimit(request.time_limit);
        let scope = if request.is_recursive { Scope::Subtree } else { Scope::Base };
        let page = PagedResults { size: i32::from(request.page_size), cookie };
        self.ldap.with_search_options(options).with_controls(page);
        let SearchRequest { base_dn, filter, attributes, .. } = request;
        let answers = Arc::clone(&self.answers);
        let failed = |error: LdapError| describe(&error, &answers);
        let searching = self.ldap.streaming_search(base_dn, scope, filter, attributes);
        let mut stream = searching.await.map_err(failed)?;
        while let Some(found) = stream.next().await.map_err(failed)? {
            // References to other servers are not followed.
            if found.is_ref() || found.is_intermediate() {
                continue;
            }
            if entries.len() >= maximum {
                return Err(DirectoryError::TooManyEntries(maximum));
            }
            entries.push(Entry::select(found, attributes));
        }
        Ok(stream.finish().await)
    }
}

fn check_result(result: &LdapResult, maximum: usize) -> Result<(), DirectoryError> {
    match result.rc {
        result_code::SUCCESS => Ok(()),
        result_code::TIME_LIMIT_EXCEEDED => Err(DirectoryError::TimedOut),
        result_code::SIZE_LIMIT_EXCEEDED => Err(DirectoryError::TooManyEntries(maximum)),
        result_code::REFERRAL => Err(DirectoryError::Referral),
        result_code::NO_SUCH_OBJECT | result_code::INVALID_DN_SYNTAX => {
            Err(DirectoryError::NotFound)
        }
        code => Err(DirectoryError::SearchRefused(code)),
    }
}

/// The cookie of the next page; empty after the last one.
fn next_cookie(result: &LdapResult) -> Vec<u8> {
    let is_page = |control: &&Control| matches!(control.0, Some(ControlType::PagedResults));
    let page = result.ctrls.iter().find(is_page);
    page.map(|Control(_, raw)| raw.parse::<PagedResults>().cookie).unwrap_or_default()
}

/// The reason of an error of `ldap3`. A fault of the relay is the cause of what follows it.
pub(super) fn describe(error: &LdapError, answers: &Answers) -> DirectoryError {
    if let Some(fault) = answers.fault() {
        return DirectoryError::InvalidMessage(fault);
    }
    tracing::debug!(error = error as &dyn std::error::Error, "the LDAP client failed");
    DirectoryError::Closed
}

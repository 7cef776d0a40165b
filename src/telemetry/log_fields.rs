//! The names and types of the fields of log lines in JSON.
//!
//! The names are those of the Elastic Common Schema (ECS). What it has no name for is below
//! `keeper`. Code names fields as it likes; this table is the only place that knows the names of
//! the log. The reference and the schema of the log are generated from it.

/// The version of the Elastic Common Schema that defines the names without the prefix `keeper`.
pub(crate) const ECS_VERSION: &str = "8.17.0";

/// The prefix of fields of libraries, which are not in the table.
pub(crate) const LABELS: &str = "labels.";

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldType {
    /// A string with one of few values, or an identifier. Numbers are written as strings.
    Keyword,
    /// A string for people.
    Text,
    Integer,
    Float,
    Boolean,
}

/// A field of log lines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogField {
    /// The name in the code; empty for the fields that every line has.
    pub(crate) source: &'static str,
    /// The name in the log. It never changes its meaning.
    pub(crate) name: &'static str,
    pub(crate) field_type: FieldType,
    pub(crate) description: &'static str,
}

/// Lists fields as `"name in the code" => "name in the log": Type, "description";`.
macro_rules! fields {
    ($($source:literal => $name:literal: $type:ident, $description:literal;)+) => {
        &[$(LogField {
            source: $source,
            name: $name,
            field_type: FieldType::$type,
            description: $description,
        }),+]
    };
}

/// The fields that every line has, in this order.
pub(crate) const COMMON: &[LogField] = fields! {
    "" => "@timestamp": Keyword,
        "Time of the event in UTC, as in RFC 3339.";
    "" => "log.level": Keyword,
        "`error`, `warn`, `info`, `debug` or `trace`.";
    "message" => "message": Text,
        "What happened. The text may change; search for other fields.";
    "" => "ecs.version": Keyword,
        "Version of the Elastic Common Schema.";
    "" => "log.logger": Keyword,
        "Module or library that logs, as in the setting `log.level`.";
};

/// The other fields, in the order of the reference.
pub(crate) const FIELDS: &[LogField] = fields! {
    "request.id" => "http.request.id": Keyword,
        "Id of the request, which the caller gets as `X-Request-Id`.";
    "request.client_id" => "keeper.request.client_id": Keyword,
        "`X-Request-Id` that the caller sent, if it is valid.";
    "http.method" => "http.request.method": Keyword,
        "Method of the request.";
    "http.route" => "keeper.request.route": Keyword,
        "Route of the request, with the names of its parameters.";
    "http.status" => "http.response.status_code": Integer,
        "Status of the response.";
    "" => "trace.id": Keyword,
        "Id of the trace, if traces are exported.";
    "" => "span.id": Keyword,
        "Id of the span of the trace.";
    "" => "keeper.span": Keyword,
        "Operation that logs: `request`, or that of the database.";
    "field" => "keeper.request.field": Keyword,
        "Member of the request that is invalid.";
    "client.address" => "client.address": Keyword,
        "Address of the client.";
    "auth.scheme" => "keeper.auth.scheme": Keyword,
        "Scheme of the presented credential.";
    "principal.id" => "user.id": Keyword,
        "Id of the user who calls, once authenticated.";
    "user.id" => "user.target.id": Keyword,
        "Id of the user whom the event is about.";
    "credential.type" => "keeper.credential.type": Keyword,
        "Type of the credential.";
    "credential.version" => "keeper.credential.version": Integer,
        "Version of the credential's row.";
    "credential.is_locked" => "keeper.credential.is_locked": Boolean,
        "True if the credential is locked now.";
    "reason" => "event.reason": Text,
        "Why a request was refused. The caller does not learn it.";
    "code" => "error.code": Keyword,
        "Code of the error that the caller gets.";
    "error" => "error.message": Text,
        "Error and its causes.";
    "cause" => "error.message": Text,
        "Error and its causes.";
    "backtrace" => "error.stack_trace": Text,
        "Backtrace of a panic, if backtraces are enabled.";
    "location" => "keeper.panic.location": Keyword,
        "Place of a panic in the source.";
    "alarm" => "keeper.alarm": Boolean,
        "True for an alarm, which somebody must look at.";
    "setting" => "keeper.setting": Keyword,
        "Setting that the event is about.";
    "settings" => "keeper.settings": Text,
        "Settings that the event is about, separated by commas.";
    "audit.sequence" => "keeper.audit.sequence": Integer,
        "Number of the last audit event of an anchored chain.";
    "audit.mac" => "keeper.audit.mac": Keyword,
        "MAC of the last audit event of an anchored chain.";
    "chains" => "keeper.audit.chains": Integer,
        "Number of audit chains that changed since their last anchor.";
    "sink" => "keeper.audit.sink": Keyword,
        "Sink of the audit stream.";
    "undelivered" => "keeper.audit.undelivered": Integer,
        "Number of audit events that a sink has not got yet.";
    "position" => "keeper.audit.position": Integer,
        "Position in the audit stream.";
    "transactions" => "keeper.audit.transactions": Integer,
        "Number of transactions that may still add audit events.";
    "key.id" => "keeper.key.id": Keyword,
        "Id of the key of the keyring.";
    "anchor.signature" => "keeper.anchor.signature": Keyword,
        "Signature of an anchor.";
    "hashing.kernel" => "keeper.hashing.kernel": Keyword,
        "Implementation of argon2id.";
    "hashing.threads" => "keeper.hashing.threads": Integer,
        "Number of hashing threads.";
    "hashing.per_second" => "keeper.hashing.per_second": Float,
        "Hashes for each second that all threads compute.";
    "hashing.queue" => "keeper.hashing.queue": Integer,
        "Number of hashes that may wait.";
    "hashing.memory_kib" => "keeper.hashing.memory_kib": Integer,
        "Memory of all hashing threads, in KiB.";
    "hashes" => "keeper.hashing.hashes": Integer,
        "Number of hashes since the start.";
    "memory.ceiling_kib" => "keeper.memory.ceiling_kib": Integer,
        "The most memory with idle connections, in KiB.";
    "memory.locked" => "keeper.memory.locked": Boolean,
        "True if the memory cannot be swapped out.";
    "core_dumps.off" => "keeper.core_dumps.off": Boolean,
        "True if the process writes no core dumps.";
    "operations" => "keeper.operations.address": Keyword,
        "Address of the operations listener.";
    "wanted" => "keeper.open_files.wanted": Integer,
        "Number of open files that the settings need.";
    "allowed" => "keeper.open_files.allowed": Integer,
        "Number of open files that the system allows.";
    "listener" => "keeper.listener": Keyword,
        "Listener of a connection: `http` or `operations`.";
    "unlogged" => "keeper.connection.unlogged": Integer,
        "Number of similar events since the last line of this kind.";
    "seconds" => "keeper.upload.seconds": Integer,
        "Time limit of an upload.";
    "users" => "keeper.users": Integer,
        "Number of users.";
    "excess" => "keeper.privileges.excess": Text,
        "Privileges of a database role that it does not need.";
    "missing" => "keeper.privileges.missing": Text,
        "Privileges that a database role lacks.";
    "host" => "keeper.database.host": Integer,
        "Number of the host in `database.url`, from 1.";
    "ended" => "keeper.database.ended_connections": Integer,
        "Number of connections that were ended.";
    "withheld" => "keeper.database.withheld_connections": Integer,
        "Number of connections fewer than `database.maximum_connections`.";
    "database.cause" => "keeper.database.cause": Keyword,
        "Why the database counts as another one.";
    "ended.tickets" => "keeper.ended.tickets": Integer,
        "Number of tickets and sessions that ended.";
    "ended.links" => "keeper.ended.links": Integer,
        "Number of links in mails that ended.";
    "issuer.url" => "keeper.issuer.url": Keyword,
        "URL of a key set, without its query.";
    "directory.bind_dn" => "keeper.directory.bind_dn": Keyword,
        "Name of the service in the directory.";
    "unusable" => "keeper.directory.unusable": Integer,
        "Number of entries of the directory that were left out.";
    "rejection" => "keeper.telemetry.rejection": Text,
        "Why a collector rejected traces or logs, in its words.";
    "attempts" => "keeper.mail.attempts": Integer,
        "Number of attempts to send a mail.";
    "retry_after_seconds" => "keeper.mail.retry_after_seconds": Integer,
        "Time until the next attempt to send a mail.";
};

/// The field that the code calls `source`; `None` for those of libraries.
pub(super) fn find(source: &str) -> Option<&'static LogField> {
    FIELDS.iter().find(|field| field.source == source)
}

/// The name of a field that the table does not have.
pub(super) fn label(source: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name = source.chars().map(|c| if is_plain(c) { c } else { '_' });
    LABELS.chars().chain(name).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn every_field_has_one_name_and_one_type() {
        let sources: Vec<_> = FIELDS.iter().map(|field| field.source).collect();
        let named: Vec<_> = sources.into_iter().filter(|source| !source.is_empty()).collect();
        assert_eq!(named.iter().collect::<BTreeSet<_>>().len(), named.len());
        let mut types = BTreeMap::new();
        for field in COMMON.iter().chain(FIELDS) {
            let known = *types.entry(field.name).or_insert(field.field_type);
            assert_eq!(known, field.field_type, "{}", field.name);
            assert!(!field.name.starts_with(LABELS), "{}", field.name);
        }
    }

    #[test]
    fn a_field_of_a_library_is_a_label_without_dots() {
        assert!(find("db.statement").is_none());
        assert_eq!(label("db.statement"), "labels.db_statement");
    }
}

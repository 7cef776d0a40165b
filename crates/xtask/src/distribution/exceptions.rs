//! The statements that may run on several shards, each with the reason.

use std::collections::BTreeSet;

use crate::modules::ModuleTree;

/// Why a statement may run on several shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The form for one server. `storage::statements` chooses it; `storage/per_shard` has the other form.
    OneServer,
    /// Background work, a command, or a list of several users: a distributed PostgreSQL runs it on several
    /// shards.
    SeveralShards,
}

/// Each exception: the function, and why.
const EXCEPTIONS: &[(&str, Reason)] = &[
    ("administrators::has_other", Reason::SeveralShards),
    ("attempts::confirm_failure", Reason::OneServer),
    ("attempts::count_known_attempt", Reason::OneServer),
    ("attempts::delete_stale_addresses", Reason::OneServer),
    ("attempts::record_success", Reason::OneServer),
    ("attempts::release_attempt", Reason::OneServer),
    ("attempts::reserve_attempt", Reason::OneServer),
    ("attempts::reserve_known_attempt", Reason::OneServer),
    ("audit_list::rows_by_actor", Reason::SeveralShards),
    ("audit_list::rows_by_kind", Reason::SeveralShards),
    ("audit_stream::find_passed_position", Reason::SeveralShards),
    ("audit_stream::find_position_before", Reason::SeveralShards),
    ("audit_stream::find_range", Reason::SeveralShards),
    ("audit_stream::find_time_after", Reason::SeveralShards),
    ("audit_stream::list_after", Reason::SeveralShards),
    ("bulk::taken_names", Reason::SeveralShards),
    ("chain_heads::count", Reason::SeveralShards),
    ("chain_heads::find", Reason::SeveralShards),
    ("chain_heads::list_after", Reason::SeveralShards),
    ("chain_heads::list_links_after", Reason::SeveralShards),
    ("change_marks::count_unmarked", Reason::SeveralShards),
    ("change_marks::list_owners_after", Reason::SeveralShards),
    ("credential_uses::record", Reason::OneServer),
    ("credential_writes::replace_hash", Reason::OneServer),
    ("credential_writes::upsert", Reason::OneServer),
    ("credentials::find_by_identifier", Reason::OneServer),
    ("credentials::list_by_users", Reason::SeveralShards),
    ("credentials::list_kinds", Reason::OneServer),
    ("database_history::count_live_tickets", Reason::SeveralShards),
    ("database_history::delete_links", Reason::SeveralShards),
    ("database_history::delete_tickets", Reason::SeveralShards),
    ("diagnostics::contents", Reason::SeveralShards),
    ("hash_counts::count", Reason::SeveralShards),
    ("import_runs::find", Reason::SeveralShards),
    ("import_runs::list", Reason::SeveralShards),
    ("keys::count_not_sealed_under", Reason::SeveralShards),
    ("keys::count_sealed_under", Reason::SeveralShards),
    ("keys::reseal", Reason::OneServer),
    ("known_addresses::forget_secrets", Reason::SeveralShards),
    ("logins::find", Reason::OneServer),
    ("password_links::delete_expired", Reason::SeveralShards),
    ("password_mails::claim", Reason::OneServer),
    ("password_mails::count_of_network", Reason::SeveralShards),
    ("password_mails::delete_finished", Reason::OneServer),
    ("password_mails::end_overdue", Reason::OneServer),
    ("password_mails::queue", Reason::SeveralShards),
    ("password_mails::set_address", Reason::SeveralShards),
    ("password_mails::waiting", Reason::SeveralShards),
    ("per_shard::background::claim_mail", Reason::SeveralShards),
    ("per_shard::background::delete_expired_tickets", Reason::SeveralShards),
    ("per_shard::background::delete_finished_mails", Reason::SeveralShards),
    ("per_shard::background::delete_stale_addresses", Reason::SeveralShards),
    ("per_shard::background::delete_stale_failures", Reason::SeveralShards),
    ("per_shard::background::end_overdue_mails", Reason::SeveralShards),
    ("per_shard::hashes::list_kinds", Reason::SeveralShards),
    ("restore_checks::find_anchored_events", Reason::SeveralShards),
    ("restore_checks::find_whole_facts", Reason::SeveralShards),
    ("restore_checks::list_digests_after", Reason::SeveralShards),
    ("restore_checks::list_directory_gaps", Reason::SeveralShards),
    ("stored_credentials::list_after", Reason::SeveralShards),
    ("stored_credentials::list_of_users", Reason::SeveralShards),
    ("tickets::delete_expired", Reason::OneServer),
    ("tickets::insert", Reason::OneServer),
    ("tickets::renew", Reason::OneServer),
    ("untrusted_credentials::list_after", Reason::SeveralShards),
    ("untrusted_credentials::list_by_users", Reason::SeveralShards),
    ("user_list::rows_by_id", Reason::SeveralShards),
    ("user_list::rows_by_name", Reason::SeveralShards),
    ("users::assigned_between", Reason::SeveralShards),
    ("users::assigned_ids", Reason::SeveralShards),
    ("users::find_by_ids", Reason::SeveralShards),
    ("users::find_by_login_name", Reason::OneServer),
    ("users::list_after", Reason::SeveralShards),
    ("users::list_by_ej_user_id", Reason::SeveralShards),
    ("users::list_by_person_id", Reason::SeveralShards),
    ("users::taken_names", Reason::SeveralShards),
];

/// The reason of an exception.
pub(super) fn exception(function: &str) -> Option<Reason> {
    EXCEPTIONS.iter().find(|(name, _)| *name == function).map(|(_, reason)| *reason)
}

/// One message for each exception that no statement needs.
pub(super) fn outdated(tree: &ModuleTree, used: &BTreeSet<String>) -> Vec<String> {
    // A tree without these functions is not that of the service.
    if !tree.contains_key(["storage", "per_shard"].map(str::to_owned).as_slice()) {
        return Vec::new();
    }
    EXCEPTIONS
        .iter()
        .filter(|(function, _)| !used.contains(*function))
        .map(|(function, _)| {
            format!(
                "{function} runs on one shard: remove it from the exceptions of the distribution"
            )
        })
        .collect()
}

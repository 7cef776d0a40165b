//! The routes of the pages of administrators.

use super::{
    activity, audit_trail, change_user, credential_actions, delete_user, export_users,
    generate_password,
    import::{form, job, results},
    new_user, retire_user, save_credential, unlock_user, user, user_tickets, users,
};
use crate::http::route::{Route, route_table};

/// The routes. `new` is before `{id}`, which would match it, too.
pub(in crate::http) fn routes() -> Vec<Route> {
    route_table! {
        "/admin/";
        GET "activity" Page activity::{show};
        GET "audit" Page audit_trail::{show};
        GET "audit/export" Page audit_trail::{export};
        GET "export" Page export_users::{show};
        POST "export" Page export_users::{download} proving;
        GET "import" Page form::{show};
        POST "import" Page form::{send} receiving_file;
        GET "import/{import}" Page job::{show};
        POST "import/{import}/cancel" Page job::{cancel};
        GET "import/{import}/results" Page results::{download};
        GET "users" Page users::{list};
        GET "users/new" Page new_user::{show};
        POST "users/new" Page new_user::{add} hashing;
        GET "users/{id}" Page user::{show};
        GET "users/{id}/change" Page change_user::{show};
        POST "users/{id}/change" Page change_user::{change} proving;
        GET "users/{id}/retire" Page retire_user::{show};
        POST "users/{id}/retire" Page retire_user::{retire} proving;
        GET "users/{id}/reactivate" Page retire_user::{show_reactivate};
        POST "users/{id}/reactivate" Page retire_user::{reactivate} proving;
        GET "users/{id}/delete" Page delete_user::{show};
        POST "users/{id}/delete" Page delete_user::{delete} proving;
        POST "users/{id}/unlock" Page unlock_user::{unlock} proving;
        GET "users/{id}/credential" Page save_credential::{show};
        POST "users/{id}/credential" Page save_credential::{save} hashing;
        GET "users/{id}/credential/expire" Page credential_actions::{show_expire};
        POST "users/{id}/credential/expire" Page credential_actions::{expire} proving;
        GET "users/{id}/credential/delete" Page credential_actions::{show_delete};
        POST "users/{id}/credential/delete" Page credential_actions::{delete} proving;
        GET "users/{id}/credential/require-change" Page credential_actions::{show_require_change};
        POST "users/{id}/credential/require-change" Page credential_actions::{require_change} proving;
        GET "users/{id}/credential/clear-change" Page credential_actions::{show_clear_change};
        POST "users/{id}/credential/clear-change" Page credential_actions::{clear_change} proving;
        GET "users/{id}/password" Page generate_password::{show};
        POST "users/{id}/password" Page generate_password::{generate} hashing;
        POST "users/{id}/tickets/end" Page user_tickets::{end_one};
        POST "users/{id}/tickets/end-all" Page user_tickets::{end_all};
    }
}

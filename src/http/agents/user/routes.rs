//! The calls of the User agent, all of them POST; part of the route table.

use actix_web::{Route as Handler, http::Method, web};

use super::{
    change_password, credential_types, delete_credential, get_access_token, get_user, retire_user,
    save_credential, save_user, set_password, validity,
};
use crate::http::{
    openapi::Operation,
    routes::{Access, Route},
};

/// Every call.
pub(in crate::http) fn routes() -> Vec<Route> {
    [credentials(), passwords(), names(), users()].into_iter().flatten().collect()
}

fn call(path: &'static str, handler: fn() -> Handler, operation: fn() -> Operation) -> Route {
    Route::new(Method::POST, path, Access::Agent, handler, operation)
}

fn credentials() -> Vec<Route> {
    vec![
        call(
            "/api/v1/Agents/User/SaveCredential",
            || web::to(save_credential::save_credential),
            save_credential::operation,
        )
        .hashing(),
        call(
            "/api/v1/Agents/User/DeleteCredential",
            || web::to(delete_credential::delete_credential),
            delete_credential::operation,
        ),
        call(
            "/api/v1/Agents/User/GetCredentialTypes",
            || web::to(credential_types::credential_types),
            credential_types::operation,
        ),
        call(
            "/api/v1/Agents/User/GetCredentialTypesForUserType",
            || web::to(credential_types::for_user_type),
            credential_types::for_user_type_operation,
        ),
        call(
            "/api/v1/Agents/User/GetAccessToken",
            || web::to(get_access_token::get_access_token),
            get_access_token::operation,
        ),
    ]
}

fn passwords() -> Vec<Route> {
    vec![
        call(
            "/api/v1/Agents/User/SetPassword",
            || web::to(set_password::set_password),
            set_password::operation,
        )
        .hashing(),
        call(
            "/api/v1/Agents/User/SetPasswordFromName",
            || web::to(set_password::set_password_from_name),
            set_password::from_name_operation,
        )
        .hashing(),
        call(
            "/api/v1/Agents/User/SetGeneratedPassword",
            || web::to(set_password::set_generated_password),
            set_password::generated_operation,
        )
        .hashing(),
        call(
            "/api/v1/Agents/User/SetGeneratedPasswordFromName",
            || web::to(set_password::set_generated_password_from_name),
            set_password::generated_from_name_operation,
        )
        .hashing(),
        call(
            "/api/v1/Agents/User/ChangePassword",
            || web::to(change_password::change_password),
            change_password::operation,
        )
        .hashing(),
        call(
            "/api/v1/Agents/User/ChangePasswordFromName",
            || web::to(change_password::change_password_from_name),
            change_password::from_name_operation,
        )
        .hashing(),
        call(
            "/api/v1/Agents/User/ChangeOwnPassword",
            || web::to(change_password::change_own_password),
            change_password::own_operation,
        )
        .hashing(),
        call(
            "/api/v1/Agents/User/CanChangePassword",
            || web::to(change_password::can_change_password),
            change_password::can_operation,
        ),
        call(
            "/api/v1/Agents/User/GetSupportedChangePasswordTypes",
            || web::to(change_password::supported_types),
            change_password::supported_types_operation,
        ),
    ]
}

fn names() -> Vec<Route> {
    vec![
        call(
            "/api/v1/Agents/User/IsPasswordValid",
            || web::to(validity::is_password_valid),
            validity::password_operation,
        )
        .hashing(),
        call(
            "/api/v1/Agents/User/IsPasswordValidWithReason",
            || web::to(validity::is_password_valid_with_reason),
            validity::password_with_reason_operation,
        )
        .hashing(),
        call(
            "/api/v1/Agents/User/IsUserNameValid",
            || web::to(validity::is_user_name_valid),
            validity::user_name_operation,
        ),
        call(
            "/api/v1/Agents/User/IsUserNameValidWithReason",
            || web::to(validity::is_user_name_valid_with_reason),
            validity::user_name_with_reason_operation,
        ),
        call(
            "/api/v1/Agents/User/GetValidUserName",
            || web::to(validity::valid_user_name),
            validity::valid_user_name_operation,
        ),
    ]
}

fn users() -> Vec<Route> {
    vec![
        call("/api/v1/Agents/User/GetUser", || web::to(get_user::get_user), get_user::operation),
        call(
            "/api/v1/Agents/User/GetUserFromName",
            || web::to(get_user::get_user_from_name),
            get_user::from_name_operation,
        ),
        call(
            "/api/v1/Agents/User/GetUserInfo",
            || web::to(get_user::get_user_info),
            get_user::info_operation,
        ),
        call(
            "/api/v1/Agents/User/GetUserInfoList",
            || web::to(get_user::get_user_info_list),
            get_user::info_list_operation,
        ),
        call(
            "/api/v1/Agents/User/CreateDefaultUser",
            || web::to(save_user::create_default_user),
            save_user::default_operation,
        ),
        call(
            "/api/v1/Agents/User/CreateDefaultUserFromUserType",
            || web::to(save_user::create_default_user_from_user_type),
            save_user::default_from_type_operation,
        ),
        call(
            "/api/v1/Agents/User/SaveUser",
            || web::to(save_user::save_user),
            save_user::save_operation,
        )
        .hashing(),
        call(
            "/api/v1/Agents/User/ValidateUser",
            || web::to(save_user::validate_user),
            save_user::validate_operation,
        ),
        call(
            "/api/v1/Agents/User/MakeRetired",
            || web::to(retire_user::make_retired),
            retire_user::retire_operation,
        ),
        call(
            "/api/v1/Agents/User/DeleteUser",
            || web::to(retire_user::delete_user),
            retire_user::delete_operation,
        ),
    ]
}

//! The calls of the User agent, as part of the route table.

use super::{
    change_password, credential_types, default_user, delete_credential, directory, external_users,
    get_access_token, get_user, named_user, password_mail, resolve_user, retire_user,
    save_credential, save_user, set_password, untrusted_credentials, user_names, validity,
};
use crate::http::route::{Route, route_table};

/// Every call.
pub(in crate::http) fn routes() -> Vec<Route> {
    [
        credentials(),
        passwords(),
        validity_checks(),
        users(),
        further_users(),
        user_names(),
        external_users(),
        untrusted(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn credentials() -> Vec<Route> {
    route_table! {
        "/api/v1/Agents/User/";
        POST "SaveCredential" Agent save_credential::{save_credential, operation} changing_secret;
        POST "DeleteCredential" Agent delete_credential::{delete_credential, operation};
        POST "GetCredentialTypes" Agent credential_types::{credential_types, operation} reading;
        POST "GetCredentialTypesForUserType" Agent credential_types::{for_user_type, for_user_type_operation} reading;
        POST "FindCredentialsGroups" Agent directory::{find_groups, find_groups_operation} reading;
        POST "FindCredentialUsers" Agent directory::{find_users, find_users_operation} reading;
        POST "GetCredentialUsersInGroup" Agent directory::{users_in_group, users_in_group_operation} reading;
        POST "GetAccessToken" Agent get_access_token::{get_access_token, operation} reading;
    }
}

fn passwords() -> Vec<Route> {
    route_table! {
        "/api/v1/Agents/User/";
        POST "SetPassword" Agent set_password::{set, set_operation} hashing;
        POST "SetPasswordFromName" Agent set_password::{set_from_name, set_from_name_operation} hashing;
        POST "SetGeneratedPassword" Agent set_password::{generate, generate_operation} hashing;
        POST "SetGeneratedPasswordFromName" Agent set_password::{generate_from_name, generate_from_name_operation} hashing;
        POST "ChangePassword" Agent change_password::{change, change_operation} changing_secret;
        POST "ChangePasswordFromName" Agent change_password::{change_from_name, change_from_name_operation} changing_secret;
        POST "ChangeOwnPassword" Agent change_password::{change_own, change_own_operation} changing_secret;
        POST "CanChangePassword" Agent change_password::{can_change, can_change_operation} reading;
        POST "GetSupportedChangePasswordTypes" Agent change_password::{supported_types, supported_types_operation} reading;
        POST "SendChangePasswordEMail" Agent password_mail::{send, operation};
    }
}

fn validity_checks() -> Vec<Route> {
    route_table! {
        "/api/v1/Agents/User/";
        POST "IsPasswordValid" Agent validity::{password, password_operation} hashing reading;
        POST "IsPasswordValidWithReason" Agent validity::{password_with_reason, password_with_reason_operation} hashing reading;
        POST "IsUserNameValid" Agent validity::{user_name, user_name_operation} reading;
        POST "IsUserNameValidWithReason" Agent validity::{user_name_with_reason, user_name_with_reason_operation} reading;
        POST "GetValidUserName" Agent validity::{valid_user_name, valid_user_name_operation} reading;
    }
}

fn users() -> Vec<Route> {
    route_table! {
        "/api/v1/Agents/User/";
        POST "GetUser" Agent get_user::{get_user, operation} reading;
        POST "GetUserFromName" Agent get_user::{from_name, from_name_operation} reading;
        POST "GetUserInfo" Agent get_user::{info, info_operation} reading;
        POST "GetUserInfoList" Agent get_user::{info_list, info_list_operation} reading;
        POST "CreateDefaultUser" Agent save_user::{default, default_operation} reading;
        POST "CreateDefaultUserFromUserType" Agent save_user::{default_from_type, default_from_type_operation} reading;
        POST "SaveUser" Agent save_user::{save, save_operation} hashing;
        POST "ValidateUser" Agent save_user::{validate, validate_operation} reading;
        POST "MakeRetired" Agent retire_user::{retire, retire_operation};
        POST "DeleteUser" Agent retire_user::{delete, delete_operation};
    }
}

/// Users by other keys than their id.
fn further_users() -> Vec<Route> {
    route_table! {
        "/api/v1/Agents/User/";
        POST "GetUserFromPersonId" Agent get_user::{from_person_id, from_person_id_operation} reading;
        POST "GetUserFromEjUserId" Agent get_user::{from_ej_user_id, from_ej_user_id_operation} reading;
        POST "CreateDefaultUserFromUserTypeAndPersonId" Agent default_user::{of_person, of_person_operation} reading;
        POST "CreateDefaultUserFromUserTypeAndCredential" Agent default_user::{of_credential, of_credential_operation} reading;
        POST "SaveUserFromName" Agent named_user::{save, save_operation} hashing;
        POST "ChangeUserType" Agent named_user::{change_type, change_type_operation};
        POST "DeleteUserFromName" Agent named_user::{delete, delete_operation};
        POST "ResolveUserFromInfo" Agent resolve_user::{resolve, operation};
        POST "RemoveLicenses" Agent retire_user::{remove_licenses, remove_licenses_operation};
    }
}

fn user_names() -> Vec<Route> {
    route_table! {
        "/api/v1/Agents/User/";
        POST "GetValidUserNameForNewUser" Agent user_names::{for_new_user, for_new_user_operation} reading;
        POST "GetDefaultAssociateUserName" Agent user_names::{default_name, default_name_operation} reading;
        POST "IsNickNameUnique" Agent user_names::{is_nick_name_unique, is_nick_name_unique_operation} reading;
    }
}

fn external_users() -> Vec<Route> {
    route_table! {
        "/api/v1/Agents/User/";
        POST "CreateExternalUser" Agent external_users::{create, create_operation} hashing;
        POST "SetExternalUserInfo" Agent external_users::{change, change_operation};
        POST "DeleteExternalUser" Agent external_users::{delete, delete_operation};
        POST "GenerateNewPasswordForExternalUser" Agent external_users::{generate_password, generate_password_operation} hashing;
    }
}

fn untrusted() -> Vec<Route> {
    route_table! {
        "/api/v1/Agents/User/";
        POST "CreateDefaultUntrustedCredentials" Agent untrusted_credentials::{default, default_operation} reading;
        POST "SaveUntrustedCredentials" Agent untrusted_credentials::{save_own, save_own_operation};
        POST "SaveUntrustedCredentialsForAssociate" Agent untrusted_credentials::{save, save_operation};
        POST "GetUntrustedCredentials" Agent untrusted_credentials::{list_own, list_own_operation};
        POST "GetUntrustedCredentialsForAssociate" Agent untrusted_credentials::{list, list_operation};
        POST "RemoveUntrustedCredentials" Agent untrusted_credentials::{remove_own, remove_own_operation};
        POST "RemoveUntrustedCredentialsForAssociate" Agent untrusted_credentials::{remove, remove_operation};
    }
}

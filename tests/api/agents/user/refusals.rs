//! Invalid input for every call: the error names the member and never repeats its value.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::agent;
use crate::support::TestApp;

/// Every refused request.
fn refused_requests() -> Vec<RefusedRequest> {
    [
        invalid_ids(),
        invalid_names(),
        invalid_passwords(),
        invalid_external_users(),
        other_invalid_requests(),
        invalid_further_requests(),
        invalid_default_users(),
        invalid_resolutions(),
        invalid_untrusted_credentials(),
    ]
    .concat()
}

/// A call, its body, and the member that the error names.
type RefusedRequest = (&'static str, Value, &'static str);

fn invalid_ids() -> Vec<RefusedRequest> {
    let mut table = Vec::new();
    let ids =
        [json!(null), json!(0), json!(-1), json!("marker-x"), json!(1.5), json!(4_294_967_296_i64)];
    for (call, member, rest) in [
        ("DeleteCredential", "UserId", json!({"CredentialType": "ActiveDirectory"})),
        ("SetPassword", "AssociateId", json!({"Password": "p"})),
        ("ChangePassword", "AssociateId", json!({"OldPassword": "o", "NewPassword": "n"})),
        ("SetGeneratedPassword", "AssociateId", json!({})),
        ("CanChangePassword", "AssociateId", json!({})),
        ("GetSupportedChangePasswordTypes", "AssociateId", json!({})),
        ("SendChangePasswordEMail", "AssociateId", json!({})),
        ("MakeRetired", "AssociateId", json!({"Retired": true})),
        ("RemoveLicenses", "AssociateId", json!({})),
        ("GetUserFromPersonId", "PersonId", json!({})),
        ("GetUserFromEjUserId", "EjUserId", json!({})),
        (
            "ResolveUserFromInfo",
            "ContactId",
            json!({"UserType": "InternalAssociate", "Credential": {"Value": "v"}}),
        ),
        ("SetExternalUserInfo", "AssociateId", json!({})),
        ("DeleteExternalUser", "AssociateId", json!({})),
        (
            "SaveUntrustedCredentialsForAssociate",
            "AssociateId",
            json!({"Type": "t", "Credentials": {"PublicValue": "p", "SecretValue": "s"}}),
        ),
        ("GetUntrustedCredentialsForAssociate", "AssociateId", json!({"Type": "t"})),
        (
            "RemoveUntrustedCredentialsForAssociate",
            "AssociateId",
            json!({"Type": "t", "PublicValue": "p"}),
        ),
    ] {
        for id in &ids {
            let mut body = rest.clone();
            body[member] = id.clone();
            table.push((call, body, member));
        }
        table.push((call, rest, member));
    }
    table
}

fn invalid_names() -> Vec<RefusedRequest> {
    let long_name = "n".repeat(240);
    let mut table = Vec::new();
    for (call, member, rest) in [
        ("SetPasswordFromName", "AssociateName", json!({"Password": "p"})),
        (
            "ChangePasswordFromName",
            "AssociateName",
            json!({"OldPassword": "o", "NewPassword": "n"}),
        ),
        ("SetGeneratedPasswordFromName", "AssociateName", json!({})),
        ("GetUserFromName", "UserName", json!({})),
        ("SaveUserFromName", "UserName", json!({"User": {}})),
        ("DeleteUserFromName", "UserName", json!({})),
        ("CreateExternalUser", "UserName", json!({"Password": "p", "IsActive": true})),
        (
            "SetExternalUserInfo",
            "UserName",
            json!({"AssociateId": 400, "ExternalUserInfoModification": "UserName"}),
        ),
        ("GenerateNewPasswordForExternalUser", "AssociateName", json!({})),
    ] {
        for name in
            [json!(null), json!(""), json!("a:b"), json!("a\u{0}"), json!(7.5), json!(long_name)]
        {
            let mut body = rest.clone();
            body[member] = name;
            table.push((call, body, member));
        }
    }
    table
}

fn invalid_passwords() -> Vec<RefusedRequest> {
    let long_value = "v".repeat(1025);
    let mut table = Vec::new();
    for (call, member, rest) in [
        ("SetPassword", "Password", json!({"AssociateId": 278})),
        ("SetPasswordFromName", "Password", json!({"AssociateName": "paul"})),
        ("ChangePassword", "OldPassword", json!({"AssociateId": 278, "NewPassword": "n"})),
        ("ChangePassword", "NewPassword", json!({"AssociateId": 278, "OldPassword": "o"})),
        ("ChangeOwnPassword", "OldPassword", json!({"NewPassword": "n"})),
        ("ChangeOwnPassword", "NewPassword", json!({"OldPassword": "o"})),
        ("ChangePasswordFromName", "NewPassword", json!({"AssociateName": "paul"})),
        ("CreateExternalUser", "Password", json!({"UserName": "new", "IsActive": true})),
        (
            "SetExternalUserInfo",
            "Password",
            json!({"AssociateId": 400, "ExternalUserInfoModification": 2}),
        ),
    ] {
        for value in [json!(null), json!(""), json!("marker\u{0}"), json!(7.5), json!(long_value)] {
            let mut body = rest.clone();
            body[member] = value;
            table.push((call, body, member));
        }
    }
    table
}

fn invalid_external_users() -> Vec<RefusedRequest> {
    let create = |members: &Value| {
        let mut body = json!({"UserName": "new", "Password": "p", "IsActive": true});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    };
    let change = |flags: Value, members: &Value| {
        let mut body = json!({"AssociateId": 400, "ExternalUserInfoModification": flags});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    };
    let mut table = Vec::new();
    for id in [json!(-1), json!("marker"), json!(1.5), json!(2_147_483_648_i64)] {
        table.push(("CreateExternalUser", create(&json!({"PersonId": id})), "PersonId"));
        table.push(("CreateExternalUser", create(&json!({"RoleId": id})), "RoleId"));
        table.push((
            "SetExternalUserInfo",
            change(json!("Role"), &json!({"RoleId": id})),
            "RoleId",
        ));
    }
    table.push(("SetExternalUserInfo", change(json!("Role"), &json!({})), "RoleId"));
    for is_active in [json!(null), json!("marker"), json!([])] {
        let members = json!({"IsActive": is_active});
        table.push(("CreateExternalUser", create(&members), "IsActive"));
        table.push(("SetExternalUserInfo", change(json!("Active"), &members), "IsActive"));
    }
    for name in ["\u{200b}marker", "\u{3000}"] {
        table.push(("CreateExternalUser", create(&json!({"UserName": name})), "UserName"));
        let members = json!({"UserName": name});
        table.push(("SetExternalUserInfo", change(json!("UserName"), &members), "UserName"));
    }
    for flags in [
        json!("marker"),
        json!("UserName, marker"),
        json!("UserName,,Role"),
        json!("UndefinedValue16"),
        json!(16),
        json!(-1),
        json!("31"),
        json!(1.5),
        json!(true),
        json!(["UserName"]),
    ] {
        let field = "ExternalUserInfoModification";
        table.push(("SetExternalUserInfo", change(flags, &json!({})), field));
    }
    table
}

fn invalid_untrusted_credentials() -> Vec<RefusedRequest> {
    let credentials = json!({"PublicValue": "p", "SecretValue": "s"});
    let save = "SaveUntrustedCredentials";
    let mut table = vec![
        (save, json!({"Type": "t"}), "Credentials"),
        (save, json!({"Type": "t", "Credentials": []}), "Credentials"),
        (save, json!({"Type": "t", "Credentials": {}}), "Credentials.PublicValue"),
        (
            save,
            json!({"Type": "t", "Credentials": {"PublicValue": "new"}}),
            "Credentials.SecretValue",
        ),
        (
            save,
            json!({"Type": "t", "Credentials": {"PublicValue": "new", "SecretValue": ""}}),
            "Credentials.SecretValue",
        ),
    ];
    let long = |length: usize| json!("marker".repeat(50)[..=length].to_owned());
    for (member, value) in [
        ("PublicValue", long(238)),
        ("PublicValue", json!("marker\u{0}")),
        ("SecretValue", long(70)),
        ("SecretValue", json!("marker\n")),
        ("SecretValue", json!({"x": "marker"})),
        ("Comment", long(255)),
        ("Comment", json!("marker\u{1b}")),
        ("IsActive", json!("marker")),
        ("ValidFrom", json!("marker")),
        ("ValidFrom", json!("2026-02-30T00:00:00Z")),
        ("ValidFrom", json!("2026-01-02")),
        ("ValidFrom", json!("0000-01-01T00:00:00Z")),
        ("ValidTo", json!("2026-01-02T03:04:05+25:00")),
    ] {
        let mut body = json!({"Type": "t", "Credentials": credentials});
        body["Credentials"][member] = value;
        let path: &'static str = match member {
            "PublicValue" => "Credentials.PublicValue",
            "SecretValue" => "Credentials.SecretValue",
            "Comment" => "Credentials.Comment",
            "IsActive" => "Credentials.IsActive",
            "ValidFrom" => "Credentials.ValidFrom",
            _ => "Credentials.ValidTo",
        };
        table.push((save, body, path));
    }
    let mut reversed = json!({"Type": "t", "Credentials": credentials});
    reversed["Credentials"]["ValidFrom"] = json!("2026-01-02T03:04:05Z");
    reversed["Credentials"]["ValidTo"] = json!("2026-01-02T03:04:05Z");
    table.push((save, reversed, "Credentials.ValidTo"));
    for kind in [json!(null), json!(""), json!("marker\u{0}"), json!(7.5), long(254)] {
        let named = json!({"Type": kind, "Credentials": credentials, "PublicValue": "p"});
        for call in [save, "GetUntrustedCredentials", "RemoveUntrustedCredentials"] {
            table.push((call, named.clone(), "Type"));
        }
    }
    for public_value in [json!(null), json!(""), json!("marker\u{0}"), long(238)] {
        let body = json!({"Type": "t", "PublicValue": public_value});
        table.push(("RemoveUntrustedCredentials", body, "PublicValue"));
    }
    table
}

fn other_invalid_requests() -> Vec<RefusedRequest> {
    let long_value = "v".repeat(1025);
    vec![
        ("DeleteCredential", json!({"UserId": 278}), "CredentialType"),
        ("DeleteCredential", json!({"UserId": 278, "CredentialType": ""}), "CredentialType"),
        ("DeleteCredential", json!({"UserId": 278, "CredentialType": "Ticket"}), "CredentialType"),
        ("DeleteCredential", json!({"UserId": 278, "CredentialType": "marker"}), "CredentialType"),
        ("FindCredentialsGroups", json!({}), "Type"),
        ("FindCredentialsGroups", json!({"Type": "marker"}), "Type"),
        ("FindCredentialUsers", json!({"Type": "CRM5/PASSWORD"}), "Type"),
        ("FindCredentialUsers", json!({"Type": "Ticket"}), "Type"),
        (
            "FindCredentialUsers",
            json!({"Type": "ActiveDirectory", "SearchString": "marker".repeat(50)}),
            "SearchString",
        ),
        ("GetCredentialUsersInGroup", json!({"GroupName": "marker"}), "Type"),
        ("GetCredentialUsersInGroup", json!({"Type": "ActiveDirectory"}), "GroupName"),
        (
            "GetCredentialUsersInGroup",
            json!({"Type": "ActiveDirectory", "GroupName": "marker".repeat(400)}),
            "GroupName",
        ),
        ("GetCredentialTypesForUserType", json!({}), "UserType"),
        ("GetCredentialTypesForUserType", json!({"UserType": "marker"}), "UserType"),
        ("CreateDefaultUserFromUserType", json!({}), "UserType"),
        ("CreateDefaultUserFromUserType", json!({"UserType": ""}), "UserType"),
        ("IsPasswordValid", json!({}), "Password"),
        ("IsPasswordValidWithReason", json!({"Password": 7.5}), "Password"),
        ("IsUserNameValid", json!({}), "UserName"),
        ("IsUserNameValid", json!({"AssociateId": -1, "UserName": "u"}), "AssociateId"),
        ("IsUserNameValidWithReason", json!({}), "UserName"),
        ("GetValidUserName", json!({}), "UserName"),
        ("GetUser", json!(null), "UserId"),
        ("GetUser?userId=", json!(null), "UserId"),
        ("GetUser?userId=0", json!(null), "UserId"),
        ("GetUser?userId=marker", json!(null), "UserId"),
        ("GetUser?userId=99999999999999999999", json!(null), "UserId"),
        ("GetUserInfo", json!(null), "UserInfoId"),
        ("DeleteUser?userId=-1", json!(null), "UserId"),
        ("MakeRetired", json!({"AssociateId": 278}), "Retired"),
        ("MakeRetired", json!({"AssociateId": 278, "Retired": "perhaps"}), "Retired"),
        ("SaveUser", json!({}), "Name"),
        ("SaveUser", json!({"AssociateId": -1}), "AssociateId"),
        ("SaveUser", json!({"Name": "a:b"}), "Name"),
        ("SaveUser", json!({"Name": "one", "UserName": "two"}), "UserName"),
        ("SaveUser", json!({"AssociateId": 278, "Type": "marker"}), "Type"),
        ("SaveUser", json!({"AssociateId": 278, "Role": {"Value": "marker"}}), "Role.Value"),
        ("SaveUser", json!({"AssociateId": 278, "Tooltip": "marker\n"}), "Tooltip"),
        ("SaveUser", json!({"AssociateId": 278, "Credentials": {}}), "Credentials"),
        (
            "SaveUser",
            json!({"AssociateId": 278, "Credentials": [{"Value": long_value}]}),
            "Credentials[0].Value",
        ),
        ("ValidateUser", json!({}), "User"),
        ("GetAccessToken", json!({"AppToken": "marker"}), "AppToken"),
    ]
}

/// Invalid requests about users by other keys than their id.
fn invalid_further_requests() -> Vec<RefusedRequest> {
    let internal = "InternalAssociate";
    let valueless = json!([{"Type": {"Type": "CRM5/PASSWORD"}, "DisplayValue": "marker"}]);
    vec![
        ("SaveUser", json!({"Name": "n", "Credentials": valueless}), "Credentials[0].Value"),
        ("SaveUserFromName", json!({"UserName": "paul"}), "User"),
        ("SaveUserFromName", json!({"UserName": "paul", "User": 7}), "User"),
        ("SaveUserFromName", json!({"UserName": "paul", "User": {"Type": "marker"}}), "User.Type"),
        (
            "SaveUserFromName",
            json!({"UserName": "paul", "User": {"AssociateId": 1}}),
            "User.AssociateId",
        ),
        (
            "SaveUserFromName",
            json!({"UserName": "paul", "User": {"NickName": "marker\n"}}),
            "User.NickName",
        ),
        ("ChangeUserType", json!({"User": {"AssociateId": 278}}), "UserType"),
        ("ChangeUserType", json!({"User": {"AssociateId": 278}, "UserType": "marker"}), "UserType"),
        ("ChangeUserType", json!({"UserType": internal}), "User"),
        (
            "ChangeUserType",
            json!({"UserType": internal, "User": {"Name": "n"}}),
            "User.AssociateId",
        ),
        (
            "ChangeUserType",
            json!({"UserType": internal, "User": {"AssociateId": -1}}),
            "User.AssociateId",
        ),
        ("GetValidUserNameForNewUser", json!({}), "User"),
        ("GetValidUserNameForNewUser", json!({"User": {"AssociateId": -1}}), "User.AssociateId"),
        ("GetDefaultAssociateUserName", json!({"User": null}), "User"),
        ("IsNickNameUnique", json!({"AssociateId": 278}), "NickName"),
        ("IsNickNameUnique", json!({"AssociateId": -1, "NickName": "n"}), "AssociateId"),
    ]
}

fn invalid_default_users() -> Vec<RefusedRequest> {
    let (of_person, of_credential) =
        ("CreateDefaultUserFromUserTypeAndPersonId", "CreateDefaultUserFromUserTypeAndCredential");
    let internal = "InternalAssociate";
    vec![
        (of_person, json!({"PersonId": 7}), "UserType"),
        (of_person, json!({"UserType": internal}), "PersonId"),
        (of_person, json!({"UserType": internal, "PersonId": 0}), "PersonId"),
        (of_person, json!({"UserType": "SystemAssociate", "PersonId": -1}), "PersonId"),
        (of_credential, json!({"CredentialValue": "v"}), "UserType"),
        (of_credential, json!({"UserType": internal}), "CredentialValue"),
        (of_credential, json!({"UserType": internal, "CredentialValue": ""}), "CredentialValue"),
        (
            of_credential,
            json!({"UserType": internal, "CredentialValue": "v", "CredentialType": "marker"}),
            "CredentialType",
        ),
        (
            of_credential,
            json!({"UserType": internal, "CredentialValue": "v", "CredentialType": "Ticket"}),
            "CredentialType",
        ),
        (
            of_credential,
            json!({
                "UserType": internal, "CredentialValue": "v",
                "CredentialDisplayValue": "marker".repeat(50),
            }),
            "CredentialDisplayValue",
        ),
    ]
}

fn invalid_resolutions() -> Vec<RefusedRequest> {
    let valid = json!({
        "ContactId": 2, "UserType": "InternalAssociate",
        "Credential": {"Value": "v", "DisplayValue": "new"},
    });
    let mut table = Vec::new();
    for (member, value, field) in [
        ("UserType", json!(null), "UserType"),
        ("UserType", json!("marker"), "UserType"),
        ("UserType", json!("Unknown"), "UserType"),
        ("PersonName", json!("marker\n"), "PersonName"),
        ("PersonName", json!("n".repeat(255)), "PersonName"),
        ("Emails", json!("marker"), "Emails"),
        ("Credential", json!(null), "Credential"),
        ("Credential", json!({}), "Credential.Value"),
        ("Credential", json!({"Value": "v"}), "Credential.DisplayValue"),
        ("Credential", json!({"Value": "v", "DisplayValue": ""}), "Credential.DisplayValue"),
        ("Credential", json!({"Value": "v", "DisplayValue": "a:b"}), "Credential.DisplayValue"),
        (
            "Credential",
            json!({"Value": "v", "DisplayValue": "\u{200b}"}),
            "Credential.DisplayValue",
        ),
        (
            "Credential",
            json!({"Value": "v", "Type": {"Type": "marker"}, "DisplayValue": "n"}),
            "Credential.Type.Type",
        ),
    ] {
        let mut body = valid.clone();
        body[member] = value;
        table.push(("ResolveUserFromInfo", body, field));
    }
    table
}

#[sqlx::test]
async fn an_invalid_member_is_named_and_changes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((400, "external"), &["--type", "external"]);
    let stored_state = || {
        sqlx::query_scalar!(
            r#"SELECT (SELECT string_agg(c.sealed_hash::text, ',' ORDER BY user_id) FROM credentials c)
                   || (SELECT string_agg(u::text, ',' ORDER BY user_id) FROM users u) AS "all!""#
        )
    };
    let ticket = crate::support::Credentials::Ticket(app.ticket(&app.administrator()).await);
    let before = stored_state().fetch_one(&app.pool).await.unwrap();
    for (call, body, field) in refused_requests() {
        let answer = app.post(&agent(call), &ticket, &body).await;
        assert_eq!(answer.status, 400, "{call} {field}: {answer:?}");
        answer.assert_field_refused(field);
        assert!(!answer.body.contains("marker"), "{answer:?}");
    }
    assert_eq!(stored_state().fetch_one(&app.pool).await.unwrap(), before);
}

#[sqlx::test]
async fn an_unknown_user_is_404_for_an_administrator(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (call, body) in [
        ("SetPassword", json!({"AssociateId": 4711, "Password": "p"})),
        ("SetPasswordFromName", json!({"AssociateName": "no", "Password": "p"})),
        ("SetGeneratedPassword", json!({"AssociateId": 4711})),
        ("SetGeneratedPasswordFromName", json!({"AssociateName": "no"})),
        ("ChangePassword", json!({"AssociateId": 4711, "OldPassword": "o", "NewPassword": "n"})),
        ("ChangePasswordFromName", json!({"AssociateName": "no", "NewPassword": "n"})),
        ("DeleteCredential", json!({"UserId": 4711, "CredentialType": "ActiveDirectory"})),
        ("MakeRetired", json!({"AssociateId": 4711, "Retired": true})),
        ("DeleteUser?userId=4711", json!(null)),
        ("SetExternalUserInfo", json!({"AssociateId": 4711})),
        ("DeleteExternalUser", json!({"AssociateId": 4711})),
        ("GenerateNewPasswordForExternalUser", json!({"AssociateName": "no"})),
        (
            "SaveUntrustedCredentialsForAssociate",
            json!({"AssociateId": 4711, "Type": "t",
                   "Credentials": {"PublicValue": "p", "SecretValue": "s"}}),
        ),
        (
            "RemoveUntrustedCredentialsForAssociate",
            json!({"AssociateId": 4711, "Type": "t", "PublicValue": "p"}),
        ),
        ("SaveUser", json!({"AssociateId": 4711, "Name": "n"})),
        ("ValidateUser", json!({"User": {"AssociateId": 4711, "Name": "n"}})),
        ("SaveUserFromName", json!({"UserName": "no", "User": {"Name": "n"}})),
        ("DeleteUserFromName", json!({"UserName": "no"})),
        ("ChangeUserType", json!({"User": {"AssociateId": 4711}, "UserType": "SystemAssociate"})),
        ("RemoveLicenses", json!({"AssociateId": 4711})),
    ] {
        let answer = app.post(&agent(call), &app.administrator(), &body).await;
        answer.assert_refused(404, "SoNotFoundException", "unknown_user");
    }
}

#[sqlx::test]
async fn a_duplicate_query_parameter_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let path = agent("DeleteUser?userId=278&USERID=1");
    let answer = app.post(&path, &app.administrator(), &json!(null)).await;
    answer.assert_refused(400, "ArgumentException", "duplicate_member");
}

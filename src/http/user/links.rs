//! The links of users, and the vendor's `UserWithLinks`
//! (docs/reference/wire-contract.md#d33-rest).

use actix_web::{HttpRequest, web::Data};
use serde::Serialize;
use utoipa::ToSchema;
use wire_formats::XmlNames;

use crate::{
    domain::user::UserId,
    http::{
        agents::user::user_carrier::UserCarrier, connection::Connection, state::HttpState,
        vendor_names::CARRIERS,
    },
};

/// The addresses of a user and of the list of users.
#[derive(Serialize, ToSchema)]
#[schema(as = UserLinks)]
pub(in crate::http) struct Links {
    /// The user.
    #[serde(rename = "Self")]
    own: String,
    /// The list of users.
    #[serde(rename = "Archive")]
    archive: String,
}

/// A user with links.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct UserWithLinks {
    #[serde(flatten)]
    user: UserCarrier,
    #[serde(rename = "_Links")]
    links: Option<Links>,
}

impl XmlNames for UserWithLinks {
    const NAME: &'static str = "UserWithLinks";
    const NAMESPACE: &'static str = CARRIERS;
    const ITEMS: &'static [(&'static str, &'static str)] = UserCarrier::ITEMS;
}

/// The addresses that the caller of a request uses for this service.
pub(in crate::http) struct Addresses {
    base: String,
}

impl Addresses {
    /// From the request. Without a host, addresses are relative to the host.
    pub(in crate::http) fn of(request: &HttpRequest) -> Self {
        let mut base = Connection::of(request).origin().unwrap_or_default();
        if let Some(state) = request.app_data::<Data<HttpState>>() {
            base.push_str(&state.base_path);
        }
        Self { base }
    }

    /// The list of users.
    pub(in crate::http) fn archive(&self) -> String {
        format!("{}/api/v1/User", self.base)
    }

    /// A path of this service.
    pub(in crate::http) fn of_path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The description of this API.
    pub(in crate::http) fn description(&self) -> String {
        format!("{}/openapi.json", self.base)
    }

    /// The links of a user.
    pub(in crate::http) fn links(&self, user_id: UserId) -> Links {
        let archive = self.archive();
        Links { own: format!("{archive}/{user_id}"), archive }
    }

    /// A user with links.
    pub(in crate::http) fn with_links(&self, user_id: UserId, user: UserCarrier) -> UserWithLinks {
        UserWithLinks { user, links: Some(self.links(user_id)) }
    }
}

//! Writes one request in every format.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::RequestBody;

pub(super) const JSON_TYPES: [&str; 4] = [
    "application/json",
    "text/json",
    "application/json-patch+json",
    "application/merge-patch+json",
];
pub(super) const XML_TYPES: [&str; 2] = ["application/xml", "text/xml"];
pub(super) const FORM_TYPE: &str = "application/x-www-form-urlencoded";

/// The credential that a request saves.
#[derive(Debug, Clone)]
pub(super) struct SavedCredential {
    pub(super) user_id: i32,
    pub(super) type_name: String,
    pub(super) value: String,
    pub(super) display_value: String,
}

impl SavedCredential {
    /// A password for a user.
    pub(super) fn password(user_id: i32, value: &str) -> Self {
        let type_name = "CRM5/PASSWORD".to_owned();
        Self { user_id, type_name, value: value.to_owned(), display_value: String::new() }
    }

    fn json(&self) -> String {
        json!({ "UserId": self.user_id, "Credential": {
            "Type": { "Type": self.type_name }, "Value": self.value,
            "DisplayValue": self.display_value,
        } })
        .to_string()
    }

    fn xml(&self) -> String {
        let escape = |text: &str| {
            text.replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
                .replace('\r', "&#13;")
        };
        format!(
            "<?xml version=\"1.0\"?><s:SaveCredentialRequest xmlns:s=\"urn:any\" xmlns=\"urn:other\">\n\
             <Credential><DisplayValue>{}</DisplayValue><s:Value>{}</s:Value>\
             <Type><Type>{}</Type></Type></Credential><UserId>{}</UserId></s:SaveCredentialRequest>",
            escape(&self.display_value),
            escape(&self.value),
            escape(&self.type_name),
            self.user_id
        )
    }

    fn form(&self, with_brackets: bool) -> String {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let body = format!(
            "UserId={}&Credential.Type.Type={}&Credential.Value={}&Credential.DisplayValue={}",
            self.user_id,
            encode(&self.type_name),
            encode(&self.value),
            encode(&self.display_value)
        );
        if with_brackets {
            body.replace("Credential.Type.Type", "Credential[Type][Type]")
                .replace("Credential.Value", "Credential[Value]")
                .replace("Credential.DisplayValue", "credential[displayvalue]")
        } else {
            body
        }
    }

    /// The request in each of the seven media types.
    pub(super) fn in_every_type(&self) -> Vec<RequestBody> {
        let json = JSON_TYPES.map(|media_type| RequestBody::new(media_type, self.json()));
        let xml = XML_TYPES.map(|media_type| RequestBody::new(media_type, self.xml()));
        let form = RequestBody::new(FORM_TYPE, self.form(false));
        [json.as_slice(), &xml, &[form]].concat()
    }

    /// The request in each format, spelling and charset.
    pub(super) fn in_every_spelling(&self) -> Vec<RequestBody> {
        let mut all = self.in_every_type();
        all.push(RequestBody::new(FORM_TYPE, self.form(true)));
        all.push(RequestBody::in_utf16("application/json", &self.json()));
        all.push(RequestBody::in_utf16("text/xml", &self.xml()));
        all.push(RequestBody::in_utf16("application/xml", &format!("\u{feff}{}", self.xml())));
        all.push(RequestBody::in_utf16(FORM_TYPE, &self.form(true)));
        all
    }
}

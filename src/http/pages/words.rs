//! Names of credential types, authentication schemes and devices, in the language of a page.

use super::frame::PageFrame;
use crate::domain::{
    credential_type::{CredentialType, CredentialTypes},
    device::Device,
    principal::AuthenticationScheme,
};

/// The name of a credential type. A page never shows the key of a text.
pub(super) fn type_text(frame: &PageFrame, credential_type: &CredentialType) -> String {
    match (credential_type.texts(), credential_type.text_key()) {
        (Some(texts), _) => texts.display_type.clone(),
        (None, Some(key)) => frame.text(key),
        (None, None) => credential_type.as_str().to_owned(),
    }
}

/// As [`type_text`]; the technical name of a type that is no longer configured.
pub(super) fn type_text_of(frame: &PageFrame, types: &CredentialTypes, name: &str) -> String {
    types.find(name).map_or_else(|| name.to_owned(), |found| type_text(frame, found))
}

/// How an action was authenticated. A scheme of a newer release is shown as it is.
pub(super) fn scheme_text(frame: &PageFrame, scheme: &str) -> String {
    match AuthenticationScheme::parse(scheme) {
        Some(known) => frame.text(key_of_scheme(known)),
        None => scheme.to_owned(),
    }
}

fn key_of_scheme(scheme: AuthenticationScheme) -> &'static str {
    match scheme {
        AuthenticationScheme::Basic => "page-scheme-basic",
        AuthenticationScheme::SoTicket => "page-scheme-so-ticket",
        AuthenticationScheme::Bearer => "page-scheme-bearer",
        AuthenticationScheme::Session => "page-scheme-session",
        AuthenticationScheme::Command => "page-scheme-command",
        AuthenticationScheme::PasswordLink => "page-scheme-password-link",
        AuthenticationScheme::Service => "page-scheme-service",
        AuthenticationScheme::Anonymous => "page-scheme-anonymous",
    }
}

/// The program and the system of a device.
pub(super) fn device_text(frame: &PageFrame, device: Option<&Device>) -> String {
    let Some(name) = device.map(Device::name) else { return frame.text("page-unknown-device") };
    match (name.program, name.system) {
        (Some(program), Some(system)) => {
            frame.text_with("page-device-on", &[("program", program), ("system", system)])
        }
        (Some(known), None) | (None, Some(known)) => known.to_owned(),
        (None, None) => frame.text("page-unknown-device"),
    }
}

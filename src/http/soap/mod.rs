//! The vendor's SOAP service of logins, `SoPrincipal.svc`
//! (docs/reference/wire-contract.md#d30-soap).
//!
//! A message is an XML envelope around one operation. [`envelope`] reads it, [`principal_service`]
//! answers it, and [`faults`] renders every failure of the route as a fault of the message's own
//! SOAP version.

pub(super) mod envelope;
pub(super) mod faults;
mod message_body;
pub(super) mod principal_service;
pub(super) mod version;
mod vocabulary;
pub(super) mod wsdl;

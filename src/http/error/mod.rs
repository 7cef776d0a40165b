//! The errors that a client sees, and the table of their statuses and codes
//! (docs/reference/wire-contract.md#d28-statuses-and-codes).

mod api_error;
mod causes;
mod details;
mod kind;
pub(super) mod response;

pub(super) use self::{
    api_error::ApiError,
    details::{BodyFault, EnvelopeFault, MissingRight},
    kind::{ErrorKind, ErrorRow},
};

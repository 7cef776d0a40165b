//! Content negotiation: reads request bodies and writes responses in the format that the client
//! prefers (docs/reference/wire-contract.md#content-negotiation). The formats themselves are in
//! `crates/wire-formats`.

mod answer;
#[cfg(feature = "bench")]
pub(super) mod bench_support;
mod body;
mod media_type;

pub(super) use self::{
    answer::{Negotiated, write, write_selected},
    body::{Body, ListBody, MAXIMUM_BODY, RequiredBody, received},
    media_type::{accepts_page, content_type, is_form, is_preferred_to_page},
};

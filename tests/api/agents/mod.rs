//! Tests of the agents of the vendor's API.

mod user;

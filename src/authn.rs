//! Who is asking: a request's head becomes a [`principal::Principal`], or an error that says which check failed.

pub mod claims;
pub mod discovery;
pub mod issuer;
pub mod principal;
pub mod token;

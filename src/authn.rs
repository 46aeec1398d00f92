//! Who is asking: a request's head becomes a [`principal::Principal`], or an error that says which check failed.

pub mod claims;
pub mod cookie;
pub mod discovery;
pub mod issuer;
pub mod login;
pub mod principal;
mod remembered;
pub mod return_to;
pub mod seal;
pub mod session;
pub mod token;

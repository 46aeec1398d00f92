//! Who may open what: a pure function of a person, a request and the configured rules.

pub mod file;
pub mod grant;

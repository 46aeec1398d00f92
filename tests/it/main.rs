//! The one integration-test binary: a file per subject.

mod login;
mod return_to;
mod seal;
mod session;

mod support {
    pub mod browser;
    pub mod provider;
}

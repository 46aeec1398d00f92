//! One identity provider: its discovery document, its keys, its token endpoint and `UserInfo`, and the person whom its
//! claims name.

mod budget;
mod client;
pub mod discovery;
pub mod error;
pub mod issuer;
mod pem_keys;
pub mod policy_inputs;
pub mod principal;
mod refresh;
pub mod relying_party;
mod single_flight;
pub(crate) mod token_answer;
pub(crate) mod token_cache;
mod user_info;

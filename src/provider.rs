//! One identity provider: its discovery document, its keys, its token endpoint and `UserInfo`, and the person that its claims
//! name.

mod budget;
mod client;
pub mod discovery;
pub mod error;
pub mod issuer;
mod pem_keys;
pub mod policy_inputs;
pub mod principal;
pub(crate) mod recognised;
mod refresh;
pub mod relying_party;
mod single_flight;
mod token_answer;
mod user_info;

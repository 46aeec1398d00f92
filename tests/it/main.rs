mod support {
    pub mod believer;
    pub mod jwks_server;
    pub mod signer;
}
mod credentials;
mod keys;
mod mapping;
mod tokens;
mod vectors;

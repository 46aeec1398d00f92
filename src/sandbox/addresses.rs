//! The addresses of the sandbox's servers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpListener;
use url::Url;

#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub identity_provider: SocketAddr,
    pub sagemaker: SocketAddr,
    pub sts: SocketAddr,
    /// MLflow's data plane.
    pub mlflow: SocketAddr,
    pub landing: SocketAddr,
    pub s3: SocketAddr,
}

impl Default for Addresses {
    /// Free ports on 127.0.0.1.
    fn default() -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { identity_provider: free, sagemaker: free, sts: free, mlflow: free, landing: free, s3: free }
    }
}

pub(super) async fn bind(address: SocketAddr) -> io::Result<(TcpListener, Url)> {
    if !address.ip().is_loopback() {
        let why = format!("the sandbox serves on loopback only, and {address} is not");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let listener = TcpListener::bind(address).await?;
    let url = Url::parse(&format!("http://{}", listener.local_addr()?)).map_err(io::Error::other)?;
    Ok((listener, url))
}

//! The API for programs: JSON, and a bearer token every time.

use super::access::Exchange;
use super::context::RequestContext;
use super::error::Error;
use super::portal::destinations_json;
use super::respond;
use super::service::Gateway;
use crate::authn::{Authenticated, Via};
use crate::server::Body;
use hyper::http::request;
use hyper::{Response, StatusCode};
use serde::Serialize;

/// The answer of `POST /-/api/destinations/NAME/url`. The URL works once, and soon or not at all.
#[derive(Serialize)]
struct MintedUrl<'a> {
    destination: &'a str,
    url: &'a str,
}

/// `GET /-/api/openapi.json`, without a credential: it says nothing of this gateway's configuration.
pub(super) fn document() -> Response<Body> {
    respond::json_text(include_str!("openapi.json"))
}

impl Gateway {
    /// `GET /-/api/destinations`
    pub(super) async fn api_destinations(
        &self,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Response<Body>, Error> {
        let caller = self.authenticate_program(head, context).await?;
        let mut access = self.access(&caller.principal, context);
        self.look_up_states(&mut access).await;
        Ok(respond::json(StatusCode::OK, &destinations_json(&access)))
    }

    /// `POST /-/api/destinations/NAME/url`
    pub(super) async fn api_mint(
        &self,
        head: &request::Parts,
        context: &RequestContext,
        exchange: &mut Exchange<'_>,
        name: &str,
    ) -> Result<Response<Body>, Error> {
        let caller = self.authenticate_program(head, context).await?;
        let destination = self.policy.destination(name).ok_or(Error::NoSuchDestination)?;
        exchange.opens(destination.name(), &caller.principal);
        let grant = self.authorize(&caller.principal, destination, None, None, context)?;
        let url = self.presign(&grant, None, context, exchange).await?.into_api_answer();
        Ok(respond::json(StatusCode::OK, &MintedUrl { destination: name, url: &url }))
    }

    /// A session does not count here: a page on another site could make a browser send it.
    pub(super) async fn authenticate_program(
        &self,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Authenticated, Error> {
        let caller = self.authenticate(head, context).await?;
        if caller.via == Via::Bearer { Ok(caller) } else { Err(Error::BearerOnly) }
    }
}

//! The pipeline: one request in, one answer out.

pub(crate) mod access;
mod context;
mod error;
mod failure;
mod host;
mod launch;
mod limit;
mod logout;
mod listing;
mod pages;
mod portal;
mod programs;
pub(crate) mod respond;
mod route;
mod sign_in;
pub(crate) mod start;
pub(crate) mod try_again;

pub(crate) use start::Parts;
pub use start::sealer;

use self::access::Exchange;
use self::context::{Audience, Navigation, RequestContext};
use self::error::Error;
use self::launch::DeepLink;
use self::limit::MintRate;
use self::pages::Pages;
use self::route::{Route, route};
use crate::audit::Audit;
use crate::authn::credential::Presented;
use crate::authn::{Authenticated, Authenticator};
use crate::config;
use crate::metrics::Metrics;
use crate::metrics::series::ASKED;
use crate::policy::{NO_SUCH_PATH, Policy};
use crate::presign::Presigner;
use crate::provider::issuer::Issuer;
use crate::server::Body;
use crate::server::peer::Peer;
use crate::server::readiness::Readiness;
use crate::sessions::Sessions;
use crate::sessions::seal::Sealer;
use crate::sign_in::logout::Logout;
use crate::sign_in::return_to::ReturnTo;
use crate::sign_in::{Prompt, SignIn};
use crate::telemetry::{self, request_ids::RequestIds};
use hyper::body::Incoming;
use hyper::http::request;
use hyper::{Method, Request, Response, StatusCode};
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

#[derive(Debug)]
pub(crate) struct Gateway {
    settings: config::Gateway,
    authenticator: Authenticator,
    sessions: Option<Arc<Sessions>>,
    sign_in: Option<SignIn>,
    sealer: Option<Arc<Sealer>>,
    issuers: Vec<Arc<Issuer>>,
    logout: Option<Logout>,
    policy: Policy,
    presigner: Arc<Presigner>,
    mint_rate: Arc<MintRate>,
    look_ups: Arc<Semaphore>,
    pages: Pages,
    metrics: Arc<Metrics>,
    audit: Audit,
    readiness: Readiness,
}

impl Gateway {
    /// Answers one request that came from `peer`. Never fails: what goes wrong is an answer too.
    pub(crate) async fn handle(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let ids = RequestIds::of(request.headers());
        // Boxed, for it is passed on from hand to hand from here to hyper.
        telemetry::within(ids, Box::pin(self.serve(request, peer, ids))).await
    }

    async fn serve(&self, request: Request<Incoming>, peer: Peer, ids: RequestIds) -> Response<Body> {
        let (head, body) = request.into_parts();
        let context = RequestContext::new(ids, peer, &head.headers, &self.settings);
        let mut exchange = Exchange::begin(&head, peer.address, context.client_ip, &self.metrics);
        let response = match route(&head.method, head.uri.path()) {
            Route::Live => exchange.probed(respond::text(StatusCode::OK, "live\n")),
            Route::Ready => exchange.probed(respond::ready(self.readiness.is_ready())),
            route => self.answer(route, &head, body, &context, &mut exchange).await,
        };
        let secure = self.settings.public_url.scheme() == "https";
        let response = respond::finish(response, &ids.request_id, secure);
        exchange.end(response)
    }

    async fn answer(
        &self,
        route: Route<'_>,
        head: &request::Parts,
        body: Incoming,
        context: &RequestContext,
        exchange: &mut Exchange<'_>,
    ) -> Response<Body> {
        let answer = {
            // In its place: it is large, and a deadline would take it along.
            let answer = pin!(self.dispatch(route, head, body, context, exchange));
            timeout_at(context.deadline, answer).await.unwrap_or(Err(Error::OutOfTime))
        };
        match answer {
            Ok(response) => response,
            Err(error) => Box::pin(self.recover(error, head, context, exchange)).await,
        }
    }

    /// Of all routes, one reads a body. What is rare is boxed: every request has room for what is not.
    async fn dispatch(
        &self,
        route: Route<'_>,
        head: &request::Parts,
        body: Incoming,
        context: &RequestContext,
        exchange: &mut Exchange<'_>,
    ) -> Result<Response<Body>, Error> {
        if head.headers.len() > self.settings.limits.header_fields {
            return Err(Error::TooManyHeaders);
        }
        self.check_host(head)?;
        context.check_addresses()?;
        let is_for_programs =
            context.audience == Audience::Program && matches!(route, Route::Portal | Route::WhoAmI);
        match route {
            Route::NotFound | Route::Live | Route::Ready => Err(Error::NotFound),
            Route::MethodNotAllowed(allow) => Err(Error::MethodNotAllowed { allow }),
            // A `HEAD` is a look from outside: it starts nothing, and whether a name exists is not told.
            _ if head.method == Method::HEAD => Ok(respond::text(StatusCode::OK, "")),
            Route::ApiDocument => Ok(programs::document()),
            Route::ApiDestinations => Box::pin(self.api_destinations(head, context)).await,
            Route::ApiMint { name } => Box::pin(self.api_mint(head, context, exchange, name)).await,
            Route::Logout => Box::pin(self.sign_out(head, context)).await,
            Route::BackChannelLogout => {
                Box::pin(self.back_channel_logout(head, body, context, exchange)).await
            }
            _ if context.navigation == Navigation::Not && !is_for_programs => Err(Error::NotANavigation),
            Route::Destination { name, path } => self.launch(head, context, exchange, name, path).await,
            Route::Portal => Box::pin(self.portal(head, context)).await,
            Route::WhoAmI => self.who_am_i(head, context).await,
            Route::Login => Box::pin(self.begin_sign_in(head, context)).await,
            Route::Callback => Box::pin(self.finish_sign_in(head, context)).await,
            Route::AskLogout => Ok(Box::pin(self.ask_to_sign_out(head)).await),
        }
    }

    /// THE HEART: who is it, may they, and as whom. Only here and for the API's `POST` is a URL minted and handed out.
    async fn launch(
        &self,
        head: &request::Parts,
        context: &RequestContext,
        exchange: &mut Exchange<'_>,
        name: &str,
        path: Option<&str>,
    ) -> Result<Response<Body>, Error> {
        let caller = self.authenticate(head, context).await?;
        let destination = self.policy.destination(name).ok_or(Error::NoSuchDestination)?;
        exchange.opens(destination.name(), &caller.principal);
        let query = head.uri.query().and_then(try_again::without_count);
        let link = path.map(|path| DeepLink { path, query: query.as_deref() });
        let grant = self.authorize(&caller.principal, destination, link, context)?;
        if context.navigation == Navigation::Unasked {
            exchange.outcome(ASKED);
            return Ok(self.ask_to_continue(destination, head, &caller.principal));
        }
        let url = Box::pin(self.presign(&grant, context, exchange)).await?;
        Ok(respond::with_cookies(respond::hand_out(url), caller.set_cookie))
    }

    async fn authenticate(
        &self,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Authenticated, Error> {
        let (from_trusted_proxy, client_ip) = (context.from_trusted_proxy, context.client_ip);
        let presented = Presented { headers: &head.headers, from_trusted_proxy, client_ip };
        Ok(self.authenticator.authenticate(&presented).await?)
    }

    /// Turns an error into an answer: a person without a usable session is sent to sign in and comes back.
    async fn recover(
        &self,
        error: Error,
        head: &request::Parts,
        context: &RequestContext,
        exchange: &mut Exchange<'_>,
    ) -> Response<Body> {
        let mut error = error;
        if error.asks_to_sign_in() && context.audience == Audience::Person && head.method == Method::GET {
            match Box::pin(self.send_to_sign_in(&return_to(head), Prompt::Default, head, context)).await {
                Ok(response) => {
                    exchange.outcome("sign-in");
                    return response;
                }
                Err(cause) => error = cause,
            }
        }
        let mut failure = error.failure(head).counting_tries();
        if context.navigation == Navigation::Unasked {
            // What a page of ours tries, a person is taken to have asked for.
            failure = failure.only_asked();
        }
        let opens = exchange.destination().and_then(|name| self.policy.destination(name));
        failure.opens = opens.map(|destination| destination.title().to_owned());
        failure.person = exchange.person().map(str::to_owned);
        if let (NO_SUCH_PATH, Some(name)) = (failure.reason, exchange.destination()) {
            failure.again = Some(format!("/{name}"));
        }
        if failure.status == StatusCode::NOT_FOUND && failure.again.is_none() && context.audience == Audience::Person
            // Who is signed in is told which address they may have meant.
            && let Ok(caller) = self.authenticate(head, context).await
        {
            failure.meant = self.meant(head.uri.path(), &caller.principal, context).map(str::to_owned);
            failure.person.get_or_insert_with(|| caller.principal.user.clone());
        }
        failure.log();
        exchange.outcome(failure.reason);
        respond::failure(&failure, context, &self.pages)
    }
}

/// The exact path and query of a request, to come back to.
fn return_to(head: &request::Parts) -> ReturnTo {
    head.uri.path_and_query().map(|here| ReturnTo::parse(here.as_str())).unwrap_or_default()
}

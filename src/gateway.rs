//! The pipeline: one request in, one answer out.

pub(crate) mod access;
mod ahead;
mod call;
mod context;
mod error;
mod facts;
mod failure;
mod form;
mod host;
mod launch;
mod limit;
mod listed;
mod listing;
mod logout;
mod pages;
mod portal;
mod programs;
mod recover;
mod request_body;
pub(crate) mod respond;
mod route;
pub(crate) mod service;
mod sign_in;
mod start_form;
mod terminal;
mod token_page;
mod tokens;
mod told;
pub(crate) mod try_again;
mod wake;

pub use self::service::sealer;
pub(crate) use self::service::{Gateway, Parts};

use self::access::Exchange;
use self::context::{Audience, Navigation, RequestContext};
use self::error::Error;
use self::launch::DeepLink;
use self::route::{Route, route};
use crate::authn::Authenticated;
use crate::authn::credential::Presented;
use crate::metrics::series::ASKED;
use crate::mlflow;
use crate::server::Body;
use crate::server::peer::Peer;
use crate::telemetry::{self, request_ids::RequestIds};
use hyper::body::Incoming;
use hyper::http::request;
use hyper::{Method, Request, Response, StatusCode};
use std::pin::Pin;
use tokio::time::timeout_at;

impl Gateway {
    /// Answers one request that came from `peer`. Never fails: what goes wrong is an answer too.
    pub(crate) async fn handle(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let ids = RequestIds::of(request.headers());
        telemetry::within(ids, self.serve(request, peer, ids)).await
    }

    async fn serve(&self, request: Request<Incoming>, peer: Peer, ids: RequestIds) -> Response<Body> {
        let (head, body) = request.into_parts();
        let mut context = RequestContext::new(ids, peer, &head.headers, &self.settings);
        let mut exchange = Exchange::begin(&head, peer.address, context.client_ip, &self.metrics);
        let route = route(&head.method, head.uri.path());
        let mut deadline = context.deadline;
        if let Route::Call { path, .. } = route {
            context.audience = Audience::MlflowClient;
            deadline += mlflow::patience(&head.method, path);
        }
        let response = match route {
            Route::Live => exchange.probed(respond::text(StatusCode::OK, "live\n")),
            Route::Ready => exchange.probed(respond::ready(self.readiness.is_ready())),
            route => {
                let answer = self.answer(route, &head, body, &context, &mut exchange);
                match timeout_at(deadline, answer).await.unwrap_or(Err(Error::OutOfTime)) {
                    Ok(response) => response,
                    Err(error) => Box::pin(self.recover(error, &head, &context, &mut exchange)).await,
                }
            }
        };
        exchange.end(respond::finish(response, &ids.request_id, self.settings.public_url.scheme()))
    }

    /// The answer of the route. Each is boxed here and nowhere else: a request has room for its own route, not for the
    /// largest.
    async fn answer(
        &self,
        route: Route<'_>,
        head: &request::Parts,
        body: Incoming,
        context: &RequestContext,
        exchange: &mut Exchange<'_>,
    ) -> Result<Response<Body>, Error> {
        self.check(head, context)?;
        let is_for_programs =
            context.audience == Audience::Program && matches!(route, Route::Portal | Route::WhoAmI);
        let answer: Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>> = match route {
            Route::NotFound | Route::Live | Route::Ready => return Err(Error::NotFound),
            Route::MethodNotAllowed(allow) => return Err(Error::MethodNotAllowed { allow }),
            // A `HEAD` starts nothing, and must not reveal whether a name exists.
            _ if head.method == Method::HEAD => return Ok(respond::text(StatusCode::OK, "")),
            Route::ApiDocument => return Ok(programs::document()),
            Route::ApiDestinations => Box::pin(self.api_destinations(head, context)),
            Route::ApiMint { name } => Box::pin(self.api_mint(head, context, exchange, name)),
            Route::ApiMakeToken => Box::pin(self.api_make_token(head, body, context, exchange)),
            Route::ApiGiveBackToken => Box::pin(self.api_give_back_token(head, context)),
            Route::Logout => Box::pin(self.sign_out(head, body, context)),
            Route::AllowTerminal => Box::pin(self.allow_terminal(head, body, context)),
            Route::ApiTerminal => Box::pin(self.api_terminal(head, body)),
            Route::ChangeTokens => Box::pin(self.change_tokens(head, body, context, exchange)),
            Route::Call { name, path } => Box::pin(self.call(head, body, context, exchange, name, path)),
            Route::Start { name } => Box::pin(self.start(head, body, context, exchange, name)),
            Route::BackChannelLogout => Box::pin(self.back_channel_logout(head, body, context, exchange)),
            _ if context.navigation == Navigation::Not && !is_for_programs => {
                return Err(Error::NotANavigation);
            }
            Route::Destination { name, path } => Box::pin(self.launch(head, context, exchange, name, path)),
            Route::Portal => Box::pin(self.portal(head, context)),
            Route::WhoAmI => Box::pin(self.who_am_i(head, context)),
            Route::Tokens => Box::pin(self.tokens_page(head, context)),
            Route::Terminal => Box::pin(self.ask_about_terminal(head, context)),
            Route::Login => Box::pin(self.begin_sign_in(head, context)),
            Route::Callback => Box::pin(self.finish_sign_in(head, context)),
            Route::AskLogout => Box::pin(self.ask_to_sign_out(head)),
        };
        answer.await
    }

    /// Refuses requests that no route may see.
    fn check(&self, head: &request::Parts, context: &RequestContext) -> Result<(), Error> {
        if head.headers.len() > self.settings.limits.header_fields {
            return Err(Error::TooManyHeaders);
        }
        self.check_host(head)?;
        context.check_addresses()
    }

    /// THE HEART: authenticates, authorizes and mints. Only here and for the API's `POST` is a URL minted and handed
    /// out.
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
        let grant = self.authorize(&caller.principal, destination, link, None, context)?;
        if context.navigation == Navigation::Unasked {
            exchange.outcome(ASKED);
            return Ok(self.ask_to_continue(destination, head, &caller.principal));
        }
        let url = match self.presign(&grant, caller.session.as_ref(), context, exchange).await {
            Err(Error::Presign(error)) if error.is_missing() && grant.new_profile().is_some() => {
                return Err(self.create_profile(&grant, error, context).await);
            }
            minted => minted?,
        };
        Ok(respond::with_cookies(respond::hand_out(url), caller.set_cookie))
    }

    async fn authenticate(
        &self,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Authenticated, Error> {
        let (from_trusted_proxy, client_ip) = (context.from_trusted_proxy, context.client_ip);
        let presented = Presented { headers: &head.headers, from_trusted_proxy, client_ip };
        let authenticated = self.authenticator.authenticate(&presented).await;
        Ok(authenticated.inspect_err(|error| self.note_refused(error, context))?)
    }
}

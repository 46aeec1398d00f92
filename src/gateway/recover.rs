//! From an error to an answer, with the facts known about the person and the requested destination.

use super::access::Exchange;
use super::context::{Audience, Navigation, RequestContext};
use super::error::Error;
use super::facts;
use super::failure::Failure;
use super::respond;
use super::service::Gateway;
use crate::policy::NO_SUCH_PATH;
use crate::server::Body;
use crate::sign_in::Prompt;
use crate::sign_in::return_to::ReturnTo;
use hyper::http::request;
use hyper::{Method, Response, StatusCode};

impl Gateway {
    /// Turns an error into an answer: a person without a usable session is sent to sign in and comes back.
    pub(super) async fn recover(
        &self,
        mut error: Error,
        head: &request::Parts,
        context: &RequestContext,
        exchange: &mut Exchange<'_>,
    ) -> Response<Body> {
        if error.asks_to_sign_in() && context.audience == Audience::Person && head.method == Method::GET {
            let here = head.uri.path_and_query();
            let return_to = here.map(|here| ReturnTo::parse(here.as_str())).unwrap_or_default();
            match self.send_to_sign_in(&return_to, Prompt::Default, head, context).await {
                Ok(response) => {
                    exchange.outcome("sign-in");
                    return response;
                }
                Err(cause) => error = cause,
            }
        }
        let failure = self.assemble(error, head, context, exchange).await;
        failure.log();
        exchange.outcome(failure.reason);
        respond::failure(&failure, context, &self.pages)
    }

    /// The error, with the facts known about the person and the requested destination.
    async fn assemble(
        &self,
        error: Error,
        head: &request::Parts,
        context: &RequestContext,
        exchange: &Exchange<'_>,
    ) -> Failure {
        let mut failure = error.failure(head).counting_tries();
        if context.audience == Audience::MlflowClient && failure.status == StatusCode::UNAUTHORIZED {
            failure = failure.advise(match self.run_tokens {
                Some(_) => {
                    "Set `MLFLOW_TRACKING_TOKEN` to a token that is valid now, such as one of this gateway's page `/-/tokens`; the client reads it anew at each call."
                }
                None => {
                    "Set `MLFLOW_TRACKING_TOKEN` to a token that is valid now; the client reads it anew at each call."
                }
            });
        }
        if context.navigation == Navigation::Unasked {
            // Its automatic try would count as asked for by a person.
            failure = failure.only_asked();
        }
        let opens = exchange.destination().and_then(|name| self.policy.destination(name));
        failure.opens = opens.map(|destination| destination.title().to_owned());
        failure.person = exchange.person().map(|person| person.user.clone());
        // Only a page shows them.
        if context.audience == Audience::Person
            && let (Some(person), Some(destination), Some(trace)) = (exchange.person(), opens, &failure.trace)
        {
            let asks = |variable: &str| self.policy.asks(destination, trace.len(), variable);
            failure.facts = facts::of(asks, person, context.client_ip, &self.policy.reads().groups);
        }
        if let (Some(state), Some(destination)) = (failure.state.take(), opens) {
            self.offer_start(&mut failure, &state, destination, head, context).await;
        }
        if let (NO_SUCH_PATH, Some(name)) = (failure.reason, exchange.destination()) {
            failure.again = Some(format!("/{name}"));
        }
        let may_be_mistyped = failure.status == StatusCode::NOT_FOUND && failure.again.is_none();
        let is_of_form = matches!(failure.reason, "foreign-form" | "method-not-allowed" | "not-a-navigation");
        // A signed-in person sees their name, the way out and the address that was probably meant.
        if (may_be_mistyped || is_of_form)
            && context.audience == Audience::Person
            && let Ok(caller) = self.authenticate(head, context).await
        {
            if may_be_mistyped {
                failure.meant = self.meant(head.uri.path(), &caller.principal, context).map(str::to_owned);
            }
            failure.person.get_or_insert_with(|| caller.principal.user.clone());
        }
        failure
    }
}

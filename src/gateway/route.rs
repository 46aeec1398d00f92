//! The one place that maps paths to routes. Links to our own pages, and addresses for providers and balancers, are
//! written where they are used.

use crate::mlflow::{METHODS, is_for_clients};
use crate::policy::is_destination_name;
use crate::policy::link::divided;
use hyper::Method;

/// The purpose of a request. Routing reads the path exactly as it came, without decoding, joining or normalising it, so that
/// routing and authorisation cannot see two different paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Portal,
    Destination {
        name: &'a str,
        /// The raw path below the destination, without its leading slash.
        path: Option<&'a str>,
    },
    /// A request of MLflow's client below a destination.
    Call {
        name: &'a str,
        /// The raw path below the destination, without its leading slash.
        path: &'a str,
    },
    Login,
    Callback,
    AskLogout,
    Logout,
    BackChannelLogout,
    WhoAmI,
    /// The document that describes the API.
    ApiDocument,
    ApiDestinations,
    ApiMint {
        name: &'a str,
    },
    /// Starts the target of a destination.
    Start {
        name: &'a str,
    },
    /// The page of a person's run tokens.
    Tokens,
    /// Its form.
    ChangeTokens,
    /// The page that asks whether a terminal may act for its reader.
    Terminal,
    /// Its form.
    AllowTerminal,
    /// Trades the code of an allowed terminal for its token.
    ApiTerminal,
    /// Makes a run token.
    ApiMakeToken,
    /// Takes back the run token that is presented.
    ApiGiveBackToken,
    Live,
    Ready,
    /// The path exists, but not for this method; the methods it has, for `Allow` (RFC 9110, section 10.2.1).
    MethodNotAllowed(&'static str),
    NotFound,
}

const READ: &str = "GET, HEAD";

/// `HEAD` routes like `GET`; the gateway answers it before the route does anything.
pub(crate) fn route<'a>(method: &Method, path: &'a str) -> Route<'a> {
    let found = match path {
        "/" => (Route::Portal, READ),
        "/-/login" => (Route::Login, READ),
        "/-/callback" => (Route::Callback, READ),
        "/-/logout" if method == Method::POST => return Route::Logout,
        "/-/logout" => (Route::AskLogout, "GET, HEAD, POST"),
        "/-/backchannel-logout" if method == Method::POST => return Route::BackChannelLogout,
        "/-/backchannel-logout" => return Route::MethodNotAllowed("POST"),
        "/-/whoami" => (Route::WhoAmI, READ),
        "/-/tokens" if method == Method::POST => return Route::ChangeTokens,
        "/-/tokens" => (Route::Tokens, "GET, HEAD, POST"),
        "/-/live" => (Route::Live, READ),
        "/-/ready" => (Route::Ready, READ),
        "/-/api/openapi.json" => (Route::ApiDocument, READ),
        "/-/api/destinations" => (Route::ApiDestinations, READ),
        _ if let Some(name) = start_name(path) => {
            let is_post = method == Method::POST;
            return if is_post { Route::Start { name } } else { Route::MethodNotAllowed("POST") };
        }
        "/-/terminal" if method == Method::POST => return Route::AllowTerminal,
        "/-/terminal" => (Route::Terminal, "GET, HEAD, POST"),
        "/-/api/terminal" if method == Method::POST => return Route::ApiTerminal,
        "/-/api/terminal" => return Route::MethodNotAllowed("POST"),
        "/-/api/tokens" if method == Method::POST => return Route::ApiMakeToken,
        "/-/api/tokens" => return Route::MethodNotAllowed("POST"),
        "/-/api/tokens/current" if method == Method::DELETE => return Route::ApiGiveBackToken,
        "/-/api/tokens/current" => return Route::MethodNotAllowed("DELETE"),
        _ => match (mint_name(path), destination(path)) {
            (None, Some(Route::Destination { name, path: Some(path) })) if is_for_clients(path) => {
                let is_known = METHODS.split(", ").any(|known| method == known);
                return if is_known { Route::Call { name, path } } else { Route::MethodNotAllowed(METHODS) };
            }
            (Some(name), _) if method == Method::POST => return Route::ApiMint { name },
            (Some(_), _) => return Route::MethodNotAllowed("POST"),
            (None, Some(found)) => (found, READ),
            (None, None) => return Route::NotFound,
        },
    };
    if *method == Method::GET || *method == Method::HEAD { found.0 } else { Route::MethodNotAllowed(found.1) }
}

/// NAME of `/-/api/destinations/NAME/url`.
fn mint_name(path: &str) -> Option<&str> {
    let name = path.strip_prefix("/-/api/destinations/")?.strip_suffix("/url")?;
    is_destination_name(name).then_some(name)
}

/// NAME of `/-/start/NAME`.
fn start_name(path: &str) -> Option<&str> {
    path.strip_prefix("/-/start/").filter(|name| is_destination_name(name))
}

fn destination(path: &str) -> Option<Route<'_>> {
    let (name, path) = divided(path.strip_prefix('/')?);
    is_destination_name(name).then_some(Route::Destination { name, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Route<'_> {
        route(&Method::GET, path)
    }

    #[test]
    fn destinations_are_first_segments() {
        assert_eq!(get("/studio"), Route::Destination { name: "studio", path: None });
        assert_eq!(get("/studio/"), Route::Destination { name: "studio", path: None });
        assert_eq!(get("/studio/lab/a%2Fb"), Route::Destination { name: "studio", path: Some("lab/a%2Fb") });
    }

    #[test]
    fn clients_of_mlflow_are_told_from_visits() {
        let call = |path| Route::Call { name: "risk", path };
        assert_eq!(get("/risk/api/2.0/mlflow/runs/get"), call("api/2.0/mlflow/runs/get"));
        assert_eq!(get("/risk//api/2.0/x"), call("/api/2.0/x"));
        assert_eq!(get("/risk/%61pi/2.0/x"), call("%61pi/2.0/x"));
        assert_eq!(route(&Method::DELETE, "/risk/api/2.0/x"), call("api/2.0/x"));
        assert_eq!(route(&Method::HEAD, "/risk/version"), Route::MethodNotAllowed(METHODS));
        assert_eq!(
            get("/risk/experiments/1"),
            Route::Destination { name: "risk", path: Some("experiments/1") }
        );
        assert_eq!(route(&Method::POST, "/risk/ajax-api/2.0/x"), Route::MethodNotAllowed("GET, HEAD"));
    }

    #[test]
    fn look_alikes_are_not_found() {
        for path in [
            "//studio",
            "/Studio",
            "/stu%64io",
            "/-studio",
            "/-",
            "/-/",
            "/-/live/",
            "/-/live/../studio",
            "/-/live;x",
            "/-/live%2f..%2fstudio",
            "/metrics/",
            "",
            "*",
            "studio",
            "/-/api/destinations/-x/url",
            "/studio//",
        ] {
            let found = get(path);
            let is_safe = found == Route::NotFound
                || found == Route::Destination { name: "metrics", path: None }
                || found == Route::Destination { name: "studio", path: Some("/") };
            assert!(is_safe, "{path}: {found:?}");
        }
    }

    #[test]
    fn methods_are_told() {
        assert_eq!(route(&Method::POST, "/studio"), Route::MethodNotAllowed("GET, HEAD"));
        assert_eq!(get("/-/api/destinations/studio/url"), Route::MethodNotAllowed("POST"));
        assert_eq!(get("/-/start/archive"), Route::MethodNotAllowed("POST"));
        assert_eq!(route(&Method::POST, "/-/start/archive"), Route::Start { name: "archive" });
        assert_eq!(route(&Method::POST, "/-/start/archive/x"), Route::NotFound);
        assert_eq!(get("/-/logout"), Route::AskLogout);
        assert_eq!(route(&Method::POST, "/-/logout"), Route::Logout);
        assert_eq!(route(&Method::DELETE, "/-/logout"), Route::MethodNotAllowed("GET, HEAD, POST"));
        assert_eq!(route(&Method::POST, "/-/backchannel-logout"), Route::BackChannelLogout);
        assert_eq!(get("/-/backchannel-logout"), Route::MethodNotAllowed("POST"));
        assert_eq!(route(&Method::POST, "/-/api/destinations/studio/url"), Route::ApiMint { name: "studio" });
    }
}

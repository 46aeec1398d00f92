//! What the fuzzer runs, and the tests replay: for each place where a stranger's bytes are read, a function that says
//! what must hold whatever they are. It panics where that does not hold.

mod callback_query;
mod cel;
mod cookie;
mod jwks;
mod marks;
mod paths;
mod policy;
mod redirect_path;
mod token;
pub(crate) mod vectors;
mod yaml;

/// One place, by the name of its folder in `seeds` and `regressions`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub name: &'static str,
    pub check: fn(&[u8]),
}

/// The places that decide who somebody is come first.
pub(crate) const TARGETS: [Target; 8] = [
    Target { name: "token", check: token::check },
    Target { name: "redirect_path", check: redirect_path::check },
    Target { name: "callback_query", check: callback_query::check },
    Target { name: "cookie", check: cookie::check },
    Target { name: "jwks", check: jwks::check },
    Target { name: "paths", check: paths::check },
    Target { name: "cel", check: cel::check },
    Target { name: "yaml", check: yaml::check },
];

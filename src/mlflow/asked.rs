//! The endpoint and access of a call, by its method and its raw path: nothing is decoded, joined or normalised, and a
//! path that two parsers could read differently is refused.

use super::endpoints::{
    ADMINISTRATIVE, ANY_ADMINISTRATIVE, Needs, PERMISSIONS, PREFIXES, Row, TABLE, UNLISTED,
};
use super::error::CallError;
use super::places::LONGEST_TRANSFER;
use crate::target::Access;
use hyper::Method;
use percent_encoding::percent_decode_str;
use std::time::Duration;

/// The methods that MLflow's API knows, for `Allow`.
pub const METHODS: &str = "GET, POST, PUT, PATCH, DELETE";

/// A call that may be judged.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub(crate) needs: Needs,
    /// The row's path, for the audit trail and `explain`: it names no resources.
    pub(crate) endpoint: &'static str,
    /// As it came, without a leading slash.
    pub(crate) path: &'a str,
}

impl<'a> Asked<'a> {
    /// `path` is the raw path below the destination.
    ///
    /// # Errors
    ///
    /// The path can be read in two ways, or there is no such endpoint.
    pub fn read(method: &Method, path: &'a str) -> Result<Self, CallError> {
        judge(path)?;
        // An exact row comes before one with gaps.
        let exact = TABLE.iter().find(|(known, template, _)| method == known && *template == path);
        let listed = exact
            .or_else(|| TABLE.iter().find(|(known, template, _)| method == known && matches(template, path)));
        let of_mlflow = PREFIXES.iter().find_map(|prefix| path.strip_prefix(prefix));
        let is_of_mlflow = of_mlflow.is_some();
        let first = of_mlflow.and_then(|below| below.split('/').next());
        let changes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method);
        let (_, endpoint, needs): Row = if first.is_some_and(|first| ADMINISTRATIVE.contains(&first)) {
            ANY_ADMINISTRATIVE
        } else if let Some(row) = listed {
            *row
        } else if is_of_mlflow && path.split('/').any(|segment| segment == PERMISSIONS) {
            ANY_ADMINISTRATIVE
        } else if path.contains('%') {
            // In the table, only names have escapes. Elsewhere it is unknown how MLflow would read them.
            return Err(CallError::Ambiguous("an escaped character outside of a name"));
        } else if changes && is_of_mlflow {
            UNLISTED
        } else {
            return Err(CallError::NoSuchEndpoint);
        };
        Ok(Self { needs, endpoint, path })
    }

    /// `has_artifacts`: whether files are carried.
    ///
    /// # Errors
    ///
    /// A person with this access may not make the call.
    pub fn admit(&self, has: Access, has_artifacts: bool) -> Result<(), CallError> {
        let needs = self.access().ok_or(CallError::Administrative)?;
        if needs > has {
            return Err(CallError::TooLittleAccess { needs, has });
        }
        match self.needs {
            Needs::Artifacts(_) | Needs::Parts(_) if !has_artifacts => Err(CallError::ArtifactsOff),
            Needs::Parts(_) => Err(CallError::MultipartOff),
            _ => Ok(()),
        }
    }

    /// The class that the call needs; `None` if no class suffices.
    pub fn access(&self) -> Option<Access> {
        match self.needs {
            Needs::Access(access) | Needs::Artifacts(access) | Needs::Parts(access) => Some(access),
            Needs::Known => Some(Access::Read),
            Needs::Nobody => None,
        }
    }

    pub fn endpoint(&self) -> &'static str {
        self.endpoint
    }
}

/// The paths of files, below the destination.
pub(super) const FILES: &str = "api/2.0/mlflow-artifacts/artifacts";

/// The time that a call may take beyond that of other requests: an upload takes as long as its bytes come.
pub fn patience(method: &Method, path: &str) -> Duration {
    let is_upload = method == Method::PUT && path.starts_with(FILES);
    if is_upload { LONGEST_TRANSFER } else { Duration::ZERO }
}

/// Whether a path below a destination is for MLflow's client and not a page. A path that only looks like a client's
/// after decoding counts as one, so that it is refused as such.
pub fn is_for_clients(path: &str) -> bool {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split(['/', '\\']).map(|segment| segment.split(';').next().unwrap_or_default()) {
        match segment {
            "" | "." => {}
            ".." => _ = segments.pop(),
            segment => segments.push(segment),
        }
    }
    match segments.as_slice() {
        ["api", _, ..] | ["v1", "traces" | "metrics", ..] => true,
        [only] => matches!(*only, "version" | "health"),
        _ => false,
    }
}

/// # Errors
///
/// The part of the path that two parsers could read differently.
fn judge(path: &str) -> Result<(), CallError> {
    let mut rest = path;
    while let Some((_, escape)) = rest.split_once('%') {
        let byte = escape.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(b'/' | b'\\') => return Err(CallError::Ambiguous("an escaped slash")),
            Some(b';' | b'?' | b'#') => return Err(CallError::Ambiguous("an escaped delimiter")),
            Some(0..=0x1f | 0x7f) => return Err(CallError::Ambiguous("an escaped control character")),
            Some(_) => {}
            None => return Err(CallError::Ambiguous("a `%` without two digits")),
        }
        rest = escape;
    }
    if path.contains([';', '\\']) {
        return Err(CallError::Ambiguous("a `;` or a `\\`"));
    }
    for segment in path.split('/') {
        let decoded = percent_decode_str(segment).decode_utf8();
        match decoded.as_deref() {
            Ok("") => return Err(CallError::Ambiguous("an empty segment")),
            Ok("." | "..") => return Err(CallError::Ambiguous("a segment of dots")),
            Ok(_) => {}
            Err(_) => return Err(CallError::Ambiguous("an escape that is not UTF-8")),
        }
    }
    Ok(())
}

fn matches(template: &str, path: &str) -> bool {
    let (mut wanted, mut found) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) | (Some("{*}"), Some(_)) => return true,
            (Some("{}"), Some(_)) => {}
            (Some(wanted), Some(found)) if wanted == found => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, path: &str) -> Result<(&'static str, Option<Access>), CallError> {
        let method: Method = method.parse().unwrap();
        Asked::read(&method, path).map(|asked| (asked.endpoint, asked.access()))
    }

    #[test]
    fn every_row_is_found_by_its_own_path() {
        for (method, template, needs) in TABLE {
            let path = template.replace("{*}", "a/b%20c").replace("{}", "tr-1");
            let asked = Asked::read(&method.parse().unwrap(), &path).unwrap();
            assert_eq!((asked.endpoint, asked.needs), (*template, *needs), "{method} {template}");
        }
    }

    #[test]
    fn no_row_stands_twice_and_none_is_an_administrators() {
        for (index, (method, template, needs)) in TABLE.iter().enumerate() {
            let twice = TABLE[index + 1..].iter().any(|(other, path, _)| (other, path) == (method, template));
            assert!(!twice, "{method} {template}");
            assert_ne!(*needs, Needs::Nobody, "{method} {template}");
        }
    }

    #[test]
    fn what_is_not_listed_needs_write_or_is_not_there() {
        let write = Ok(("(unlisted)", Some(Access::Write)));
        assert_eq!(read("POST", "api/2.0/mlflow/runs/erase-everything"), write);
        assert_eq!(read("PUT", "api/3.0/mlflow/new/thing"), write);
        assert_eq!(read("DELETE", "api/2.0/mlflow/runs/get"), write);
        for (method, path) in [
            ("GET", "api/2.0/mlflow/runs/erase-everything"),
            ("GET", "api/2.0/mlflow/runs/delete"),
            ("POST", "api/4.0/mlflow/runs/create"),
            ("POST", "api/2.0/other"),
            ("POST", "v1/metrics"),
            ("POST", "version"),
        ] {
            assert_eq!(read(method, path), Err(CallError::NoSuchEndpoint), "{method} {path}");
        }
    }

    #[test]
    fn nobody_is_an_administrator() {
        for path in [
            "api/2.0/mlflow/webhooks",
            "api/3.0/mlflow/webhooks/1",
            "api/2.0/mlflow/mcp-servers",
            "api/2.0/mlflow/webhooks/1/test",
            "api/3.0/mlflow/gateway/secrets/create",
            "api/3.0/mlflow/workspaces/one",
            "api/2.0/mlflow/users/create",
            "api/2.0/mlflow/experiments/permissions/create",
        ] {
            for method in ["GET", "POST", "PATCH", "DELETE"] {
                assert_eq!(read(method, path), Ok(("(administrative)", None)), "{method} {path}");
            }
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for path in [
            "api/2.0/mlflow/runs%2fdelete",
            "api/2.0/mlflow/runs%2Fdelete",
            "api/2.0/mlflow/runs%5cdelete",
            "api/2.0/mlflow/logged-models/..",
            "api/2.0/mlflow/logged-models/%2e%2e",
            "api/2.0/mlflow/logged-models/%2E",
            "api/2.0/mlflow//runs/get",
            "/api/2.0/mlflow/runs/get",
            "api/2.0/mlflow/runs/get/",
            "api/2.0/mlflow/runs/get;x=1",
            "api/2.0/mlflow/logged-models/a%3bb",
            "api/2.0/mlflow/logged-models/a%00",
            "api/2.0/mlflow/logged-models/a%0d%0ab",
            "api/2.0/mlflow/logged-models/a%ff",
            "api/2.0/mlflow/logged-models/a%",
            "api/2.0/mlflow/logged-models/a%zz",
            "api/2.0/mlflow/logged-models/a%3fb",
            "%61pi/2.0/mlflow/runs/get",
            "api/2.0/mlflow/runs/%64elete",
            "api/3.0/mlflow/gateway%20/secrets",
        ] {
            for method in ["GET", "POST", "DELETE"] {
                let refused = read(method, path);
                assert!(matches!(refused, Err(CallError::Ambiguous(_))), "{method} {path}: {refused:?}");
            }
        }
    }

    #[test]
    fn the_clients_paths_are_told_from_pages() {
        for path in [
            "api/2.0/mlflow/runs/get",
            "/api/2.0",
            "%61pi/2.0/x",
            "x/../api/2.0/x",
            "api%2f2.0/x",
            "./api/2.0",
            "api;x/2.0/y",
            "v1/traces",
            "version",
            "health",
        ] {
            assert!(is_for_clients(path), "{path}");
        }
        for path in
            ["experiments/1", "lab/tree/api/x", "api", "versions", "version/x", "v1", "ajax-api/2.0/x"]
        {
            assert!(!is_for_clients(path), "{path}");
        }
    }
}

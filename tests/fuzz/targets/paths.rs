//! Deep links: what is allowed lies below the place that was granted, for whoever reads it, and only what a glob names.

use super::cookie::person;
use super::policy::{allow, compiled, destination, written_target};
use percent_encoding::percent_decode_str;
use postern::config::located::At;
use postern::policy::{Policy, Question, Refusal};
use postern::target::{
    self, DOMAIN_ID, Kind, LANDING_URI, LandingUri, TRACKING_SERVER_NAME, USER_PROFILE_NAME,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex};
use url::Url;

const START: &str = "app:JupyterLab:lab";
const LONGEST_PATH: usize = 512;
const LONGEST_LANDING_URI: usize = 1023;
const LONGEST_FRAGMENT: usize = 1920;
const MOST_REMEMBERED: usize = 500;

/// The policy, or what is wrong with its globs.
type Compiled = Result<Policy, Vec<String>>;

/// The lines are a path, a query and then the globs.
pub(super) fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.split('\n');
    let (path, query) = (lines.next().unwrap_or_default(), lines.next());
    let globs: Vec<&str> = lines.take(8).collect();
    _ = LandingUri::parse(path).map(|start| stays_below(start.as_str()));
    match &*remembered(&globs) {
        Ok(policy) if globs.is_empty() => nothing_is_below(policy, path),
        Ok(policy) => judged(policy, &globs, path, query),
        Err(faults) => assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.is_empty())),
    }
}

/// Compiling takes a hundred times as long as judging.
fn remembered(globs: &[&str]) -> Arc<Compiled> {
    static POLICIES: Mutex<BTreeMap<Vec<String>, Arc<Compiled>>> = Mutex::new(BTreeMap::new());
    let mut policies = POLICIES.lock().unwrap();
    if policies.len() > MOST_REMEMBERED {
        policies.clear();
    }
    let written = globs.iter().map(|glob| (*glob).to_owned()).collect();
    Arc::clone(policies.entry(written).or_insert_with(|| Arc::new(policy(globs))))
}

fn policy(globs: &[&str]) -> Compiled {
    let studio = [(DOMAIN_ID, "d-abc"), (USER_PROFILE_NAME, "ada"), (LANDING_URI, START)];
    let studio = written_target(Kind::StudioDomain, &studio);
    let mlflow = written_target(Kind::MlflowTrackingServer, &[(TRACKING_SERVER_NAME, "server")]);
    let written: Vec<At<String>> = globs.iter().map(|glob| (*glob).to_owned().into()).collect();
    let destinations = [("studio", studio), ("mlflow", mlflow)].map(|(name, target)| {
        let (name, mut destination) = destination(target, name, vec![allow("all", "true")]);
        destination.paths.clone_from(&written);
        (name, destination)
    });
    let compiled = compiled(destinations.into());
    compiled.map_err(|faults| faults.into_iter().map(|fault| fault.message).collect())
}

fn opened(policy: &Policy, name: &str, path: &str, query: Option<&str>) -> Option<target::Mint> {
    static ADA: LazyLock<Arc<postern::provider::principal::Principal>> =
        LazyLock::new(|| Arc::new(person("ada")));
    let question = Question { principal: &ADA, client_ip: None, path: Some(path), query };
    match policy.authorize(policy.destination(name).unwrap(), &question) {
        Ok(grant) => Some(grant.mint().clone()),
        Err(Refusal::NoSuchPath(_)) => None,
        Err(refusal) => panic!("the rule allows everything: {refusal:?}"),
    }
}

fn nothing_is_below(policy: &Policy, path: &str) {
    assert!(opened(policy, "studio", path, None).is_none() && opened(policy, "mlflow", path, None).is_none());
}

fn judged(policy: &Policy, globs: &[&str], path: &str, query: Option<&str>) {
    let allowed = path.len() <= LONGEST_PATH
        && path.split('/').all(is_a_name)
        && globs.iter().any(|glob| matches(&segments(glob), &segments(path)));
    match opened(policy, "studio", path, None) {
        Some(mint) => {
            let landing_uri = mint.target.text(LANDING_URI).unwrap();
            assert!(allowed, "{path:?} fits none of {globs:?}");
            let below = landing_uri.strip_prefix(START).and_then(|rest| rest.strip_prefix('/')).unwrap();
            assert_eq!(
                percent_decode_str(below).decode_utf8().unwrap(),
                path,
                "what opens is what was asked for"
            );
            stays_below(landing_uri);
        }
        None => assert!(
            !allowed || START.len() + 1 + 3 * path.len() > LONGEST_LANDING_URI,
            "{path:?} fits {globs:?}"
        ),
    }
    match opened(policy, "mlflow", path, query) {
        Some(mint) => {
            assert!(allowed, "{path:?} fits none of {globs:?}");
            let fragment = mint.fragment.expect("a deep link of MLflow is a fragment");
            names_a_page(fragment.as_str(), path, query);
        }
        None => {
            let length = 2 + 3 * (path.len() + query.map_or(0, str::len));
            let has_query = query.is_some_and(|query| !query.is_empty());
            assert!(!allowed || has_query || length > LONGEST_FRAGMENT, "{path:?} fits {globs:?}");
        }
    }
}

/// The page's path decodes to the path, its query is the one that was asked for, and a URL carries both as they are.
fn names_a_page(fragment: &str, path: &str, query: Option<&str>) {
    let (page, stated) =
        fragment.split_once('?').map_or((fragment, None), |(page, query)| (page, Some(query)));
    assert_eq!(percent_decode_str(page.strip_prefix('/').unwrap()).decode_utf8().unwrap(), path);
    assert_eq!(stated.is_some(), query.is_some_and(|query| !query.is_empty()));
    assert!(
        fragment.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#' && byte != b'\\'),
        "{fragment:?}"
    );
    let mut url = Url::parse("https://mlflow.example/auth?authToken=secret").unwrap();
    url.set_fragment(Some(fragment));
    assert_eq!(url.as_str(), format!("https://mlflow.example/auth?authToken=secret#{fragment}"));
}

/// A landing URI leads nowhere else, however often it is decoded.
fn stays_below(landing_uri: &str) {
    let (app, path) = landing_uri.rsplit_once(':').map_or(("", landing_uri), |_| {
        let at = landing_uri.match_indices(':').nth(1).expect("two colons").0;
        landing_uri.split_at(at + 1)
    });
    assert!(app == "studio::" || app.starts_with("app:"), "{landing_uri:?}");
    assert!(landing_uri.len() <= LONGEST_LANDING_URI);
    assert!(!path.starts_with('/') && !path.contains(['\\', '#']), "{landing_uri:?}");
    let once = String::from_utf8_lossy(&percent_decode_str(path).collect::<Vec<u8>>()).into_owned();
    for read in [path, once.as_str()] {
        assert!(read.split('/').all(|segment| segment != ".." && segment != "."), "{landing_uri:?}");
    }
    let resolved = Url::parse("https://studio.example/a/b/").unwrap().join(&format!("./{path}")).unwrap();
    assert!(resolved.path().starts_with("/a/b/"), "{landing_uri:?} leads to {resolved}");
}

/// Whether a segment is a name, also after another round of decoding.
fn is_a_name(segment: &str) -> bool {
    let is_plain = |text: &str| {
        let odd = |character: char| {
            character.is_control()
                || "\\#?".contains(character)
                || (character.is_whitespace() && character != ' ')
        };
        !matches!(text, "" | "." | "..") && !text.contains(odd)
    };
    let bytes = segment.as_bytes();
    let escapes = (0..bytes.len()).filter(|at| bytes[*at] == b'%').filter_map(|at| {
        let digits = segment.get(at + 1..at + 3)?;
        u8::from_str_radix(digits, 16).ok()
    });
    let hides = |byte: u8| byte < 0x20 || byte == 0x7f || b"./\\#?%:".contains(&byte);
    is_plain(segment) && !escapes.into_iter().any(hides)
}

fn segments(text: &str) -> Vec<&str> {
    text.split('/').collect()
}

/// The plainest reading of a glob: after each of its segments, how many of the path's can be behind us.
fn matches(glob: &[&str], path: &[&str]) -> bool {
    let reached = glob.iter().enumerate().fold(BTreeSet::from([0]), |reached, (index, segment)| {
        let is_last = index + 1 == glob.len();
        reached.into_iter().fold(BTreeSet::new(), |mut next, at| {
            match *segment {
                "**" => next.extend(at + usize::from(is_last)..=path.len()),
                segment => next.extend(path.get(at).filter(|name| within(segment, name)).map(|_| at + 1)),
            }
            next
        })
    });
    reached.contains(&path.len())
}

fn within(glob: &str, segment: &str) -> bool {
    let segment: Vec<char> = segment.chars().collect();
    let reached = glob.chars().fold(BTreeSet::from([0]), |reached, character| match character {
        '*' => (reached.into_iter().min().unwrap_or(usize::MAX)..=segment.len()).collect(),
        _ => reached.into_iter().filter(|at| segment.get(*at) == Some(&character)).map(|at| at + 1).collect(),
    });
    reached.contains(&segment.len())
}

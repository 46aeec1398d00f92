//! Deep links: what is allowed below a destination, and what never is.

use super::{AROUND, person};
use percent_encoding::percent_decode_str;
use postern::policy::Refusal;
use postern::target::{LANDING_URI, LandingUri};
use proptest::prelude::*;
use serde_json::json;

fn yaml(landing_uri: &str, globs: &[&str]) -> String {
    let (landing_uri, globs) = (json!(landing_uri), json!(globs));
    format!(
        "destinations: {{studio: {{paths: {globs}, rules: [{{name: staff, allow: \"'staff' in groups\"}}], \
         target: {{studio_domain: {{domain_id: d-abc, user_profile_name: ada, landing_uri: {landing_uri}}}}}}}}}"
    )
}

/// Where the path leads: the landing URI, `404` or a denial's reason.
fn leads(globs: &[&str], path: &str) -> String {
    leads_from("app:JupyterLab:", globs, "staff", path)
}

fn leads_from(landing_uri: &str, globs: &[&str], group: &str, path: &str) -> String {
    let policy = AROUND.policy(&yaml(landing_uri, globs));
    let person = person("ada", &[group]);
    match policy.authorize(policy.destination("studio").unwrap(), &person.question(Some(path))) {
        Ok(grant) => grant.mint().target.text(LANDING_URI).unwrap().to_owned(),
        Err(Refusal::NoSuchPath(_)) => "404".to_owned(),
        Err(Refusal::Denied(denial)) => denial.reason.as_str().to_owned(),
    }
}

#[test]
fn a_star_stays_in_its_segment_and_two_cross() {
    let to = |path: &str| format!("app:JupyterLab:{path}");
    for (glob, path) in [
        ("lab/tree/**", "lab/tree/a"),
        ("lab/tree/**", "lab/tree/a/b/c.ipynb"),
        ("lab/tree/*.ipynb", "lab/tree/a.ipynb"),
        ("lab/*/x", "lab/a/x"),
        ("**/x", "x"),
        ("**/x", "a/b/x"),
        ("a/**/x", "a/x"),
        ("a/**/x", "a/b/c/x"),
        ("**", "a/b"),
        ("a.b+c", "a.b+c"),
    ] {
        assert_eq!(leads(&[glob], path), to(path), "{glob}");
    }
    for (path, encoded) in [
        ("lab/tree/Übung.ipynb", "lab/tree/%C3%9Cbung.ipynb"),
        ("lab/tree/100%", "lab/tree/100%25"),
        ("lab/tree/a b", "lab/tree/a%20b"),
        ("lab/tree/a%20b", "lab/tree/a%2520b"),
    ] {
        assert_eq!(leads(&["lab/tree/**"], path), to(encoded), "{path}");
    }
    for (glob, path) in [
        ("lab/tree/**", "lab/tree"),
        ("lab/tree/**", "lab/treex/a"),
        ("lab/tree/**", "x/lab/tree/a"),
        ("lab/tree/*", "lab/tree/a/b"),
        ("lab/*/x", "lab/x"),
        ("a.b", "aXb"),
        ("a/**/x", "a/bx"),
        ("lab/tree/**", "LAB/tree/a"),
    ] {
        assert_eq!(leads(&[glob], path), "404", "{glob} {path}");
    }
    assert_eq!(leads(&["a", "b"], "b"), to("b"));
}

#[test]
fn what_could_leave_the_place_is_not_a_path() {
    for path in [
        "",
        "/",
        "/lab",
        "lab/",
        "lab//x",
        ".",
        "..",
        "lab/../x",
        "lab/./x",
        "a\\b",
        "a\nb",
        "a\0b",
        "a\u{a0}b",
        "a#b",
        "a?b",
        "%2e%2e/x",
        "lab/%2E./x",
        "a%2fb",
        "a%5Cb",
        "a%0ab",
        "a%00",
        "a%23b",
        "a%3Fb",
        "a%252e",
        "a\u{7f}",
        "a%3Ab",
    ] {
        assert_eq!(leads(&["**"], path), "404", "{path:?}");
    }
    assert_ne!(leads(&["**"], &"a".repeat(512)), "404");
    assert_eq!(leads(&["**"], &"a".repeat(513)), "404");
}

#[test]
fn a_path_continues_the_landing_uri() {
    assert_eq!(leads_from("studio::", &["**"], "staff", "jobs/1"), "studio::jobs/1");
    assert_eq!(leads_from("app:JupyterLab:lab", &["**"], "staff", "tree"), "app:JupyterLab:lab/tree");
    assert_eq!(leads_from("app:JupyterLab:lab/", &["**"], "staff", "tree"), "app:JupyterLab:lab/tree");
    let long = format!("studio::{}", "a".repeat(1000));
    assert_eq!(leads_from(&long, &["**"], "staff", &"b".repeat(20)), "404");
}

#[test]
fn who_is_denied_learns_nothing_about_paths() {
    for path in ["lab/tree/x", "nothing"] {
        assert_eq!(leads_from("studio::", &["lab/tree/**"], "others", path), "no-rule");
    }
}

#[test]
fn without_paths_there_is_no_deep_link() {
    assert_eq!(leads(&[], "lab"), "404");
    let policy = AROUND.policy(&super::notebook_with("[{name: all, allow: 'true'}]"));
    let ada = person("ada", &[]);
    let answer = policy.authorize(policy.destination("nb").unwrap(), &ada.question(Some("lab")));
    assert!(matches!(answer, Err(Refusal::NoSuchPath(trace)) if trace.steps.len() == 1));
}

#[test]
fn paths_are_for_mlflow_and_for_studio_with_a_landing_uri() {
    let nb = super::notebook_with("[{name: all, allow: 'true'}]").replace("rules", "paths: [a], rules");
    let fault = "destinations.nb.paths: a notebook_instance takes no deep links: `paths` is for `studio_domain`, \
         `mlflow_tracking_server`, `mlflow_app`";
    assert_eq!(AROUND.faults(&nb), [fault]);
    let partner = nb.replace(
        "notebook_instance: {notebook_instance_name: shared}",
        "partner_app: {arn: 'arn:aws:sagemaker:eu-west-1:111122223333:partner-app/app-COMET0000001'}",
    );
    assert_eq!(AROUND.faults(&partner), [fault.replace("notebook_instance", "partner_app")]);
    let bare = super::studio_with("ada").replace("rules", "paths: [a], rules");
    let fault = "destinations.studio.paths: deep links need a `landing_uri` to be appended to";
    assert_eq!(AROUND.faults(&bare), [fault]);
}

#[test]
fn a_glob_that_can_match_nothing_is_an_error() {
    let fault = |glob: &str| AROUND.faults(&yaml("studio::", &[glob])).join("");
    assert_eq!(fault(""), "destinations.studio.paths[0]: a path has 1 to 256 bytes");
    assert_eq!(
        fault("/lab"),
        "destinations.studio.paths[0]: `/lab` has an empty segment: paths are relative, without `//`"
    );
    assert_eq!(
        fault("lab/"),
        "destinations.studio.paths[0]: `lab/` has an empty segment: paths are relative, without `//`"
    );
    assert_eq!(fault("a**"), "destinations.studio.paths[0]: `**` in `a**` must be a segment of its own");
    assert_eq!(
        fault("a/../b"),
        "destinations.studio.paths[0]: `a/../b` can never match: no allowed path has such a segment"
    );
    assert!(fault("a?b").contains("can never match"));
    assert!(fault(&"a".repeat(257)).contains("1 to 256 bytes"));
    assert_eq!(fault(&"a".repeat(256)), "");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 100, ..ProptestConfig::default() })]

    /// Whatever is asked, what is granted is a legal landing URI below the destination's own.
    #[test]
    fn a_granted_path_stays_below(path in prop_oneof!["[a./%2eE\\\\?# ]{0,12}", "\\PC{0,20}", any::<String>()]) {
        let led = leads(&["**"], &path);
        if led != "404" {
            prop_assert_eq!(percent_decode_str(&led).decode_utf8().unwrap(), format!("app:JupyterLab:{path}"));
            prop_assert!(LandingUri::parse(&led).is_ok());
            prop_assert!(!path.split('/').any(|segment| matches!(segment, "" | "." | "..")));
        }
    }
}

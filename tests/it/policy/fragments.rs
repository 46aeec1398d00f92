//! Deep links into MLflow: the path below a destination becomes the fragment of its URL, and only ever that.

use super::{AROUND, person};
use postern::policy::{Question, Refusal};
use postern::target::{Fragment, Mint};
use proptest::prelude::*;
use serde_json::json;
use url::Url;

const SERVER: &str = "{mlflow_tracking_server: {tracking_server_name: risk}}";
const APP: &str = "{mlflow_app: {arn: 'arn:aws:sagemaker:eu-west-1:111122223333:mlflow-app/app-1'}}";

fn yaml(target: &str, globs: &[&str]) -> String {
    let globs = json!(globs);
    format!(
        "destinations: {{mlflow: {{paths: {globs}, target: {target}, \
         rules: [{{name: staff, allow: \"'staff' in groups\"}}]}}}}"
    )
}

fn granted(target: &str, globs: &[&str], path: Option<&str>, query: Option<&str>) -> Option<Mint> {
    let policy = AROUND.policy(&yaml(target, globs));
    let person = person("ada", &["staff"]);
    let question = Question { query, ..person.question(path) };
    match policy.authorize(policy.destination("mlflow").unwrap(), &question) {
        Ok(grant) => Some(grant.mint().clone()),
        Err(Refusal::NoSuchPath(_)) => None,
        Err(Refusal::Denied(denial)) => panic!("{denial:?}"),
    }
}

/// The fragment of a link that anything may match, or `404`.
fn leads(path: &str, query: Option<&str>) -> String {
    let mint = granted(SERVER, &["**"], Some(path), query);
    mint.map_or("404".to_owned(), |mint| mint.fragment.unwrap().to_string())
}

#[test]
fn the_pages_of_mlflow_have_links() {
    for (path, query, fragment) in [
        ("experiments", None, "/experiments"),
        ("experiments/12", None, "/experiments/12"),
        ("experiments/12", Some(""), "/experiments/12"),
        ("experiments/12/runs/0a1b", None, "/experiments/12/runs/0a1b"),
        ("experiments/12/runs/0a1b/model-metrics", None, "/experiments/12/runs/0a1b/model-metrics"),
        (
            "experiments/12/runs/0a1b/artifacts/a b/c.png",
            None,
            "/experiments/12/runs/0a1b/artifacts/a%20b/c.png",
        ),
        ("models/Größe v1", None, "/models/Gr%C3%B6%C3%9Fe%20v1"),
        ("models/fraud:eu@1/versions/3", None, "/models/fraud%3Aeu%401/versions/3"),
        ("models/100%", None, "/models/100%25"),
        ("models/a+b", None, "/models/a%2Bb"),
        ("experiments/12", Some("compareRunsMode=CHART"), "/experiments/12?compareRunsMode=CHART"),
        (
            "experiments/12",
            Some("searchFilter=metrics.rmse%20%3C%201&orderByAsc=true"),
            "/experiments/12?searchFilter=metrics.rmse%20%3C%201&orderByAsc=true",
        ),
        (
            "compare-runs",
            Some("runs=[\"a\",\"b\"]&experiments=[%2212%22]"),
            "/compare-runs?runs=%5B%22a%22,%22b%22%5D&experiments=%5B%2212%22%5D",
        ),
        ("metric", Some("x={}|^`\\<>"), "/metric?x=%7B%7D%7C%5E%60%5C%3C%3E"),
        ("experiments/12", Some("q=a?b/c:d@e"), "/experiments/12?q=a?b/c:d@e"),
        ("experiments/12", Some("q=Ü"), "/experiments/12?q=%C3%9C"),
    ] {
        assert_eq!(leads(path, query), fragment, "{path} {query:?}");
    }
}

#[test]
fn both_kinds_of_mlflow_take_links_and_the_list_decides() {
    for target in [SERVER, APP] {
        let globs = ["experiments/**", "models/*"];
        for (path, found) in [
            ("experiments/1", Some("/experiments/1")),
            ("experiments/1/runs/2", Some("/experiments/1/runs/2")),
            ("models/a", Some("/models/a")),
            ("models/a/versions/1", None),
            ("models", None),
            ("prompts", None),
        ] {
            let mint = granted(target, &globs, Some(path), None);
            assert_eq!(mint.map(|mint| mint.fragment.unwrap().to_string()).as_deref(), found, "{path}");
        }
        assert_eq!(granted(target, &[], Some("experiments/1"), None), None, "no list, no links");
        let bare = granted(target, &globs, None, Some("searchFilter=x")).unwrap();
        assert_eq!(bare.fragment, None, "a query without a page is nothing to open");
    }
}

#[test]
fn what_is_no_page_is_not_found() {
    for path in [
        "",
        "/",
        "/evil.example",
        "//evil.example",
        "experiments/",
        "experiments//1",
        "..",
        "experiments/..",
        "a/../b",
        "a/./b",
        "a\\b",
        "\\\\evil",
        "a#b",
        "a?b",
        "a\r\nb",
        "a\0b",
        "a\u{85}b",
        "a\u{2028}b",
        "%2e%2e",
        "a%2fb",
        "a%5cb",
        "a%23b",
        "a%0d%0ab",
        "a%252fb",
    ] {
        assert_eq!(leads(path, None), "404", "{path:?}");
    }
    for query in ["a=%0d%0aSet-Cookie:x", "a=%00", "a=%7f", "a=%1F", "100%", "%", "%2", "%zz", "%+1", "%é"] {
        assert_eq!(leads("experiments/1", Some(query)), "404", "{query:?}");
    }
    assert_eq!(
        leads("javascript:alert(1)", None),
        "/javascript%3Aalert(1)",
        "a page that MLflow does not have"
    );
    assert_eq!(leads("https:", None), "/https%3A");
}

#[test]
fn the_length_is_bounded() {
    assert_ne!(leads(&"a".repeat(512), None), "404");
    assert_eq!(leads(&"a".repeat(513), None), "404");
    assert_ne!(leads("e", Some(&"a".repeat(1917))), "404");
    assert_eq!(leads("e", Some(&"a".repeat(1918))), "404");
    assert_eq!(leads("e", Some(&"[".repeat(640))), "404", "as it is encoded");
    assert_eq!(leads(&"é".repeat(256), Some(&"a".repeat(400))), "404", "both together");
}

#[test]
fn two_pages_are_two_mints() {
    let [one, same, other, none] = [Some("runs/1"), Some("runs/1"), Some("runs/2"), None]
        .map(|path| granted(SERVER, &["**"], path, None).unwrap());
    assert_eq!(one, same);
    assert_ne!(one, other);
    assert_ne!(one, none);
    assert_ne!(one, granted(SERVER, &["**"], Some("runs/1"), Some("x")).unwrap());
}

#[test]
fn tests_and_explanations_name_the_fragment() {
    let test = |destination: &str, expect: &str| {
        let claims = "claims: {sub: u1}";
        let yaml = format!(
            "{}\ntests: [{{name: it, destination: '{destination}', {claims}, expect: {expect}}}]",
            yaml(SERVER, &["**"])
        );
        let (policy, tests, _) = AROUND.compile(&yaml).unwrap_or_else(|faults| panic!("{faults:#?}"));
        let staff = |_: &str, _: &_| Ok((*person("ada", &["staff"]).principal).clone());
        postern::policy::policy_test::run_tests(&policy, &tests, staff).remove(0).failures
    };
    assert_eq!(test("mlflow/runs/1", "{fragment: /runs/1}"), [""; 0]);
    assert_eq!(test("mlflow/runs/1?a=[/b]", "{fragment: '/runs/1?a=%5B/b%5D'}"), [""; 0]);
    assert_eq!(
        test("mlflow/runs/1", "{fragment: /runs/2}"),
        ["expected `fragment` \"/runs/2\", found \"/runs/1\""]
    );
    assert_eq!(test("mlflow", "{fragment: /runs/2}"), ["expected `fragment` \"/runs/2\", found none"]);
    let studio = super::studio_with("ada");
    let studio = format!(
        "{studio}\ntests: [{{name: it, destination: studio, claims: {{}}, expect: {{fragment: /x}}}}]"
    );
    let faults = AROUND.faults(&studio).join("\n");
    assert!(
        faults.contains("tests[0].expect.fragment: `fragment` is not a field of `studio_domain`"),
        "{faults}"
    );

    let policy = AROUND.policy(&yaml(SERVER, &["**"]));
    let ada = person("ada", &["staff"]);
    let destination = policy.destination("mlflow").unwrap();
    let explained = super::explain(&policy, destination, &ada.question(Some("runs/1")));
    assert_eq!(explained.target["fragment"], "/runs/1");
    assert!(explained.to_string().contains("    fragment: /runs/1\n"), "{explained}");
}

#[test]
fn a_fragment_is_one_by_its_form() {
    for text in ["/", "/a", "/a?b=c", "/%20", "/a/b", "/?", "/a%C3%9F"] {
        assert!(Fragment::parse(text).is_ok(), "{text}");
    }
    for text in [
        "", "a", "//a", "/#", "/a#b", "/ ", "/\n", "/\\", "/é", "/%", "/%2", "/%zz", "/%0a", "/%7F", "/%+1",
        "/\"", "/<", "/[", "/{", "/|", "/^", "/`",
    ] {
        assert!(Fragment::parse(text).is_err(), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    /// Whatever is asked, the URL stays the one that AWS made.
    #[test]
    fn a_fragment_changes_nothing_else(
        path in prop_oneof!["[a./%2eE\\\\?#: ]{0,12}", "\\PC{0,20}", any::<String>()],
        query in prop::option::of(prop_oneof!["[a&=/%20dD#?\\[\\\\ ]{0,12}", any::<String>()]),
    ) {
        let led = leads(&path, query.as_deref());
        if led != "404" {
            let base = "https://t-1.eu-west-1.experiments.sagemaker.aws/auth?authToken=a";
            let mut url = Url::parse(&format!("{base}#{led}")).unwrap();
            prop_assert_eq!(url.fragment(), Some(&*led));
            url.set_fragment(None);
            prop_assert_eq!(url.as_str(), base);
        }
    }
}

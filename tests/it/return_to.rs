//! Where a browser goes after sign-in: never off the gateway's origin, and otherwise exactly where it wanted to go.

use crate::support::elsewhere::vectors;
use postern::sign_in::return_to::ReturnTo;
use serde::Deserialize;
use std::collections::BTreeSet;
use url::{Url, form_urlencoded};

#[test]
fn an_exact_path_and_query_survive() {
    for text in [
        "/",
        "/studio",
        "/studio/lab/tree/a%20b/%E2%82%AC.ipynb?x=1&y=%2F&z",
        "/studio//twice",
        "/studio?next=//evil.example/\"<>'`{}|^",
        "/%2fevil.example",
        "/-/whoami",
        "/-/tokens?destination=experiments",
        "/-/terminal?state=a&redirect_uri=http://127.0.0.1:80/callback",
        "/-/whoami?format=json",
        "/-dash/-/callback",
    ] {
        assert_eq!(ReturnTo::parse(text).as_str(), text);
        let query: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        assert_eq!(ReturnTo::from_query(Some(&format!("a=b&return_to={query}"))).as_str(), text);
    }
}

#[test]
fn anything_else_is_the_default_page() {
    let long = format!("/{}", "a".repeat(2048));
    for text in [
        "",
        "studio",
        "//evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "/\t/evil.example",
        " //evil.example",
        "/ /evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/a#b",
        "/a\r\nSet-Cookie: a=b",
        "/é",
        "/studio/../..//evil.example",
        "/%2E%2e//evil.example",
        "/./studio",
        &long,
    ] {
        assert_eq!(ReturnTo::parse(text), ReturnTo::default(), "{text:?}");
    }
}

#[test]
fn pages_that_begin_or_end_sign_in_are_no_return_targets() {
    for text in [
        "/-/login",
        "/-/login?return_to=/-/login",
        "/-/callback?code=a&state=b",
        "/-/logout",
        "/-/whoami/",
        "/-/api/destinations",
        "/-/",
        "/-",
        "/-?a",
        "/%2d/callback",
        "/%2D/logout",
    ] {
        assert_eq!(ReturnTo::parse(text), ReturnTo::default(), "{text:?}");
    }
}

#[test]
fn several_return_parameters_are_none() {
    assert_eq!(ReturnTo::from_query(Some("return_to=/a&return_to=/a")), ReturnTo::default());
    assert_eq!(ReturnTo::from_query(None), ReturnTo::default());
}

#[derive(Deserialize)]
struct Suite {
    count: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    candidate: String,
    browser_leaves_origin: bool,
    browser_unparsable: bool,
}

/// 820 strings that were used to break out, each with what browsers do with it.
#[test]
fn the_open_redirect_suite_stays_on_the_origin() {
    let Some(path) = vectors("cases/open_redirect_public.json") else { return };
    let suite: Suite = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(suite.cases.len(), suite.count);
    let leaving: BTreeSet<&str> = suite
        .cases
        .iter()
        .filter(|case| case.browser_leaves_origin || case.browser_unparsable)
        .map(|case| case.candidate.as_str())
        .collect();
    let mut survivors = 0;
    for case in &suite.cases {
        let encoded: String = form_urlencoded::byte_serialize(case.candidate.as_bytes()).collect();
        let results = [
            ReturnTo::parse(&case.candidate),
            ReturnTo::from_query(Some(&format!("return_to={encoded}"))),
            ReturnTo::from_query(Some(&format!("return_to={}", case.candidate))),
        ];
        for result in &results {
            assert!(!leaving.contains(result.as_str()), "{:?} led to {:?}", case.candidate, result.as_str());
            for base in [
                "https://gw.example.com/",
                "https://gw.example.com/-/callback?code=a",
                "https://gw.example.com/a/b/",
            ] {
                let landed = Url::parse(base).unwrap().join(result.as_str()).unwrap();
                assert_eq!(
                    landed.origin().ascii_serialization(),
                    "https://gw.example.com",
                    "{:?}",
                    case.candidate
                );
            }
        }
        survivors += usize::from(results[0].as_str() == case.candidate);
    }
    assert!(survivors > 10, "the suite has harmless paths too, and they are kept: {survivors}");
}

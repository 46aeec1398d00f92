//! Claims become a person as the config says, or nobody.

use crate::support::believer::{claims, claims_with, claims_without, issuer_config};
use postern::config::IssuerConfig;
use postern::provider::principal::{Groups, Principal, principal_from_claims};
use serde_json::{Value, json};

fn map(config: &IssuerConfig, claims: &Value) -> Result<Principal, &'static str> {
    principal_from_claims(config, claims.as_object().unwrap()).map_err(|error| error.reason())
}

fn user(config: &IssuerConfig, claims: &Value) -> Result<String, &'static str> {
    map(config, claims).map(|principal| principal.user)
}

fn groups(claims: &Value) -> Result<Option<Vec<String>>, &'static str> {
    Ok(match map(&issuer_config(), claims)?.groups {
        Groups::Known(groups) => Some(groups.iter().map(|group| group.to_string()).collect()),
        Groups::LeftOut => None,
    })
}

#[test]
fn an_address_is_folded_in_ascii_and_of_our_domains() {
    let config = issuer_config();
    let outcome = |address: &str| user(&config, &claims_with("email", address));
    assert_eq!(outcome("Ada.LOVELACE@Corp.EXAMPLE").unwrap(), "ada.lovelace@corp.example");
    for address in
        ["", " ", "ada corp@corp.example", "ada\n@corp.example", "ada@corp.example ", "\tada@corp.example"]
    {
        assert_eq!(outcome(address), Err("user-invalid"), "{address}");
    }
    for address in [
        "ada",
        "@corp.example",
        "ada@",
        "ada@evil.example@corp.example",
        "ada@corp.example@corp.example",
        "ad\u{e1}@corp.example",
        "\u{212a}ate@corp.example",
        "ada@corp.exampl\u{435}",
        "ada\u{200b}@corp.example",
    ] {
        assert_eq!(outcome(address), Err("email-invalid"), "{address}");
    }
    for address in [
        "ada@evil.example",
        "ada@sub.corp.example",
        "ada@corp.example.evil",
        "ada@evilcorp.example",
        "ada@corp.example.",
    ] {
        assert_eq!(outcome(address), Err("email-domain"), "{address}");
    }
    assert_eq!(outcome(&format!("{}@corp.example", "a".repeat(243))), Err("user-invalid"));
}

/// A letter that looks like another makes another address, and no address of ours.
#[test]
fn an_address_with_a_lookalike_names_nobody() {
    let config = issuer_config();
    for found in crate::support::lookalikes::lookalikes() {
        for address in [
            format!("ad{found}@corp.example"),
            format!("ada@corp.ex{found}mple"),
            format!("ada{found}corp.example"),
        ] {
            let outcome = user(&config, &claims_with("email", address.as_str()));
            assert!(matches!(outcome, Err("email-invalid" | "user-invalid")), "{address}: {outcome:?}");
        }
    }
}

#[test]
fn an_address_counts_when_the_issuer_marks_it_verified() {
    let config = issuer_config();
    let mut lenient = issuer_config();
    lenient.unmarked_email = true;
    let marks = [json!(true), json!("true"), json!(false), json!("false"), json!(1), json!(null)];
    let outcome = |config: &IssuerConfig, mark: &Value| {
        user(config, &claims_with("email_verified", mark.clone()))
            .map_or_else(|reason| reason, |_| "accepted")
    };
    let refused = "email-unverified";
    let strict: Vec<_> = marks.iter().map(|mark| outcome(&config, mark)).collect();
    assert_eq!(strict, ["accepted", refused, refused, refused, refused, refused]);
    let unmarked: Vec<_> = marks.iter().map(|mark| outcome(&lenient, mark)).collect();
    assert_eq!(unmarked, ["accepted", "accepted", refused, refused, refused, refused]);
    assert_eq!(user(&config, &claims_without("email_verified")), Err(refused));
    assert!(user(&lenient, &claims_without("email_verified")).is_ok());
}

/// Who chooses their own login name can have their own address verified.
#[test]
fn the_mark_of_one_address_says_nothing_of_a_login_name() {
    let mut config = issuer_config();
    config.claims.user = vec!["preferred_username".to_owned()];
    let outcome = |config: &IssuerConfig, email: Value| {
        let mut claims = claims_with("preferred_username", json!("CEO@corp.example"));
        claims.as_object_mut().unwrap().insert("email".to_owned(), email);
        user(config, &claims)
    };
    assert_eq!(outcome(&config, json!("mallory@corp.example")), Err("email-unverified"));
    assert_eq!(outcome(&config, json!(null)), Err("email-unverified"));
    assert_eq!(outcome(&config, json!("ceo@Corp.example")).unwrap(), "ceo@corp.example");
    config.unmarked_email = true;
    assert_eq!(outcome(&config, json!("mallory@corp.example")).unwrap(), "ceo@corp.example");
    let mut denied = claims_with("preferred_username", json!("ceo@corp.example"));
    denied.as_object_mut().unwrap().insert("email_verified".to_owned(), json!(false));
    denied.as_object_mut().unwrap().remove("email");
    assert_eq!(user(&config, &denied), Err("email-unverified"));
}

#[test]
fn a_user_that_is_no_address_is_taken_as_it_is() {
    let mut config = issuer_config();
    config.user_domains = None;
    config.claims.user = vec!["preferred_username".to_owned()];
    let outcome = |value: Value| user(&config, &claims_with("preferred_username", value));
    assert_eq!(outcome(json!("Ada.Lovelace")).unwrap(), "Ada.Lovelace");
    assert_eq!(user(&config, &claims()), Err("user-missing"));
    for wrong in [
        json!(""),
        json!(7),
        json!(null),
        json!(["ada"]),
        json!("a b"),
        json!("a\u{a0}b"),
        json!("a\u{0}"),
        json!("x".repeat(256)),
    ] {
        assert_eq!(outcome(wrong.clone()), Err("user-invalid"), "{wrong}");
    }
}

#[test]
fn a_path_walks_objects_and_nothing_else() {
    let mut config = issuer_config();
    config.user_domains = None;
    config.claims.user = vec!["a".to_owned(), "b".to_owned()];
    let outcome = |value: Value| {
        let mut claims = json!({"sub": "u1"});
        claims.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        user(&config, &claims)
    };
    assert_eq!(outcome(json!({"a": {"b": "ada"}})).unwrap(), "ada");
    for wrong in [
        json!({"a.b": "ada"}),
        json!({"a": [{"b": "ada"}]}),
        json!({"a": ["ada"]}),
        json!({"a": "b"}),
        json!({"b": "ada"}),
    ] {
        assert_eq!(outcome(wrong.clone()), Err("user-missing"), "{wrong}");
    }
}

#[test]
fn groups_are_strings_and_none_differs_from_left_out() {
    let known = |names: &[&str]| Ok(Some(names.iter().map(|name| (*name).to_owned()).collect()));
    assert_eq!(groups(&claims_with("groups", json!(["a", "b"]))), known(&["a", "b"]));
    assert_eq!(groups(&claims_with("groups", "a")), known(&["a"]));
    assert_eq!(groups(&claims_with("groups", json!([]))), known(&[]));
    assert_eq!(groups(&claims_without("groups")), known(&[]));
    let many: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
    for wrong in [
        json!(["a", 5]),
        json!(5),
        json!(null),
        json!({"a": true}),
        json!([""]),
        json!([["a"]]),
        json!(many),
        json!(["x".repeat(257)]),
    ] {
        assert_eq!(groups(&claims_with("groups", wrong)), Err("groups-invalid"));
    }
    for (name, value) in [
        ("_claim_names", json!({"groups": "src1"})),
        ("hasgroups", json!(true)),
        ("hasgroups", json!("true")),
        ("groups:src1", json!("src1")),
    ] {
        assert_eq!(groups(&claims_with(name, value)), Ok(None), "{name}");
    }
    assert_eq!(groups(&claims_with("_claim_names", json!({"address": "src1"}))), known(&["ml-users"]));
    assert_eq!(groups(&claims_with("hasgroups", false)), known(&["ml-users"]));
}

#[test]
fn a_person_has_a_subject_and_perhaps_a_name() {
    let config = issuer_config();
    assert_eq!(map(&config, &claims_without("sub")).unwrap_err(), "subject-invalid");
    assert_eq!(map(&config, &claims_with("sub", "")).unwrap_err(), "subject-invalid");
    assert_eq!(map(&config, &claims()).unwrap().name.as_deref(), Some("Ada"));
    assert_eq!(map(&config, &claims_with("name", "A\u{1b}[31m")).unwrap().name, None);
    assert_eq!(map(&config, &claims_without("name")).unwrap().name, None);
}

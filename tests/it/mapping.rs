//! Claims become a person as the config says, or nobody.

use crate::support::issuer_fixture::{claims, claims_with, claims_without, issuer_config};
use hyper::header::HeaderName;
use postern::config::{AwsAlb, ClaimPath, IssuerConfig, Programs, SignedHeaderConfig};
use postern::provider::principal::{Groups, Principal, principal_from_claims};
use serde_json::{Value, json};

fn map(config: &IssuerConfig, claims: &Value) -> Result<Principal, &'static str> {
    principal_from_claims(config, claims.as_object().unwrap()).map_err(|error| error.reason())
}

fn user(config: &IssuerConfig, claims: &Value) -> Result<String, &'static str> {
    map(config, claims).map(|principal| principal.user)
}

mod groups;

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
    // A mark that is null is absent.
    let unmarked: Vec<_> = marks.iter().map(|mark| outcome(&lenient, mark)).collect();
    assert_eq!(unmarked, ["accepted", "accepted", refused, refused, refused, "accepted"]);
    assert_eq!(user(&config, &claims_without("email_verified")), Err(refused));
    assert!(user(&lenient, &claims_without("email_verified")).is_ok());
}

/// Who chooses their own login name can have their own address verified.
#[test]
fn the_mark_of_one_address_says_nothing_of_a_login_name() {
    let mut config = issuer_config();
    config.claims.user = vec!["preferred_username".into()];
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
    // An issuer that marks another address as unverified, in whatever form, does not vouch for this one.
    for denial in [json!(false), json!("false")] {
        for email in [None, Some("mallory@corp.example")] {
            let mut denied = claims_with("preferred_username", json!("ceo@corp.example"));
            denied["email_verified"] = denial.clone();
            denied["email"] = json!(email);
            assert_eq!(user(&config, &denied), Err("email-unverified"), "{denied}");
        }
    }
}

#[test]
fn a_user_that_is_no_address_is_taken_as_it_is() {
    let mut config = issuer_config();
    config.user_domains = None;
    config.claims.user = vec!["preferred_username".into()];
    let outcome = |value: Value| user(&config, &claims_with("preferred_username", value));
    assert_eq!(outcome(json!("Ada.Lovelace")).unwrap(), "Ada.Lovelace");
    assert!(outcome(json!("x".repeat(255))).is_ok());
    assert_eq!(user(&config, &claims()), Err("user-missing"));
    assert_eq!(outcome(json!(null)), Err("user-missing"));
    for wrong in [
        json!(""),
        json!(7),
        json!(["ada"]),
        json!("a b"),
        json!("a\u{a0}b"),
        json!("a\u{0}"),
        json!("x".repeat(256)),
    ] {
        assert_eq!(outcome(wrong.clone()), Err("user-invalid"), "{wrong}");
    }
}

/// Amazon Cognito's `UserInfo`, which a load balancer hands on, has texts.
#[test]
fn behind_a_load_balancer_a_mark_may_be_a_text() {
    let mut config = issuer_config();
    let aws_alb = AwsAlb { signer: "arn".to_owned(), client_id: "c".to_owned() };
    let header = HeaderName::from_static("x-amzn-oidc-data");
    config.signed_header = Some(SignedHeaderConfig { header, aws_alb: Some(aws_alb) });
    let outcome = |config: &IssuerConfig, mark: Value| {
        user(config, &claims_with("email_verified", mark)).map_or_else(|reason| reason, |_| "accepted")
    };
    assert_eq!(outcome(&config, json!("true")), "accepted");
    assert_eq!(outcome(&config, json!(true)), "accepted");
    for denied in
        [json!("false"), json!(false), json!("TRUE"), json!(" true"), json!(1), json!(["true"]), json!(null)]
    {
        assert_eq!(outcome(&config, denied.clone()), "email-unverified", "{denied}");
    }
    config.unmarked_email = true;
    assert_eq!(outcome(&config, json!("false")), "email-unverified");
    // The mark of another load balancer's header is held to booleans.
    config.unmarked_email = false;
    config.signed_header.as_mut().unwrap().aws_alb = None;
    assert_eq!(outcome(&config, json!("true")), "email-unverified");
}

#[test]
fn at_each_step_of_a_path_the_longest_name_counts() {
    let outcome = |path: ClaimPath, value: Value| {
        let mut config = issuer_config();
        config.user_domains = None;
        config.claims.user = vec![path];
        let mut claims = json!({"sub": "u1"});
        claims.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        user(&config, &claims)
    };
    let dotted = |value: Value| outcome("a.b.c".into(), value);
    for right in [
        json!({"a": {"b": {"c": "ada"}}}),
        json!({"a": {"b.c": "ada"}}),
        json!({"a.b": {"c": "ada"}}),
        json!({"a.b.c": "ada"}),
        json!({"a.b.c": "ada", "a.b": {"c": "root"}, "a": {"b.c": "root", "b": {"c": "root"}}}),
        json!({"a.b": {"c": "ada"}, "a": {"b.c": "root", "b": {"c": "root"}}}),
        json!({"a": {"b.c": "ada", "b": {"c": "root"}}}),
        json!({"a.b.c": null, "a": {"b": {"c": "ada"}}}),
    ] {
        assert_eq!(dotted(right.clone()).unwrap(), "ada", "{right}");
    }
    for absent in [
        json!({}),
        json!({"a": {}}),
        json!({"a": {"b": {"c": null}}}),
        json!({"a": null}),
        json!({"c": "root"}),
    ] {
        assert_eq!(dotted(absent.clone()), Err("user-missing"), "{absent}");
    }
    for blocked in [
        json!({"a": {"b": "c"}}),
        json!({"a": [{"b": {"c": "root"}}]}),
        json!({"a": 1}),
        // The longest name decides, also where it leads nowhere.
        json!({"a.b": "x", "a": {"b": {"c": "root"}}}),
    ] {
        assert_eq!(dotted(blocked.clone()), Err("user-invalid"), "{blocked}");
    }
    let stepped = |value: Value| outcome(ClaimPath::Steps(["a.b", "c"].map(str::to_owned).to_vec()), value);
    assert_eq!(stepped(json!({"a.b": {"c": "ada"}})).unwrap(), "ada");
    for absent in [json!({"a": {"b": {"c": "root"}}}), json!({"a.b.c": "root"}), json!({"a.b": {"c": null}})]
    {
        assert_eq!(stepped(absent.clone()), Err("user-missing"), "{absent}");
    }
    for name in ["https://corp.example/claims/user", "urn:x:y", "Benutzer Name", "ключ"] {
        let claims = Value::from_iter([(name.to_owned(), json!("ada"))]);
        assert_eq!(outcome(name.into(), claims).unwrap(), "ada", "{name}");
    }
}

#[test]
fn the_first_user_claim_that_is_there_counts() {
    let mut config = issuer_config();
    config.claims.user = vec!["email".into(), "preferred_username".into()];
    let outcome = |config: &IssuerConfig, email: Value, name: Value| {
        let mut claims = claims_with("email", email);
        claims["preferred_username"] = name;
        user(config, &claims)
    };
    let ada = json!("Ada@corp.example");
    assert_eq!(outcome(&config, ada.clone(), json!("root@corp.example")).unwrap(), "ada@corp.example");
    // One that is there and does not count is not passed over.
    assert_eq!(outcome(&config, json!(7), ada.clone()), Err("user-invalid"));
    assert_eq!(outcome(&config, json!("ada@other.example"), ada.clone()), Err("email-domain"));
    // The mark is of the address `email`, and there is none.
    assert_eq!(outcome(&config, json!(null), ada.clone()), Err("email-unverified"));
    config.unmarked_email = true;
    assert_eq!(outcome(&config, json!(null), ada.clone()).unwrap(), "ada@corp.example");
    assert_eq!(outcome(&config, json!(null), json!("ada@other.example")), Err("email-domain"));
    assert_eq!(outcome(&config, json!(null), json!(null)), Err("user-missing"));
}

/// Keycloak's service accounts and Entra ID's applications.
#[test]
fn a_program_is_of_a_realm_of_its_own() {
    let programs = |claim: &str, value: Option<&str>, user: &str| {
        let mut config = issuer_config();
        config.programs = Some(Programs {
            claim: claim.into(),
            value: value.map(str::to_owned),
            user: user.into(),
            groups: "roles".into(),
            realm: "corp-programs".into(),
        });
        config
    };
    let of = |config: &IssuerConfig, claims: &Value| {
        map(config, claims).map(|principal| (principal.realm.to_string(), principal.user))
    };
    let named = |realm: &str, user: &str| Ok((realm.to_owned(), user.to_owned()));
    let keycloak = programs("client_id", None, "client_id");
    let account = json!({"sub": "8d1f", "azp": "nightly-training", "client_id": "nightly-training",
        "preferred_username": "service-account-nightly-training", "email_verified": false, "groups": ["ml-users"]});
    assert_eq!(of(&keycloak, &account), named("corp-programs", "nightly-training"));
    let entra = programs("idtyp", Some("app"), "azp");
    let app = json!({"sub": "0aaa", "azp": "1111-2222", "idtyp": "app", "roles": ["ml-users"]});
    assert_eq!(of(&entra, &app), named("corp-programs", "1111-2222"));
    assert_eq!(map(&entra, &app).unwrap().groups, Groups::Known(["ml-users".into()].into()));
    // A person keeps the people's realm and groups, and a program never gets them.
    for (config, mark) in [(&keycloak, "client_id"), (&entra, "idtyp")] {
        assert_eq!(of(config, &claims()), named("corp", "ada@corp.example"));
        assert_eq!(of(config, &claims_with(mark, json!(null))), named("corp", "ada@corp.example"));
        assert_eq!(map(config, &claims()).unwrap().groups, Groups::Known(["ml-users".into()].into()));
    }
    assert_eq!(of(&entra, &claims_with("idtyp", "user")), named("corp", "ada@corp.example"));
    let mut disguised = claims_with("idtyp", "app");
    disguised["azp"] = json!("ada@corp.example");
    assert_eq!(of(&entra, &disguised), named("corp-programs", "ada@corp.example"));
    for odd in [json!(["app"]), json!(1), json!(true), json!({"app": true})] {
        assert_eq!(of(&entra, &claims_with("idtyp", odd.clone())), Err("program-unclear"), "{odd}");
    }
    for odd in [json!(""), json!(5), json!("a b"), json!(["x"])] {
        assert_eq!(of(&keycloak, &claims_with("client_id", odd.clone())), Err("user-invalid"), "{odd}");
    }
    assert_eq!(of(&entra, &claims_with("idtyp", "app")), Err("user-missing"));
}

/// The log is told which claim it was and of which type, and never what it held.
#[test]
fn who_is_nobody_is_told_by_path_and_type() {
    let config = issuer_config();
    let told =
        |claims: &Value| principal_from_claims(&config, claims.as_object().unwrap()).unwrap_err().with_type();
    let missing = "the claim that names the user is missing: the claim `email` is not there";
    assert_eq!(told(&claims_without("email")), missing);
    assert_eq!(
        told(&claims_with("email", json!(["secret"]))),
        "the claim that names the user is not a string of 1 to 255 bytes without white space: the claim `email` is a list"
    );
    let unmarked =
        "the issuer does not say `email_verified: true` of the address: the claim `email_verified`";
    assert_eq!(told(&claims_without("email_verified")), format!("{unmarked} is not there"));
    assert_eq!(told(&claims_with("email_verified", "secret")), format!("{unmarked} is a text"));
    assert_eq!(
        told(&claims_with("email", "ada@secret.example")),
        "the address is not of a domain that this issuer may speak for: the claim `email` is a text"
    );
    let mut several = issuer_config();
    several.claims.user = vec!["a.b".into(), ClaimPath::Steps(vec!["c.d".to_owned(), "e".to_owned()])];
    let error = principal_from_claims(&several, claims().as_object().unwrap()).unwrap_err().with_type();
    assert_eq!(
        error,
        r#"the claim that names the user is missing: the claims `a.b`, `["c.d", "e"]` are not there"#
    );
}

#[test]
fn a_person_has_a_subject_and_perhaps_a_name() {
    let config = issuer_config();
    assert_eq!(map(&config, &claims_without("sub")).unwrap_err(), "subject-invalid");
    assert_eq!(map(&config, &claims_with("sub", "")).unwrap_err(), "subject-invalid");
    assert_eq!(map(&config, &claims_with("sub", "x".repeat(256))).unwrap_err(), "subject-invalid");
    assert_eq!(map(&config, &claims_with("sub", "x".repeat(255))).unwrap().subject.len(), 255);
    assert_eq!(map(&config, &claims()).unwrap().name.as_deref(), Some("Ada"));
    let name = |name: String| map(&config, &claims_with("name", name)).unwrap().name.map(|name| name.len());
    assert_eq!([0, 1, 256, 257].map(|length| name("x".repeat(length))), [None, Some(1), Some(256), None]);
    assert_eq!(map(&config, &claims_with("name", "A\u{1b}[31m")).unwrap().name, None);
    assert_eq!(map(&config, &claims_without("name")).unwrap().name, None);
}

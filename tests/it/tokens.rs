//! What a token must say before it names anybody, for each of its uses.

use crate::support::issuer_fixture::{
    ISSUER, IssuerFixture, NOW, claims, claims_with, claims_without, issuer_config,
};
use crate::support::signer::Signer;
use postern::config::{ClaimPath, ClaimPaths, GroupsClaim, GroupsFormat, IssuerConfig};
use postern::provider::principal::{Groups, principal_from_claims};
use postern::tokens::claims::Expected;
use postern::tokens::jws::UnverifiedToken;
use serde_json::{Value, json};

#[tokio::test]
async fn a_good_token_of_every_algorithm_names_its_person() {
    let mut pss = Signer::rs256("pss");
    pss.alg = "PS256";
    let mut renamed = Signer::ed25519("renamed");
    renamed.alg = "Ed25519";
    let signers = [
        Signer::rs256("rsa"),
        pss,
        Signer::es256("ec"),
        Signer::es384("ec384"),
        Signer::ed25519("ed"),
        renamed,
    ];
    let issuer_fixture = IssuerFixture::of(&signers.iter().collect::<Vec<_>>()).await;
    for signer in &signers {
        let authenticated = issuer_fixture.bearer(&signer.token(&claims())).await.unwrap();
        assert_eq!(authenticated.principal.user, "ada@corp.example", "{}", signer.alg);
        assert_eq!(authenticated.principal.subject, "u1");
        assert_eq!(&*authenticated.principal.realm, "corp");
    }
}

#[tokio::test]
async fn claims_that_decide_are_present_and_well_typed() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    for name in ["iss", "aud", "exp", "sub"] {
        assert_eq!(
            issuer_fixture.reason(&signer.token(&claims_without(name))).await,
            "missing-claim",
            "{name}"
        );
        for wrong in [json!(null), json!(true), json!({}), json!([5]), json!([[]])] {
            let reason = issuer_fixture.reason(&signer.token(&claims_with(name, wrong.clone()))).await;
            assert_eq!(reason, "invalid-claim", "{name}: {wrong}");
        }
    }
    for (name, wrong) in [
        ("exp", json!("1800000300")),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("exp", json!(NOW * 1000)),
        ("iat", json!("now")),
        ("iat", json!(-5)),
        ("nbf", json!("later")),
        ("sub", json!("")),
        ("sub", json!("u".repeat(256))),
        ("sub", json!("u\n1")),
        ("sub", json!(7)),
        ("iss", json!([ISSUER])),
        ("aud", json!(["postern-api", 5])),
    ] {
        let reason = issuer_fixture.reason(&signer.token(&claims_with(name, wrong.clone()))).await;
        assert_eq!(reason, "invalid-claim", "{name}: {wrong}");
    }
    assert_eq!(issuer_fixture.reason(&signer.token(&claims_with("sub", "u".repeat(255)))).await, "accepted");
}

#[tokio::test]
async fn the_issuer_is_equal_to_the_letter() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    for other in [
        &format!("{ISSUER}/"),
        &ISSUER.to_uppercase(),
        &ISSUER.replace("https", "http"),
        "https://evil.example",
        &format!(" {ISSUER}"),
    ] {
        assert_eq!(
            issuer_fixture.reason(&signer.token(&claims_with("iss", other))).await,
            "unknown-issuer",
            "{other}"
        );
    }
}

#[tokio::test]
async fn one_of_the_configured_audiences_is_named() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    let outcome =
        async |audience: Value| issuer_fixture.reason(&signer.token(&claims_with("aud", audience))).await;
    assert_eq!(outcome(json!(["other", "postern-api"])).await, "accepted");
    assert_eq!(outcome(json!("postern")).await, "wrong-audience");
    assert_eq!(outcome(json!("Postern-Api")).await, "wrong-audience");
    assert_eq!(outcome(json!("postern-api ")).await, "wrong-audience");
    assert_eq!(outcome(json!([])).await, "wrong-audience");
}

#[tokio::test]
async fn times_hold_to_the_second_with_thirty_seconds_of_leeway() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    let outcome =
        async |name, value: Value| issuer_fixture.reason(&signer.token(&claims_with(name, value))).await;
    assert_eq!(outcome("exp", json!(NOW - 29)).await, "accepted");
    assert_eq!(outcome("exp", json!(NOW - 30)).await, "expired");
    assert_eq!(outcome("exp", json!(NOW - 31)).await, "expired");
    assert_eq!(outcome("exp", json!(NOW as f64 - 29.5)).await, "expired");
    assert_eq!(outcome("exp", json!(0)).await, "expired");
    assert_eq!(outcome("nbf", json!(NOW + 30)).await, "accepted");
    assert_eq!(outcome("nbf", json!(NOW + 31)).await, "not-yet-valid");
    assert_eq!(outcome("iat", json!(NOW + 30)).await, "accepted");
    assert_eq!(outcome("iat", json!(NOW + 31)).await, "issued-in-future");
    assert_eq!(outcome("exp", json!(NOW + 86_400)).await, "accepted");
    assert_eq!(outcome("exp", json!(NOW + 86_401)).await, "lifetime-too-long");
    let mut unmarked = claims_without("iat");
    assert_eq!(issuer_fixture.reason(&signer.token(&unmarked)).await, "accepted");
    unmarked["exp"] = json!(NOW + 86_401);
    assert_eq!(issuer_fixture.reason(&signer.token(&unmarked)).await, "lifetime-too-long");
}

#[tokio::test]
async fn a_token_of_another_kind_is_no_bearer_token() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    let typed = |typ: &str| {
        let mut header = signer.header();
        header["typ"] = json!(typ);
        signer.token_with_header(&header, &claims())
    };
    for right in ["JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT"] {
        assert_eq!(issuer_fixture.reason(&typed(right)).await, "accepted", "{right}");
    }
    for wrong in ["logout+jwt", "application/logout+jwt", "dpop+jwt", "secevent+jwt", "", "JOSE"] {
        assert_eq!(issuer_fixture.reason(&typed(wrong)).await, "wrong-type", "{wrong}");
    }
    let logout = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    assert_eq!(issuer_fixture.reason(&signer.token(&claims_with("events", logout))).await, "wrong-type");
    assert_eq!(issuer_fixture.reason(&signer.token(&claims_with("at_hash", "x"))).await, "wrong-type");
}

/// By claims that only other kinds carry, whatever the header's `typ` is.
#[tokio::test]
async fn a_token_that_says_what_else_it_is_is_no_bearer_token() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    let other = json!({"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {}});
    for (name, value) in [
        // Keycloak.
        ("typ", json!("ID")),
        ("typ", json!("Refresh")),
        ("typ", json!("offline")),
        ("typ", json!("Logout")),
        // Amazon Cognito.
        ("token_use", json!("id")),
        // Security event tokens: RFC 8417.
        ("events", other),
        ("events", json!({})),
        ("events", json!("concerts")),
        ("events", json!(["https://schemas.openid.net/secevent/caep/event-type/session-revoked"])),
        ("events", json!(false)),
        // Bound to a key of its sender: RFC 7800, 8705, 9449.
        ("cnf", json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})),
        ("cnf", json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"})),
        ("cnf", json!({})),
        ("cnf", json!("thumb")),
        ("c_hash", json!("x")),
        ("at_hash", json!(5)),
    ] {
        let reason = issuer_fixture.reason(&signer.token(&claims_with(name, value.clone()))).await;
        assert_eq!(reason, "wrong-type", "{name}: {value}");
    }
    for (name, value) in [
        ("typ", json!("Bearer")),
        ("typ", json!("JWT")),
        ("typ", json!(5)),
        ("token_use", json!("access")),
        ("events", json!(null)),
        ("cnf", json!(null)),
    ] {
        let reason = issuer_fixture.reason(&signer.token(&claims_with(name, value.clone()))).await;
        assert_eq!(reason, "accepted", "{name}: {value}");
    }
}

#[tokio::test]
async fn an_id_token_is_for_this_client_and_this_attempt() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    let outcome = async |claims: Value, typ: Option<&str>| {
        let mut header = signer.header();
        if let Some(typ) = typ {
            header["typ"] = json!(typ);
        }
        let token = signer.token_with_header(&header, &claims);
        let token = UnverifiedToken::parse(&token).unwrap();
        let expected = Expected::IdToken { client_id: "postern", nonce: "n-0S6_WzA2Mj" };
        issuer_fixture
            .issuer
            .verify(&token, expected)
            .await
            .map_or_else(|error| error.reason(), |_| "accepted")
    };
    let mut good = claims();
    good["aud"] = json!("postern");
    good["nonce"] = json!("n-0S6_WzA2Mj");
    let changed = |name: &str, value: Value| {
        let mut claims = good.clone();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        claims
    };
    assert_eq!(outcome(good.clone(), None).await, "accepted");
    assert_eq!(outcome(good.clone(), Some("JWT")).await, "accepted");
    assert_eq!(outcome(good.clone(), Some("at+jwt")).await, "wrong-type");
    assert_eq!(outcome(good.clone(), Some("logout+jwt")).await, "wrong-type");
    assert_eq!(outcome(changed("aud", json!("postern-api")), None).await, "wrong-audience");
    assert_eq!(outcome(changed("aud", json!(["postern", "other"])), None).await, "wrong-authorized-party");
    assert_eq!(outcome(changed("azp", json!("other")), None).await, "wrong-authorized-party");
    assert_eq!(outcome(changed("azp", json!("postern")), None).await, "accepted");
    assert_eq!(outcome(changed("nonce", json!("n-0S6_WzA2Mk")), None).await, "wrong-nonce");
    assert_eq!(outcome(changed("nonce", Value::Null), None).await, "missing-claim");
    assert_eq!(outcome(changed("nonce", json!(["n-0S6_WzA2Mj"])), None).await, "invalid-claim");
    assert_eq!(outcome(changed("azp", json!(["postern"])), None).await, "wrong-authorized-party");
    assert_eq!(outcome(changed("aud", json!(["postern", "postern"])), None).await, "wrong-authorized-party");
    assert_eq!(outcome(changed("events", json!({"https://x.example/e": {}})), None).await, "wrong-type");
    assert_eq!(outcome(changed("events", json!("x")), None).await, "wrong-type");
    assert_eq!(outcome(changed("iat", Value::Null), None).await, "missing-claim");
    assert_eq!(outcome(changed("sub", Value::Null), None).await, "missing-claim");
    assert_eq!(outcome(changed("iss", json!("https://evil.example")), None).await, "wrong-issuer");
    let mut several = changed("aud", json!(["postern", "other"]));
    several["azp"] = json!("postern");
    assert_eq!(outcome(several, None).await, "accepted");
}

#[tokio::test]
async fn a_logout_token_says_so_and_carries_no_nonce() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    let outcome = async |claims: &Value| {
        let token = signer.token(claims);
        let token = UnverifiedToken::parse(&token).unwrap();
        let expected = Expected::LogoutToken { client_id: "postern" };
        issuer_fixture
            .issuer
            .verify(&token, expected)
            .await
            .map_or_else(|error| error.reason(), |_| "accepted")
    };
    let good = json!({"iss": ISSUER, "aud": "postern", "iat": NOW, "exp": NOW + 120, "jti": "j", "sid": "s",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}}});
    let changed = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    assert_eq!(outcome(&good).await, "accepted");
    assert_eq!(outcome(&changed("nonce", json!("n"))).await, "invalid-claim");
    assert_eq!(outcome(&changed("events", json!({}))).await, "wrong-type");
    assert_eq!(outcome(&changed("sid", json!(""))).await, "invalid-claim");
    assert_eq!(outcome(&changed("aud", json!("postern-api"))).await, "wrong-audience");
    // Back-Channel Logout 1.0 says nothing of `azp`.
    assert_eq!(outcome(&changed("aud", json!(["postern", "other"]))).await, "accepted");
    let mut nobody = good.clone();
    nobody.as_object_mut().unwrap().remove("sid");
    assert_eq!(outcome(&nobody).await, "missing-claim");
}

#[tokio::test]
async fn an_access_token_and_user_info_belong_to_their_id_token() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    let verified = async |more: Value| {
        let mut claims =
            json!({"iss": ISSUER, "aud": "postern", "sub": "u1", "iat": NOW, "exp": NOW + 300, "nonce": "n"});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let token = signer.token(&claims);
        let token = UnverifiedToken::parse(&token).unwrap();
        issuer_fixture
            .issuer
            .verify(&token, Expected::IdToken { client_id: "postern", nonce: "n" })
            .await
            .unwrap()
    };
    // OpenID Connect Core 1.0, appendix A.3: the hash of this access token.
    let hashed = verified(json!({"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"})).await;
    assert!(hashed.fits_access_token("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"));
    assert!(!hashed.fits_access_token("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Z"));
    assert!(verified(json!({})).await.fits_access_token("anything"));

    let info = |value: Value| value.as_object().unwrap().clone();
    let paths = &issuer_fixture.issuer.config().claims;
    let other = verified(json!({})).await.with_user_info(info(json!({"sub": "u2"})), paths);
    assert_eq!(other.unwrap_err().reason(), "wrong-subject");
    assert!(verified(json!({})).await.with_user_info(info(json!({})), paths).is_err());
    let whole = json!({"sub": "u1", "email": "ada@corp.example", "email_verified": true, "groups": ["g"]});
    let merged = verified(json!({})).await.with_user_info(info(whole.clone()), paths).unwrap();
    assert_eq!(issuer_fixture.issuer.principal(merged).unwrap().user, "ada@corp.example");
    // The mark of one address says nothing of another.
    let mixed =
        verified(json!({"email": "root@corp.example"})).await.with_user_info(info(whole), paths).unwrap();
    assert_eq!(issuer_fixture.issuer.principal(mixed).unwrap_err().reason(), "email-unverified");
    // A mark beside the same address counts. Ours without an address is not a mark of theirs.
    let marked = json!({"sub": "u1", "email": "ada@corp.example", "email_verified": true});
    let same = verified(json!({"email": "ada@corp.example"})).await;
    let same = same.with_user_info(info(marked.clone()), paths).unwrap();
    assert_eq!(issuer_fixture.issuer.principal(same).unwrap().user, "ada@corp.example");
    let lone = verified(json!({"email_verified": true})).await;
    let lone = lone.with_user_info(info(marked), paths).unwrap();
    assert_eq!(issuer_fixture.issuer.principal(lone).unwrap_err().reason(), "user-missing");
    // Members of one object come from both, but for an address and its mark.
    let ours = json!({"access": {"account": {"roles": ["a"]}, "email": "root@x"}, "_claim_names": {"address": "src1"}});
    let theirs = json!({
        "sub": "u1", "_claim_names": {"groups": "src1"},
        "access": {"account": {"roles": ["root"], "more": 1}, "postern": {"roles": ["c"]}, "email": "a@x", "email_verified": true},
    });
    let merged = verified(ours).await.with_user_info(info(theirs), paths).unwrap();
    assert_eq!(
        merged.get("access"),
        Some(&json!({
            "account": {"roles": ["a"], "more": 1}, "postern": {"roles": ["c"]}, "email": "root@x",
        }))
    );
    assert_eq!(merged.get("_claim_names"), Some(&json!({"address": "src1", "groups": "src1"})));
    // A claim that is null is absent.
    let filled = verified(json!({"groups": null, "email": null, "email_verified": null})).await;
    let whole = json!({"sub": "u1", "email": "ada@corp.example", "email_verified": true, "groups": ["g"]});
    let filled = filled.with_user_info(info(whole), paths).unwrap();
    let person = issuer_fixture.issuer.principal(filled).unwrap();
    assert_eq!(
        (person.user.as_str(), person.groups),
        ("ada@corp.example", Groups::Known(["g".into()].into()))
    );
}

/// What the signed token says of a person is not added to, and not put in the shade by another way to write it.
#[tokio::test]
async fn user_info_changes_no_configured_claim_of_the_id_token() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    let path = |text: &str| ClaimPath::from(text);
    let config = IssuerConfig {
        claims: ClaimPaths {
            user: vec![path("person.id")],
            groups: GroupsClaim { format: GroupsFormat::Keys, ..GroupsClaim::from("access.roles") },
            name: path("name"),
        },
        user_domains: None,
        ..issuer_config()
    };
    let token = json!({
        "iss": ISSUER, "aud": "postern", "sub": "u1", "iat": NOW, "exp": NOW + 300, "nonce": "n",
        "person": {"id": "ada"}, "access": {"roles": {"staff": 1}}, "name": "Ada",
    });
    let token = signer.token(&token);
    let token = UnverifiedToken::parse(&token).unwrap();
    let expected = Expected::IdToken { client_id: "postern", nonce: "n" };
    for theirs in [
        json!({"person.id": "root"}),
        json!({"person": {"id": "root"}}),
        json!({"access": {"roles": {"admins": 1}}}),
        json!({"access.roles": {"admins": 1}}),
        json!({"access.roles": ["admins"]}),
    ] {
        let claims = issuer_fixture.issuer.verify(&token, expected).await.unwrap();
        let mut info = theirs.as_object().unwrap().clone();
        info.insert("sub".to_owned(), json!("u1"));
        let merged = claims.with_user_info(info, &config.claims).unwrap();
        let all = ["sub", "person", "access", "person.id", "access.roles"];
        let all = all.iter().filter_map(|name| Some(((*name).to_owned(), merged.get(name)?.clone())));
        let person = principal_from_claims(&config, &all.collect()).unwrap();
        assert_eq!(
            (person.user.as_str(), person.groups),
            ("ada", Groups::Known(["staff".into()].into())),
            "{theirs}"
        );
    }
    // What stands beside them is added.
    let claims = issuer_fixture.issuer.verify(&token, expected).await.unwrap();
    let theirs = json!({"sub": "u1", "team": "ml", "person": {"room": 5}, "access": {"account": ["a"]}});
    let merged = claims.with_user_info(theirs.as_object().unwrap().clone(), &config.claims).unwrap();
    assert_eq!(merged.get("team"), Some(&json!("ml")));
    assert_eq!(merged.get("person"), Some(&json!({"id": "ada", "room": 5})));
    assert_eq!(merged.get("access"), Some(&json!({"roles": {"staff": 1}, "account": ["a"]})));
}

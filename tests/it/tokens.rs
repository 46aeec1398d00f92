//! What a token must be and say before it names anybody.

use crate::support::believer::{Believer, ISSUER, NOW, claims, claims_with, claims_without};
use crate::support::signer::Signer;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use postern::authn::claims::Expected;
use postern::authn::token::UnverifiedToken;
use postern::config::Algorithm;
use serde_json::{Value, json};
use std::time::Instant;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

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
    let believer = Believer::of(&signers.iter().collect::<Vec<_>>()).await;
    for signer in &signers {
        let authenticated = believer.bearer(&signer.token(&claims())).await.unwrap();
        assert_eq!(authenticated.principal.user, "ada@corp.example", "{}", signer.alg);
        assert_eq!(authenticated.principal.subject, "u1");
        assert_eq!(&*authenticated.principal.realm, "corp");
    }
}

#[tokio::test]
async fn claims_that_decide_are_present_and_well_typed() {
    let signer = Signer::es256("k");
    let believer = Believer::of(&[&signer]).await;
    for name in ["iss", "aud", "exp", "sub"] {
        assert_eq!(believer.reason(&signer.token(&claims_without(name))).await, "missing-claim", "{name}");
        for wrong in [json!(null), json!(true), json!({}), json!([5]), json!([[]])] {
            let reason = believer.reason(&signer.token(&claims_with(name, wrong.clone()))).await;
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
        let reason = believer.reason(&signer.token(&claims_with(name, wrong.clone()))).await;
        assert_eq!(reason, "invalid-claim", "{name}: {wrong}");
    }
}

#[tokio::test]
async fn the_issuer_is_equal_to_the_letter() {
    let signer = Signer::es256("k");
    let believer = Believer::of(&[&signer]).await;
    for other in [
        &format!("{ISSUER}/"),
        &ISSUER.to_uppercase(),
        &ISSUER.replace("https", "http"),
        "https://evil.example",
        &format!(" {ISSUER}"),
    ] {
        assert_eq!(
            believer.reason(&signer.token(&claims_with("iss", other))).await,
            "unknown-issuer",
            "{other}"
        );
    }
}

#[tokio::test]
async fn one_of_the_configured_audiences_is_named() {
    let signer = Signer::es256("k");
    let believer = Believer::of(&[&signer]).await;
    let outcome = async |audience: Value| believer.reason(&signer.token(&claims_with("aud", audience))).await;
    assert_eq!(outcome(json!(["other", "postern-api"])).await, "accepted");
    assert_eq!(outcome(json!("postern")).await, "wrong-audience");
    assert_eq!(outcome(json!("Postern-Api")).await, "wrong-audience");
    assert_eq!(outcome(json!("postern-api ")).await, "wrong-audience");
    assert_eq!(outcome(json!([])).await, "wrong-audience");
}

#[tokio::test]
async fn times_hold_to_the_second_with_thirty_seconds_of_leeway() {
    let signer = Signer::es256("k");
    let believer = Believer::of(&[&signer]).await;
    let outcome = async |name, value: Value| believer.reason(&signer.token(&claims_with(name, value))).await;
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
    assert_eq!(believer.reason(&signer.token(&unmarked)).await, "accepted");
    unmarked["exp"] = json!(NOW + 86_401);
    assert_eq!(believer.reason(&signer.token(&unmarked)).await, "lifetime-too-long");
}

#[tokio::test]
async fn a_token_of_another_kind_is_no_bearer_token() {
    let signer = Signer::es256("k");
    let believer = Believer::of(&[&signer]).await;
    let typed = |typ: &str| {
        let mut header = signer.header();
        header["typ"] = json!(typ);
        signer.token_with_header(&header, &claims())
    };
    for right in ["JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT"] {
        assert_eq!(believer.reason(&typed(right)).await, "accepted", "{right}");
    }
    for wrong in ["logout+jwt", "application/logout+jwt", "dpop+jwt", "secevent+jwt", "", "JOSE"] {
        assert_eq!(believer.reason(&typed(wrong)).await, "wrong-type", "{wrong}");
    }
    let logout = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    assert_eq!(believer.reason(&signer.token(&claims_with("events", logout))).await, "wrong-type");
    assert_eq!(believer.reason(&signer.token(&claims_with("at_hash", "x"))).await, "wrong-type");
}

#[tokio::test]
async fn an_id_token_is_for_this_client_and_this_attempt() {
    let signer = Signer::es256("k");
    let believer = Believer::of(&[&signer]).await;
    let outcome = async |claims: Value, typ: Option<&str>| {
        let mut header = signer.header();
        if let Some(typ) = typ {
            header["typ"] = json!(typ);
        }
        let token = signer.token_with_header(&header, &claims);
        let token = UnverifiedToken::parse(&token).unwrap();
        let expected = Expected::IdToken { client_id: "postern", nonce: "n-0S6_WzA2Mj" };
        believer.issuer.verify(&token, expected).await.map_or_else(|error| error.reason(), |_| "accepted")
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
    assert_eq!(outcome(changed("iat", Value::Null), None).await, "missing-claim");
    assert_eq!(outcome(changed("iss", json!("https://evil.example")), None).await, "wrong-issuer");
    let mut several = changed("aud", json!(["postern", "other"]));
    several["azp"] = json!("postern");
    assert_eq!(outcome(several, None).await, "accepted");
}

#[tokio::test]
async fn a_logout_token_says_so_and_carries_no_nonce() {
    let signer = Signer::es256("k");
    let believer = Believer::of(&[&signer]).await;
    let outcome = async |claims: &Value| {
        let token = signer.token(claims);
        let token = UnverifiedToken::parse(&token).unwrap();
        let expected = Expected::LogoutToken { client_id: "postern" };
        believer.issuer.verify(&token, expected).await.map_or_else(|error| error.reason(), |_| "accepted")
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
    let mut nobody = good.clone();
    nobody.as_object_mut().unwrap().remove("sid");
    assert_eq!(outcome(&nobody).await, "missing-claim");
}

#[tokio::test]
async fn an_access_token_and_user_info_belong_to_their_id_token() {
    let signer = Signer::es256("k");
    let believer = Believer::of(&[&signer]).await;
    let verified = async |more: Value| {
        let mut claims =
            json!({"iss": ISSUER, "aud": "postern", "sub": "u1", "iat": NOW, "exp": NOW + 300, "nonce": "n"});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let token = signer.token(&claims);
        let token = UnverifiedToken::parse(&token).unwrap();
        believer.issuer.verify(&token, Expected::IdToken { client_id: "postern", nonce: "n" }).await.unwrap()
    };
    // OpenID Connect Core 1.0, appendix A.3: the hash of this access token.
    let hashed = verified(json!({"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"})).await;
    assert!(hashed.fits_access_token("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"));
    assert!(!hashed.fits_access_token("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Z"));
    assert!(verified(json!({})).await.fits_access_token("anything"));

    let info = |value: Value| value.as_object().unwrap().clone();
    let other = verified(json!({})).await.with_user_info(info(json!({"sub": "u2"})));
    assert_eq!(other.unwrap_err().reason(), "wrong-subject");
    assert!(verified(json!({})).await.with_user_info(info(json!({}))).is_err());
    let whole = json!({"sub": "u1", "email": "ada@corp.example", "email_verified": true, "groups": ["g"]});
    let merged = verified(json!({})).await.with_user_info(info(whole.clone())).unwrap();
    assert_eq!(believer.issuer.principal(merged).unwrap().user, "ada@corp.example");
    // The mark of one address says nothing of another.
    let mixed = verified(json!({"email": "root@corp.example"})).await.with_user_info(info(whole)).unwrap();
    assert_eq!(believer.issuer.principal(mixed).unwrap_err().reason(), "email-unverified");
}

/// A01, A02.
#[tokio::test]
async fn no_algorithm_but_the_issuers_asymmetric_ones() {
    let signer = Signer::es256("k");
    let believer = Believer::with(&[&signer, &Signer::ed25519("ed")], |config, _| {
        config.algorithms = vec![Algorithm::Es256]
    })
    .await;
    let good = signer.token(&claims());
    let signature = good.rsplit('.').next().unwrap();
    let payload = encode(claims().to_string());
    for alg in [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!(""),
        json!(null),
        json!(["ES256"]),
        json!(256),
        json!("HS256"),
        json!("HS512"),
        json!("ES512"),
        json!("es256"),
        json!("ES256K"),
        json!("RSA-OAEP"),
        json!("PBES2-HS256+A128KW"),
    ] {
        let header = encode(json!({"alg": alg, "kid": "k"}).to_string());
        for signature in ["", signature] {
            let reason = believer.reason(&format!("{header}.{payload}.{signature}")).await;
            assert_eq!(reason, "unsupported-algorithm", "{alg}");
        }
    }
    assert_eq!(believer.reason(&signer.raw(br#"{"kid":"k"}"#, b"{}")).await, "unsupported-algorithm");
    assert_eq!(believer.reason(&Signer::ed25519("ed").token(&claims())).await, "algorithm-not-allowed");

    let pem = signer.pem();
    let jwk = signer.jwk().to_string();
    for secret in [pem.as_bytes(), pem.trim_end().as_bytes(), jwk.as_bytes(), b""] {
        let message = format!("{}.{payload}", encode(r#"{"alg":"HS256","kid":"k"}"#));
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
        let tag = encode(aws_lc_rs::hmac::sign(&key, message.as_bytes()));
        assert_eq!(believer.reason(&format!("{message}.{tag}")).await, "unsupported-algorithm");
    }
}

/// A07, A08.
#[tokio::test]
async fn only_a_true_signature_counts() {
    let signer = Signer::es256("k");
    let believer = Believer::of(&[&signer]).await;
    let good = signer.token(&claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let (zero, mut one, mut below) = (vec![0; 32], vec![0; 32], order.clone());
    one[31] = 1;
    below[31] -= 1;
    let mut forged = Vec::new();
    for r in [&zero, &one, &below, &order] {
        for s in [&zero, &one, &below, &order] {
            forged.push([r.as_slice(), s].concat());
        }
    }
    forged.push(signature[..63].to_vec());
    forged.push([&signature[..], &[0]].concat());
    forged.push([&[0x30, 68, 2, 32], &signature[..32], &[2, 32], &signature[32..]].concat());
    forged.push(Vec::new());
    for at in [0, 31, 32, 63] {
        let mut flipped = signature.clone();
        flipped[at] ^= 1;
        forged.push(flipped);
    }
    for forged in forged {
        let token = format!("{message}.{}", encode(&forged));
        assert_eq!(believer.reason(&token).await, "bad-signature", "{} bytes", forged.len());
    }
    // The twin (r, n - s) is as true as the original, and names the same person.
    let mut twin = signature[..32].to_vec();
    twin.extend(subtract(&order, &signature[32..]));
    let twin = believer.bearer(&format!("{message}.{}", encode(twin))).await.unwrap();
    assert_eq!(twin.principal.user, "ada@corp.example");

    let stranger = Signer::es256("k");
    assert_eq!(believer.reason(&stranger.token(&claims())).await, "bad-signature");
}

/// A09, A10.
#[tokio::test]
async fn nothing_in_a_header_chooses_a_key_or_causes_a_request() {
    let signer = Signer::es256("k");
    let believer = Believer::of(&[&signer]).await;
    assert_eq!(believer.reason(&signer.token(&claims())).await, "accepted");
    let asked = believer.server.all_requests();
    let attacker = crate::support::jwks_server::JwksServer::start().await;
    let stranger = Signer::es256("k");
    for (name, value) in [
        ("jku", json!(format!("{}/jwks", attacker.base))),
        ("x5u", json!(format!("{}/chain", attacker.base))),
        ("x5c", json!(["MIIB"])),
        ("jwk", stranger.jwk()),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
    ] {
        for signer in [&signer, &stranger] {
            let mut header = signer.header();
            header[name] = value.clone();
            let token = signer.token_with_header(&header, &claims());
            assert_eq!(believer.reason(&token).await, "refused-parameter", "{name}");
        }
    }
    for kid in [
        json!(["k"]),
        json!(5),
        json!(null),
        json!("k\r\nx"),
        json!("\0"),
        json!("x".repeat(10_000)),
        json!({}),
    ] {
        let token = signer.token_with_header(&json!({"alg": "ES256", "kid": kid}), &claims());
        assert_eq!(believer.reason(&token).await, "malformed-token", "{kid}");
    }
    assert_eq!(attacker.all_requests(), 0);
    assert_eq!(believer.server.all_requests(), asked);
    for kid in ["../../etc/passwd", "http://evil.example/", "' OR 1=1 --", "K"] {
        let token = signer.token_with_header(&json!({"alg": "ES256", "kid": kid}), &claims());
        assert_eq!(believer.reason(&token).await, "unknown-key", "{kid}");
    }
}

/// A21: payloads, and headers of the same kind.
#[tokio::test]
async fn the_json_is_strict() {
    let signer = Signer::es256("k");
    let believer = Believer::of(&[&signer]).await;
    let header = signer.header().to_string();
    let good = claims().to_string();
    let open = good.trim_end_matches('}');
    let deep = format!(r#"{open},"x":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for payload in [
        format!("\u{feff}{good}").into_bytes(),
        utf16,
        [open.as_bytes(), br#","x":""#, b"\xff", br#""}"#].concat(),
        format!(r#"{open},"x":"\ud800"}}"#).into_bytes(),
        deep.into_bytes(),
        format!(r#"{open},"x":{}{}}}"#, "[".repeat(16), "]".repeat(16)).into_bytes(),
        format!("[{good}]").into_bytes(),
        format!("{good}{good}").into_bytes(),
        format!("{good}x").into_bytes(),
        format!(r#"{open},"groups":["admins"]}}"#).into_bytes(),
        format!(r#"{open},"x":{{"a":1,"a":2}}}}"#).into_bytes(),
        format!(r#"{open},"x":[[{{"a":1,"\u0061":2}}]]}}"#).into_bytes(),
        format!(r#"{open},"x":1e999}}"#).into_bytes(),
        b"null".to_vec(),
        Vec::new(),
    ] {
        let shown = String::from_utf8_lossy(&payload[..payload.len().min(40)]).into_owned();
        assert_eq!(
            believer.reason(&signer.raw(header.as_bytes(), &payload)).await,
            "malformed-token",
            "{shown}"
        );
    }
    let nested = format!(r#"{open},"x":{}{}}}"#, "[".repeat(15), "]".repeat(15));
    assert_eq!(believer.reason(&signer.raw(header.as_bytes(), nested.as_bytes())).await, "accepted");
    for header in
        [r#"{"alg":"ES256","alg":"ES256","kid":"k"}"#, r#"{"alg":"ES256","kid":"x","kid":"k"}"#, "[]", ""]
    {
        let token = signer.raw(header.as_bytes(), good.as_bytes());
        assert_eq!(believer.reason(&token).await, "malformed-token", "{header}");
    }
    let long = format!(r#"{{"alg":"ES256","kid":"k","x":"{}"}}"#, "x".repeat(4096));
    assert_eq!(believer.reason(&signer.raw(long.as_bytes(), good.as_bytes())).await, "malformed-token");
}

/// A22.
#[tokio::test]
async fn the_encoding_is_canonical_base64url_without_padding() {
    let signer = Signer::es256("k");
    let believer = Believer::of(&[&signer]).await;
    // Lengths with every remainder, and bytes that the two alphabets write differently.
    let header = json!({"alg": "ES256", "kid": "k", "x": "~~~???"}).to_string();
    let payload = claims_with("x", "???~~~ÿÿÿ").to_string();
    let part = |bytes: &str| encode(bytes);
    let signed = |header: String, payload: String| {
        let message = format!("{header}.{payload}");
        let signature = encode(signer.sign(message.as_bytes()));
        format!("{message}.{signature}")
    };
    assert_eq!(believer.reason(&signed(part(&header), part(&payload))).await, "accepted");
    let standard = |bytes: &str| STANDARD_NO_PAD.encode(bytes);
    assert_ne!(standard(&payload), part(&payload));
    assert_eq!(believer.reason(&signed(part(&header), standard(&payload))).await, "malformed-token");
    let short = claims_with("x", "1").to_string();
    let padded = (0..3).map(|n| URL_SAFE.encode(format!("{short}{}", " ".repeat(n))));
    for padded in padded.filter(|text| text.ends_with('=')) {
        assert_eq!(believer.reason(&signed(part(&header), padded)).await, "malformed-token");
    }
    let good = signed(part(&header), part(&payload));
    for (wrong, why) in [
        (format!("{good}="), "malformed-token"),
        (format!("{good}=="), "malformed-token"),
        (format!("{good}\u{9}"), "malformed-credential"),
        (good.replacen('.', " .", 1), "malformed-credential"),
        (good.replacen('.', "\u{b}.", 1).replace('\u{b}', "~"), "malformed-token"),
    ] {
        assert_eq!(believer.reason(&wrong).await, why);
    }
    // The last of 86 characters carries two bits; any other of its sixteen spellings is not canonical.
    let last = good.pop_last();
    let other = if last.1 == 'B' { 'C' } else { 'B' };
    assert_eq!(believer.reason(&format!("{}{other}", last.0)).await, "malformed-token");
}

/// A23, A24.
#[tokio::test]
async fn what_is_no_token_is_refused_at_once() {
    let signer = Signer::es256("k");
    let believer = Believer::of(&[&signer]).await;
    let good = signer.token(&claims());
    assert_eq!(believer.reason(&good).await, "accepted");
    let encrypted = encode(r#"{"alg":"PBES2-HS256+A128KW","p2c":2147483648,"enc":"A128GCM"}"#);
    let nested = signer.raw(br#"{"alg":"ES256","kid":"k","cty":"JWT"}"#, good.as_bytes());
    let began = Instant::now();
    for text in [
        "a".to_owned(),
        "..".to_owned(),
        "a.b".to_owned(),
        good.replacen('.', "", 1),
        format!("{good}.{good}"),
        format!("{encrypted}.a.b.c.d"),
        nested,
        json!({"payload": "e30", "signatures": []}).to_string().replace(' ', ""),
        ".".repeat(10_000),
        "a".repeat(64 * 1024),
        format!("{}{good}", ".".repeat(1_000_000)),
    ] {
        assert_eq!(believer.reason(&text).await, "malformed-token", "{}", &text[..text.len().min(40)]);
    }
    assert!(began.elapsed().as_millis() < 200, "{:?}", began.elapsed());
    let filler = "x".repeat(16 * 1024 - good.len());
    assert_eq!(believer.reason(&signer.token(&claims_with("x", filler))).await, "malformed-token");
}

#[tokio::test]
async fn errors_and_debug_say_nothing_of_the_token() {
    let signer = Signer::es256("k");
    let believer = Believer::of(&[&signer]).await;
    let token = signer.token(&claims_with("aud", "a-secret-audience"));
    let error = believer.bearer(&token).await.unwrap_err();
    let parsed = UnverifiedToken::parse(&token).unwrap();
    for shown in [format!("{error}"), format!("{error:?}"), format!("{parsed:?}")] {
        assert!(!shown.contains("a-secret-audience") && !shown.contains(&token[..20]), "{shown}");
    }
}

trait PopLast {
    fn pop_last(&self) -> (&str, char);
}

impl PopLast for String {
    fn pop_last(&self) -> (&str, char) {
        (&self[..self.len() - 1], self.chars().last().unwrap())
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Of big-endian numbers of the same length.
fn subtract(from: &[u8], what: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut result = vec![0; from.len()];
    for at in (0..from.len()).rev() {
        let difference = i16::from(from[at]) - i16::from(what[at]) - borrow;
        borrow = i16::from(difference < 0);
        result[at] = difference.rem_euclid(256) as u8;
    }
    result
}

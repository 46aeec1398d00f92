//! What a token must be before anything that it says is looked at.

use crate::support::issuer_fixture::{IssuerFixture, claims, claims_with};
use crate::support::signer::Signer;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use postern::config::Algorithm;
use postern::tokens::jws::UnverifiedToken;
use serde_json::json;
use std::time::Instant;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A01, A02.
#[tokio::test]
async fn no_algorithm_but_the_issuers_asymmetric_ones() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::with(&[&signer, &Signer::ed25519("ed")], |config, _| {
        config.algorithms = vec![Algorithm::Es256];
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
            let reason = issuer_fixture.reason(&format!("{header}.{payload}.{signature}")).await;
            assert_eq!(reason, "unsupported-algorithm", "{alg}");
        }
    }
    assert_eq!(issuer_fixture.reason(&signer.raw(br#"{"kid":"k"}"#, b"{}")).await, "unsupported-algorithm");
    assert_eq!(issuer_fixture.reason(&Signer::ed25519("ed").token(&claims())).await, "algorithm-not-allowed");

    let pem = signer.pem();
    let jwk = signer.jwk().to_string();
    for secret in [pem.as_bytes(), pem.trim_end().as_bytes(), jwk.as_bytes(), b""] {
        let message = format!("{}.{payload}", encode(r#"{"alg":"HS256","kid":"k"}"#));
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
        let tag = encode(aws_lc_rs::hmac::sign(&key, message.as_bytes()));
        assert_eq!(issuer_fixture.reason(&format!("{message}.{tag}")).await, "unsupported-algorithm");
    }
}

/// A07, A08.
#[tokio::test]
async fn only_a_true_signature_counts() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
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
        assert_eq!(issuer_fixture.reason(&token).await, "bad-signature", "{} bytes", forged.len());
    }
    // The twin (r, n - s) is as true as the original, and names the same person.
    let mut twin = signature[..32].to_vec();
    twin.extend(subtract(&order, &signature[32..]));
    let twin = issuer_fixture.bearer(&format!("{message}.{}", encode(twin))).await.unwrap();
    assert_eq!(twin.principal.user, "ada@corp.example");

    let stranger = Signer::es256("k");
    assert_eq!(issuer_fixture.reason(&stranger.token(&claims())).await, "bad-signature");
}

/// A09, A10.
#[tokio::test]
async fn nothing_in_a_header_chooses_a_key_or_causes_a_request() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    assert_eq!(issuer_fixture.reason(&signer.token(&claims())).await, "accepted");
    let asked = issuer_fixture.server.all_requests();
    let attacker = crate::support::jwks_server::JwksServer::start().await;
    let stranger = Signer::es256("k");
    // What needs no understanding is ignored: with it, a token counts exactly if it counts without.
    for (name, value) in [
        ("jku", json!(format!("{}/jwks", attacker.base))),
        ("x5u", json!(format!("{}/chain", attacker.base))),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
        ("jwk", stranger.jwk()),
        ("jwk", json!("no key")),
        ("zip", json!("DEF")),
        ("zip", json!("NONE")),
        ("zip", json!(null)),
        ("epk", json!({})),
        ("iss", json!("https://evil.example")),
        ("https://corp.example/extension", json!({"deep": [true]})),
        ("cty", json!("json")),
        ("cty", json!("")),
    ] {
        for (signer, reason) in [(&signer, "accepted"), (&stranger, "bad-signature")] {
            let mut header = signer.header();
            header[name] = value.clone();
            let token = signer.token_with_header(&header, &claims());
            assert_eq!(issuer_fixture.reason(&token).await, reason, "{name}: {value}");
        }
    }
    // What changes the meaning of the payload is not.
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(null)),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("enc", json!("A128GCM")),
        ("enc", json!(null)),
        ("cty", json!("JWT")),
        ("cty", json!("jwt")),
        ("cty", json!("application/jwt")),
        ("cty", json!("at+jwt")),
    ] {
        for signer in [&signer, &stranger] {
            let mut header = signer.header();
            header[name] = value.clone();
            let token = signer.token_with_header(&header, &claims());
            assert_eq!(issuer_fixture.reason(&token).await, "refused-parameter", "{name}: {value}");
        }
    }
    for (name, odd) in [
        ("typ", json!(null)),
        ("typ", json!(["JWT"])),
        ("cty", json!(null)),
        ("cty", json!(5)),
        ("kid", json!(null)),
        ("kid", json!(5)),
        ("kid", json!(true)),
        ("kid", json!(["k"])),
        ("kid", json!({})),
    ] {
        let mut header = signer.header();
        header[name] = odd.clone();
        let token = signer.token_with_header(&header, &claims());
        assert_eq!(issuer_fixture.reason(&token).await, "malformed-token", "{name}: {odd}");
    }
    let odd = signer.token_with_header(&json!({"alg": "ES256", "kid": 5}), &claims());
    let refused = UnverifiedToken::parse(&odd).expect_err("a number names no key");
    assert_eq!(refused.to_string(), "the token is not a compact JWS: `kid` is not a string");
    // A text that is long or not plain names no key: the keys that fit the algorithm are tried, and no others.
    for kid in ["k\r\nx", "\0", &"x".repeat(257), &"x".repeat(2_000)] {
        let header = json!({"alg": "ES256", "kid": kid});
        assert_eq!(
            issuer_fixture.reason(&signer.token_with_header(&header, &claims())).await,
            "accepted",
            "{kid}"
        );
    }
    assert_eq!(attacker.all_requests(), 0);
    assert_eq!(issuer_fixture.server.all_requests(), asked);
    let unnamed = json!({"alg": "ES256", "kid": "\0"});
    assert_eq!(
        issuer_fixture.reason(&stranger.token_with_header(&unnamed, &claims())).await,
        "bad-signature"
    );
    assert_eq!(attacker.all_requests(), 0);
    for kid in ["../../etc/passwd", "http://evil.example/", "' OR 1=1 --", "K", &"x".repeat(256)] {
        let token = signer.token_with_header(&json!({"alg": "ES256", "kid": kid}), &claims());
        assert_eq!(issuer_fixture.reason(&token).await, "unknown-key", "{kid}");
    }
}

/// A21: payloads, and headers of the same kind.
#[tokio::test]
async fn the_json_is_strict() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
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
            issuer_fixture.reason(&signer.raw(header.as_bytes(), &payload)).await,
            "malformed-token",
            "{shown}"
        );
    }
    let nested = format!(r#"{open},"x":{}{}}}"#, "[".repeat(15), "]".repeat(15));
    assert_eq!(issuer_fixture.reason(&signer.raw(header.as_bytes(), nested.as_bytes())).await, "accepted");
    for header in
        [r#"{"alg":"ES256","alg":"ES256","kid":"k"}"#, r#"{"alg":"ES256","kid":"x","kid":"k"}"#, "[]", ""]
    {
        let token = signer.raw(header.as_bytes(), good.as_bytes());
        assert_eq!(issuer_fixture.reason(&token).await, "malformed-token", "{header}");
    }
    let padded = |length: usize| {
        let empty = r#"{"alg":"ES256","kid":"k","x":""}"#;
        empty.replace(r#""x":""#, &format!(r#""x":"{}"#, "x".repeat(length - empty.len())))
    };
    for (length, expected) in [(4096, "accepted"), (4097, "malformed-token"), (8000, "malformed-token")] {
        let token = signer.raw(padded(length).as_bytes(), good.as_bytes());
        assert_eq!(issuer_fixture.reason(&token).await, expected, "{length}");
    }
}

/// A22.
#[tokio::test]
async fn the_encoding_is_canonical_base64url_without_padding() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    // Lengths with every remainder, and bytes that the two alphabets write differently.
    let header = json!({"alg": "ES256", "kid": "k", "x": "~~~???"}).to_string();
    let payload = claims_with("x", "???~~~ÿÿÿ").to_string();
    let part = |bytes: &str| encode(bytes);
    let signed = |header: String, payload: String| {
        let message = format!("{header}.{payload}");
        let signature = encode(signer.sign(message.as_bytes()));
        format!("{message}.{signature}")
    };
    assert_eq!(issuer_fixture.reason(&signed(part(&header), part(&payload))).await, "accepted");
    let standard = |bytes: &str| STANDARD_NO_PAD.encode(bytes);
    assert_ne!(standard(&payload), part(&payload));
    assert_eq!(issuer_fixture.reason(&signed(part(&header), standard(&payload))).await, "malformed-token");
    let short = claims_with("x", "1").to_string();
    let padded = (0..3).map(|n| URL_SAFE.encode(format!("{short}{}", " ".repeat(n))));
    for padded in padded.filter(|text| text.ends_with('=')) {
        assert_eq!(issuer_fixture.reason(&signed(part(&header), padded)).await, "malformed-token");
    }
    let good = signed(part(&header), part(&payload));
    for (wrong, why) in [
        (format!("{good}="), "malformed-token"),
        (format!("{good}=="), "malformed-token"),
        (format!("{good}\u{9}"), "malformed-credential"),
        (good.replacen('.', " .", 1), "malformed-credential"),
        (good.replacen('.', "\u{b}.", 1).replace('\u{b}', "~"), "malformed-token"),
    ] {
        assert_eq!(issuer_fixture.reason(&wrong).await, why);
    }
    // The last of 86 characters carries two bits; any other of its sixteen spellings is not canonical.
    let (rest, last) = good.split_at(good.len() - 1);
    let other = if last == "B" { "C" } else { "B" };
    assert_eq!(issuer_fixture.reason(&format!("{rest}{other}")).await, "malformed-token");
}

/// A23, A24.
#[tokio::test]
async fn what_is_no_token_is_refused_at_once() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    let good = signer.token(&claims());
    assert_eq!(issuer_fixture.reason(&good).await, "accepted");
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
        nested.clone(),
        json!({"payload": "e30", "signatures": []}).to_string().replace(' ', ""),
        ".".repeat(10_000),
        "a".repeat(64 * 1024),
        format!("{}{good}", ".".repeat(1_000_000)),
    ] {
        let reason = if text == nested { "refused-parameter" } else { "malformed-token" };
        assert_eq!(issuer_fixture.reason(&text).await, reason, "{}", &text[..text.len().min(40)]);
    }
    assert!(began.elapsed().as_millis() < 2_000, "{:?}", began.elapsed());
    let filler = "x".repeat(16 * 1024 - good.len());
    assert_eq!(issuer_fixture.reason(&signer.token(&claims_with("x", filler))).await, "malformed-token");
    let one_part = |length| UnverifiedToken::parse(&"a".repeat(length)).unwrap_err().to_string();
    assert!(one_part(16 * 1024).ends_with("three parts"), "{}", one_part(16 * 1024));
    assert!(one_part(16 * 1024 + 1).ends_with("too long"), "{}", one_part(16 * 1024 + 1));
}

#[tokio::test]
async fn errors_and_debug_say_nothing_of_the_token() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    let token = signer.token(&claims_with("aud", "a-secret-audience"));
    let error = issuer_fixture.bearer(&token).await.unwrap_err();
    let parsed = UnverifiedToken::parse(&token).unwrap();
    for shown in [format!("{error}"), format!("{error:?}"), format!("{parsed:?}")] {
        assert!(!shown.contains("a-secret-audience") && !shown.contains(&token[..20]), "{shown}");
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

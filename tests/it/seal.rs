//! Sealed texts open where they were sealed for, and nowhere else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postern::config::SecretSource;
use postern::config::secrets::{Form, Named, Secrets, session_key};
use postern::files::Files;
use postern::secret::Secret;
use postern::sessions::seal::{Purpose, Sealer, SealingKey, WeakKey, generate_key};
use std::collections::BTreeSet;
use url::Url;

const ISSUER: &str = "https://sso.corp.example";

fn key() -> SealingKey {
    SealingKey::parse(&Secret::new(generate_key())).unwrap()
}

fn public_url() -> Url {
    Url::parse("https://ml.corp.example").unwrap()
}

fn opens(sealer: &Sealer, sealed: &str) -> bool {
    sealer.open(Purpose::Session, sealed.as_bytes()).is_some_and(|text| text.as_slice() == b"text")
}

#[test]
fn opens_for_the_same_purpose_url_and_issuer_only() {
    let key = key();
    let sealer = Sealer::new(&key, &[], &public_url(), ISSUER);
    let sealed = sealer.seal(Purpose::Session, b"text");
    assert!(opens(&sealer, &sealed));
    assert!(sealer.open(Purpose::Attempt, sealed.as_bytes()).is_none(), "another purpose");
    let opens_at =
        |url: &str, issuer: &str| opens(&Sealer::new(&key, &[], &Url::parse(url).unwrap(), issuer), &sealed);
    let here = "https://ml.corp.example/";
    assert!(opens_at(here, ISSUER));
    for elsewhere in ["https://ml2.corp.example/", "https://nl.corp.example/", "https://ml.corp.example/x"] {
        assert!(!opens_at(elsewhere, ISSUER), "the public URL {elsewhere}");
    }
    for other in ["https://sso.corp.example/", "https://ssp.corp.example", ""] {
        assert!(!opens_at(here, other), "the issuer {other}");
    }
    // The two texts are apart: what one ends with is not what the other begins with.
    assert!(!opens_at("https://ml.corp.example/h", "ttps://sso.corp.example"));
}

#[test]
fn keys_rotate_without_a_gap() {
    let (old, new) = (key(), key());
    let before = Sealer::new(&old, &[], &public_url(), ISSUER);
    let sealed_before = before.seal(Purpose::Session, b"text");
    let during = Sealer::new(&new, &[old], &public_url(), ISSUER);
    assert!(opens(&during, &sealed_before), "the old key still opens");
    let sealed_during = during.seal(Purpose::Session, b"text");
    assert!(!opens(&before, &sealed_during), "the new key seals");
    let after = Sealer::new(&new, &[], &public_url(), ISSUER);
    assert!(opens(&after, &sealed_during));
    assert!(!opens(&after, &sealed_before), "the old key is gone");
}

#[test]
fn equal_texts_seal_differently_every_time() {
    let sealer = Sealer::new(&key(), &[], &public_url(), ISSUER);
    let sealed: BTreeSet<String> = (0..10_000).map(|_| sealer.seal(Purpose::Session, b"text")).collect();
    assert_eq!(sealed.len(), 10_000);
}

#[test]
fn a_damaged_text_does_not_open() {
    let sealer = Sealer::new(&key(), &[], &public_url(), ISSUER);
    let sealed = sealer.seal(Purpose::Session, b"text").into_bytes();
    for at in 0..sealed.len() {
        assert!(sealer.open(Purpose::Session, &sealed[..at]).is_none(), "cut to {at} bytes");
        for bit in 0..8 {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1 << bit;
            assert!(sealer.open(Purpose::Session, &damaged).is_none(), "bit {bit} of byte {at} flipped");
        }
    }
}

#[test]
fn a_generated_key_is_32_random_bytes_and_good() {
    let keys: BTreeSet<String> = (0..100).map(|_| generate_key()).collect();
    assert_eq!(keys.len(), 100);
    for key in keys {
        assert_eq!(STANDARD.decode(&key).unwrap().len(), 32);
        assert!(SealingKey::parse(&Secret::new(key)).is_ok());
    }
}

#[test]
fn weak_keys_are_refused() {
    let good = STANDARD.decode(generate_key()).unwrap();
    let refused = |text: String| SealingKey::parse(&Secret::new(text)).unwrap_err();
    for text in [
        String::new(),
        "changeme".to_owned(),
        STANDARD.encode(&good[..31]),
        STANDARD.encode([good.as_slice(), &[7]].concat()),
        STANDARD.encode(&good[..16]),
        "correct horse battery staple 123".to_owned(),
    ] {
        assert_eq!(refused(text.clone()), WeakKey::WrongLength, "{text}");
    }
    let series: Vec<u8> = (0..32).collect();
    for bytes in [
        vec![0; 32],
        vec![0xff; 32],
        b"changemechangemechangemechangeme".to_vec(),
        b"correct horse battery staple 123".to_vec(),
        [&good[..16], &good[..16]].concat(),
        [&good[..4]; 8].concat(),
        series,
    ] {
        assert_eq!(refused(STANDARD.encode(&bytes)), WeakKey::NotRandom, "{bytes:?}");
    }
    let of_values = |distinct: u8| -> Vec<u8> {
        (0..32).map(|at| if at < distinct { 0x80 + 3 * at } else { 0x80 }).collect()
    };
    let parsed = |bytes: Vec<u8>| SealingKey::parse(&Secret::new(STANDARD.encode(bytes))).err();
    assert_eq!([15, 16].map(|distinct| parsed(of_values(distinct))), [Some(WeakKey::NotRandom), None]);
}

#[test]
fn a_ring_is_read_from_its_sources() {
    let key = generate_key();
    let ring_of = |keys: &[&str]| {
        let directory = tempfile::tempdir().unwrap();
        let named = keys.iter().enumerate().map(|(index, text)| {
            let path = directory.path().join(index.to_string());
            std::fs::write(&path, text).unwrap();
            Named { key: session_key(index), source: SecretSource::File(path), form: Form::Line }
        });
        let secrets = Secrets::read(named, &Files::default());
        Sealer::load(keys.len(), &secrets, &public_url(), ISSUER)
    };
    let old = ring_of(&[&key]).unwrap();
    let ring = ring_of(&[&format!("{}\n", generate_key()), &key]).unwrap();
    assert!(opens(&ring, &old.seal(Purpose::Session, b"text")));
    let errors = ring_of(&[&key, "changeme", ""]).unwrap_err();
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert!(errors[0].starts_with("session.keys[1]: it ") && !errors[0].contains("changeme"), "{errors:?}");
    assert!(errors[1].starts_with("session.keys[2]: ") && errors[1].ends_with("is empty"), "{errors:?}");
    let (one, other) = (ring_of(&[]).unwrap(), ring_of(&[]).unwrap());
    assert!(!opens(&other, &one.seal(Purpose::Session, b"text")), "each process has its own");
}

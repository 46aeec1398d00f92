//! `profile_name`: legal names, and never one for two people.

use super::{AROUND, person};
use postern::policy::profile_name::{Prefix, prefixed_profile_name, profile_name};
use postern::target::UserProfileName;
use proptest::prelude::*;
use std::collections::HashMap;

fn name(text: &str) -> String {
    profile_name(text).unwrap().to_string()
}

fn prefixed(prefix: &str, text: &str) -> String {
    prefixed_profile_name(&Prefix::parse(prefix).unwrap(), text).unwrap().to_string()
}

#[test]
fn what_is_legal_and_lower_case_stays() {
    for text in ["ada", "a", "0", "ada-lovelace-2", &"a".repeat(63)] {
        assert_eq!(name(text), *text);
    }
    assert_eq!(prefixed("risk", "ada"), "risk--ada");
    assert_eq!(prefixed("risk", &"a".repeat(57)), format!("risk--{}", "a".repeat(57)));
}

/// The digests are what `printf %s TEXT | sha256sum` gives, in base32.
#[test]
fn everything_else_carries_a_digest_of_the_whole_text() {
    for (text, stem) in [
        ("Ada", "ada"),
        ("ada.lovelace", "ada-lovelace"),
        ("ada@corp.example", "ada-corp-example"),
        ("a--b", "a-b"),
        ("-ada-", "ada"),
        ("Ädä", "d"),
        ("李", "user"),
        ("\n", "user"),
    ] {
        let name = name(text);
        let (found, digest) = name.split_once("---").unwrap();
        assert_eq!(found, stem, "{text}");
        assert_eq!(digest.len(), 16);
        assert!(digest.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b)), "{digest}");
    }
    assert_eq!(name("Ada"), EXPECTED_ADA);
}

/// `printf Ada | sha256sum | xxd -r -p | base32 | cut -c1-16 | tr A-Z a-z`.
const EXPECTED_ADA: &str = "ada---tgswhkzpnyq6s2my";

#[test]
fn a_long_text_is_cut_and_its_end_still_counts() {
    let (one, other) = (format!("{}x", "a".repeat(63)), format!("{}y", "a".repeat(63)));
    assert_eq!(name(&one).len(), 63);
    assert_ne!(name(&one), name(&other));
    let prefix = "p".repeat(32);
    assert_eq!(prefixed(&prefix, &one).len(), 63);
    assert_ne!(prefixed(&prefix, &one), prefixed(&prefix, &other));
    assert_ne!(prefixed("risk", &"a".repeat(58)), prefixed("risk", &"a".repeat(59)));
}

#[test]
fn nobodys_name_is_nobodys_profile() {
    assert_eq!(profile_name(""), None);
    assert_eq!(prefixed_profile_name(&Prefix::parse("risk").unwrap(), ""), None);
    let nobody = person("", &[]);
    let failed = Err("`user_profile_name`: `profile_name`: the text is empty".to_owned());
    assert_eq!(nobody.profile(&AROUND, "${profile_name(user)}"), failed);
    assert_eq!(nobody.profile(&AROUND, "${profile_name('risk', user)}"), failed);
}

#[test]
fn a_prefix_is_one_word_in_lower_case() {
    for prefix in ["", "Risk", "a--b", "-a", "a-", "a_b", "a b", "ä", &"a".repeat(33)] {
        assert_eq!(Prefix::parse(prefix), None, "{prefix}");
    }
}

fn prefix() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(prop_oneof!["[ab]{1,3}", "[a-z0-9](-?[a-z0-9]){0,15}", "[a-z]{32}"])
}

/// Texts that are close to one another and to the forms of the names.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[aAbB-]{1,5}",
        "[a-z]{1,4}(-{1,3}[a-z2-7]{0,16}){0,2}",
        "[a-c]{1,3}---[a-z2-7]{16}",
        "[a-c]{1,3}--[a-c]{1,3}---[a-z2-7]{16}",
        "[ab]{56,64}",
        "\\PC{1,8}",
        any::<String>().prop_filter("not empty", |text| !text.is_empty()),
    ]
}

fn named(prefix: Option<&str>, text: &str) -> String {
    prefix.map_or_else(|| name(text), |prefix| prefixed(prefix, text))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_text_has_a_legal_name(prefix in prefix(), text in text()) {
        let name = named(prefix.as_deref(), &text);
        prop_assert!(UserProfileName::parse(&name).is_ok());
        prop_assert_eq!(name.to_ascii_lowercase(), name);
    }

    #[test]
    fn different_inputs_have_different_names(inputs in proptest::collection::hash_set((prefix(), text()), 2..40)) {
        let mut names = HashMap::new();
        for (prefix, text) in inputs {
            let name = named(prefix.as_deref(), &text).to_ascii_lowercase();
            if let Some(other) = names.insert(name.clone(), (prefix.clone(), text.clone())) {
                return Err(TestCaseError::fail(format!("{other:?} and {:?} are both {name}", (prefix, text))));
            }
        }
    }

    /// The name of a name is another name, unless it is the text itself.
    #[test]
    fn a_name_does_not_name_itself(prefix in prefix(), text in text()) {
        let name_of = named(prefix.as_deref(), &text);
        if prefix.is_some() || name_of != text {
            prop_assert_ne!(name(&name_of), name_of);
        }
    }
}

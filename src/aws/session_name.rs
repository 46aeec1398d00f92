//! A person's name in AWS: the `RoleSessionName` and `SourceIdentity` of the sessions in which their URLs are minted.

use crate::config::IssuerConfig;
use aws_lc_rs::digest::{Context, SHA256};
use std::fmt::Write;

/// AWS's limit for both fields; the shortest legal value has two characters.
const LONGEST: usize = 64;
/// Hexadecimal characters of SHA-256 that tell people apart whose names cannot: 128 bits.
const DIGEST: usize = 32;
/// The session name of state look-ups, which belong to no person.
pub(crate) const LOOK_UP: &str = "postern";

/// Encodes a person into 2 to 64 characters of `[A-Za-z0-9_+=,.@-]`, never two people into the same.
///
/// A person is (realm, user). CloudTrail, session policies and partner apps know a person by this text alone, so both
/// must be in it. The number of `=` tells three forms apart:
///
/// - `user`: if all issuers are of one realm (`sole_realm`), which is then left out;
/// - `user=realm`: if there are several;
/// - `stem==digest`: for names that are too long, too short, or hold another character than AWS allows (or a `=`).
///
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
pub(crate) fn session_name(realm: &str, user: &str, sole_realm: Option<&str>) -> String {
    let readable = if sole_realm == Some(realm) {
        plain(user).then(|| user.to_owned())
    } else {
        (plain(user) && plain(realm)).then(|| format!("{user}={realm}"))
    };
    readable
        .filter(|name| (2..=LONGEST).contains(&name.len()) && name != LOOK_UP)
        .unwrap_or_else(|| digested(realm, user))
}

/// The possible names of people of these issuers, and of the look-ups, with IAM's wildcards: for trust policies. `None`
/// if a person may have any name.
pub(crate) fn patterns(issuers: &[IssuerConfig], sole_realm: Option<&str>) -> Option<Vec<String>> {
    let mut patterns = vec![LOOK_UP.to_owned(), format!("*=={}", "?".repeat(DIGEST))];
    for issuer in issuers {
        for domain in issuer.user_domains.as_ref()? {
            // Other names are digested.
            let pattern = if sole_realm == Some(&*issuer.realm) {
                plain(domain).then(|| format!("*@{domain}"))
            } else {
                (plain(domain) && plain(&issuer.realm)).then(|| format!("*@{domain}={}", issuer.realm))
            };
            if let Some(pattern) = pattern.filter(|pattern| !patterns.contains(pattern)) {
                patterns.push(pattern);
            }
        }
        // A program's realm is never the only one.
        let programs = issuer.programs.as_ref().filter(|programs| plain(&programs.realm));
        if let Some(pattern) = programs.map(|programs| format!("*={}", programs.realm))
            && !patterns.contains(&pattern)
        {
            patterns.push(pattern);
        }
    }
    Some(patterns)
}

fn plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(legal)
}

/// AWS's alphabet without `=`, which tells the forms apart.
fn legal(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+,.@-".contains(c)
}

fn digested(realm: &str, user: &str) -> String {
    let mut context = Context::new(&SHA256);
    context.update(&(realm.len() as u64).to_be_bytes());
    context.update(realm.as_bytes());
    context.update(user.as_bytes());
    let mut name: String = user.chars().filter(|c| legal(*c)).take(LONGEST - DIGEST - 2).collect();
    name.push_str("==");
    for byte in context.finish().as_ref().iter().take(DIGEST / 2) {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Algorithm, ClaimPaths, KeySource};
    use proptest::prelude::*;

    fn issuer(realm: &str) -> IssuerConfig {
        IssuerConfig {
            name: realm.into(),
            issuer: "https://sso.corp.example".to_owned(),
            realm: realm.into(),
            algorithms: vec![Algorithm::Rs256],
            audience: Vec::new(),
            keys: KeySource::Discovery,
            discovery_url: None,
            insecure_http: false,
            claims: ClaimPaths { user: Vec::new(), groups: "groups".into(), name: "name".into() },
            user_domains: Some(vec!["corp.example".to_owned()]),
            programs: None,
            unmarked_email: false,
            access_tokens: None,
            signed_header: None,
        }
    }

    #[test]
    fn what_is_legal_stays_readable() {
        let name = |sole_realm| session_name("corp", "ada@corp.example", sole_realm);
        assert_eq!(name(Some("corp")), "ada@corp.example");
        assert_eq!(name(None), "ada@corp.example=corp");
        assert_eq!(name(Some("partners")), "ada@corp.example=corp");
    }

    #[test]
    fn what_is_not_legal_keeps_a_stem() {
        let name = session_name("corp", "zoë o'neill@corp.example", Some("corp"));
        assert!(name.starts_with("zooneill@corp.example=="), "{name}");
    }

    #[test]
    fn nobody_is_called_as_the_state_look_ups_are() {
        assert_ne!(session_name("corp", LOOK_UP, Some("corp")), LOOK_UP);
    }

    /// Users that are likely to collide: few characters, the separator among them, and near the limits of length.
    fn user() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ab=@]{1,4}",
            "[a-c=.@-]{60,70}",
            ".{0,80}",
            "[ab]{1,3}==[0-9a-f]{32}",
            Just(LOOK_UP.to_owned())
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// A trust policy that leaves a person out would lock that person out.
        #[test]
        fn every_name_fits_a_pattern(user in "[a-z=é+]{1,70}", realm in "(corp|pa=rt)", alone in any::<bool>()) {
            let issuer = issuer(&realm);
            let sole_realm = alone.then_some(realm.as_str());
            let patterns = patterns(&[issuer], sole_realm).expect("an e-mail address");
            let name = session_name(&realm, &format!("{user}@corp.example"), sole_realm);
            let fits = |pattern: &String| {
                let pattern = regex::escape(pattern).replace("\\*", ".*").replace("\\?", ".");
                regex::Regex::new(&format!("^{pattern}$")).expect("a pattern").is_match(&name)
            };
            prop_assert!(patterns.iter().any(fits), "{name} is none of {patterns:?}");
        }

        #[test]
        fn names_are_legal_and_no_two_people_share_one(
            (one, other) in (("[ab=]{0,3}", user()), ("[ab=]{0,3}", user())),
            sole_realm in prop_oneof![Just(None), Just(Some("a"))],
        ) {
            let name = |(realm, user): &(String, String)| session_name(realm, user, sole_realm);
            let (first, second) = (name(&one), name(&other));
            for name in [&first, &second] {
                prop_assert!((2..=LONGEST).contains(&name.len()), "{name}");
                prop_assert!(name.chars().all(|c| legal(c) || c == '='), "{name}");
                prop_assert_ne!(name, LOOK_UP);
            }
            prop_assert_eq!(one == other, first == second, "{:?} {:?}", one, other);
        }
    }
}

//! The tags of a user profile that say whose it is.

use crate::digest::sha256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moka::future::Cache;
use std::time::Duration;

pub(crate) const REALM_TAG: &str = "postern:realm";
pub(crate) const PERSON_TAG: &str = "postern:person";

/// As long as a state counts.
const KEPT: Duration = Duration::from_secs(15);
const MOST: u64 = 10_000;
const LONGEST_VALUE: usize = 256;

/// The people whom profiles belong to, by their ARNs.
#[derive(Debug)]
pub(super) struct Owners(pub(super) Cache<(String, Option<String>), Owner>);

/// The person that a profile's tags name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// It was not created by Postern.
    Nobody,
    /// The values of the tags, as far as they are there.
    Tagged { realm: Option<String>, person: Option<String> },
}

impl Owner {
    /// Whether the profile may be opened by this person.
    pub(crate) fn lets_in(&self, realm: &str, user: &str) -> bool {
        match self {
            Self::Nobody => true,
            Self::Tagged { realm: of_realm, person } => {
                of_realm.as_deref() == Some(&*tag_value(realm))
                    && person.as_deref() == Some(&*tag_value(user))
            }
        }
    }

    pub(super) fn of(tags: &[(String, String)]) -> Self {
        let value = |key: &str| tags.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone());
        match (value(REALM_TAG), value(PERSON_TAG)) {
            (None, None) => Self::Nobody,
            (realm, person) => Self::Tagged { realm, person },
        }
    }
}

impl Owners {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(MOST).time_to_live(KEPT).build())
    }
}

/// A text as the value of a tag, never two texts as the same: AWS takes letters, digits, spaces and a few other
/// characters.
pub(super) fn tag_value(text: &str) -> String {
    let legal = |c: char| c.is_alphanumeric() || " _.:/=+-@".contains(c);
    let is_plain = !text.is_empty()
        && text.chars().count() <= LONGEST_VALUE
        && text.chars().all(legal)
        && text.trim() == text
        && !text.starts_with(DIGESTED);
    if is_plain {
        text.to_owned()
    } else {
        format!("{DIGESTED}{}", URL_SAFE_NO_PAD.encode(sha256(text.as_bytes())))
    }
}

/// The values of names that cannot be tags begin so.
pub(crate) const DIGESTED: &str = "sha256:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_people_have_the_same_tag() {
        assert_eq!(tag_value("ada@corp.example"), "ada@corp.example");
        assert_eq!(tag_value("Zoë Ωmega"), "Zoë Ωmega");
        let long = "a".repeat(257);
        let odd = ["", "a*b", "a'b", "a ", "sha256:abc", &long, "a\nb"].map(tag_value);
        for value in &odd {
            assert!(value.starts_with(DIGESTED) && value.len() <= LONGEST_VALUE, "{value}");
            assert_ne!(*value, tag_value(value), "a digest is nobody's name");
        }
        let distinct: std::collections::BTreeSet<_> = odd.iter().collect();
        assert_eq!(distinct.len(), odd.len());
    }

    #[test]
    fn a_profile_lets_in_the_person_that_its_tags_name() {
        let tagged = |realm: Option<&str>, person: Option<&str>| Owner::Tagged {
            realm: realm.map(str::to_owned),
            person: person.map(str::to_owned),
        };
        for (owner, expected) in [
            (Owner::Nobody, true),
            (tagged(Some("corp"), Some("ada@corp.example")), true),
            (tagged(Some("partners"), Some("ada@corp.example")), false),
            (tagged(Some("corp"), Some("eve@corp.example")), false),
            (tagged(None, Some("ada@corp.example")), false),
            (tagged(Some("corp"), None), false),
        ] {
            assert_eq!(owner.lets_in("corp", "ada@corp.example"), expected, "{owner:?}");
        }
    }
}

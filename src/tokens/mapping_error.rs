//! The reasons why verified claims name nobody.

use crate::config::{ClaimPath, IssuerConfig};
use crate::tokens::claim::{Found, find, kind, shortened, steps, value};
use serde_json::{Map, Value};
use std::fmt;

/// Why verified claims name nobody. `Display` shows nothing of the claims; [`with_type`](Self::with_type) names the
/// claim and its type, for logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingError {
    fault: Fault,
    /// The claims that were looked for; where there are several, none was found.
    paths: Vec<ClaimPath>,
    /// The value at the path or the obstacle before it, described in words.
    found: String,
    stated: Stated,
}

/// The text in the claim that names a person, for the page that this person reads. `Debug` shows nothing of the text.
#[derive(Clone, Default, PartialEq, Eq)]
struct Stated(Option<String>);

impl fmt::Debug for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Some(…)" } else { "None" })
    }
}

/// Characters of a person's own text on a page.
const LONGEST_STATED: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    SubjectInvalid,
    UserMissing,
    UserInvalid,
    EmailInvalid,
    EmailUnverified,
    EmailDomain,
    ProgramUnclear,
    ProgramNotDescribed,
    ProgramSignedIn,
}

impl MappingError {
    pub(crate) fn at(fault: Fault, path: &ClaimPath, claims: &Map<String, Value>) -> Self {
        let own = value(claims, path).and_then(Value::as_str).filter(|text| !text.contains(char::is_control));
        let stated = Stated(own.map(|text| text.chars().take(LONGEST_STATED).collect()));
        let paths = vec![match fault {
            Fault::EmailUnverified => mark_of(path, claims),
            _ => path.clone(),
        }];
        let found = match paths.first().map(|path| find(claims, path)) {
            Some(Found::Value { value, .. }) => format!("is {}", kind(value)),
            Some(Found::Blocked { step, kind }) => {
                format!("cannot be reached: `{}` is {kind}, not an object", shortened(&step))
            }
            Some(Found::Absent) | None => "is not there".to_owned(),
        };
        Self { fault, paths, found, stated }
    }

    /// The value of the claim that should name the person, for a page that only that person reads.
    pub(crate) fn stated(&self) -> Option<&str> {
        match self.fault {
            Fault::UserInvalid | Fault::EmailInvalid | Fault::EmailUnverified | Fault::EmailDomain => {
                self.stated.0.as_deref().filter(|text| !text.is_empty())
            }
            _ => None,
        }
    }

    /// The error for claims none of which is there.
    pub(crate) fn missing(paths: &[ClaimPath]) -> Self {
        let found = if paths.len() == 1 { "is not there" } else { "are not there" };
        let stated = Stated::default();
        Self { fault: Fault::UserMissing, paths: paths.to_vec(), found: found.to_owned(), stated }
    }

    /// The stable word for programs, logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self.fault {
            Fault::SubjectInvalid => "subject-invalid",
            Fault::UserMissing => "user-missing",
            Fault::UserInvalid => "user-invalid",
            Fault::EmailInvalid => "email-invalid",
            Fault::EmailUnverified => "email-unverified",
            Fault::EmailDomain => "email-domain",
            Fault::ProgramUnclear => "program-unclear",
            Fault::ProgramNotDescribed => "program-not-described",
            Fault::ProgramSignedIn => "program-signed-in",
        }
    }

    /// The error with the claim's path and the type that came, for logs.
    pub fn with_type(&self) -> String {
        format!("{self}: {} {}", self.claims(), self.found)
    }

    /// The error with the claim's path, its value and the key that asks for it. For claims that an admin wrote into a
    /// file: those of a real token are shown to nobody.
    pub fn with_claim(&self, config: &IssuerConfig, claims: &Map<String, Value>) -> String {
        let value = match self.paths.as_slice() {
            [path] => value(claims, path),
            _ => None,
        };
        let found = match value {
            Some(value) => format!("is {}", shortened(&value.to_string())),
            None => self.found.clone(),
        };
        let key = match self.fault {
            Fault::SubjectInvalid | Fault::EmailUnverified => None,
            Fault::UserMissing | Fault::UserInvalid | Fault::EmailInvalid => Some("claims.user"),
            Fault::EmailDomain => Some("user_domains"),
            Fault::ProgramNotDescribed => Some("programs"),
            Fault::ProgramUnclear | Fault::ProgramSignedIn => Some("programs.claim"),
        };
        let key = key.map(|key| format!(" (`issuers.{}.{key}`)", config.name)).unwrap_or_default();
        format!("{self}: {} {found}{key}", self.claims())
    }

    fn claims(&self) -> String {
        let names: Vec<String> =
            self.paths.iter().map(|path| format!("`{}`", shortened(&path.to_string()))).collect();
        let word = if names.len() == 1 { "claim" } else { "claims" };
        format!("the {word} {}", names.join(", "))
    }
}

/// The mark that decides about the address at `path`; where the mark speaks of another address, the claim with that address.
fn mark_of(path: &ClaimPath, claims: &Map<String, Value>) -> ClaimPath {
    let above = match steps(claims, path) {
        Some(steps) => steps.split_last().map_or(&[][..], |(_, above)| above).to_vec(),
        None => Vec::new(),
    };
    let beside = |name: &str| {
        let mut steps: Vec<String> = above.iter().map(|step| (*step).to_owned()).collect();
        if steps.is_empty() {
            return ClaimPath::from(name);
        }
        steps.push(name.to_owned());
        ClaimPath::Steps(steps)
    };
    let holds = |name: &str| value(claims, &beside(name)).is_some();
    let is_anothers = !path.ends_in("email") && holds("email") && holds("email_verified");
    beside(if is_anothers { "email" } else { "email_verified" })
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.fault {
            Fault::SubjectInvalid => "`sub` is missing, empty, too long or not plain text",
            Fault::UserMissing => "the claim that names the user is missing",
            Fault::UserInvalid => {
                "the claim that names the user is not a string of 1 to 255 bytes without white space"
            }
            Fault::EmailInvalid => {
                "the user is not an e-mail address of printable ASCII with exactly one `@`"
            }
            Fault::EmailUnverified => "the issuer does not say `email_verified: true` of the address",
            Fault::EmailDomain => "the address is not of a domain that this issuer may speak for",
            Fault::ProgramNotDescribed => {
                "the token is a program's, and programs of its issuer are not known here"
            }
            Fault::ProgramSignedIn => "the account is a program's, and programs do not sign in",
            Fault::ProgramUnclear => {
                "the claim that tells programs from people is not of the configured form"
            }
        })
    }
}

impl std::error::Error for MappingError {}

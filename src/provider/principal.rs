//! A person, after every check of the token that named them.

mod groups;

pub use groups::{Groups, Unbound};

use crate::config::{AccessTokens, ClaimPath, ClaimPaths, IssuerConfig, Programs};
use crate::tokens::claim::{Found, find, stated, value};
use crate::tokens::mapping_error::{Fault, MappingError};
use serde_json::{Map, Value};
use std::sync::Arc;

/// An authenticated person or program. One *is* ([`realm`](Self::realm), [`user`](Self::user)): the same two mean the same
/// human, whether a session, a bearer token or a signed header named them.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The realm of the issuer: `realm:` in the config, by default the issuer's key there; or that of its programs.
    pub realm: Arc<str>,
    /// The mapped user claim, checked and folded: an e-mail address or another stable name.
    pub user: String,
    /// The issuer's key in the config, not its URL.
    pub issuer: Arc<str>,
    /// `sub` of the token.
    pub subject: String,
    /// The person's name, for pages only; never used to decide.
    pub name: Option<String>,
    pub groups: Groups,
    /// The number of groups that the issuer asserts, where `groups` holds only those that the policy reads; `None`
    /// where it holds all.
    pub groups_total: Option<usize>,
    /// The verified claims, for the policy's expressions.
    pub claims: Arc<Map<String, Value>>,
}

/// The parts that verified claims leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MissingClaims {
    Nothing,
    /// The name, which is for pages only.
    Name,
    UserOrGroups,
}

/// The longest `user`, in bytes.
const LONGEST_USER: usize = 255;
const LONGEST_NAME: usize = 256;
/// The claim that each person's access token of Amazon Cognito has.
const COGNITO_USER: &str = "username";

/// Maps claims as the config says, whether verified or, for `explain` and the policy tests, straight from a file.
///
/// A claim is found by its [`ClaimPath`]. The user is the first of the configured claims that is there: a string of 1 to 255
/// bytes without white space and control characters. Where it is an e-mail address it has exactly one `@`, is printable
/// ASCII, is folded to lower case, stands in one of the issuer's `user_domains`, and the claim `email_verified` beside it is
/// the boolean `true`, which speaks of the claim `email` (OpenID Connect Core 1.0, section 5.1): the user is that claim, or
/// says the same. Behind an Application Load Balancer the string `"true"` counts, too: Amazon Cognito's `UserInfo` says it
/// so. With `insecure_unmarked_email` that mark may be absent or that string; nothing else passes.
///
/// Groups that are absent or not of the configured form are [`Groups::Unbound`], which is no error: rules that do not ask
/// for them decide all the same.
///
/// # Errors
///
/// [`MappingError`] where the claims name nobody.
pub fn principal_from_claims(
    config: &IssuerConfig,
    claims: &Map<String, Value>,
) -> Result<Principal, MappingError> {
    map(config, Arc::new(claims.clone()))
}

pub(crate) fn map(config: &IssuerConfig, claims: Arc<Map<String, Value>>) -> Result<Principal, MappingError> {
    let subject = claims.get("sub").and_then(Value::as_str);
    let subject = subject.filter(|subject| is_plain(subject));
    let subject = subject.ok_or_else(|| MappingError::at(Fault::SubjectInvalid, &"sub".into(), &claims))?;
    let (realm, user, groups) = match program(config, &claims)? {
        Some(programs) => (&programs.realm, program_name(&programs.user, &claims)?, &programs.groups),
        None if is_program_of_cognito(config, &claims) => {
            return Err(MappingError::at(Fault::ProgramNotDescribed, &COGNITO_USER.into(), &claims));
        }
        None => (&config.realm, user(config, &claims)?, &config.claims.groups),
    };
    Ok(Principal {
        realm: Arc::clone(realm),
        user,
        issuer: Arc::clone(&config.name),
        subject: subject.to_owned(),
        name: name(&claims, &config.claims.name),
        groups: groups::groups(&claims, groups),
        groups_total: None,
        claims,
    })
}

/// The description of the issuer's programs, where the claims are a program's.
fn program<'i>(
    config: &'i IssuerConfig,
    claims: &Map<String, Value>,
) -> Result<Option<&'i Programs>, MappingError> {
    let Some(programs) = &config.programs else { return Ok(None) };
    let is_program = match (find(claims, &programs.claim), &programs.value) {
        (Found::Absent, _) => false,
        (Found::Value { .. }, None) => true,
        (Found::Value { value: Value::String(stated), .. }, Some(value)) => stated == value,
        // The claim tells nobody whether this is a person or a program.
        _ => return Err(MappingError::at(Fault::ProgramUnclear, &programs.claim, claims)),
    };
    Ok(is_program.then_some(programs))
}

/// A program's access token (the client credentials grant) lacks a claim that a person's has.
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html>
fn is_program_of_cognito(config: &IssuerConfig, claims: &Map<String, Value>) -> bool {
    let says = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    config.access_tokens == Some(AccessTokens::Cognito)
        && says("token_use") == "access"
        && says(COGNITO_USER).is_empty()
}

fn program_name(path: &ClaimPath, claims: &Map<String, Value>) -> Result<String, MappingError> {
    match find(claims, path) {
        Found::Value { value, .. } => plain_user(path, value, claims).map(str::to_owned),
        Found::Absent => Err(MappingError::at(Fault::UserMissing, path, claims)),
        Found::Blocked { .. } => Err(MappingError::at(Fault::UserInvalid, path, claims)),
    }
}

fn user(config: &IssuerConfig, claims: &Map<String, Value>) -> Result<String, MappingError> {
    for path in &config.claims.user {
        match find(claims, path) {
            Found::Value { holder, value } => {
                let user = plain_user(path, value, claims)?;
                return match &config.user_domains {
                    None => Ok(user.to_owned()),
                    Some(domains) => email(config, user, domains, mark(holder, user))
                        .map_err(|fault| MappingError::at(fault, path, claims)),
                };
            }
            Found::Absent => {}
            Found::Blocked { .. } => return Err(MappingError::at(Fault::UserInvalid, path, claims)),
        }
    }
    Err(MappingError::missing(&config.claims.user))
}

fn plain_user<'c>(
    path: &ClaimPath,
    value: &'c Value,
    claims: &Map<String, Value>,
) -> Result<&'c str, MappingError> {
    let user = value.as_str().filter(|user| is_plain(user) && !user.contains(char::is_whitespace));
    user.ok_or_else(|| MappingError::at(Fault::UserInvalid, path, claims))
}

/// The mark of this address. A person who may choose a login name freely can have another address of theirs verified.
fn mark<'c>(holder: &'c Map<String, Value>, address: &str) -> Option<&'c Value> {
    let marked = stated(holder, "email").and_then(Value::as_str);
    let is_same = marked.is_some_and(|marked| marked.eq_ignore_ascii_case(address));
    // An issuer that marks any address as unverified does not vouch for this one.
    let denies = |mark: &Value| mark == false || mark == "false";
    stated(holder, "email_verified").filter(|mark| is_same || denies(mark))
}

/// The load balancer hands on the marks of the provider's `UserInfo`, and those of Amazon Cognito are `"true"` and
/// `"false"`.
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/userinfo-endpoint.html>
fn takes_text_marks(config: &IssuerConfig) -> bool {
    config.signed_header.as_ref().is_some_and(|header| header.aws_alb.is_some())
}

fn email(
    config: &IssuerConfig,
    address: &str,
    domains: &[String],
    mark: Option<&Value>,
) -> Result<String, Fault> {
    if !address.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Fault::EmailInvalid);
    }
    let folded = address.to_ascii_lowercase();
    let (local_part, domain) = folded.split_once('@').ok_or(Fault::EmailInvalid)?;
    if local_part.is_empty() || domain.is_empty() || domain.contains('@') {
        return Err(Fault::EmailInvalid);
    }
    match mark {
        Some(Value::Bool(true)) => {}
        None if config.unmarked_email => {}
        Some(Value::String(mark))
            if mark == "true" && (config.unmarked_email || takes_text_marks(config)) => {}
        _ => return Err(Fault::EmailUnverified),
    }
    if is_of(&folded, domains) { Ok(folded) } else { Err(Fault::EmailDomain) }
}

/// Whether the address, in lower case, stands in one of the domains.
pub(crate) fn is_of(address: &str, domains: &[String]) -> bool {
    address.split_once('@').is_some_and(|(_, domain)| domains.iter().any(|ours| ours == domain))
}

fn name(claims: &Map<String, Value>, path: &ClaimPath) -> Option<String> {
    let name = value(claims, path)?.as_str()?;
    let shown = !name.is_empty() && name.len() <= LONGEST_NAME && !name.contains(char::is_control);
    shown.then(|| name.to_owned())
}

/// The parts that [`map`] reads and the claims leave out.
pub(crate) fn missing_claims(config: &IssuerConfig, claims: &Map<String, Value>) -> MissingClaims {
    let ClaimPaths { user, groups, name } = &config.claims;
    let unmarked = config.user_domains.is_none() || config.unmarked_email;
    let is_marked = |holder, user: &Value| user.as_str().is_some_and(|user| mark(holder, user).is_some());
    // The first path decides who the person is: if it finds nobody, `UserInfo` is asked even where a later path does.
    let names_user = match user.first().map(|path| find(claims, path)) {
        Some(Found::Value { holder, value }) => unmarked || is_marked(holder, value),
        _ => false,
    };
    if !names_user || !states(claims, &groups.path) {
        MissingClaims::UserOrGroups
    } else if !states(claims, name) {
        MissingClaims::Name
    } else {
        MissingClaims::Nothing
    }
}

/// Whether the claims say anything at `path`.
pub(crate) fn states(claims: &Map<String, Value>, path: &ClaimPath) -> bool {
    value(claims, path).is_some()
}

fn is_plain(text: &str) -> bool {
    (1..=LONGEST_USER).contains(&text.len()) && !text.contains(char::is_control)
}

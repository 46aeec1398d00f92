//! A person, after every check of the token that named them.

use crate::config::{ClaimPaths, IssuerConfig};
use crate::tokens::error::MappingError;
use serde_json::{Map, Value};
use std::sync::Arc;

/// An authenticated person. A person *is* ([`realm`](Self::realm), [`user`](Self::user)): the same two mean the same
/// human, whether a session, a bearer token or a signed header named them.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The realm of the issuer: `realm:` in the config, by default the issuer's key there.
    pub realm: Arc<str>,
    /// The mapped user claim, checked and folded: an e-mail address or another stable name.
    pub user: String,
    /// The issuer's key in the config, not its URL.
    pub issuer: Arc<str>,
    /// `sub` of the token.
    pub subject: String,
    /// What the person is called, for pages only; never used to decide.
    pub name: Option<String>,
    pub groups: Groups,
    /// How many groups the issuer asserts, where `groups` are only those of them that the policy reads; `None` where they
    /// are all of them.
    pub groups_total: Option<usize>,
    /// The verified claims, for the policy's expressions.
    pub claims: Arc<Map<String, Value>>,
}

/// The groups an issuer asserts. "None" and "left out" differ: a rule that asks for groups which the provider left out
/// must fail, not see an empty list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Groups {
    /// The groups in the token; empty where the claim is absent or an empty list.
    Known(Arc<[Arc<str>]>),
    /// The provider left them out because there are too many (Entra ID's `_claim_names`, `hasgroups`).
    LeftOut,
}

/// What verified claims leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    Nothing,
    /// For pages only.
    Name,
    UserOrGroups,
}

/// The longest `user`, in bytes.
const LONGEST_USER: usize = 255;
const LONGEST_NAME: usize = 256;
const MOST_GROUPS: usize = 1000;
const LONGEST_GROUP: usize = 256;

/// Maps claims as the config says, whether verified or, for `explain` and the policy tests, straight from a file.
///
/// Claim paths walk objects only: the path `a.b` is the member `b` of the object `a`, never a member named `a.b`. The user
/// is a string of 1 to 255 bytes without white space and control characters. Where it is an e-mail address it has exactly one
/// `@`, is printable ASCII, is folded to lower case, stands in one of the issuer's `user_domains`, and the claim
/// `email_verified` beside it is the boolean `true`, which speaks of the claim `email` (OpenID Connect Core 1.0, section 5.1):
/// the user is that claim, or says the same. With `insecure_unmarked_email` that mark may be absent, or the string
/// `"true"` that Cognito sends; nothing else passes. Groups are strings of 1 to 256 bytes, at most 1000, or one string.
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
    let subject = subject.filter(|subject| is_plain(subject)).ok_or(MappingError::SubjectInvalid)?;
    Ok(Principal {
        realm: Arc::clone(&config.realm),
        user: user(config, &claims)?,
        issuer: Arc::clone(&config.name),
        subject: subject.to_owned(),
        name: name(&claims, &config.claims.name),
        groups: groups(&claims, &config.claims.groups)?,
        groups_total: None,
        claims,
    })
}

fn user(config: &IssuerConfig, claims: &Map<String, Value>) -> Result<String, MappingError> {
    let (holder, value) = find(claims, &config.claims.user).ok_or(MappingError::UserMissing)?;
    let user = value.as_str().filter(|user| is_plain(user) && !user.contains(char::is_whitespace));
    let user = user.ok_or(MappingError::UserInvalid)?;
    match &config.user_domains {
        None => Ok(user.to_owned()),
        Some(domains) => email(user, domains, mark(holder, user), config.unmarked_email),
    }
}

/// What is said of this address. Who may choose a login name freely can have another address of theirs verified.
fn mark<'c>(holder: &'c Map<String, Value>, address: &str) -> Option<&'c Value> {
    let marked = holder.get("email").and_then(Value::as_str);
    let is_same = marked.is_some_and(|marked| marked.eq_ignore_ascii_case(address));
    // An issuer that denies it of whichever address does not vouch for this one.
    holder.get("email_verified").filter(|mark| is_same || **mark == false)
}

fn email(
    address: &str,
    domains: &[String],
    mark: Option<&Value>,
    unmarked: bool,
) -> Result<String, MappingError> {
    if !address.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(MappingError::EmailInvalid);
    }
    let folded = address.to_ascii_lowercase();
    let (local_part, domain) = folded.split_once('@').ok_or(MappingError::EmailInvalid)?;
    if local_part.is_empty() || domain.is_empty() || domain.contains('@') {
        return Err(MappingError::EmailInvalid);
    }
    match mark {
        Some(Value::Bool(true)) => {}
        None if unmarked => {}
        Some(Value::String(mark)) if unmarked && mark == "true" => {}
        _ => return Err(MappingError::EmailUnverified),
    }
    if is_of(&folded, domains) { Ok(folded) } else { Err(MappingError::EmailDomain) }
}

/// Whether the address, in lower case, stands in one of the domains.
pub(crate) fn is_of(address: &str, domains: &[String]) -> bool {
    address.split_once('@').is_some_and(|(_, domain)| domains.iter().any(|ours| ours == domain))
}

fn name(claims: &Map<String, Value>, path: &[String]) -> Option<String> {
    let (_, value) = find(claims, path)?;
    let name = value.as_str()?;
    let shown = !name.is_empty() && name.len() <= LONGEST_NAME && !name.contains(char::is_control);
    shown.then(|| name.to_owned())
}

fn groups(claims: &Map<String, Value>, path: &[String]) -> Result<Groups, MappingError> {
    if path.first().is_some_and(|claim| left_out(claims, claim)) {
        return Ok(Groups::LeftOut);
    }
    let group = |value: &Value| {
        value
            .as_str()
            .filter(|group| (1..=LONGEST_GROUP).contains(&group.len()))
            .map(Arc::from)
            .ok_or(MappingError::GroupsInvalid)
    };
    let known: Vec<Arc<str>> = match find(claims, path) {
        None => Vec::new(),
        Some((_, value @ Value::String(_))) => vec![group(value)?],
        Some((_, Value::Array(values))) if values.len() <= MOST_GROUPS => {
            values.iter().map(group).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(MappingError::GroupsInvalid),
    };
    Ok(Groups::Known(known.into()))
}

/// The ways in which a provider says that there are too many groups to send: distributed claims (OpenID Connect Core 1.0,
/// section 5.6.2), and Entra ID's `hasgroups` and `groups:src1`.
fn left_out(claims: &Map<String, Value>, claim: &str) -> bool {
    let distributed = claims.get("_claim_names").is_some_and(|names| names.get(claim).is_some());
    let flagged = claims.get("hasgroups").is_some_and(|flag| flag == true || flag == "true");
    let sources = |name: &String| name.strip_prefix(claim).is_some_and(|rest| rest.starts_with(":src"));
    distributed || flagged || claims.keys().any(sources)
}

/// What the claims leave out of what [`map`] reads.
pub(crate) fn lack(config: &IssuerConfig, claims: &Map<String, Value>) -> Lack {
    let ClaimPaths { user, groups, name } = &config.claims;
    let unmarked = config.user_domains.is_none() || config.unmarked_email;
    let is_marked = |holder, user: &Value| user.as_str().is_some_and(|user| mark(holder, user).is_some());
    let names_user = find(claims, user).is_some_and(|(holder, user)| unmarked || is_marked(holder, user));
    if !names_user || !states(claims, groups) {
        Lack::UserOrGroups
    } else if !states(claims, name) {
        Lack::Name
    } else {
        Lack::Nothing
    }
}

/// Whether the claims say anything at `path`.
pub(crate) fn states(claims: &Map<String, Value>, path: &[String]) -> bool {
    find(claims, path).is_some()
}

/// The value at the end of a path, and the object it stands in.
fn find<'c>(claims: &'c Map<String, Value>, path: &[String]) -> Option<(&'c Map<String, Value>, &'c Value)> {
    let (last, above) = path.split_last()?;
    let holder = above.iter().try_fold(claims, |object, name| object.get(name)?.as_object())?;
    Some((holder, holder.get(last)?))
}

fn is_plain(text: &str) -> bool {
    (1..=LONGEST_USER).contains(&text.len()) && !text.contains(char::is_control)
}

/// The error with the claim's path, its value and the key that asks for it. For claims that an admin wrote into a file:
/// those of a real token are shown to nobody.
pub fn mapping_error_with_claim(
    error: MappingError,
    config: &IssuerConfig,
    claims: &Map<String, Value>,
) -> String {
    let ClaimPaths { user, groups, .. } = &config.claims;
    let (path, key) = match error {
        MappingError::SubjectInvalid => (vec!["sub".to_owned()], None),
        MappingError::UserMissing | MappingError::UserInvalid | MappingError::EmailInvalid => {
            (user.clone(), Some("claims.user"))
        }
        MappingError::EmailUnverified => {
            let (last, above) = user.split_last().map_or(("", &[][..]), |(last, above)| (last, above));
            // Where it is said of another address, that one is shown.
            let holds = |name: &str| find(claims, &[above, &[name.to_owned()]].concat()).is_some();
            let is_anothers = last != "email" && holds("email") && holds("email_verified");
            let shown = if is_anothers { "email" } else { "email_verified" };
            ([above, &[shown.to_owned()]].concat(), None)
        }
        MappingError::EmailDomain => (user.clone(), Some("user_domains")),
        MappingError::GroupsInvalid => (groups.clone(), Some("claims.groups")),
    };
    let value = match find(claims, &path) {
        Some((_, value)) => format!("is {}", shortened(&value.to_string())),
        None => "is not there".to_owned(),
    };
    let key = key.map(|key| format!(" (`issuers.{}.{key}`)", config.name)).unwrap_or_default();
    format!("{error}: the claim `{}` {value}{key}", path.join("."))
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 120;
    let start: String = text.chars().take(LONGEST).collect();
    if start.len() < text.len() { format!("{start}…") } else { start }
}

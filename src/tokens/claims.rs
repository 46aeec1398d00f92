//! The checks of what a token says, all in one function.
//!
//! RFC 7519 leaves most claims optional and libraries follow it. Here nothing is optional that decides who somebody is.

use crate::clock::UnixSeconds;
use crate::config::{AccessTokens, Algorithm, ClaimPaths, IssuerConfig};
use crate::tokens::claim::{stated, steps};
use crate::tokens::date::date;
use crate::tokens::error::{Evidence, TokenError};
use crate::tokens::jwks::SignedToken;
use crate::tokens::jws::Jws;
use crate::tokens::signed_header;
use aws_lc_rs::{constant_time, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How far our clock and the issuer's may differ, for `exp`, `nbf` and `iat`.
pub const LEEWAY: Duration = Duration::from_secs(30);
/// The longest life of a bearer token or a logout token, and of a header token of an unknown kind: `exp` less `iat`, or less now.
pub const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// The life of a logout token without `exp`, from its `iat` on: drafts of the specification had none, and some providers
/// write none.
const LIFE_OF_LOGOUT_TOKEN: Duration = Duration::from_secs(2 * 60);
const LONGEST_SUBJECT: usize = 255;
/// Keycloak's names, in the claim `typ`, for tokens that are no access tokens.
const OTHER_KINDS: [&str; 4] = ["id", "refresh", "offline", "logout"];
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The way in which a token is presented, which decides what it must say.
#[derive(Clone, Copy, Debug)]
pub enum Expected<'a> {
    /// An access token in `Authorization` (RFC 6750): one of the configured audiences.
    Bearer,
    /// An ID token from the token endpoint (OpenID Connect Core 1.0, section 3.1.3.7).
    IdToken { client_id: &'a str, nonce: &'a str },
    /// An ID token for a refresh token (section 12.2): of the same person and, if it has a nonce, of the same sign-in.
    RefreshedIdToken { client_id: &'a str, subject: &'a str, nonce: Option<&'a str> },
    /// A signed answer of `UserInfo` (section 5.3.2): `iss`, our `aud`, and a person.
    UserInfo { client_id: &'a str },
    /// A token that a trusted proxy put into its header.
    SignedHeader,
    /// A logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6).
    LogoutToken { client_id: &'a str },
}

/// The claims of a token that passed every check. Only [`check`] makes them.
#[derive(Clone)]
pub struct Claims {
    all: Arc<Map<String, Value>>,
    expires_at: UnixSeconds,
    algorithm: Algorithm,
}

/// Every check of what a token says; its signature is proven already.
///
/// # Errors
///
/// The first check that fails.
pub(crate) fn check(
    signed: &SignedToken<'_, '_>,
    expected: Expected<'_>,
    issuer: &IssuerConfig,
    now: UnixSeconds,
) -> Result<Claims, TokenError> {
    let jws = signed.token().jws();
    let claims = signed.token().claims();
    let balancer = issuer.signed_header.as_ref().and_then(|header| header.aws_alb.as_ref());

    type_fits(jws, claims, expected, issuer)?;
    let expires_at = match (expected, balancer) {
        (Expected::SignedHeader, Some(balancer)) => {
            signed_header::signed_by(balancer, &issuer.issuer, &jws.header, claims)?
        }
        _ => {
            if text(claims, "iss")? != issuer.issuer {
                let evidence = Evidence::value("iss", claims.get("iss")).allowed([&*issuer.issuer]);
                return Err(TokenError::WrongIssuer(evidence));
            }
            meant_for(claims, expected, issuer)?;
            match (date(claims, "exp")?, expected) {
                (Some(expires_at), _) => expires_at,
                // A signed answer is of this moment, not a token that is kept.
                (None, Expected::UserInfo { .. }) => now,
                (None, Expected::LogoutToken { .. }) => {
                    let issued_at = date(claims, "iat")?.ok_or(TokenError::MissingClaim("iat"))?;
                    issued_at.plus(LIFE_OF_LOGOUT_TOKEN)
                }
                (None, _) => return Err(TokenError::MissingClaim("exp")),
            }
        }
    };
    if now >= expires_at.plus(LEEWAY) {
        return Err(TokenError::Expired(Evidence::date("exp", Some(expires_at), now)));
    }
    let not_before = date(claims, "nbf")?;
    if not_before.is_some_and(|not_before| not_before > now.plus(LEEWAY)) {
        return Err(TokenError::NotYetValid(Evidence::date("nbf", not_before, now)));
    }
    let issued_at = date(claims, "iat")?;
    if issued_at.is_some_and(|issued_at| issued_at > now.plus(LEEWAY)) {
        return Err(TokenError::IssuedInFuture(Evidence::date("iat", issued_at, now)));
    }
    let longest_life = match expected {
        Expected::Bearer | Expected::LogoutToken { .. } => Some(LONGEST_LIFE),
        Expected::SignedHeader => Some(signed_header::longest_life(issuer).unwrap_or(LONGEST_LIFE)),
        Expected::IdToken { .. } | Expected::RefreshedIdToken { .. } | Expected::UserInfo { .. } => None,
    };
    if longest_life.is_some_and(|longest| expires_at.since(issued_at.unwrap_or(now)) > longest) {
        let dates = Evidence::date("iat", issued_at, now).and(&Evidence::date("exp", Some(expires_at), now));
        let longest = longest_life.map(|longest| format!("{} s", longest.as_secs()));
        return Err(TokenError::LifetimeTooLong(dates.allowed(longest.as_deref())));
    }
    match expected {
        Expected::Bearer | Expected::SignedHeader | Expected::UserInfo { .. } => {
            subject(claims)?;
        }
        Expected::IdToken { nonce, .. } => {
            subject(claims)?;
            issued_at.ok_or(TokenError::MissingClaim("iat"))?;
            let same =
                constant_time::verify_slices_are_equal(text(claims, "nonce")?.as_bytes(), nonce.as_bytes());
            same.map_err(|_| TokenError::WrongNonce)?;
        }
        Expected::RefreshedIdToken { subject: before, nonce, .. } => {
            if subject(claims)? != before {
                return Err(TokenError::WrongSubject);
            }
            issued_at.ok_or(TokenError::MissingClaim("iat"))?;
            let stated = claims.get("nonce");
            if stated.is_some() && stated.and_then(Value::as_str) != nonce {
                return Err(TokenError::WrongNonce);
            }
        }
        Expected::LogoutToken { .. } => {
            issued_at.ok_or(TokenError::MissingClaim("iat"))?;
            ends_a_session(claims)?;
        }
    }
    Ok(Claims { all: Arc::clone(claims), expires_at, algorithm: jws.algorithm })
}

/// A token of one kind is never taken for another (RFC 8725, section 3.11): its `typ`, and claims that only one kind
/// carries, tell the kinds apart.
fn type_fits(
    jws: &Jws<'_>,
    claims: &Map<String, Value>,
    expected: Expected<'_>,
    issuer: &IssuerConfig,
) -> Result<(), TokenError> {
    let types: &[&str] = match expected {
        Expected::Bearer => &["jwt", "at+jwt"],
        Expected::IdToken { .. }
        | Expected::RefreshedIdToken { .. }
        | Expected::UserInfo { .. }
        | Expected::SignedHeader => &["jwt"],
        Expected::LogoutToken { .. } => &["jwt", "logout+jwt"],
    };
    if jws.typ.as_deref().is_some_and(|typ| !types.contains(&typ)) {
        let came = Evidence::value("typ", jws.header.get("typ"));
        return Err(TokenError::WrongType(came.allowed(types.iter().copied().chain(["none"]))));
    }
    // A security event token (RFC 8417) reports an event, and a logout token is one of them. Whatever stands in `events`
    // makes a token one of these: nobody can say that an odd value means something harmless.
    let events = stated(claims, "events");
    let right_events = match expected {
        Expected::LogoutToken { .. } => events.is_some_and(|events| events.get(LOGOUT_EVENT).is_some()),
        _ => events.is_none(),
    };
    if !right_events {
        let evidence = claims.get("events").map(|events| Evidence::kind("events", events));
        let evidence = evidence.unwrap_or_else(|| Evidence::value("events", None));
        return Err(TokenError::WrongType(evidence));
    }
    if !matches!(expected, Expected::Bearer) {
        return Ok(());
    }
    // `at_hash` and `c_hash` are of ID tokens. `cnf` binds the token to a key that its sender has to prove (RFC 7800);
    // nothing here asks for that proof, and without it the token may be stolen.
    let foreign =
        ["at_hash", "c_hash", "cnf"].into_iter().find_map(|name| Some((name, stated(claims, name)?)));
    if let Some((name, value)) = foreign {
        return Err(TokenError::WrongType(Evidence::kind(name, value)));
    }
    // Keycloak marks each token with its kind, and so does Amazon Cognito.
    let kind = claims.get("typ");
    if kind
        .and_then(Value::as_str)
        .is_some_and(|kind| OTHER_KINDS.contains(&kind.to_ascii_lowercase().as_str()))
    {
        return Err(TokenError::WrongType(Evidence::value("typ", kind).allowed(["Bearer"])));
    }
    let token_use = claims.get("token_use");
    let is_right_use = match issuer.access_tokens {
        Some(AccessTokens::Cognito) => token_use.is_some_and(|token_use| token_use == "access"),
        None => token_use.is_none_or(|token_use| token_use != "id"),
    };
    let evidence = || Evidence::value("token_use", token_use).allowed(["access"]);
    is_right_use.then_some(()).ok_or_else(|| TokenError::WrongType(evidence()))
}

/// `aud`, a string or an array of strings, and `azp` beside it.
fn meant_for(
    claims: &Map<String, Value>,
    expected: Expected<'_>,
    issuer: &IssuerConfig,
) -> Result<(), TokenError> {
    let ours = |audience: &str| issuer.audience.iter().any(|ours| ours == audience);
    let wrong = |name: &str, allowed: &[&str]| {
        let evidence = Evidence::value(name, claims.get(name)).allowed(allowed.iter().copied());
        Err(TokenError::WrongAudience(evidence))
    };
    let all_of_ours = || issuer.audience.iter().map(String::as_str).collect::<Vec<_>>();
    let audiences: Vec<&str> = match (claims.get("aud"), expected, issuer.access_tokens) {
        // API Gateway's authorizer does the same: the client counts only where there is no audience.
        // <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html>
        (None, Expected::Bearer, Some(AccessTokens::Cognito)) => {
            let is_ours = ours(text(claims, "client_id")?);
            return if is_ours { Ok(()) } else { wrong("client_id", &all_of_ours()) };
        }
        (None, ..) => return Err(TokenError::MissingClaim("aud")),
        (Some(Value::String(audience)), ..) => vec![audience],
        (Some(aud @ Value::Array(audiences)), ..) => {
            let odd = || TokenError::InvalidClaim("aud", Evidence::value("aud", Some(aud)));
            let texts = audiences.iter().map(|audience| audience.as_str().ok_or_else(odd));
            texts.collect::<Result<_, _>>()?
        }
        (Some(aud), ..) => return Err(TokenError::InvalidClaim("aud", Evidence::value("aud", Some(aud)))),
    };
    match expected {
        Expected::Bearer | Expected::SignedHeader if audiences.iter().any(|audience| ours(audience)) => {
            Ok(())
        }
        Expected::Bearer | Expected::SignedHeader => wrong("aud", &all_of_ours()),
        Expected::UserInfo { client_id }
        | Expected::IdToken { client_id, .. }
        | Expected::RefreshedIdToken { client_id, .. }
        | Expected::LogoutToken { client_id }
            if !audiences.contains(&client_id) =>
        {
            wrong("aud", &[client_id])
        }
        // The owner of the access token asks, so it is enough that we are among the audiences.
        Expected::UserInfo { .. } => Ok(()),
        Expected::IdToken { client_id, .. }
        | Expected::RefreshedIdToken { client_id, .. }
        | Expected::LogoutToken { client_id } => match claims.get("azp") {
            None if audiences.len() == 1 || matches!(expected, Expected::LogoutToken { .. }) => Ok(()),
            Some(Value::String(party)) if party == client_id => Ok(()),
            party => {
                let evidence = Evidence::value("azp", party).allowed([client_id]);
                let audience = Evidence::value("aud", claims.get("aud"));
                Err(TokenError::WrongAuthorizedParty(evidence.and(&audience)))
            }
        },
    }
}

/// Back-Channel Logout 1.0, section 2.6: a session or a person, an id of its own, and never a `nonce`.
fn ends_a_session(claims: &Map<String, Value>) -> Result<(), TokenError> {
    if let Some(nonce) = claims.get("nonce") {
        return Err(TokenError::InvalidClaim("nonce", Evidence::kind("nonce", nonce)));
    }
    let event = claims.get("events").and_then(|events| events.get(LOGOUT_EVENT));
    if !event.is_some_and(Value::is_object) {
        let evidence = Evidence::kind(LOGOUT_EVENT, event.unwrap_or(&Value::Null));
        return Err(TokenError::InvalidClaim("events", evidence));
    }
    text(claims, "jti")?;
    match (claims.contains_key("sub"), claims.contains_key("sid")) {
        (false, false) => return Err(TokenError::MissingClaim("sub")),
        (true, _) => subject(claims)?,
        (false, true) => "",
    };
    if claims.contains_key("sid") {
        text(claims, "sid")?;
    }
    Ok(())
}

fn subject(claims: &Map<String, Value>) -> Result<&str, TokenError> {
    let subject = text(claims, "sub")?;
    if subject.len() > LONGEST_SUBJECT || subject.chars().any(char::is_control) {
        return Err(TokenError::InvalidClaim("sub", Evidence::kind("sub", &subject.into())));
    }
    Ok(subject)
}

/// A claim that must be there, a string and not empty.
fn text<'c>(claims: &'c Map<String, Value>, name: &'static str) -> Result<&'c str, TokenError> {
    match claims.get(name) {
        None => Err(TokenError::MissingClaim(name)),
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(other) => Err(TokenError::InvalidClaim(name, Evidence::kind(name, other))),
    }
}

impl Claims {
    /// `sub`. Absent only in a logout token that names a session instead.
    pub fn subject(&self) -> Option<&str> {
        self.get("sub").and_then(Value::as_str)
    }

    /// `exp`, without leeway.
    pub fn expires_at(&self) -> UnixSeconds {
        self.expires_at
    }

    /// Any claim by its name (`sid`, `auth_time`, `acr`).
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.all.get(name)
    }

    pub(crate) fn all(&self) -> &Map<String, Value> {
        &self.all
    }

    pub(crate) fn into_all(self) -> Arc<Map<String, Value>> {
        self.all
    }

    /// Whether the ID token belongs to this access token: `at_hash` (OpenID Connect Core 1.0, section 3.1.3.8) fits or
    /// is absent.
    pub fn fits_access_token(&self, access_token: &str) -> bool {
        let algorithm = match self.algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => &digest::SHA256,
            Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => &digest::SHA384,
            Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::EdDsa => &digest::SHA512,
        };
        let hash = digest::digest(algorithm, access_token.as_bytes());
        let (left_half, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
        self.get("at_hash").is_none_or(|stated| stated == &Value::String(URL_SAFE_NO_PAD.encode(left_half)))
    }

    /// Adds the claims of the provider's `UserInfo`; the signed token wins where both name a claim, or a member of the
    /// same object. The token's claims at `paths` stay as they are, as a whole.
    ///
    /// `email` and `email_verified` come from one source together: a mark belongs to its own address.
    ///
    /// # Errors
    ///
    /// [`TokenError::WrongSubject`] where the answer is about someone else (section 5.3.2).
    pub fn with_user_info(
        mut self,
        user_info: Map<String, Value>,
        paths: &ClaimPaths,
    ) -> Result<Self, TokenError> {
        if user_info.get("sub") != self.all.get("sub") {
            return Err(TokenError::WrongSubject);
        }
        let paths = paths.user.iter().chain([&paths.groups.path, &paths.name]);
        let told: Vec<Vec<&str>> = paths.filter_map(|path| steps(&self.all, path)).collect();
        let told: Vec<&[&str]> = told.iter().map(Vec::as_slice).collect();
        fill(Arc::make_mut(&mut self.all), user_info, &told);
        Ok(self)
    }
}

/// Adds the missing claims, in objects within objects, too. `told` are the paths to claims that the token has already.
fn fill(ours: &mut Map<String, Value>, theirs: Map<String, Value>, told: &[&[&str]]) {
    let keep_email = stated(ours, "email_verified").is_some()
        || stated(ours, "email").is_some_and(|email| stated(&theirs, "email") != Some(email));
    for (name, value) in theirs {
        if keep_email && matches!(name.as_str(), "email" | "email_verified") {
            continue;
        }
        // A name that joins several steps of a path, which would be found before them.
        let is_before = |way: &&[&str]| (2..=way.len()).any(|count| joined(way, count) == name);
        if told.iter().any(is_before) {
            continue;
        }
        let below: Vec<&[&str]> = told
            .iter()
            .filter_map(|way| way.split_first().filter(|(first, _)| **first == name))
            .map(|(_, below)| below)
            .collect();
        match (ours.get_mut(&name), value) {
            (Some(Value::Object(_)), Value::Object(_)) if below.iter().any(|below| below.is_empty()) => {}
            (Some(Value::Object(ours)), Value::Object(theirs)) => fill(ours, theirs, &below),
            (None | Some(Value::Null), value) => _ = ours.insert(name, value),
            (Some(_), _) => {}
        }
    }
}

fn joined(way: &[&str], count: usize) -> String {
    way.iter().take(count).copied().collect::<Vec<_>>().join(".")
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims(..)")
    }
}

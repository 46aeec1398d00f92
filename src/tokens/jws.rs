//! A token as it came: parsed, and not believed in any part.

use crate::config::Algorithm;
use crate::tokens::error::{Evidence, TokenError};
use crate::tokens::json;
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// Headers are limited to about this much by every server in front of us; a token that needs more cannot arrive.
const LONGEST_IN_HEADER: usize = 16 * 1024;
/// A token in the body of a provider's answer may hold a person's thousand groups.
const LONGEST_IN_BODY: usize = 128 * 1024;
const LONGEST_HEADER: usize = 4 * 1024;
const LONGEST_KEY_ID: usize = 256;

/// Header parameters that change what the payload is: an extension that must be understood (RFC 7515, section 4.1.11), a
/// payload that is not encoded (RFC 7797), an encrypted one (RFC 7516, section 4.1.2).
///
/// All others are ignored, as RFC 7515, section 4, says. So nothing in a token chooses the key that proves it or makes us
/// fetch one: `jku`, `jwk`, `x5u`, `x5c` and the like are never read.
const REFUSED_PARAMETERS: [&str; 3] = ["crit", "b64", "enc"];

/// A compact JWS (RFC 7515, section 7.1) whose payload is a JSON object. The checks of
/// [`Issuer::verify`](super::issuer::Issuer::verify) are the only way to its claims.
pub struct UnverifiedToken<'a> {
    jws: Jws<'a>,
    claims: Arc<Map<String, Value>>,
}

/// A compact JWS whose payload may be anything.
pub(crate) struct Jws<'a> {
    /// The exact bytes that are signed: header, dot, payload, all still encoded.
    pub(crate) message: &'a str,
    pub(crate) signature: Vec<u8>,
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    pub(crate) typ: Option<String>,
    pub(crate) header: Map<String, Value>,
    pub(crate) payload: Vec<u8>,
}

impl<'a> UnverifiedToken<'a> {
    /// # Errors
    ///
    /// [`TokenError::Malformed`] where the text is not three canonical base64url parts of bounded size around a header and
    /// a payload of strict JSON; [`TokenError::UnsupportedAlgorithm`] for `none`, every symmetric and every unknown
    /// algorithm; [`TokenError::RefusedParameter`] for a critical extension and for a token within the token.
    pub fn parse(text: &'a str) -> Result<Self, TokenError> {
        Self::within(LONGEST_IN_HEADER, text, &URL_SAFE_NO_PAD)
    }

    /// Parses the form of AWS's Application Load Balancer, whose parts carry padding. Only for the balancer's own header.
    pub(crate) fn parse_padded(text: &'a str) -> Result<Self, TokenError> {
        let padding = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        Self::within(LONGEST_IN_HEADER, text, &GeneralPurpose::new(&URL_SAFE, padding))
    }

    /// An ID token as the provider's token endpoint gives it: longer than a header holds.
    ///
    /// # Errors
    ///
    /// As [`UnverifiedToken::parse`].
    pub fn parse_id_token(text: &'a str) -> Result<Self, TokenError> {
        Self::within(LONGEST_IN_BODY, text, &URL_SAFE_NO_PAD)
    }

    fn within(longest: usize, text: &'a str, encoding: &GeneralPurpose) -> Result<Self, TokenError> {
        let jws = Jws::within(longest, text, encoding)?;
        let claims =
            json::object(&jws.payload).ok_or(TokenError::Malformed("the payload is not strict JSON"))?;
        Ok(Self { jws, claims: Arc::new(claims) })
    }

    /// The `iss` it claims, to find the issuer whose keys may prove it.
    pub(crate) fn stated_issuer(&self) -> Result<&str, TokenError> {
        let issuer = self.claims.get("iss").ok_or(TokenError::MissingClaim("iss"))?;
        issuer.as_str().ok_or_else(|| TokenError::InvalidClaim("iss", Evidence::kind("iss", issuer)))
    }

    pub(crate) fn jws(&self) -> &Jws<'a> {
        &self.jws
    }

    /// The claims, for the checks in `claims`: these take only a token whose signature is proven.
    pub(crate) fn claims(&self) -> &Arc<Map<String, Value>> {
        &self.claims
    }
}

impl<'a> Jws<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, TokenError> {
        Self::within(LONGEST_IN_HEADER, text, &URL_SAFE_NO_PAD)
    }

    fn within(longest: usize, text: &'a str, encoding: &GeneralPurpose) -> Result<Self, TokenError> {
        if text.len() > longest {
            return Err(TokenError::Malformed("it is too long"));
        }
        let mut parts = text.splitn(4, '.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Malformed("it does not have three parts"));
        };
        let decode = |part: &str| {
            encoding.decode(part).map_err(|_| TokenError::Malformed("a part is not canonical base64url"))
        };
        let header_text = decode(header)?;
        if header_text.len() > LONGEST_HEADER {
            return Err(TokenError::Malformed("its header is longer than 4 KiB"));
        }
        let header_members =
            json::object(&header_text).ok_or(TokenError::Malformed("the header is not strict JSON"))?;
        let payload_bytes = decode(payload)?;
        let signature = decode(signature)?;
        let message = text
            .get(..header.len() + 1 + payload.len())
            .ok_or(TokenError::Malformed("it does not have three parts"))?;
        Ok(Self {
            message,
            signature,
            algorithm: algorithm(&header_members)?,
            key_id: key_id(&header_members)?,
            typ: media_type(&header_members, "typ")?,
            header: header_members,
            payload: payload_bytes,
        })
    }
}

fn algorithm(header: &Map<String, Value>) -> Result<Algorithm, TokenError> {
    if let Some(name) = REFUSED_PARAMETERS.iter().find(|name| header.contains_key(**name)) {
        return Err(TokenError::RefusedParameter(Evidence::value(name, header.get(*name))));
    }
    // A token within the token (RFC 7519, section 5.2).
    let content = media_type(header, "cty")?;
    if content.is_some_and(|content| content == "jwt" || content.ends_with("+jwt")) {
        return Err(TokenError::RefusedParameter(Evidence::value("cty", header.get("cty"))));
    }
    header.get("alg").and_then(Value::as_str).and_then(Algorithm::named).ok_or_else(|| {
        let known = Algorithm::NAMES.into_iter().map(|(name, _)| name);
        TokenError::UnsupportedAlgorithm(Evidence::value("alg", header.get("alg")).allowed(known))
    })
}

/// The `kid`, a string by RFC 7515, section 4.1.4. A long one, or one with control characters, names no key and is ignored:
/// then the keys that fit the algorithm are tried.
fn key_id(header: &Map<String, Value>) -> Result<Option<String>, TokenError> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(id)) => {
            let names_a_key = id.len() <= LONGEST_KEY_ID && !id.chars().any(char::is_control);
            Ok(names_a_key.then(|| id.clone()))
        }
        Some(_) => Err(TokenError::Malformed("`kid` is not a string")),
    }
}

/// The media type in lower case, without the `application/` that RFC 7515, section 4.1.9, lets a token leave out.
fn media_type(header: &Map<String, Value>, name: &'static str) -> Result<Option<String>, TokenError> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(kind)) => {
            let kind = kind.to_ascii_lowercase();
            Ok(Some(kind.strip_prefix("application/").map_or_else(|| kind.clone(), str::to_owned)))
        }
        Some(_) if name == "typ" => Err(TokenError::Malformed("`typ` is not a string")),
        Some(_) => Err(TokenError::Malformed("`cty` is not a string")),
    }
}

impl fmt::Debug for UnverifiedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnverifiedToken(..)")
    }
}

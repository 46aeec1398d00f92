//! Tokens that a trusted proxy puts into a header: the form of AWS's Application Load Balancer, and the longest lives.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html>

use crate::clock::UnixSeconds;
use crate::config::{AwsAlb, IssuerConfig};
use crate::tokens::date::date;
use crate::tokens::error::{Evidence, TokenError};
use crate::tokens::jws::UnverifiedToken;
use serde_json::{Map, Value};
use std::time::Duration;

/// AWS states no figure; the tokens live two minutes.
const LONGEST_LIFE_OF_BALANCER: Duration = Duration::from_secs(15 * 60);
/// Ten minutes and 30 seconds of skew on both sides, as Google tells verifiers of Identity-Aware Proxy's header.
const LONGEST_LIFE_OF_IAP: Duration = Duration::from_secs(660);
const IAP_HEADER: &str = "x-goog-iap-jwt-assertion";

/// Reads the token in the form that this issuer's proxy writes, if it says that it is from this issuer.
///
/// # Errors
///
/// The errors of [`UnverifiedToken::parse`]; [`TokenError::WrongSigner`] or [`TokenError::WrongIssuer`] where the token
/// is of another signer or issuer.
pub(crate) fn parse<'a>(text: &'a str, issuer: &IssuerConfig) -> Result<UnverifiedToken<'a>, TokenError> {
    match issuer.signed_header.as_ref().and_then(|header| header.aws_alb.as_ref()) {
        Some(balancer) => {
            let token = UnverifiedToken::parse_padded(text)?;
            let signer = token.jws().header.get("signer");
            if signer.and_then(Value::as_str) == Some(&balancer.signer) {
                Ok(token)
            } else {
                Err(TokenError::WrongSigner(Evidence::value("signer", signer).allowed([&*balancer.signer])))
            }
        }
        None => {
            let token = UnverifiedToken::parse(text)?;
            let stated = token.stated_issuer()?;
            if stated == issuer.issuer {
                Ok(token)
            } else {
                let evidence = Evidence::text("iss", Some(stated)).allowed([&*issuer.issuer]);
                Err(TokenError::WrongIssuer(evidence))
            }
        }
    }
}

/// The expiry of a load balancer's token, once issuer, signer and client are the configured ones.
///
/// All three stand in the JOSE header, which the signature covers. The balancers of every AWS account in a region share
/// one place for their keys, so a proven signature says "some load balancer" and `signer` alone says which.
pub(super) fn signed_by(
    balancer: &AwsAlb,
    issuer: &str,
    header: &Map<String, Value>,
    payload: &Map<String, Value>,
) -> Result<UnixSeconds, TokenError> {
    let is = |name: &str, ours: &str| header.get(name).and_then(Value::as_str) == Some(ours);
    let of_header = |name: &str, ours: &str| Evidence::value(name, header.get(name)).allowed([ours]);
    for (name, ours) in [("signer", &balancer.signer), ("client", &balancer.client_id)] {
        if !is(name, ours) {
            return Err(TokenError::WrongSigner(of_header(name, ours)));
        }
    }
    if !is("iss", issuer) {
        return Err(TokenError::WrongIssuer(of_header("iss", issuer)));
    }
    if let Some(inner) = payload.get("iss").filter(|inner| *inner != issuer) {
        return Err(TokenError::WrongIssuer(Evidence::value("iss", Some(inner)).allowed([issuer])));
    }
    let outer = date(header, "exp")?.ok_or(TokenError::MissingClaim("exp"))?;
    Ok(date(payload, "exp")?.map_or(outer, |inner| inner.min(outer)))
}

/// The longest life of a token of this issuer's proxy; `None` where no limit of such proxies is known.
pub(super) fn longest_life(issuer: &IssuerConfig) -> Option<Duration> {
    match &issuer.signed_header {
        Some(header) if header.aws_alb.is_some() => Some(LONGEST_LIFE_OF_BALANCER),
        Some(header) if header.header == IAP_HEADER => Some(LONGEST_LIFE_OF_IAP),
        _ => None,
    }
}

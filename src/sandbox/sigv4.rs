//! Signature Version 4, from the verifier's side.
//!
//! Written from the specification alone, so that it can disagree with the SDKs that sign.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use super::http::Request;
use super::random::to_hex;
use crate::clock::UnixSeconds;
use aws_lc_rs::{digest, hmac};
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

const S3: &str = "s3";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SKEW: Duration = Duration::from_secs(300);

/// The claims of the `Authorization` header. Nothing of it is verified yet.
pub(super) struct Claimed<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) region: &'a str,
    date: &'a str,
    service: &'a str,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum SignatureError {
    /// There is no `Authorization` header.
    Missing,
    /// The header, or a value that it needs, cannot be read: the name of the missing part.
    Incomplete(String),
    /// The header can be read and is wrong, with the reason.
    Wrong(String),
}

impl<'a> Claimed<'a> {
    pub(super) fn read(request: &'a Request) -> Result<Self, SignatureError> {
        let authorization = request.header("authorization").ok_or(SignatureError::Missing)?;
        let incomplete = |what: &str| SignatureError::Incomplete(what.to_owned());
        let parameters = authorization
            .strip_prefix(ALGORITHM)
            .and_then(|rest| rest.strip_prefix(' '))
            .ok_or_else(|| incomplete("Authorization header requires the algorithm 'AWS4-HMAC-SHA256'."))?;
        let parameters: BTreeMap<&str, &str> =
            parameters.split(',').filter_map(|parameter| parameter.trim().split_once('=')).collect();
        let parameter = |name: &str| {
            let requires = || incomplete(&format!("Authorization header requires '{name}' parameter."));
            parameters.get(name).copied().filter(|value| !value.is_empty()).ok_or_else(requires)
        };
        let credential: Vec<&str> = parameter("Credential")?.split('/').collect();
        let [access_key_id, date, region, service, "aws4_request"] = credential[..] else {
            return Err(incomplete("Credential must have the form KEY/DATE/REGION/SERVICE/aws4_request."));
        };
        let signed_headers = parameter("SignedHeaders")?.split(';').collect();
        Ok(Self { access_key_id, region, date, service, signed_headers, signature: parameter("Signature")? })
    }

    /// Checks the signature over the whole request with the secret key that belongs to the access key.
    pub(super) fn verify(
        &self,
        request: &Request,
        service: &str,
        secret_key: &str,
        now: UnixSeconds,
    ) -> Result<(), SignatureError> {
        let wrong = |why: String| Err(SignatureError::Wrong(why));
        if self.service != service {
            return wrong(format!("Credential should be scoped to correct service: '{service}'."));
        }
        let time = request.header("x-amz-date").ok_or_else(|| {
            SignatureError::Incomplete("Authorization header requires existence of 'X-Amz-Date'.".to_owned())
        })?;
        let Some(signed_at) = instant(time) else {
            return wrong(format!("Date must be in ISO-8601 'basic format'. Got '{time}'."));
        };
        if !time.starts_with(self.date) || self.date.len() != 8 {
            return wrong(format!("Date in Credential scope does not match the date of '{time}'."));
        }
        if now.since(signed_at) > SKEW {
            return wrong(format!("Signature expired: {time} is more than 5 minutes ago."));
        }
        if signed_at.since(now) > SKEW {
            return wrong(format!("Signature not yet current: {time} is more than 5 minutes ahead."));
        }
        if let Some(unsigned) = self.unsigned_header(request) {
            return wrong(format!("'{unsigned}' must be a 'SignedHeader' in the AWS Authorization."));
        }
        let canonical = self.canonical_request(request)?;
        let scope = format!("{}/{}/{service}/aws4_request", self.date, self.region);
        let text = format!("{ALGORITHM}\n{time}\n{scope}\n{}", sha256(canonical.as_bytes()));
        let mut key = sign(format!("AWS4{secret_key}").as_bytes(), self.date);
        for part in [self.region, service, "aws4_request"] {
            key = sign(key.as_ref(), part);
        }
        let expected = to_hex(sign(key.as_ref(), &text).as_ref());
        aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_bytes(), self.signature.as_bytes())
            .or_else(|_| wrong(MISMATCH.to_owned()))
    }

    /// `host` and all of `x-amz-*` must be signed.
    fn unsigned_header<'r>(&self, request: &'r Request) -> Option<&'r str> {
        let names = request.headers.keys().map(|name| name.as_str());
        names
            .filter(|name| *name == "host" || name.starts_with("x-amz-"))
            .find(|name| !self.signed_headers.contains(name))
    }

    fn canonical_request(&self, request: &Request) -> Result<String, SignatureError> {
        let mut headers = String::new();
        for name in &self.signed_headers {
            let values: Vec<String> = request
                .headers
                .get_all(*name)
                .iter()
                .map(|value| {
                    String::from_utf8_lossy(value.as_bytes()).split_whitespace().collect::<Vec<_>>().join(" ")
                })
                .collect();
            if values.is_empty() {
                return Err(SignatureError::Wrong(format!("The signed header '{name}' is not present.")));
            }
            headers.push_str(&format!("{name}:{}\n", values.join(",")));
        }
        let mut body = sha256(&request.body);
        let (announced, is_s3) = (request.header("x-amz-content-sha256"), self.service == S3);
        match announced {
            // S3 wants to be told, and takes bodies that are not signed.
            Some(UNSIGNED) if is_s3 => UNSIGNED.clone_into(&mut body),
            None if is_s3 => {
                return Err(SignatureError::Incomplete("x-amz-content-sha256 is missing.".to_owned()));
            }
            Some(announced) if announced != body => {
                return Err(SignatureError::Wrong(
                    "The body does not match 'X-Amz-Content-SHA256'.".to_owned(),
                ));
            }
            _ => {}
        }
        // Other services encode the path once more.
        let path = match is_s3 {
            true => uri_encode(&percent_decode_str(&request.path).decode_utf8_lossy(), true),
            false => uri_encode(&request.path, true),
        };
        Ok([
            request.method.as_str(),
            &path,
            &canonical_query(&request.query),
            &headers,
            &self.signed_headers.join(";"),
            &body,
        ]
        .join("\n"))
    }
}

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS \
                        Secret Access Key and signing method. Consult the service documentation for details.";

/// Sorted by name and then value, both encoded.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (uri_encode(&name, false), uri_encode(&value, false)))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn uri_encode(text: &str, keep_slash: bool) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            b'/' if keep_slash => encoded.push('/'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}

/// `20260131T235959Z`.
fn instant(text: &str) -> Option<UnixSeconds> {
    let digits = text.strip_suffix('Z')?;
    let (date, time) = digits.split_once('T')?;
    if date.len() != 8 || time.len() != 6 || !date.bytes().chain(time.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let field = |text: &'_ str, from: usize, to: usize| text.get(from..to).map(str::to_owned);
    let extended = format!(
        "{}-{}-{}T{}:{}:{}Z",
        field(date, 0, 4)?,
        field(date, 4, 6)?,
        field(date, 6, 8)?,
        field(time, 0, 2)?,
        field(time, 2, 4)?,
        field(time, 4, 6)?,
    );
    let instant = humantime::parse_rfc3339(&extended).ok()?;
    Some(UnixSeconds(instant.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs()))
}

fn sha256(bytes: &[u8]) -> String {
    to_hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn sign(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("Missing Authentication Token"),
            Self::Incomplete(what) => f.write_str(what),
            Self::Wrong(why) => f.write_str(why),
        }
    }
}

//! The meaning of S3's answers.

use super::store::Key;
use crate::aws::error::for_log;
use crate::aws::sdk::shown_id;
use aws_smithy_xml::decode::{Document, try_data};
use hyper::StatusCode;
use std::fmt;

/// S3 refused or failed. Everything here may be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    pub kind: StoreErrorKind,
    pub request_id: Option<String>,
    /// For the admin's log only: S3's code and message.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    NoSuchArtifact,
    NoSuchUpload,
    NoSuchBucket,
    /// The person's session may not do this, or the bucket has another owner than AWS expects.
    Denied,
    /// The store is encrypted by a KMS key that the person's session may not use, or that cannot be used.
    KeyDenied,
    /// The bucket is in another region than its tracking server.
    Elsewhere,
    /// The artifact has no such bytes.
    NoSuchRange,
    TooLarge,
    /// The body was not as long as announced.
    BodyBroken,
    Throttled,
    Unavailable,
    /// Nothing was sent: there is no connection.
    Unreachable,
    /// The credentials are not accepted, for one because they are too old.
    Credentials,
    /// The signature is not accepted, or the time in it.
    Signature,
    Refused,
    /// The answer cannot be used.
    BadAnswer,
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) objects: Vec<(Key, u64)>,
    /// Prefixes that are listed in place of the keys below them, each with a slash at its end.
    pub(crate) folders: Vec<Key>,
    /// The token of the next page.
    pub(crate) next: Option<String>,
}

/// The error of an answer whose status is no success, by its code if it has one.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
pub(crate) fn error(status: StatusCode, request_id: Option<&str>, body: &[u8]) -> StoreError {
    let said = members(body, "Error", &["Code", "Message"]);
    let [code, message] = said.unwrap_or_default();
    let kind = match code.as_str() {
        "" => of_status(status),
        "NoSuchKey" => StoreErrorKind::NoSuchArtifact,
        "NoSuchUpload" => StoreErrorKind::NoSuchUpload,
        "NoSuchBucket" => StoreErrorKind::NoSuchBucket,
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => StoreErrorKind::Elsewhere,
        code if code.starts_with("KMS.") => StoreErrorKind::KeyDenied,
        "AccessDenied" | "AccountProblem" | "AllAccessDisabled" if message.contains("kms:") => {
            StoreErrorKind::KeyDenied
        }
        "AccessDenied" | "AccountProblem" | "AllAccessDisabled" => StoreErrorKind::Denied,
        "InvalidRange" => StoreErrorKind::NoSuchRange,
        "EntityTooLarge" => StoreErrorKind::TooLarge,
        "IncompleteBody" | "RequestTimeout" => StoreErrorKind::BodyBroken,
        "SlowDown" | "Throttling" | "RequestLimitExceeded" | "ThrottlingException" => {
            StoreErrorKind::Throttled
        }
        "InternalError" | "ServiceUnavailable" | "Busy" | "OperationAborted" => StoreErrorKind::Unavailable,
        "ExpiredToken" | "InvalidToken" | "InvalidAccessKeyId" | "TokenRefreshRequired" => {
            StoreErrorKind::Credentials
        }
        "SignatureDoesNotMatch" | "RequestTimeTooSkewed" => StoreErrorKind::Signature,
        _ => of_status(status),
    };
    let code =
        if code.len() <= 128 && code.bytes().all(|b| b.is_ascii_graphic()) { code } else { String::new() };
    StoreError {
        kind,
        request_id: request_id.map(shown_id),
        message: format!("S3: {code} (HTTP {}): {}", status.as_u16(), for_log(&message)),
    }
}

fn of_status(status: StatusCode) -> StoreErrorKind {
    match status {
        status if status.is_redirection() => StoreErrorKind::Elsewhere,
        StatusCode::FORBIDDEN => StoreErrorKind::Denied,
        StatusCode::NOT_FOUND => StoreErrorKind::NoSuchArtifact,
        StatusCode::RANGE_NOT_SATISFIABLE => StoreErrorKind::NoSuchRange,
        StatusCode::TOO_MANY_REQUESTS => StoreErrorKind::Throttled,
        status if status.is_server_error() => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::Refused,
    }
}

impl StoreError {
    pub(crate) fn bad_answer(what: &str) -> Self {
        let message = format!("S3: its answer {what}");
        Self { kind: StoreErrorKind::BadAnswer, request_id: None, message }
    }
}

/// A page of `ListObjectsV2` that was asked for by this prefix and with URL-encoded names.
///
/// # Errors
///
/// It is no such page, or has a key that is not below the prefix.
pub(crate) fn listed(body: &[u8], prefix: &str) -> Result<Listed, StoreError> {
    read_list(body, prefix).ok_or_else(|| StoreError::bad_answer("is no list of keys below the prefix"))
}

fn read_list(body: &[u8], prefix: &str) -> Option<Listed> {
    let text = whole(body, "ListBucketResult")?;
    let mut document = Document::new(text);
    let mut root = document.root_element().ok().filter(|root| root.start_el().matches("ListBucketResult"))?;
    let (mut listed, mut is_truncated) = (Listed::default(), None);
    while let Some(mut tag) = root.next_tag() {
        match tag.start_el().local().to_owned().as_str() {
            "IsTruncated" => is_truncated = try_data(&mut tag).ok()?.parse::<bool>().ok(),
            "NextContinuationToken" => listed.next = Some(try_data(&mut tag).ok()?.into_owned()),
            "Contents" => {
                let (mut key, mut size) = (None, None);
                while let Some(mut member) = tag.next_tag() {
                    match member.start_el().local().to_owned().as_str() {
                        "Key" => key = Some(decoded(&try_data(&mut member).ok()?)?),
                        "Size" => size = try_data(&mut member).ok()?.parse().ok(),
                        _ => {}
                    }
                }
                listed.objects.push((Key::listed(key?, prefix)?, size?));
            }
            "CommonPrefixes" => {
                while let Some(mut member) = tag.next_tag() {
                    if member.start_el().matches("Prefix") {
                        let folder = decoded(&try_data(&mut member).ok()?)?;
                        listed.folders.push(Key::listed(folder, prefix)?);
                    }
                }
            }
            _ => {}
        }
    }
    match (is_truncated?, &listed.next) {
        (true, Some(_)) => Some(listed),
        (false, _) => Some(Listed { next: None, ..listed }),
        (true, None) => None,
    }
}

/// The id of a new upload.
///
/// # Errors
///
/// The answer has none.
pub(crate) fn upload_id(body: &[u8]) -> Result<String, StoreError> {
    let said = members(body, "InitiateMultipartUploadResult", &["UploadId"]);
    said.map(|[id]| id).filter(|id| !id.is_empty()).ok_or_else(|| StoreError::bad_answer("has no upload id"))
}

/// Whether an upload has ended well: S3 begins its answer before it knows.
///
/// # Errors
///
/// The error in an answer with the status 200.
pub(crate) fn upload_ended(request_id: Option<&str>, body: &[u8]) -> Result<(), StoreError> {
    if whole(body, "CompleteMultipartUploadResult").is_some() {
        return Ok(());
    }
    Err(error(StatusCode::INTERNAL_SERVER_ERROR, request_id, body))
}

/// The body that ends an upload of these parts: numbers and entity tags.
pub(crate) fn parts(parts: &[(u32, String)]) -> String {
    let mut text = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">".to_owned();
    for (number, tag) in parts {
        let tag = tag.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        text += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>");
    }
    text + "</CompleteMultipartUpload>"
}

/// Texts of members of the root element; absent ones are empty.
fn members<const N: usize>(body: &[u8], root: &str, names: &[&str; N]) -> Option<[String; N]> {
    let mut document = Document::new(whole(body, root)?);
    let mut root = document.root_element().ok()?;
    let mut texts = [const { String::new() }; N];
    while let Some(mut tag) = root.next_tag() {
        let place = names.iter().position(|name| tag.start_el().matches(name));
        if let Some(text) = place.and_then(|place| texts.get_mut(place)) {
            *text = try_data(&mut tag).ok()?.into_owned();
        }
    }
    Some(texts)
}

/// The text of a document with this root, if it is XML from its beginning to its end. The decoder itself takes what breaks
/// off for what ends.
fn whole<'a>(body: &'a [u8], root: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(body).ok()?;
    let is_closed = text.trim_end().strip_suffix('>')?.strip_suffix(root)?.ends_with("</");
    let is_xml = is_closed && Document::new(text).all(|token| token.is_ok());
    is_xml.then_some(text)
}

/// A name as `encoding-type=url` writes it: a form's value.
fn decoded(name: &str) -> Option<String> {
    percent_encoding::percent_decode_str(&name.replace('+', " ")).decode_utf8().ok().map(Into::into)
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StoreError {}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><IsTruncated>true</IsTruncated>
<Contents><Key>m/a%2Bb+%C3%A9.txt</Key><Size>3</Size><Owner><ID>x</ID></Owner></Contents>
<CommonPrefixes><Prefix>m/dir/</Prefix></CommonPrefixes><NextContinuationToken>t&amp;1</NextContinuationToken>
</ListBucketResult>\n";

    #[test]
    fn a_page_is_read_whole_or_not_at_all() {
        let page = listed(PAGE.as_bytes(), "m/").unwrap();
        assert_eq!(page.objects[0].0.as_str(), "m/a+b é.txt");
        assert_eq!((page.objects[0].1, page.folders[0].as_str()), (3, "m/dir/"));
        assert_eq!(page.next.as_deref(), Some("t&1"));
        for (from, to) in [
            ("</ListBucketResult>", ""),
            ("<IsTruncated>true</IsTruncated>", ""),
            ("<IsTruncated>true</IsTruncated>", "<IsTruncated>perhaps</IsTruncated>"),
            ("<NextContinuationToken>t&amp;1</NextContinuationToken>", ""),
            ("<Size>3</Size>", ""),
            ("<Key>m/", "<Key>other/"),
            ("%C3%A9", "%FF"),
            ("ListBucketResult", "Other"),
            ("<Contents>", "<Contents"),
        ] {
            let changed = PAGE.replace(from, to);
            let refused = listed(changed.as_bytes(), "m/");
            assert!(refused.is_err(), "{from} → {to}: {refused:?}");
        }
    }

    #[test]
    fn codes_decide_before_the_status() {
        let of = |status: u16, code: &str, message: &str| {
            let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
            error(StatusCode::from_u16(status).unwrap(), Some("ABC"), body.as_bytes()).kind
        };
        assert_eq!(of(404, "NoSuchKey", "x"), StoreErrorKind::NoSuchArtifact);
        assert_eq!(of(404, "NoSuchBucket", "x"), StoreErrorKind::NoSuchBucket);
        assert_eq!(of(403, "AccessDenied", "Access Denied"), StoreErrorKind::Denied);
        let denied = "User: x is not authorized to perform: kms:GenerateDataKey";
        assert_eq!(of(403, "AccessDenied", denied), StoreErrorKind::KeyDenied);
        assert_eq!(of(400, "KMS.DisabledException", "x"), StoreErrorKind::KeyDenied);
        assert_eq!(of(301, "PermanentRedirect", "x"), StoreErrorKind::Elsewhere);
        assert_eq!(of(503, "SlowDown", "x"), StoreErrorKind::Throttled);
        assert_eq!(of(500, "Something", "x"), StoreErrorKind::Unavailable);
        let bare = error(StatusCode::MOVED_PERMANENTLY, None, b"<html>");
        assert_eq!(bare.kind, StoreErrorKind::Elsewhere);
    }

    #[test]
    fn an_error_in_a_200_is_an_error() {
        assert!(
            upload_ended(None, b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>").is_ok()
        );
        let slow = b"<Error><Code>SlowDown</Code></Error>";
        assert_eq!(upload_ended(None, slow).unwrap_err().kind, StoreErrorKind::Throttled);
        assert!(upload_ended(None, b" ").is_err());
    }

    #[test]
    fn an_errors_words_are_fit_for_the_log() {
        let body =
            b"<Error><Code>AccessDenied</Code><Message>see https://x/?X-Amz-Signature=abc</Message></Error>";
        let error = error(StatusCode::FORBIDDEN, Some("bad id\n"), body);
        assert_eq!(error.message, "S3: AccessDenied (HTTP 403): see [left-out]");
        assert_eq!(error.request_id.as_deref(), Some("[left-out]"));
    }
}

//! A small S3 in memory: objects, lists by pages, and uploads in parts, at `/BUCKET/KEY`. Each call is signed and judged by the
//! session's policy. <https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html>
//!
//! Every bucket exists, belongs to the caller's account and is in the region that is asked, but for those whose names begin
//! with `missing-`, `foreign-` and `elsewhere-`; a bucket `locked-…` has a KMS key that nobody may use.

mod objects;

pub(super) use self::objects::Objects;

use self::objects::{Asked, Page};
use super::behind::Behind;
use super::callers::{Caller, Callers, Refusal};
use super::calls::{Call, Calls};
use super::faults::{Fault, Faults};
use super::http::{self, Reply, Request, reply, set};
use super::session_policy::Verdict;
use super::sigv4::SignatureError;
use crate::clock::Clock;
use hyper::header::{ACCEPT_RANGES, CONTENT_RANGE, ETAG, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// No object or part is larger.
pub(super) const LARGEST: usize = 64 * 1024 * 1024;
const REQUEST_ID: &str = "x-amz-request-id";
const OWNER: &str = "x-amz-expected-bucket-owner";

pub(super) struct S3 {
    pub(super) callers: Arc<Callers>,
    pub(super) calls: Arc<Calls>,
    pub(super) faults: Arc<Faults>,
    pub(super) clock: Clock,
    pub(super) objects: Arc<Objects>,
    pub(super) server: Option<Behind>,
}

/// A refusal: status, code and a sentence.
struct Refused(StatusCode, &'static str, String);

impl Refused {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), code, message.into())
    }
}

/// An operation, its action by IAM's name, and its bucket and key.
struct Operation {
    name: &'static str,
    action: &'static str,
    bucket: String,
    key: String,
    query: BTreeMap<String, String>,
}

impl S3 {
    pub(super) async fn answer(self: Arc<Self>, request: Request) -> Reply {
        let answer = self.dispatch(&request).await;
        http::with_request_id(answer.unwrap_or_else(Refused::into_reply), REQUEST_ID)
    }

    async fn dispatch(&self, request: &Request) -> Result<Reply, Refused> {
        let (caller, region) = self.callers.admit(request, "s3").map_err(Refused::of)?;
        let operation = Operation::read(request)?;
        let plan = self.faults.take("s3");
        if !plan.delay.is_zero() {
            tokio::time::sleep(plan.delay).await;
        }
        let judged = match plan.fault {
            Some(Fault::Throttle) => Err(Refused::new(503, "SlowDown", "Please reduce your request rate.")),
            Some(Fault::InternalFailure) => {
                Err(Refused::new(500, "InternalError", "We encountered an internal error."))
            }
            Some(Fault::Unavailable) => Err(Refused::new(503, "ServiceUnavailable", "Please try again.")),
            Some(Fault::AccessDenied) => Err(Refused::new(403, "AccessDenied", "Access Denied")),
            Some(Fault::ExpiredToken) => Err(Refused::of(Refusal::ExpiredToken)),
            _ => operation.admit(request, &caller),
        };
        let answered = match (judged, self.server) {
            (Err(refused), _) => Err(refused),
            (Ok(()), Some(server)) => Ok(server.answer(request).await),
            (Ok(()), None) => self.perform(&operation, request),
        };
        self.calls.push(Call {
            service: "s3",
            operation: operation.name.to_owned(),
            region,
            input: json!({"Bucket": operation.bucket, "Key": operation.key, "Query": operation.query}),
            caller,
            error: answered.as_ref().err().map(|Refused(_, code, _)| (*code).to_owned()),
            at: self.clock.now(),
            user_agent: request.header("user-agent").unwrap_or_default().to_owned(),
        });
        answered.map(|answer| if plan.fault == Some(Fault::CutBody) { http::cut(answer) } else { answer })
    }

    fn perform(&self, operation: &Operation, request: &Request) -> Result<Reply, Refused> {
        let asked = Asked { bucket: &operation.bucket, key: &operation.key };
        let query = |name: &str| operation.query.get(name).map(String::as_str).unwrap_or_default();
        let (objects, body) = (&self.objects, request.body.clone());
        let full = || Refused::new(507, "InsufficientStorage", "The sandbox is full.");
        match operation.name {
            "PutObject" => {
                let tag = objects.put(asked, body).ok_or_else(full)?;
                Ok(tagged(xml(String::new()), &tag))
            }
            "GetObject" => {
                let (bytes, tag) = objects.get(asked).ok_or_else(no_such_key)?;
                let length = bytes.len();
                let mut answer = match request.header("range").map(|range| part(range, length)) {
                    None => reply(StatusCode::OK, "binary/octet-stream", bytes),
                    Some(None) => {
                        return Err(Refused::new(
                            416,
                            "InvalidRange",
                            "The requested range is not satisfiable",
                        ));
                    }
                    Some(Some((from, to))) => {
                        let status = StatusCode::PARTIAL_CONTENT;
                        let mut answer = reply(status, "binary/octet-stream", bytes.slice(from..=to));
                        if let Ok(range) = HeaderValue::try_from(format!("bytes {from}-{to}/{length}")) {
                            set(&mut answer, CONTENT_RANGE, range);
                        }
                        answer
                    }
                };
                set(&mut answer, ACCEPT_RANGES, HeaderValue::from_static("bytes"));
                // A header that whoever stored the object may have chosen.
                set(
                    &mut answer,
                    HeaderName::from_static("x-amz-meta-note"),
                    HeaderValue::from_static("stored"),
                );
                Ok(tagged(answer, &tag))
            }
            "DeleteObject" => {
                objects.delete(asked);
                Ok(reply(StatusCode::NO_CONTENT, "application/xml", ""))
            }
            "ListObjectsV2" => {
                let most = query("max-keys").parse().unwrap_or(1000).min(1000);
                let by_folder = query("delimiter") == "/";
                let page = objects.list(
                    &operation.bucket,
                    query("prefix"),
                    by_folder,
                    query("continuation-token"),
                    most,
                );
                Ok(xml(list(&page)))
            }
            "CreateMultipartUpload" => {
                let id = objects.begin(asked).ok_or_else(full)?;
                let id = format!("<UploadId>{id}</UploadId>");
                Ok(xml(format!("<InitiateMultipartUploadResult>{id}</InitiateMultipartUploadResult>")))
            }
            "UploadPart" => {
                let number = query("partNumber").parse().ok().filter(|number| (1..=10_000).contains(number));
                let number = number.ok_or_else(|| Refused::new(400, "InvalidArgument", "partNumber"))?;
                let tag =
                    objects.put_part(asked, query("uploadId"), number, body).ok_or_else(no_such_upload)?;
                Ok(tagged(xml(String::new()), &tag))
            }
            "CompleteMultipartUpload" => {
                let list = String::from_utf8_lossy(&body).into_owned();
                let ended = objects.end(asked, query("uploadId"), &list).ok_or_else(no_such_upload)?;
                let tag = ended
                    .map_err(|code| Refused::new(400, code, "One or more of the parts are not right."))?;
                Ok(tagged(
                    xml("<CompleteMultipartUploadResult></CompleteMultipartUploadResult>".to_owned()),
                    &tag,
                ))
            }
            _ => {
                let abandoned = objects.abandon(asked, query("uploadId"));
                abandoned
                    .then(|| reply(StatusCode::NO_CONTENT, "application/xml", ""))
                    .ok_or_else(no_such_upload)
            }
        }
    }
}

impl Operation {
    fn read(request: &Request) -> Result<Self, Refused> {
        let decoded = percent_decode_str(&request.path).decode_utf8();
        let decoded =
            decoded.map_err(|_| Refused::new(400, "InvalidURI", "Couldn't parse the specified URI."))?;
        let path = decoded.strip_prefix('/').unwrap_or(&decoded);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(request.query.as_bytes()).into_owned().collect();
        let has = |name: &str| query.contains_key(name);
        let (name, action) = match (&request.method, key.is_empty()) {
            (&Method::GET, true) if query.get("list-type").is_some_and(|version| version == "2") => {
                ("ListObjectsV2", "s3:ListBucket")
            }
            (&Method::GET, false) => ("GetObject", "s3:GetObject"),
            (&Method::PUT, false) if has("partNumber") => ("UploadPart", "s3:PutObject"),
            (&Method::PUT, false) => ("PutObject", "s3:PutObject"),
            (&Method::POST, false) if has("uploads") => ("CreateMultipartUpload", "s3:PutObject"),
            (&Method::POST, false) if has("uploadId") => ("CompleteMultipartUpload", "s3:PutObject"),
            (&Method::DELETE, false) if has("uploadId") => {
                ("AbortMultipartUpload", "s3:AbortMultipartUpload")
            }
            (&Method::DELETE, false) => ("DeleteObject", "s3:DeleteObject"),
            _ => return Err(Refused::new(405, "MethodNotAllowed", "The specified method is not allowed.")),
        };
        Ok(Self { name, action, bucket: bucket.to_owned(), key: key.to_owned(), query })
    }

    fn admit(&self, request: &Request, caller: &Caller) -> Result<(), Refused> {
        let (bucket, key) = (&self.bucket, &self.key);
        if bucket.starts_with("missing-") {
            return Err(Refused::new(404, "NoSuchBucket", "The specified bucket does not exist"));
        }
        if bucket.starts_with("elsewhere-") {
            let message =
                "The bucket you are attempting to access must be addressed using the specified endpoint.";
            return Err(Refused::new(301, "PermanentRedirect", message));
        }
        let denied = |message: String| Refused::new(403, "AccessDenied", message);
        let owner = if bucket.starts_with("foreign-") { "999988887777" } else { &caller.account };
        if request.header(OWNER).is_some_and(|expected| expected != owner) {
            return Err(denied("Access Denied".to_owned()));
        }
        let resource = match self.action {
            "s3:ListBucket" => format!("arn:aws:s3:::{bucket}"),
            _ => format!("arn:aws:s3:::{bucket}/{key}"),
        };
        let prefix = self.query.get("prefix").map(String::as_str).unwrap_or_default();
        let verdict = caller
            .session_policy
            .as_ref()
            .map(|policy| policy.judge_within(self.action, &resource, &[("s3:prefix", prefix)]));
        if verdict.is_some_and(|verdict| verdict != Verdict::Allowed) {
            let (arn, action) = (&caller.arn, self.action);
            return Err(denied(format!(
                "User: {arn} is not authorized to perform: {action} on resource: \"{resource}\""
            )));
        }
        if bucket.starts_with("locked-") && self.action != "s3:ListBucket" {
            let arn = &caller.arn;
            return Err(denied(format!("User: {arn} is not authorized to perform: kms:GenerateDataKey")));
        }
        Ok(())
    }
}

impl Refused {
    fn of(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Signature(SignatureError::Missing) => Self::new(403, "AccessDenied", "Access Denied"),
            Refusal::Signature(error) => Self::new(403, "SignatureDoesNotMatch", error.to_string()),
            Refusal::UnknownToken => Self::new(403, "InvalidAccessKeyId", "The access key does not exist."),
            Refusal::ExpiredToken => Self::new(400, "ExpiredToken", "The provided token has expired."),
        }
    }

    fn into_reply(self) -> Reply {
        let Self(status, code, message) = self;
        let message = escaped(&message);
        let body = format!(
            "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        );
        reply(status, "application/xml", body)
    }
}

fn no_such_key() -> Refused {
    Refused::new(404, "NoSuchKey", "The specified key does not exist.")
}

fn no_such_upload() -> Refused {
    Refused::new(404, "NoSuchUpload", "The specified multipart upload does not exist.")
}

/// First and last byte of a range. `None` if there are no such bytes.
fn part(range: &str, length: usize) -> Option<(usize, usize)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let last = length.checked_sub(1)?;
    let (from, to) = match (from, to) {
        ("", to) => (length.saturating_sub(to.parse().ok()?), last),
        (from, "") => (from.parse().ok()?, last),
        (from, to) => (from.parse().ok()?, to.parse::<usize>().ok()?.min(last)),
    };
    (from <= to && from < length).then_some((from, to))
}

fn list(page: &Page) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut text = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">".to_owned();
    text += &format!("<IsTruncated>{}</IsTruncated>", page.next.is_some());
    for (key, size) in &page.objects {
        text += &format!("<Contents><Key>{}</Key><Size>{size}</Size></Contents>", encoded(key));
    }
    for folder in &page.folders {
        text += &format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", encoded(folder));
    }
    if let Some(next) = &page.next {
        text += &format!("<NextContinuationToken>{}</NextContinuationToken>", escaped(next));
    }
    text + "</ListBucketResult>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn xml(body: String) -> Reply {
    reply(StatusCode::OK, "application/xml", body)
}

fn tagged(mut answer: Reply, tag: &str) -> Reply {
    if let Ok(tag) = HeaderValue::try_from(format!("\"{tag}\"")) {
        set(&mut answer, ETAG, tag);
    }
    answer
}

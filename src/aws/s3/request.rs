//! Requests to S3, signed as one person.
//!
//! Bodies are not part of the signature, so that they can be streamed: TLS protects them.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>

use super::store::{ArtifactStore, Key};
use crate::aws::sts::AssumeRole;
use crate::target::Region;
use hyper::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RANGE};
use hyper::{Method, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;
use url::Url;

/// All characters but those that stand for themselves in a signed URL.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const ENCODED_BUT_SLASHES: &AsciiSet = &ENCODED.remove(b'/');

/// A store, its address, and the session that asks it.
#[derive(Clone, Debug)]
pub(crate) struct StoreAccess {
    pub(crate) store: Arc<ArtifactStore>,
    pub(crate) region: Region,
    /// In place of the region's public endpoint.
    pub(crate) endpoint_url: Option<Url>,
    pub(crate) session: Option<Arc<AssumeRole>>,
}

/// One operation of S3.
#[derive(Clone, Debug)]
pub(crate) enum Operation<'a> {
    Get {
        key: &'a Key,
        range: Option<HeaderValue>,
    },
    Put {
        key: &'a Key,
        length: u64,
        content_type: Option<HeaderValue>,
    },
    Delete {
        key: &'a Key,
    },
    /// Keys below a prefix; `by_folder` joins those that have a further slash. `after` is the token of the page before.
    List {
        prefix: &'a str,
        by_folder: bool,
        most: u16,
        after: Option<&'a str>,
    },
    BeginUpload {
        key: &'a Key,
        content_type: Option<HeaderValue>,
    },
    PutPart {
        key: &'a Key,
        upload: &'a str,
        number: u32,
        length: u64,
    },
    EndUpload {
        key: &'a Key,
        upload: &'a str,
        length: u64,
    },
    AbandonUpload {
        key: &'a Key,
        upload: &'a str,
    },
}

/// The head of a request, complete but for its signature.
pub(in crate::aws) fn request(
    access: &StoreAccess,
    operation: &Operation<'_>,
) -> Result<Request<()>, String> {
    let (method, key, query) = operation.line();
    let base = base(access)?;
    let key = utf8_percent_encode(key.map_or("", Key::as_str), ENCODED_BUT_SLASHES);
    let query: Vec<String> =
        query.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ENCODED))).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    let url = format!("{base}/{key}{mark}{}", query.join("&"));
    let mut request =
        Request::builder().method(method).uri(url).body(()).map_err(|error| error.to_string())?;
    let headers = request.headers_mut();
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(owner) = access.store.owner() {
        let owner = HeaderValue::from_str(owner).map_err(|error| error.to_string())?;
        headers.insert("x-amz-expected-bucket-owner", owner);
    }
    let (range, content_type, length) = operation.fields();
    if let Some(range) = range {
        headers.insert(RANGE, range.clone());
    }
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, content_type.clone());
    }
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    Ok(request)
}

/// The bucket's URL without a slash at its end. A bucket with dots stands in the path, for AWS's certificates have one label
/// there, and so does every bucket at another endpoint.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html>
fn base(access: &StoreAccess) -> Result<String, String> {
    let bucket = access.store.bucket();
    if let Some(endpoint) = &access.endpoint_url {
        return Ok(format!("{}/{bucket}", endpoint.as_str().trim_end_matches('/')));
    }
    let region = &access.region;
    let domain = match region.partition() {
        "aws" | "aws-us-gov" => "amazonaws.com",
        "aws-cn" => "amazonaws.com.cn",
        _ => return Err(format!("its address in `{region}` is not known")),
    };
    Ok(match bucket.contains('.') {
        true => format!("https://s3.{region}.{domain}/{bucket}"),
        false => format!("https://{bucket}.s3.{region}.{domain}"),
    })
}

impl Operation<'_> {
    /// Method, key and query.
    fn line(&self) -> (Method, Option<&Key>, Vec<(&'static str, String)>) {
        let upload = |id: &str| ("uploadId", id.to_owned());
        match self {
            Self::Get { key, .. } => (Method::GET, Some(key), Vec::new()),
            Self::Put { key, .. } => (Method::PUT, Some(key), Vec::new()),
            Self::Delete { key } => (Method::DELETE, Some(key), Vec::new()),
            Self::List { prefix, by_folder, most, after } => {
                let mut query = vec![
                    ("list-type", "2".to_owned()),
                    // Keys may have characters that XML does not allow.
                    ("encoding-type", "url".to_owned()),
                    ("max-keys", most.to_string()),
                    ("prefix", (*prefix).to_owned()),
                ];
                query.extend(by_folder.then(|| ("delimiter", "/".to_owned())));
                query.extend(after.map(|token| ("continuation-token", token.to_owned())));
                (Method::GET, None, query)
            }
            Self::BeginUpload { key, .. } => (Method::POST, Some(key), vec![("uploads", String::new())]),
            Self::PutPart { key, upload: id, number, .. } => {
                (Method::PUT, Some(key), vec![("partNumber", number.to_string()), upload(id)])
            }
            Self::EndUpload { key, upload: id, .. } => (Method::POST, Some(key), vec![upload(id)]),
            Self::AbandonUpload { key, upload: id } => (Method::DELETE, Some(key), vec![upload(id)]),
        }
    }

    /// Range, content type and length of the body.
    fn fields(&self) -> (Option<&HeaderValue>, Option<&HeaderValue>, Option<u64>) {
        match self {
            Self::Get { range, .. } => (range.as_ref(), None, None),
            Self::Put { length, content_type, .. } => (None, content_type.as_ref(), Some(*length)),
            Self::BeginUpload { content_type, .. } => (None, content_type.as_ref(), Some(0)),
            Self::PutPart { length, .. } | Self::EndUpload { length, .. } => (None, None, Some(*length)),
            Self::Delete { .. } | Self::List { .. } | Self::AbandonUpload { .. } => (None, None, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::ArtifactPath;
    use super::*;

    fn url(store: &str, region: &str, endpoint_url: Option<&str>, path: &str) -> Result<String, String> {
        let store = Arc::new(ArtifactStore::parse(store, Some("111122223333")).unwrap());
        let key = store.key(&ArtifactPath::new(path).unwrap()).unwrap();
        let region = Region::parse(region).unwrap();
        let endpoint_url = endpoint_url.map(|url| Url::parse(url).unwrap());
        let access = StoreAccess { store, region, endpoint_url, session: None };
        let request = request(&access, &Operation::Get { key: &key, range: None })?;
        assert_eq!(request.headers()["x-amz-expected-bucket-owner"], "111122223333");
        Ok(request.uri().to_string())
    }

    #[test]
    fn a_bucket_has_its_own_host_where_certificates_allow() {
        let of = |store, region, endpoint_url| url(store, region, endpoint_url, "é a+b/c").unwrap();
        let key = "mlflow/%C3%A9%20a%2Bb/c";
        assert_eq!(
            of("s3://corp-ml/mlflow", "eu-west-1", None),
            format!("https://corp-ml.s3.eu-west-1.amazonaws.com/{key}")
        );
        assert_eq!(
            of("s3://corp.ml/mlflow", "cn-north-1", None),
            format!("https://s3.cn-north-1.amazonaws.com.cn/corp.ml/{key}")
        );
        let endpoint = "https://bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com/";
        assert_eq!(
            of("s3://corp-ml/mlflow", "eu-west-1", Some(endpoint)),
            format!("{endpoint}corp-ml/{key}")
        );
        assert!(url("s3://corp-ml", "us-iso-east-1", None, "a").is_err());
    }
}

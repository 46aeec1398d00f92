//! The place of a target's artifacts, and the keys below it.

use std::fmt;

/// AWS's bound for a key, in bytes.
const LONGEST_KEY: usize = 1024;
/// The prefix stands in session policies twice, and these have a bound.
const LONGEST_PREFIX: usize = 400;

/// The artifact store of a tracking server or App: a bucket, and the prefix of the keys of all its artifacts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ArtifactStore {
    bucket: String,
    /// Without a slash at either end. Empty if the store is the whole bucket.
    prefix: String,
    /// The account that AWS expects to own the bucket.
    owner: Option<String>,
}

/// The reason why a store cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnusableStore {
    /// AWS does not tell it.
    Untold,
    NotS3,
    Bucket,
    /// Its prefix has characters with a meaning of their own, in policies or paths, or is too long.
    Prefix,
    Owner,
}

impl ArtifactStore {
    /// Reads `s3://BUCKET/PREFIX`.
    ///
    /// # Errors
    ///
    /// [`UnusableStore`]. Nothing that was not understood becomes a part of a key or of a policy.
    pub(crate) fn parse(uri: &str, owner: Option<&str>) -> Result<Self, UnusableStore> {
        let rest = uri.strip_prefix("s3://").ok_or(UnusableStore::NotS3)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        if !is_bucket(bucket) {
            return Err(UnusableStore::Bucket);
        }
        let is_plain = |segment: &str| {
            !matches!(segment, "" | "." | "..")
                && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"!_.'()=+@,:&-".contains(&b))
        };
        if prefix.len() > LONGEST_PREFIX || !(prefix.is_empty() || prefix.split('/').all(is_plain)) {
            return Err(UnusableStore::Prefix);
        }
        let is_account = |owner: &str| owner.len() == 12 && owner.bytes().all(|b| b.is_ascii_digit());
        if !owner.is_none_or(is_account) {
            return Err(UnusableStore::Owner);
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned(), owner: owner.map(str::to_owned) })
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(super) fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// `s3://BUCKET/PREFIX`, without a slash at its end.
    pub(crate) fn uri(&self) -> String {
        match self.prefix.as_str() {
            "" => format!("s3://{}", self.bucket),
            prefix => format!("s3://{}/{prefix}", self.bucket),
        }
    }

    /// The beginning of every key below the store: empty, or with a slash at its end.
    pub(crate) fn root(&self) -> String {
        if self.prefix.is_empty() { String::new() } else { format!("{}/", self.prefix) }
    }

    /// The key of an artifact.
    ///
    /// # Errors
    ///
    /// It is longer than a key may be.
    pub(crate) fn key(&self, path: &ArtifactPath) -> Result<Key, &'static str> {
        let key = format!("{}{}", self.root(), path.0);
        if key.len() > LONGEST_KEY { Err("a name that is too long for its store") } else { Ok(Key(key)) }
    }
}

/// The bucket names that AWS allows today. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn is_bucket(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    (3..=63).contains(&name.len()) && name.split('.').all(is_label)
}

/// The path of a file or folder below a store. Joined to any prefix, it stays below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArtifactPath(String);

impl ArtifactPath {
    /// Takes a path that is decoded already.
    ///
    /// # Errors
    ///
    /// The part of the path that leads elsewhere, or that two readers could take for different things.
    pub(crate) fn new(decoded: &str) -> Result<Self, &'static str> {
        if decoded.contains('\\') {
            return Err("a backslash");
        }
        if decoded.chars().any(char::is_control) {
            return Err("a control character");
        }
        for segment in decoded.split('/') {
            match segment {
                "" => return Err("an empty segment"),
                "." | ".." => return Err("a segment of dots"),
                _ => {}
            }
            // MLflow decodes names until nothing changes.
            let folded = segment.to_ascii_lowercase();
            if ["%2e", "%2f", "%5c", "%25"].iter().any(|escape| folded.contains(escape)) {
                return Err("a name that is escaped twice");
            }
        }
        Ok(Self(decoded.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The key of an object below a store. Only [`ArtifactStore`] and its lists make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    /// A key that S3 has listed, if it is below this prefix.
    pub(super) fn listed(key: String, prefix: &str) -> Option<Self> {
        key.starts_with(prefix).then_some(Self(key))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UnusableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untold => "AWS does not tell it",
            Self::NotS3 => "it is not in S3",
            Self::Bucket => "its bucket's name is not of a known form",
            Self::Prefix => {
                "its prefix is too long, or has characters other than letters, digits and !_.'()=+@,:&-"
            }
            Self::Owner => "the account of its bucket's owner is not of a known form",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_bucket_and_a_prefix() {
        for (uri, bucket, root, again) in [
            ("s3://corp-ml/mlflow", "corp-ml", "mlflow/", "s3://corp-ml/mlflow"),
            ("s3://corp.ml.eu/a/b=c/", "corp.ml.eu", "a/b=c/", "s3://corp.ml.eu/a/b=c"),
            ("s3://corp-ml", "corp-ml", "", "s3://corp-ml"),
            ("s3://corp-ml/", "corp-ml", "", "s3://corp-ml"),
        ] {
            let store = ArtifactStore::parse(uri, Some("111122223333")).unwrap();
            assert_eq!((store.bucket(), store.root().as_str(), store.uri().as_str()), (bucket, root, again));
        }
    }

    #[test]
    fn what_is_not_understood_is_no_store() {
        use UnusableStore::{Bucket, NotS3, Owner, Prefix};
        for (uri, owner, why) in [
            ("https://corp-ml/mlflow", None, NotS3),
            ("S3://corp-ml/mlflow", None, NotS3),
            ("", None, NotS3),
            ("s3://", None, Bucket),
            ("s3:///mlflow", None, Bucket),
            ("s3://Corp/mlflow", None, Bucket),
            ("s3://a..b/mlflow", None, Bucket),
            ("s3://arn:aws:s3:eu-west-1:1:accesspoint/x", None, Bucket),
            ("s3://user@corp/mlflow", None, Bucket),
            ("s3://corp-ml/a//b", None, Prefix),
            ("s3://corp-ml/../b", None, Prefix),
            ("s3://corp-ml/a*", None, Prefix),
            ("s3://corp-ml/${aws:username}", None, Prefix),
            ("s3://corp-ml/a?b", None, Prefix),
            ("s3://corp-ml/a%2e", None, Prefix),
            ("s3://corp-ml/a", Some("1"), Owner),
        ] {
            assert_eq!(ArtifactStore::parse(uri, owner), Err(why), "{uri}");
        }
    }

    #[test]
    fn a_path_stays_below_its_store() {
        let store = ArtifactStore::parse("s3://corp-ml/mlflow", None).unwrap();
        let key = |path: &str| ArtifactPath::new(path).and_then(|path| store.key(&path));
        assert_eq!(key("1/abc/artifacts/é a+b%.txt").unwrap().as_str(), "mlflow/1/abc/artifacts/é a+b%.txt");
        for path in [
            "", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\\..\\b", "a\0b", "a\nb", "%2e%2e/b", "a%2Fb",
            "a%252e",
        ] {
            assert!(key(path).is_err(), "{path}");
        }
        assert!(key(&"a".repeat(1017)).is_ok());
        assert!(key(&"a".repeat(1018)).is_err());
    }
}

//! The one-time URL that lets its bearer in.

use super::error::BadUrl;
use crate::config::{AuthorizedHost, is_loopback};
use crate::target::{Fragment, Region};
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use std::fmt;
use url::Url;
use zeroize::Zeroizing;

/// The longest URL that is handed on. Studio's are some 4.4 kB; AWS names no limit for them.
const LONGEST_URL: usize = 16 * 1024;

/// A URL that AWS minted for one person, checked to be `https` on an expected host. At most its fragment is the
/// gateway's own.
///
/// The text lets its bearer in as that person, so it leaves exactly once: both ways out take `self`. There is no
/// `Display`, no `Clone` and no `Serialize`; `Debug` shows nothing of the value.
pub struct AuthorizedUrl(Zeroizing<String>);

impl AuthorizedUrl {
    /// The value of a `Location` header, marked sensitive so that HTTP/2 does not index it and `Debug` hides it. It is
    /// this very text, not a copy, and is wiped when the header is dropped.
    #[expect(clippy::expect_used, reason = "visible ASCII: `check` and `Fragment` admit nothing else")]
    pub fn into_location(self) -> HeaderValue {
        let value = HeaderValue::from_maybe_shared(Bytes::from_owner(self.0));
        let mut value = value.expect("stands in a header");
        value.set_sensitive(true);
        value
    }

    /// The same URL, opened at a page of its application. Scheme, host, path and query stay byte for byte as AWS wrote
    /// them: the page stands behind the only `#`, and nothing in it can end a fragment.
    ///
    /// # Errors
    ///
    /// AWS's URL names a page of its own, or the whole would be too long.
    pub(super) fn at(self, page: &Fragment) -> Result<Self, BadUrl> {
        if self.0.contains('#') {
            return Err(BadUrl::Fragment);
        }
        let length = self.0.len() + 1 + page.as_str().len();
        if length > LONGEST_URL {
            return Err(BadUrl::TooLong);
        }
        // Allocated at once: a text that grows leaves copies of itself behind.
        let mut whole = Zeroizing::new(String::with_capacity(length));
        whole.push_str(&self.0);
        whole.push('#');
        whole.push_str(page.as_str());
        Ok(Self(whole))
    }

    /// The text for the body of one API answer.
    pub fn into_api_answer(self) -> Zeroizing<String> {
        self.0
    }
}

impl fmt::Debug for AuthorizedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorizedUrl(..)")
    }
}

/// The hosts of minted URLs beside AWS's own: `aws.authorized_url_hosts`.
#[derive(Clone, Debug)]
pub(super) struct AuthorizedHosts(Vec<AuthorizedHost>);

impl AuthorizedHosts {
    pub(super) fn new(configured: &[AuthorizedHost]) -> Self {
        Self(configured.to_vec())
    }

    /// Makes the URL from AWS's answer in a region, whose partition decides which hosts are AWS's. This is the only
    /// maker, and it changes no byte of the text.
    ///
    /// # Errors
    ///
    /// [`BadUrl`] says what is wrong, and shows nothing of the text.
    pub(super) fn check(&self, text: Zeroizing<String>, region: &Region) -> Result<AuthorizedUrl, BadUrl> {
        if text.is_empty() {
            return Err(BadUrl::Absent);
        }
        if text.len() > LONGEST_URL {
            return Err(BadUrl::TooLong);
        }
        if !is_read_alike(&text) {
            return Err(BadUrl::IllegalCharacter);
        }
        let (scheme, rest) = text.split_once("://").ok_or(BadUrl::NotHttps)?;
        if scheme != "https" && scheme != "http" {
            return Err(BadUrl::NotHttps);
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(BadUrl::Userinfo);
        }
        // Browsers skip further slashes, and take what follows for the host.
        if authority.is_empty() {
            return Err(BadUrl::ForeignHost);
        }
        // Only the origin is parsed: the rest cannot change it, and parsing it would make a copy of the whole text.
        let origin = text.get(..scheme.len() + "://".len() + authority.len()).unwrap_or_default();
        let url = Url::parse(origin).map_err(|_| BadUrl::Unparseable)?;
        let host = url.host_str().ok_or(BadUrl::ForeignHost)?;
        // The written host must be the parsed host, so that no other spelling slips through.
        let written = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
        if !written.map_or(authority, |(host, _)| host).eq_ignore_ascii_case(host) {
            return Err(BadUrl::ForeignHost);
        }
        let is_aws =
            url.port().is_none() && region.url_suffixes().iter().any(|suffix| is_below(host, suffix));
        if !is_aws && !self.0.iter().any(|authorized| authorized.covers(host, url.port())) {
            return Err(BadUrl::ForeignHost);
        }
        // Traffic on the loopback interface does not leave the machine.
        if url.scheme() != "https" && !is_loopback(&url) {
            return Err(BadUrl::NotHttps);
        }
        Ok(AuthorizedUrl(text))
    }
}

impl AuthorizedHost {
    fn covers(&self, host: &str, port: Option<u16>) -> bool {
        let is_covered =
            if self.host.starts_with('.') { is_below(host, &self.host) } else { host == self.host };
        is_covered && port == self.port
    }
}

/// Browsers drop tabs and line breaks and read `\` as `/`, so they would read other texts differently. No early exit: the
/// compiler then checks many bytes per instruction, which takes 7 % off a launch.
fn is_read_alike(text: &str) -> bool {
    text.bytes().fold(true, |alike, byte| alike & byte.is_ascii_graphic() & (byte != b'\\'))
}

/// `suffix` begins with a dot.
fn is_below(host: &str, suffix: &str) -> bool {
    host.strip_suffix(suffix).is_some_and(|below| !below.is_empty() && !below.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str) -> Result<AuthorizedUrl, BadUrl> {
        check_in("eu-west-1", text)
    }

    fn check_in(region: &str, text: &str) -> Result<AuthorizedUrl, BadUrl> {
        let local = ["127.0.0.1", "[::1]", "ml.localhost"].map(|host| (host, Some(4010)));
        let configured = [(".example.cn", None), ("[fd00::1]", None)].into_iter().chain(local);
        let configured: Vec<AuthorizedHost> =
            configured.map(|(host, port)| AuthorizedHost { host: host.to_owned(), port }).collect();
        let region = Region::parse(region).unwrap();
        AuthorizedHosts::new(&configured).check(Zeroizing::new(text.to_owned()), &region)
    }

    #[test]
    fn urls_of_aws_pass_byte_for_byte() {
        for text in [
            "https://d-abc.studio.eu-west-1.sagemaker.aws/auth?token=ey.J-_%2F%2f%41",
            "https://name.notebook.eu-west-1.sagemaker.aws?authToken=abc",
            "https://Name.notebook.eu-west-1.sagemaker.aws:443?authToken=abc",
            "https://t-1.eu-west-1.experiments.sagemaker.aws/auth?authToken=a#/experiments/5",
            "https://mlflow.sagemaker.eu-west-1.app.aws/auth?authToken=a",
            "https://a.b.example.cn/",
            "http://127.0.0.1:4010/auth?token=a",
            "https://127.0.0.1:4010/auth?token=a",
            "http://[::1]:4010/auth",
            "https://[fd00::1]/auth",
            "https://[fd00::1]:443/auth",
            "http://ml.localhost:4010/auth",
        ] {
            assert_eq!(*check(text).expect(text).into_api_answer(), text);
        }
    }

    /// In every other partition the host is foreign.
    #[test]
    fn each_partition_has_hosts_of_its_own() {
        const CHINA: [&str; 2] = ["cn-north-1", "cn-northwest-1"];
        const WITH_AWS: [&str; 4] = ["eu-west-1", "us-east-1", "us-gov-west-1", "us-gov-east-1"];
        const UNKNOWN: [&str; 5] =
            ["us-iso-east-1", "us-isob-east-1", "us-isof-south-1", "eu-isoe-west-1", "eusc-de-east-1"];
        for (host, known) in [
            ("d-abc.studio.eu-west-1.sagemaker.aws", &WITH_AWS[..]),
            ("nb.notebook.us-gov-west-1.sagemaker.aws", &WITH_AWS),
            ("mlflow.sagemaker.us-gov-west-1.app.aws", &WITH_AWS),
            ("d-abc.studio.cn-north-1.sagemaker.com.cn", &CHINA),
            ("nb.notebook.cn-northwest-1.sagemaker.com.cn", &CHINA),
            ("sagemaker.com.cn", &[]),
            ("evilsagemaker.com.cn", &[]),
            ("d-abc.studio.cn-north-1.sagemaker.com.cn.evil.example", &[]),
            ("d-abc.studio.cn-north-1.sagemaker.com.cn:8443", &[]),
        ] {
            for region in CHINA.into_iter().chain(WITH_AWS).chain(UNKNOWN) {
                let checked = check_in(region, &format!("https://{host}/auth?token=abc"));
                let expected = if known.contains(&region) { None } else { Some(BadUrl::ForeignHost) };
                assert_eq!(checked.err(), expected, "{host} in {region}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Only the beginning of a text is parsed: a browser, which reads all of it, must come to the same place.
        #[test]
        fn what_passes_is_where_a_browser_goes(
            text in r"https?:/{2,3}([a-z.@:]{0,3}\.)?d\.sagemaker\.aws([/?#:@.][!-~]{0,12})?"
        ) {
            if check(&text).is_ok() {
                let url = Url::parse(&text).unwrap();
                prop_assert_eq!(url.scheme(), "https");
                prop_assert!(url.host_str().unwrap().ends_with(".sagemaker.aws"), "{}", text);
                prop_assert_eq!((url.port(), url.username(), url.password()), (None, "", None));
            }
        }
    }

    #[test]
    fn anything_else_is_refused() {
        use BadUrl::{Absent, ForeignHost, IllegalCharacter, NotHttps, Unparseable, Userinfo};
        for (text, why) in [
            ("", Absent),
            ("http://d-abc.studio.eu-west-1.sagemaker.aws/", NotHttps),
            ("javascript:alert(1)", NotHttps),
            ("javascript://d.sagemaker.aws/%0aalert(1)", NotHttps),
            ("HTTPS://d.sagemaker.aws/", NotHttps),
            ("//d.sagemaker.aws/", NotHttps),
            ("https://evil.example/", ForeignHost),
            ("https://evilsagemaker.aws/", ForeignHost),
            ("https://sagemaker.aws/", ForeignHost),
            ("https://.sagemaker.aws/", ForeignHost),
            ("https://d.sagemaker.aws./", ForeignHost),
            ("https://d.sagemaker.aws.evil.example/", ForeignHost),
            ("https://d.sagemaker.aws:8443/", ForeignHost),
            ("https://evil.example?.sagemaker.aws/", ForeignHost),
            ("https:///d.sagemaker.aws/", ForeignHost),
            ("https://evil.example\\.sagemaker.aws/", IllegalCharacter),
            ("https://d.sage\tmaker.aws/", IllegalCharacter),
            ("https://d.sagemaker.aws/\r\nSet-Cookie:a", IllegalCharacter),
            (" https://d.sagemaker.aws/", IllegalCharacter),
            ("https://d。sagemaker.aws/", IllegalCharacter),
            ("https://user@d.sagemaker.aws/", Userinfo),
            ("https://d.sagemaker.aws:x@evil.example/", Userinfo),
            ("https://@d.sagemaker.aws/", Userinfo),
            ("https://d%2esagemaker.aws/", ForeignHost),
            ("https://d.sagemaker.aws:99999/", Unparseable),
            ("http://127.0.0.1:4011/", ForeignHost),
            ("http://127.1:4010/", ForeignHost),
            ("https://evil.example:4010/", ForeignHost),
            ("https://evil.example.cn.evil.example/", ForeignHost),
            ("https://[fd00::2]/", ForeignHost),
            ("http://a.example.cn/", NotHttps),
        ] {
            assert_eq!(check(text).expect_err(text), why, "{text}");
        }
    }

    #[test]
    fn a_page_stands_behind_the_url_and_changes_nothing_before_it() {
        let page = Fragment::parse("/experiments/1?a=b").unwrap();
        for text in [
            "https://t-1.eu-west-1.experiments.sagemaker.aws/auth?authToken=a%2f%2F",
            "https://mlflow.sagemaker.eu-west-1.app.aws",
        ] {
            let whole = check(text).unwrap().at(&page).unwrap().into_api_answer();
            assert_eq!(*whole, format!("{text}#/experiments/1?a=b"));
        }
        for text in ["https://d.sagemaker.aws/auth?authToken=a#/x", "https://d.sagemaker.aws/#"] {
            assert_eq!(check(text).unwrap().at(&page).expect_err(text), BadUrl::Fragment);
        }
        let base = format!("https://d.sagemaker.aws/?token={}", "a".repeat(LONGEST_URL - 50));
        let room = LONGEST_URL - base.len();
        let fitting = Fragment::parse(&format!("/{}", "a".repeat(room - 2))).unwrap();
        assert_eq!(check(&base).unwrap().at(&fitting).unwrap().into_api_answer().len(), LONGEST_URL);
        let longer = Fragment::parse(&format!("/{}", "a".repeat(room - 1))).unwrap();
        assert_eq!(check(&base).unwrap().at(&longer).expect_err("too long"), BadUrl::TooLong);
    }

    #[test]
    fn the_length_is_bounded() {
        let base = "https://d.sagemaker.aws/?token=";
        assert!(check(&format!("{base}{}", "a".repeat(LONGEST_URL - base.len()))).is_ok());
        let longer = format!("{base}{}", "a".repeat(LONGEST_URL - base.len() + 1));
        assert_eq!(check(&longer).expect_err("too long"), BadUrl::TooLong);
    }
}

//! Seals the data that a browser carries for us: authenticated encryption under a ring of keys.
//!
//! AES-256-GCM-SIV (RFC 8452) with random nonces: a repeated nonce would reveal only that two texts are equal. Every
//! purpose has its own key by HKDF (RFC 5869). The purpose, the gateway's public URL and the issuer are authenticated
//! with each text, so that a value opens only in its own place.

use crate::config::secrets::{SecretError, Secrets, session_key};
use crate::secret::{Secret, random};
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::collections::BTreeSet;
use std::fmt;
use url::Url;
use zeroize::Zeroizing;

const KEY_LEN: usize = 32;
const KEY_ID_LEN: usize = 4;
/// 32 random bytes have about 30 distinct values, and fewer than 16 once in 10¹⁰ draws at most.
const FEWEST_DISTINCT_BYTES: usize = 16;

/// The purpose of a sealed text. A text of one purpose does not open as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The session cookie.
    Session,
    /// A sign-in under way, in the `state` parameter.
    Attempt,
    /// The record of a session beside its cookie.
    Record,
    /// The ID token of a sign-in, kept for its sign-out.
    IdToken,
    /// A run token.
    RunToken,
    /// The entry of a run token in its person's list, in the shared state.
    RunTokenNote,
    /// A form on one of our pages.
    Form,
    /// A person's sign-in at a terminal.
    Terminal,
    /// A sign-in at a terminal that was allowed, until the terminal fetches it.
    TerminalCode,
}

/// Seals with its first key, opens with any of them.
pub struct Sealer {
    sealing: RingKey,
    opening: Vec<RingKey>,
    public_url: String,
    issuer: String,
}

/// A strong key: 32 bytes that look random.
pub struct SealingKey(Zeroizing<[u8; KEY_LEN]>);

/// The reason why a configured key is refused. Never shows the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeakKey {
    /// Not the base64 of exactly 32 bytes.
    WrongLength,
    /// The 32 bytes are readable text, a repetition or a series.
    NotRandom,
}

/// A fresh key as the configuration takes it: the base64 of 32 random bytes.
pub fn generate_key() -> String {
    STANDARD.encode(random::<KEY_LEN>())
}

impl SealingKey {
    /// Takes the output of [`generate_key`] or of `openssl rand -base64 32`.
    ///
    /// # Errors
    ///
    /// [`WeakKey`] if the text is anything else, or bytes that no random generator gave.
    pub fn parse(text: &Secret) -> Result<Self, WeakKey> {
        let decoded = Zeroizing::new(STANDARD.decode(text.expose()).map_err(|_| WeakKey::WrongLength)?);
        let bytes: [u8; KEY_LEN] = decoded.as_slice().try_into().map_err(|_| WeakKey::WrongLength)?;
        if looks_random(&bytes) { Ok(Self(Zeroizing::new(bytes))) } else { Err(WeakKey::NotRandom) }
    }

    /// A key for this process's life.
    pub fn random() -> Self {
        Self(Zeroizing::new(random()))
    }
}

impl Sealer {
    /// The ring that a configuration names: the first of its keys seals. Without any, one random key for this process's
    /// life.
    ///
    /// # Errors
    ///
    /// Each key that cannot be read or is weak.
    pub fn load(
        keys: usize,
        secrets: &Secrets,
        public_url: &Url,
        issuer: &str,
    ) -> Result<Self, Vec<SecretError>> {
        let (mut ring, mut wrong) = (Vec::new(), Vec::new());
        for key in (0..keys).map(session_key) {
            let parsed = secrets.get(&key).and_then(|text| {
                SealingKey::parse(text).map_err(|weak| SecretError::unusable(&key, format!("it {weak}")))
            });
            match parsed {
                Ok(key) => ring.push(key),
                Err(error) => wrong.push(error),
            }
        }
        match ring.split_first() {
            _ if !wrong.is_empty() => Err(wrong),
            Some((first, further)) => Ok(Self::new(first, further, public_url, issuer)),
            None => Ok(Self::new(&SealingKey::random(), &[], public_url, issuer)),
        }
    }

    /// A ring whose first key seals; `further` ones only open. Its texts open only for the same `public_url` and, those of
    /// sign-ins and sessions, for the same `issuer` (the exact `iss`).
    pub fn new(first: &SealingKey, further: &[SealingKey], public_url: &Url, issuer: &str) -> Self {
        Self {
            sealing: RingKey::derive(first),
            opening: std::iter::once(first).chain(further).map(RingKey::derive).collect(),
            public_url: public_url.as_str().to_owned(),
            issuer: issuer.to_owned(),
        }
    }

    /// `text`, encrypted and authenticated, in the URL-safe base64 alphabet without padding.
    pub fn seal(&self, purpose: Purpose, text: &[u8]) -> String {
        let nonce = random::<NONCE_LEN>();
        let mut sealed = Vec::with_capacity(KEY_ID_LEN + NONCE_LEN + text.len() + AES_256_GCM_SIV.tag_len());
        sealed.extend_from_slice(&self.sealing.id);
        sealed.extend_from_slice(&nonce);
        let mut body = text.to_vec();
        #[expect(clippy::expect_used, reason = "fails only beyond 2³⁶ bytes")]
        self.sealing
            .key(purpose)
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.associated_data(purpose)),
                &mut body,
            )
            .expect("a text that fits in a header is not too long");
        sealed.extend_from_slice(&body);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The text, if this ring sealed it for the same purpose, public URL and, if that counts, issuer. Otherwise `None`,
    /// without a reason.
    pub fn open(&self, purpose: Purpose, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (id, rest) = sealed.split_first_chunk::<KEY_ID_LEN>()?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>()?;
        self.opening.iter().filter(|key| key.id == *id).find_map(|key| {
            let mut body = Zeroizing::new(body.to_vec());
            let length = key
                .key(purpose)
                .open_in_place(
                    Nonce::assume_unique_for_key(*nonce),
                    Aad::from(self.associated_data(purpose)),
                    &mut body,
                )
                .ok()?
                .len();
            body.truncate(length);
            Some(body)
        })
    }

    /// Each part with its length before it, so that no two triples read the same.
    fn associated_data(&self, purpose: Purpose) -> Vec<u8> {
        let issuer = if purpose.is_of_one_issuer() { self.issuer.as_bytes() } else { b"" };
        let parts = [purpose.label(), self.public_url.as_bytes(), issuer];
        let mut data = Vec::new();
        for part in parts {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part);
        }
        data
    }
}

/// One key of the ring: the id by which it is found, and its derived keys.
struct RingKey {
    id: [u8; KEY_ID_LEN],
    /// In the order of [`Purpose::ALL`].
    keys: [LessSafeKey; Purpose::ALL.len()],
}

impl RingKey {
    fn derive(key: &SealingKey) -> Self {
        let keys = Purpose::ALL.map(|purpose| aead_key(key, purpose));
        Self { id: expand::<KEY_ID_LEN>(key, b"postern key id"), keys }
    }

    #[expect(clippy::indexing_slicing, reason = "`Purpose::ALL` has every purpose")]
    fn key(&self, purpose: Purpose) -> &LessSafeKey {
        &self.keys[purpose as usize]
    }
}

impl Purpose {
    /// Every purpose, in the order of the declaration.
    pub const ALL: [Self; 9] = [
        Self::Session,
        Self::Attempt,
        Self::Record,
        Self::IdToken,
        Self::RunToken,
        Self::RunTokenNote,
        Self::Form,
        Self::Terminal,
        Self::TerminalCode,
    ];

    /// Contains the version of the text's form: older forms do not open.
    fn label(self) -> &'static [u8] {
        match self {
            Self::Session => b"postern session v1",
            Self::Attempt => b"postern sign-in v1",
            Self::Record => b"postern session record v1",
            Self::IdToken => b"postern id token v1",
            Self::RunToken => b"postern run token v1",
            Self::RunTokenNote => b"postern run token note v1",
            Self::Form => b"postern form v1",
            Self::Terminal => b"postern terminal v1",
            Self::TerminalCode => b"postern terminal code v1",
        }
    }

    /// Whether its texts belong to the issuer that people sign in at. The others say themselves which issuer vouched for
    /// their person.
    fn is_of_one_issuer(self) -> bool {
        matches!(self, Self::Session | Self::Attempt | Self::Record | Self::IdToken)
    }
}

fn aead_key(key: &SealingKey, purpose: Purpose) -> LessSafeKey {
    let bytes = Zeroizing::new(expand::<KEY_LEN>(key, purpose.label()));
    #[expect(clippy::expect_used, reason = "AES-256 takes any 32 bytes")]
    let key = UnboundKey::new(&AES_256_GCM_SIV, bytes.as_slice()).expect("32 bytes are a key");
    LessSafeKey::new(key)
}

fn expand<const N: usize>(key: &SealingKey, info: &[u8]) -> [u8; N] {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut output = [0; N];
    #[expect(clippy::expect_used, reason = "HKDF-SHA256 gives up to 8160 bytes")]
    Salt::new(HKDF_SHA256, b"postern")
        .extract(key.0.as_slice())
        .expand(&[info], Length(N))
        .and_then(|material| material.fill(&mut output))
        .expect("HKDF gives a short key");
    output
}

/// Whether a generator may have given these bytes. Refuses keys that people type: text, one byte repeated, a short
/// pattern repeated, a counter. A random key fails this less than once in a thousand million.
fn looks_random(bytes: &[u8; KEY_LEN]) -> bool {
    let readable = bytes.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace());
    let distinct: BTreeSet<u8> = bytes.iter().copied().collect();
    let (front, back) = bytes.split_at(KEY_LEN / 2);
    let steps: BTreeSet<u8> =
        bytes.iter().zip(bytes.iter().skip(1)).map(|(a, b)| b.wrapping_sub(*a)).collect();
    !readable && distinct.len() >= FEWEST_DISTINCT_BYTES && front != back && steps.len() > 1
}

impl fmt::Display for WeakKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongLength => "is not the base64 of exactly 32 bytes; `postern keygen` prints a good one",
            Self::NotRandom => "is not random; `postern keygen` prints a good one",
        })
    }
}

impl std::error::Error for WeakKey {}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("keys", &self.opening.len())
            .field("public_url", &self.public_url)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

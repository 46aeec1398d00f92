//! The state itself, while its server is away and after that.

use super::url;
use crate::support::valkey::Valkey;
use postern::clock::{Clock, UnixSeconds};
use postern::config::secrets::{Form, Named, Secrets, VALKEY_URL};
use postern::config::{SecretSource, StateConfig, ValkeyConfig, WhenAway};
use postern::files::Files;
use postern::http_client::HttpClient;
use postern::state::{Key, Means, Namespace, State, Unavailable};
use prometheus_client::metrics::gauge::Gauge;
use std::io::Write;
use std::time::Duration;
use tempfile::NamedTempFile;
use url::Url;

const HOUR: Duration = Duration::from_secs(3600);
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

/// A replica's view of the server.
struct Replica {
    state: State,
    up: Gauge,
}

impl Replica {
    async fn new(valkey: &Valkey, when_away: WhenAway) -> Self {
        Self::of("https://ml.corp.example", valkey, when_away).await
    }

    /// A replica of the gateway at `public_url`.
    async fn of(public_url: &str, valkey: &Valkey, when_away: WhenAway) -> Self {
        let mut file = NamedTempFile::new().unwrap();
        write!(file, "{}", url(valkey)).unwrap();
        let source = SecretSource::File(file.path().to_owned());
        let named = Named { key: VALKEY_URL.to_owned(), source: source.clone(), form: Form::Line };
        let (secrets, http) = (Secrets::read([named], &Files::default()), HttpClient::new().unwrap());
        let means = Means { secrets: &secrets, authorities: http.authorities() };
        let config = ValkeyConfig {
            url: source,
            timeout: Duration::from_secs(5),
            when_away,
            ca_certificate: None,
            insecure_plaintext: false,
        };
        let (up, public_url) = (Gauge::default(), Url::parse(public_url).unwrap());
        let config = StateConfig::Valkey(config);
        let state = State::open(&config, means, &public_url, Clock::manual(NOW), &up).unwrap();
        let replica = Self { state, up };
        replica.until(1).await;
        replica
    }

    /// Waits until the server counts as there, or as away.
    async fn until(&self, up: i64) {
        for _ in 0..1000 {
            if self.up.get() == up {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the server never counts as {up}");
    }

    async fn value(&self, name: &str) -> Result<Option<String>, Unavailable> {
        let value = self.state.value(&key(name)).await?;
        Ok(value.map(|value| String::from_utf8(value).unwrap()))
    }

    async fn put(&self, name: &str, value: &str) -> Result<(), Unavailable> {
        self.state.put(&key(name), value.as_bytes(), HOUR).await
    }

    async fn put_new(&self, name: &str) -> Result<bool, Unavailable> {
        self.state.put_new(&key(name), b"", HOUR).await
    }

    async fn remove(&self, name: &str) -> Result<(), Unavailable> {
        self.state.remove(&key(name)).await
    }

    async fn ended(&self) -> Result<Option<UnixSeconds>, Unavailable> {
        self.state.ends([&end()]).await.map(|[end]| end)
    }
}

fn key(name: &str) -> Key {
    Key::new(Namespace::Once, &[name])
}

fn end() -> Key {
    Key::new(Namespace::Revocation, &["a session"])
}

fn text(value: &str) -> Result<Option<String>, Unavailable> {
    Ok(Some(value.to_owned()))
}

#[tokio::test]
async fn replicas_see_one_value_and_one_of_them_is_first() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    for when_away in [WhenAway::Refuse, WhenAway::Serve] {
        let (here, there) = (Replica::new(&valkey, when_away).await, Replica::new(&valkey, when_away).await);
        here.put("value", "1").await.unwrap();
        assert_eq!(there.value("value").await, text("1"));
        there.put("value", "2").await.unwrap();
        assert_eq!(here.value("value").await, text("2"));
        assert_eq!((here.put_new("once").await, there.put_new("once").await), (Ok(true), Ok(false)));
        there.remove("value").await.unwrap();
        here.remove("once").await.unwrap();
        assert_eq!(here.value("value").await, Ok(None));
        assert_eq!((there.put_new("once").await, here.put_new("once").await), (Ok(true), Ok(false)));
        there.remove("once").await.unwrap();
    }
}

#[tokio::test]
async fn gateways_at_one_server_know_nothing_of_each_other() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let gateway = Replica::new(&valkey, WhenAway::Refuse).await;
    let stranger = Replica::of("https://other.corp.example", &valkey, WhenAway::Refuse).await;
    gateway.put("value", "1").await.unwrap();
    gateway.state.end(&end(), NOW, HOUR).await.unwrap();
    assert_eq!((gateway.put_new("once").await, stranger.put_new("once").await), (Ok(true), Ok(true)));
    assert_eq!((stranger.value("value").await, stranger.ended().await), (Ok(None), Ok(None)));
    stranger.remove("value").await.unwrap();
    assert_eq!((gateway.value("value").await, gateway.ended().await), (text("1"), Ok(Some(NOW))));
}

/// What cannot be asked may have been taken back, and what cannot be noted everywhere is not noted at all.
#[tokio::test]
async fn without_the_server_nothing_is_told_and_nothing_noted_but_ends() {
    let Some(mut valkey) = Valkey::start(&[]) else { return };
    let replica = Replica::new(&valkey, WhenAway::Refuse).await;
    replica.put("value", "1").await.unwrap();
    valkey.stop();
    replica.until(0).await;
    assert_eq!(replica.value("value").await, Err(Unavailable));
    assert_eq!(replica.put("value", "2").await, Err(Unavailable));
    assert_eq!(replica.put_new("once").await, Err(Unavailable));
    assert_eq!(replica.remove("value").await, Err(Unavailable));
    assert_eq!(replica.state.end(&end(), NOW, HOUR).await, Err(Unavailable));
    assert_eq!(replica.ended().await, Err(Unavailable));
    valkey.start_again();
    replica.until(1).await;
    assert_eq!(replica.value("value").await, Ok(None), "the server has forgotten it");
    assert_eq!(replica.put_new("once").await, Ok(true));
    assert_eq!(replica.ended().await, Ok(Some(NOW)));
}

#[tokio::test]
async fn with_serve_a_process_goes_on_by_itself_and_what_it_noted_is_newer() {
    let Some(mut valkey) = Valkey::start(&[]) else { return };
    let replica = Replica::new(&valkey, WhenAway::Serve).await;
    replica.put("value", "1").await.unwrap();
    valkey.stop();
    replica.until(0).await;
    assert_eq!(replica.value("value").await, Ok(None), "it is not known here");
    replica.put("value", "2").await.unwrap();
    assert_eq!(replica.value("value").await, text("2"));
    assert_eq!((replica.put_new("once").await, replica.put_new("once").await), (Ok(true), Ok(false)));
    replica.put("gone", "1").await.unwrap();
    replica.remove("gone").await.unwrap();
    assert_eq!(replica.value("gone").await, Ok(None));
    assert_eq!(replica.state.end(&end(), NOW, HOUR).await, Err(Unavailable), "others do not know it");
    assert_eq!(replica.ended().await, Ok(Some(NOW)));
    valkey.start_again();
    replica.until(1).await;
    let other = Replica::new(&valkey, WhenAway::Serve).await;
    other.put("value", "3").await.unwrap();
    assert_eq!(replica.value("value").await, text("2"));
    assert_eq!(replica.put_new("once").await, Ok(false));
    replica.put("value", "4").await.unwrap();
    other.put("value", "5").await.unwrap();
    assert_eq!(replica.value("value").await, text("5"), "the server has the newest again");
    replica.remove("once").await.unwrap();
    assert_eq!((other.put_new("once").await, replica.put_new("once").await), (Ok(true), Ok(false)));
}

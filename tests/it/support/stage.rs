//! The real binary between a sandbox identity provider and a sandbox SageMaker.

use super::postern::{Postern, free_port};
use super::visitor::{Answer, Visitor};
use postern::sandbox::{Sandbox, SandboxOptions, Token};
use std::path::Path;
use tempfile::TempDir;
use url::Url;

pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) postern: Postern,
    pub(crate) folder: TempDir,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(SandboxOptions::default(), |text| text).await
    }

    /// With another sandbox, and with the demo's configuration changed.
    pub(crate) async fn with(options: SandboxOptions, change: impl Fn(String) -> String) -> Self {
        Self::with_environment(options, change, |_| Vec::new()).await
    }

    /// With further variables, which may name what is below the configuration's folder.
    pub(crate) async fn with_environment(
        options: SandboxOptions,
        change: impl Fn(String) -> String,
        further: impl Fn(&Path) -> Vec<(&'static str, String)>,
    ) -> Self {
        for _ in 0..5 {
            if let Some(stage) = Self::attempt(options.clone(), &change, &further).await {
                return stage;
            }
        }
        panic!("no port stays free for long enough");
    }

    async fn attempt(
        options: SandboxOptions,
        change: impl Fn(String) -> String,
        further: impl Fn(&Path) -> Vec<(&'static str, String)>,
    ) -> Option<Self> {
        let sandbox = Sandbox::start(options).await.expect("a sandbox");
        let port = free_port();
        let url = Url::parse(&format!("http://localhost:{port}")).expect("a URL");
        sandbox.register_redirect(format!("http://localhost:{port}/-/callback"));
        sandbox.register_post_logout_redirect(format!("http://localhost:{port}/-/logout"));
        let folder = TempDir::new().expect("a folder");
        let (_, secret) = sandbox.client();
        std::fs::write(folder.path().join("sandbox-client-secret"), secret.expose()).expect("the secret");
        let text = sandbox.configuration(url.as_str().trim_end_matches('/'), &format!("127.0.0.1:{port}"));
        let config = folder.path().join("postern.yaml");
        std::fs::write(&config, change(text)).expect("the configuration");
        let key = sandbox.credentials();
        let environment = [
            ("AWS_ACCESS_KEY_ID", key.access_key_id.as_str()),
            ("AWS_SECRET_ACCESS_KEY", key.secret_access_key.as_str()),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let further = further(folder.path());
        let further = further.iter().map(|(name, value)| (*name, value.as_str()));
        let environment: Vec<_> = environment.into_iter().chain(further).collect();
        let postern = Postern::serve(&config, url, &environment)?;
        Some(Self { sandbox, postern, folder })
    }

    /// Has the configuration loaded again, and waits for it: `applied` or `refused`.
    pub(crate) async fn hang_up(&self, outcome: &str) {
        let text = format!("\"reload.{outcome}");
        let before = self.postern.log().matches(&text).count();
        self.postern.signal("HUP");
        self.postern.wait_for_log(&text, before + 1).await;
    }

    /// An access token for the API.
    pub(crate) fn token(&self, person: &str) -> String {
        self.sandbox.token(&Token::new(self.sandbox.access_claims(person))).expect("a token")
    }

    /// A program with a token of this person's.
    pub(crate) fn program(&self, person: &str) -> Visitor {
        Visitor::program().bearer(&self.token(person))
    }

    /// Opens a path in a browser without a session and signs in on the way. Ends with the answer to the path itself.
    pub(crate) async fn sign_in(&self, visitor: &mut Visitor, person: &str, path: &str) -> Answer {
        let first = visitor.get(&self.postern.at(path)).await.checked();
        self.return_from_provider(visitor, person, first).await
    }

    /// From a redirect to the provider, through its sign-in, back to where the callback leads.
    pub(crate) async fn return_from_provider(
        &self,
        visitor: &mut Visitor,
        person: &str,
        first: Answer,
    ) -> Answer {
        let callback = self.pick(visitor, person, first).await;
        let arrived = visitor.get(&callback).await.checked();
        match arrived.next() {
            Some(next) => visitor.get(&next).await.checked(),
            None => arrived,
        }
    }

    /// Signs in at the provider and stops before the callback, whose URL it returns.
    pub(crate) async fn pick(&self, visitor: &mut Visitor, person: &str, first: Answer) -> Url {
        let mut authorize = first.next().unwrap_or_else(|| panic!("no redirect: {}", first.body));
        assert_eq!(authorize.port(), self.sandbox.issuer().port(), "{authorize}");
        authorize.query_pairs_mut().append_pair("login_hint", person);
        let answered = visitor.get(&authorize).await;
        answered.next().unwrap_or_else(|| panic!("the provider does not send back: {}", answered.body))
    }

    /// A browser that is signed in already.
    pub(crate) async fn person(&self, person: &str) -> Visitor {
        let mut visitor = Visitor::person();
        let portal = self.sign_in(&mut visitor, person, "/").await;
        assert_eq!(portal.status, 200, "{}", portal.body);
        visitor
    }

    /// Names of the presign operations that AWS was asked for, in order.
    pub(crate) fn mints(&self) -> Vec<String> {
        mints(&self.sandbox)
    }
}

/// Names of the presign operations that this sandbox was asked for, in order.
pub(crate) fn mints(sandbox: &Sandbox) -> Vec<String> {
    let calls = sandbox.calls().into_iter().map(|call| call.operation);
    calls.filter(|operation| operation.contains("Presigned")).collect()
}

//! A session that began earlier, without the time that this takes.

use postern::clock::{Clock, UnixSeconds};
use postern::config::load;
use postern::config::secrets::Secrets;
use postern::files::Files;
use postern::gateway::sealer;
use postern::provider::policy_inputs::PolicyInputs;
use postern::provider::principal::principal_from_claims;
use postern::sessions::{NewSession, ProviderTokens, Seen, Sessions};
use postern::state::State;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// A session as a replica with this configuration would have sealed it so long ago: the `Cookie` pair.
pub(crate) fn aged_session(configuration: &Path, name: &str, age: Duration) -> String {
    let settings = load(configuration).expect("the configuration").gateway;
    let secrets = Secrets::read(settings.named(), &Files::default());
    let clock = Clock::manual(UnixSeconds(Clock::system().now().0 - age.as_secs()));
    let sessions = Sessions::new(
        sealer(&settings, &secrets).expect("the session key").expect("sign-in"),
        &settings.session,
        &settings.public_url,
        &settings.issuers[0],
        &PolicyInputs::default(),
        State::in_memory(clock.clone()),
        clock,
    );
    let claims = json!({
        "sub": name, "email": format!("{name}@corp.example"), "email_verified": true, "groups": ["ml-users"],
    });
    let claims = claims.as_object().expect("an object");
    let person = principal_from_claims(&settings.issuers[0], claims).expect("a person");
    let arrival = NewSession {
        principal: &person,
        provider_session: None,
        seen: Seen::default(),
        tokens: ProviderTokens::default(),
    };
    // In a thread of its own, for a test may be a runtime's already.
    let establish = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(sessions.establish(arrival)).expect("a cookie").cookie
    };
    let cookie = std::thread::scope(|scope| scope.spawn(establish).join().expect("it establishes"));
    cookie.to_str().expect("ASCII").split(';').next().expect("a pair").to_owned()
}

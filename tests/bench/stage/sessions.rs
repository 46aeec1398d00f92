//! Session cookies as the gateway's own sign-in seals them, without a thousand sign-ins.

use super::{Outcome, tell};
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

pub(super) async fn print(config: &Path, count: usize, age: Duration) -> Outcome {
    let files = Files::default();
    let settings = load(config).map_err(|error| error.to_string())?.gateway;
    let secrets = Secrets::read(settings.named(), &files);
    let sealer = sealer(&settings, &secrets).map_err(|errors| format!("{errors:?}"))?;
    let clock = Clock::manual(UnixSeconds(Clock::system().now().0.saturating_sub(age.as_secs())));
    let provider = settings.sign_in.as_ref().ok_or("nobody can sign in with this configuration")?;
    let issuer = settings.issuers.iter().find(|issuer| issuer.name == provider.issuer);
    let issuer = issuer.ok_or("the issuer of sign-in is not configured")?;
    let sessions = Sessions::new(
        sealer.ok_or("the configuration has no sessions")?,
        &settings.session,
        &settings.public_url,
        issuer,
        &PolicyInputs::default(),
        State::in_memory(clock.clone()),
        clock,
    );
    for number in 0..count {
        let user = format!("user-{number:05}");
        let groups = ["sagemaker-users", &format!("ds-team-{:02}", number % 37), "emea-analytics"];
        let claims = json!({"sub": format!("00u{number:017}"), "preferred_username": user, "groups": groups});
        let claims = claims.as_object().ok_or("claims are an object")?;
        let person = principal_from_claims(issuer, claims).map_err(|error| format!("{error:?}"))?;
        let arrival = NewSession {
            principal: &person,
            provider_session: None,
            seen: Seen::default(),
            tokens: ProviderTokens::default(),
        };
        let session = sessions.establish(arrival).await.map_err(|error| format!("{error:?}"))?;
        tell(session.cookie.to_str()?.split(';').next().unwrap_or_default())?;
    }
    Ok(())
}

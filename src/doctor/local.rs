//! Checks without the network: keys, certificates and files of this machine.

use super::remedy::OF_AUTHORITY_AS_SERVER;
use super::report::{Asking, Check};
use crate::audit::file::AuditFile;
use crate::clock::Clock;
use crate::config;
use crate::config::secrets::Secrets;
use crate::files::Files;
use crate::gateway::sealer;
use crate::provider::principal::{Groups, Principal};
use crate::server::tls::Tls;

pub(super) fn examine(
    settings: &config::Gateway,
    secrets: &Secrets,
    files: &Files,
    clock: &Clock,
) -> Vec<Check> {
    let checks =
        [session_keys(settings, secrets), certificate(settings, secrets, clock), trail(settings, files)];
    checks.into_iter().flatten().chain(exposed(secrets)).collect()
}

/// The person's groups, as the claims have them.
pub(super) fn groups(principal: &Principal) -> Check {
    const CHECK: &str = "groups";
    let asking = Asking::about(format!("issuers.{}.claims.groups", principal.issuer));
    let user = &principal.user;
    match &principal.groups {
        Groups::Known(groups) => asking.ok(CHECK, format!("{user} is in {}", groups.len())),
        Groups::LeftOut => asking.warning(
            CHECK,
            format!("the provider left out those of {user}, because there are too many"),
            "have it send the groups that are assigned to this application, or roles",
        ),
        Groups::Unbound(unbound) => asking.warning(
            CHECK,
            format!("those of {user} are not known, so rules that ask for groups refuse: {unbound}"),
            "correct the path or the `format`, or write `absent: none` where the provider leaves out a claim that is empty",
        ),
    }
}

fn session_keys(settings: &config::Gateway, secrets: &Secrets) -> Option<Check> {
    let asking = Asking::about("session.keys");
    match sealer(settings, secrets) {
        Ok(None) => None,
        Ok(Some(_)) if settings.session.keys.is_empty() => Some(asking.warning(
            "keys",
            "one is made at each start, so a restart ends every session",
            "make one by `postern keygen` and name it under `session.keys`",
        )),
        Ok(Some(_)) => Some(asking.ok("keys", format!("{} can be read", settings.session.keys.len()))),
        Err(errors) => Some(asking.failed(
            "keys",
            errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            "make a key by `postern keygen`, and let the user that Postern runs as read it",
        )),
    }
}

fn exposed(secrets: &Secrets) -> impl Iterator<Item = Check> {
    secrets.exposed().iter().map(|(key, exposure)| {
        let remedy = "take the right to read it from others: `chmod o-r FILE`";
        Asking::about(key.clone()).warning("file", exposure.clone(), remedy)
    })
}

fn certificate(settings: &config::Gateway, secrets: &Secrets, clock: &Clock) -> Option<Check> {
    const CHECK: &str = "certificate";
    let asking = Asking::about("listen.tls");
    let tls = match Tls::new(settings.listen.tls.as_ref()?, secrets, None) {
        Ok(tls) => tls,
        Err(error) => {
            let remedy = "correct the files, and let the user that Postern runs as read them";
            return Some(asking.failed(CHECK, error.to_string(), remedy));
        }
    };
    let now = clock.now_system();
    let Some(complaint) = tls.complaint(&settings.public_url, now) else {
        let until = humantime::format_rfc3339_seconds(tls.validity().not_after);
        return Some(asking.ok(CHECK, format!("it is for the host of `public_url`, until {until}")));
    };
    let found = format!("it {complaint}");
    let remedy = if tls.is_of_authority() {
        OF_AUTHORITY_AS_SERVER
    } else {
        "have one issued for the host of `public_url`, in time"
    };
    let is_valid = tls.validity().contains(now);
    Some(if is_valid { asking.warning(CHECK, found, remedy) } else { asking.failed(CHECK, found, remedy) })
}

fn trail(settings: &config::Gateway, files: &Files) -> Option<Check> {
    const CHECK: &str = "file";
    let asking = Asking::about("audit.file");
    let path = settings.audit_file.as_deref()?;
    Some(match AuditFile::examine(path, files) {
        Ok(None) if path.exists() => asking.ok(CHECK, format!("`{}` can be appended to", path.display())),
        Ok(None) => asking.ok(CHECK, format!("`{}` is not there yet, and its folder is", path.display())),
        Ok(Some(complaint)) => {
            let remedy = "make it a file of the user that Postern runs as, in a folder of that user's, with the mode 0600";
            asking.warning(CHECK, format!("`{}`: {complaint}", path.display()), remedy)
        }
        Err(error) => {
            let remedy = "let the user that Postern runs as append to it, or make it in its folder; without it nothing starts";
            asking.failed(CHECK, format!("cannot write `{}`: {error}", path.display()), remedy)
        }
    })
}

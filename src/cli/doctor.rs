//! `postern doctor`

use super::args::{DoctorArgs, Format};
use super::configuration::load;
use super::output::{Failed, print, print_json};
use super::prepared::Prepared;
use super::runtime::block_on;
use crate::clock::Clock;
use crate::doctor::{Own, examine};
use crate::files::Files;
use std::sync::Arc;

pub(super) fn run(args: &DoctorArgs) -> Result<(), Failed> {
    let files = Files::default();
    let configuration = load(&args.config, &files)?;
    let person =
        args.claims.as_deref().map(|file| configuration.person(file, args.issuer.as_deref(), args.client_ip));
    let person = person.transpose()?;
    let Prepared { configuration, secrets, http, files } =
        Prepared::read(configuration, &files).map_err(Failed::ran)?;
    block_on(async {
        let settings = configuration.loaded.gateway.clone();
        let own = Own { secrets: Arc::new(secrets), http, files };
        let examined = Box::pin(examine(
            settings,
            own,
            &configuration.loaded.servers,
            &configuration.policy,
            person.as_ref(),
            Clock::system(),
        ))
        .await;
        let report = examined.map_err(|error| Failed::Ran(Some(error)))?;
        match args.format {
            Format::Text => print(&report.to_string())?,
            Format::Json => print_json(&serde_json::to_value(&report).unwrap_or_default())?,
        }
        if report.failed() { Err(Failed::Ran(None)) } else { Ok(()) }
    })
}

//! `postern doctor`

use super::explain::read_claims;
use super::serve::block_on;
use super::{DoctorArgs, Failed, Format, load, print, print_json};
use crate::clock::Clock;
use crate::doctor::{Person, examine};
use std::sync::Arc;

pub(super) fn run(args: &DoctorArgs) -> Result<(), Failed> {
    let configuration = load(&args.config)?;
    let person = match &args.claims {
        None => None,
        Some(file) => {
            let claims = read_claims(file)?;
            let issuer = configuration.issuer(args.issuer.as_deref())?;
            let principal = configuration
                .principal(&issuer, &claims)
                .map_err(|error| Failed::Usage(format!("these claims name nobody: {error}")))?;
            let client_ip = args.client_ip.map(|address| address.to_canonical());
            Some(Person { principal: Arc::new(principal), client_ip })
        }
    };
    block_on(async {
        let settings = configuration.loaded.gateway.clone();
        let examined =
            Box::pin(examine(settings, &configuration.policy, person.as_ref(), Clock::system())).await;
        let report = examined.map_err(|error| Failed::Ran(Some(error)))?;
        match args.format {
            Format::Text => print(&report.to_string())?,
            Format::Json => print_json(&serde_json::to_value(&report).unwrap_or_default())?,
        }
        if report.failed() { Err(Failed::Ran(None)) } else { Ok(()) }
    })
}

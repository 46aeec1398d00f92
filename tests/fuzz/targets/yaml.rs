//! A configuration's text: it loads, and always the same, or every error says where in the text.

use postern::config::diagnostics::{Diagnostic, Severity, Source};
use postern::config::{Loaded, load_text};
use postern::policy::Issuer;
use postern::policy::compile::{CompileContext, compile};
use std::path::Path;

/// No file that a configuration names is there.
const NOWHERE: &str = "/nonexistent/postern";

pub(super) fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match load_text("postern.yaml", text, Path::new(NOWHERE)) {
        Ok(loaded) => {
            let again =
                load_text("postern.yaml", text, Path::new(NOWHERE)).expect("what loads once loads again");
            assert_eq!(loaded.digest, again.digest);
            assert_eq!(loaded.gateway.public_url, again.gateway.public_url);
            loaded.warnings.iter().for_each(|warning| says_where(warning, &loaded.source, Severity::Warning));
            for fault in faults(&loaded) {
                says_where(&fault, &loaded.source, Severity::Error);
            }
        }
        Err(refusal) => {
            assert!(!refusal.findings.is_empty(), "a refusal says why");
            for finding in &refusal.findings {
                says_where(finding, &refusal.source, Severity::Error);
            }
            let places =
                refusal.findings.iter().map(|finding| (finding.location.line, finding.location.column));
            assert!(places.is_sorted(), "in the order of the file");
            let shown = refusal.to_string();
            assert!(shown.ends_with(" in postern.yaml") || shown.ends_with(" are shown"), "{shown}");
        }
    }
}

/// What the rules' compilation finds.
fn faults(loaded: &Loaded) -> Vec<Diagnostic> {
    let gateway = &loaded.gateway;
    let issuers: Vec<_> = gateway.issuers.iter().flat_map(Issuer::all_of).collect();
    let context = CompileContext {
        servers: &[],
        region: &gateway.aws.region,
        role_arn: gateway.aws.role_arn.as_ref(),
        endpoint_url: gateway.aws.endpoint_url.as_ref(),
        trusted_proxies: &gateway.trusted_proxies,
        client_ip_known: gateway.listen.direct_clients || !gateway.trusted_proxies.is_empty(),
        issuers: &issuers,
        default_issuer: gateway.sign_in.as_ref().map(|sign_in| &sign_in.issuer),
        tables: &loaded.tables,
    };
    compile(&loaded.policy, &context).err().unwrap_or_default()
}

/// The place lies in the text, or behind its end; only what is wrong with the file as a whole has none.
fn says_where(finding: &Diagnostic, source: &Source, severity: Severity) {
    assert!(!finding.message.is_empty());
    let place = finding.location;
    let lines = source.text.split(['\n', '\r']).count();
    assert!(place.line as usize <= lines, "line {} of {lines}: {}", place.line, finding.message);
    assert!(place.line > 0 || finding.path.is_empty(), "{} is somewhere: {}", finding.path, finding.message);
    let hidden = place.start == usize::MAX;
    assert!(hidden || (place.start <= place.end && place.start <= source.text.len()), "{place:?}");
    assert!(hidden || source.text.is_char_boundary(place.start), "{place:?}");
    assert!(
        place.line == 0 || (1..=source.text.chars().count() + 1).contains(&(place.column as usize)),
        "{place:?}"
    );
    let rendered = source.render(severity, finding);
    assert!(rendered.contains("postern.yaml"), "{rendered}");
    assert!(rendered.len() < 64 * 1024, "a finding of {} bytes", rendered.len());
}

//! How pages look: what is refused, and what becomes of the rest.

use super::{Case, LEGAL, accepted, changed, each_is_refused};
use postern::config::branding::{Branding, SupportContact};
use postern::config::file::Portal;
use postern::config::load_text;
use std::path::Path;

#[test]
fn what_cannot_be_shown_is_refused() {
    each_is_refused(CASES);
}

/// A part of the legal configuration, the text that replaces it, and the findings that `check` then reports.
const CASES: &[Case] = &[
    ("limits:", "portal: hide\nlimits:", &["37:9 portal: found `hide`; allowed: `show`, `skip`"]),
    (
        "limits:",
        "branding: {name: X}\nlimits:",
        &[
            "37:12 branding.name: unknown key `name`; allowed: `accent_color`, `logo`, `product_name`, `support_contact`",
        ],
    ),
    (
        "limits:",
        "branding: {accent_color: blue}\nlimits:",
        &["37:26 branding.accent_color: found `blue`; allowed: a colour such as `\"#0b5cad\"`, in quotes"],
    ),
    (
        "limits:",
        "branding: {accent_color: '#0b5ca'}\nlimits:",
        &["37:26 branding.accent_color: found `#0b5ca`; allowed: a colour such as `\"#0b5cad\"`, in quotes"],
    ),
    (
        "limits:",
        "branding: {accent_color: '#+b5cad'}\nlimits:",
        &["37:26 branding.accent_color: found `#+b5cad`; allowed: a colour such as `\"#0b5cad\"`, in quotes"],
    ),
    (
        "limits:",
        "branding: {product_name: \"ML\\nWorkbench\"}\nlimits:",
        &["37:26 branding.product_name: found `ML\\nWorkbench`; allowed: at most 64 characters in one line"],
    ),
    (
        "limits:",
        "branding: {support_contact: {email: a@b.example}}\nlimits:",
        &["37:12 branding.support_contact: the key `name` is missing"],
    ),
    (
        "limits:",
        "branding: {support_contact: {name: x, email: \"a@b@c.example\"}}\nlimits:",
        &[
            "37:46 branding.support_contact.email: found `a@b@c.example`; allowed: an e-mail address such as `ml-platform@corp.example`",
        ],
    ),
    (
        "limits:",
        "branding: {support_contact: {name: x, url: \"javascript:alert(1)\"}}\nlimits:",
        &[
            "37:44 branding.support_contact.url: found `javascript:alert(1)`; allowed: an absolute `https` URL without user, at most 2048 characters long",
        ],
    ),
    (
        "limits:",
        "branding: {support_contact: {name: x, url: http://chat.corp.example}}\nlimits:",
        &[
            "37:44 branding.support_contact.url: found `http://chat.corp.example`; allowed: an absolute `https` URL without user, at most 2048 characters long",
        ],
    ),
    (
        "limits:",
        "branding: {logo: {file: no-such.svg}}\nlimits:",
        &["37:25 branding.logo.file: `no-such.svg` cannot be read: No such file or directory (os error 2)"],
    ),
];

#[test]
fn a_logo_is_a_small_image() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = changed("limits:", "branding: {logo: {file: logo}}\nlimits:");
    let load = |image: &[u8]| {
        std::fs::write(folder.path().join("logo"), image).unwrap();
        load_text("postern.yaml", &yaml, folder.path())
            .map(|loaded| {
                (loaded.gateway.branding.logo.as_ref().unwrap().data_url().to_owned(), loaded.digest)
            })
            .map_err(|refusal| refusal.findings[0].message.clone())
    };
    let svg = load(b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>").unwrap();
    assert!(svg.0.starts_with("data:image/svg+xml;base64,PHN2Zy"), "{}", svg.0);
    let png = load(b"\x89PNG\r\n\x1a\nrest").unwrap();
    assert_eq!(png.0, "data:image/png;base64,iVBORw0KGgpyZXN0");
    assert_ne!(svg.1, png.1, "the digest covers the logo");
    for other in [&b"GIF89a"[..], b"<html>", b""] {
        assert_eq!(load(other).unwrap_err(), "`logo` is not an SVG, PNG, JPEG or WebP image");
    }
    let mut large = b"\x89PNG\r\n\x1a\n".to_vec();
    large.resize(64 * 1024, 0);
    assert!(load(&large).is_ok());
    large.push(0);
    assert_eq!(load(&large).unwrap_err(), "`logo` is larger than 64 KiB");
}

#[test]
fn what_is_left_out_has_a_default() {
    let gateway = accepted(LEGAL).gateway;
    let Branding { product_name, logo, accent, support, .. } = &*gateway.branding;
    assert_eq!((product_name.as_str(), logo, support), ("Postern", &None, &None));
    assert_eq!((accent.to_string().as_str(), gateway.portal), ("#0b5cad", Portal::Show));

    let yaml = changed(
        "limits:",
        "portal: skip\nbranding: {accent_color: '#FFEB00', support_contact: {name: Team, url: 'https://desk.example/new?for=ml#x'}}\nlimits:",
    );
    let gateway = load_text("postern.yaml", &yaml, Path::new("")).unwrap().gateway;
    let Branding { accent, support, .. } = &*gateway.branding;
    assert_eq!((accent.to_string().as_str(), gateway.portal), ("#ffeb00", Portal::Skip));
    let SupportContact { name, email, url } = support.as_ref().unwrap();
    assert_eq!((name.as_str(), email), ("Team", &None));
    assert_eq!(url.as_ref().unwrap().as_str(), "https://desk.example/new?for=ml#x");
}

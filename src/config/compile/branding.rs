//! The look of pages.

use super::texts::{self, Plain, mismatch};
use crate::config::branding::{Branding, Colour, Logo, SupportContact};
use crate::config::file;
use crate::config::findings::{Checked, Findings, Problem};
use crate::files::Files;
use std::path::Path;
use url::Url;

/// In bytes. Every page contains the logo.
const LARGEST_LOGO: usize = 64 * 1024;

pub(super) fn branding(
    written: Option<&file::Branding>,
    directory: &Path,
    files: &Files,
    findings: &mut Findings,
) -> Checked<Branding> {
    let Some(written) = written else { return Ok(Branding::default()) };
    let standard = Branding::default();
    let product_name = findings.check_optional("branding.product_name", written.product_name.as_ref(), label);
    let logo = written.logo.as_ref().map(|logo| &logo.file);
    let logo = findings.check_optional("branding.logo.file", logo, |path| logo_file(path, directory, files));
    let accent = findings.check_optional("branding.accent_color", written.accent_color.as_ref(), |text| {
        Colour::parse(text).ok_or_else(|| mismatch(text, "a colour such as `\"#0b5cad\"`, in quotes"))
    });
    let support = written.support_contact.as_ref();
    let support = support.map(|written| support_contact(written, findings)).transpose();
    Ok(Branding {
        product_name: product_name?.unwrap_or(standard.product_name),
        logo: logo?,
        logo_file: written.logo.as_ref().map(|logo| directory.join(&*logo.file)),
        accent: accent?.unwrap_or(standard.accent),
        support: support?,
    })
}

fn support_contact(written: &file::SupportContact, findings: &mut Findings) -> Checked<SupportContact> {
    let name = findings.check("branding.support_contact.name", &written.name, label);
    let email = findings.check_optional("branding.support_contact.email", written.email.as_ref(), address);
    let url = findings.check_optional("branding.support_contact.url", written.url.as_ref(), web_page);
    Ok(SupportContact { name: name?, email: email?, url: url? })
}

fn label(text: &str) -> Result<String, Problem> {
    let legal = text.chars().count() <= 64 && !text.contains(char::is_control);
    if legal { Ok(text.to_owned()) } else { Err(mismatch(text, "at most 64 characters in one line")) }
}

fn address(text: &str) -> Result<String, Problem> {
    let legal = text.split_once('@').is_some_and(|(local_part, domain)| {
        (1..=64).contains(&local_part.len())
            && local_part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte))
            && texts::is_domain(&domain.to_ascii_lowercase())
    });
    if legal {
        Ok(text.to_owned())
    } else {
        Err(mismatch(text, "an e-mail address such as `ml-platform@corp.example`"))
    }
}

/// A URL that may have a query, unlike those that requests are sent to: ticket forms often need one.
fn web_page(text: &str) -> Result<Url, Problem> {
    let bare = text.split(['?', '#']).next().unwrap_or_default();
    let allowed = "an absolute `https` URL without user, at most 2048 characters long";
    let url =
        texts::url(bare, Plain::Never).and_then(|_| Url::parse(text).map_err(|_| mismatch(text, allowed)));
    let strange = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    match url {
        Ok(url) if text.len() <= 2048 && !text.contains(strange) => Ok(url),
        _ => Err(mismatch(text, allowed)),
    }
}

fn logo_file(written: &str, directory: &Path, files: &Files) -> Result<Logo, Problem> {
    let image = files.read(&texts::path(written, directory), LARGEST_LOGO);
    let image = image.map_err(|error| Problem::new(format!("`{written}` {error}")))?;
    let unknown = || Problem::new(format!("`{written}` is not an SVG, PNG, JPEG or WebP image"));
    Logo::new(&image).ok_or_else(unknown)
}

//! The look of pages: the name, the logo, the colour and the support contact.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::path::PathBuf;
use url::Url;

#[derive(Clone, Debug)]
pub struct Branding {
    /// The name by which people know the gateway.
    pub product_name: String,
    pub logo: Option<Logo>,
    /// The file that the logo was read from.
    pub logo_file: Option<PathBuf>,
    pub accent: Colour,
    pub support: Option<SupportContact>,
}

/// An image as a `data:` URL. Pages show it in an `<img>`, where an SVG can neither run a script nor load anything.
#[derive(Clone, PartialEq, Eq)]
pub struct Logo(String);

/// sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    red: u8,
    green: u8,
    blue: u8,
}

/// The contact for people when something fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportContact {
    pub name: String,
    pub email: Option<String>,
    pub url: Option<Url>,
}

impl Default for Branding {
    fn default() -> Self {
        let accent = Colour { red: 0x0b, green: 0x5c, blue: 0xad };
        Self { product_name: "Postern".to_owned(), logo: None, logo_file: None, accent, support: None }
    }
}

impl Logo {
    /// `None` if the bytes do not begin as an SVG, PNG, JPEG or WebP image does.
    pub fn new(image: &[u8]) -> Option<Self> {
        let kind = match image {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "png",
            [0xff, 0xd8, 0xff, ..] => "jpeg",
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "webp",
            _ if is_svg(image) => "svg+xml",
            _ => return None,
        };
        Some(Self(format!("data:image/{kind};base64,{}", STANDARD.encode(image))))
    }

    pub fn data_url(&self) -> &str {
        &self.0
    }
}

/// Whether an XML text's root element is `svg`. A document type with declarations of its own is not supported.
fn is_svg(image: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(image) else { return false };
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    loop {
        let end = match rest {
            _ if rest.starts_with("<?") => "?>",
            _ if rest.starts_with("<!--") => "-->",
            _ if rest.starts_with("<!DOCTYPE") => ">",
            _ => break,
        };
        let Some((_, after)) = rest.split_once(end) else { return false };
        rest = after.trim_start();
    }
    rest.strip_prefix("<svg").is_some_and(|rest| rest.starts_with([' ', '\t', '\r', '\n', '>']))
}

impl Colour {
    pub const BLACK: Self = Self { red: 0, green: 0, blue: 0 };
    pub const WHITE: Self = Self { red: 255, green: 255, blue: 255 };

    /// `#rrggbb`
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        let number = digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(digits)?;
        let [_, red, green, blue] = u32::from_str_radix(number, 16).ok()?.to_be_bytes();
        Some(Self { red, green, blue })
    }

    /// The colour itself if it is readable on `background`, otherwise the nearest mixture with `towards` that is.
    /// `towards` must be readable there itself.
    #[must_use]
    pub fn readable_on(self, background: Self, towards: Self) -> Self {
        let mixed = |percent| self.mixed(towards, percent);
        (0..100).map(mixed).find(|colour| colour.contrast(background) >= READABLE).unwrap_or(towards)
    }

    /// WCAG 2.1's contrast ratio, from 1 to 21.
    pub fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// WCAG 2.1's relative luminance.
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let share = f64::from(channel) / 255.0;
            if share <= 0.03928 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }

    fn mixed(self, other: Self, percent: u16) -> Self {
        let mix = |own: u8, other: u8| {
            let sum = u16::from(own) * (100 - percent) + u16::from(other) * percent;
            u8::try_from(sum / 100).unwrap_or(other)
        };
        Self {
            red: mix(self.red, other.red),
            green: mix(self.green, other.green),
            blue: mix(self.blue, other.blue),
        }
    }
}

/// Success criterion 1.4.3 of WCAG 2.1, level AA.
const READABLE: f64 = 4.5;

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

impl fmt::Debug for Logo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logo").field("bytes", &self.0.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_wcags() {
        let contrast = |one, other| Colour::parse(one).unwrap().contrast(Colour::parse(other).unwrap());
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 0.001);
        assert!((contrast("#777777", "#ffffff") - 4.478).abs() < 0.001);
        assert!((contrast("#ffffff", "#767676") - 4.542).abs() < 0.001);
    }

    #[test]
    fn an_image_is_known_by_how_it_begins() {
        let kind = |image: &[u8]| Logo::new(image).map(|logo| logo.0[11..14].to_owned());
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n...").as_deref(), Some("png"));
        assert_eq!(kind(b"\xff\xd8\xff\xe0").as_deref(), Some("jpe"));
        assert_eq!(kind(b"RIFF\0\0\0\0WEBPVP8 ").as_deref(), Some("web"));
        for svg in [
            "<svg xmlns='http://www.w3.org/2000/svg'/>",
            "\u{feff}<?xml version=\"1.0\"?>\n<!-- made by hand > -->\n<!DOCTYPE svg>\n<svg\n>",
        ] {
            assert_eq!(kind(svg.as_bytes()).as_deref(), Some("svg"), "{svg}");
        }
        for other in [
            "",
            "GIF89a",
            "<html><svg>",
            "<svgx>",
            "<!DOCTYPE svg [<!ENTITY a 'b'>]><svg>",
            "RIFF....WAVE",
            "<!-- ",
        ] {
            assert_eq!(kind(other.as_bytes()), None, "{other}");
        }
    }
}

//! The stylesheet, with its colours: one light and one dark set, each readable by WCAG 2.1 AA.

use crate::config::branding::Colour;

const SHAPES: &str = include_str!("../pages.css");

struct Palette {
    ink: &'static str,
    /// For less important text.
    soft: &'static str,
    paper: &'static str,
    edge: &'static str,
    /// The background with the lower contrast.
    well: &'static str,
}

const LIGHT: Palette =
    Palette { ink: "#1b1f24", soft: "#59636e", paper: "#ffffff", edge: "#d5dae0", well: "#f5f7f9" };
const DARK: Palette =
    Palette { ink: "#e8ebee", soft: "#a3acb6", paper: "#14171b", edge: "#363c44", well: "#1c2026" };

pub(super) fn stylesheet(accent: Colour) -> String {
    let light = LIGHT.properties(accent, Colour::WHITE, Colour::BLACK);
    let dark = DARK.properties(accent, Colour::BLACK, Colour::WHITE);
    format!(
        ":root{{color-scheme:light dark;{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{SHAPES}"
    )
}

impl Palette {
    /// The accent is moved away from the background until links can be read. Text on the accent has the paper's colour.
    fn properties(&self, accent: Colour, background: Colour, away: Colour) -> String {
        let accent = accent.readable_on(Colour::parse(self.well).unwrap_or(background), away);
        let Self { ink, soft, paper, edge, well } = self;
        format!(
            "--ink:{ink};--soft:{soft};--paper:{paper};--edge:{edge};--well:{well};--accent:{accent};--on:{paper}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(text: &str) -> Colour {
        Colour::parse(text).unwrap()
    }

    #[test]
    fn every_accent_can_be_read() {
        for accent in ["#0b5cad", "#ffeb00", "#000000", "#ffffff", "#808080", "#ff0000", "#00ff00", "#001133"]
        {
            for (palette, away) in [(&LIGHT, Colour::BLACK), (&DARK, Colour::WHITE)] {
                let used = colour(accent).readable_on(colour(palette.well), away);
                for background in [palette.paper, palette.well] {
                    let contrast = used.contrast(colour(background));
                    assert!(contrast >= 4.5, "{accent} as {used} on {background}: {contrast}");
                }
            }
        }
        let sheet = stylesheet(colour("#0b5cad"));
        assert!(sheet.contains("--accent:#0b5cad;--on:#ffffff"), "readable as it is: {sheet}");
    }

    #[test]
    fn every_text_can_be_read() {
        for palette in [LIGHT, DARK] {
            for text in [palette.ink, palette.soft] {
                for background in [palette.paper, palette.well] {
                    assert!(colour(text).contrast(colour(background)) >= 4.5, "{text} on {background}");
                }
            }
        }
    }
}

//! Characters that are taken for others.

use serde_json::Value;
use std::collections::BTreeSet;

/// Characters beyond ASCII that look like an ASCII character, fold to one by Unicode, or are digits, letters or white space as
/// one is: a few, and those of the Unicode consortium's list of confusables where the vectors are there.
pub(crate) fn lookalikes() -> BTreeSet<char> {
    let written = "\u{212a}\u{17f}\u{131}\u{130}\u{df}\u{1e9e}\u{ff21}\u{ff41}\u{ff10}\u{660}\u{966}\u{1d7d8}\u{a0}\u{2003}\
                   \u{3000}\u{85}\u{430}\u{3bf}\u{455}\u{5d5}\u{2010}\u{2011}\u{fe6b}\u{ff20}\u{203f}";
    let mut found: BTreeSet<char> = written.chars().collect();
    let Some(file) = super::elsewhere::vectors("confusables/confusable_homoglyphs/confusables.json") else {
        return found;
    };
    let confusables: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    for (one, others) in confusables.as_object().unwrap() {
        let texts = others.as_array().unwrap().iter().map(|other| other["c"].as_str().unwrap());
        let texts: Vec<&str> = texts.chain([one.as_str()]).collect();
        if texts.iter().any(|text| text.len() == 1 && text.is_ascii()) {
            found.extend(texts.iter().flat_map(|text| text.chars()).filter(|found| !found.is_ascii()));
        }
    }
    assert!(found.len() > 1000, "the file has look-alikes: {}", found.len());
    found
}

//! libFuzzer with one of the targets; `run` starts it.

#![no_main]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what must not be ends the process")]

mod targets;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::{env, fs};
use targets::{TARGETS, Target};

static TARGET: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: begin(),
    |input: &[u8]| {
        if let Some(target) = TARGET.get() {
            (target.check)(input);
        }
    }
);

/// `FUZZ_TARGET` names the target. Where `POSTERN_VECTORS` names the public vectors, the folder `FUZZ_VECTORS` is filled
/// with what they hold for it, before the fuzzer reads that.
fn begin() {
    let name = env::var("FUZZ_TARGET").unwrap_or_default();
    let target = TARGETS.iter().find(|target| target.name == name);
    TARGET.get_or_init(|| {
        *target.unwrap_or_else(|| panic!("FUZZ_TARGET is `{name}`; there is no such target"))
    });
    let folders = env::var_os("POSTERN_VECTORS").zip(env::var_os("FUZZ_VECTORS"));
    if let Some((vectors, folder)) = folders.map(|(from, to)| (PathBuf::from(from), PathBuf::from(to))) {
        for (number, input) in targets::vectors::inputs(&name, &vectors).into_iter().enumerate() {
            fs::write(folder.join(number.to_string()), input).unwrap();
        }
    }
}

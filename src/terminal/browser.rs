//! The person's browser.

use std::env;
use std::ffi::OsString;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use url::Url;

/// A program that cannot open anything says so by then; one that can may run for as long as the browser.
const PATIENCE: Duration = Duration::from_millis(1500);
const STEP: Duration = Duration::from_millis(50);

/// Whether a browser was started with this address: `BROWSER`, or what this system has for it.
pub(crate) fn opens(url: &Url) -> bool {
    let named = env::var_os("BROWSER").filter(|program| !program.is_empty());
    let programs: Vec<OsString> = match named {
        Some(program) => vec![program],
        None if cfg!(target_os = "macos") => vec!["open".into()],
        None => vec!["xdg-open".into(), "wslview".into()],
    };
    programs.iter().any(|program| {
        let started = Command::new(program)
            .arg(url.as_str())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        started.is_ok_and(has_opened)
    })
}

fn has_opened(mut child: Child) -> bool {
    let mut waited = Duration::ZERO;
    while waited < PATIENCE {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => sleep(STEP),
            Err(_) => return false,
        }
        waited += STEP;
    }
    true
}

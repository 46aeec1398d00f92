//! The commands for people at a terminal. Results go to standard output, everything else to standard error.

use super::args::{LoginArgs, OpenArgs, TokenArgs};
use super::output::{Failed, print};
use super::runtime::block_on;
use crate::clock::Clock;
use crate::http_client::HttpClient;
use crate::terminal::{self, Login, Store, TerminalError, Wanted};
use std::io::{self, BufRead, Write};

/// Bytes of a pasted code.
const LONGEST_CODE: u64 = 4096;

pub(super) fn login(args: &LoginArgs) -> Result<(), Failed> {
    let gateway = terminal::gateway(&args.url)?;
    let store = Store::of_environment()?;
    let http = HttpClient::new().map_err(Failed::ran)?;
    let kept = block_on(async {
        let mut login = Login::begin(gateway, !args.no_browser).await?;
        let (link, word) = (login.link(), login.check_word());
        let is_open = !args.no_browser && terminal::opens(&link);
        tell(&match is_open {
            true => {
                format!("Your browser asks whether you allow this, and shows {word}. If it does not:\n{link}")
            }
            false => format!("Open this page in a browser. It shows {word}.\n{link}"),
        });
        let code = match login.code().await? {
            Some(code) => code,
            None => pasted()?,
        };
        Ok(login.redeem(&http, &code).await?)
    })?;
    store.save(&kept)?;
    tell(&format!("Signed in as {} until {}.", kept.user, kept.expires_at));
    Ok(())
}

pub(super) fn token(args: &TokenArgs) -> Result<(), Failed> {
    terminal::is_name(&args.name)?;
    let kept = Store::of_environment()?.load(Clock::system().now())?;
    let http = HttpClient::new().map_err(Failed::ran)?;
    let wanted = Wanted {
        destination: &args.name,
        access: args.access.map(|access| access.as_str()),
        seconds: args.lifetime.map(|lifetime| lifetime.as_secs()),
    };
    let machine = terminal::machine();
    let token = block_on(async { Ok(terminal::run_token(&http, &kept, wanted, &machine).await?) })?;
    print(&token)
}

pub(super) fn open(args: &OpenArgs) -> Result<(), Failed> {
    let kept = Store::of_environment()?.load(Clock::system().now())?;
    let link = terminal::link(&kept, &args.link)?;
    if terminal::opens(&link) {
        return Ok(());
    }
    print(link.as_str())?;
    Err(Failed::ran("no browser can be started here: open the address above"))
}

pub(super) fn logout() -> Result<(), Failed> {
    let store = Store::of_environment()?;
    let kept = match store.load(Clock::system().now()) {
        Ok(kept) => kept,
        // There is nothing to take back.
        Err(TerminalError::NoSignIn | TerminalError::SignedOut { .. }) => return Ok(store.remove()?),
        Err(error) => return Err(error.into()),
    };
    let http = HttpClient::new().map_err(Failed::ran)?;
    let given_back = block_on(async { Ok(terminal::give_back(&http, &kept).await) })?;
    store.remove()?;
    given_back.map_err(|error| {
        let until = &kept.expires_at;
        Failed::ran(format!("{error}; a copy of this terminal's token counts until {until}"))
    })
}

/// The first line of standard input.
fn pasted() -> Result<String, Failed> {
    tell("Paste the code that it shows:");
    let mut code = String::new();
    let mut input = io::Read::take(io::stdin().lock(), LONGEST_CODE);
    input.read_line(&mut code).map_err(|error| Failed::ran(format!("standard input: {error}")))?;
    let code = code.trim().to_owned();
    if code.is_empty() { Err(Failed::ran("no code was pasted")) } else { Ok(code) }
}

fn tell(text: &str) {
    _ = writeln!(io::stderr(), "{text}");
}

impl From<TerminalError> for Failed {
    fn from(error: TerminalError) -> Self {
        match error {
            TerminalError::Usage(why) => Self::Usage(why),
            error => Self::ran(error),
        }
    }
}

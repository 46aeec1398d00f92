//! `postern diff`

use super::args::{DiffArgs, FailOn, Format};
use super::configuration::{Configuration, load};
use super::output::{Failed, print};
use crate::diff::line::LONGEST;
use crate::diff::report::Kind;
use crate::diff::{ClaimsAlone, Comparison, Side};
use crate::files::Files;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The first bytes of a gzip file (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];
const BUFFER: usize = 256 * 1024;

pub(super) fn run(args: &DiffArgs) -> Result<(), Failed> {
    let files = Files::default();
    let new = load(&args.config, &files)?;
    let old = args.against.as_ref().map(|file| load(file, &files)).transpose()?;
    // A trail names its issuers, so one is wanted for claims alone.
    let issuer = match args.issuer.as_deref() {
        Some(named) => Some(new.issuer(Some(named))?),
        None => new.issuer(None).ok(),
    };
    let mut comparison = Comparison::new(side(&new), old.as_ref().map(side), issuer);
    for path in &args.people {
        read(path, &mut comparison)?;
    }
    let report = comparison.report();
    match args.format {
        Format::Text => print(report.text(args.names).trim_end())?,
        Format::Json => print(&report.json(args.names))?,
    }
    let is_found = args.fail_on.iter().any(|kind| report.has((*kind).into()));
    if is_found { Err(Failed::Ran(None)) } else { Ok(()) }
}

fn side(configuration: &Configuration) -> Side<'_> {
    let loaded = &configuration.loaded;
    Side::new(&configuration.policy, &loaded.gateway.issuers, &loaded.tables)
}

impl From<FailOn> for Kind {
    fn from(kind: FailOn) -> Self {
        match kind {
            FailOn::Gain => Self::Gain,
            FailOn::Loss => Self::Loss,
            FailOn::Change => Self::Change,
            FailOn::StartGain => Self::StartGain,
            FailOn::StartLoss => Self::StartLoss,
            FailOn::Unknown => Self::Unknown,
        }
    }
}

fn read(path: &Path, comparison: &mut Comparison<'_>) -> Result<(), Failed> {
    let shown = path.display();
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| Failed::Usage(format!("{shown}: {error}")))?)
    };
    let failed = |error: io::Error| Failed::ran(format!("{shown}: {error}"));
    let mut source = BufReader::with_capacity(BUFFER, source);
    let is_gzip = source.fill_buf().map_err(failed)?.starts_with(&GZIP);
    let mut source: Box<dyn BufRead> = if is_gzip {
        Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(source)))
    } else {
        Box::new(source)
    };
    let (mut line, mut number) = (Vec::new(), 0_u64);
    loop {
        line.clear();
        let length = (&mut source).take(LONGEST as u64 + 1).read_until(b'\n', &mut line).map_err(failed)?;
        if length == 0 {
            return Ok(());
        }
        number += 1;
        let place = || format!("{shown}:{number}");
        if length > LONGEST {
            comparison.not_understood(place, "a line of more than 1 MiB");
            skip(&mut source).map_err(failed)?;
        } else if !line.trim_ascii().is_empty() {
            comparison.take(&line, place).map_err(|error| match error {
                ClaimsAlone::NoPolicy => Failed::Usage(format!(
                    "{shown}:{number}: claims do not say what is decided today: name the present configuration by --against"
                )),
                ClaimsAlone::NoIssuer => {
                    Failed::Usage(format!("{shown}:{number}: claims of several issuers: name one with --issuer"))
                }
            })?;
        }
    }
}

/// Skips to the end of the line, with no more memory than the buffer's.
fn skip(source: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = source.fill_buf()?;
        let (read, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        source.consume(read);
        if ended {
            return Ok(());
        }
    }
}

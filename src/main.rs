//! `postern`: parse the command line, run one command, exit with its status.

use std::process::ExitCode;

fn main() -> ExitCode {
    postern::cli::run()
}

//! `postern`: parse the command line, run one command, exit with its status.

use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;

/// A launch asks for memory several hundred times, most of them inside the SDK, and a connection at rest keeps many small
/// pieces. The C library's allocator takes a sixth of the launch, and half as much again for the connection.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    postern::cli::run()
}

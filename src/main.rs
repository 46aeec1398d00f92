//! `postern`: parse the command line, run one command, exit with its status.

use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;

/// A launch asks for memory several hundred times, most of them inside the SDK, and the C library's allocator takes a
/// sixth of its time. That allocator also keeps the memory that a crowd of connections has used.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    postern::cli::run()
}

//! The `ballast` binary: allocator, TLS provider, then the command line.

use std::process::ExitCode;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // One provider for the whole process; with two in the tree rustls cannot choose and panics. An error means one is set already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    ballast::cli::run()
}

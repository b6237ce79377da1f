//! The `certmesh` command; everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    certmesh_cli::main_with(std::env::args_os())
}

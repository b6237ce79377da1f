//! Every program of the workspace in one binary, so that the tests can start real processes: the first argument says
//! which (`node`, `cli` or `testnet`), the rest is that program's own.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    let which = if args.len() > 1 {
        args.remove(1)
    } else {
        OsString::new()
    };
    match which.to_str() {
        Some("node") => certmesh_node::main_with(args),
        Some("cli") => certmesh_cli::main_with(args),
        Some("testnet") => certmesh_testnet::main_with(args),
        _ => ExitCode::from(64),
    }
}

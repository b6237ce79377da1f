//! `certmesh-node`: runs a department's peer.

use std::process::ExitCode;

fn main() -> ExitCode {
    certmesh_node::main_with(std::env::args_os())
}

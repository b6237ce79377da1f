//! `certmesh-testnet`.

use std::process::ExitCode;

fn main() -> ExitCode {
    certmesh_testnet::main_with(std::env::args_os())
}

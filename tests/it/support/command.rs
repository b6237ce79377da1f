//! The programs of the workspace as processes that run to their end.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

/// The program that is every program of the workspace.
pub(crate) fn multi() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_certmesh-multi"))
}

pub(crate) fn node_command() -> Vec<OsString> {
    vec![multi().into(), "node".into()]
}

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

/// Runs a program of the workspace to completion.
pub(crate) fn run(
    program: &str,
    args: &[&str],
    input: &[u8],
    set: impl FnOnce(&mut Command),
) -> Ran {
    let mut command = Command::new(multi());
    command.arg(program).args(args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for name in [
        "CERTMESH_NODE",
        "CERTMESH_TOKEN_FILE",
        "CERTMESH_NODE_CONFIG",
    ] {
        command.env_remove(name);
    }
    set(&mut command);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program that ends without reading closes the pipe, which is its right.
    let feeding = thread::spawn(move || stdin.write_all(&input).map(drop).is_ok());
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub(crate) fn certmesh(
    args: &[&str],
    input: &[u8],
    node: Option<&str>,
    token_file: Option<&Path>,
) -> Ran {
    run("cli", args, input, |command| {
        // Nobody listens there.
        command.env("CERTMESH_NODE", node.unwrap_or("http://127.0.0.1:1"));
        // Whoever runs the tests may have one.
        command.env_remove("CERTMESH_IDENTITY_PASSPHRASE");
        if let Some(file) = token_file {
            command.env("CERTMESH_TOKEN_FILE", file);
        }
    })
}

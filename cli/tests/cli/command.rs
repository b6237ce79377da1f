//! Running the binary.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Stdio};

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Asserts the exit code, showing everything if it is another.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// The answer as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// The passphrase of all identity keys, unless a test says otherwise.
pub(crate) const PASSPHRASE: &str = "a passphrase for tests";

/// The binary, in an environment that says nothing about nodes, tokens and colours.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_certmesh"));
    for name in [
        "CERTMESH_NODE",
        "CERTMESH_TOKEN_FILE",
        "CERTMESH_PROFILE",
        "NO_COLOR",
    ] {
        command.env_remove(name);
    }
    command.env("CERTMESH_IDENTITY_PASSPHRASE", PASSPHRASE);
    // Whoever runs the tests may have a profile.
    command.env("XDG_CONFIG_HOME", "/nowhere");
    command
}

/// Runs the command with nothing on standard input.
pub(crate) fn certmesh(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
    certmesh_reading(args, b"")
}

/// Runs the command with standard input.
pub(crate) fn certmesh_reading(
    args: impl IntoIterator<Item = impl AsRef<OsStr>>,
    input: &[u8],
) -> Run {
    let mut child = binary()
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A command that needs no input may be gone before it is written.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

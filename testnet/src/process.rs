//! A node as a process of its own: started, waited for, stopped gently or killed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::Error;
use crate::client::Client;
use crate::network::Member;
use crate::patience::Deadline;
use crate::stats::round;

/// Time a node has to stop after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(20);
/// How much of a log's end is shown.
const TAIL_BYTES: u64 = 3_000;

/// What a running node says of itself in `node.json`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NodeFile {
    /// Its process.
    pub pid: u32,
    /// Its API.
    pub api: String,
    /// Where other peers reach it (multiaddresses).
    pub listen: Vec<String>,
    /// When it began to serve, ms since 1970 UTC.
    pub started_ms: u64,
}

impl NodeFile {
    /// Reads the file; `None` while there is none. It is replaced whole, so it is never half there.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Malformed`].
    pub fn read(path: &Path) -> Result<Option<NodeFile>, Error> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| Error::malformed(path, &error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::file(path)(error)),
        }
    }

    /// Its TCP port on this machine.
    pub fn target(&self) -> Option<SocketAddr> {
        self.listen.iter().find_map(|address| {
            let parts: Vec<&str> = address.split('/').collect();
            match parts.as_slice() {
                ["", "ip4", ip, "tcp", port, ..] => {
                    Some(SocketAddr::new(ip.parse().ok()?, port.parse().ok()?))
                }
                _ => None,
            }
        })
    }
}

/// A running node; killed when dropped.
#[derive(Debug)]
pub struct Node {
    child: Child,
    department: String,
    node_file: PathBuf,
    log: PathBuf,
}

impl Node {
    /// Starts a member's node with `command` and the arguments after it. Serving comes later: see [`Node::serving`].
    ///
    /// # Errors
    /// [`Error::Spawn`], [`Error::File`].
    pub fn start(command: &[OsString], member: &Member, extra: &[&str]) -> Result<Node, Error> {
        // One that a killed process left behind would be taken for news.
        let node_file = member.node_file();
        match fs::remove_file(&node_file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::file(&node_file)(error));
            }
            _ => {}
        }
        let path = member.node_log();
        let log = File::options()
            .append(true)
            .create(true)
            .open(&path)
            .map_err(Error::file(&path))?;
        let also = log.try_clone().map_err(Error::file(&path))?;
        let (program, arguments) = command.split_first().ok_or_else(|| Error::Spawn {
            command: String::new(),
            error: std::io::Error::other("the command to start a node is empty"),
        })?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg("run")
            .arg("--config")
            .arg(member.config())
            .args(extra);
        command.stdin(Stdio::null()).stdout(log).stderr(also);
        // Ctrl-C is for whoever runs the network; that one stops its nodes in order.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().map_err(|error| Error::Spawn {
            command: program.to_string_lossy().into_owned(),
            error,
        })?;
        Ok(Node {
            child,
            department: member.name().to_owned(),
            node_file,
            log: path,
        })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Fails if the process has ended.
    ///
    /// # Errors
    /// [`Error::Ended`].
    pub fn check(&mut self) -> Result<(), Error> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(Error::Ended {
                department: self.department.clone(),
                status: status.to_string(),
                tail: tail(&self.log),
            }),
            Err(error) => Err(Error::system("waiting for a node")(error)),
        }
    }

    /// What the node says of itself once it serves.
    ///
    /// # Errors
    /// [`Error::Deadline`], [`Error::Ended`].
    pub fn serving(&mut self, deadline: Deadline) -> Result<NodeFile, Error> {
        let what = format!("the peer of {} to serve", self.department);
        deadline.wait(
            || what.clone(),
            || {
                self.check()?;
                let found = NodeFile::read(&self.node_file)?;
                Ok(found.filter(|file| {
                    file.pid == self.child.id() && Client::new(&file.api, "").is_alive()
                }))
            },
        )
    }

    /// Stops it as a service manager would: SIGTERM, and only when that does not help, SIGKILL.
    ///
    /// # Errors
    /// [`Error::Ended`] when it ended with a failure; [`Error::Deadline`] when it had to be killed.
    pub fn stop(mut self) -> Result<(), Error> {
        terminate(self.child.id());
        let deadline = Deadline::after(GRACE);
        loop {
            match self
                .child
                .try_wait()
                .map_err(Error::system("waiting for a node"))?
            {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    return Err(Error::Ended {
                        department: self.department.clone(),
                        status: status.to_string(),
                        tail: tail(&self.log),
                    });
                }
                None if deadline.left().is_zero() => {
                    let what = format!("the peer of {} to stop after SIGTERM", self.department);
                    return Err(Error::Deadline {
                        what,
                        seconds: GRACE.as_secs(),
                    });
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Ends it at once, as a power cut would end it (SIGKILL).
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Both fail only when the process has ended and been waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends SIGTERM, if there is such a process.
pub(crate) fn terminate(pid: u32) {
    send(pid, Signal::TERM);
}

/// Sends SIGKILL, if there is such a process.
pub(crate) fn kill(pid: u32) {
    send(pid, Signal::KILL);
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _ = kill_process(pid, signal);
    }
}

/// The last lines of a log.
pub(crate) fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let start = file.metadata()?.len().saturating_sub(TAIL_BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // The first line is cut somewhere.
        Ok(if start == 0 {
            text
        } else {
            text.split_once('\n')
                .map_or(String::new(), |(_, rest)| rest.to_owned())
        })
    };
    read().unwrap_or_else(|error| format!("({}: {error})", path.display()))
}

/// Most memory a process ever had resident (VmHWM of Linux), in MB (10^6 bytes).
pub(crate) fn peak_memory_mb(pid: u32) -> Result<f64, Error> {
    let path = format!("/proc/{pid}/status");
    let path = Path::new(&path);
    let text = fs::read_to_string(path).map_err(Error::file(path))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = line
        .and_then(|line| line.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse().ok())
        .ok_or_else(|| Error::malformed(path, &"says nothing of VmHWM"))?;
    Ok(round(kib * 1024.0 / 1e6, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_to_lead_a_link_to_is_found_among_the_addresses() {
        let file: NodeFile = serde_json::from_str(
            r#"{"pid":1,"api":"http://127.0.0.1:1","listen":["/ip4/127.0.0.1/udp/9/quic-v1","/ip4/127.0.0.1/tcp/77"],"started_ms":5}"#,
        )
        .unwrap();
        assert_eq!(file.target(), Some("127.0.0.1:77".parse().unwrap()));
    }

    #[test]
    fn the_tail_of_a_log_begins_with_a_whole_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let lines: String = (0..500).map(|n| format!("line number {n}\n")).collect();
        fs::write(&path, lines).unwrap();
        let tail = tail(&path);
        assert!(tail.starts_with("line number ") && tail.ends_with("line number 499\n"));
        assert!(tail.len() < TAIL_BYTES as usize);
    }
}

//! Keeps keys and field values out of core dumps.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// From now on this process leaves no core dump, and only the superuser can attach to it or read its memory.
///
/// The limit alone would not do: the kernel ignores it where dumps are piped to a program, such as `systemd-coredump`.
///
/// # Errors
/// What the system says; then a crash may write keys to the disk.
pub fn forbid() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    Ok(setrlimit(Resource::Core, none)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_holds_keys_leaves_no_core_dump() {
        forbid().unwrap();
        let limit = rustix::process::getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
        #[cfg(target_os = "linux")]
        assert_eq!(
            rustix::process::dumpable_behavior().unwrap(),
            rustix::process::DumpableBehavior::NotDumpable
        );
    }
}

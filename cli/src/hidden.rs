//! A line typed on a terminal that doesn't show it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// Room for the longest line that a terminal hands over at once.
const LONGEST: usize = 4096;

/// Asks, and reads a line from a terminal, without its end; `None` if it was left without one. It is read past any buffer, so
/// that no copy stays in one.
///
/// # Errors
/// Those of the terminal; [`io::ErrorKind::InvalidData`] for what isn't UTF-8, or is longer than a line can be.
pub(crate) fn line(
    terminal: impl AsFd,
    ask: impl FnOnce() -> io::Result<()>,
) -> io::Result<Option<Zeroizing<String>>> {
    let terminal = terminal.as_fd();
    // Before the question: whoever answers at once isn't to see the answer either.
    let _silent = Silent::make(terminal)?;
    ask()?;
    // It never grows, which would leave a copy behind.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut byte = Zeroizing::new([0]);
    loop {
        match rustix::io::read(terminal, byte.as_mut_slice()) {
            Ok(0) if line.is_empty() => return Ok(None),
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) if line.len() == LONGEST => return Err(io::ErrorKind::InvalidData.into()),
            Ok(_) => line.push(byte[0]),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let text = std::str::from_utf8(&line).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(Some(Zeroizing::new(text.to_owned())))
}

/// A terminal that shows nothing of what is typed but the end of the line, as long as this lives.
struct Silent<'t> {
    terminal: BorrowedFd<'t>,
    before: Termios,
}

impl<'t> Silent<'t> {
    fn make(terminal: BorrowedFd<'t>) -> io::Result<Silent<'t>> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO;
        silent.local_modes |= LocalModes::ECHONL | LocalModes::ICANON;
        // What was typed before the question isn't an answer to it.
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Silent { terminal, before })
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        // Nothing helps where it fails, and what was typed is known.
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

//! The holder's code: personal, hence read from a file, standard input or the keyboard, never from the arguments, which
//! every user of a machine can see.

use std::path::{Path, PathBuf};

use certmesh_api::Holder;
use certmesh_ledger::id::{HolderKind, normalise};
use clap::Args;
use zeroize::Zeroizing;

use crate::screen::{LONGEST_ANSWER, Screen};
use crate::{Error, files};

/// Options that name a holder.
#[derive(Debug, Args)]
pub(crate) struct HolderArgs {
    /// Kind of the holder's code: 001 unified social credit code, 111 identity card, 411 to 414 passport, 511 Taiwan
    /// permit, 516 Hong Kong and Macau permit, 099 other organisation, 999 other
    #[arg(long, value_name = "KIND")]
    pub(crate) holder_kind: Option<HolderKind>,
    /// File with the holder's code, or `-` for standard input; without it you are asked
    #[arg(long, value_name = "FILE", requires = "holder_kind")]
    pub(crate) holder_code_file: Option<PathBuf>,
}

impl HolderArgs {
    /// Reads the code and checks it against its kind; `None` when no holder was named.
    ///
    /// # Errors
    /// Without a code to read, and for one that its kind does not allow; the code itself is never part of an error.
    pub(crate) fn read(&self, screen: &mut Screen) -> Result<Option<Holder>, Error> {
        let missing = "the holder's code is missing: give --holder-code-file FILE, or `-`";
        self.holder_kind
            .map(|kind| read(kind, self.holder_code_file.as_deref(), missing, screen))
            .transpose()
    }

    /// Whether the code comes from standard input.
    pub(crate) fn uses_input(&self) -> bool {
        self.holder_code_file.as_deref() == Some(Path::new("-"))
    }
}

/// Options that name the subject of a question. The code may be an argument here: some systems can call in no other way.
#[derive(Debug, Args)]
pub(crate) struct SubjectArgs {
    /// Kind of the subject's code, as for `find --holder-kind`
    // Whoever can't do without a subject says so by a group: elsewhere these options are left out together.
    #[arg(long, value_name = "KIND", required = false)]
    subject_kind: HolderKind,
    /// The subject's code. Others on this machine can see it among the arguments: --subject-file keeps it to yourself
    #[arg(
        long,
        value_name = "CODE",
        requires = "subject_kind",
        conflicts_with = "subject_file"
    )]
    subject: Option<String>,
    /// File with the subject's code, or `-` for standard input; without it and without --subject you are asked
    #[arg(long, value_name = "FILE", requires = "subject_kind")]
    subject_file: Option<PathBuf>,
}

impl SubjectArgs {
    /// Reads the code and checks it against its kind.
    ///
    /// # Errors
    /// As [`HolderArgs::read`].
    pub(crate) fn read(&self, screen: &mut Screen) -> Result<Holder, Error> {
        let missing = "the subject's code is missing: give --subject-file FILE, or `-`";
        match &self.subject {
            Some(code) => given(self.subject_kind, code),
            None => read(
                self.subject_kind,
                self.subject_file.as_deref(),
                missing,
                screen,
            ),
        }
    }
}

/// Reads a holder's code from a file, standard input (`-`) or the keyboard; `missing` is the message if there is none.
///
/// # Errors
/// As [`HolderArgs::read`].
fn read(
    kind: HolderKind,
    file: Option<&Path>,
    missing: &'static str,
    screen: &mut Screen,
) -> Result<Holder, Error> {
    let text = match file {
        Some(path) if path.as_os_str() == "-" => {
            // Of the length of any code, so that it does not grow and leave a copy behind.
            let mut line = Zeroizing::new(String::with_capacity(LONGEST_ANSWER));
            screen.input().read_line(&mut line)?;
            line
        }
        Some(path) => Zeroizing::new(files::read_text(path)?),
        None if screen.can_ask() => screen.ask(&question(kind))?.unwrap_or_default(),
        None => return Err(Error::Usage(missing)),
    };
    given(kind, &text)
}

/// A holder whose code is given, checked against its kind.
///
/// # Errors
/// For a code that its kind does not allow; the code itself is never part of an error.
fn given(kind: HolderKind, code: &str) -> Result<Holder, Error> {
    Ok(Holder {
        kind: kind.into(),
        code: normalise(kind, code.trim()).map_err(Error::Holder)?,
    })
}

fn question(kind: HolderKind) -> String {
    format!("Holder's code ({}, {}):", kind.name(), kind.chinese_name())
}

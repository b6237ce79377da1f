//! The holder's code: personal, hence read from a file, standard input or the keyboard, never from the arguments, which
//! every user of a machine can see.

use std::path::{Path, PathBuf};

use certmesh_ledger::id::{HolderKind, normalise};
use certmesh_node::api::types::Holder;
use clap::Args;
use zeroize::Zeroizing;

use crate::screen::Screen;
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
    /// The options of a command that has its own names for them.
    pub(crate) fn of(kind: HolderKind, file: Option<PathBuf>) -> HolderArgs {
        HolderArgs {
            holder_kind: Some(kind),
            holder_code_file: file,
        }
    }

    /// A holder whose code was given in the open.
    ///
    /// # Errors
    /// For a code that its kind does not allow.
    pub(crate) fn given(kind: HolderKind, code: &str) -> Result<Holder, Error> {
        Ok(Holder {
            kind: kind.to_string(),
            code: normalise(kind, code.trim()).map_err(Error::Holder)?,
        })
    }

    /// Reads the code and checks it against its kind; `None` when no holder was named.
    ///
    /// # Errors
    /// Without a code to read, and for one that its kind does not allow; the code itself is never part of an error.
    pub(crate) fn read(&self, screen: &mut Screen) -> Result<Option<Holder>, Error> {
        let Some(kind) = self.holder_kind else {
            return Ok(None);
        };
        let text = Zeroizing::new(match &self.holder_code_file {
            Some(path) if path.as_os_str() == "-" => {
                let mut line = String::new();
                screen.input().read_line(&mut line)?;
                line
            }
            Some(path) => files::read_text(path)?,
            None if screen.can_ask() => screen.ask(&question(kind))?.unwrap_or_default(),
            None => {
                return Err(Error::Usage(
                    "the holder's code is missing: give --holder-code-file FILE, or `-`",
                ));
            }
        });
        let code = normalise(kind, text.trim()).map_err(Error::Holder)?;
        Ok(Some(Holder {
            kind: kind.to_string(),
            code,
        }))
    }

    /// Whether the code comes from standard input.
    pub(crate) fn uses_input(&self) -> bool {
        self.holder_code_file.as_deref() == Some(Path::new("-"))
    }
}

fn question(kind: HolderKind) -> String {
    format!("Holder's code ({}, {}):", kind.name(), kind.chinese_name())
}

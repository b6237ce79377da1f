//! The holder's code: personal, hence read from a file, standard input or the keyboard, never from the arguments, which
//! every user of a machine can see.

use std::path::{Path, PathBuf};

use certmesh_api::Holder;
use certmesh_ledger::id::{CertificateId, HolderKind, normalise};
use certmesh_text::say;
use clap::Args;
use zeroize::Zeroizing;

use crate::message::{Advice, Message};
use crate::screen::{LONGEST_ANSWER, Screen};
use crate::{Error, files};

/// Options that name a holder.
#[derive(Debug, Args)]
pub(crate) struct HolderArgs {
    /// Kind of the holder's code: 001 unified social credit code, 111 identity card, 411 to 414 passport, 511 Taiwan
    /// permit, 516 Hong Kong and Macau permit, 099 other organisation, 999 other; when absent it follows from the code's
    /// form
    #[arg(short = 'k', long, value_name = "KIND")]
    pub(crate) holder_kind: Option<HolderKind>,
    /// File with the holder's code, or `-` for standard input; without it you are asked
    #[arg(long, value_name = "FILE")]
    pub(crate) holder_code_file: Option<PathBuf>,
}

impl HolderArgs {
    /// Reads the code and checks it against its kind; `None` when no holder was named.
    ///
    /// # Errors
    /// As [`HolderArgs::read_one`].
    pub(crate) fn read(&self, screen: &mut Screen) -> Result<Option<Holder>, Error> {
        match self.is_named() {
            true => self.read_one(screen).map(Some),
            false => Ok(None),
        }
    }

    /// Reads the code and checks it against its kind, or finds out which kind it is.
    ///
    /// # Errors
    /// Without a code to read, for one that its kind does not allow, and for one whose form fits no kind or several when
    /// none was given; the code itself is never part of an error.
    pub(crate) fn read_one(&self, screen: &mut Screen) -> Result<Holder, Error> {
        let missing = "the holder's code is missing: give --holder-code-file FILE, or `-`";
        let file = self.holder_code_file.as_deref();
        read(self.holder_kind, file, missing, "--holder-kind", screen)
    }

    /// Whether an option says that there is a holder.
    pub(crate) fn is_named(&self) -> bool {
        self.holder_kind.is_some() || self.holder_code_file.is_some()
    }

    /// Whether the code comes from standard input.
    pub(crate) fn uses_input(&self) -> bool {
        self.holder_code_file.as_deref() == Some(Path::new("-"))
    }
}

/// Options that name the subject of a question. The code may be an argument here: some systems can call in no other way.
#[derive(Debug, Default, Args)]
pub(crate) struct SubjectArgs {
    /// Kind of the subject's code, as for `find --holder-kind`; when absent it follows from the code's form
    #[arg(short = 'k', long, value_name = "KIND")]
    subject_kind: Option<HolderKind>,
    /// The subject's code, or `-` for a line on standard input. Others on this machine can see a code among the arguments:
    /// `-` and --subject-file keep it to yourself
    #[arg(short, long, value_name = "CODE", conflicts_with = "subject_file")]
    subject: Option<String>,
    /// File with the subject's code, or `-` for standard input; without it and without --subject you are asked
    #[arg(long, value_name = "FILE")]
    subject_file: Option<PathBuf>,
}

impl SubjectArgs {
    /// Reads the code and checks it against its kind, or finds out which kind it is.
    ///
    /// # Errors
    /// As [`HolderArgs::read_one`].
    pub(crate) fn read(&self, screen: &mut Screen) -> Result<Holder, Error> {
        const OPTION: &str = "--subject-kind";
        let missing = "the subject's code is missing: give --subject-file FILE, or `-`";
        let (kind, input) = (self.subject_kind, Path::new("-"));
        match &self.subject {
            Some(code) if code != "-" => given(kind, code, OPTION, screen),
            Some(_) => read(kind, Some(input), missing, OPTION, screen),
            None => read(kind, self.subject_file.as_deref(), missing, OPTION, screen),
        }
    }
}

/// Reads a holder's code from a file, standard input (`-`) or the keyboard; `missing` is the message if nothing is given. A
/// card reader or a code scanner types it as a person does, with Enter at its end.
///
/// # Errors
/// As [`HolderArgs::read_one`].
fn read(
    kind: Option<HolderKind>,
    file: Option<&Path>,
    missing: &'static str,
    option: &'static str,
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
    given(kind, &text, option, screen)
}

/// A holder whose code is given, checked against its kind. Which kind a code was taken for is said.
///
/// # Errors
/// For a code that its kind does not allow; the code itself is never part of an error.
fn given(
    kind: Option<HolderKind>,
    code: &str,
    option: &'static str,
    screen: &mut Screen,
) -> Result<Holder, Error> {
    let code = code.trim();
    let kind = match kind {
        Some(kind) => kind,
        None => {
            let kind = guessed(code).map_err(|unclear| {
                let advice = match unclear {
                    Message::IsCertificate => Advice::VerifyIt,
                    _ => Advice::GiveKind { option },
                };
                Error::said(unclear, advice)
            })?;
            screen.note(&say(&Message::TakenFor {
                kind: kind.to_string(),
                name: kind.name(),
                chinese: kind.chinese_name(),
            }));
            kind
        }
    };
    Ok(Holder {
        kind: kind.into(),
        code: normalise(kind, code).map_err(Error::Holder)?,
    })
}

/// The kind of code that a text is by its form: its length, its letters and its check character.
///
/// # Errors
/// [`Message`] where it fits no kind, or several.
fn guessed(code: &str) -> Result<HolderKind, Message> {
    use HolderKind::{
        CreditCode, HongKongMacauPermit, IdentityCard, OrdinaryPassport, TaiwanPermit,
    };

    if CertificateId::parse_lenient(code).is_ok() {
        return Err(Message::IsCertificate);
    }
    let normal = Zeroizing::new(normalise(HolderKind::Other, code).unwrap_or_default());
    let checked = [IdentityCard, CreditCode];
    let fits: Vec<HolderKind> = checked
        .into_iter()
        .filter(|kind| normalise(*kind, &normal).is_ok())
        .collect();
    match fits.as_slice() {
        [only] => return Ok(*only),
        [_, ..] => return Err(Message::SeveralKinds),
        [] => {}
    }
    let digits = |from: usize| {
        normal
            .get(from..)
            .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    match (normal.len(), &normal.as_bytes()[..normal.len().min(2)]) {
        // One of these, mistyped: its own rule says what is wrong.
        (18, _) if normal.bytes().take(17).all(|byte| byte.is_ascii_digit()) => Ok(IdentityCard),
        (18, _) if normal.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Ok(CreditCode),
        (15, _) if digits(0) => Ok(IdentityCard),
        (9, [b'E' | b'G', _]) if digits(1) => Ok(OrdinaryPassport),
        (9, [b'E', b'A'..=b'Z']) if digits(2) => Ok(OrdinaryPassport),
        (9 | 11, [b'H' | b'M', _]) if digits(1) => Ok(HongKongMacauPermit),
        (8, _) if digits(0) => Ok(TaiwanPermit),
        _ => Err(Message::NoKind),
    }
}

fn question(kind: Option<HolderKind>) -> String {
    match kind {
        Some(kind) => format!("Holder's code ({}, {}):", kind.name(), kind.chinese_name()),
        None => "Holder's code:".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_code_follows_from_its_form() {
        for (code, kind) in [
            ("11010519491231002X", HolderKind::IdentityCard),
            (
                "１１０１０５１９４９１２３１００２ｘ",
                HolderKind::IdentityCard,
            ),
            ("91420100MA4KNJJ260", HolderKind::CreditCode),
            ("e12345678", HolderKind::OrdinaryPassport),
            ("EA1234567", HolderKind::OrdinaryPassport),
            ("H12345678", HolderKind::HongKongMacauPermit),
            ("M1234567801", HolderKind::HongKongMacauPermit),
            ("12345678", HolderKind::TaiwanPermit),
            // Mistyped: what is wrong with them is said by the rule of their kind.
            ("110105194912310021", HolderKind::IdentityCard),
            ("91420100MA4KNJJ261", HolderKind::CreditCode),
            ("110105491231002", HolderKind::IdentityCard),
        ] {
            assert_eq!(guessed(code), Ok(kind), "{code}");
        }
    }

    #[test]
    fn a_code_of_no_known_form_has_no_kind() {
        for code in ["", "1", "H1234567", "EE12345678", "张三", "1234567"] {
            assert_eq!(guessed(code), Err(Message::NoKind), "{code}");
        }
        let id = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U";
        assert_eq!(guessed(id), Err(Message::IsCertificate));
    }
}

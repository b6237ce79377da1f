//! What can go wrong, the hint that helps, and the exit code it ends with.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use certmesh_api::{FaultKind, Problem, ProblemType};
use certmesh_ledger::crypto::identity_file::IdentityFileError;
use certmesh_ledger::crypto::passphrase::PassphraseError;
use certmesh_ledger::crypto::secret_files::KeyFileError;
use certmesh_ledger::id::{HolderError, IdError};
use certmesh_tables::{FileError, TableFault};
use certmesh_text::one_line::one_line;
use certmesh_text::say;

use crate::message::{Advice, Message};
use crate::pkcs11::Pkcs11Error;
use crate::{Outcome, connection};

/// Why a command could not do its work. The message says what happened; [`Error::hint`] what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A table or its map can't be used.
    #[error(transparent)]
    Table(certmesh_tables::Error),
    /// Standard output could not be written, or standard input not read.
    #[error("input or output failed: {0}")]
    Stream(#[from] io::Error),
    /// A directory that should be new or empty holds something.
    #[error("{} is not an empty directory and is left unchanged", .0.display())]
    NotEmpty(PathBuf),
    /// A file whose text is not what it should be.
    #[error("{} is not {expected}: {detail}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should be, with its article.
        expected: &'static str,
        /// What is wrong, from its parser.
        detail: String,
    },
    /// Several faults, all found at once.
    #[error("{}", joined(&fault_lines(what, faults)))]
    Faults {
        /// What cannot be done.
        what: &'static str,
        /// Each fault, on a line of its own.
        faults: Vec<String>,
    },
    /// A text that is not a certificate identifier.
    #[error("{}", certmesh_text::parse_fault(.0.clone()))]
    Identifier(#[from] IdError),
    /// A holder's code that its kind does not allow.
    #[error("{}", holder(.0))]
    Holder(HolderError),
    /// Options that are missing or do not go together.
    #[error("{0}")]
    Usage(&'static str),
    /// A file with a secret that isn't accepted.
    #[error(transparent)]
    Secret(#[from] KeyFileError),
    /// What can't be a passphrase.
    #[error("{from}: {error}")]
    Passphrase {
        /// Where it is from.
        from: String,
        /// What is wrong with it.
        error: PassphraseError,
    },
    /// No passphrase, and nobody to ask for it.
    #[error("a passphrase is missing, or a token's PIN, and there is no terminal to ask at")]
    NoPassphrase(&'static str),
    /// An identity key file that can't be read or opened.
    #[error("{}: {error}", path.display())]
    IdentityFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: IdentityFileError,
    },
    /// A key in a PKCS#11 token that can't be used.
    #[error(transparent)]
    Pkcs11(#[from] Pkcs11Error),
    /// What the members decide does not allow it.
    #[error("{0}")]
    Govern(String),
    /// An identifier where a file was meant, or the other way round.
    #[error("{} is a file: verifying it without a node needs the network's genesis", .0.display())]
    NoNetworkGiven(PathBuf),
    /// A genesis file is for proof files; an identifier is for a node.
    #[error("{0} is an identifier, and only a proof file is verified with --network")]
    IdentifierWithNetwork(String),
    /// Arguments that the command line does not allow, in its parser's words.
    #[error("{0}")]
    Arguments(String),
    /// A picture could not be drawn.
    #[error("the picture cannot be drawn: {0}")]
    Drawing(String),
    /// A directory without a definition in it.
    #[error("{} holds no definitions: no file in it or below ends in .toml or .json", .0.display())]
    NothingIn(PathBuf),
    /// A directory that is not a node's data directory.
    #[error("{} is not a node's data directory: it has neither logs nor heads", .0.display())]
    NoDataDirectory(PathBuf),
    /// A data directory without the genesis its logs belong to.
    #[error("there is no network.toml in {} or beside it", .0.display())]
    NoGenesis(PathBuf),
    /// A data directory of another network than the genesis file given.
    #[error("this directory belongs to network {found}, not {given}")]
    OtherNetwork {
        /// Whose it is.
        found: String,
        /// Which network was named.
        given: String,
    },
    /// The text is not a node's address.
    #[error("`{0}` is not a node's address")]
    NodeAddress(String),
    /// The token would travel unprotected.
    #[error("the token for {0} would cross the network unencrypted")]
    TokenInClear(String),
    /// The token file holds nothing that can be a token.
    #[error("{} does not hold a token: expected one line of printable ASCII", .0.display())]
    Token(PathBuf),
    /// The node could not be reached, or the connection broke.
    #[error("no answer from {url}: {}", connection::why(url, source))]
    NoAnswer {
        /// What was asked.
        url: String,
        /// Why there is no answer.
        source: Box<ureq::Error>,
    },
    /// The node answered with something that is not its API.
    #[error("{url} answered with status {status}, not as a certmesh node does: {detail}")]
    BadAnswer {
        /// What was asked.
        url: String,
        /// HTTP status.
        status: u16,
        /// What is wrong with the answer.
        detail: String,
    },
    /// The node refused.
    #[error("{}", joined(&problem_lines(problem)))]
    Refused {
        /// Its problem document.
        problem: Box<Problem>,
        /// How long it asks to wait before the next attempt.
        wait: Option<Duration>,
    },
    /// The node rejected a malformed question, where a plain no would mean something else.
    #[error("{}", joined(&problem_lines(.0)))]
    Misused(Box<Problem>),
    /// What the command itself found out, and what to do about it.
    #[error("{}", say(&**.0))]
    Said(Box<Message>, Box<Advice>),
    /// The same with a list.
    #[error("{}", joined(&fault_lines(&say(&**what), faults)))]
    Listed {
        /// What happened.
        what: Box<Message>,
        /// Each on a line of its own.
        faults: Vec<String>,
        /// What to do about it.
        advice: Box<Advice>,
    },
    /// Another error, for which this command knows a better advice.
    #[error("{error}")]
    Advised {
        /// What happened.
        error: Box<Error>,
        /// What to do about it.
        advice: Box<Advice>,
    },
    /// The operating system provided no randomness.
    #[error("the operating system provides no randomness: {0}")]
    Randomness(getrandom::Error),
}

impl From<certmesh_tables::Error> for Error {
    fn from(error: certmesh_tables::Error) -> Self {
        match error {
            certmesh_tables::Error::File(error) => Self::File(error),
            certmesh_tables::Error::Randomness(error) => Self::Randomness(error),
            error => Self::Table(error),
        }
    }
}

impl Error {
    /// What the members decide does not allow it, and why.
    pub(crate) fn govern(why: String) -> Error {
        Error::Govern(why)
    }

    /// [`FileError::Read`] of a file.
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        FileError::read(path, source).into()
    }

    /// [`FileError::Write`] of a file.
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        FileError::write(path, source).into()
    }

    /// [`FileError::Exists`] of a file.
    pub(crate) fn exists(path: &Path) -> Self {
        FileError::Exists(path.to_owned()).into()
    }

    /// [`Error::Malformed`] of a file.
    pub(crate) fn malformed(
        path: &Path,
        expected: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            expected,
            detail: detail.into(),
        }
    }

    /// [`Error::Passphrase`].
    pub(crate) fn passphrase(from: impl Into<String>, error: PassphraseError) -> Self {
        Self::Passphrase {
            from: from.into(),
            error,
        }
    }

    /// [`Error::IdentityFile`] of a file.
    pub(crate) fn identity_file(path: &Path, error: IdentityFileError) -> Self {
        Self::IdentityFile {
            path: path.to_owned(),
            error,
        }
    }

    /// The same for a command whose exit code 1 answers its question: one that was asked wrongly has no answer.
    pub(crate) fn misused(self) -> Self {
        match self {
            Self::Refused { problem, .. } if problem.kind == ProblemType::InvalidField => {
                Self::Misused(problem)
            }
            other => other,
        }
    }

    /// The same error with another advice.
    pub(crate) fn advised(self, advice: Advice) -> Self {
        Self::Advised {
            error: Box::new(self),
            advice: Box::new(advice),
        }
    }

    /// [`Error::Said`].
    pub(crate) fn said(what: Message, advice: Advice) -> Self {
        Self::Said(Box::new(what), Box::new(advice))
    }

    /// [`Error::Listed`].
    pub(crate) fn listed(what: Message, faults: Vec<String>, advice: Advice) -> Self {
        Self::Listed {
            what: Box::new(what),
            faults,
            advice: Box::new(advice),
        }
    }

    /// Whether the node knows nothing of that name.
    pub(crate) fn is_not_found(&self) -> bool {
        let problem = self.problem().and_then(|problem| problem.kind.known());
        problem == Some(ProblemType::NotFound)
    }

    /// The node's problem, if that is what this is.
    pub(crate) fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused { problem, .. } | Self::Misused(problem) => Some(problem),
            Self::Advised { error, .. } => error.problem(),
            _ => None,
        }
    }

    /// The message by its lines. Only what was made as several lines is: a value within one can't begin another.
    pub(crate) fn lines(&self) -> Vec<String> {
        match self {
            Self::Faults { what, faults } => fault_lines(what, faults),
            Self::Listed { what, faults, .. } => fault_lines(&say(&**what), faults),
            Self::Advised { error, .. } => error.lines(),
            Self::Table(error) => error.lines(),
            Self::Refused { problem, .. } | Self::Misused(problem) => problem_lines(problem),
            Self::Malformed {
                path,
                expected,
                detail,
            } => {
                let mut details = detail.lines().map(str::to_owned);
                let first = details.next().unwrap_or_default();
                let path = path.display();
                let first = one_line(&format!("{path} is not {expected}: {first}")).into_owned();
                std::iter::once(first).chain(details).collect()
            }
            Self::Arguments(text) => text.lines().map(|line| line.trim().to_owned()).collect(),
            other => vec![other.to_string()],
        }
    }

    /// The message on one line.
    pub(crate) fn in_one_line(&self) -> String {
        one_line(&self.lines().join("; ")).into_owned()
    }

    /// True when whoever read our output has closed it.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Stream(source) if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The outcome a command that failed with this ends with.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Refused { problem, .. } if problem.kind == ProblemType::UnknownCertificate => {
                Outcome::Unknown
            }
            // 409 and 422: the node understood, and the rules of the ledger say no.
            Self::Refused { problem, .. } if matches!(problem.status, 409 | 422) => Outcome::No,
            // So does the issuer of a certificate, by its own.
            Self::Refused { problem, .. } if problem.kind == ProblemType::RetrievalRefused => {
                Outcome::No
            }
            Self::Advised { error, .. } => error.outcome(),
            _ => Outcome::Failed,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        let hint = match self {
            Self::File(error) => hint_for_file(error),
            Self::Stream(_) => "check where the output goes and where the input comes from",
            Self::NotEmpty(_) => "choose a new directory: keys that exist are never overwritten",
            Self::Table(certmesh_tables::Error::Unfit {
                what: TableFault::Pipe,
                ..
            }) => "`--help` after the command shows its options and examples",
            Self::Malformed { .. } | Self::Table(certmesh_tables::Error::Unfit { .. }) => {
                "`certmesh help` followed by the command shows what the file has to look like"
            }
            Self::Faults { .. } | Self::Table(_) => {
                "correct all of them and run the command again; nothing was written"
            }
            Self::Identifier(_) => {
                "compare it with the certificate, character by character; `certmesh id check` checks many at once"
            }
            Self::Holder(_) => "check the code, and that the kind given is its kind",
            Self::Usage(_) | Self::Arguments(_) => {
                "`--help` after the command shows its options and examples"
            }
            Self::Secret(error) => hint_for_secret(error),
            Self::Passphrase { .. } => {
                "choose one that nobody guesses: five or six words drawn by dice; a passphrase file holds it on one line"
            }
            Self::NoPassphrase(otherwise) => otherwise,
            Self::IdentityFile { error, .. } => hint_for_identity_file(*error),
            Self::Pkcs11(error) => error.hint(),
            Self::Govern(_) => {
                "`certmesh govern members` and `list` show how things are; nothing was sent"
            }
            Self::IdentifierWithNetwork(_) => "leave out --network to ask a node",
            Self::NoNetworkGiven(_) => {
                "add `--network network.toml`, the genesis file every member has"
            }
            Self::Drawing(_) => {
                "`--format graphml` needs no drawing, and other tools draw it; or check which `dot` is on the PATH"
            }
            Self::NothingIn(_) => "give the directory that holds the definitions, one per file",
            Self::NoDataDirectory(_) => {
                "give the `data_dir` of node.toml; it exists once the node has run"
            }
            Self::NoGenesis(_) => "give the network's genesis file with --network",
            Self::OtherNetwork { .. } => {
                "leave out --network, or give the file of that network; `certmesh network show` shows which network a file describes"
            }
            Self::NodeAddress(_) => {
                "give --node or CERTMESH_NODE as http://HOST:PORT or https://HOST:PORT"
            }
            Self::TokenInClear(_) => {
                "use https:// (with --ca if its authority is your own), or a node on this machine"
            }
            Self::Token(_) => {
                "`certmesh department init` writes one to admin.token; `certmesh department token add` makes more"
            }
            Self::NoAnswer { url, source } => return Some(connection::advice(url, source)),
            Self::BadAnswer { .. } => {
                "check that --node is the API address of a certmesh node (`[api] listen`)"
            }
            Self::Refused { problem, .. } | Self::Misused(problem) => {
                return hint_for_problem(problem).map(Cow::from);
            }
            Self::Said(_, advice) | Self::Listed { advice, .. } | Self::Advised { advice, .. } => {
                return Some(say(&**advice).into());
            }
            Self::Randomness(_) => {
                "keys are never made without it; try again once the system has started fully"
            }
        };
        Some(hint.into())
    }
}

/// A holder's code that is wrong, as the node says it of a request.
fn holder(error: &HolderError) -> String {
    say(&Message::Holder {
        detail: say(&FaultKind::from(*error)),
    })
}

/// Lines as one text, all but the first indented.
fn joined(lines: &[String]) -> String {
    lines.join("\n  ")
}

fn fault_lines(what: &str, faults: &[String]) -> Vec<String> {
    let faults = faults.iter().map(|fault| format!("- {fault}"));
    std::iter::once(what.to_owned()).chain(faults).collect()
}

/// The problem as a person reads it, on one line: the detail, its field, and every further fault.
pub(crate) fn describe_problem(problem: &Problem) -> String {
    let lines = problem_lines(problem);
    let (first, faults) = lines.split_first().expect("a problem has a detail");
    let faults = faults.iter().map(|fault| fault.trim_start_matches("- "));
    std::iter::once(&**first)
        .chain(faults)
        .collect::<Vec<_>>()
        .join("; ")
}

/// The same with each further fault on a line of its own.
fn problem_lines(problem: &Problem) -> Vec<String> {
    let detail = match problem.detail.is_empty() {
        true => &problem.title,
        false => &problem.detail,
    };
    let mut lines = vec![detail.clone()];
    // A single fault is the detail.
    if problem.faults.len() > 1 {
        let count = problem.faults.len() + problem.more_faults;
        lines = vec![say(&Message::FieldsWrong { count })];
        let faults = problem.faults.iter();
        lines.extend(faults.map(|fault| format!("- {}: {}", fault.field, fault.detail)));
    }
    if problem.more_faults > 0 {
        lines.push(format!("- and {} more", problem.more_faults));
    }
    lines
}

fn hint_for_file(error: &FileError) -> &'static str {
    match error {
        FileError::Read { source, .. } => match source.kind() {
            io::ErrorKind::NotFound => {
                "check the path; a relative one starts from the current directory"
            }
            io::ErrorKind::PermissionDenied => {
                "run as the user who owns the file, or have it made readable for you"
            }
            _ => "check that it is a readable file",
        },
        FileError::NotUtf8(_) => "save it as UTF-8 and run the command again",
        FileError::Write { source, .. } => match source.kind() {
            io::ErrorKind::StorageFull => "make room on the disk and run the command again",
            io::ErrorKind::NotFound => "create its directory first",
            _ => "choose a place you may write to",
        },
        FileError::Exists(_) => "choose another name, or move the existing file away first",
    }
}

fn hint_for_secret(error: &KeyFileError) -> &'static str {
    match error {
        KeyFileError::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            "check the path; a relative one starts from the current directory"
        }
        KeyFileError::Unreadable { .. } => "run as the user who owns the file",
        KeyFileError::Mode { .. } => "if others may have read it, it is no secret any more",
        KeyFileError::NotRegular { .. } => "give a file, with mode 0600",
        KeyFileError::TooLong { .. } | KeyFileError::NotText { .. } => {
            "check that the path is that of the file that was meant"
        }
    }
}

fn hint_for_identity_file(error: IdentityFileError) -> &'static str {
    match error {
        IdentityFileError::Other => {
            "give the file that `certmesh department init` wrote beside the node's directory; the node's own keys sign nothing here"
        }
        IdentityFileError::Later(_) => "use the version of certmesh that wrote it, or a later one",
        IdentityFileError::Passphrase => {
            "it is the one given when the key was made or last changed; capitals and spaces count. `certmesh identity show` shows \
             whose key it is"
        }
        IdentityFileError::Memory(_) => "run the command where there is more memory",
        IdentityFileError::CutOff(_)
        | IdentityFileError::Longer(_)
        | IdentityFileError::Damaged(_)
        | IdentityFileError::Cost(_) => {
            "use another copy of the file; without one, have the other members replace the identity key"
        }
    }
}

fn hint_for_problem(problem: &Problem) -> Option<&'static str> {
    use ProblemType::*;

    let hint = match problem.kind.known()? {
        Unauthorised => {
            "give the client's token with --token-file, CERTMESH_TOKEN_FILE or a profile's token_file"
        }
        Forbidden => {
            "this client's role is not enough: `certmesh department token add` makes a token of another role"
        }
        UnknownCertificate => {
            "check the identifier; a certificate just issued takes a moment to reach other departments"
        }
        UnknownType => "`certmesh catalogue` lists the types; `certmesh type define` adds one",
        NotThisDepartment | OtherDepartment => {
            "give that department's node with --node, and a token of it; or ask that department to do it"
        }
        DuplicateCertificate => {
            "issue the next version (--certificate-version, or `version` in a file), or `certmesh show` what is there"
        }
        ImpossibleTransition => {
            "`certmesh history` shows how the certificate got its present status"
        }
        OwnLogUnconfirmed => {
            "`certmesh status` shows what this node waits for: start the other departments' nodes, or stop the second node that \
             runs with this department's keys. `certmesh resume` only if this disk was not restored from a backup and no second node \
             runs"
        }
        NotDecidable => "`certmesh govern list` shows how things are",
        NotSalvageable => {
            "keep this disk and what lies under set-aside/ as they are: a later version of certmesh will let the members decide \
             how the log continues"
        }
        LogReadOnly => {
            "a disk write was refused: make room on the disk or repair it, then restart the node"
        }
        LookupNotRecorded => {
            "make room on the node's disk or repair it: look-ups resume by themselves once they can be recorded"
        }
        CatalogueKeyMissing => {
            "it asks the other members for it: `certmesh peers` shows who is connected, and the node's log who sent nothing"
        }
        DecisionsMissing => {
            "it gets them from the other members: `certmesh peers` shows who is connected; a newer trust file beside the genesis \
             brings them as well"
        }
        ClockOff => "correct the node's clock; `certmesh peers` shows how far each member's is off",
        LogFrozen => {
            "this department's log is in dispute: see `certmesh logs`, and inform the network's operators"
        }
        ProofNotAvailable => "a proof needs a checkpoint of the issuer: wait for one and try again",
        RetrievalRefused => {
            "`certmesh grant list` shows what its issuer grants, `certmesh matter show` what the matter needs"
        }
        IssuerUnreachable => {
            "try again when it is reachable; `certmesh peers` shows who is connected"
        }
        IssuerNotAuthorised => {
            "`certmesh verify` shows who issued it; `certmesh type show` names who may"
        }
        NotVerifiable => {
            "try again when the log that defines its type has arrived; `certmesh logs` shows how far it is"
        }
        WrongAnswer => "inform the issuer's operators and the network's: this must not happen",
        Internal => "see the node's log for the cause",
        // The message says what to correct.
        _ => return None,
    };
    Some(hint)
}

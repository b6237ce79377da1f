//! `certmesh verify` and `certmesh prove`: is this certificate genuine and in force, and how is it known.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use certmesh_api::Verification;
use certmesh_ledger::id::{CertificateId, Date};
use certmesh_ledger::verify::{Bundle, MAX_BUNDLE, Reader};
use clap::Args;
use zeroize::Zeroizing;

use crate::args::Global;
use crate::change::read_id;
use crate::client::{Client, segment};
use crate::files::{Access, write_whole};
use crate::message::{Advice, Message};
use crate::moment::now_ms;
use crate::names::Names;
use crate::provenance::{self, Source, outcome_of};
use crate::screen::{LONGEST_ANSWER, Screen};
use crate::{Error, Outcome, base45, offline};

/// Most bytes that are read of a line: a proof in Base45 is one.
const MOST_TYPED: u64 = 2 * MAX_BUNDLE as u64;

/// Say whether a certificate is genuine and in force, and how that is known
///
/// With an identifier, the node is asked: any department's node answers, also when the issuer's is down. With a proof
/// file (from `certmesh prove`) and the network's genesis, no node is needed: the answer then holds for the moment at
/// which the proof was made. A proof that no department but the issuer has signed is unknown, and one dated more than 10
/// minutes ahead of this machine's clock does not hold.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_EXAMPLES)]
pub(crate) struct Verify {
    /// Certificate identifier, or a proof: its file, or its Base45 as a scanned code has it. `-`: a line on standard input,
    /// as a code scanner types either of them; with --network, all of standard input
    #[arg(value_name = "ID|PROOF")]
    what: String,
    /// Genesis or trust file of the network, by which a proof is verified without a node; who joined after the founding stands in
    /// the trust file alone (`certmesh govern trust-file`) [default: the profile's `network`]
    #[arg(long, value_name = "GENESIS")]
    network: Option<PathBuf>,
    /// Verify as of this day (China Standard Time), YYYY-MM-DD [default: today]. Only the dates of validity are as of that
    /// day; the status is the one known now
    #[arg(long, value_name = "DATE")]
    on: Option<Date>,
    /// Accept the issuer's word alone: a proof that no other department has signed can then be valid
    #[arg(long, requires = "network")]
    issuer_only: bool,
}

const VERIFY_EXAMPLES: &str = "\
Examples:
  certmesh verify 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U
  certmesh verify 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U \\
      --on 2026-03-04
  certmesh verify -
  certmesh verify licence.proof --network network.toml
  certmesh verify licence.proof --network network.toml --issuer-only
  certmesh verify '6BFOXN%TSKD6S$4…' --network network.toml

Exit code: 0 valid, 1 not valid, 3 unknown; 2 if the question could not be asked.";

/// Get the proof of a certificate's record and status, to be verified anywhere without a node
///
/// The proof holds no personal data beyond what the log holds. It should have another department's signature beside the
/// issuer's: the node waits for one, 5 seconds at most. What a node of another department than the issuer gives has it.
#[derive(Debug, Args)]
#[command(after_help = PROVE_EXAMPLES)]
pub(crate) struct Prove {
    /// Certificate identifier
    #[arg(value_name = "ID")]
    id: String,
    /// File to write the proof to, or `-` for standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Write it in Base45 (RFC 9285), the characters that a QR code packs closest
    #[arg(long)]
    base45: bool,
    /// Replace a file that exists
    #[arg(long)]
    force: bool,
}

const PROVE_EXAMPLES: &str = "\
Examples:
  certmesh prove 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U \\
      -o licence.proof
  certmesh verify licence.proof --network network.toml";

pub(crate) fn run(args: &Verify, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let is_id = CertificateId::parse_lenient(&args.what).is_ok();
    if args.network.is_some() && is_id && !Path::new(&args.what).exists() {
        return Err(Error::IdentifierWithNetwork(args.what.clone()));
    }
    let asked = match args.what.as_str() {
        // With a genesis a file is meant, whatever its name; without one an identifier, so that an odd file name cannot
        // keep a certificate from being asked for.
        what if is_id && args.network.is_none() => Asked::Id(Zeroizing::new(what.to_owned())),
        "-" if args.network.is_none() || screen.can_ask() => Asked::of(scanned(screen)?),
        what => match proof_in(what) {
            Some(proof) => Asked::Proof(proof),
            None if args.network.is_some() || Path::new(what).exists() => Asked::File,
            None => Asked::Id(Zeroizing::new(what.to_owned())),
        },
    };
    let id = match asked {
        Asked::Id(text) => match read_id(text.trim(), screen)? {
            id if args.network.is_some() => {
                return Err(Error::IdentifierWithNetwork(id.to_string()));
            }
            id => id,
        },
        Asked::Proof(proof) => {
            let Some(genesis) = genesis(args, global) else {
                return Err(Error::said(Message::IsProof, Advice::Network));
            };
            return offline(&proof, args, genesis, screen);
        }
        Asked::File => {
            let Some(genesis) = genesis(args, global) else {
                return Err(Error::NoNetworkGiven(PathBuf::from(&args.what)));
            };
            let proof = offline::read_proof(Path::new(&args.what), screen)?;
            return offline(&proof, args, genesis, screen);
        }
    };
    let client = Client::new(global)?;
    let mut path = format!("/v1/certificates/{}/verification", segment(id.as_str()));
    if let Some(day) = args.on {
        path.push_str(&format!("?on={day}"));
    }
    let answer = client.get(&path)?;
    let verification: Verification = answer.parse()?;
    if screen.json() {
        screen.pass(&answer)?;
        return Ok(outcome_of(&verification.verdict));
    }
    let names = Names::ask(&client);
    provenance::show(&verification, &names, Source::Node, now_ms(), screen)
}

/// What is to be verified.
enum Asked {
    /// What should be an identifier.
    Id(Zeroizing<String>),
    Proof(Vec<u8>),
    /// A proof in the file of that name, or on standard input.
    File,
}

impl Asked {
    /// What a line is.
    fn of(line: Zeroizing<String>) -> Asked {
        match proof_in(&line) {
            Some(proof) => Asked::Proof(proof),
            None => Asked::Id(line),
        }
    }
}

/// The proof that a text is in Base45.
fn proof_in(text: &str) -> Option<Vec<u8>> {
    let proof = base45::decode(text.trim_end_matches(['\r', '\n']))?;
    Bundle::from_bytes(&proof).is_ok().then_some(proof)
}

fn genesis<'a>(args: &'a Verify, global: &'a Global) -> Option<&'a Path> {
    args.network.as_deref().or(global.network())
}

fn offline(
    proof: &[u8],
    args: &Verify,
    genesis: &Path,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let now_ms = now_ms();
    let reader = Reader {
        on: args.on.unwrap_or_else(|| Date::in_china(now_ms)),
        now_ms,
        issuer_only: args.issuer_only,
    };
    // A proof itself is no name to call it by.
    let named = match Path::new(&args.what).exists() {
        true => Path::new(&args.what),
        false => Path::new("-"),
    };
    offline::run(proof, named, genesis, &reader, screen)
}

/// The line that a scanner or a person types.
fn scanned(screen: &mut Screen) -> Result<Zeroizing<String>, Error> {
    if screen.can_ask() {
        let question = "Certificate identifier, or proof:";
        return Ok(screen.ask(question)?.unwrap_or_default());
    }
    let mut line = Zeroizing::new(String::with_capacity(LONGEST_ANSWER));
    screen.input().take(MOST_TYPED).read_line(&mut line)?;
    Ok(line)
}

pub(crate) fn prove(args: &Prove, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let id = read_id(&args.id, screen)?;
    let client = Client::new(global)?;
    let to_output = args.output.as_os_str() == "-";
    if !to_output && !args.force && args.output.exists() {
        return Err(Error::exists(&args.output));
    }
    let answer = client.get(&format!("/v1/certificates/{}/proof", segment(id.as_str())))?;
    let alone = Bundle::from_bytes(&answer.body).is_ok_and(|bundle| !bundle.is_witnessed());
    if alone {
        screen.note(
            "note: no other department has signed this proof yet, so nothing is valid by it to a reader for whom the issuer's word is not enough; \
             prove again later, or ask the node of another department",
        );
    }
    let text = args.base45.then(|| base45::encode(&answer.body));
    let proof = text
        .as_ref()
        .map_or(&answer.body[..], |text| text.as_bytes());
    if to_output {
        screen.out().write_all(proof)?;
        return Ok(Outcome::Yes);
    }
    write_whole(&args.output, proof, args.force, Access::Everyone)?;
    let bytes = proof.len();
    if screen.json() {
        screen.print_json(&serde_json::json!({
            "id": id,
            "file": args.output,
            "bytes": bytes,
            "issuer_only": alone,
        }))?;
    } else {
        screen.line(format!(
            "proof of {id} in {} ({bytes} bytes)",
            args.output.display()
        ))?;
    }
    Ok(Outcome::Yes)
}

//! `certmesh department`: a department's directory with its keys, tokens and configuration.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use certmesh_ledger::codec::{Ascending, Bounded, Text};
use certmesh_ledger::crypto::keys::{PublicKey, SecretFile, SigningKey};
use certmesh_ledger::crypto::sealing::SealingSecret;
use certmesh_ledger::genesis::{Department, PeerId, Role, check_address, undialable};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::last_run::Mark;
use certmesh_text::{address_fault, parse_fault};
use clap::{Args, Subcommand};
use zeroize::Zeroizing;

pub(crate) use identity::usual_place;

use crate::files::{Access, private_directory, sync_directory, write_new};
use crate::identity::{KeyPlace, PassphraseFile, make, public_in_token};
use crate::screen::Screen;
use crate::{Error, Outcome};

mod erase_void;
mod identity;
mod seal;
mod shown;
mod token;

pub(crate) use seal::has_sealed_keys;

pub(crate) const EXAMPLES: &str = "\
Examples:
  certmesh department init --code 11430000006122244L --name Transport --dir transport
  certmesh department token add --dir transport --name counter-3 --role issue";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(Init),
    SealKeys(seal::SealKeys),
    EraseVoid(erase_void::EraseVoid),
    /// Clients of the node's API: add, list, revoke
    #[command(subcommand, after_help = token::EXAMPLES)]
    Token(token::Command),
}

/// Make a department's directory: keys, an administrator's token, and a node configuration ready to run
///
/// Send the `department.toml` it holds to whoever founds the network; to join one that runs: `certmesh network join`. Everything else in it stays with the department;
/// keys and tokens can be read by their owner alone (mode 0600).
///
/// The identity key, with which people sign what the department decides with the other members, is written beside the
/// directory, encrypted under a passphrase: the node never needs it. Without the file or the passphrase it is lost.
#[derive(Debug, Args)]
#[command(after_help = INIT_EXAMPLES)]
pub(crate) struct Init {
    /// The department's unified social credit code, 18 characters
    #[arg(long, value_name = "CODE")]
    code: String,
    /// Its name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Its Chinese name
    #[arg(long, value_name = "NAME")]
    name_zh: Option<String>,
    /// Directory to make; one that exists must be empty
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Where to write the identity key, outside of that directory; or the `pkcs11:` URI of one that was made in a token
    /// [default: DIR-identity.key]
    #[arg(long, value_name = "FILE|URI", value_parser = KeyPlace::parser())]
    identity_key: Option<KeyPlace>,
    #[command(flatten)]
    passphrase: PassphraseFile,
    /// Where other departments reach its node, as a multiaddress; may be given several times
    #[arg(long, value_name = "MULTIADDR")]
    address: Vec<String>,
    /// What it may do: `issue` certificates; `define:AUTHORITY` defines the types of an authority that is not a member, which
    /// no other department then can; may be given several times [default: issue]
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// Where its node's API listens
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7480")]
    api: String,
    /// Where its node listens for other departments; may be given several times [default: /ip4/0.0.0.0/tcp/7481]
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<String>,
}

const INIT_EXAMPLES: &str = "\
Examples:
  certmesh department init --code 11430000006122244L --name Transport \\
      --name-zh 交通运输厅 --dir transport --address /ip4/10.1.2.3/tcp/7481
  certmesh department init --code 11430000006122244L --name Transport --dir transport \\
      --identity-key /media/safe/transport-identity.key --passphrase-file passphrase.txt
  certmesh department init --code 11430000006122244L --name Transport --dir transport \\
      --identity-key 'pkcs11:token=TRANSPORT;object=identity'
  certmesh department init --code 11100000000013338W --name Ministry \\
      --dir ministry --role issue --role define:11100000MB03271699 --api 127.0.0.1:7490 \\
      --listen /ip4/0.0.0.0/tcp/7491 --address /dns4/ministry.example/tcp/7491";

/// The arguments once they are known to be right.
struct Plan {
    code: DepartmentCode,
    name: Text<128>,
    name_zh: Option<Text<128>>,
    roles: Vec<Role>,
    addresses: Bounded<Text<256>, 8>,
    api: SocketAddr,
    listen: Vec<String>,
    identity: Identity,
}

/// The department's identity key.
enum Identity {
    /// To be made, in this file.
    New(PathBuf),
    /// In a token, where it stays.
    InToken(PublicKey),
}

pub(crate) fn run(command: Command, screen: &mut Screen) -> Result<Outcome, Error> {
    match command {
        Command::Init(args) => init(&args, screen),
        Command::SealKeys(args) => seal::run(&args, screen),
        Command::EraseVoid(args) => erase_void::run(&args, screen),
        Command::Token(command) => token::run(&command, screen),
    }
}

fn init(args: &Init, screen: &mut Screen) -> Result<Outcome, Error> {
    let existed = must_be_new_or_empty(&args.dir)?;
    let plan = plan(args).map_err(|faults| Error::Faults {
        what: "the department cannot be set up:",
        faults,
    })?;
    let written = match &plan.identity {
        Identity::New(path) => {
            let passphrase = args.passphrase.of_new_key(path, screen)?;
            make_directory(&args.dir, existed)?;
            let seed = random()?;
            let made = make(path, plan.code, &seed, &passphrase);
            made.and_then(|()| {
                let written = write(&args.dir, &plan, SigningKey::from_seed(&seed).public());
                // Nothing names this key yet.
                written.inspect_err(|_| drop(fs::remove_file(path)))
            })
        }
        Identity::InToken(public) => {
            make_directory(&args.dir, existed)?;
            write(&args.dir, &plan, *public)
        }
    };
    match written {
        Ok(department) => shown::present(args, &plan, &department, screen),
        Err(error) => {
            // It was empty before: what is in it now is ours and useless.
            empty(&args.dir, !existed);
            Err(error)
        }
    }
}

fn make_directory(dir: &Path, existed: bool) -> Result<(), Error> {
    match existed {
        true => Ok(()),
        false => fs::create_dir_all(dir).map_err(|error| Error::write(dir, error)),
    }
}

/// Where the identity key is to be, or the one that is in a token.
fn identity_of(args: &Init, faults: &mut Vec<String>) -> Option<Identity> {
    let found = match &args.identity_key {
        Some(KeyPlace::Token(text)) => {
            let public = public_in_token(text).map(Identity::InToken);
            public.map_err(|error| format!("--identity-key: {}", error.in_one_line()))
        }
        place => {
            let path = place.as_ref().and_then(KeyPlace::file);
            identity::place(path, &args.dir).map(Identity::New)
        }
    };
    found.map_err(|fault| faults.push(fault)).ok()
}

fn must_be_new_or_empty(dir: &Path) -> Result<bool, Error> {
    match fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            None => Ok(true),
            Some(_) => Err(Error::NotEmpty(dir.to_owned())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(Error::NotEmpty(dir.to_owned()))
        }
        Err(error) => Err(Error::read(dir, error)),
    }
}

fn plan(args: &Init) -> Result<Plan, Vec<String>> {
    let mut faults = Vec::new();
    let code = args
        .code
        .parse::<DepartmentCode>()
        .map_err(|error| faults.push(format!("--code: {}", parse_fault(error))))
        .ok();
    let name = check_name("--name", &args.name, &mut faults);
    let name_zh = args
        .name_zh
        .as_ref()
        .map(|name| check_name("--name-zh", name, &mut faults));
    let mut roles = Vec::new();
    for role in &args.role {
        match role.parse::<Role>() {
            Ok(role) => roles.push(role),
            Err(error) => faults.push(format!("--role: `{role}`: {}", parse_fault(error))),
        }
    }
    if args.role.is_empty() {
        roles.push(Role::Issue);
    }
    roles.sort_unstable();
    roles.dedup();
    let addresses = check_addresses(&args.address, &mut faults);
    let api = args
        .api
        .parse()
        .map_err(|_| faults.push(not_a_socket(&args.api)))
        .ok();
    let mut listen = args.listen.clone();
    let unusable = listen
        .iter()
        .filter_map(|address| check_address(address).err());
    faults.extend(unusable.map(|fault| format!("--listen: {}", address_fault(&fault))));
    if listen.is_empty() {
        listen.push("/ip4/0.0.0.0/tcp/7481".to_owned());
    }
    let identity = identity_of(args, &mut faults);
    match (code, name, addresses, api, identity) {
        (Some(code), Some(name), Some(addresses), Some(api), Some(identity))
            if faults.is_empty() =>
        {
            Ok(Plan {
                code,
                name,
                name_zh: name_zh.flatten(),
                roles,
                addresses,
                api,
                listen,
                identity,
            })
        }
        _ => Err(faults),
    }
}

fn not_a_socket(api: &str) -> String {
    format!("--api: `{api}` is not an IP address and a port, such as 127.0.0.1:7480")
}

fn check_name(option: &str, name: &str, faults: &mut Vec<String>) -> Option<Text<128>> {
    if name.trim().is_empty() {
        faults.push(format!("{option}: is empty"));
        return None;
    }
    Text::new(name)
        .map_err(|error| faults.push(format!("{option}: {error}")))
        .ok()
}

fn check_addresses(
    addresses: &[String],
    faults: &mut Vec<String>,
) -> Option<Bounded<Text<256>, 8>> {
    let mut texts = Vec::new();
    for address in addresses {
        match Text::new(address.as_str()) {
            Ok(text) => texts.push(text),
            Err(error) => faults.push(format!("--address: {error}")),
        }
    }
    let undialable = undialable([("--address", &*texts)]).into_iter();
    faults.extend(undialable.map(|(option, fault)| format!("{option}: {}", address_fault(&fault))));
    Bounded::new(texts)
        .map_err(|error| faults.push(format!("--address: {error}")))
        .ok()
}

fn random() -> Result<Zeroizing<[u8; 32]>, Error> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(Error::Randomness)?;
    Ok(bytes)
}

/// Writes every file but that of the identity key; secrets live only as long as it takes.
fn write(dir: &Path, plan: &Plan, identity_key: PublicKey) -> Result<Department, Error> {
    let keys = dir.join("keys");
    private_directory(&keys)?;
    private_directory(&dir.join("data"))?;
    let (signing, transport) = (random()?, random()?);
    let (sealing, field) = (random()?, random()?);
    for (file, secret, name) in [
        (SecretFile::Signing, &signing, "signing.key"),
        (SecretFile::Transport, &transport, "transport.key"),
        (SecretFile::Sealing, &sealing, "sealing.key"),
        (SecretFile::Field, &field, "field.key"),
    ] {
        write_new(
            &keys.join(name),
            file.write(secret).as_bytes(),
            Access::Owner,
        )?;
    }
    let mark = Mark::new(&keys.join("signing.key"), &dir.join("data"));
    mark.write_never_appended()
        .map_err(|error| Error::write(mark.path(), error))?;
    let hash = token::write(&dir.join("admin.token"))?;
    write_new(
        &dir.join("tokens.toml"),
        token::first_client(&hash).as_bytes(),
        Access::Owner,
    )?;
    let department = Department {
        code: plan.code,
        name: plan.name.clone(),
        name_zh: plan.name_zh.clone(),
        roles: Ascending::first(plan.roles.iter().copied()),
        governs: true,
        identity_key,
        signing_key: SigningKey::from_seed(&signing).public(),
        peer_id: PeerId::from_transport_seed(&transport),
        sealing_key: SealingSecret::from_seed(&sealing).public(),
        addresses: plan.addresses.clone(),
    };
    let public = format!(
        "# Who this department is: send this file to whoever founds the network. Nothing in it is secret.\n{}",
        department.to_toml()
    );
    write_new(
        &dir.join("department.toml"),
        public.as_bytes(),
        Access::Everyone,
    )?;
    write_new(
        &dir.join("node.toml"),
        node_toml(plan).as_bytes(),
        Access::Everyone,
    )?;
    sync_directory(&keys)?;
    sync_directory(dir)?;
    Ok(department)
}

/// Where others reach the node, which it states to them: to be changed when it moves.
fn external(addresses: &[Text<256>]) -> String {
    let quoted = addresses
        .iter()
        .map(|at| toml::Value::from(at.as_str()).to_string());
    let quoted: Vec<String> = quoted.collect();
    match quoted.is_empty() {
        true => String::new(),
        false => format!("external = [{}]\n", quoted.join(", ")),
    }
}

fn node_toml(plan: &Plan) -> String {
    let quote = |text: &str| toml::Value::from(text).to_string();
    let listen: Vec<String> = plan.listen.iter().map(|address| quote(address)).collect();
    format!(
        "# Configuration of the department's node. Relative paths start from this file's directory.\n\
         # Beside it belong network.toml and keys/catalogue.key (mode 0600), both from the network's founder. A department that\n\
         # joins later gets them by `certmesh network join` and from the other members' nodes.\n\n\
         department = {code}\n\
         data_dir = \"data\"\n\
         network = \"network.toml\"\n\n\
         [keys]\n\
         signing = \"keys/signing.key\"\n\
         transport = \"keys/transport.key\"\n\
         sealing = \"keys/sealing.key\"\n\
         field = \"keys/field.key\"\n\
         catalogue = \"keys/catalogue.key\"\n\n\
         # The HTTP API for business systems and the `certmesh` command. Any address but this machine's own needs a TLS\n\
         # certificate (tls_certificate, tls_key: PEM files).\n\
         [api]\n\
         listen = {api}\n\
         tokens = \"tokens.toml\"\n\n\
         # Where the other departments' nodes connect to.\n\
         [net]\n\
         listen = [{listen}]\n\
         {external}\
         quic = {quic}\n\n\
         [log]\n\
         format = \"text\"\n\
         level = \"info\"\n\n\
         # Folders whose tables are imported: see `certmesh-node run --help`.\n\
         # [[watch]]\n\
         # folder = \"inbox\"\n\
         # type = \"\"\n\
         # map = \"map.toml\"\n",
        external = external(&plan.addresses),
        code = quote(plan.code.as_str()),
        api = quote(&plan.api.to_string()),
        listen = listen.join(", "),
        quic = plan
            .listen
            .iter()
            .any(|address| address.ends_with("/quic-v1")),
    )
}

fn empty(dir: &Path, remove_dir: bool) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        // The error that led here is the one worth reporting.
        let _ = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
    }
    if remove_dir {
        let _ = fs::remove_dir(dir);
    }
}

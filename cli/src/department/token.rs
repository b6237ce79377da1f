//! `certmesh department token`: clients of the node's API, each an entry in `tokens.toml` and a token of its own.

use std::fs;
use std::path::{Path, PathBuf};

use certmesh_api::tokens::{Clients, Role};
use clap::{Args, Subcommand};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};
use zeroize::Zeroizing;

use super::random;
use crate::files::{Access, read_text, sync_directory, write_new, write_whole};
use crate::screen::{Screen, Tone, cell};
use crate::{Error, Outcome};

pub(crate) const EXAMPLES: &str = "\
Examples:
  certmesh department token add --dir transport --name counter-3 --role issue
  certmesh department token list --dir transport
  certmesh department token revoke --dir transport --name counter-3";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Add(Add),
    List(List),
    Revoke(Revoke),
}

/// Make a token for one more client of the node's API
///
/// Writes the token to NAME.token (mode 0600) and adds the client to tokens.toml, which holds the BLAKE3 hash of the
/// token's characters without a line end. A node that runs reads tokens.toml again when it gets SIGHUP.
#[derive(Debug, Args)]
#[command(after_help = ADD_EXAMPLES)]
pub(crate) struct Add {
    /// Directory that `department init` made
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The client's name: letters, digits, `.`, `_` and `-`
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What it may do: read, verifies and looks up what is about no one person; clerk, sees what a person holds and accepts
    /// cases as well; issue, issues and changes statuses beside read; admin, everything
    #[arg(long, value_name = "ROLE")]
    role: Role,
}

const ADD_EXAMPLES: &str = "\
Examples:
  certmesh department token add --dir transport --name counter-3 --role issue
  certmesh department token add --dir transport --name web-portal --role read --json";

/// List the clients of the node's API with their roles
#[derive(Debug, Args)]
#[command(after_help = LIST_EXAMPLES)]
pub(crate) struct List {
    /// Directory that `department init` made
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

const LIST_EXAMPLES: &str = "\
Examples:
  certmesh department token list --dir transport
  certmesh department token list --dir transport --json";

/// Remove a client of the node's API, so that its token stops working
///
/// Removes the client from tokens.toml, and NAME.token if that holds this client's token. A node that runs refuses the token
/// from when it gets SIGHUP; the client's requests in progress are then refused as well.
#[derive(Debug, Args)]
#[command(after_help = REVOKE_EXAMPLES)]
pub(crate) struct Revoke {
    /// Directory that `department init` made
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The client's name
    #[arg(long, value_name = "NAME")]
    name: String,
}

const REVOKE_EXAMPLES: &str = "\
Examples:
  certmesh department token revoke --dir transport --name counter-3";

/// Makes a token and writes it to a new file; returns the hash that `tokens.toml` knows it by.
pub(super) fn write(path: &Path) -> Result<String, Error> {
    let token = Zeroizing::new(hex::encode(random()?.as_slice()));
    let line = Zeroizing::new(format!("{}\n", *token));
    write_new(path, line.as_bytes(), Access::Owner)?;
    Ok(hash_of(&token))
}

fn hash_of(token: &str) -> String {
    blake3::hash(token.as_bytes()).to_hex().to_string()
}

/// `tokens.toml` with the administrator alone.
pub(super) fn first_client(hash: &str) -> String {
    let mut text = DocumentMut::new();
    let mut clients = ArrayOfTables::new();
    clients.push(entry("admin", Role::Admin, hash));
    text.insert("client", Item::ArrayOfTables(clients));
    format!(
        "# Clients of the node's API: name, role (read, clerk, issue or admin) and the BLAKE3 hash of the client's token,\n\
         # without its line end. `certmesh department token` adds, lists and revokes them. The node reads this file (mode\n\
         # 0600) at its start and at SIGHUP. The token of the first one is in admin.token.\n\n{text}"
    )
}

fn entry(name: &str, role: Role, hash: &str) -> Table {
    let mut table = Table::new();
    table.insert("name", value(name));
    table.insert("role", value(role.as_str()));
    table.insert("token_blake3", value(hash));
    table
}

pub(super) fn run(command: &Command, screen: &mut Screen) -> Result<Outcome, Error> {
    match command {
        Command::Add(args) => add(args, screen),
        Command::List(args) => list(args, screen),
        Command::Revoke(args) => revoke(args, screen),
    }
}

fn add(args: &Add, screen: &mut Screen) -> Result<Outcome, Error> {
    let name = &args.name;
    // It becomes a file's name, which must not be hidden or look like an option.
    if name.starts_with(['.', '-']) || name.contains(['/', '\\']) {
        return Err(Error::Usage(
            "--name is 1 to 64 letters, digits, `.`, `_` and `-`, and begins with neither `.` nor `-`",
        ));
    }
    let mut file = ClientsFile::read(&args.dir)?;
    // Checked with another token's hash first: a client that the node would refuse gets no token.
    let placeholder = hash_of(&hex::encode(random()?.as_slice()));
    file.checked_with(entry(name, args.role, &placeholder))?;
    let token = args.dir.join(format!("{name}.token"));
    let hash = write(&token)?;
    file.clients().push(entry(name, args.role, &hash));
    if let Err(error) = file.write() {
        // A token that no node knows is of no use, and would stand in the way of the next attempt.
        let _ = fs::remove_file(&token);
        return Err(error);
    }
    sync_directory(&args.dir)?;
    if screen.json() {
        screen.print_json(&serde_json::json!({
            "name": name,
            "role": args.role.as_str(),
            "token_file": token,
            "tokens": file.path,
        }))?;
        return Ok(Outcome::Yes);
    }
    let done = screen.paint(Tone::Good, "DONE");
    screen.line(format!(
        "{done}  client {name} may {}; its token is in {}",
        match args.role {
            Role::Read => "read",
            Role::Clerk => "read and accept cases",
            Role::Issue => "read and issue",
            Role::Admin => "do everything",
        },
        token.display()
    ))?;
    screen.line(counts_from(&args.dir))?;
    Ok(Outcome::Yes)
}

fn list(args: &List, screen: &mut Screen) -> Result<Outcome, Error> {
    let clients = ClientsFile::read(&args.dir)?.checked()?;
    if screen.json() {
        let client = |client: &certmesh_api::tokens::Client| serde_json::json!({"name": &*client.name, "role": client.role.as_str()});
        screen.print_json(&clients.iter().map(client).collect::<Vec<_>>())?;
        return Ok(Outcome::Yes);
    }
    let rows = clients
        .iter()
        .map(|client| vec![cell(&*client.name), cell(client.role.as_str())]);
    screen.table(&["NAME", "ROLE"], &[0, 1], rows.collect())?;
    Ok(Outcome::Yes)
}

fn revoke(args: &Revoke, screen: &mut Screen) -> Result<Outcome, Error> {
    let name = &args.name;
    let mut file = ClientsFile::read(&args.dir)?;
    let clients = file.clients();
    let named = |(_, client): &(usize, &Table)| text_of(client, "name") == Some(name);
    let Some((at, client)) = clients.iter().enumerate().find(named) else {
        let path = file.path.display();
        return Err(fault(format!("{path} has no client {name}")));
    };
    let hash = text_of(client, "token_blake3").map(str::to_owned);
    clients.remove(at);
    file.write()?;
    let token = args.dir.join(format!("{name}.token"));
    let removed =
        hash.is_some_and(|hash| is_token(&token, &hash)) && fs::remove_file(&token).is_ok();
    sync_directory(&args.dir)?;
    if screen.json() {
        screen.print_json(&serde_json::json!({
            "name": name,
            "token_file_removed": removed,
            "tokens": file.path,
        }))?;
        return Ok(Outcome::Yes);
    }
    let done = screen.paint(Tone::Good, "DONE");
    let more = if removed {
        ", and its token file removed"
    } else {
        ""
    };
    screen.line(format!(
        "{done}  client {name} is removed from tokens.toml{more}"
    ))?;
    screen.line(counts_from(&args.dir))?;
    Ok(Outcome::Yes)
}

/// Whether a file holds the token that has this hash. A file of that name may be something else.
fn is_token(path: &Path, hash: &str) -> bool {
    let text = read_text(path).map(Zeroizing::new);
    text.is_ok_and(|text| hash_of(text.trim_end_matches(['\r', '\n'])) == hash)
}

/// What makes a change of `tokens.toml` count.
fn counts_from(dir: &Path) -> String {
    match running_node(&dir.join("data")) {
        Some(pid) => format!("It counts once the node reads the file again: kill -HUP {pid}"),
        None => {
            "It counts once the node reads the file again: at its start, or at SIGHUP.".to_owned()
        }
    }
}

/// The process of the node that runs with this data directory. A node that was killed leaves its number behind, which may be
/// another program's by now: only one that holds the directory is named.
fn running_node(data: &Path) -> Option<u64> {
    let lock = fs::File::open(data.join("LOCK")).ok()?;
    if lock.try_lock_shared().is_ok() {
        return None;
    }
    let json = fs::read(data.join("node.json")).ok()?;
    let node: serde_json::Value = serde_json::from_slice(&json).ok()?;
    node["pid"].as_u64()
}

/// `tokens.toml`, changed with its comments left as they are.
struct ClientsFile {
    path: PathBuf,
    text: DocumentMut,
}

impl ClientsFile {
    /// Reads the file, which must be one that the node would read.
    fn read(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("tokens.toml");
        // A parser's message would quote the line, which may be a token put there by mistake.
        let text = read_text(&path)?
            .parse()
            .map_err(|_: toml_edit::TomlError| {
                Error::malformed(&path, "a list of API clients", "it cannot be read as TOML")
            })?;
        let mut file = Self { path, text };
        file.checked()?;
        // A list in brackets means the same and becomes a list of sections, so that one can be added.
        if let Some(item) = file.text.get_mut("client") {
            let clients = std::mem::take(item).into_array_of_tables();
            *item = clients.map_or_else(|other| other, Item::ArrayOfTables);
        }
        Ok(file)
    }

    /// The clients, by the node's own rules.
    fn checked(&self) -> Result<Clients, Error> {
        Clients::parse(&self.text.to_string(), &self.path).map_err(|error| fault(error.to_string()))
    }

    /// Whether the file would be right with one more client.
    fn checked_with(&self, client: Table) -> Result<(), Error> {
        let (path, text) = (self.path.clone(), self.text.clone());
        let mut with = Self { path, text };
        with.clients().push(client);
        with.checked().map(drop)
    }

    fn clients(&mut self) -> &mut ArrayOfTables {
        let clients = self.text.get_mut("client");
        let clients = clients.and_then(Item::as_array_of_tables_mut);
        clients.expect("a file without a list of clients was refused when it was read")
    }

    fn write(&self) -> Result<(), Error> {
        self.checked()?;
        write_whole(
            &self.path,
            self.text.to_string().as_bytes(),
            true,
            Access::Owner,
        )
    }
}

fn text_of<'a>(client: &'a Table, key: &str) -> Option<&'a str> {
    client.get(key).and_then(Item::as_str)
}

fn fault(fault: String) -> Error {
    Error::Faults {
        what: "the clients of the API cannot be changed:",
        faults: vec![fault],
    }
}

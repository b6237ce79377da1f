//! `certmesh department token`: tokens of API clients, each with its line in `tokens.toml`.

use std::fs;
use std::path::{Path, PathBuf};

use certmesh_node::api::auth::Role;
use clap::Args;
use zeroize::Zeroizing;

use super::random;
use crate::files::{Access, read_text, sync_directory, write_new, write_whole};
use crate::screen::{Screen, Tone};
use crate::{Error, Outcome};

/// Make a token for one more client of the node's API
///
/// Writes the token to NAME.token (mode 0600) and adds the client to tokens.toml, which holds the BLAKE3 hash of the
/// token's characters without a line end. The node reads tokens.toml at its start: restart it for the token to count.
/// To take a client out, remove its entry from tokens.toml.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Token {
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

const EXAMPLES: &str = "\
Examples:
  certmesh department token --dir transport --name counter-3 --role issue
  certmesh department token --dir transport --name web-portal --role read --json";

/// Makes a token and writes it to a new file; gives the hash that `tokens.toml` knows it by.
pub(super) fn write(path: &Path) -> Result<String, Error> {
    let token = Zeroizing::new(hex::encode(random()?.as_slice()));
    let line = Zeroizing::new(format!("{}\n", *token));
    write_new(path, line.as_bytes(), Access::Owner)?;
    Ok(blake3::hash(token.as_bytes()).to_hex().to_string())
}

/// `tokens.toml` with the administrator alone.
pub(super) fn first_client(hash: &str) -> String {
    format!(
        "# Clients of the node's API: name, role (read, clerk, issue or admin) and the BLAKE3 hash of the client's token,\n\
         # without its line end. `certmesh department token` adds one. The node reads this file (mode 0600) at its start.\n\
         # The token of the first one is in admin.token.\n{}",
        entry("admin", Role::Admin, hash)
    )
}

fn entry(name: &str, role: Role, hash: &str) -> String {
    let role = role.as_str();
    format!("\n[[client]]\nname = \"{name}\"\nrole = \"{role}\"\ntoken_blake3 = \"{hash}\"\n")
}

pub(super) fn run(args: &Token, screen: &mut Screen) -> Result<Outcome, Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name = &args.name;
    if !(1..=64).contains(&name.len()) || !name.chars().all(plain) || name.starts_with(['.', '-']) {
        return Err(Error::Usage(
            "--name is 1 to 64 letters, digits, `.`, `_` and `-`, and begins with none of `.` and `-`",
        ));
    }
    let clients = args.dir.join("tokens.toml");
    let text = read_text(&clients)?;
    check_new(&text, name, &clients)?;
    let file = args.dir.join(format!("{name}.token"));
    let hash = write(&file)?;
    let text = format!("{}\n{}", text.trim_end(), entry(name, args.role, &hash));
    if let Err(error) = write_whole(&clients, text.as_bytes(), true, Access::Owner) {
        // A token that no node knows is of no use, and would stand in the way of the next attempt.
        let _ = fs::remove_file(&file);
        return Err(error);
    }
    sync_directory(&args.dir)?;
    if screen.json() {
        screen.print_json(&serde_json::json!({
            "name": name,
            "role": args.role.as_str(),
            "token_file": file,
            "tokens": clients,
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
        file.display()
    ))?;
    screen.line("Restart the node: it reads tokens.toml at its start.")?;
    Ok(Outcome::Yes)
}

/// The file must be one the node would read, and not have a client of that name.
fn check_new(text: &str, name: &str, path: &Path) -> Result<(), Error> {
    // A parser's message would quote the line, which may be a token put there by mistake.
    let table: toml::Table = text.parse().map_err(|_: toml::de::Error| {
        Error::malformed(path, "a list of API clients", "it cannot be read as TOML")
    })?;
    let clients = table.get("client").and_then(toml::Value::as_array);
    let taken = clients
        .into_iter()
        .flatten()
        .any(|client| client.get("name").and_then(toml::Value::as_str) == Some(name));
    if taken {
        return Err(Error::Faults {
            what: "the token cannot be made:",
            faults: vec![format!("{} has a client {name} already", path.display())],
        });
    }
    Ok(())
}

//! What is shown of a department that was set up, and what comes next.

use std::net::SocketAddr;

use certmesh_ledger::codec::Text;
use certmesh_ledger::genesis::Department;

use super::{Identity, Init, Plan};
use crate::screen::{Screen, Tone};
use crate::{Error, Outcome};

/// How the API is reached: beyond loopback by TLS alone, and on all addresses by the name in the certificate.
fn url_of(api: SocketAddr) -> String {
    match api.ip() {
        ip if ip.is_loopback() => format!("http://{api}"),
        ip if ip.is_unspecified() => format!("https://HOST:{}", api.port()),
        _ => format!("https://{api}"),
    }
}

pub(super) fn present(
    args: &Init,
    plan: &Plan,
    department: &Department,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let dir = args.dir.display();
    let identity_file = match &plan.identity {
        Identity::New(path) => Some(path),
        Identity::InToken(_) => None,
    };
    if screen.json() {
        screen.print_json(&serde_json::json!({
            "code": department.code,
            "name": department.name.as_str(),
            "name_zh": department.name_zh.as_ref().map(Text::as_str),
            "directory": args.dir,
            "department_file": args.dir.join("department.toml"),
            "config": args.dir.join("node.toml"),
            "token_file": args.dir.join("admin.token"),
            "identity_key_file": identity_file,
            "identity_key": department.identity_key,
            "signing_key": department.signing_key,
            "peer_id": department.peer_id,
            "sealing_key": department.sealing_key,
        }))?;
        return Ok(Outcome::Yes);
    }
    let done = screen.paint(Tone::Good, "DONE");
    screen.line(format!(
        "{done}  {} ({}) is set up in {dir}",
        department.display_name(),
        department.code
    ))?;
    screen.line("")?;
    screen.field("identity key", department.identity_key.to_string())?;
    screen.field(
        "",
        match identity_file {
            Some(path) => format!(
                "{}: signs what the department decides; keep it apart from the node, and a copy elsewhere",
                path.display()
            ),
            None => "in the token: signs what the department decides; it has no copy elsewhere".to_owned(),
        },
    )?;
    screen.field("signing key", department.signing_key.to_string())?;
    screen.field("peer", department.peer_id.to_string())?;
    screen.line("")?;
    screen.line("Next:")?;
    screen.line(format!(
        "  1. Send {dir}/department.toml to whoever founds the network. To join one that runs: certmesh network join TRUST --dir {dir}"
    ))?;
    screen.line(format!(
        "  2. Put the network.toml that comes back into {dir}/, and catalogue.key into {dir}/keys/."
    ))?;
    screen.line(format!(
        "  3. Start the node: certmesh-node run --config {dir}/node.toml"
    ))?;
    screen.line(format!(
        "  4. Ask it: certmesh --token-file {dir}/admin.token --node {} status",
        url_of(plan.api)
    ))?;
    if args.address.is_empty() {
        screen.note("note: without --address the other departments cannot connect to this one; it can to them");
    }
    if !plan.api.ip().is_loopback() {
        screen.note("note: an API beyond this machine needs TLS: set tls_certificate and tls_key in node.toml before the node starts");
    }
    Ok(Outcome::Yes)
}

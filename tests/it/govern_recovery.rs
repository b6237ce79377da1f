//! More governors gone than may be: recovered by command, over nodes that run.

use serde_json::Value;

use crate::support::{Ran, TestNet, running, until};

fn height(net: &TestNet, index: usize) -> u64 {
    net.govern(index, &["members"]).json()["height"]
        .as_u64()
        .unwrap()
}

fn done(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()
}

/// A department proposes something, others approve it at their nodes.
fn decide(net: &TestNet, args: &[&str], by: &[usize]) {
    let before = height(net, by[0]);
    let args = [&["propose"], args, &["--reason", "a test"]].concat();
    let proposed = done(&net.govern_signed(by[0], &args, &net.identity(by[0])));
    let id = proposed["proposal"].as_str().unwrap();
    for index in &by[1..] {
        let arrived = || net.govern(*index, &["show", id]).code == 0;
        until("the proposal to arrive", arrived);
        done(&net.govern_signed(*index, &["approve", id], &net.identity(*index)));
    }
    for index in by {
        until("the decision to be final", || height(net, *index) > before);
    }
}

/// The passphrase that opens all keys of the network.
fn passphrase(net: &TestNet) -> String {
    net.identity(0)[3].clone()
}

fn scratch(net: &TestNet, name: &str) -> String {
    net.scratch(name).to_str().unwrap().to_owned()
}

/// A new recovery key: its file, and its public key.
fn recovery_key(net: &TestNet, name: &str) -> (String, String) {
    let file = scratch(net, name);
    let passphrase = passphrase(net);
    let args = ["--json", "identity", "new-recovery", &file];
    let args = [&args[..], &["--passphrase-file", &passphrase]].concat();
    let made = done(&net.cli(0, &args));
    let key = made["recovery_key"].as_str().unwrap().to_owned();
    (file, key)
}

/// Signs what was exported, with a key; where the signed file is.
fn signed(net: &TestNet, unsigned: &str, key: &str, name: &str) -> String {
    let out = scratch(net, name);
    let ran = sign(net, unsigned, key, &out);
    assert_eq!(ran.code, 0, "{ran:?}");
    out
}

fn sign(net: &TestNet, unsigned: &str, key: &str, out: &str) -> Ran {
    let passphrase = passphrase(net);
    let args = [
        "sign",
        unsigned,
        "--out",
        out,
        "--yes",
        "--identity-key",
        key,
    ];
    let args = [&args[..], &["--passphrase-file", &passphrase]].concat();
    net.govern(0, &args)
}

fn identity(net: &TestNet, index: usize) -> String {
    net.identity(index)[1].clone()
}

#[test]
fn with_half_of_the_governors_gone_the_others_recover_and_decide_on() {
    let mut net = running(4);
    let keys = [0, 1, 2].map(|n| recovery_key(&net, &format!("recovery-{n}.key")));
    let named: Vec<&str> = keys
        .iter()
        .flat_map(|(_, key)| ["--recovery-key", key])
        .collect();
    let policy = [&["policy", "--recovery-need", "2"], &named[..]].concat();
    decide(&net, &policy, &[0, 1, 2]);
    let shown = net.govern(0, &["members"]).json();
    assert_eq!(shown["policy"]["recovery"]["need"], 2, "{shown}");

    let gone = [2, 3].map(|index| net.code(index));
    for index in [2, 3] {
        net.kill(index);
    }
    // What two of four want is not decided.
    let end = [
        "propose",
        "governing",
        &gone[0],
        "--end",
        "--reason",
        "gone",
    ];
    done(&net.govern_signed(0, &end, &net.identity(0)));

    let unsigned = scratch(&net, "recovery.unsigned");
    let ends = ["--end", &gone[0], "--end", &gone[1]];
    let recover = [&["recover"], &ends[..], &["--export", &unsigned]].concat();
    let exported = done(&net.govern(0, &recover));
    assert_eq!(exported["height"], 2);
    assert_eq!(exported["recovery_keys_needed"], 2);
    assert_eq!(exported["governors_needed"], 2);
    assert_eq!(exported["governors"].as_array().unwrap().len(), 2);
    // Neither a department whose governing ends, nor any other key.
    let out = scratch(&net, "nothing");
    let ended = sign(&net, &unsigned, &identity(&net, 2), &out);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("only others sign it"), "{ended:?}");
    let (stranger, _) = recovery_key(&net, "stranger.key");
    let strange = sign(&net, &unsigned, &stranger, &out);
    assert_eq!(strange.code, 2);
    assert!(
        strange.err.contains("neither a recovery key"),
        "{strange:?}"
    );

    let mut files = Vec::new();
    for (n, key) in [&keys[2].0, &keys[0].0].into_iter().enumerate() {
        files.push(signed(
            &net,
            &unsigned,
            key,
            &format!("recovery-{n}.signed"),
        ));
    }
    for index in [1, 0] {
        let (key, name) = (identity(&net, index), format!("{index}.signed"));
        files.push(signed(&net, &unsigned, &key, &name));
    }
    let submit = |files: &[String]| {
        let files = files.iter().map(String::as_str);
        let args: Vec<&str> = ["submit"].into_iter().chain(files).collect();
        net.govern(0, &args)
    };
    // What lacks a signature is refused with the reason.
    let few = submit(&files[1..]);
    assert_eq!(few.code, 1);
    assert!(few.err.contains("1 of the 2 recovery keys"), "{few:?}");
    let few = submit(&files[..3]);
    assert!(few.err.contains("1 of 4 governors agree"), "{few:?}");
    assert_eq!(height(&net, 0), 1);
    done(&submit(&files));
    for index in [0, 1] {
        until("the recovery to be final", || height(&net, index) == 2);
    }
    let log = net.govern(0, &["log"]).json();
    let change = log["blocks"][1]["items"][0]["changes"][0].as_str().unwrap();
    assert!(change.contains("end the governing of"), "{change}");
    // The same again is void.
    let again = submit(&files);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("make and sign it again"), "{again:?}");

    // From now on two decide. Those who come back learn what was decided, and that they govern no longer.
    decide(&net, &["policy", "--least-governors", "2"], &[0, 1]);
    net.start_again(3);
    until("the one who was gone to know", || height(&net, 3) == 3);
    let members = net.govern(3, &["members"]).json();
    let governs = members["members"].as_array().unwrap().iter();
    let governs: Vec<bool> = governs
        .map(|member| member["governs"].as_bool().unwrap())
        .collect();
    assert_eq!(governs, [true, true, false, false]);
    decide(&net, &["governing", &gone[1]], &[0, 1]);
}

#[test]
fn without_recovery_keys_nothing_is_recovered() {
    let net = running(2);
    let file = scratch(&net, "recovery.unsigned");
    let other = net.code(1);
    let refused = net.govern(0, &["recover", "--end", &other, "--export", &file]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("no recovery keys"), "{refused:?}");
    let key = recovery_key(&net, "recovery.key").1;
    let policy = ["propose", "policy", "--recovery-key", &key, "--reason", "x"];
    let unsaid = net.govern_signed(0, &policy, &net.identity(0));
    assert_eq!(unsaid.code, 2);
    assert!(unsaid.err.contains("--recovery-need"), "{unsaid:?}");
}

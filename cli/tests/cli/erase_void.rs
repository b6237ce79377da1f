//! What was set aside of records that were cut off, destroyed.

use std::fs;

use crate::command::certmesh;

#[test]
fn what_was_set_aside_is_destroyed_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let bodies = home.path().join("bodies");
    let aside = bodies.join("void-0");
    fs::create_dir_all(&aside).unwrap();
    for name in ["keys", "4-00112233445566778899aabbccddeeff"] {
        fs::write(aside.join(name), "secret").unwrap();
    }
    let kept = [bodies.join("keys"), bodies.join("void-notes")];
    for path in &kept {
        fs::write(path, "kept").unwrap();
    }
    let data = home.path().to_str().unwrap();
    let args = ["department", "erase-void", "--data", data];
    // Nobody there to ask.
    let refused = certmesh(args).exits(2);
    assert!(refused.err.contains("--yes"), "{refused:?}");
    assert!(aside.join("keys").exists());
    let erase = || {
        certmesh(["--json"].into_iter().chain(args).chain(["--yes"]))
            .exits(0)
            .json()
    };
    assert_eq!(erase()["erased_generations"], serde_json::json!([0]));
    assert!(!aside.exists());
    for path in &kept {
        assert_eq!(fs::read_to_string(path).unwrap(), "kept");
    }
    assert_eq!(erase()["erased_generations"], serde_json::json!([]));
}

#[test]
fn a_directory_that_is_no_node_s_is_named() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().to_str().unwrap();
    let ran = certmesh(["department", "erase-void", "--yes", "--data", data]).exits(2);
    assert!(ran.err.contains("bodies"), "{ran:?}");
}

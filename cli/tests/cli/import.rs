use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::{certmesh, certmesh_reading};
use crate::node::{Answer, Node, Request, problem};
use crate::streams::appended;

/// A node's answer to each row: rows whose serial begins with `R` are rejected, with `O` were there before.
pub(crate) fn answers(request: &Request, rows: usize) -> String {
    let mut text = String::new();
    for (index, line) in request.text().lines().take(rows).enumerate() {
        let mut answer = serde_json::json!({"row": index + 1, "ok": true});
        match serde_json::from_str::<serde_json::Value>(line) {
            Ok(row)
                if row["serial"]
                    .as_str()
                    .is_some_and(|serial| !serial.starts_with('R')) =>
            {
                let mut appended = appended("id");
                appended["replayed"] = row["serial"].as_str().unwrap().starts_with('O').into();
                answer
                    .as_object_mut()
                    .unwrap()
                    .append(appended.as_object_mut().unwrap());
            }
            Ok(_) => answer = rejected(index + 1, 422, "unknown-type"),
            Err(_) => answer = rejected(index + 1, 400, "malformed-body"),
        }
        text.push_str(&format!("{answer}\n"));
    }
    text
}

fn rejected(row: usize, status: u16, name: &str) -> serde_json::Value {
    serde_json::json!({"row": row, "ok": false, "error": problem(status, name)})
}

fn whole(request: &Request) -> Answer {
    Answer::Whole(200, "application/x-ndjson", answers(request, usize::MAX))
}

fn rows(serials: impl IntoIterator<Item = String>) -> String {
    serials
        .into_iter()
        .map(|serial| format!("{{\"serial\":\"{serial}\"}}\n"))
        .collect()
}

fn file(home: &tempfile::TempDir, text: &str) -> (String, PathBuf) {
    let path = home.path().join("rows.jsonl");
    fs::write(&path, text).unwrap();
    (
        path.to_str().unwrap().to_owned(),
        home.path().join("rejects.jsonl"),
    )
}

#[test]
fn rows_go_in_chunks_of_two_thousand_in_their_order() {
    let node = Node::start(whole);
    let home = tempfile::tempdir().unwrap();
    let text = rows((0..4_500).map(|n| n.to_string()));
    let (path, _) = file(&home, &text);
    let run = certmesh(["--node", &node.url, "--json", "import", &path]).exits(0);
    let summary = run.json();
    assert_eq!(
        (summary["rows"].as_u64(), summary["issued"].as_u64()),
        (Some(4_500), Some(4_500))
    );
    assert_eq!(summary["complete"], true);
    let asked = node.asked();
    assert_eq!(
        asked
            .iter()
            .map(|request| request.text().lines().count())
            .collect::<Vec<_>>(),
        [2_000, 2_000, 500]
    );
    assert_eq!(asked.iter().map(Request::text).collect::<String>(), text);
    assert!(asked[0].line.starts_with("POST /v1/certificates/bulk "));
    assert_eq!(asked[0].header("content-type"), "application/x-ndjson");
    assert_ne!(
        asked[0].header("idempotency-key"),
        asked[1].header("idempotency-key")
    );
    // The same file again: the same keys.
    certmesh(["--node", &node.url, "import", &path]).exits(0);
    assert_eq!(
        node.asked()[3].header("idempotency-key"),
        asked[0].header("idempotency-key")
    );
}

#[test]
fn rejected_rows_are_reported_counted_and_kept_with_their_reason_while_the_rest_goes_through() {
    let node = Node::start(whole);
    let home = tempfile::tempdir().unwrap();
    let (path, rejects) = file(
        &home,
        "{\"serial\":\"1\"}\n\n{\"serial\":\"R2\"}\nnonsense\n{\"serial\":\"O3\"}",
    );
    let args = [
        "--node",
        &node.url,
        "import",
        &path,
        "--rejects",
        rejects.to_str().unwrap(),
    ];
    let run = certmesh(args).exits(1);
    assert!(
        run.err.contains("row 3: it is unknown-type")
            && run.err.contains("row 4: it is malformed-body"),
        "{run:#?}"
    );
    assert!(
        run.out.contains("DONE, WITH REJECTED ROWS") && run.out.contains("unknown-type"),
        "{run:#?}"
    );
    let kept = fs::read_to_string(&rejects).unwrap();
    let kept: Vec<serde_json::Value> = kept
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        kept,
        [
            serde_json::json!({"serial": "R2", "_reason": "it is unknown-type", "_row": 3}),
            serde_json::json!({"_line": "nonsense", "_reason": "it is malformed-body", "_row": 4}),
        ]
    );
    let run = certmesh(args).exits(2);
    assert!(run.err.contains("already exists"), "{}", run.err);
    fs::remove_file(&rejects).unwrap();
    let summary = certmesh([&args[..], &["--json"]].concat()).exits(1).json();
    assert_eq!(summary["already_there"], 1);
    assert_eq!(
        summary["rejected_by_reason"],
        serde_json::json!({"malformed-body": 1, "unknown-type": 1})
    );
    // Imported again, the rejects file's own additions are not sent.
    certmesh(["--node", &node.url, "import", rejects.to_str().unwrap()]).exits(1);
    let last = node.asked().last().unwrap().text();
    assert!(last.starts_with("{\"serial\":\"R2\"}\n"), "{last}");
}

#[test]
fn a_broken_connection_is_tried_again_with_the_same_key_and_counts_what_was_issued_before() {
    let mut count = 0;
    let node = Node::start(move |request| {
        count += 1;
        match count {
            1 => Answer::Problem(503, "own-log-unconfirmed"),
            2 => Answer::Broken(answers(request, 2)),
            _ => Answer::Whole(
                200,
                "application/x-ndjson",
                answers(request, 9).replace("\"replayed\":false", "\"replayed\":true"),
            ),
        }
    });
    let home = tempfile::tempdir().unwrap();
    let (path, _) = file(&home, &rows((0..3).map(|n| n.to_string())));
    let run = certmesh(["--node", &node.url, "--json", "import", &path]).exits(0);
    let summary = run.json();
    assert_eq!(
        (
            summary["issued"].as_u64(),
            summary["already_there"].as_u64()
        ),
        (Some(2), Some(1)),
        "{run:#?}"
    );
    let asked = node.asked();
    assert_eq!(asked.len(), 3);
    assert!(
        asked
            .iter()
            .all(|request| request.header("idempotency-key") == asked[0].header("idempotency-key"))
    );
    assert_eq!(asked[0].body, asked[2].body);
}

#[test]
fn rows_that_met_a_busy_node_are_sent_again_by_themselves() {
    let mut count = 0;
    let node = Node::start(move |request| {
        count += 1;
        let mut text = answers(request, usize::MAX);
        if count == 1 {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines[1] = rejected(2, 503, "overloaded").to_string();
            text = lines.join("\n") + "\n";
        }
        Answer::Whole(200, "application/x-ndjson", text)
    });
    let home = tempfile::tempdir().unwrap();
    let (path, _) = file(&home, &rows(["1", "2", "R3"].map(str::to_owned)));
    let summary = certmesh(["--node", &node.url, "--json", "import", &path])
        .exits(1)
        .json();
    assert_eq!(
        (summary["issued"].as_u64(), summary["rejected"].as_u64()),
        (Some(2), Some(1))
    );
    assert_eq!(node.asked()[1].text(), "{\"serial\":\"2\"}\n");
}

#[test]
fn an_import_that_cannot_go_on_says_how_far_it_came() {
    let mut count = 0;
    let node = Node::start(move |request| {
        count += 1;
        if count == 1 {
            whole(request)
        } else {
            Answer::Problem(503, "log-read-only")
        }
    });
    let home = tempfile::tempdir().unwrap();
    let (path, rejects) = file(&home, &rows((0..2_500).map(|n| n.to_string())));
    let args = [
        "--node",
        &node.url,
        "import",
        &path,
        "--rejects",
        rejects.to_str().unwrap(),
    ];
    let run = certmesh(args).exits(2);
    assert!(
        run.out.contains("STOPPED  2,000 rows") && run.out.contains("run the import again"),
        "{run:#?}"
    );
    assert!(
        run.err.contains("it is log-read-only") && run.err.contains("hint:"),
        "{run:#?}"
    );
    assert!(!rejects.exists(), "no row was rejected");
}

/// A node that answers the first chunk and is busy from the second on.
fn busy_from_the_second_chunk() -> Node {
    let mut count = 0;
    Node::start(move |request| {
        count += 1;
        if count == 1 {
            whole(request)
        } else {
            Answer::Problem(503, "overloaded")
        }
    })
}

fn wait_asked(node: &Node, times: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while node.asked().len() < times {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How the command ended after Ctrl-C: its code, output and errors.
fn interrupt(child: Child) -> (Option<i32>, String, String) {
    let killed = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn ctrl_c_stops_after_the_chunk_under_way_and_the_import_can_be_run_again() {
    let node = busy_from_the_second_chunk();
    let home = tempfile::tempdir().unwrap();
    let serials = (0..4_500).map(|n| match n {
        3 => "R3".to_owned(),
        n => n.to_string(),
    });
    let (path, rejects) = file(&home, &rows(serials));
    let import = ["--node", &node.url, "import", &path];
    let child = crate::command::binary()
        .args(import)
        .args(["--rejects", rejects.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_asked(&node, 2);
    // Each reject is there as soon as it is known.
    let kept = fs::read_to_string(&rejects).unwrap();
    assert!(kept.starts_with("{\"serial\":\"R3\""), "{kept}");
    let (code, out, err) = interrupt(child);
    assert_eq!(code, Some(2), "{out}{err}");
    assert!(
        out.contains("STOPPED  2,000 rows")
            && out.contains("1,999")
            && out.contains("run the import again"),
        "{out}"
    );
    assert!(err.contains("stopping") && !err.contains("error:"), "{err}");
}

#[test]
fn an_empty_rejects_file_is_used_again_and_one_of_a_missing_directory_is_reported_at_once() {
    let node = Node::start(whole);
    let home = tempfile::tempdir().unwrap();
    let (path, rejects) = file(&home, &rows(["R1".to_owned()]));
    fs::write(&rejects, "").unwrap();
    let import =
        |rejects: &str| certmesh(["--node", &node.url, "import", &path, "--rejects", rejects]);
    import(rejects.to_str().unwrap()).exits(1);
    assert!(fs::read_to_string(&rejects).unwrap().contains("R1"));
    import("/nowhere/rejects.jsonl").exits(2);
    assert_eq!(node.asked().len(), 1);
}

#[test]
fn a_line_that_was_no_object_comes_back_from_a_rejects_file_as_it_was() {
    let node = Node::start(whole);
    let home = tempfile::tempdir().unwrap();
    let (path, _) = file(
        &home,
        "{\"_line\":\"nonsense\",\"_reason\":\"r\",\"_row\":4}\n",
    );
    certmesh(["--node", &node.url, "import", &path]).exits(1);
    assert_eq!(node.asked()[0].text(), "nonsense\n");
}

#[test]
fn one_indented_object_and_an_empty_file_are_reported_as_such() {
    let node = Node::start(whole);
    let home = tempfile::tempdir().unwrap();
    let (path, _) = file(&home, "{\n  \"serial\": \"1\"\n}\n");
    let run = certmesh(["--node", &node.url, "import", &path]).exits(2);
    assert!(
        run.err.contains("over several lines") && run.err.contains("issue --from"),
        "{}",
        run.err
    );
    assert!(node.asked().is_empty() && run.out.is_empty(), "{run:#?}");
    let (path, _) = file(&home, "\n");
    let run = certmesh(["--node", &node.url, "import", &path]).exits(0);
    assert!(run.err.contains("no row in"), "{}", run.err);
    let (path, _) = file(&home, &rows(["1".to_owned()]));
    let run = certmesh(["--node", &node.url, "import", &path]).exits(0);
    assert!(run.out.starts_with("DONE  1 row in"), "{}", run.out);
}

#[test]
fn a_line_that_is_too_long_is_rejected_here_and_the_rest_goes_through() {
    let node = Node::start(whole);
    let mut input = b"\xEF\xBB\xBF{\"serial\":\"1\"}\n".to_vec();
    input.extend(std::iter::repeat_n(b'x', 3 << 20));
    input.extend_from_slice(b"\n{\"serial\":\"2\"}\n");
    let run = certmesh_reading(["--node", &node.url, "--json", "import", "-"], &input).exits(1);
    let summary = run.json();
    assert_eq!(
        (summary["issued"].as_u64(), summary["rejected"].as_u64()),
        (Some(2), Some(1))
    );
    assert_eq!(
        summary["rejected_by_reason"],
        serde_json::json!({"body-too-large": 1})
    );
    assert!(run.err.contains("row 2:"), "{}", run.err);
    assert_eq!(node.asked()[0].text(), "{\"serial\":\"1\"}\n");
}

#[test]
fn answers_that_fit_no_row_are_a_failure_not_a_success() {
    for answer in [
        "{\"row\":9,\"ok\":true}\n",
        "{\"row\":0,\"ok\":true}\n",
        "[]\n",
        "{\"row\":1,\"ok\":true}\n",
    ] {
        let node =
            Node::start(move |_| Answer::Whole(200, "application/x-ndjson", answer.to_owned()));
        let run = certmesh_reading(
            ["--node", &node.url, "import", "-", "--retries", "0"],
            b"{\"serial\":\"1\"}\n",
        )
        .exits(2);
        assert!(
            run.err.contains("not as a certmesh node does"),
            "{answer}: {}",
            run.err
        );
    }
}

//! Tokens, roles, and what nobody may learn.

use super::*;
use crate::app::Refusal;
use crate::app::reasons::{ReadOnly, Unrecorded};
use crate::http::ClientChanges;
use crate::http::layers::Access;
use crate::http::routes::routes;
use crate::logging::LogFormat;

fn concrete(path: &str) -> String {
    path.replace("{id}", &id(1))
        .replace("{department}", OWN)
        .replace("{name}", "scan.pdf")
}

#[tokio::test]
async fn each_role_gets_exactly_its_routes() {
    let node = node();
    for route in routes() {
        let needed = match route.access {
            Access::Open | Access::Local(_) => None,
            Access::Role(role) | Access::Streaming(role) => Some(role),
        };
        let callers = [
            ("", None),
            (READ, Some(Role::Read)),
            (CLERK, Some(Role::Clerk)),
            (ISSUE, Some(Role::Issue)),
            (ADMIN, Some(Role::Admin)),
        ];
        for (token, has) in callers {
            let mut request = ask(route.method, &concrete(route.path), token);
            if route.method == "POST" {
                request = request.body("application/json", "{}");
            }
            let answer = request.to(&node).await;
            let at = format!("{} {} as {has:?}: {answer:?}", route.method, route.path);
            match (needed, has) {
                (Some(_), None) => {
                    assert_eq!(
                        (answer.status, &*answer.problem()),
                        (401, "unauthorised"),
                        "{at}"
                    );
                    assert_eq!(
                        answer.header("www-authenticate"),
                        Some("Bearer realm=\"certmesh\"")
                    );
                }
                (Some(needed), Some(has)) if !has.may(needed) => {
                    assert_eq!(
                        (answer.status, &*answer.problem()),
                        (403, "forbidden"),
                        "{at}"
                    );
                    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
                    assert!(
                        detail.contains(&format!("needs the role {needed}")),
                        "{detail}"
                    );
                }
                _ => {
                    assert!(!matches!(answer.status, 401 | 403 | 405 | 500), "{at}");
                    let no_route = answer.status == 404
                        && answer.json()["detail"] == "there is no such route here";
                    assert!(!no_route, "{at}");
                }
            }
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
}

#[tokio::test]
async fn a_wrong_token_and_an_odd_header_are_refused() {
    let node = node();
    let answer = ask("GET", "/v1/status", "wrong").to(&node).await;
    assert_eq!((answer.status, &*answer.problem()), (401, "unauthorised"));
    assert!(
        answer
            .header("www-authenticate")
            .unwrap()
            .contains("error=\"invalid_token\"")
    );
    for value in ["Basic abc", "Bearer", READ, "Bearer\treading-token"] {
        let answer = ask("GET", "/v1/status", "")
            .header("Authorization", value)
            .to(&node)
            .await;
        assert_eq!(answer.status, 401, "{value}");
    }
    let twice = ask("GET", "/v1/status", READ)
        .header("Authorization", &format!("Bearer {READ}"))
        .to(&node)
        .await;
    assert_eq!(twice.status, 401);
    let any_case = ask("GET", "/v1/status", "")
        .header("authorization", &format!("bEARER {READ}"))
        .to(&node)
        .await;
    assert_eq!(any_case.status, 200);
}

#[tokio::test]
async fn a_revoked_token_stops_working_at_once_and_the_others_go_on() {
    let node = node();
    let status = async |token| ask("GET", "/v1/status", token).to(&node).await.status;
    for token in [READ, CLERK, ISSUE, ADMIN] {
        assert_eq!(status(token).await, 200);
    }
    let changes = node.api.set_clients(Clients::of(&[
        ("admin", Role::Admin, ADMIN),
        ("reader", Role::Read, "another-token"),
        ("clerk", Role::Read, CLERK),
        ("newcomer", Role::Issue, "newcomers-token"),
    ]));
    let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
    let expected = ClientChanges {
        added: names(&["reader", "clerk", "newcomer"]),
        revoked: names(&["clerk", "issuer", "reader"]),
    };
    assert_eq!(changes, expected);
    for (token, expected) in [
        (READ, 401),
        (ISSUE, 401),
        ("another-token", 200),
        ("newcomers-token", 200),
        (ADMIN, 200),
    ] {
        assert_eq!(status(token).await, expected, "{token}");
    }
    let accept = ask("POST", "/v1/accept", CLERK).json(&serde_json::json!({}));
    assert_eq!(accept.to(&node).await.problem(), "forbidden");
}

#[tokio::test]
async fn a_client_that_stays_the_same_keeps_what_it_has_used_of_its_rate() {
    let node = node_with(Limits {
        rate: std::num::NonZeroU32::new(2),
        ..Limits::default()
    });
    let mut refused = false;
    for _ in 0..4 {
        refused |= ask("GET", "/v1/status", READ).to(&node).await.status == 429;
        assert_eq!(node.api.set_clients(clients()), ClientChanges::default());
    }
    assert!(refused);
}

#[tokio::test]
async fn a_request_whose_token_is_revoked_while_its_body_arrives_is_refused() {
    let node = node();
    let request = ask("POST", "/v1/certificates", ISSUE).json(&certificate(1));
    let mut stream = connect(node.running.address()).await;
    let head = format!("{}\r\n", request.head);
    stream.write_all(head.as_bytes()).await.unwrap();
    let (first, rest) = request.body.split_at(10);
    stream.write_all(first).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    node.api
        .set_clients(Clients::of(&[("reader", Role::Read, READ)]));
    stream.write_all(rest).await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert_eq!((answer.status, &*answer.problem()), (401, "unauthorised"));
    assert!(node.fake.groups.lock().is_empty(), "nothing was issued");
}

#[tokio::test]
async fn a_page_of_another_site_learns_nothing_from_an_api_on_loopback() {
    let node = node();
    let named = |host: &str| Ask {
        head: format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"),
        body: Vec::new(),
    };
    // A name of its own that leads here (DNS rebinding), and its own name in a request to this one.
    let rebound = named("evil.example").to(&node).await;
    assert_eq!((rebound.status, &*rebound.problem()), (421, "wrong-host"));
    let foreign = named("localhost").header("Origin", "http://evil.example");
    let foreign = foreign.to(&node).await;
    assert_eq!((foreign.status, &*foreign.problem()), (403, "other-site"));
    let port = node.running.address().port();
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        let host = format!("{host}:{port}");
        let own = named(&host).header("Origin", &format!("http://{host}"));
        assert_eq!(own.to(&node).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn metrics_count_by_template_and_hold_nothing_of_a_subject() {
    let node = node();
    assert_eq!(
        ask("POST", "/v1/certificates", ISSUE)
            .json(&certificate(1))
            .to(&node)
            .await
            .status,
        201
    );
    assert_eq!(
        ask("POST", "/v1/certificates", ISSUE)
            .json(&certificate(1))
            .to(&node)
            .await
            .status,
        409
    );
    assert_eq!(
        ask("GET", &format!("/v1/certificates/{}", id(1)), READ)
            .to(&node)
            .await
            .status,
        200
    );
    assert_eq!(
        ask("GET", &format!("/v2/{HOLDER_CODE}"), READ)
            .to(&node)
            .await
            .status,
        404
    );
    let text = String::from_utf8(ask("GET", "/metrics", "").to(&node).await.body).unwrap();
    for line in [
        "certmesh_http_requests_total{route=\"/v1/certificates/{id}\",method=\"GET\",status=\"200\"} 1",
        "certmesh_http_requests_total{route=\"unmatched\",method=\"GET\",status=\"404\"} 1",
        "certmesh_rows_issued_total 1",
        "certmesh_rows_refused_total{reason=\"duplicate-certificate\"} 1",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    // Names and labels alone: a sum of seconds may show any row of digits.
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        for secret in [HOLDER_CODE, "Zhang", "00000001"] {
            assert!(!series.contains(secret), "{secret} in {line}");
        }
    }
}

#[tokio::test]
async fn beyond_this_machine_metrics_need_a_token_and_health_does_not() {
    let node = node_at("0.0.0.0:0", Limits::default());
    let refused = ask("GET", "/metrics", "").to(&node).await;
    assert_eq!((refused.status, &*refused.problem()), (401, "unauthorised"));
    let told = ask("GET", "/metrics", READ).to(&node).await;
    assert_eq!(told.status, 200);
    assert!(told.body.ends_with(b"# EOF\n"));
    for open in ["/health", "/ready", "/openapi.json"] {
        assert_eq!(ask("GET", open, "").to(&node).await.status, 200, "{open}");
    }
}

#[tokio::test]
async fn the_description_health_and_readiness_need_no_token() {
    let node = node();
    let document = ask("GET", "/openapi.json", "").to(&node).await.json();
    assert_eq!(document["info"]["title"], "certmesh");
    assert_eq!(ask("GET", "/health", "").to(&node).await.status, 200);
    let ready = ask("GET", "/ready", "").to(&node).await;
    assert_eq!(
        (ready.status, &ready.json()["ready"]),
        (200, &Value::Bool(true))
    );
    *node.fake.refuse.lock() = Some(Refusal::LogReadOnly(ReadOnly::LaterVersion { seq: 7 }));
    let not_ready = ask("GET", "/ready", "").to(&node).await;
    assert_eq!(not_ready.status, 503);
    let reason = not_ready.json()["reasons"][0].to_string();
    assert!(
        reason.contains("record 7 of this department's log"),
        "{reason}"
    );
}

#[tokio::test]
async fn the_access_log_names_route_and_client_and_nothing_of_a_subject() {
    let lines = crate::logging::memory::Lines::default();
    let everything = tracing_subscriber::EnvFilter::new("trace");
    let subscriber = crate::logging::subscriber(LogFormat::Json, everything, lines.writer());
    let _guard = tracing::subscriber::set_default(subscriber);
    let node = node();
    let mut wrong = certificate(2);
    wrong["holder"]["code"] = format!("{HOLDER_CODE}X").into();
    for body in [certificate(1), certificate(1), wrong] {
        ask("POST", "/v1/certificates", ISSUE)
            .json(&body)
            .to(&node)
            .await;
    }
    let rows = format!("{}\n{{\"holder\": \"{HOLDER_CODE}\"}}\n", certificate(3));
    let bulk = ask("POST", "/v1/certificates/bulk", ISSUE).body("application/x-ndjson", rows);
    bulk.to(&node).await;
    let path = format!("/v1/certificates/{}", id(1));
    ask("GET", &path, READ).to(&node).await;
    let find = serde_json::json!({
        "holder": {"kind": "001", "code": HOLDER_CODE}, "purpose": "about Zhang",
    });
    ask("POST", "/v1/find", CLERK).json(&find).to(&node).await;
    ask("GET", &format!("/{HOLDER_CODE}?code={HOLDER_CODE}"), READ)
        .to(&node)
        .await;

    let text = lines.text();
    let access: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["target"] == "certmesh_node::access")
        .collect();
    assert_eq!(access.len(), 7);
    assert_eq!(access[1]["route"], "/v1/certificates");
    assert_eq!(access[1]["client"], "issuer");
    assert_eq!(access[1]["status"], 409);
    assert_eq!(access[1]["problem"], "duplicate-certificate");
    assert_eq!(access[4]["route"], "/v1/certificates/{id}");
    assert!(access[4]["ms"].as_f64().unwrap() >= 0.0);
    assert_eq!(access[6]["route"], "unmatched");
    // The whole identifier: times and durations may show any row of digits.
    for secret in [HOLDER_CODE, "Zhang", &id(1), READ, ISSUE] {
        assert!(!text.contains(secret), "{secret} in\n{text}");
    }
}

#[tokio::test]
async fn what_a_person_holds_takes_the_role_clerk_and_a_purpose() {
    let node = node();
    let holder = serde_json::json!({"kind": "001", "code": HOLDER_CODE});
    let find = serde_json::json!({"holder": holder, "purpose": "case 2026-17"});
    for (token, status) in [(READ, 403), (ISSUE, 403), (CLERK, 200), (ADMIN, 200)] {
        let answer = ask("POST", "/v1/find", token).json(&find).to(&node).await;
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 403 {
            assert_eq!(answer.problem(), "forbidden");
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains("needs the role clerk"), "{detail}");
        }
    }
    assert_eq!(*node.fake.looked.lock(), ["clerk", "admin"]);
    let without = serde_json::json!({"holder": holder});
    let answer = ask("POST", "/v1/find", CLERK)
        .json(&without)
        .to(&node)
        .await;
    assert_eq!((answer.status, &*answer.problem()), (422, "invalid-field"));
    assert_eq!(answer.json()["field"], "purpose");
    // What is about no one person stays with the role read.
    let by_issuer = serde_json::json!({"issuer": OWN});
    let answer = ask("POST", "/v1/find", READ)
        .json(&by_issuer)
        .to(&node)
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(node.fake.looked.lock().len(), 2);
}

#[tokio::test]
async fn a_look_that_can_not_be_recorded_is_answered_with_why() {
    let node = node();
    let why = Refusal::LookupNotRecorded(Unrecorded::Disk {
        error: "no space left".to_owned(),
    });
    *node.fake.refuse.lock() = Some(why);
    let find = serde_json::json!({
        "holder": {"kind": "001", "code": HOLDER_CODE}, "purpose": "case 2026-17",
    });
    let answer = ask("POST", "/v1/find", CLERK).json(&find).to(&node).await;
    assert_eq!(
        (answer.status, &*answer.problem()),
        (503, "lookup-not-recorded")
    );
    let detail = answer.json()["detail"].to_string();
    assert!(
        detail.contains("can't be written: no space left"),
        "{detail}"
    );
}

#[tokio::test]
async fn each_client_has_its_own_few_looks_a_second_and_other_requests_go_on() {
    let node = node_with(Limits {
        lookups: std::num::NonZeroU32::MIN,
        ..Limits::default()
    });
    let holder = serde_json::json!({"kind": "001", "code": HOLDER_CODE});
    let find = serde_json::json!({"holder": holder, "purpose": "case 2026-17"});
    let case = serde_json::json!({"matter": "M", "subject": holder});
    let first = ask("POST", "/v1/find", CLERK).json(&find).to(&node).await;
    assert_eq!(first.status, 200);
    // One bucket for both, and none for what is about no one person.
    let mut limited = None;
    for _ in 0..20 {
        let answer = ask("POST", "/v1/accept", CLERK).json(&case).to(&node).await;
        if answer.status == 429 {
            limited = Some(answer);
            break;
        }
    }
    assert_eq!(limited.unwrap().problem(), "rate-limited");
    let other = ask("POST", "/v1/find", ADMIN).json(&find).to(&node).await;
    assert_eq!(other.status, 200);
    for _ in 0..3 {
        let status = ask("GET", "/v1/status", CLERK).to(&node).await;
        assert_eq!(status.status, 200);
    }
}

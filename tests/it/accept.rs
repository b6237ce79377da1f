//! Accepting a case over real peers: what is held need not be handed in, also while its issuer is down.

use serde_json::{Value, json};

use crate::support::{TestNet, running};

const SUBJECT: &str = "11010519491231002X";

fn kind(net: &TestNet, number: u16) -> String {
    format!("{}{number}", net.code(0))
}

/// Four types of the first department and a matter of the second that requires them.
fn agreed(net: &TestNet) -> String {
    for (number, class) in [
        (901, "unconditional"),
        (902, "conditional"),
        (903, "unconditional"),
        (904, "not-shared"),
    ] {
        let definition = json!({
            "code": kind(net, number), "name": format!("证照{number}"), "sharing": class,
            "fields": [{ "code": "ZZMC", "name": "名称", "required": true }],
        });
        assert_eq!(net.http(0).post("/v1/types", &definition).status, 201);
    }
    let of = |number: u16| json!({ "types": [kind(net, number)], "fields": ["ZZMC"] });
    let matter = json!({
        "code": "CSDJ", "name": "出生登记",
        "sub": [{ "code": "01", "name": "首次", "requires": [
            of(901), of(902), of(903), { "types": [kind(net, 904), kind(net, 901)] },
        ] }],
    });
    assert_eq!(net.http(1).post("/v1/matters", &matter).status, 201);
    format!("{}/CSDJ/01", net.code(1))
}

fn issue(net: &TestNet, number: u16, until: &str) -> String {
    let body = json!({
        "type": kind(net, number), "serial": format!("N{number}"),
        "holder": { "kind": "111", "code": SUBJECT },
        "valid_from": "2020-01-01", "valid_until": until, "fields": { "ZZMC": "证照" },
    });
    let answer = net.http(0).post("/v1/certificates", &body);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn states(answer: &Value) -> Vec<(&str, Option<&str>)> {
    let requirements = answer["requirements"].as_array().unwrap();
    requirements
        .iter()
        .map(|requirement| {
            let state = requirement["state"].as_str().unwrap();
            (state, requirement["certificate"].as_str())
        })
        .collect()
}

#[test]
fn a_case_is_accepted_from_the_local_replica_while_the_issuer_is_down() {
    let mut net = running(2);
    let matter = agreed(&net);
    let open = issue(&net, 901, "2999-12-31");
    let closed = issue(&net, 902, "2999-12-31");
    net.converge();
    let ask = |net: &TestNet| {
        let args = [
            "--json",
            "accept",
            "--matter",
            "CSDJ",
            "--subject-kind",
            "111",
            "--subject-file",
            "-",
        ];
        let ran = net.cli_with(1, &args, SUBJECT.as_bytes());
        assert_eq!(ran.code, 1, "{}", ran.err);
        ran.json()
    };
    let first = ask(&net);
    assert_eq!(first["matter"], matter);
    assert_eq!(
        states(&first),
        [
            ("held", Some(open.as_str())),
            ("needs-grant", Some(closed.as_str())),
            ("missing", None),
            ("held", Some(open.as_str())),
        ]
    );
    let obstacle = first["requirements"][1]["obstacle"].as_str().unwrap();
    assert!(obstacle.contains("有条件共享"), "{obstacle}");

    let granted = net.cli(
        0,
        &[
            "grant",
            "make",
            "--to",
            &net.code(1),
            "--type",
            &kind(&net, 902),
        ],
    );
    assert_eq!(granted.code, 0, "{}", granted.err);
    issue(&net, 903, "2026-01-01");
    net.converge();
    net.stop(0).unwrap();
    let told = ask(&net);
    let only: Vec<&str> = states(&told).into_iter().map(|(state, _)| state).collect();
    assert_eq!(only, ["held", "held", "expired", "held"]);
    assert_eq!(told["held"], 3);
    assert_eq!(told["requirements"][2]["verification"]["reason"], "expired");

    let shown = net.cli_with(
        1,
        &[
            "accept",
            "--matter",
            &matter,
            "--subject-kind",
            "111",
            "--subject-file",
            "-",
        ],
        SUBJECT.as_bytes(),
    );
    assert!(
        shown.out.contains("EXPIRED") && shown.out.contains("3 of 4"),
        "{}",
        shown.out
    );
    for text in [&shown.out, &shown.err, &net.node_log(1)] {
        assert!(!text.contains(SUBJECT), "{text}");
    }
}

#[test]
fn who_may_accept_and_what_is_asked_wrongly_is_reported() {
    let net = running(2);
    agreed(&net);
    let dir = net.data(1).parent().unwrap().to_owned();
    let dir = dir.to_str().unwrap();
    for (name, role) in [
        ("counter", "clerk"),
        ("watcher", "read"),
        ("office", "issue"),
    ] {
        let made = net.cli(
            1,
            &[
                "department",
                "token",
                "add",
                "--dir",
                dir,
                "--name",
                name,
                "--role",
                role,
            ],
        );
        assert_eq!(made.code, 0, "{}", made.err);
    }
    let mut net = net;
    net.stop(1).unwrap();
    net.start_again(1);
    net.wait_writable(1);
    let token = |name: &str| {
        let path = std::path::Path::new(dir).join(format!("{name}.token"));
        std::fs::read_to_string(path).unwrap().trim().to_owned()
    };
    let http = |name: &str| net.http(1).with_token(Some(&token(name)));
    let case =
        |matter: &str| json!({ "matter": matter, "subject": { "kind": "111", "code": SUBJECT } });
    assert_eq!(
        http("counter").post("/v1/accept", &case("CSDJ")).status,
        200
    );
    for name in ["watcher", "office"] {
        http(name)
            .post("/v1/accept", &case("CSDJ"))
            .problem(403, "forbidden");
    }
    http("counter")
        .post(
            "/v1/types",
            &json!({ "code": kind(&net, 905), "name": "x" }),
        )
        .problem(403, "forbidden");
    http("counter")
        .post("/v1/accept", &case("NONE"))
        .problem(404, "not-found");
    http("counter")
        .post("/v1/accept", &case("a b"))
        .problem(422, "invalid-field");
    let wrong =
        json!({ "matter": "CSDJ", "subject": { "kind": "111", "code": format!("{SUBJECT}9") } });
    let refused = http("counter").post("/v1/accept", &wrong);
    refused.problem(422, "invalid-field");
    assert!(!refused.text.contains(SUBJECT));
}

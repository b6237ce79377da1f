//! Standards, matters and grants over real peers: defined by their departments, held by all, and certificates held to them.

use serde_json::{Value, json};

use crate::support::{TestNet, row, running, until};

/// A type of the first department.
fn licence(net: &TestNet, name: &str) -> Value {
    json!({
        "code": format!("{}900", net.code(0)), "name": name,
        "authority_name": "市场监督管理局", "authority_level": "市级", "issuing_level": "区级",
        "item": { "code": "SL-001", "name": "设立登记" },
        "holder": ["001"], "sharing": "unconditional", "validity": "2 years", "issuers": [net.code(0)],
        "fields": [
            { "code": "ZZMC", "name": "证照名称", "required": true, "max": 10 },
            { "code": "ZZBH", "name": "证照编号", "required": true, "pattern": "^[0-9]{4}$" },
            { "code": "KZ_ZCZB", "name": "注册资本", "required": false, "type": "decimal" },
            { "code": "KZ_LX", "name": "类型", "required": false, "type": "code", "codes": { "1": "有限", "2": "股份" } },
        ],
    })
}

fn certificate(net: &TestNet, serial: &str) -> Value {
    json!({
        "type": format!("{}900", net.code(0)), "serial": serial,
        "holder": { "kind": "001", "code": net.code(1) },
        "valid_from": "2026-01-01", "valid_until": "2027-12-31",
        "fields": { "ZZMC": "营业执照", "ZZBH": "0001", "KZ_ZCZB": "100.5", "KZ_LX": "1" },
    })
}

fn matter(net: &TestNet, name: &str) -> Value {
    json!({
        "code": "SP-001", "name": name,
        "sub": [
            { "code": "01", "name": "首次申请", "requires": [
                { "types": [format!("{}900", net.code(0))], "fields": ["ZZMC", "ZZBH"] },
            ] },
            { "code": "02", "name": "注销", "requires": [] },
        ],
    })
}

#[track_caller]
fn faults(net: &TestNet, body: &Value) -> Vec<String> {
    let answer = net.http(0).post("/v1/certificates", body);
    assert_eq!(answer.status, 422, "{}", answer.json());
    let problem = answer.json();
    assert_eq!(problem["type"], "urn:certmesh:problem:invalid-field");
    let faults = problem["faults"].as_array().unwrap();
    let mut fields: Vec<String> = faults
        .iter()
        .map(|fault| fault["field"].as_str().unwrap().to_owned())
        .collect();
    fields.sort();
    fields
}

#[test]
fn a_certificate_is_held_to_its_type_s_standard_and_every_fault_is_reported_at_once() {
    let net = running(2);
    let http = net.http(0);
    assert_eq!(http.post("/v1/types", &licence(&net, "执照")).status, 201);
    assert_eq!(
        http.post("/v1/certificates", &certificate(&net, "1"))
            .status,
        201
    );

    let mut wrong = certificate(&net, "2");
    wrong["holder"] = row(0, "S", 0)["holder"].clone();
    assert_eq!(wrong["holder"]["kind"], "111");
    wrong["valid_until"] = "2028-01-02".into();
    wrong["fields"] = json!({ "ZZBH": "00012", "KZ_ZCZB": "a lot", "KZ_LX": "3", "ZZYY": "1", "KZ_MORE": "taken" });
    assert_eq!(
        faults(&net, &wrong),
        [
            "fields.KZ_LX",
            "fields.KZ_ZCZB",
            "fields.ZZBH",
            "fields.ZZMC",
            "fields.ZZYY",
            "holder.kind",
            "valid_until",
        ]
    );

    // In bulk only the row at fault is refused.
    let rows = [certificate(&net, "3"), wrong, certificate(&net, "4")];
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    let answer = http.post_with(
        "/v1/certificates/bulk",
        "application/x-ndjson",
        &[],
        lines.join("\n").as_bytes(),
    );
    let told: Vec<bool> = answer
        .text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["ok"] == true)
        .collect();
    assert_eq!(told, [true, false, true]);

    // Another department may not issue the type, as its standard says; nor may a standard be nonsense.
    net.converge();
    let stranger = net.http(1);
    let issued = stranger.post("/v1/certificates", &certificate(&net, "5"));
    assert_eq!(issued.json()["faults"][0]["field"], "type");
    let mut nonsense = licence(&net, "执照");
    nonsense["fields"][1]["pattern"] = "(".into();
    nonsense["validity"] = "for ever".into();
    let refused = http.post("/v1/types", &nonsense).json();
    assert_eq!(refused["faults"][0]["field"], "validity");
    assert_eq!(
        stranger.post("/v1/types", &licence(&net, "执照")).status,
        422
    );
}

#[test]
fn a_serial_number_may_not_hold_the_holder_s_code() {
    let net = running(2);
    assert_eq!(
        net.http(0).post("/v1/types", &licence(&net, "执照")).status,
        201
    );
    let mut telling = certificate(&net, "1");
    telling["holder"]["code"] = net.code(0).into();
    telling["serial"] = format!("X{}", net.code(0)).into();
    assert_eq!(faults(&net, &telling), ["serial"]);
}

/// The same again is no new version.
fn define_two_versions(net: &TestNet) {
    let http = net.http(0);
    for name in ["执照", "营业执照"] {
        assert_eq!(http.post("/v1/types", &licence(net, name)).status, 201);
        assert_eq!(http.post("/v1/matters", &matter(net, name)).status, 201);
    }
    let again = http.post("/v1/types", &licence(net, "营业执照"));
    assert_eq!(again.status, 200);
}

fn another_peer_shows_each_version_of_a_type(net: &TestNet, kind: &str) {
    let http = net.http(1);
    let of = |version: &str| http.get(&format!("/v1/types/{kind}{version}"));
    let shown = of("").json();
    assert_eq!(
        (&shown["version"], &shown["definition"]["name"]),
        (&2.into(), &"营业执照".into())
    );
    assert_eq!(shown["definition"]["fields"][3]["codes"]["2"], "股份");
    let first = of("?version=1").json();
    assert_eq!(first["definition"], licence(net, "执照"));
    assert_eq!(of("?version=3").status, 404);
    assert_eq!(of("?version=x").status, 422);
    let compared = net.cli(1, &["--json", "type", "compare", kind]).json();
    assert_eq!(
        compared["changes"],
        json!([{ "path": "name", "before": "执照", "after": "营业执照" }])
    );
}

fn another_peer_shows_the_newest_matter(net: &TestNet) {
    let (code, http) = (net.code(0), net.http(1));
    let matters = http.get(&format!("/v1/matters?department={code}")).json();
    assert_eq!(matters["matters"][0]["definition"], matter(net, "营业执照"));
    assert_eq!(http.get(&format!("/v1/matters/{code}/NONE")).status, 404);
    let shown = net.cli(1, &["matter", "show", "SP-001"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(
        shown.out.contains("营业执照 (") && shown.out.contains("首次申请"),
        "{}",
        shown.out
    );
    assert_eq!(net.cli(1, &["matter", "show", "NONE"]).code, 2);
}

fn figures_come_from_what_is_there(net: &TestNet) {
    let need = net.cli(1, &["--json", "report", "need"]).exits(0).json();
    assert_eq!(
        (&need["types"], &need["demands"], &need["avoidable"]),
        (&json!(1), &json!(1), &json!(0))
    );
    let graph = net.cli(1, &["graph", "--format", "json"]).exits(0).json();
    assert_eq!(graph["types"][0]["name"], "营业执照", "{graph}");
    assert_eq!(net.cli(1, &["graph", "--format", "png"]).code, 2);
    let fresh = net.cli(1, &["--json", "report", "freshness"]).json();
    assert_eq!(fresh[0]["behind"], 0, "{fresh}");
}

#[test]
fn versions_of_types_and_matters_reach_every_peer_and_are_compared_there_while_their_department_is_down()
 {
    let mut net = running(2);
    define_two_versions(&net);
    net.converge();
    net.stop(0).unwrap();
    another_peer_shows_each_version_of_a_type(&net, &format!("{}900", net.code(0)));
    another_peer_shows_the_newest_matter(&net);
    figures_come_from_what_is_there(&net);
}

/// All of a list, page by page, with the sizes of the pages.
fn paged(net: &TestNet, path: &str, list: &str, limit: usize) -> (Vec<Value>, Vec<usize>) {
    let (mut found, mut sizes, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let answer = net.http(1).get(&format!("{path}?limit={limit}{cursor}"));
        assert_eq!(answer.status, 200, "{}", answer.text);
        let page = answer.json();
        let elements = page[list].as_array().unwrap();
        sizes.push(elements.len());
        found.extend(elements.iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (found, sizes),
        }
    }
}

#[test]
fn lists_of_definitions_come_in_pages_and_the_cli_reads_them_all() {
    let net = running(2);
    let letters: Vec<String> = ('!'..='~')
        .filter(|letter| *letter != '@')
        .take(64)
        .map(String::from)
        .collect();
    let kinds: Vec<String> = (900..903).map(|n| format!("{}{n}", net.code(0))).collect();
    for kind in &kinds {
        let mut definition = licence(&net, "执照");
        definition["code"] = kind.as_str().into();
        assert_eq!(net.http(0).post("/v1/types", &definition).status, 201);
        let grant = json!({ "department": net.code(1), "type": kind });
        assert_eq!(net.http(0).post("/v1/grants", &grant).status, 201);
    }
    // So large in memory that a page holds three.
    let requirement = json!({ "types": [kinds[0]], "fields": letters });
    for n in 1..=5 {
        let part = |code: usize| json!({ "code": code.to_string(), "name": "n", "requires": vec![requirement.clone(); 52] });
        let matter = json!({ "code": format!("M{n}"), "name": "n", "sub": [part(1), part(2)] });
        let answer = net.http(0).post("/v1/matters", &matter);
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    until("everything to be known at the other department", || {
        paged(&net, "/v1/matters", "matters", 1_000).0.len() == 5
    });
    let (matters, sizes) = paged(&net, "/v1/matters", "matters", 1_000);
    assert_eq!(sizes, [3, 2]);
    let codes = matters.iter().map(|matter| &matter["definition"]["code"]);
    assert_eq!(codes.collect::<Vec<_>>(), ["M1", "M2", "M3", "M4", "M5"]);
    assert_eq!(paged(&net, "/v1/matters", "matters", 2).1, [2, 2, 1]);
    let (types, sizes) = paged(&net, "/v1/catalogue", "types", 2);
    assert_eq!(sizes.iter().sum::<usize>(), types.len());
    let of_first = types
        .iter()
        .filter(|kind| kinds.iter().any(|code| kind["code"] == **code));
    assert_eq!(of_first.count(), 3);
    let (grants, sizes) = paged(&net, "/v1/grants", "grants", 2);
    assert_eq!(sizes, [2, 1]);
    let granted = grants.iter().map(|grant| &grant["definition"]["type"]);
    assert_eq!(
        granted.collect::<Vec<_>>(),
        kinds.iter().collect::<Vec<_>>()
    );

    let listed = net.cli(1, &["--json", "matter", "list"]).exits(0).json();
    assert_eq!(listed["matters"], Value::from(matters));
    assert_eq!(listed.get("next"), None);
    assert_eq!(net.cli(1, &["matter", "show", "M5"]).code, 0);
}

#[test]
fn grants_are_made_seen_by_all_and_withdrawn() {
    let net = running(2);
    let kind = format!("{}900", net.code(0));
    assert_eq!(
        net.http(0).post("/v1/types", &licence(&net, "执照")).status,
        201
    );
    let to = net.code(1);
    let made = net.cli(
        0,
        &[
            "--json",
            "grant",
            "make",
            "--to",
            &to,
            "--type",
            &kind,
            "--field",
            "ZZMC",
            "--until",
            "2030-12-31",
        ],
    );
    assert_eq!(made.code, 0, "{}", made.err);
    let number = made.json()["position"]["seq"].as_u64().unwrap();
    let grants = || net.http(1).get("/v1/grants").json()["grants"].clone();
    until("the grant to be known at the other department", || {
        grants()
            == json!([{
                "by": net.code(0), "grant": number,
                "definition": { "department": to, "type": kind, "fields": ["ZZMC"], "until": "2030-12-31" },
            }])
    });
    let stranger = json!({ "department": "11100000MB03271699", "type": kind });
    let refused = net.http(0).post("/v1/grants", &stranger);
    assert_eq!(
        (refused.status, &refused.json()["field"]),
        (422, &"department".into())
    );
    let both = json!({ "department": to, "role": "issue", "type": kind });
    assert_eq!(net.http(0).post("/v1/grants", &both).status, 422);

    let number = number.to_string();
    assert_eq!(net.cli(0, &["grant", "withdraw", &number]).code, 0);
    until("the withdrawal to be known", || grants() == json!([]));
    let again = net.cli(0, &["grant", "withdraw", &number]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("grant list"), "{}", again.err);
}

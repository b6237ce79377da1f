//! Fields from their issuer over real peers: only what may be seen, with a receipt on both sides, whoever is down.

use serde_json::{Value, json};

use crate::support::{TestNet, eventually, files_below, running};

const SUBJECT: &str = "11010519491231002X";
const NAME: &str = "欧阳retrieved春";
const SECRET: &str = "PLANTED-SECRET-5512";

pub(crate) fn kind(net: &TestNet, number: u16) -> String {
    format!("{}{number}", net.code(0))
}

/// Types of the first department, one of each sharing class, and a matter of the second that needs a field of each.
pub(crate) fn agreed(net: &TestNet) -> String {
    for (number, class) in [
        (901, "unconditional"),
        (902, "conditional"),
        (903, "not-shared"),
        (904, "unconditional"),
    ] {
        let definition = json!({
            "code": kind(net, number), "name": format!("证照{number}"), "sharing": class,
            "fields": [
                { "code": "CZZT", "name": "持证主体", "required": true },
                { "code": "ZZBH", "name": "编号" }, { "code": "KZ_BZ", "name": "备注" },
            ],
        });
        assert_eq!(net.http(0).post("/v1/types", &definition).status, 201);
    }
    let of = |number: u16| json!({ "types": [kind(net, number)], "fields": ["CZZT", "ZZBH"] });
    let matter = json!({
        "code": "QYBG", "name": "企业变更登记",
        "sub": [{ "code": "01", "name": "住所", "requires": [of(901), of(902), of(903)] }],
    });
    assert_eq!(net.http(1).post("/v1/matters", &matter).status, 201);
    net.converge();
    format!("{}/QYBG/01", net.code(1))
}

pub(crate) fn issue(net: &TestNet, number: u16) -> String {
    let body = json!({
        "type": kind(net, number), "serial": format!("N{number}"),
        "holder": { "kind": "111", "code": SUBJECT }, "valid_from": "2020-01-01",
        "fields": { "CZZT": NAME, "ZZBH": "2020-17", "KZ_BZ": SECRET },
    });
    let answer = net.http(0).post("/v1/certificates", &body);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn ask(id: &str, fields: &[&str]) -> Value {
    json!({ "certificate": id, "matter": "QYBG", "purpose": "case 17 of 欧阳", "fields": fields })
}

fn audit(net: &TestNet, at: usize) -> Value {
    net.http(at).get("/v1/audit").json()
}

/// What `certmesh fetch --json` of the second department shows.
fn the_command_fetches_what_may_be_seen(net: &TestNet, id: &str, matter: &str) -> Value {
    let args = [
        "fetch",
        id,
        "--matter",
        "QYBG",
        "--purpose",
        "case 17",
        "--json",
    ];
    let ran = net.cli(1, &args);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let fetched = ran.json();
    assert_eq!(
        fetched["fields"],
        json!({ "CZZT": NAME, "ZZBH": "2020-17" })
    );
    assert_eq!(fetched["matter"], matter);
    assert!(!ran.out.contains(SECRET));
    fetched
}

fn a_part_is_answered_and_what_may_not_be_seen_is_refused(net: &TestNet, id: &str) {
    let http = net.http(1);
    let part = http.post("/v1/retrievals", &ask(id, &["ZZBH", "KZ_BZ"]));
    assert_eq!(part.status, 201, "{part:?}");
    assert_eq!(part.json()["fields"], json!({ "ZZBH": "2020-17" }));
    http.post("/v1/retrievals", &ask(id, &["KZ_BZ"]))
        .problem(403, "retrieval-refused");
}

fn every_member_finds_each_request_acknowledged(net: &TestNet, requests: u64) {
    for at in 0..3 {
        let audit = audit(net, at);
        assert_eq!(
            (&audit["matched"], &audit["wrong"], &audit["awaited"]),
            (&json!(requests), &json!(0), &json!(0)),
            "{audit}"
        );
    }
    assert_eq!(net.cli(2, &["audit"]).code, 0);
}

/// From a peer that took no part; each look is recorded in turn.
fn a_subject_s_access_log_shows_who_looked(net: &TestNet) {
    for looks in 1..=2 {
        let args = [
            "--json",
            "access-log",
            "--subject-kind",
            "111",
            "--subject-file",
            "-",
        ];
        let ran = net.cli_with(2, &args, SUBJECT.as_bytes());
        assert_eq!(ran.code, 0, "{}", ran.err);
        let log = ran.json();
        let of = |name: &str| {
            let events = log["events"].as_array().unwrap().iter();
            events.filter(|event| event["event"] == name).count()
        };
        assert_eq!(of("answered"), 2, "{log}");
        assert_eq!((of("refused"), of("acknowledged")), (1, 3));
        assert_eq!(of("access-log-read"), looks);
        assert!(!ran.out.contains(NAME) && !ran.out.contains(SUBJECT));
    }
    let other = json!({ "subject": { "kind": "111", "code": "110105194912310038" } });
    let nothing = net.http(2).post("/v1/access-log", &other).json();
    assert_eq!(nothing["events"].as_array().unwrap().len(), 1);
}

fn use_in(net: &TestNet, month: &str) -> Value {
    let args = ["--json", "report", "use", "--month", month];
    net.cli(2, &args).json()
}

/// A department's part of a report of use.
fn part_of<'a>(used: &'a Value, department: &str) -> &'a Value {
    let mut departments = used["departments"].as_array().unwrap().iter();
    departments
        .find(|one| one["department"] == department)
        .unwrap()
}

fn the_reports_count_what_was_shared_and_retrieved(net: &TestNet, month: &str) -> Value {
    let used = use_in(net, month);
    let (issuer, asker) = (part_of(&used, &net.code(0)), part_of(&used, &net.code(1)));
    assert_eq!(
        (&issuer["shared"], &issuer["refused"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(asker["retrieved"], 2);
    assert!(asker["median_retrieval_ms"].is_u64());
    assert_eq!(use_in(net, "2020-01")["departments"][0]["shared"], 0);
    let wrong = net.cli(2, &["report", "use", "--month", "2026-13"]);
    assert_eq!(wrong.code, 2, "{}", wrong.err);
    let fresh = net.cli(2, &["--json", "report", "freshness"]);
    assert_eq!(fresh.code, 0);
    assert_eq!(fresh.json().as_array().unwrap().len(), 3);
    used
}

fn the_asker_s_copy_outlives_its_restart_and_nobody_else_has_it(
    net: &mut TestNet,
    fetched: &Value,
) {
    net.kill(1);
    net.start_trusting(1);
    let name = fetched["retrieval"].as_str().unwrap();
    let copy = net.cli(1, &["--json", "copy", name]);
    assert_eq!(copy.json()["fields"], fetched["fields"]);
    assert_eq!(net.cli(2, &["copy", name]).code, 2);
    net.http(1)
        .get("/v1/retrievals/nonsense")
        .problem(422, "invalid-field");
}

fn no_file_holds_what_was_fetched_or_of_whom(net: &TestNet) {
    for path in files_below(net.network().dir()) {
        let bytes = std::fs::read(&path).unwrap();
        for text in [NAME, SECRET, SUBJECT] {
            let found = bytes.windows(text.len()).any(|at| at == text.as_bytes());
            assert!(!found, "{} holds {text}", path.display());
        }
    }
}

#[test]
fn fields_come_with_a_receipt_on_both_sides_that_every_member_can_audit() {
    let mut net = running(3);
    let matter = agreed(&net);
    let id = issue(&net, 901);
    net.converge();
    let fetched = the_command_fetches_what_may_be_seen(&net, &id, &matter);
    a_part_is_answered_and_what_may_not_be_seen_is_refused(&net, &id);
    net.converge();
    every_member_finds_each_request_acknowledged(&net, 3);
    a_subject_s_access_log_shows_who_looked(&net);
    let month = &china_day()[..7];
    let used = the_reports_count_what_was_shared_and_retrieved(&net, month);
    net.stop(0).unwrap();
    assert_eq!(use_in(&net, month), used, "without the issuer");
    the_asker_s_copy_outlives_its_restart_and_nobody_else_has_it(&mut net, &fetched);
    net.stop_all().unwrap();
    no_file_holds_what_was_fetched_or_of_whom(&net);
}

fn china_day() -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    certmesh_ledger::id::Date::in_china(now.as_millis() as u64).to_string()
}

#[track_caller]
fn is_refused_by(net: &TestNet, at: usize, body: &Value, rule: &str) {
    let answer = net.http(at).post("/v1/retrievals", body);
    answer.problem(403, "retrieval-refused");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(&format!("({rule})")), "{detail}");
}

/// The issuer's own log decides, whatever the asker knows by then.
fn a_grant_answers_until_it_is_withdrawn(net: &TestNet, id: &str) {
    let (to, kind) = (net.code(1), kind(net, 902));
    let make = ["grant", "make", "--to", &to, "--type", &kind, "--json"];
    let granted = net.cli(0, &make);
    assert_eq!(granted.code, 0, "{}", granted.err);
    let grant = granted.json()["position"]["seq"].as_u64().unwrap();
    let answer = net.http(1).post("/v1/retrievals", &ask(id, &[]));
    assert_eq!(answer.status, 201, "{answer:?}");
    let withdrawn = net.cli(0, &["grant", "withdraw", &grant.to_string()]);
    assert_eq!(withdrawn.code, 0, "{}", withdrawn.err);
    is_refused_by(net, 1, &ask(id, &[]), "no-grant");
}

fn what_is_erased_is_refused(net: &TestNet, id: &str) {
    let erased = net.cli(0, &["erase", id, "--text", "kept long enough"]);
    assert_eq!(erased.code, 0, "{}", erased.err);
    is_refused_by(net, 1, &ask(id, &[]), "erased");
    let ran = net.cli(1, &["fetch", id, "--matter", "QYBG", "--purpose", "case"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("erased"), "{}", ran.err);
}

fn what_is_asked_wrongly_is_reported_before_anybody_is_asked(net: &TestNet, id: &str) {
    let http = net.http(1);
    let wrong = json!({
        "certificate": "x", "matter": "a b", "purpose": " ", "fields": [""], "keep_days": 0,
    });
    let answer = http.post("/v1/retrievals", &wrong);
    answer.problem(422, "invalid-field");
    assert_eq!(
        answer.json()["faults"].as_array().unwrap().len(),
        5,
        "{answer:?}"
    );
    let mut unknown = ask(id, &[]);
    unknown["matter"] = "NONE".into();
    http.post("/v1/retrievals", &unknown)
        .problem(404, "not-found");
    let never = certmesh_testnet::sample::Sample::new(0, "NONE")
        .unwrap()
        .id(0);
    http.post("/v1/retrievals", &ask(never.as_str(), &[]))
        .problem(404, "unknown-certificate");
    http.with_token(None)
        .post("/v1/retrievals", &ask(id, &[]))
        .problem(401, "unauthorised");
}

#[test]
fn each_refusal_names_its_rule_and_leaves_its_receipt() {
    let net = running(3);
    let matter = agreed(&net);
    let ids = [901, 902, 903, 904].map(|number| issue(&net, number));
    net.converge();
    is_refused_by(&net, 1, &ask(&ids[1], &[]), "no-grant");
    is_refused_by(&net, 1, &ask(&ids[2], &[]), "not-shared");
    is_refused_by(&net, 1, &ask(&ids[3], &[]), "not-required");
    let mut others = ask(&ids[0], &[]);
    others["matter"] = matter.into();
    is_refused_by(&net, 2, &others, "others-matter");
    a_grant_answers_until_it_is_withdrawn(&net, &ids[1]);
    what_is_erased_is_refused(&net, &ids[0]);
    what_is_asked_wrongly_is_reported_before_anybody_is_asked(&net, &ids[0]);
    net.converge();
    let audit = audit(&net, 2);
    assert_eq!(audit["wrong"], 0, "{audit}");
    assert!(audit["matched"].as_u64().unwrap() >= 7, "{audit}");
}

#[test]
fn while_the_issuer_is_down_nothing_is_recorded_and_it_answers_when_it_is_back() {
    let mut net = running(2);
    agreed(&net);
    let id = issue(&net, 901);
    net.converge();
    net.stop(0).unwrap();
    let unreachable = || {
        let answer = net.http(1).post("/v1/retrievals", &ask(&id, &[]));
        (answer.status == 503).then(|| answer.problem(503, "issuer-unreachable"))
    };
    eventually("the issuer to be missed", unreachable);
    let size = net.held(1, 1).size;
    let ran = net.cli(1, &["fetch", &id, "--matter", "QYBG", "--purpose", "case"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert_eq!(net.held(1, 1).size, size);
    net.start_again(0);
    net.wait_writable(0);
    eventually("the issuer to answer", || {
        (net.http(1).post("/v1/retrievals", &ask(&id, &[])).status == 201).then_some(())
    });
    // What was answered is recorded before it leaves: a sudden end right after loses no receipt.
    net.kill(0);
    net.start_trusting(0);
    net.converge();
    let audit = audit(&net, 1);
    assert_eq!(
        (&audit["matched"], &audit["wrong"]),
        (&json!(1), &json!(0)),
        "{audit}"
    );
}

#[test]
fn a_case_that_waits_for_a_grant_keeps_its_reference_until_the_grant_is_there() {
    let net = running(2);
    let matter = agreed(&net);
    let id = issue(&net, 902);
    net.converge();
    let question = json!({
        "matter": "QYBG", "subject": { "kind": "111", "code": SUBJECT },
        "collect": { "purpose": "case", "reference": "2026-19" },
    });
    let size = net.held(1, 1).size;
    let waiting = net.http(1).post("/v1/accept", &question);
    assert_eq!(waiting.status, 200, "{waiting:?}");
    let waiting = waiting.json();
    assert_eq!(waiting["requirements"][1]["state"], "needs-grant");
    assert!(waiting.get("case").is_none(), "{waiting}");
    assert_eq!(net.held(1, 1).size, size, "nothing was recorded");
    let grant = json!({
        "department": net.code(1), "type": kind(&net, 902), "matters": [matter], "fields": [],
    });
    assert_eq!(net.http(0).post("/v1/grants", &grant).status, 201);
    net.converge();
    let accepted = net.http(1).post("/v1/accept", &question);
    assert_eq!(accepted.status, 201, "{accepted:?}");
    let accepted = accepted.json();
    assert_eq!(accepted["case"]["replayed"], false);
    assert_eq!(accepted["requirements"][1]["certificate"], id.as_str());
    assert_eq!(accepted["requirements"][1]["values"]["ZZBH"], "2020-17");
    let again = net.http(1).post("/v1/accept", &question).json();
    assert_eq!(again["case"]["replayed"], true);
}

#[test]
fn a_case_that_was_partly_collected_is_continued_once_under_its_reference() {
    let net = running(2);
    let matter = agreed(&net);
    let (open, closed) = (issue(&net, 901), issue(&net, 902));
    net.converge();
    let question = json!({
        "matter": "QYBG", "subject": { "kind": "111", "code": SUBJECT },
        "collect": { "purpose": "case", "reference": "2026-20" },
    });
    let accept = || net.http(1).post("/v1/accept", &question).json();
    let first = accept();
    assert_eq!(first["case"]["replayed"], false, "{first}");
    assert_eq!(first["requirements"][1]["state"], "needs-grant");
    let seq = |case: &Value| case["case"]["position"]["seq"].as_u64().unwrap();
    // Nothing more can be seen yet.
    let (size, again) = (net.held(1, 1).size, accept());
    assert_eq!(
        (seq(&again), &again["case"]["replayed"]),
        (seq(&first), &json!(true))
    );
    assert_eq!(net.held(1, 1).size, size);
    let grant = json!({
        "department": net.code(1), "type": kind(&net, 902), "matters": [matter], "fields": [],
    });
    assert_eq!(net.http(0).post("/v1/grants", &grant).status, 201);
    net.converge();
    let receipts = net.held(0, 0).size;
    let rest = accept();
    assert_eq!(rest["case"]["replayed"], false, "{rest}");
    assert!(seq(&rest) > seq(&first));
    for (requirement, id) in [(0, &open), (1, &closed)] {
        let requirement = &rest["requirements"][requirement];
        assert_eq!(requirement["certificate"], id.as_str());
        assert_eq!(requirement["values"]["ZZBH"], "2020-17");
    }
    // One receipt, for what was not collected before.
    assert_eq!(
        rest["requirements"][0]["retrieval"],
        first["requirements"][0]["retrieval"]
    );
    assert_eq!(net.held(0, 0).size, receipts + 1);
    let (size, last) = (net.held(1, 1).size, accept());
    assert_eq!(
        (seq(&last), &last["case"]["replayed"]),
        (seq(&rest), &json!(true))
    );
    assert_eq!(last["requirements"][1]["values"]["ZZBH"], "2020-17");
    assert_eq!(
        (net.held(1, 1).size, net.held(0, 0).size),
        (size, receipts + 1)
    );
    // It is one case.
    let used = net.http(1).get("/v1/reports/use").json();
    let own = used["departments"].as_array().unwrap().iter();
    let own = own.filter(|one| one["department"] == net.code(1).as_str());
    assert_eq!(
        own.map(|one| one["cases"].clone()).collect::<Vec<_>>(),
        [json!(1)]
    );
}

/// What the second department's command collects for a case of which not everything is there.
#[track_caller]
fn collect(net: &TestNet, reference: &str) -> Value {
    let args = [
        "--json",
        "accept",
        "--matter",
        "QYBG",
        "--subject-kind",
        "111",
        "--subject-file",
        "-",
        "--collect",
        "--purpose",
        "change of address",
        "--reference",
        reference,
    ];
    let ran = net.cli_with(1, &args, SUBJECT.as_bytes());
    assert_eq!(ran.code, 1, "{}", ran.err);
    ran.json()
}

/// The case, accepted for good with what the issuer shows.
fn a_case_has_the_values_that_may_be_seen(net: &TestNet, open: &str, closed: &str) -> Value {
    let first = collect(net, "2026-17");
    let requirements = first["requirements"].as_array().unwrap();
    assert_eq!(requirements[0]["certificate"], open);
    assert_eq!(
        requirements[0]["values"],
        json!({ "CZZT": NAME, "ZZBH": "2020-17" })
    );
    assert_eq!(requirements[1]["certificate"], closed);
    assert_eq!(requirements[1]["state"], "needs-grant");
    assert!(requirements[1].get("retrieval").is_none());
    assert_eq!(requirements[2]["state"], "missing");
    assert_eq!(first["case"]["replayed"], false);
    first
}

fn the_same_case_is_the_same_record_also_without_the_issuer(net: &TestNet, first: &Value) {
    let size = net.held(1, 1).size;
    let again = collect(net, "2026-17");
    assert_eq!(
        again["case"]["position"]["seq"],
        first["case"]["position"]["seq"]
    );
    assert_eq!(again["case"]["replayed"], true);
    assert_eq!(
        again["requirements"][0]["values"],
        first["requirements"][0]["values"]
    );
    assert_eq!(net.held(1, 1).size, size);
}

fn another_case_without_the_issuer_keeps_what_is_held_and_says_why_nothing_came(net: &TestNet) {
    eventually("the issuer to be missed", || {
        let peers = net.http(1).get("/v1/peers").json();
        let mut peers = peers.as_array().unwrap().iter();
        peers.any(|peer| peer["connected"] == false).then_some(())
    });
    let other = collect(net, "2026-18");
    assert_eq!(other["requirements"][0]["state"], "held");
    let obstacle = other["requirements"][0]["obstacle"].as_str().unwrap();
    assert!(obstacle.contains("did not answer"), "{obstacle}");
    assert_eq!(other["held"], 1);
    let later = collect(net, "2026-18");
    let obstacle = later["requirements"][0]["obstacle"].as_str().unwrap();
    assert!(obstacle.contains("did not answer"), "{obstacle}");
    assert_eq!(later["case"]["replayed"], true);
}

/// What the two cases saved is the measure of the report of what is needed, too.
fn the_reports_count_both_cases(net: &TestNet) {
    let used = net.http(1).get("/v1/reports/use").json();
    let own = part_of(&used, &net.code(1));
    assert_eq!(
        (&own["cases"], &own["required"], &own["saved"]),
        (&json!(2), &json!(6), &json!(2))
    );
    let need = net.cli(1, &["report", "need", "--cases", "900", "--json"]);
    let need = need.exits(0).json();
    let measured = &need["measured"];
    assert_eq!(measured["source"], "recorded-cases");
    assert_eq!(
        (&measured["cases"], &measured["required"]),
        (&json!(2), &json!(6))
    );
    assert_eq!(need["year"]["saved_per_accepted_case"], 1.0);
    assert_eq!(need["year"]["saved_submissions"], 900);
}

#[test]
fn a_case_accepted_for_good_collects_what_may_be_seen_once() {
    let mut net = running(3);
    let matter = agreed(&net);
    let (open, closed) = (issue(&net, 901), issue(&net, 902));
    net.converge();
    let first = a_case_has_the_values_that_may_be_seen(&net, &open, &closed);
    assert_eq!(first["matter"], matter);
    net.stop(0).unwrap();
    the_same_case_is_the_same_record_also_without_the_issuer(&net, &first);
    another_case_without_the_issuer_keeps_what_is_held_and_says_why_nothing_came(&net);
    the_reports_count_both_cases(&net);
    let bad = json!({
        "matter": "QYBG", "subject": { "kind": "111", "code": SUBJECT },
        "collect": { "purpose": "", "keep_days": 4000 },
    });
    let answer = net.http(1).post("/v1/accept", &bad);
    answer.problem(422, "invalid-field");
    assert_eq!(
        answer.json()["faults"].as_array().unwrap().len(),
        2,
        "{answer:?}"
    );
}

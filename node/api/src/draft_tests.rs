use std::collections::BTreeSet;

use certmesh_ledger::record::SuccessionKind;

use super::*;
use crate::Coded;

const OWN: &str = "11430000006122244L";
const ID: &str = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U";
const OTHER: &str = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000404.001.E";
const CODE: &str = "11330105002500287C";

fn request() -> IssueRequest {
    IssueRequest {
        id: Some(ID.to_owned()),
        holder: Some(Holder {
            kind: Word::read("001"),
            code: CODE.to_owned(),
        }),
        valid_from: Some("2026-01-01".to_owned()),
        ..IssueRequest::default()
    }
}

fn check(request: IssueRequest) -> Result<Draft, FaultList> {
    Draft::check(request, &OWN.parse().unwrap())
}

fn faulty(request: IssueRequest) -> BTreeSet<String> {
    match check(request) {
        Err(faults) => faults.into_iter().map(|fault| fault.at).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_left_out_gets_its_default() {
    let draft = check(request()).unwrap();
    assert_eq!(draft.id.as_str(), ID);
    assert_eq!(draft.sharing, None);
    assert_eq!(draft.validity.until(), None);
    assert_eq!(draft.holder_code.expose(), CODE);
    assert!(draft.fields.is_empty() && draft.warnings.is_empty() && draft.succession.is_none());
}

#[test]
fn type_and_serial_make_the_identifier_of_this_department() {
    let parts = IssueRequest {
        id: None,
        type_code: Some("11100000000013338W011".to_owned()),
        serial: Some("20230000403".to_owned()),
        ..request()
    };
    assert_eq!(check(parts).unwrap().id.as_str(), ID);
}

#[test]
fn every_fault_is_reported_at_once() {
    let long = "x".repeat(MAX_FIELD_VALUE + 1);
    let all_wrong = IssueRequest {
        id: Some(ID.replace(".U", ".V")),
        serial: Some("1".to_owned()),
        holder: Some(Holder {
            kind: Word::read("001"),
            code: "11330105002500287X".to_owned(),
        }),
        valid_from: Some("2026-13-01".to_owned()),
        valid_until: Some("tomorrow".to_owned()),
        sharing: Some(Word::read("always")),
        fields: [("CZZT".to_owned(), long), (" ".to_owned(), String::new())].into(),
        predecessor: Some("1.2.3".to_owned()),
        ..IssueRequest::default()
    };
    let expected = [
        "fields.(a name not shown)",
        "fields.CZZT",
        "holder.code",
        "id",
        "predecessor",
        "serial",
        "sharing",
        "valid_from",
        "valid_until",
    ];
    assert_eq!(faulty(all_wrong).into_iter().collect::<Vec<_>>(), expected);
    let nothing = faulty(IssueRequest::default())
        .into_iter()
        .collect::<Vec<_>>();
    assert_eq!(nothing, ["holder", "id", "valid_from"]);
}

#[test]
fn each_part_of_an_identifier_is_named() {
    let parts = IssueRequest {
        id: None,
        type_code: Some("11100000000013338X011".to_owned()),
        serial: Some("a b".to_owned()),
        version: Some(1000),
        ..request()
    };
    assert_eq!(
        faulty(parts).into_iter().collect::<Vec<_>>(),
        ["serial", "type", "version"]
    );
    let no_type = IssueRequest {
        id: None,
        serial: Some("1".to_owned()),
        ..request()
    };
    assert_eq!(faulty(no_type).into_iter().collect::<Vec<_>>(), ["type"]);
}

#[test]
fn dates_out_of_order_are_a_fault_of_the_last_day_beside_all_others() {
    let swapped = IssueRequest {
        valid_until: Some("2025-12-31".to_owned()),
        ..request()
    };
    let faults = check(swapped.clone()).unwrap_err();
    assert!(matches!(
        &*faults,
        [Fault {
            kind: FaultKind::DatesOutOfOrder { .. },
            ..
        }]
    ));
    let more = IssueRequest {
        sharing: Some(Word::read("x")),
        ..swapped
    };
    assert_eq!(
        faulty(more).into_iter().collect::<Vec<_>>(),
        ["sharing", "valid_until"]
    );
}

#[test]
fn known_variants_of_an_identifier_are_corrected_with_a_warning() {
    let old = IssueRequest {
        id: Some(ID.replace("3005", "3003").to_lowercase()),
        ..request()
    };
    let draft = check(old).unwrap();
    assert_eq!(draft.id.as_str(), ID);
    let codes: Vec<_> = draft
        .warnings
        .iter()
        .map(|warning| (&*warning.at, warning.kind.code()))
        .collect();
    assert_eq!(codes, [("id", "lower-case"), ("id", "old-root")]);
}

#[test]
fn a_certificate_is_not_its_own_predecessor() {
    let own = IssueRequest {
        predecessor: Some(ID.to_owned()),
        ..request()
    };
    assert_eq!(faulty(own).into_iter().collect::<Vec<_>>(), ["predecessor"]);
    let other = IssueRequest {
        predecessor: Some(OTHER.to_owned()),
        ..request()
    };
    let succession = check(other).unwrap().succession.unwrap();
    assert_eq!(succession.kind(), SuccessionKind::Amendment);
}

#[test]
fn a_renewal_without_an_identifier_takes_its_predecessor_s_in_the_next_version() {
    let renewal = |of: &str| IssueRequest {
        id: None,
        succession: Some(Word::read("renewal")),
        predecessors: vec![of.to_owned()],
        ..request()
    };
    let before: CertificateId = ID.parse().unwrap();
    let next = check(renewal(ID)).unwrap();
    assert_eq!((next.id.serial(), next.id.version()), (before.serial(), 2));
    let named = next.succession.unwrap();
    assert_eq!(named.predecessors(), std::slice::from_ref(&before));
    // Any part of an identifier that is given counts instead.
    let named = IssueRequest {
        type_code: Some(before.type_code().to_string()),
        serial: Some("ANOTHER".to_owned()),
        ..renewal(ID)
    };
    assert_eq!(check(named).unwrap().id.serial(), "ANOTHER");
    let issuer = before.issuer();
    let last = CertificateId::new(before.type_code(), issuer, "1", 999).unwrap();
    let faults = faulty(renewal(last.as_str()));
    assert_eq!(faults.into_iter().collect::<Vec<_>>(), ["serial"]);
    let faults = faulty(renewal("1.2.3"));
    assert_eq!(faults.into_iter().collect::<Vec<_>>(), ["predecessors"]);
}

#[test]
fn what_cannot_be_replaced_so_is_reported_by_the_field_at_fault() {
    let another = |serial: &str, version| {
        let id: CertificateId = ID.parse().unwrap();
        CertificateId::new(id.type_code(), id.issuer(), serial, version)
            .unwrap()
            .to_string()
    };
    let with = |word: Option<&str>, predecessors: Vec<String>| IssueRequest {
        succession: word.map(Word::read),
        predecessors,
        ..request()
    };
    let (a, b) = (another("A", 1), another("B", 1));
    for (bad, field) in [
        (with(Some("rebirth"), vec![a.clone()]), "succession"),
        (with(Some("renewal"), vec![]), "predecessors"),
        (with(Some("merge"), vec![a.clone()]), "predecessors"),
        (with(None, vec![a.clone(), a.clone()]), "predecessors"),
        (
            with(Some("split"), vec![a.clone(), b.clone()]),
            "predecessors",
        ),
        (with(None, vec![a.clone(); 17]), "predecessors"),
        (
            IssueRequest {
                predecessor: Some(a.clone()),
                ..with(None, vec![b.clone()])
            },
            "predecessor",
        ),
        // The version before it is not the one it names.
        (with(Some("renewal"), vec![another("20230000403", 3)]), "id"),
    ] {
        assert_eq!(faulty(bad).into_iter().collect::<Vec<_>>(), [field]);
    }
    let kind = |predecessors| check(with(None, predecessors)).unwrap().succession;
    assert_eq!(kind(vec![a.clone()]).unwrap().kind().as_str(), "amendment");
    assert_eq!(kind(vec![a, b]).unwrap().kind().as_str(), "merge");
}

#[test]
fn the_bounds_on_fields_hold() {
    let fields = |n: usize| {
        (0..n)
            .map(|i| (format!("F{i}"), "v".to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    assert!(
        check(IssueRequest {
            fields: fields(MAX_FIELDS),
            ..request()
        })
        .is_ok()
    );
    assert!(
        faulty(IssueRequest {
            fields: fields(MAX_FIELDS + 1),
            ..request()
        })
        .contains("fields")
    );
    let at_limit = [("n".repeat(MAX_FIELD_NAME), "v".repeat(MAX_FIELD_VALUE))];
    assert!(
        check(IssueRequest {
            fields: at_limit.into(),
            ..request()
        })
        .is_ok()
    );
    for name in [
        "n".repeat(MAX_FIELD_NAME + 1),
        String::new(),
        " a".to_owned(),
        "a\nb".to_owned(),
    ] {
        let fields = [(name.clone(), "v".to_owned())].into();
        assert_eq!(
            faulty(IssueRequest {
                fields,
                ..request()
            })
            .len(),
            1,
            "{name:?}"
        );
    }
}

#[test]
fn attachments_have_names_that_are_files_names_and_bounds() {
    let named = |names: &[&str]| -> BTreeMap<String, String> {
        let pair = |name: &&str| ((*name).to_owned(), "token".to_owned());
        names.iter().map(pair).collect()
    };
    let with = |attachments| IssueRequest {
        attachments,
        ..request()
    };
    let draft = check(with(named(&["执照.pdf", "scan_1-a.png"]))).unwrap();
    let places: Vec<_> = draft.attachments.iter().map(|a| a.place.as_str()).collect();
    assert_eq!(places, ["attachments.scan_1-a.png", "attachments.执照.pdf"]);
    let wrong = faulty(with(named(&["../keys", "a b", "420106199001011234/x"])));
    let hidden = (1..=3).map(|n| format!("attachments.(name {n})"));
    assert_eq!(wrong, hidden.collect());
    let many: Vec<String> = (0..17).map(|n| format!("n{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(check(with(named(&many[..16]))).is_ok());
    assert_eq!(
        faulty(with(named(&many))),
        ["attachments".to_owned()].into()
    );
    // Together with the fields they are as many as a certificate can commit to.
    let fields = |count: usize| {
        (0..count)
            .map(|n| (format!("F{n}"), String::new()))
            .collect()
    };
    let both = |count| IssueRequest {
        fields: fields(count),
        ..with(named(&["a"]))
    };
    assert!(check(both(63)).is_ok());
    assert_eq!(faulty(both(64)), ["attachments".to_owned()].into());
    let field = IssueRequest {
        fields: named(&["@a"]),
        ..request()
    };
    let Err(faults) = check(field) else {
        panic!("taken")
    };
    assert_eq!(faults[0].kind, FaultKind::AttachmentAsField);
}

#[test]
fn neither_debug_nor_a_refusal_shows_the_holder_or_a_value() {
    let fields = || BTreeMap::from([("CZZT".to_owned(), "Zhang San".to_owned())]);
    let plain = IssueRequest {
        fields: fields(),
        ..request()
    };
    let before = format!("{plain:?}");
    let draft = check(plain).unwrap();
    let wrong_holder = Holder {
        kind: Word::read("111"),
        code: "420106199001011234".to_owned(),
    };
    let refusal = check(IssueRequest {
        fields: fields(),
        holder: Some(wrong_holder),
        ..request()
    })
    .unwrap_err();
    let text = format!("{before} {draft:?} {refusal:?}");
    for secret in [CODE, "Zhang", "420106199001011234", "0101"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[test]
fn a_status_change_names_all_its_faults() {
    let id = || ID.parse::<CertificateId>().unwrap();
    let request = StatusRequest {
        action: Word::read("explode"),
        to: Some("nowhere".to_owned()),
        reason: Some(Word::read("42")),
        text: "x".repeat(513),
    };
    let Err(faults) = status_change(id(), &request) else {
        panic!()
    };
    let names: Vec<_> = faults.iter().map(|fault| fault.at.as_str()).collect();
    assert_eq!(names, ["to", "action", "reason", "text"]);
    assert!(matches!(
        faults[1].kind,
        FaultKind::UnknownWord { expected } if expected.contains(&"suspend")
    ));
    let good = StatusRequest {
        action: Word::read("revoke"),
        to: None,
        reason: None,
        text: "x".repeat(512),
    };
    assert_eq!(status_change(id(), &good).unwrap().reason, Reason::Other);
}

#[test]
fn a_transfer_out_names_its_receiver_and_nothing_else_does() {
    let receiver = "11330105002500287C";
    let change = |action: &str, to: Option<&str>| {
        let request = StatusRequest {
            action: Word::read(action),
            to: to.map(str::to_owned),
            reason: None,
            text: String::new(),
        };
        status_change(ID.parse().unwrap(), &request)
    };
    let good = change("transfer-out", Some(receiver)).unwrap();
    assert_eq!(good.action.receiver(), Some(receiver.parse().unwrap()));
    for (action, to) in [
        ("transfer-out", None),
        ("transfer-out", Some("11330105002500287D")),
        ("revoke", Some(receiver)),
    ] {
        let Err(faults) = change(action, to) else {
            panic!("{action} {to:?}")
        };
        let names: Vec<_> = faults.iter().map(|fault| fault.at.as_str()).collect();
        assert_eq!(names, ["to"], "{action} {to:?}");
    }
}

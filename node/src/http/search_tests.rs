use certmesh_api::{Holder, HolderKind};

use super::*;
use crate::app::Refusal;

const OWN: &str = "11430000006122244L";
const CODE: &str = "11330105002500287C";

fn holder() -> Option<Holder> {
    Some(Holder {
        kind: HolderKind::CreditCode.into(),
        code: CODE.to_owned(),
    })
}

#[test]
fn a_search_asks_for_exactly_one_thing() {
    let none = FindRequest {
        limit: Some(0),
        cursor: Some("c".repeat(513)),
        ..FindRequest::default()
    };
    let Err(Rejection::Refused(Refusal::InvalidField(faults))) = Search::check(none) else {
        panic!()
    };
    let names: Vec<_> = faults.iter().map(|fault| fault.at.as_str()).collect();
    assert_eq!(names, ["holder", "limit", "cursor"]);
    let both = FindRequest {
        issuer: Some(OWN.to_owned()),
        type_code: Some("11100000000013338W011".to_owned()),
        ..FindRequest::default()
    };
    assert!(Search::check(both).is_err());
    let of_holder = |purpose: Option<&str>| {
        Search::check(FindRequest {
            holder: holder(),
            purpose: purpose.map(str::to_owned),
            ..FindRequest::default()
        })
    };
    let long = "x".repeat(513);
    for wrong in [None, Some(" "), Some("a\nb"), Some(&*long)] {
        let Err(Rejection::Refused(Refusal::InvalidField(faults))) = of_holder(wrong) else {
            panic!("{wrong:?}")
        };
        assert_eq!(faults[0].at, "purpose", "{wrong:?}");
    }
    assert!(of_holder(Some("case 2026-17")).is_ok());
    let purposeful = FindRequest {
        issuer: Some(OWN.to_owned()),
        purpose: Some("case 2026-17".to_owned()),
        ..FindRequest::default()
    };
    assert!(Search::check(purposeful).is_err());
    let one = FindRequest {
        issuer: Some(OWN.to_owned()),
        ..FindRequest::default()
    };
    let find = Search::check(one).unwrap();
    assert!(matches!(find.wanted, Wanted::Issuer(_)));
    assert_eq!(find.limit, DEFAULT_PAGE);
}

#[test]
fn debug_shows_neither_the_holder_nor_what_a_search_is_for() {
    let find = FindRequest {
        holder: holder(),
        purpose: Some("about Zhang".to_owned()),
        ..FindRequest::default()
    };
    let asked = format!("{find:?}");
    let text = format!("{asked} {:?}", Search::check(find).unwrap());
    for secret in [CODE, "Zhang"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

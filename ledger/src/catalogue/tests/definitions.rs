//! Definitions beyond the bounds of a log, and definitions read from the logs page by page.

use super::super::defined::{CACHE_BYTES, Definition, PAGE_BYTES};
use super::*;
use crate::id::MatterCode;
use crate::log::{MAX_GRANT_BYTES, NoEffect};
use crate::record::{MAX_RECORD, Requirement, SubMatter};

fn texts(count: usize) -> Vec<Text<64>> {
    let letters = ('!'..='~').filter(|letter| *letter != '@').take(count);
    letters
        .map(|letter| Text::new(letter.to_string()).unwrap())
        .collect()
}

/// A matter that takes as much memory as its record allows: short texts, many of them.
fn large(code: &str) -> MatterDefined {
    let requirement = Requirement {
        types: Bounded::first([TYPE.parse().unwrap()]),
        fields: Bounded::first(texts(64)),
    };
    let part = |code: &str, count: usize| SubMatter {
        code: code.parse().unwrap(),
        name: Text::new("n").unwrap(),
        requires: Bounded::first(vec![requirement.clone(); count]),
    };
    let matter = MatterDefined {
        code: code.parse().unwrap(),
        name: Text::new("n").unwrap(),
        parts: Bounded::first([part("1", 54), part("2", 50)]),
    };
    let bytes = crate::codec::encode(&matter).len();
    assert!(
        (MAX_RECORD - 2_048..MAX_RECORD - 256).contains(&bytes),
        "{bytes}"
    );
    matter
}

fn grant(until: &str) -> Entry {
    let matter: MatterRef = format!("{A}/{:064}/{:064}", 1, 1).parse().unwrap();
    Entry::GrantMade(GrantMade {
        to: Grantee::Department(B.parse().unwrap()),
        type_code: TYPE.parse().unwrap(),
        matters: Bounded::first(vec![matter; 64]),
        fields: Bounded::default(),
        until: Some(day(until)),
    })
}

#[test]
fn the_writer_refuses_a_definition_that_no_peer_would_take_into_account() {
    let catalogue = catalogue(A);
    let mut writer = writer(&catalogue, A, 1);
    let log = Arc::clone(writer.log());
    let Entry::GrantMade(one) = grant("2030-01-01") else {
        unreachable!()
    };
    let each = crate::codec::encode(&one).len() + 192;
    let most = MAX_GRANT_BYTES / each;
    writer
        .append(1, vec![grant("2030-01-01"); most - 1])
        .unwrap();
    let withdraw = |grant| Entry::GrantWithdrawn(GrantWithdrawn { grant });
    // Those of one batch count together.
    let mut batch = Batch::new(&catalogue, &log);
    batch.check(&grant("2030-01-02")).unwrap();
    let refused = batch.check(&grant("2030-01-03")).unwrap_err();
    assert!(matches!(refused, NotAllowed::NoEffect(NoEffect::Grants(_))));
    let text = refused.to_string();
    assert!(
        text.contains("withdraw those that are no longer needed"),
        "{text}"
    );
    // Other kinds have room, and so has a grant where one was withdrawn.
    batch.check(&define()).unwrap();
    batch.check(&Entry::MatterDefined(large("M"))).unwrap();
    batch.check(&withdraw(5)).unwrap();
    batch.check(&grant("2030-01-03")).unwrap();
    assert!(batch.check(&grant("2030-01-04")).is_err());
    // What is written nevertheless has no effect here or anywhere.
    let beyond = vec![
        grant("2030-01-02"),
        grant("2030-01-03"),
        withdraw(most as u64),
    ];
    writer.append(2, beyond).unwrap();
    let held = log.definitions();
    let last = held.grants(most as u64 - 2).map(|(seq, _)| seq);
    assert_eq!(last.collect::<Vec<_>>(), [most as u64 - 2, most as u64 - 1]);
    let mut batch = Batch::new(&catalogue, &log);
    assert!(matches!(
        batch.check(&withdraw(most as u64)),
        Err(NotAllowed::UnknownGrant(_))
    ));
}

#[test]
fn definitions_are_read_page_by_page_and_no_more_of_them_is_kept_than_the_bound() {
    let catalogue = catalogue(B);
    let names: Vec<String> = (100..220).map(|n| format!("M{n}")).collect();
    let of_a = names.iter().map(|name| Entry::MatterDefined(large(name)));
    writer(&catalogue, A, 1).append(1, of_a.collect()).unwrap();
    let few = ["X", "M100", "Z"].map(|code| {
        Entry::MatterDefined(MatterDefined {
            parts: Bounded::default(),
            ..large(code)
        })
    });
    writer(&catalogue, B, 2).append(1, few.into()).unwrap();
    let logs = catalogue.logs().map(|log| log.name().id.department);
    let order: Vec<DepartmentCode> = logs.collect();
    let mut expected: Vec<(DepartmentCode, MatterCode)> = Vec::new();
    for department in order {
        let codes: Vec<&str> = match department.as_str() {
            A => names.iter().map(String::as_str).collect(),
            B => vec!["M100", "X", "Z"],
            _ => Vec::new(),
        };
        expected.extend(codes.iter().map(|code| (department, code.parse().unwrap())));
    }
    for limit in [7, 50, 1_000] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = catalogue
                .matters_after(after.as_ref(), None, limit)
                .unwrap();
            let sizes = page.definitions.iter().map(|held| &held.definition);
            let bytes: Vec<usize> = sizes.map(|matter| matter.memory()).collect();
            let but_last: usize = bytes.iter().rev().skip(1).sum();
            assert!(but_last < PAGE_BYTES && bytes.len() <= limit);
            let codes = page.definitions.iter();
            found.extend(codes.map(|held| (held.department, held.definition.code.clone())));
            assert!(catalogue.defined.bytes() <= CACHE_BYTES);
            if !page.more {
                break;
            }
            after = found.last().cloned();
        }
        assert_eq!(found, expected);
    }
    // All of them would take more than is kept.
    let one = large("M100").memory();
    assert!(one * names.len() > CACHE_BYTES, "{one}");
    assert!(catalogue.defined.bytes() > CACHE_BYTES / 2);
    let of_b = catalogue
        .matters_after(None, Some(&B.parse().unwrap()), 2)
        .unwrap();
    assert_eq!((of_b.definitions.len(), of_b.more), (2, true));
    let first = catalogue.matter(&A.parse().unwrap(), &"M100".parse().unwrap());
    assert_eq!(*first.unwrap().unwrap().definition, large("M100"));
}

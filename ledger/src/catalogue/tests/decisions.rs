//! What the members decided last has to be known before anything is valid.

use super::*;
use crate::catalogue::Stale;

const ON: &str = "2024-06-01";

fn verdict_at(catalogue: &Catalogue, serial: &str, now_ms: u64) -> Verdict {
    let question = Question {
        on: day(ON),
        now_ms,
    };
    verify(catalogue, &id(A, serial), question).unwrap().verdict
}

#[test]
fn nothing_is_valid_while_the_members_may_have_decided_what_is_not_known_here() {
    let mut catalogue = catalogue(A);
    let entries = vec![
        define(),
        issue(&id(A, "1"), None),
        issue(&id(A, "2"), None),
        change(&id(A, "2"), Action::Revoke),
    ];
    writer(&catalogue, A, 1).append(1, entries).unwrap();
    let limits = FreshnessLimits::default();
    catalogue.limit_age(limits);
    let unknown = |for_ms| Verdict::Unknown(vec![Missing::Newest(Stale::Decisions { for_ms })]);
    assert_eq!(verdict_at(&catalogue, "1", 5), unknown(None));
    // What speaks against a certificate stands.
    let revoked = Verdict::NotValid(NotValid::Status(Status::Revoked));
    assert_eq!(verdict_at(&catalogue, "2", 5), revoked);
    catalogue.decisions_confirmed(10);
    let last_ms = 10 + limits.behind_ms;
    assert_eq!(verdict_at(&catalogue, "1", last_ms), Verdict::Valid);
    let for_ms = Some(limits.behind_ms + 1);
    assert_eq!(verdict_at(&catalogue, "1", last_ms + 1), unknown(for_ms));
    catalogue.decisions_confirmed(last_ms + 1);
    assert_eq!(verdict_at(&catalogue, "1", last_ms + 1), Verdict::Valid);
}

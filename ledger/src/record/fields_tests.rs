use super::*;
use crate::codec::Text;
use crate::crypto::keys::Secret;

fn key() -> BodyKey {
    BodyKey(Secret::from_bytes([1; 32]))
}

fn id() -> CertificateId {
    "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"
        .parse()
        .unwrap()
}

fn definition(codes: &[&str]) -> Vec<FieldDefinition> {
    let field = |code: &&str| {
        FieldDefinition::text(
            Text::new(*code).unwrap(),
            Text::new("field").unwrap(),
            false,
        )
    };
    codes.iter().map(field).collect()
}

fn fields(names: &[&str]) -> BTreeMap<String, String> {
    let field = |name: &&str| ((*name).to_owned(), format!("value of {name}"));
    names.iter().map(field).collect()
}

#[test]
fn the_root_binds_every_name_and_value_the_certificate_and_the_definition() {
    let (key, id) = (key(), id());
    let other: CertificateId =
        "1.2.156.3005.2.11100000000013338W009.11330105002500287C.2025052201.002.0"
            .parse()
            .unwrap();
    let definition = definition(&["CZZT", "ZZMC", "ZZBH"]);
    let fields = fields(&["CZZT", "ZZMC", "KZ_A", "@scan.pdf"]);
    let base = commit_fields(&key, &id, &definition, &fields);
    assert_eq!(base, commit_fields(&key, &id, &definition, &fields));
    assert_ne!(base, commit_fields(&key, &other, &definition, &fields));
    assert_ne!(base, commit_fields(&key, &id, &definition[..2], &fields));
    for name in fields.keys() {
        let mut changed = fields.clone();
        changed.get_mut(name).unwrap().push('x');
        assert_ne!(base, commit_fields(&key, &id, &definition, &changed));
        let mut without = fields.clone();
        without.remove(name);
        assert_ne!(base, commit_fields(&key, &id, &definition, &without));
    }
}

#[test]
fn any_subset_of_fields_verifies_and_any_changed_byte_of_it_fails() {
    let (key, id) = (key(), id());
    let definition = definition(&["A", "B", "absent", "C"]);
    let names = ["@scan.pdf", "A", "B", "C", "KZ_X"];
    let fields = fields(&names);
    let committed = commit_fields(&key, &id, &definition, &fields);
    for subset in 0..1_u32 << names.len() {
        let shows = |name: &str| {
            let place = names.iter().position(|known| *known == name).unwrap();
            subset & 1 << place != 0
        };
        let disclosure = Disclosure::of(&key, &id, &definition, &fields, |name| {
            name != "absent" && shows(name)
        });
        let shown = disclosure.verify(&committed, &definition).unwrap();
        assert_eq!(shown.len(), subset.count_ones() as usize);
        assert!(shown.iter().all(|(name, value)| fields[*name] == *value));
        let bytes = codec::encode(&disclosure);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let holds = codec::decode::<Disclosure>(&changed, 1 << 20)
                .is_ok_and(|changed| changed.verify(&committed, &definition).is_ok());
            assert!(!holds, "subset {subset:b}, byte {at}");
        }
    }
    assert!(!format!("{key:?}").contains("01"));
}

// Whatever an issuer commits to: of all it could put together from one committed root, no two openings of a name differ.

const PLACE_SALT: Hash = Hash::from_bytes([7; 32]);

fn opening(name: &str, value: &str) -> FieldOpening {
    FieldOpening {
        name: name.to_owned(),
        value: value.to_owned(),
        salt: hash(Purpose::FieldSalt, value.as_bytes()),
    }
}

fn shown(opening: &FieldOpening) -> DisclosedField {
    DisclosedField::Shown(opening.clone())
}

fn hidden(opening: &FieldOpening) -> DisclosedField {
    DisclosedField::Hidden(opening.commitment())
}

fn other(opening: &FieldOpening, path: [Hash; DEPTH as usize]) -> DisclosedOther {
    let opening = opening.clone();
    DisclosedOther { opening, path }
}

fn disclosure(
    named: Vec<DisclosedField>,
    others_root: Hash,
    others: Vec<DisclosedOther>,
) -> Disclosure {
    Disclosure {
        place_salt: PLACE_SALT,
        named: Bounded::first(named),
        others_root,
        others: Bounded::first(others),
    }
}

#[test]
fn of_a_definition_s_fields_one_name_opens_to_one_value_whatever_was_committed() {
    let definition = definition(&["A", "B"]);
    let (one, two) = (opening("A", "one"), opening("A", "two"));
    // Two leaves for one name among those of the definition: the second is B's.
    let leaves = [one.commitment(), two.commitment()];
    let committed = field_root(&PLACE_SALT, &leaves, &Hash::ZERO);
    let first = disclosure(vec![shown(&one), hidden(&two)], Hash::ZERO, vec![]);
    assert_eq!(first.verify(&committed, &definition).unwrap()["A"], "one");
    let second = disclosure(vec![hidden(&one), shown(&two)], Hash::ZERO, vec![]);
    assert_eq!(
        second.verify(&committed, &definition),
        Err(DisclosureError::Order)
    );
    // A definition that names A twice lets neither be shown.
    let twice = self::definition(&["A", "A"]);
    for disclosure in [&first, &second] {
        assert_eq!(
            disclosure.verify(&committed, &twice),
            Err(DisclosureError::Order)
        );
    }
    // A field of the definition's once more among the others.
    let again = other(&two, [Hash::ZERO; DEPTH as usize]);
    let root = again.root(&PLACE_SALT);
    let committed = field_root(&PLACE_SALT, &leaves, &root);
    let again = disclosure(vec![shown(&one), hidden(&two)], root, vec![again]);
    assert_eq!(
        again.verify(&committed, &definition),
        Err(DisclosureError::Order)
    );
}

#[test]
fn of_the_other_fields_a_name_has_one_place_and_only_what_stands_there_opens() {
    let (one, two) = (opening("KZ_A", "one"), opening("KZ_A", "two"));
    let beside = |opening: &FieldOpening| {
        let mut path = [Hash::ZERO; DEPTH as usize];
        path[DEPTH as usize - 1] = opening.commitment();
        path
    };
    let root = other(&one, beside(&two)).root(&PLACE_SALT);
    assert_ne!(root, other(&two, beside(&one)).root(&PLACE_SALT));
    let committed = field_root(&PLACE_SALT, &[], &root);
    let open = |shown| {
        disclosure(vec![], root, shown)
            .verify(&committed, &[])
            .map(|shown| shown.len())
    };
    assert_eq!(open(vec![other(&one, beside(&two))]), Ok(1));
    assert_eq!(
        open(vec![other(&two, beside(&one))]),
        Err(DisclosureError::Root)
    );
    let both = vec![other(&one, beside(&two)), other(&one, beside(&two))];
    assert_eq!(open(both), Err(DisclosureError::Order));
}

#[test]
fn what_is_hidden_reveals_nothing_not_even_whether_there_is_a_field() {
    let (key, id) = (key(), id());
    let definition = definition(&["A", "B"]);
    let disclose = |names: &[&str]| {
        let fields = fields(names);
        codec::encode(&Disclosure::of(&key, &id, &definition, &fields, |name| {
            name == "A"
        }))
    };
    let bare = disclose(&["A"]);
    for names in [&["A", "B"][..], &["A", "KZ_A", "KZ_B"], &["A", "@scan.pdf"]] {
        let full = disclose(names);
        assert_eq!(full.len(), bare.len());
        assert_ne!(full, bare);
    }
    // Beside an attachment that is shown, others leave no more than hashes either.
    let attachments = |names: &[&str]| {
        let fields = fields(names);
        let shows = |name: &str| name == "@one.pdf";
        codec::encode(&Disclosure::of(&key, &id, &definition, &fields, shows))
    };
    let alone = attachments(&["@one.pdf"]).len();
    assert_eq!(attachments(&["@one.pdf", "@two.pdf", "KZ_A"]).len(), alone);
}

#[test]
fn sixty_four_fields_that_no_definition_names_have_places_of_their_own() {
    let (key, id) = (key(), id());
    let names: Vec<String> = (0..MAX_FIELDS).map(|n| format!("KZ_{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let fields = fields(&names);
    let committed = commit_fields(&key, &id, &[], &fields);
    let disclosure = Disclosure::of(&key, &id, &[], &fields, |_| true);
    assert_eq!(
        disclosure.verify(&committed, &[]).unwrap().len(),
        MAX_FIELDS
    );
}

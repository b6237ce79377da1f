use super::*;
use crate::codec::Bounded;
use crate::record::CodeItem;

fn text<const N: usize>(text: &str) -> Text<N> {
    Text::new(text).unwrap()
}

fn field(code: &str, required: bool, data: FieldData) -> FieldDefinition {
    FieldDefinition {
        data,
        ..FieldDefinition::text(text(code), text(code), required)
    }
}

fn pattern(expression: &str) -> FieldData {
    FieldData::Text {
        max: Some(4),
        pattern: Some(text(expression)),
    }
}

fn definition() -> TypeDefined {
    let item = |code: &str| CodeItem {
        code: text(code),
        name: text(code),
    };
    TypeDefined {
        holder_kinds: Bounded::first([HolderKind::CreditCode]),
        validity: ValidityRule::Years(1),
        issuers: Bounded::first(["11430000006122244L".parse().unwrap()]),
        fields: Bounded::first([
            field("ZZMC", true, pattern("^[A-Z]+$")),
            field("N", false, FieldData::Integer),
            field("D", false, FieldData::Decimal),
            field("T", false, FieldData::Date),
            field(
                "C",
                true,
                FieldData::Code(Bounded::first([item("1"), item("2")])),
            ),
        ]),
        ..TypeDefined::new("11430000006122244L001".parse().unwrap(), text("执照"))
    }
}

fn places(fields: &[(&str, &str)], until: Option<&str>, department: &str) -> Vec<String> {
    let fields: BTreeMap<String, String> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let until = until.map(|day| day.parse().unwrap());
    let certificate = Proposed {
        department: department.parse().unwrap(),
        holder_kind: HolderKind::CreditCode,
        validity: Validity::new("2026-02-28".parse().unwrap(), until).unwrap(),
        fields: &fields,
    };
    let standard = Standard::new(Arc::new(definition())).unwrap();
    let found = standard.departures(&certificate);
    found.into_iter().map(|departure| departure.place).collect()
}

#[test]
fn a_certificate_that_meets_its_standard_departs_in_nothing() {
    let fields = [
        ("ZZMC", "AB"),
        ("N", "-12"),
        ("D", "12.50"),
        ("T", "2026-01-31"),
        ("C", "2"),
        ("KZ_X", "what an issuer adds"),
        ("@scan.pdf", "an attachment"),
    ];
    let none: [&str; 0] = [];
    assert_eq!(
        places(&fields, Some("2027-02-28"), "11430000006122244L"),
        none
    );
}

#[test]
fn every_departure_is_reported_at_once_with_its_place() {
    let fields = [
        ("ZZMC", "ab"),
        ("N", "1.5"),
        ("D", "1."),
        ("T", "2026-02-30"),
        ("OTHER", ""),
    ];
    assert_eq!(
        places(&fields, Some("2027-03-01"), "11330105002500287C"),
        [
            "type",
            "valid_until",
            "fields.ZZMC",
            "fields.N",
            "fields.D",
            "fields.T",
            "fields.C",
            "fields.OTHER"
        ]
    );
    let long = [("ZZMC", "ABCDE"), ("C", "3")];
    assert_eq!(
        places(&long, None, "11430000006122244L"),
        ["valid_until", "fields.ZZMC", "fields.C"]
    );
}

#[test]
fn a_definition_that_is_no_standard_says_where() {
    let mut wrong = definition();
    wrong.validity = ValidityRule::Days(0);
    wrong.fields = Bounded::first([
        field("A", false, pattern("(")),
        field("A", false, FieldData::Code(Bounded::default())),
        field("B", false, pattern("(a{1000}){1000}")),
    ]);
    let Err(departures) = Standard::new(Arc::new(wrong)) else {
        panic!("taken")
    };
    let places: Vec<&str> = departures.iter().map(|d| d.place.as_str()).collect();
    assert_eq!(
        places,
        [
            "fields[0].pattern",
            "fields[1].code",
            "fields[1].codes",
            "fields[2].pattern",
            "validity"
        ]
    );
}

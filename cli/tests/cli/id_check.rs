use crate::command::{certmesh, certmesh_reading};

const CERTIFICATES: [&str; 3] = [
    "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U",
    "1.2.156.3005.2.11100000000013338W009.11330105002500287C.2025052201.002.0",
    "1.2.156.3005.2.11100000MB03271699022.340100.000000016.001.9",
];
const DEPARTMENTS: [&str; 4] = [
    "11100000000013338W",
    "11430000006122244L",
    "11330105002500287C",
    "11100000MB03271699",
];

fn all_valid() -> Vec<&'static str> {
    CERTIFICATES.into_iter().chain(DEPARTMENTS).collect()
}

#[test]
fn valid_identifiers_are_valid_from_arguments_and_from_standard_input() {
    let values = all_valid();
    let args = ["id", "check"].into_iter().chain(values.iter().copied());
    assert_eq!(certmesh(args).exits(0).out, "valid\n".repeat(7));
    for ending in ["\n", "\r\n"] {
        let input = values.join(ending);
        assert_eq!(
            certmesh_reading(["id", "check"], input.as_bytes())
                .exits(0)
                .out,
            "valid\n".repeat(7)
        );
    }
    assert_eq!(certmesh(["id", "check"]).exits(0).out, "");
}

#[test]
fn answers_come_in_the_order_of_the_values_with_a_reason_each() {
    let wrong_check = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.V";
    let input = format!(
        "{}\n{wrong_check}\n\n11430000006122244A\n{}\n",
        CERTIFICATES[0], DEPARTMENTS[0]
    );
    let run = certmesh_reading(["id", "check"], input.as_bytes()).exits(1);
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!(lines.len(), 5, "{run:#?}");
    assert_eq!((lines[0], lines[4]), ("valid", "valid"));
    assert!(
        lines[1].starts_with("invalid: ") && lines[1].contains("expected `U`"),
        "{}",
        lines[1]
    );
    assert_eq!(lines[2], "invalid: empty");
    assert!(
        lines[3].starts_with("invalid: ") && lines[3].contains("expected `L`"),
        "{}",
        lines[3]
    );
}

#[test]
fn variants_are_invalid_and_the_answer_names_the_canonical_form() {
    let canonical = format!("(canonical form: {})", CERTIFICATES[0]);
    for variant in [
        CERTIFICATES[0].replace("3005", "3003"),
        CERTIFICATES[0].to_lowercase(),
        format!(" {}", CERTIFICATES[0]),
    ] {
        let run = certmesh(["id", "check", &variant]).exits(1);
        assert!(
            run.out.starts_with("invalid: ") && run.out.trim_end().ends_with(&canonical),
            "{variant:?}: {}",
            run.out
        );
    }
}

#[test]
fn every_single_wrong_character_is_found() {
    for value in all_valid() {
        let mut lines = String::new();
        let mut count = 0;
        for (position, old) in value.char_indices().filter(|(_, c)| *c != '.') {
            let new = if old == '7' { "8" } else { "7" };
            lines.push_str(&format!(
                "{}{new}{}\n",
                &value[..position],
                &value[position + 1..]
            ));
            count += 1;
        }
        let run = certmesh_reading(["id", "check"], lines.as_bytes()).exits(1);
        assert_eq!(
            run.out
                .lines()
                .filter(|line| line.starts_with("invalid: "))
                .count(),
            count,
            "{value}: {}",
            run.out
        );
    }
}

#[test]
fn json_answers_one_object_a_line() {
    let run = certmesh(["id", "check", "--json", DEPARTMENTS[1], "1143"]).exits(1);
    let answers: Vec<serde_json::Value> = run
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        answers[0],
        serde_json::json!({"value": DEPARTMENTS[1], "kind": "department", "valid": true})
    );
    assert_eq!(answers[1]["valid"], false);
    assert!(
        answers[1]["reason"]
            .as_str()
            .unwrap()
            .contains("4 characters")
    );
}

#[test]
fn bytes_that_are_no_text_and_endless_lines_are_answered_too() {
    let mut input = b"\xFF\xFE\n".to_vec();
    input.extend(std::iter::repeat_n(b'1', 5 << 20));
    input.extend_from_slice(b"\n11430000006122244L\n");
    let run = certmesh_reading(["id", "check"], &input).exits(1);
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0], "invalid: not UTF-8 text");
    assert!(lines[1].starts_with("invalid: "));
    assert_eq!(lines[2], "valid");
}

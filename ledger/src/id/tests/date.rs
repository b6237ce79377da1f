//! Civil dates.

use proptest::prelude::*;

use super::{through_bincode, through_json};
use crate::id::{Date, DateError};

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

#[test]
fn dates_are_counted_from_1970() {
    assert_eq!(date("1970-01-01").days(), 0);
    assert_eq!(date("1969-12-31").days(), -1);
    assert_eq!(date("2000-03-01").days(), 11_017);
    assert_eq!(Date::from_days(11_017), Ok(date("2000-03-01")));
}

#[test]
fn the_years_1900_to_2999_are_accepted_and_no_other() {
    assert_eq!(date("1900-01-01"), Date::MIN);
    assert_eq!(date("2999-12-31"), Date::MAX);
    assert_eq!("1899-12-31".parse::<Date>(), Err(DateError::Year(1899)));
    assert_eq!("9999-12-31".parse::<Date>(), Err(DateError::Year(9999)));
    for days in [
        Date::MIN.days() - 1,
        Date::MAX.days() + 1,
        i32::MIN,
        i32::MAX,
    ] {
        assert_eq!(Date::from_days(days), Err(DateError::Days(days)));
    }
}

#[test]
fn days_the_calendar_lacks_are_refused_by_name() {
    let message = |text: &str| text.parse::<Date>().unwrap_err().to_string();
    assert_eq!(message("2023-02-29"), "date: 2023-02 has no day 29");
    assert_eq!(message("1900-02-29"), "date: 1900-02 has no day 29");
    assert_eq!(message("2023-04-00"), "date: 2023-04 has no day 00");
    assert_eq!(
        message("2023-13-01"),
        "date: month is 13, expected 01 to 12"
    );
    assert_eq!(message("2023-00-01"), "date: month is 0, expected 01 to 12");
    assert_eq!(date("2000-02-29").to_string(), "2000-02-29");
}

#[test]
fn other_forms_are_refused() {
    for text in [
        "",
        "2023-1-1",
        "20230101",
        "2023/01/01",
        "+2023-01-01",
        " 2023-01-01",
        "2023-01-01T00:00",
        "２023-01-01",
        "2023年1月1日",
        "-023-01-01",
    ] {
        assert_eq!(text.parse::<Date>(), Err(DateError::Form), "{text}");
    }
}

#[test]
fn the_day_in_china_begins_at_sixteen_hours_utc() {
    const HOUR: u64 = 3_600_000;
    assert_eq!(Date::in_china(0), date("1970-01-01"));
    assert_eq!(Date::in_china(16 * HOUR - 1), date("1970-01-01"));
    assert_eq!(Date::in_china(16 * HOUR), date("1970-01-02"));
    // 2024-02-28T16:00:00Z
    assert_eq!(Date::in_china(1_709_136_000_000), date("2024-02-29"));
    assert_eq!(Date::in_china(u64::MAX), Date::MAX);
}

#[test]
fn dates_are_text_in_json_and_a_number_in_binary() {
    let day = date("2018-10-15");
    assert_eq!(through_json(&day, r#""2018-10-15""#), day);
    let (back, bytes) = through_bincode(&day);
    assert_eq!(back, day);
    assert_eq!(through_bincode(&day.days()).1, bytes);
    assert!(serde_json::from_str::<Date>("17819").is_err());
    let config = bincode::config::standard();
    let far = bincode::serde::encode_to_vec(i32::MAX, config).unwrap();
    assert!(bincode::serde::decode_from_slice::<Date, _>(&far, config).is_err());
}

proptest! {
    #[test]
    fn dates_survive_their_text_and_their_count(days in Date::MIN.days()..=Date::MAX.days()) {
        let date = Date::from_days(days).unwrap();
        prop_assert_eq!(date.days(), days);
        prop_assert_eq!(date.to_string().parse(), Ok(date));
    }

    #[test]
    fn dates_are_ordered_as_their_texts_are(a in Date::MIN.days()..=Date::MAX.days(), b in Date::MIN.days()..=Date::MAX.days()) {
        let (a, b) = (Date::from_days(a).unwrap(), Date::from_days(b).unwrap());
        prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
    }
}

//! Request bodies: JSON read into its type, and when that fails, every fault named without repeating a value.
//!
//! A serde error stops at the first fault and quotes what it found, which may be a holder's code. So a body that doesn't
//! fit is read once more without a type, along a [`Shape`], which
//! knows the names and kinds and nothing else.

use std::fmt;

use certmesh_api::faults::{FaultList, shown};
use certmesh_api::{Fault, FaultKind};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use certmesh_text::nearest;

use super::rejection::{Malformed, Rejection};
use super::shape::{Member, Presence, Request, Shape};
use crate::app::Refusal;

/// Reads a body.
///
/// # Errors
/// [`Rejection::MalformedBody`] when it isn't JSON, [`Refusal::InvalidField`](crate::app::Refusal::InvalidField) with its faults when it is other JSON.
pub(super) fn parse<T: Request>(body: &[u8]) -> Result<T, Rejection> {
    // serde would also take an array of the members' values in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(match serde_json::from_slice::<IgnoredAny>(body) {
            Ok(_) if std::str::from_utf8(body).is_ok() => {
                Rejection::MalformedBody(Malformed::NotAnObject)
            }
            Ok(_) => not_utf8(),
            Err(error) => explain(body, &error, T::shape()),
        });
    }
    serde_json::from_slice(body).map_err(|error| explain(body, &error, T::shape()))
}

fn explain(body: &[u8], error: &serde_json::Error, shape: &Shape) -> Rejection {
    if std::str::from_utf8(body).is_err() {
        return not_utf8();
    }
    match error.classify() {
        Category::Eof if body.trim_ascii().is_empty() => Rejection::MalformedBody(Malformed::Empty),
        Category::Eof => Rejection::MalformedBody(Malformed::EndsEarly),
        Category::Syntax | Category::Io => not_json(error),
        Category::Data => data_faults(body, error, shape),
    }
}

fn not_utf8() -> Rejection {
    Rejection::MalformedBody(Malformed::NotUtf8)
}

fn not_json(error: &serde_json::Error) -> Rejection {
    let (line, column) = (error.line(), error.column());
    Rejection::MalformedBody(Malformed::NotJson { line, column })
}

fn data_faults(body: &[u8], error: &serde_json::Error, shape: &Shape) -> Rejection {
    let mut faults = FaultList::default();
    let mut reader = serde_json::Deserializer::from_slice(body);
    let walk = Walk {
        shape,
        place: Place::Body,
        may_be_null: false,
        faults: &mut faults,
    };
    if let Err(later) = walk.deserialize(&mut reader).and_then(|()| reader.end()) {
        return not_json(&later);
    }
    if !faults.is_empty() {
        return Refusal::InvalidField(faults).into();
    }
    // The walk takes no note of names that stand twice.
    Rejection::MalformedBody(match error.to_string().starts_with("duplicate field") {
        true => Malformed::NameTwice,
        false => Malformed::OtherForm,
    })
}

/// Where in a body a value stands. It becomes text only in a fault.
#[derive(Clone, Copy)]
enum Place<'a> {
    Body,
    Member(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Body => Ok(()),
            Place::Member(Place::Body, name) => f.write_str(name),
            Place::Member(object, name) => write!(f, "{object}.{name}"),
            Place::Item(list, number) => write!(f, "{list}[{number}]"),
        }
    }
}

/// Holds a value against its shape while it is read. Nothing of the value is kept: a tree of it would take thirty times
/// the memory of its text.
struct Walk<'a> {
    shape: &'a Shape,
    place: Place<'a>,
    may_be_null: bool,
    faults: &'a mut FaultList,
}

impl Walk<'_> {
    fn fault(&mut self, place: &Place<'_>, kind: FaultKind) {
        self.faults.add_with(|| Fault::new(place.to_string(), kind));
    }

    fn other_kind(mut self) {
        let (shape, place) = (self.shape, self.place);
        let kind = match shape {
            Shape::Text => FaultKind::NotAString,
            Shape::Flag => FaultKind::NotABoolean,
            Shape::Number(least, most) => FaultKind::NotACount {
                least: *least,
                most: *most,
            },
            Shape::Texts | Shape::Object(_) => FaultKind::NotAnObject,
            Shape::List(_) => FaultKind::NotAnArray,
        };
        self.fault(&place, kind);
    }

    /// The walk of what stands at `place` within this value.
    fn within<'b>(&'b mut self, shape: &'b Shape, place: Place<'b>) -> Walk<'b> {
        Walk {
            shape,
            place,
            may_be_null: false,
            faults: self.faults,
        }
    }

    fn texts<'de, A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let object = self.place;
        while let Some(name) = members.next_key::<String>()? {
            let name = shown(&name);
            members.next_value_seed(self.within(&Shape::Text, Place::Member(&object, &name)))?;
        }
        Ok(())
    }

    fn object<'de, A: MapAccess<'de>>(
        mut self,
        known: &[Member],
        mut members: A,
    ) -> Result<(), A::Error> {
        let object = self.place;
        let mut seen = vec![false; known.len()];
        while let Some(name) = members.next_key::<String>()? {
            let Some(at) = known.iter().position(|member| member.name == name) else {
                members.next_value::<IgnoredAny>()?;
                self.faults.add_with(|| {
                    let near = nearest(&name, known.iter().map(|member| &*member.name));
                    let near = near.map(str::to_owned);
                    let place = Place::Member(&object, &shown(&name)).to_string();
                    Fault::new(place, FaultKind::NoSuchField { near })
                });
                continue;
            };
            seen[at] = true;
            let member = &known[at];
            let mut walk = self.within(&member.shape, Place::Member(&object, &member.name));
            walk.may_be_null = member.presence == Presence::Optional;
            members.next_value_seed(walk)?;
        }
        for (member, seen) in known.iter().zip(seen) {
            if !seen && member.presence == Presence::Required {
                self.fault(&Place::Member(&object, &member.name), FaultKind::Required);
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        match self.shape {
            Shape::Flag => {}
            _ => self.other_kind(),
        }
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        match self.shape {
            Shape::Number(least, most) if (*least..=*most).contains(&number) => {}
            _ => self.other_kind(),
        }
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.other_kind();
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.other_kind();
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        match self.shape {
            Shape::Text => {}
            _ => self.other_kind(),
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        if !self.may_be_null {
            self.other_kind();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let Shape::List(of) = self.shape else {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            self.other_kind();
            return Ok(());
        };
        let list = self.place;
        let mut number = 0;
        while items
            .next_element_seed(self.within(of, Place::Item(&list, number)))?
            .is_some()
        {
            number += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        match self.shape {
            Shape::Texts => self.texts(members),
            Shape::Object(known) => self.object(known, members),
            _ => {
                while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                self.other_kind();
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use certmesh_api::FindRequest;
    use certmesh_api::IssueRequest;
    use certmesh_api::StatusRequest;
    use certmesh_api::TypeRequest;

    fn faults<T: Request>(body: &str) -> Vec<(String, String)> {
        match parse::<T>(body.as_bytes()).map(drop) {
            Err(Rejection::Refused(Refusal::InvalidField(faults))) => {
                let shown = faults.iter().map(certmesh_text::field_fault);
                shown.map(|fault| (fault.field, fault.detail)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn malformed(body: &[u8]) -> Malformed {
        match parse::<StatusRequest>(body).map(drop) {
            Err(Rejection::MalformedBody(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_fault_of_a_body_is_named_at_once_and_no_value_is_repeated() {
        let body = r#"{"id": 420106199001011234, "holder": {"kind": 111, "cod": "420106199001011234"},
            "version": "420106199001011234", "valid_form": "x", "fields": {"CZZT": 420106199001011234},
            "420106199001011234": 1}"#;
        let result = parse::<IssueRequest>(body.as_bytes()).map(drop);
        let Err(refusal) = result else {
            panic!("accepted")
        };
        let Rejection::Refused(Refusal::InvalidField(faults)) = &refusal else {
            panic!("{refusal:?}")
        };
        let names: Vec<_> = faults.iter().map(|fault| fault.at.as_str()).collect();
        let expected = [
            "id",
            "holder.kind",
            "holder.cod",
            "holder.code",
            "version",
            "valid_form",
            "fields.CZZT",
            "(a name not shown)",
        ];
        assert_eq!(names, expected);
        let near = Some("valid_from".to_owned());
        assert_eq!(faults[5].kind, FaultKind::NoSuchField { near });
        assert!(!format!("{refusal} {refusal:?}").contains("4201061990"));
    }

    #[test]
    fn what_is_not_json_is_reported_by_its_place() {
        assert_eq!(malformed(b""), Malformed::Empty);
        assert_eq!(malformed(br#"{"action": "rev"#), Malformed::EndsEarly);
        let (line, column) = (1, 13);
        assert_eq!(
            malformed(br#"{"action": nonsense}"#),
            Malformed::NotJson { line, column }
        );
        assert_eq!(malformed(b"[]"), Malformed::NotAnObject);
        assert_eq!(malformed(b"\"\xFF\""), Malformed::NotUtf8);
        let twice = br#"{"action": "a", "action": "b"}"#;
        assert_eq!(malformed(twice), Malformed::NameTwice);
    }

    #[test]
    fn a_field_given_twice_is_refused() {
        let body = br#"{"fields": {"CZZT": "a", "CZZT": "b"}}"#;
        let refusal = parse::<IssueRequest>(body).map(drop).unwrap_err();
        assert!(refusal.to_string().contains("appears twice"), "{refusal}");
    }

    #[test]
    fn a_fault_deep_in_a_body_is_named_by_its_path() {
        let list = faults::<TypeRequest>(
            r#"{"code":"1","name":"1","fields":[{"code":1,"required":"no","max":70000}]}"#,
        );
        let names: Vec<_> = list.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(
            names,
            [
                "fields[0].code",
                "fields[0].required",
                "fields[0].max",
                "fields[0].name"
            ]
        );
        assert_eq!(list[2].1, "must be a whole number from 0 to 65535");
    }

    #[test]
    fn a_body_of_a_mebibyte_of_faults_gives_a_short_answer_that_counts_them() {
        let mut body = String::from("{");
        while body.len() < 1 << 20 {
            body.push_str("\"x\":0,");
        }
        body.push_str("\"limit\":1}");
        let unknown = body.matches("\"x\"").count();
        let refusal = parse::<FindRequest>(body.as_bytes()).unwrap_err();
        let problem = refusal.problem();
        assert_eq!(problem.faults.len() + problem.more_faults, unknown);
        assert!(serde_json::to_vec(&problem).unwrap().len() < 16 * 1024);
    }

    #[test]
    fn a_null_is_a_fault_only_where_a_field_may_not_be_null() {
        let body = r#"{"id":null,"holder":{"kind":null,"code":"x"},"fields":null,"valid_from":7}"#;
        let names: Vec<_> = faults::<IssueRequest>(body)
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(names, ["holder.kind", "fields", "valid_from"]);
    }

    #[test]
    fn a_value_of_another_kind_is_one_fault_whatever_it_holds() {
        let body =
            r#"{"type":[1,[2],{"a":3}],"limit":{"a":[1]},"issuer":-1,"cursor":1.5,"holder":[]}"#;
        let names: Vec<_> = faults::<FindRequest>(body)
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(names, ["type", "limit", "issuer", "cursor", "holder"]);
    }
}

//! Request bodies: JSON read into its type, and when that fails, every fault named without repeating a value.
//!
//! A serde error stops at the first fault and quotes what it found, which may be a holder's code. So a body that doesn't
//! fit is read once more without a type and walked along a [`Shape`], which knows the names and kinds and nothing else.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;

use crate::config::nearest::hint;

use super::refusal::Refusal;
use super::types::FieldFault;

/// What a JSON value has to look like.
#[derive(Debug)]
pub(super) enum Shape {
    Text,
    Flag,
    /// A whole number from 0 to this.
    Number(u64),
    /// An object whose values are texts.
    Texts,
    List(&'static Shape),
    Object(&'static [Member]),
}

/// A member of an object.
#[derive(Debug)]
pub(super) struct Member {
    name: &'static str,
    shape: Shape,
    presence: Presence,
}

#[derive(Debug, PartialEq)]
enum Presence {
    Required,
    /// May be absent or null.
    Optional,
    /// May be absent, not null.
    Defaulted,
}

const fn member(name: &'static str, shape: Shape, presence: Presence) -> Member {
    Member {
        name,
        shape,
        presence,
    }
}

const HOLDER: Shape = Shape::Object(&[
    member("kind", Shape::Text, Presence::Required),
    member("code", Shape::Text, Presence::Required),
]);

/// Shape of `IssueRequest`.
pub(super) const ISSUE: Shape = Shape::Object(&[
    member("id", Shape::Text, Presence::Optional),
    member("type", Shape::Text, Presence::Optional),
    member("serial", Shape::Text, Presence::Optional),
    member(
        "version",
        Shape::Number(u16::MAX as u64),
        Presence::Optional,
    ),
    member("holder", HOLDER, Presence::Optional),
    member("valid_from", Shape::Text, Presence::Optional),
    member("valid_until", Shape::Text, Presence::Optional),
    member("sharing", Shape::Text, Presence::Optional),
    member("fields", Shape::Texts, Presence::Defaulted),
    member("succession", Shape::Text, Presence::Optional),
    member("predecessors", TEXTS, Presence::Defaulted),
    member("attachments", Shape::Texts, Presence::Defaulted),
    member("predecessor", Shape::Text, Presence::Optional),
]);

/// Shape of `StatusRequest`.
pub(super) const STATUS: Shape = Shape::Object(&[
    member("action", Shape::Text, Presence::Required),
    member("to", Shape::Text, Presence::Optional),
    member("reason", Shape::Text, Presence::Optional),
    member("text", Shape::Text, Presence::Defaulted),
]);

/// Shape of `ErasureRequest`.
pub(super) const ERASURE: Shape = Shape::Object(&[member("text", Shape::Text, Presence::Required)]);

/// Shape of `FindRequest`.
pub(super) const FIND: Shape = Shape::Object(&[
    member("holder", HOLDER, Presence::Optional),
    member("type", Shape::Text, Presence::Optional),
    member("issuer", Shape::Text, Presence::Optional),
    member("purpose", Shape::Text, Presence::Optional),
    member("limit", Shape::Number(u32::MAX as u64), Presence::Optional),
    member("cursor", Shape::Text, Presence::Optional),
]);

const NAMED: Shape = Shape::Object(&[
    member("code", Shape::Text, Presence::Required),
    member("name", Shape::Text, Presence::Required),
]);

/// Shape of `AcceptRequest`.
pub(super) const ACCEPT: Shape = Shape::Object(&[
    member("matter", Shape::Text, Presence::Required),
    member("subject", HOLDER, Presence::Required),
    member("on", Shape::Text, Presence::Optional),
    member("collect", COLLECT, Presence::Optional),
]);

const COLLECT: Shape = Shape::Object(&[
    member("purpose", Shape::Text, Presence::Required),
    member("reference", Shape::Text, Presence::Optional),
    member(
        "keep_days",
        Shape::Number(u16::MAX as u64),
        Presence::Optional,
    ),
]);

/// Shape of `FetchRequest`.
pub(super) const FETCH: Shape = Shape::Object(&[
    member("certificate", Shape::Text, Presence::Required),
    member("matter", Shape::Text, Presence::Required),
    member("purpose", Shape::Text, Presence::Required),
    member("fields", TEXTS, Presence::Defaulted),
    member("attachments", Shape::Flag, Presence::Defaulted),
    member(
        "keep_days",
        Shape::Number(u16::MAX as u64),
        Presence::Optional,
    ),
]);

/// Shape of `AccessLogRequest`.
pub(super) const ACCESS_LOG: Shape = Shape::Object(&[
    member("subject", HOLDER, Presence::Required),
    member("from", Shape::Text, Presence::Optional),
    member("to", Shape::Text, Presence::Optional),
    member("cursor", Shape::Text, Presence::Optional),
]);

/// Shape of `LookupsRequest`.
pub(super) const LOOKUPS: Shape = Shape::Object(&[
    member("subject", HOLDER, Presence::Optional),
    member("from", Shape::Text, Presence::Optional),
    member("to", Shape::Text, Presence::Optional),
    member("limit", Shape::Number(u32::MAX as u64), Presence::Optional),
    member("cursor", Shape::Text, Presence::Optional),
]);

const TYPE_FIELD: Shape = Shape::Object(&[
    member("code", Shape::Text, Presence::Required),
    member("name", Shape::Text, Presence::Required),
    member("required", Shape::Flag, Presence::Defaulted),
    member("personal", Shape::Flag, Presence::Defaulted),
    member("type", Shape::Text, Presence::Optional),
    member("max", Shape::Number(u16::MAX as u64), Presence::Optional),
    member("pattern", Shape::Text, Presence::Optional),
    member("codes", Shape::Texts, Presence::Defaulted),
]);

const TEXTS: Shape = Shape::List(&Shape::Text);

/// Shape of `TypeRequest`.
pub(super) const TYPE: Shape = Shape::Object(&[
    member("code", Shape::Text, Presence::Required),
    member("name", Shape::Text, Presence::Required),
    member("authority_name", Shape::Text, Presence::Defaulted),
    member("authority_level", Shape::Text, Presence::Defaulted),
    member("issuing_level", Shape::Text, Presence::Defaulted),
    member("item", NAMED, Presence::Optional),
    member("holder", TEXTS, Presence::Defaulted),
    member("sharing", Shape::Text, Presence::Optional),
    member("validity", Shape::Text, Presence::Optional),
    member("issuers", TEXTS, Presence::Defaulted),
    member("fields", Shape::List(&TYPE_FIELD), Presence::Defaulted),
]);

const REQUIREMENT: Shape = Shape::Object(&[
    member("types", TEXTS, Presence::Required),
    member("fields", TEXTS, Presence::Defaulted),
]);

const SUB_MATTER: Shape = Shape::Object(&[
    member("code", Shape::Text, Presence::Required),
    member("name", Shape::Text, Presence::Required),
    member("requires", Shape::List(&REQUIREMENT), Presence::Defaulted),
]);

/// Shape of `MatterRequest`.
pub(super) const MATTER: Shape = Shape::Object(&[
    member("code", Shape::Text, Presence::Required),
    member("name", Shape::Text, Presence::Required),
    member("sub", Shape::List(&SUB_MATTER), Presence::Required),
]);

/// Shape of `GrantRequest`.
pub(super) const GRANT: Shape = Shape::Object(&[
    member("department", Shape::Text, Presence::Optional),
    member("role", Shape::Text, Presence::Optional),
    member("type", Shape::Text, Presence::Required),
    member("matters", TEXTS, Presence::Defaulted),
    member("fields", TEXTS, Presence::Defaulted),
    member("until", Shape::Text, Presence::Optional),
]);

/// Reads a body.
///
/// # Errors
/// [`Refusal::MalformedBody`] when it isn't JSON, [`Refusal::InvalidField`] with every fault when it is other JSON.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8], shape: &Shape) -> Result<T, Refusal> {
    // serde would also take an array of the members' values in their order.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(match serde_json::from_slice::<Value>(body) {
            Ok(_) => Refusal::MalformedBody(OBJECT_EXPECTED.to_owned()),
            Err(error) => explain(body, &error, shape),
        });
    }
    serde_json::from_slice(body).map_err(|error| explain(body, &error, shape))
}

const OBJECT_EXPECTED: &str = "a JSON object is expected";

fn explain(body: &[u8], error: &serde_json::Error, shape: &Shape) -> Refusal {
    if std::str::from_utf8(body).is_err() {
        return Refusal::MalformedBody("not UTF-8 text".to_owned());
    }
    let at = (error.line(), error.column());
    match error.classify() {
        Category::Eof if body.trim_ascii().is_empty() => {
            Refusal::MalformedBody("empty; a JSON object is expected".to_owned())
        }
        Category::Eof => {
            Refusal::MalformedBody("ends in the middle of its JSON; it was cut off".to_owned())
        }
        Category::Syntax | Category::Io => not_json(at),
        Category::Data => match serde_json::from_slice(body) {
            Ok(value) => data_faults(&value, error, shape),
            Err(later) => not_json((later.line(), later.column())),
        },
    }
}

fn not_json((line, column): (usize, usize)) -> Refusal {
    Refusal::MalformedBody(format!("not JSON at line {line}, column {column}"))
}

fn data_faults(value: &Value, error: &serde_json::Error, shape: &Shape) -> Refusal {
    if !matches!((shape, value), (Shape::Object(_), Value::Object(_))) {
        return Refusal::MalformedBody(OBJECT_EXPECTED.to_owned());
    }
    let mut faults = Vec::new();
    walk(value, shape, "", &mut faults);
    if !faults.is_empty() {
        return Refusal::InvalidField(faults);
    }
    // Reading without a type keeps the last of several members of one name, so those never show in the walk.
    let detail = match error.to_string().starts_with("duplicate field") {
        true => "a name stands twice in one object; each may stand once",
        false => "not in the form that /openapi.json describes",
    };
    Refusal::MalformedBody(detail.to_owned())
}

fn walk(value: &Value, shape: &Shape, path: &str, faults: &mut Vec<FieldFault>) {
    let mut wrong = |detail: String| {
        faults.push(FieldFault {
            field: path.to_owned(),
            detail,
        });
    };
    match (shape, value) {
        (Shape::Text, Value::String(_)) | (Shape::Flag, Value::Bool(_)) => {}
        (Shape::Text, _) => wrong("must be a string".to_owned()),
        (Shape::Flag, _) => wrong("must be true or false".to_owned()),
        (Shape::Number(most), Value::Number(number))
            if number.as_u64().is_some_and(|n| n <= *most) => {}
        (Shape::Number(most), _) => wrong(format!("must be a whole number from 0 to {most}")),
        (Shape::Texts, Value::Object(members)) => {
            for (name, value) in members {
                walk(value, &Shape::Text, &join(path, &shown(name)), faults);
            }
        }
        (Shape::Object(known), Value::Object(members)) => {
            for member in *known {
                walk_member(members.get(member.name), member, path, faults);
            }
            for name in members
                .keys()
                .filter(|name| known.iter().all(|m| m.name != name.as_str()))
            {
                let hint = hint(name, known.iter().map(|member| member.name));
                let detail = format!("there is no such field{hint}");
                faults.push(FieldFault {
                    field: join(path, &shown(name)),
                    detail,
                });
            }
        }
        (Shape::List(of), Value::Array(items)) => {
            for (i, item) in items.iter().enumerate() {
                walk(item, of, &format!("{path}[{i}]"), faults);
            }
        }
        (Shape::Texts | Shape::Object(_), _) => wrong("must be an object".to_owned()),
        (Shape::List(_), _) => wrong("must be an array".to_owned()),
    }
}

fn walk_member(value: Option<&Value>, member: &Member, path: &str, faults: &mut Vec<FieldFault>) {
    let path = join(path, member.name);
    match value {
        None if member.presence == Presence::Required => {
            faults.push(FieldFault {
                field: path,
                detail: "is required".to_owned(),
            });
        }
        None => {}
        Some(Value::Null) if member.presence == Presence::Optional => {}
        Some(value) => walk(value, &member.shape, &path, faults),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// A member's name as an error may show it. Names are no personal data, but a name that doesn't look like one may be a
/// value that stands in the wrong place.
pub(crate) fn shown(name: &str) -> String {
    let like_a_name = |c: char| c.is_alphabetic() || matches!(c, '_' | '-');
    let may_go_on = |c: char| like_a_name(c) || c.is_ascii_digit();
    let mut digits = name.chars().filter(char::is_ascii_digit);
    let shows = name.len() <= 64
        && name.starts_with(like_a_name)
        && name.chars().all(may_go_on)
        && digits.by_ref().take(5).count() < 5;
    if shows {
        name.to_owned()
    } else {
        "(a name not shown)".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::lookups::LookupsRequest;
    use crate::api::reports::AccessLogRequest;
    use crate::api::standards::TypeRequest;
    use crate::api::types::{FindRequest, IssueRequest, StatusRequest};

    fn faults<T: DeserializeOwned + std::fmt::Debug>(
        body: &str,
        shape: &Shape,
    ) -> Vec<(String, String)> {
        match parse::<T>(body.as_bytes(), shape).map(drop) {
            Err(Refusal::InvalidField(faults)) => {
                faults.into_iter().map(|f| (f.field, f.detail)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn malformed(body: &[u8]) -> String {
        match parse::<StatusRequest>(body, &STATUS).map(drop) {
            Err(Refusal::MalformedBody(detail)) => detail,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_faults_of_a_body_are_named_at_once_and_no_value_is_repeated() {
        let body = r#"{"id": 420106199001011234, "holder": {"kind": 111, "cod": "420106199001011234"},
            "version": "420106199001011234", "valid_form": "x", "fields": {"CZZT": 420106199001011234},
            "420106199001011234": 1}"#;
        let result = parse::<IssueRequest>(body.as_bytes(), &ISSUE).map(drop);
        let Err(refusal) = result else {
            panic!("accepted")
        };
        let Refusal::InvalidField(faults) = &refusal else {
            panic!("{refusal:?}")
        };
        let names: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        let expected = [
            "id",
            "version",
            "holder.kind",
            "holder.code",
            "holder.cod",
            "fields.CZZT",
            "(a name not shown)",
            "valid_form",
        ];
        assert_eq!(names, expected);
        assert!(
            faults
                .iter()
                .any(|f| f.detail.ends_with("did you mean `valid_from`?"))
        );
        assert!(!format!("{refusal} {refusal:?}").contains("4201061990"));
    }

    #[test]
    fn what_is_not_json_is_told_by_its_place() {
        assert_eq!(malformed(b""), "empty; a JSON object is expected");
        assert_eq!(
            malformed(br#"{"action": "rev"#),
            "ends in the middle of its JSON; it was cut off"
        );
        assert_eq!(
            malformed(br#"{"action": nonsense}"#),
            "not JSON at line 1, column 13"
        );
        assert_eq!(malformed(b"[]"), "a JSON object is expected");
        assert_eq!(malformed(b"\"\xFF\""), "not UTF-8 text");
        assert!(malformed(br#"{"action": "a", "action": "b"}"#).contains("stands twice"));
    }

    #[test]
    fn a_field_given_twice_is_refused() {
        let body = br#"{"fields": {"CZZT": "a", "CZZT": "b"}}"#;
        let refusal = parse::<IssueRequest>(body, &ISSUE).map(drop).unwrap_err();
        assert!(refusal.to_string().contains("stands twice"), "{refusal}");
    }

    #[test]
    fn every_shape_knows_every_field_of_its_type() {
        let unknown =
            |faults: Vec<(String, String)>| faults.iter().any(|(_, d)| d.contains("no such field"));
        let issue = r#"{"id":1,"type":1,"serial":1,"version":1,"holder":1,"valid_from":1,"valid_until":1,
            "sharing":1,"fields":1,"attachments":1,"succession":1,"predecessors":1,"predecessor":1}"#;
        assert!(!unknown(faults::<IssueRequest>(issue, &ISSUE)));
        assert!(!unknown(faults::<StatusRequest>(
            r#"{"action":1,"reason":1,"text":1}"#,
            &STATUS
        )));
        let find = r#"{"holder":1,"type":1,"issuer":1,"purpose":1,"limit":"1","cursor":1}"#;
        assert!(!unknown(faults::<FindRequest>(find, &FIND)));
        let accesses = r#"{"subject":1,"from":1,"to":1,"cursor":1}"#;
        assert!(!unknown(faults::<AccessLogRequest>(accesses, &ACCESS_LOG)));
        let lookups = r#"{"subject":1,"from":1,"to":1,"limit":"1","cursor":1}"#;
        assert!(!unknown(faults::<LookupsRequest>(lookups, &LOOKUPS)));
        let list = faults::<TypeRequest>(
            r#"{"code":"1","name":"1","fields":[{"code":1,"required":"no"}]}"#,
            &TYPE,
        );
        let names: Vec<_> = list.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(
            names,
            ["fields[0].code", "fields[0].name", "fields[0].required"]
        );
    }
}

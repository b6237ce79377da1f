//! What the JSON of a request has to look like, read from its schema: the one the OpenAPI document shows.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use certmesh_api::{
    AcceptRequest, AccessLogRequest, ErasureRequest, FetchRequest, FindRequest, GovernanceRequest,
    GrantRequest, IssueRequest, LookupsRequest, MatterRequest, StatusRequest, StolenEpochRequest,
    TypeRequest,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

/// What a JSON value has to look like.
#[derive(Debug, PartialEq)]
pub(super) enum Shape {
    Text,
    Flag,
    /// A whole number from the first to the second.
    Number(u64, u64),
    /// An object whose values are texts.
    Texts,
    List(Box<Shape>),
    Object(Vec<Member>),
}

/// A member of an object.
#[derive(Debug, PartialEq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) shape: Shape,
    pub(super) presence: Presence,
}

#[derive(Debug, PartialEq)]
pub(super) enum Presence {
    Required,
    /// May be absent or null.
    Optional,
    /// May be absent, not null.
    Defaulted,
}

/// A request that comes as a JSON object.
pub(super) trait Request: DeserializeOwned + ToSchema {
    /// What it has to look like.
    fn shape() -> &'static Shape;
}

macro_rules! requests {
    ($($name:ident)+) => {
        $(
            impl Request for $name {
                fn shape() -> &'static Shape {
                    static SHAPE: LazyLock<Shape> = LazyLock::new(Shape::of::<$name>);
                    &SHAPE
                }
            }
        )+

        /// The shape of every request, by its type's name.
        #[cfg(test)]
        pub(super) fn all() -> Vec<(&'static str, &'static Shape)> {
            vec![$((stringify!($name), $name::shape())),+]
        }
    };
}

requests! {
    AcceptRequest AccessLogRequest ErasureRequest FetchRequest FindRequest GovernanceRequest GrantRequest IssueRequest LookupsRequest
    MatterRequest StatusRequest StolenEpochRequest TypeRequest
}

/// Schemas by name.
type Named = BTreeMap<String, Value>;

impl Shape {
    fn of<T: ToSchema>() -> Shape {
        let mut named = Vec::new();
        T::schemas(&mut named);
        let named = named
            .into_iter()
            .map(|(name, schema)| (name, json(&schema)));
        let (shape, _) = read(&json(&T::schema()), &named.collect());
        shape
    }
}

/// A schema as the document has it.
fn json(schema: &impl serde::Serialize) -> Value {
    // utoipa's schemas are plain data.
    serde_json::to_value(schema).unwrap_or_default()
}

/// The shape of a schema, and whether a null will do as well.
///
/// # Panics
/// At a schema of another form than requests have; a test reads each.
fn read(schema: &Value, named: &Named) -> (Shape, bool) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return read(&named[name], named);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let nullable = choices.iter().any(|choice| choice["type"] == "null");
        let other = choices.iter().find(|choice| choice["type"] != "null");
        return (read(other.unwrap_or(&Value::Null), named).0, nullable);
    }
    let (kind, nullable) = match &schema["type"] {
        Value::Array(kinds) => {
            let nullable = kinds.iter().any(|kind| kind == "null");
            let kind = kinds.iter().find(|kind| *kind != "null");
            (kind.and_then(Value::as_str), nullable)
        }
        kind => (kind.as_str(), false),
    };
    let shape = match kind {
        Some("string") => Shape::Text,
        Some("boolean") => Shape::Flag,
        Some("integer") => Shape::Number(
            schema["minimum"].as_u64().unwrap_or(0),
            schema["maximum"].as_u64().unwrap_or(u64::MAX),
        ),
        Some("array") => Shape::List(Box::new(read(&schema["items"], named).0)),
        Some("object") if schema["additionalProperties"].is_object() => Shape::Texts,
        Some("object") => Shape::Object(members(schema, named)),
        _ => panic!("a schema that no request has: {schema}"),
    };
    (shape, nullable)
}

fn members(schema: &Value, named: &Named) -> Vec<Member> {
    let required = schema["required"].as_array();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let member = |(name, schema): (&String, &Value)| {
        let (shape, nullable) = read(schema, named);
        let presence = match required.is_some_and(|names| names.iter().any(|one| one == name)) {
            true => Presence::Required,
            false if nullable => Presence::Optional,
            false => Presence::Defaulted,
        };
        Member {
            name: name.clone(),
            shape,
            presence,
        }
    };
    properties.map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member<'a>(shape: &'a Shape, name: &str) -> &'a Member {
        let Shape::Object(members) = shape else {
            panic!("{shape:?}")
        };
        let found = members.iter().find(|member| member.name == name);
        found.unwrap_or_else(|| panic!("{name}: {shape:?}"))
    }

    #[test]
    fn every_request_is_an_object_whose_numbers_have_bounds() {
        fn check(name: &str, shape: &Shape) {
            match shape {
                Shape::Number(least, most) => assert!(least < most && *most < u64::MAX, "{name}"),
                Shape::List(of) => check(name, of),
                Shape::Object(members) => {
                    assert!(!members.is_empty(), "{name}");
                    members
                        .iter()
                        .for_each(|member| check(&member.name, &member.shape));
                }
                Shape::Text | Shape::Flag | Shape::Texts => {}
            }
        }
        for (name, shape) in all() {
            assert!(matches!(shape, Shape::Object(_)), "{name}");
            check(name, shape);
        }
    }

    #[test]
    fn a_schema_says_what_is_required_and_what_may_be_null() {
        let issue = IssueRequest::shape();
        assert_eq!(member(issue, "id").presence, Presence::Optional);
        assert_eq!(member(issue, "fields").presence, Presence::Defaulted);
        assert_eq!(member(issue, "fields").shape, Shape::Texts);
        assert_eq!(member(issue, "sharing").shape, Shape::Text);
        assert_eq!(member(issue, "version").shape, Shape::Number(1, 999));
        let holder = &member(issue, "holder").shape;
        assert_eq!(member(holder, "kind").presence, Presence::Required);
        let status = StatusRequest::shape();
        assert_eq!(member(status, "action").presence, Presence::Required);
        assert_eq!(member(status, "text").presence, Presence::Defaulted);
        assert_eq!(
            member(FetchRequest::shape(), "attachments").shape,
            Shape::Flag
        );
    }
}

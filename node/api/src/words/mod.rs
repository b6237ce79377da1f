//! The closed sets of words that requests and answers are made of: verdicts, states, events, kinds of change, problems.
//!
//! Each set is an enum. In a request or an answer one of its words is a [`Word`], which also holds a word that this version does
//! not know: a command line shows what a newer node answers, and a node names a wrong word of a request among all its other
//! faults. The OpenAPI document lists the words of a set as a plain `enum`, without a place for others.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

#[cfg(feature = "peer")]
use certmesh_ledger::{id, record, retrieval};

/// A closed set of words.
pub trait Words: Copy + Send + Sync + 'static {
    /// Every word, in the order of the document.
    const ALL: &'static [Self];

    /// The word itself.
    fn as_str(self) -> &'static str;
}

/// A word of the set `T`, or one that this version does not know.
///
/// Its schema is that of `T`; fields say so with `value_type`, since utoipa names the schema of a generic type by itself.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Word<T> {
    /// A word of the set.
    Known(T),
    /// Another one, as it came.
    Unknown(Box<str>),
}

impl<T: Words> Word<T> {
    /// The word of this text.
    pub fn read(text: &str) -> Word<T> {
        match T::ALL.iter().find(|word| word.as_str() == text) {
            Some(word) => Word::Known(*word),
            None => Word::Unknown(text.into()),
        }
    }

    /// The word, if it is one of the set.
    pub fn known(&self) -> Option<T> {
        match self {
            Word::Known(word) => Some(*word),
            Word::Unknown(_) => None,
        }
    }

    /// The text, whether it is known or not.
    pub fn as_str(&self) -> &str {
        match self {
            Word::Known(word) => word.as_str(),
            Word::Unknown(text) => text,
        }
    }
}

impl<T> From<T> for Word<T> {
    fn from(word: T) -> Word<T> {
        Word::Known(word)
    }
}

impl<T: PartialEq> PartialEq<T> for Word<T> {
    fn eq(&self, other: &T) -> bool {
        matches!(self, Word::Known(word) if word == other)
    }
}

impl<T: Words> AsRef<str> for Word<T> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl<T: Words> fmt::Display for Word<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<T: Words> fmt::Debug for Word<T> {
    /// Leaves out a word that is not known: in a request it can be anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::Known(word) => f.write_str(word.as_str()),
            Word::Unknown(_) => f.write_str("(unknown)"),
        }
    }
}

impl<T: Words> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de, T: Words> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Reader(PhantomData))
    }
}

struct Reader<T>(PhantomData<T>);

impl<T: Words> Visitor<'_> for Reader<T> {
    type Value = Word<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, text: &str) -> Result<Word<T>, E> {
        Ok(Word::read(text))
    }
}

/// The schema of a set: its words as `enum`, and what each means.
fn schema_of<T: Words>(about: &[&str], names: &[&str], meanings: &[&str]) -> RefOr<Schema> {
    let joined = |lines: &[&str]| {
        let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
        lines.join(" ")
    };
    let mut description = joined(about);
    description.push('\n');
    for (word, meaning) in T::ALL.iter().zip(meanings) {
        description.push_str(&format!("\n- `{}`: {}", word.as_str(), meaning.trim()));
    }
    let words = T::ALL.iter().map(|word| word.as_str());
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
        .description(Some(description))
        .extensions(Some(
            // What generators call the words: `01` is no name in any language.
            Extensions::builder().add("x-enum-varnames", names).build(),
        ))
        .into()
}

/// What a set takes over from the ledger, where it has a type of the ledger.
macro_rules! words_of_ledger {
    ([] $name:ident { $($variant:ident)+ }) => {};
    ([$ledger:ty] $name:ident { $($variant:ident)+ }) => {
        #[cfg(feature = "peer")]
        impl From<$ledger> for $name {
            fn from(word: $ledger) -> Self {
                match word {
                    $(<$ledger>::$variant => Self::$variant,)+
                }
            }
        }

        #[cfg(feature = "peer")]
        impl From<$name> for $ledger {
            fn from(word: $name) -> Self {
                match word {
                    $($name::$variant => <$ledger>::$variant,)+
                }
            }
        }

        #[cfg(feature = "peer")]
        impl From<$ledger> for Word<$name> {
            fn from(word: $ledger) -> Self {
                Word::Known(word.into())
            }
        }
    };
}

/// Defines sets of words; with `: ledger type`, whose variants have the same names, also what comes from it.
macro_rules! words {
    ($(
        $(#[doc = $about:literal])+
        $name:ident $(: $ledger:ty)? {
            $($(#[doc = $meaning:literal])+ $variant:ident = $word:literal,)+
        }
    )+) => {$(
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[doc = $meaning])+ $variant,)+
        }

        impl $name {
            /// Every word.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word itself.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl Words for $name {
            const ALL: &'static [Self] = Self::ALL;

            fn as_str(self) -> &'static str {
                self.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = Word::deserialize(deserializer)?;
                word.known().ok_or_else(|| D::Error::custom("a word outside its list"))
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                schema_of::<Self>(
                    &[$($about),+],
                    &[$(stringify!($variant)),+],
                    &[$(concat!($($meaning),+)),+],
                )
            }
        }

        impl ToSchema for $name {}

        words_of_ledger!([$($ledger)?] $name { $($variant)+ });
    )+};
}

#[cfg(feature = "peer")]
mod of_ledger;
mod sets;

pub use sets::*;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_later_version_is_kept_as_it_came() {
        let word: Word<Verdict> = serde_json::from_str("\"disputed\"").unwrap();
        assert_eq!((word.known(), word.as_str()), (None, "disputed"));
        assert_eq!(serde_json::to_string(&word).unwrap(), "\"disputed\"");
        let word: Word<Verdict> = serde_json::from_str("\"not-valid\"").unwrap();
        assert!(word == Verdict::NotValid);
        assert!(serde_json::from_str::<Verdict>("\"disputed\"").is_err());
    }

    #[test]
    fn a_word_that_is_not_known_is_never_shown_by_debug() {
        let word: Word<HolderKind> = Word::read("110101199003077715");
        assert_eq!(format!("{word:?}"), "(unknown)");
    }

    #[test]
    fn a_schema_lists_exactly_the_words_that_are_read() {
        let schema = serde_json::to_value(Status::schema()).unwrap();
        let words: Vec<Status> = serde_json::from_value(schema["enum"].clone()).unwrap();
        assert_eq!(words, Status::ALL);
        let about = schema["description"].as_str().unwrap();
        assert!(
            about.contains("- `lapsed`: ended by operation of law"),
            "{about}"
        );
    }
}

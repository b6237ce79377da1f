//! What the extensible values of governance are encoded as.
//!
//! What a later version may add to, actions and items, carries its kind and its length, so that a reader that doesn't know
//! the kind can still hash it and pass it on.

use serde::{Deserialize, Serialize};

use crate::codec::Ordered;
use crate::crypto::keys::{PublicKey, Signature};
use crate::crypto::sealing::SealingKey;
use crate::genesis::{Department, PeerId};
use crate::id::DepartmentCode;

/// A department's signature under something: what it is under, and by which of its keys, depends on where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// Who signed.
    pub by: DepartmentCode,
    /// The signature.
    pub signature: Signature,
}

impl Ordered for Signed {
    type Key = DepartmentCode;

    fn key(&self) -> DepartmentCode {
        self.by
    }
}

/// The keys of a department that are in force at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// Signs proposals, approvals and the department's own changes; held offline.
    pub identity: PublicKey,
    /// Signs records, checkpoints, cosignatures, retrievals and votes; held by the node.
    pub operating: PublicKey,
    /// The node's identity in connections.
    pub transport: PeerId,
    /// What is for this department is sealed to it.
    pub sealing: SealingKey,
}

/// Those that a department begins with.
impl From<&Department> for Keys {
    fn from(department: &Department) -> Keys {
        Keys {
            identity: department.identity_key,
            operating: department.signing_key,
            transport: department.peer_id.clone(),
            sealing: department.sealing_key,
        }
    }
}

/// Content of a kind that the version in force does not have, or that is not what that version says of its kind.
///
/// Made by reading alone, so that nothing readable hides in one.
#[derive(Clone, PartialEq, Eq)]
pub struct Unreadable {
    pub(super) kind: u32,
    pub(super) content: Vec<u8>,
}

impl std::fmt::Debug for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "kind {} ({} bytes)", self.kind, self.content.len())
    }
}

/// Defines an enum whose variants are encoded as kind (u32) and content (bytes with their length). A kind's number is part
/// of the format, and is never used for another.
macro_rules! kinds {
    ($(#[$outer:meta])* $name:ident, $limit:expr; $($(#[$doc:meta])+ $number:literal $kind:ident($content:ty),)+) => {
        $(#[$outer])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])+ $kind($content),)+
            /// Of a later version, or malformed: it has no effect.
            Unreadable($crate::governance::kinds::Unreadable),
        }

        $(impl From<$content> for $name {
            fn from(content: $content) -> $name {
                $name::$kind(content)
            }
        })+

        impl $name {
            /// Its kind's number.
            pub fn kind(&self) -> u32 {
                match self {
                    $($name::$kind(_) => $number,)+
                    $name::Unreadable(unreadable) => unreadable.kind,
                }
            }

            /// The canonical bytes of its content.
            pub fn content(&self) -> Vec<u8> {
                match self {
                    $($name::$kind(content) => $crate::codec::encode(content),)+
                    $name::Unreadable(unreadable) => unreadable.content.clone(),
                }
            }

            /// Reads one. What can't be read is kept as it came.
            pub fn read(kind: u32, content: &[u8]) -> $name {
                let known = match kind {
                    $($number => $crate::codec::decode(content, $limit).map($name::$kind).ok(),)+
                    _ => None,
                };
                known.unwrap_or_else(|| {
                    let content = content.to_vec();
                    $name::Unreadable($crate::governance::kinds::Unreadable { kind, content })
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let content = self.content();
                (self.kind(), $crate::codec::Borrowed(&content)).serialize(serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                let (kind, content) = <(u32, $crate::codec::Blob<{ $limit }>)>::deserialize(deserializer)?;
                Ok($name::read(kind, &content))
            }
        }
    };
}

pub(super) use kinds;

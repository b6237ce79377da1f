//! What a record says: a kind and its content.
//!
//! The content carries its length, so a reader that doesn't know the kind, or that can't read the content as what this
//! version says of the kind, still hashes, keeps and passes on the record. A later version may add kinds, and values to
//! the kinds there are; neither stops a log at a peer that hasn't been upgraded yet.

use std::fmt;

use crate::codec;
use crate::id::CertificateId;

use super::{
    AccessLogRead, CaseAccepted, CertificateErased, CertificateIssued, GrantMade, GrantWithdrawn,
    MAX_RECORD, MatterDefined, RetrievalAcknowledged, RetrievalDecided, StatusChanged, TypeDefined,
};

/// The kinds of this version: each one's number is part of the format, and is never used for another kind.
/// What is rarely written and large is boxed: a certificate's record, of which there are millions, is not to take its room.
macro_rules! entries {
    ($($(#[$doc:meta])+ $number:literal $kind:ident($content:ty),)+) => {
        /// What a record says.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Entry {
            $($(#[$doc])+ $kind($content),)+
            /// An entry that this version can't read. It may change anything about the department's certificates.
            Unknown(UnknownEntry),
        }

        $(impl From<$kind> for Entry {
            fn from(content: $kind) -> Entry {
                Entry::$kind(content.into())
            }
        })+

        impl Entry {
            /// Its kind's number.
            pub fn kind(&self) -> u32 {
                match self {
                    $(Entry::$kind(_) => $number,)+
                    Entry::Unknown(unknown) => unknown.kind,
                }
            }

            /// The canonical bytes of its content.
            pub fn content(&self) -> Vec<u8> {
                match self {
                    $(Entry::$kind(content) => codec::encode(content),)+
                    Entry::Unknown(unknown) => unknown.content.clone(),
                }
            }

            /// Reads an entry. Content that isn't what this version says of its kind is a later version's, or means nothing
            /// to anyone: either way it is [`Entry::Unknown`], at every peer of this version.
            pub fn read(kind: u32, content: &[u8]) -> Entry {
                let known = match kind {
                    $($number => codec::decode(content, MAX_RECORD).map(Entry::$kind).ok(),)+
                    _ => None,
                };
                known.filter(Entry::is_consistent).unwrap_or_else(|| {
                    Entry::Unknown(UnknownEntry {
                        kind,
                        content: content.to_vec(),
                    })
                })
            }
        }
    };
}

entries! {
    /// A certificate was issued.
    0 CertificateIssued(CertificateIssued),
    /// The status of a certificate of this log changed.
    1 StatusChanged(StatusChanged),
    /// A certificate type was defined, or its next version.
    2 TypeDefined(Box<TypeDefined>),
    /// A matter was defined, or its next version.
    3 MatterDefined(MatterDefined),
    /// The sight of fields was granted.
    4 GrantMade(GrantMade),
    /// A grant was withdrawn.
    5 GrantWithdrawn(GrantWithdrawn),
    /// A certificate's fields were erased.
    6 CertificateErased(CertificateErased),
    /// This department answered or refused another's request for fields.
    7 RetrievalDecided(Box<RetrievalDecided>),
    /// This department got an answer or a refusal.
    8 RetrievalAcknowledged(Box<RetrievalAcknowledged>),
    /// A case was accepted.
    9 CaseAccepted(CaseAccepted),
    /// The access log of a subject was looked at.
    10 AccessLogRead(AccessLogRead),
}

impl Entry {
    /// Whether it issues a certificate.
    pub fn issues(&self, id: &CertificateId) -> bool {
        matches!(self, Entry::CertificateIssued(issued) if issued.id == *id)
    }

    /// Whether it keeps the rules that its parts can't state by themselves.
    fn is_consistent(&self) -> bool {
        match self {
            Entry::CertificateIssued(issued) => !issued.predecessors().contains(&issued.id),
            _ => true,
        }
    }
}

/// A kind and content that this version can't read. Made by [`Entry::read`] alone, so nothing readable hides in one.
#[derive(Clone, PartialEq, Eq)]
pub struct UnknownEntry {
    kind: u32,
    content: Vec<u8>,
}

impl fmt::Debug for UnknownEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnknownEntry")
            .field("kind", &self.kind)
            .field("bytes", &self.content.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Text;

    #[test]
    fn every_kind_reads_back_and_what_cannot_be_read_is_kept_as_it_came() {
        let erased = Entry::CertificateErased(CertificateErased {
            id: "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"
                .parse()
                .unwrap(),
            text: Text::new("asked for").unwrap(),
        });
        let content = erased.content();
        assert_eq!(Entry::read(erased.kind(), &content), erased);
        // A kind of a later version; a known kind with more, less or other content than this version knows.
        let longer = [&content[..], &[0]].concat();
        for (kind, content) in [
            (11, &content[..]),
            (u32::MAX, &[]),
            (6, &longer),
            (6, &content[1..]),
            (6, &[]),
            (1, &content),
        ] {
            let entry = Entry::read(kind, content);
            assert!(matches!(entry, Entry::Unknown(_)), "kind {kind}");
            assert_eq!((entry.kind(), entry.content()), (kind, content.to_vec()));
        }
    }
}

//! Which certificates a new one takes the place of, and how.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::codec::Bounded;
use crate::id::CertificateId;

use super::status::UnknownWord;

/// Most certificates that one takes the place of.
pub const MAX_PREDECESSORS: usize = 16;

/// How a certificate takes the place of others.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum SuccessionKind {
    /// 延续: the same for a further time.
    Renewal,
    /// 变更: something in it has changed.
    Amendment,
    /// 合并: one in place of several.
    Merge,
    /// 分立: one of several in place of one.
    Split,
    /// 转入: taken over from another department, which has recorded it as transferred out.
    Transfer,
}

impl SuccessionKind {
    const ALL: [SuccessionKind; 5] = [
        SuccessionKind::Renewal,
        SuccessionKind::Amendment,
        SuccessionKind::Merge,
        SuccessionKind::Split,
        SuccessionKind::Transfer,
    ];

    /// The word used in the API and the CLI.
    pub const fn as_str(self) -> &'static str {
        match self {
            SuccessionKind::Renewal => "renewal",
            SuccessionKind::Amendment => "amendment",
            SuccessionKind::Merge => "merge",
            SuccessionKind::Split => "split",
            SuccessionKind::Transfer => "transfer",
        }
    }

    /// Whether the successor continues the predecessor's own identifier, in its next version.
    pub const fn keeps_identifier(self) -> bool {
        matches!(self, SuccessionKind::Renewal | SuccessionKind::Amendment)
    }
}

impl fmt::Display for SuccessionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SuccessionKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<SuccessionKind, UnknownWord> {
        SuccessionKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(UnknownWord {
                expected: &["renewal", "amendment", "merge", "split", "transfer"],
            })
    }
}

type Parts = (SuccessionKind, Bounded<CertificateId, MAX_PREDECESSORS>);

/// The certificates that a new one takes the place of: two or more for a merge, one for any other kind, each once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Succession {
    kind: SuccessionKind,
    predecessors: Bounded<CertificateId, MAX_PREDECESSORS>,
}

/// Certificates that cannot be the predecessors of one succession.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuccessionError {
    /// None.
    #[error("a {0} names what it replaces; no certificate is named")]
    None(SuccessionKind),
    /// One for a merge.
    #[error("a merge puts one certificate in the place of two or more; only one is named")]
    OneMerged,
    /// Several for another kind.
    #[error("a {kind} replaces exactly one certificate; {found} are named")]
    Several {
        /// The kind.
        kind: SuccessionKind,
        /// How many there are.
        found: usize,
    },
    /// One of them twice.
    #[error("{0} is named twice")]
    Twice(CertificateId),
    /// More than a record holds.
    #[error("{0} certificates are named, at most {MAX_PREDECESSORS} can be replaced by one")]
    TooMany(usize),
}

/// A successor's identifier that does not fit what it replaces. The message is short, for logs: what people are shown is in
/// the catalogue of the crate `certmesh-text`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// It is one of its own predecessors.
    #[error("replaces itself")]
    Itself,
    /// Another type, where the certificate stays what it is.
    #[error("{kind}: another type than {predecessor}")]
    Type {
        /// The kind.
        kind: SuccessionKind,
        /// The predecessor.
        predecessor: CertificateId,
    },
    /// The same serial number, and not the version that comes next.
    #[error("version {found:03} does not follow {predecessor}")]
    Version {
        /// The latest version among the predecessors.
        predecessor: CertificateId,
        /// The successor's.
        found: u16,
    },
}

impl Succession {
    /// Of this kind, from these certificates.
    ///
    /// # Errors
    /// [`SuccessionError`].
    pub fn new(
        kind: SuccessionKind,
        predecessors: Vec<CertificateId>,
    ) -> Result<Succession, SuccessionError> {
        let found = predecessors.len();
        let predecessors =
            Bounded::new(predecessors).map_err(|_| SuccessionError::TooMany(found))?;
        Succession::try_from((kind, predecessors))
    }

    /// How.
    pub fn kind(&self) -> SuccessionKind {
        self.kind
    }

    /// What is replaced; at least one.
    pub fn predecessors(&self) -> &[CertificateId] {
        &self.predecessors
    }

    /// What is wrong with this identifier for the successor. Replicas enforce none of it but that it is no predecessor
    /// of its own; whoever issues keeps to all of it.
    pub fn misfits(&self, id: &CertificateId) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        if self.predecessors.contains(id) {
            misfits.push(Misfit::Itself);
            return misfits;
        }
        let kind = self.kind;
        let other_type = |predecessor: &&CertificateId| predecessor.type_code() != id.type_code();
        if kind.keeps_identifier()
            && let Some(predecessor) = self.predecessors.iter().find(other_type)
        {
            let predecessor = predecessor.clone();
            misfits.push(Misfit::Type { kind, predecessor });
        }
        let same_number = |predecessor: &&CertificateId| {
            predecessor.type_code() == id.type_code()
                && predecessor.issuer() == id.issuer()
                && predecessor.serial() == id.serial()
        };
        let numbered = self.predecessors.iter().filter(same_number);
        if let Some(latest) = numbered.max_by_key(|predecessor| predecessor.version())
            && id.version() != latest.version() + 1
        {
            misfits.push(Misfit::Version {
                predecessor: latest.clone(),
                found: id.version(),
            });
        }
        misfits
    }
}

impl TryFrom<Parts> for Succession {
    type Error = SuccessionError;

    fn try_from((kind, predecessors): Parts) -> Result<Succession, SuccessionError> {
        match (kind, predecessors.len()) {
            (kind, 0) => return Err(SuccessionError::None(kind)),
            (SuccessionKind::Merge, 1) => return Err(SuccessionError::OneMerged),
            (SuccessionKind::Merge, _) | (_, 1) => {}
            (kind, found) => return Err(SuccessionError::Several { kind, found }),
        }
        for (place, id) in predecessors.iter().enumerate() {
            if predecessors[..place].contains(id) {
                return Err(SuccessionError::Twice(id.clone()));
            }
        }
        Ok(Succession { kind, predecessors })
    }
}

impl From<Succession> for Parts {
    fn from(succession: Succession) -> Parts {
        (succession.kind, succession.predecessors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    fn id(serial: &str, version: u16) -> CertificateId {
        of("11100000000013338W011", serial, version)
    }

    fn of(type_code: &str, serial: &str, version: u16) -> CertificateId {
        let issuer: crate::id::DepartmentCode = "11430000006122244L".parse().unwrap();
        CertificateId::new(type_code.parse().unwrap(), issuer.into(), serial, version).unwrap()
    }

    #[test]
    fn each_kind_replaces_as_many_as_it_is_for() {
        for kind in SuccessionKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            let new = |n: usize| {
                let all = (0..n).map(|n| id(&format!("S{n}"), 1)).collect();
                Succession::new(kind, all)
            };
            let merge = kind == SuccessionKind::Merge;
            assert_eq!(new(0), Err(SuccessionError::None(kind)));
            assert_eq!(new(1).is_ok(), !merge, "{kind}");
            assert_eq!(new(2).is_ok(), merge, "{kind}");
            assert_eq!(new(16).is_ok(), merge, "{kind}");
            assert_eq!(new(17), Err(SuccessionError::TooMany(17)));
        }
        let twice = vec![id("A", 1), id("B", 1), id("A", 1)];
        assert_eq!(
            Succession::new(SuccessionKind::Merge, twice),
            Err(SuccessionError::Twice(id("A", 1)))
        );
    }

    #[test]
    fn bytes_of_a_succession_that_cannot_be_are_refused() {
        let parts = |kind, ids: Vec<CertificateId>| -> Parts { (kind, Bounded::first(ids)) };
        let good = parts(SuccessionKind::Renewal, vec![id("A", 1)]);
        let read: Succession = codec::decode(&codec::encode(&good), 1024).unwrap();
        assert_eq!(codec::encode(&read), codec::encode(&good));
        for bad in [
            parts(SuccessionKind::Split, vec![]),
            parts(SuccessionKind::Merge, vec![id("A", 1)]),
            parts(SuccessionKind::Transfer, vec![id("A", 1), id("B", 1)]),
            parts(SuccessionKind::Merge, vec![id("A", 1), id("A", 1)]),
        ] {
            assert!(codec::decode::<Succession>(&codec::encode(&bad), 1024).is_err());
        }
    }

    #[test]
    fn a_successor_keeps_the_type_and_takes_the_next_version_of_its_number() {
        let renewal = |of| Succession::new(SuccessionKind::Renewal, vec![of]).unwrap();
        let (first, other) = (id("A", 1), of("11100000000013338W009", "A", 2));
        assert_eq!(renewal(first.clone()).misfits(&id("A", 2)), []);
        // Another serial number begins again.
        assert_eq!(renewal(first.clone()).misfits(&id("B", 1)), []);
        assert_eq!(renewal(first.clone()).misfits(&first), [Misfit::Itself]);
        for version in [0, 3] {
            let expected = Misfit::Version {
                predecessor: first.clone(),
                found: version,
            };
            let misfits = renewal(first.clone()).misfits(&id("A", version));
            assert_eq!(misfits, [expected]);
        }
        // No version follows the last.
        assert!(matches!(
            renewal(id("A", 999)).misfits(&id("A", 1))[..],
            [Misfit::Version { found: 1, .. }]
        ));
        assert!(matches!(
            renewal(first.clone()).misfits(&other)[..],
            [Misfit::Type { .. }]
        ));
        let split = Succession::new(SuccessionKind::Split, vec![first]).unwrap();
        assert_eq!(split.misfits(&other), []);
        let merged = vec![id("A", 1), id("A", 4), id("B", 7)];
        let merge = Succession::new(SuccessionKind::Merge, merged).unwrap();
        assert_eq!(merge.misfits(&id("A", 5)), []);
        assert_eq!(merge.misfits(&id("B", 8)), []);
        assert!(matches!(
            merge.misfits(&id("A", 2))[..],
            [Misfit::Version { .. }]
        ));
    }
}

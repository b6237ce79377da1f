//! Salted commitments to a certificate's fields.
//!
//! Each field is committed to as `hash(field, salt ‖ canonical(name, value))`; the commitments, in the order of the
//! fields' names, are the leaves of an RFC 6962-shaped tree with its own node purpose. The root stands in the issuing
//! record, so any subset of the fields can later be shown with their salts and checked, and the rest stays hidden: a
//! salt is 32 bytes that only the issuer can derive, and not even the issuer once it has destroyed the certificate's key.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::codec::{self, Bounded};
use crate::hash::{Hash, Purpose, hash_parts};
use crate::id::CertificateId;
use crate::keys::BodyKey;

/// Root of the commitments to a certificate's fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FieldRoot(pub Hash);

impl fmt::Display for FieldRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What shows one field: whoever has it and the commitment can check the value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldOpening {
    /// The field's name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Its salt.
    pub salt: Hash,
}

impl fmt::Debug for FieldOpening {
    /// Leaves out value and salt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldOpening")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Drop for FieldOpening {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

impl FieldOpening {
    /// The commitment this opens.
    pub fn commitment(&self) -> Hash {
        commitment(&self.salt, &self.name, &self.value)
    }
}

fn commitment(salt: &Hash, name: &str, value: &str) -> Hash {
    hash_parts(
        Purpose::Field,
        &[salt.as_bytes(), &codec::encode(&(name, value))],
    )
}

/// Commits to a certificate's fields.
pub fn commit_fields(
    key: &BodyKey,
    certificate: &CertificateId,
    fields: &BTreeMap<String, String>,
) -> FieldRoot {
    let leaves: Vec<Hash> = fields
        .iter()
        .map(|(name, value)| commitment(&key.salt(certificate, name), name, value))
        .collect();
    FieldRoot(root(&leaves))
}

/// Some of a certificate's fields, shown so that whoever has the issuing record can check them, with the commitments of
/// the others, which tell nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disclosure {
    /// Each field in the order of the names, shown or hidden.
    leaves: Bounded<DisclosedField, MAX_FIELDS>,
}

/// Most fields a certificate can have.
pub const MAX_FIELDS: usize = 64;

/// One field of a disclosure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DisclosedField {
    /// Its opening.
    Shown(FieldOpening),
    /// Its commitment.
    Hidden(Hash),
}

/// Why a disclosure does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DisclosureError {
    /// The fields are not those the certificate's record commits to.
    #[error("the fields are not those that the certificate's signed record commits to")]
    Root,
    /// Names out of order or twice: one of them could be shown as another.
    #[error("the fields shown are out of order")]
    Order,
}

impl Disclosure {
    /// Shows the fields whose names `show` picks.
    pub fn of(
        key: &BodyKey,
        certificate: &CertificateId,
        fields: &BTreeMap<String, String>,
        show: impl Fn(&str) -> bool,
    ) -> Disclosure {
        let openings = open_fields(key, certificate, fields).into_iter();
        let leaf = |opening: FieldOpening| {
            if show(&opening.name) {
                DisclosedField::Shown(opening)
            } else {
                DisclosedField::Hidden(opening.commitment())
            }
        };
        Disclosure {
            leaves: Bounded::first(openings.map(leaf)),
        }
    }

    /// The fields shown, unchecked: for disclosures that were checked before.
    pub fn shown(&self) -> impl Iterator<Item = &FieldOpening> {
        self.leaves.iter().filter_map(|leaf| match leaf {
            DisclosedField::Shown(opening) => Some(opening),
            DisclosedField::Hidden(_) => None,
        })
    }

    /// The fields shown, checked against the root in the certificate's record.
    ///
    /// # Errors
    /// [`DisclosureError`].
    pub fn verify(&self, committed: &FieldRoot) -> Result<BTreeMap<&str, &str>, DisclosureError> {
        let mut shown = BTreeMap::new();
        let mut leaves = Vec::with_capacity(self.leaves.len());
        for leaf in self.leaves.iter() {
            match leaf {
                DisclosedField::Hidden(commitment) => leaves.push(*commitment),
                DisclosedField::Shown(opening) => {
                    let later = shown
                        .last_key_value()
                        .is_none_or(|(name, _)| *name < opening.name.as_str());
                    if !later {
                        return Err(DisclosureError::Order);
                    }
                    shown.insert(opening.name.as_str(), opening.value.as_str());
                    leaves.push(opening.commitment());
                }
            }
        }
        if root(&leaves) == committed.0 {
            Ok(shown)
        } else {
            Err(DisclosureError::Root)
        }
    }
}

/// The openings of a certificate's fields, in the order of the tree's leaves.
pub fn open_fields(
    key: &BodyKey,
    certificate: &CertificateId,
    fields: &BTreeMap<String, String>,
) -> Vec<FieldOpening> {
    let open = |(name, value): (&String, &String)| FieldOpening {
        name: name.clone(),
        value: value.clone(),
        salt: key.salt(certificate, name),
    };
    fields.iter().map(open).collect()
}

/// Merkle tree hash as RFC 6962 2.1 shapes it, over at most 64 leaves.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => hash_parts(Purpose::FieldNode, &[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            hash_parts(
                Purpose::FieldNode,
                &[root(left).as_bytes(), root(right).as_bytes()],
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Secret;

    #[test]
    fn the_root_binds_every_name_and_value_and_the_certificate() {
        let key = BodyKey(Secret::from_bytes([1; 32]));
        let id: CertificateId =
            "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"
                .parse()
                .unwrap();
        let other: CertificateId =
            "1.2.156.3005.2.11100000000013338W009.11330105002500287C.2025052201.002.0"
                .parse()
                .unwrap();
        let fields: BTreeMap<_, _> = [("CZZT", "甲"), ("ZZMC", "执照"), ("ZZBH", "1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let base = commit_fields(&key, &id, &fields);
        assert_ne!(base, commit_fields(&key, &other, &fields));
        for name in fields.keys() {
            let mut changed = fields.clone();
            changed.get_mut(name).unwrap().push('x');
            assert_ne!(base, commit_fields(&key, &id, &changed));
            let mut without = fields.clone();
            without.remove(name);
            assert_ne!(base, commit_fields(&key, &id, &without));
        }
        let openings = open_fields(&key, &id, &fields);
        let leaves: Vec<Hash> = openings.iter().map(FieldOpening::commitment).collect();
        assert_eq!(base.0, root(&leaves));
    }

    #[test]
    fn any_subset_of_fields_verifies_and_any_changed_byte_of_it_fails() {
        let key = BodyKey(Secret::from_bytes([1; 32]));
        let id: CertificateId =
            "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"
                .parse()
                .unwrap();
        let names = ["A", "B", "C", "D", "E"];
        let fields: BTreeMap<_, _> = names
            .map(|name| (name.to_owned(), format!("value of {name}")))
            .into();
        let committed = commit_fields(&key, &id, &fields);
        for subset in 0..1_u32 << names.len() {
            let shows = |name: &str| {
                let place = names.iter().position(|known| *known == name).unwrap();
                subset & 1 << place != 0
            };
            let disclosure = Disclosure::of(&key, &id, &fields, shows);
            let shown = disclosure.verify(&committed).unwrap();
            assert_eq!(shown.len(), subset.count_ones() as usize);
            assert!(shown.iter().all(|(name, value)| fields[*name] == *value));
            let bytes = codec::encode(&disclosure);
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                let holds = codec::decode::<Disclosure>(&changed, 1 << 20)
                    .is_ok_and(|changed| changed.verify(&committed).is_ok());
                assert!(!holds, "subset {subset:b}, byte {at}");
            }
        }
        assert!(!format!("{key:?}").contains("01"));
    }
}

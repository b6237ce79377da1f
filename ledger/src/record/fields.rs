//! Salted commitments to a certificate's fields.
//!
//! One name opens to one value. The fields that the type's definition names have a leaf each, in its order; one that
//! the certificate lacks has a salted leaf as well, so that hidden leaves reveal nothing. Other fields, attachments
//! among them, stand in a tree of fixed depth at the place that a hash of their name gives, under a salt that the root
//! commits to and every disclosure shows; where there is none, a subtree is a salted hash that looks like any other. A
//! sorted list would need its hidden neighbours' hashes to prove that a name stands in it once, and whoever has the
//! salt could try names against those.
//!
//! The root stands in the issuing record, so any subset of the fields can later be shown with their salts and checked, and
//! the rest stays hidden: a salt is 32 bytes that only the issuer can derive, and not even the issuer once it has destroyed
//! the certificate's key.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::codec::{self, Bounded};
use crate::crypto::hash::{Hash, Purpose, hash, hash_parts};
use crate::crypto::keys::BodyKey;
use crate::id::CertificateId;

use super::FieldDefinition;

/// Depth of the tree of fields that the definition doesn't name: with 64 of them, more than one salt in two gives each a
/// place of its own.
const DEPTH: u8 = 12;

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
        commitment(&self.salt, &self.name, Some(&self.value))
    }
}

fn commitment(salt: &Hash, name: &str, value: Option<&str>) -> Hash {
    hash_parts(
        Purpose::Field,
        &[salt.as_bytes(), &codec::encode(&(name, value))],
    )
}

/// Most fields a certificate can have.
pub const MAX_FIELDS: usize = 64;

/// The commitments to all of a certificate's fields, with what opens them.
struct Committed<'f> {
    key: &'f BodyKey,
    certificate: &'f CertificateId,
    place_salt: Hash,
    /// Of the fields that the definition names.
    named: Vec<Hash>,
    /// The others' places and names.
    others: BTreeMap<u16, &'f str>,
    fields: &'f BTreeMap<String, String>,
}

impl<'f> Committed<'f> {
    fn new(
        key: &'f BodyKey,
        certificate: &'f CertificateId,
        definition: &[FieldDefinition],
        fields: &'f BTreeMap<String, String>,
    ) -> Committed<'f> {
        let commit = |field: &FieldDefinition| {
            let name = field.code.as_str();
            let value = fields.get(name).map(String::as_str);
            commitment(&key.salt(certificate, name), name, value)
        };
        let is_other = |name: &&str| !is_named(definition, name);
        let names = || fields.keys().map(String::as_str).filter(is_other);
        // Names that share a place need another salt; the salts follow from the key, so the root is the same each time.
        let (place_salt, others) = (0..)
            .map(|attempt| key.place_salt(certificate, attempt))
            .find_map(|salt| {
                let places: BTreeMap<u16, &str> =
                    names().map(|name| (place(&salt, name), name)).collect();
                (places.len() == names().count()).then_some((salt, places))
            })
            .expect("some salt gives at most 64 names places of their own");
        Committed {
            key,
            certificate,
            place_salt,
            named: definition.iter().map(commit).collect(),
            others,
            fields,
        }
    }

    fn opening(&self, name: &str) -> Option<FieldOpening> {
        Some(FieldOpening {
            name: name.to_owned(),
            value: self.fields.get(name)?.clone(),
            salt: self.key.salt(self.certificate, name),
        })
    }

    /// The subtree of the others below a node: `prefix` is the node's place among those of its depth.
    fn subtree(&self, depth: u8, prefix: u16) -> Hash {
        let width = DEPTH - depth;
        let first = prefix << width;
        let mut within = self.others.range(first..first + (1 << width));
        match within.next() {
            None => self.key.no_fields(self.certificate, depth, prefix),
            Some((_, name)) if depth == DEPTH => {
                let value = self.fields.get(*name).map(String::as_str);
                commitment(&self.key.salt(self.certificate, name), name, value)
            }
            Some(_) => node(
                &self.subtree(depth + 1, prefix << 1),
                &self.subtree(depth + 1, prefix << 1 | 1),
            ),
        }
    }

    fn path(&self, place: u16) -> [Hash; DEPTH as usize] {
        let mut path = [Hash::ZERO; DEPTH as usize];
        for (depth, sibling) in (1..=DEPTH).zip(&mut path) {
            *sibling = self.subtree(depth, place >> (DEPTH - depth) ^ 1);
        }
        path
    }
}

fn is_named(definition: &[FieldDefinition], name: &str) -> bool {
    definition.iter().any(|field| field.code.as_str() == name)
}

/// The place of a field that the definition doesn't name.
fn place(salt: &Hash, name: &str) -> u16 {
    let hash = hash_parts(Purpose::FieldPlace, &[salt.as_bytes(), name.as_bytes()]);
    let [high, low, ..] = *hash.as_bytes();
    u16::from_be_bytes([high, low]) >> (16 - DEPTH)
}

fn field_root(place_salt: &Hash, named: &[Hash], others: &Hash) -> FieldRoot {
    FieldRoot(hash_parts(
        Purpose::FieldRoot,
        &[
            place_salt.as_bytes(),
            root(named).as_bytes(),
            others.as_bytes(),
        ],
    ))
}

/// Commits to a certificate's fields, of which its type's definition names some.
pub fn commit_fields(
    key: &BodyKey,
    certificate: &CertificateId,
    definition: &[FieldDefinition],
    fields: &BTreeMap<String, String>,
) -> FieldRoot {
    let committed = Committed::new(key, certificate, definition, fields);
    field_root(
        &committed.place_salt,
        &committed.named,
        &committed.subtree(0, 0),
    )
}

/// Some of a certificate's fields, shown so that whoever has the issuing record can check them. What it hides reveals
/// nothing, not even whether there is a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disclosure {
    place_salt: Hash,
    /// The fields that the definition names, in its order.
    named: Bounded<DisclosedField, MAX_FIELDS>,
    /// Root of the tree of the others.
    others_root: Hash,
    /// Those of them that are shown, in the order of their names.
    others: Bounded<DisclosedOther, MAX_FIELDS>,
}

/// A field of a disclosure that the type's definition names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DisclosedField {
    /// Its opening.
    Shown(FieldOpening),
    /// Its commitment, or that to its absence.
    Hidden(Hash),
}

/// A field shown that the type's definition doesn't name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisclosedOther {
    opening: FieldOpening,
    /// Siblings of the nodes that lead to it, from the root down.
    path: [Hash; DEPTH as usize],
}

impl DisclosedOther {
    fn root(&self, place_salt: &Hash) -> Hash {
        let place = place(place_salt, &self.opening.name);
        let mut at = self.opening.commitment();
        for (bit, sibling) in self.path.iter().rev().enumerate() {
            at = match place >> bit & 1 {
                0 => node(&at, sibling),
                _ => node(sibling, &at),
            };
        }
        at
    }
}

/// Why a disclosure does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DisclosureError {
    /// The fields are not those the certificate's record commits to.
    #[error("the fields are not those that the certificate's signed record commits to")]
    Root,
    /// A field stands where another has to stand, or twice.
    #[error("the fields shown are not in the order of the type's definition")]
    Order,
}

impl Disclosure {
    /// Shows the fields whose names `show` picks. `definition` are the fields of the definition that the certificate's
    /// record names.
    pub fn of(
        key: &BodyKey,
        certificate: &CertificateId,
        definition: &[FieldDefinition],
        fields: &BTreeMap<String, String>,
        show: impl Fn(&str) -> bool,
    ) -> Disclosure {
        let committed = Committed::new(key, certificate, definition, fields);
        let named = definition.iter().zip(&committed.named);
        let named = named.map(|(field, commitment)| {
            let name = field.code.as_str();
            let opening = committed.opening(name).filter(|_| show(name));
            opening.map_or(DisclosedField::Hidden(*commitment), DisclosedField::Shown)
        });
        let mut others: Vec<DisclosedOther> = committed
            .others
            .iter()
            .filter(|(_, name)| show(name))
            .filter_map(|(place, name)| {
                Some(DisclosedOther {
                    opening: committed.opening(name)?,
                    path: committed.path(*place),
                })
            })
            .collect();
        others.sort_by(|one, other| one.opening.name.cmp(&other.opening.name));
        Disclosure {
            place_salt: committed.place_salt,
            named: Bounded::first(named),
            others_root: committed.subtree(0, 0),
            others: Bounded::first(others),
        }
    }

    /// The fields shown, unchecked: for disclosures that were checked before.
    pub fn shown(&self) -> impl Iterator<Item = &FieldOpening> {
        let named = self.named.iter().filter_map(|leaf| match leaf {
            DisclosedField::Shown(opening) => Some(opening),
            DisclosedField::Hidden(_) => None,
        });
        named.chain(self.others.iter().map(|other| &other.opening))
    }

    /// The fields shown, checked against the root in the certificate's record. `definition` are the fields of the
    /// definition that it names.
    ///
    /// # Errors
    /// [`DisclosureError`].
    pub fn verify(
        &self,
        committed: &FieldRoot,
        definition: &[FieldDefinition],
    ) -> Result<BTreeMap<&str, &str>, DisclosureError> {
        let mut shown = BTreeMap::new();
        let mut leaves = Vec::with_capacity(self.named.len());
        if self.named.len() != definition.len() {
            return Err(DisclosureError::Order);
        }
        for (leaf, field) in self.named.iter().zip(definition) {
            leaves.push(match leaf {
                DisclosedField::Hidden(commitment) => *commitment,
                DisclosedField::Shown(opening) => {
                    let name = opening.name.as_str();
                    // A definition that names a field twice gives its name no place.
                    let named = definition
                        .iter()
                        .filter(|field| field.code.as_str() == name);
                    if name != field.code.as_str() || named.count() != 1 {
                        return Err(DisclosureError::Order);
                    }
                    shown.insert(name, opening.value.as_str());
                    opening.commitment()
                }
            });
        }
        let mut before = None;
        for other in self.others.iter() {
            let name = other.opening.name.as_str();
            if is_named(definition, name) || before.is_some_and(|before| before >= name) {
                return Err(DisclosureError::Order);
            }
            if other.root(&self.place_salt) != self.others_root {
                return Err(DisclosureError::Root);
            }
            shown.insert(name, other.opening.value.as_str());
            before = Some(name);
        }
        if field_root(&self.place_salt, &leaves, &self.others_root) == *committed {
            Ok(shown)
        } else {
            Err(DisclosureError::Root)
        }
    }
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut both = [0; 64];
    both[..32].copy_from_slice(left.as_bytes());
    both[32..].copy_from_slice(right.as_bytes());
    hash(Purpose::FieldNode, &both)
}

/// Merkle tree hash as RFC 6962 2.1 shapes it, over at most 64 leaves.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => hash(Purpose::FieldNode, b""),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node(&root(left), &root(right))
        }
    }
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;

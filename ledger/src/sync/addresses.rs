//! Where members' peers can be reached, as each says itself.
//!
//! The genesis has the founders' addresses for good, and governance has none. So each peer signs its own, with the key that
//! also proves who it is when it is dialled, and members pass on what others signed: those who joined later find each other, and
//! one that moved is found again. A wrong address makes others dial in vain, and leads to nobody else's peer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::codec::{self, Bounded, Text};
use crate::crypto::hash::{Hash, Purpose, hash_parts};
use crate::crypto::keys::{Signature, SigningKey};
use crate::genesis::{MAX_DEPARTMENTS, check_dialable};
use crate::id::DepartmentCode;
use crate::membership::Membership;
use crate::names::NetworkId;

use super::announcement::Bucket;

/// Most bytes of one department's statement, encoded.
pub const MAX_STATED: usize = 1_024;
/// Most addresses of one department.
const MAX_ADDRESSES: usize = 8;
/// Most bytes of its addresses together, so that what all departments state fits into one response.
const MAX_TOGETHER: usize = 768;
/// New statements of a department that are taken at once. Each makes every other member dial.
const BURST: u64 = 4;
/// One more of them is taken each time this much has passed, ms.
const EACH_MS: u64 = 60_000;

/// Why addresses can't be stated, or what was stated doesn't count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressesError {
    /// More than fit.
    #[error(
        "more than {MAX_ADDRESSES} addresses, or more than {MAX_TOGETHER} bytes of them together"
    )]
    TooMany,
    /// One that nobody can dial.
    #[error("an address that no other node can dial")]
    Undialable,
    /// No statement of the department's present peer.
    #[error("not signed by the transport key that is in force for its department")]
    NotSigned,
}

/// Where a department's peer can be reached, signed by its transport key. Of several the one of the highest number counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct StatedAddresses {
    department: DepartmentCode,
    number: u64,
    addresses: Bounded<Text<256>, MAX_ADDRESSES>,
    signature: Signature,
}

/// The same, as it comes.
#[derive(Deserialize)]
struct Parts {
    department: DepartmentCode,
    number: u64,
    addresses: Bounded<Text<256>, MAX_ADDRESSES>,
    signature: Signature,
}

impl TryFrom<Parts> for StatedAddresses {
    type Error = AddressesError;

    fn try_from(parts: Parts) -> Result<Self, AddressesError> {
        check_addresses(&parts.addresses)?;
        Ok(StatedAddresses {
            department: parts.department,
            number: parts.number,
            addresses: parts.addresses,
            signature: parts.signature,
        })
    }
}

/// Whether these addresses can be stated.
///
/// # Errors
/// [`AddressesError`].
pub fn check_addresses(addresses: &[Text<256>]) -> Result<(), AddressesError> {
    if addresses.len() > MAX_ADDRESSES {
        return Err(AddressesError::TooMany);
    }
    let together: usize = addresses.iter().map(|text| text.as_str().len()).sum();
    if together > MAX_TOGETHER {
        return Err(AddressesError::TooMany);
    }
    match addresses
        .iter()
        .all(|text| check_dialable(text.as_str()).is_ok())
    {
        true => Ok(()),
        false => Err(AddressesError::Undialable),
    }
}

impl StatedAddresses {
    /// Signs where a department's peer can be reached.
    ///
    /// # Errors
    /// [`AddressesError`].
    pub fn sign(
        network: NetworkId,
        department: DepartmentCode,
        number: u64,
        addresses: Vec<Text<256>>,
        transport: &SigningKey,
    ) -> Result<StatedAddresses, AddressesError> {
        check_addresses(&addresses)?;
        let addresses = Bounded::first(addresses);
        let message = message(network, &department, number, &addresses);
        Ok(StatedAddresses {
            department,
            number,
            addresses,
            signature: transport.sign(&message),
        })
    }

    /// Whose peer it is about.
    pub fn department(&self) -> DepartmentCode {
        self.department
    }

    /// Which statement of that department's.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The addresses, as multiaddresses; empty if it can't be dialled at all.
    pub fn addresses(&self) -> &[Text<256>] {
        &self.addresses
    }

    fn message(&self, network: NetworkId) -> Hash {
        message(network, &self.department, self.number, &self.addresses)
    }

    /// Whether the peer that its department has now signed it.
    fn verify(&self, members: &Membership) -> Result<(), AddressesError> {
        let member = members.member(&self.department);
        let key = member.and_then(|member| member.keys.transport.public_key().ok());
        let key = key.ok_or(AddressesError::NotSigned)?;
        key.verify(&self.message(members.network()), &self.signature)
            .map_err(|_| AddressesError::NotSigned)
    }
}

/// What is signed.
fn message(
    network: NetworkId,
    department: &DepartmentCode,
    number: u64,
    addresses: &Bounded<Text<256>, MAX_ADDRESSES>,
) -> Hash {
    let content = codec::encode(&(department, number, addresses));
    hash_parts(Purpose::Addresses, &[network.0.as_bytes(), &content])
}

/// What became of a statement that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is kept from now on.
    New,
    /// It is kept already, or a later one is.
    Known,
    /// It would be, but its department has changed its addresses too often. It is heard again.
    TooSoon,
    /// Its department's present peer did not sign it; decisions that aren't known here, or there, may be why.
    NotSigned,
}

/// The newest statement of each member, the own among them.
pub struct AddressBook {
    own: DepartmentCode,
    members: Membership,
    stated: BTreeMap<DepartmentCode, StatedAddresses>,
    rates: BTreeMap<DepartmentCode, Bucket>,
}

impl AddressBook {
    /// A book of what was kept before, as far as it still counts.
    pub fn new(
        members: Membership,
        own: DepartmentCode,
        kept: impl IntoIterator<Item = StatedAddresses>,
    ) -> AddressBook {
        let mut book = AddressBook {
            own,
            members,
            stated: BTreeMap::new(),
            rates: BTreeMap::new(),
        };
        for stated in kept {
            if book.is_news(&stated) && stated.verify(&book.members).is_ok() {
                book.stated.insert(stated.department, stated);
            }
        }
        book
    }

    /// Takes in what was heard, at a time of a clock that does not go back.
    ///
    /// A later statement of the own department is one that this peer made and has forgotten: it is kept, so that the next one
    /// has a higher number.
    pub fn take(&mut self, stated: StatedAddresses, now_ms: u64) -> Taken {
        if !self.is_news(&stated) {
            return Taken::Known;
        }
        if stated.verify(&self.members).is_err() {
            return Taken::NotSigned;
        }
        let rate = self.rates.entry(stated.department).or_default();
        if !rate.take(now_ms, BURST, EACH_MS) {
            return Taken::TooSoon;
        }
        self.stated.insert(stated.department, stated);
        Taken::New
    }

    /// Of two of one number, which only a key in two places makes, everybody keeps the same one.
    fn is_news(&self, stated: &StatedAddresses) -> bool {
        let network = self.members.network();
        let rank = |stated: &StatedAddresses| (stated.number, stated.message(network));
        let kept = self.stated.get(&stated.department);
        kept.is_none_or(|kept| rank(kept) < rank(stated))
    }

    /// States the own addresses, unless that is what was stated last. `clock_ms` is the machine's clock, which numbers them as
    /// long as it does not go back.
    ///
    /// # Errors
    /// [`AddressesError`], also if `transport` is not the key in force.
    pub fn state(
        &mut self,
        addresses: &[Text<256>],
        transport: &SigningKey,
        clock_ms: u64,
    ) -> Result<Option<&StatedAddresses>, AddressesError> {
        let before = self.stated.get(&self.own);
        if before.map_or(&[][..], |before| before.addresses()) == addresses {
            return Ok(None);
        }
        let least = before.map_or(0, |before| before.number.saturating_add(1));
        let stated = StatedAddresses::sign(
            self.members.network(),
            self.own,
            clock_ms.max(least),
            addresses.to_vec(),
            transport,
        )?;
        stated.verify(&self.members)?;
        self.stated.insert(self.own, stated);
        Ok(self.stated.get(&self.own))
    }

    /// Forgets what doesn't count any more: who was removed, or has another transport key. Returns of whom.
    pub fn follow(&mut self) -> Vec<DepartmentCode> {
        let members = &self.members;
        let mut gone = Vec::new();
        self.stated.retain(|code, stated| {
            let counts = stated.verify(members).is_ok();
            if !counts {
                gone.push(*code);
            }
            counts
        });
        self.rates.retain(|code, _| members.member(code).is_some());
        gone
    }

    /// The own statement that is kept.
    pub fn own(&self) -> Option<&StatedAddresses> {
        self.stated.get(&self.own)
    }

    /// Where a member's peer can be reached; `None` if it has not said so.
    pub fn of(&self, code: &DepartmentCode) -> Option<&[Text<256>]> {
        self.stated.get(code).map(StatedAddresses::addresses)
    }

    /// All statements, by department.
    pub fn all(&self) -> Bounded<StatedAddresses, MAX_DEPARTMENTS> {
        Bounded::first(self.stated.values().cloned())
    }

    /// The same at every peer that keeps the same statements, and hardly ever at two that don't.
    pub fn digest(&self) -> u64 {
        let network = self.members.network();
        let each = self.stated.values();
        each.map(|stated| stated.message(network).fingerprint())
            .fold(0, u64::wrapping_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::tests::world::{World, code};

    const HERE: &str = "/ip4/192.0.2.7/tcp/7481";
    const THERE: &str = "/dns4/node.example/tcp/7481";

    fn texts(addresses: &[&str]) -> Vec<Text<256>> {
        let texts = addresses.iter().map(|text| Text::new(*text).unwrap());
        texts.collect()
    }

    fn transport(world: &World, n: usize) -> SigningKey {
        SigningKey::from_seed(&world.own(n).transport)
    }

    fn stated(world: &World, n: usize, number: u64, addresses: &[&str]) -> StatedAddresses {
        let key = transport(world, n);
        StatedAddresses::sign(world.network(), code(n), number, texts(addresses), &key).unwrap()
    }

    fn book(world: &World, own: usize) -> AddressBook {
        let members = Membership::from_genesis(&world.genesis);
        AddressBook::new(members, code(own), [])
    }

    #[test]
    fn the_highest_number_wins_and_both_orders_end_with_the_same() {
        let world = World::new(3, 0);
        let (mut one, mut other) = (book(&world, 0), book(&world, 0));
        let same_number = [&[HERE][..], &[THERE][..]].map(|at| stated(&world, 1, 5, at));
        let all = [
            stated(&world, 1, 4, &[HERE]),
            same_number[0].clone(),
            same_number[1].clone(),
            stated(&world, 2, 1, &[]),
        ];
        for stated in &all {
            one.take(stated.clone(), 0);
        }
        for stated in all.iter().rev() {
            other.take(stated.clone(), 0);
        }
        assert_eq!(one.all(), other.all());
        assert_eq!(one.digest(), other.digest());
        assert_ne!(one.digest(), book(&world, 0).digest());
        assert_eq!(one.of(&code(2)), Some(&[][..]));
        assert_eq!(one.of(&code(0)), None);
        let late = stated(&world, 1, 3, &[THERE]);
        assert_eq!(one.take(late, 0), Taken::Known);
        let kept = AddressBook::new(one.members.clone(), code(0), one.all().into_vec());
        assert_eq!(kept.digest(), one.digest());
    }

    #[test]
    fn only_the_peer_that_a_department_has_now_says_where_it_is() {
        let mut world = World::new(3, 0);
        let mut book = book(&world, 0);
        let by_another = StatedAddresses::sign(
            world.network(),
            code(1),
            9,
            texts(&[HERE]),
            &transport(&world, 2),
        );
        assert_eq!(book.take(by_another.unwrap(), 0), Taken::NotSigned);
        let mut changed = stated(&world, 1, 1, &[HERE]);
        changed.number = 2;
        assert_eq!(book.take(changed, 0), Taken::NotSigned);
        let mut elsewhere = World::new(4, 0);
        elsewhere.secrets = world.secrets.clone();
        assert_ne!(elsewhere.network(), world.network());
        let elsewhere = stated(&elsewhere, 1, 1, &[HERE]);
        assert_eq!(book.take(elsewhere, 0), Taken::NotSigned);
        let nobody = StatedAddresses::sign(
            world.network(),
            code(9),
            1,
            texts(&[HERE]),
            &transport(&world, 1),
        );
        assert_eq!(book.take(nobody.unwrap(), 0), Taken::NotSigned);
        assert_eq!(book.take(stated(&world, 1, 1, &[HERE]), 0), Taken::New);

        // Its statements end with the key.
        let fresh = world.fresh_key();
        let mut change = world.own_change(1);
        let public = *fresh.public().as_bytes();
        change.transport = Some(crate::genesis::PeerId::from_transport_key(public));
        let identity = &world.own(1).identity;
        let change = crate::governance::SignedChange::sign(
            world.network(),
            change,
            identity,
            None,
            Some(&fresh),
        );
        world.make(vec![change.into()]).unwrap();
        book.members.extend(&world.blocks[0]).unwrap();
        assert_eq!(book.follow(), [code(1)]);
        assert_eq!(book.of(&code(1)), None);
        let after = StatedAddresses::sign(world.network(), code(1), 1, texts(&[THERE]), &fresh);
        assert_eq!(book.take(after.unwrap(), 0), Taken::New);
        assert!(book.follow().is_empty());
    }

    #[test]
    fn the_own_statement_changes_with_the_addresses_and_its_number_never_goes_back() {
        let world = World::new(2, 0);
        let mut book = book(&world, 0);
        let key = transport(&world, 0);
        let state = |book: &mut AddressBook, at: &[&str], clock_ms| {
            let made = book.state(&texts(at), &key, clock_ms).unwrap();
            made.map(StatedAddresses::number)
        };
        assert_eq!(state(&mut book, &[], 50), None, "nothing to take back");
        assert_eq!(state(&mut book, &[HERE], 100), Some(100));
        assert_eq!(state(&mut book, &[HERE], 200), None);
        // The clock went back.
        assert_eq!(state(&mut book, &[THERE], 50), Some(101));
        // The state was lost, and others still have what was said.
        let forgotten = stated(&world, 0, 900, &[HERE]);
        assert_eq!(book.take(forgotten, 0), Taken::New);
        assert_eq!(state(&mut book, &[THERE], 150), Some(901));
        assert_eq!(state(&mut book, &[], 1_000), Some(1_000));
        let other = transport(&world, 1);
        let refused = book.state(&texts(&[HERE]), &other, 2_000);
        assert_eq!(refused, Err(AddressesError::NotSigned));
        assert_eq!(book.of(&code(0)), Some(&[][..]));
    }

    #[test]
    fn who_moves_all_the_time_is_followed_once_a_minute() {
        let world = World::new(2, 0);
        let mut book = book(&world, 0);
        let mut take = |number, now_ms| book.take(stated(&world, 1, number, &[HERE]), now_ms);
        for number in 0..BURST {
            assert_eq!(take(number, 0), Taken::New);
        }
        assert_eq!(take(10, 59_999), Taken::TooSoon);
        assert_eq!(take(10, 60_000), Taken::New);
        assert_eq!(take(11, 60_001), Taken::TooSoon);
    }

    #[test]
    fn what_nobody_can_dial_or_is_too_much_is_neither_signed_nor_read() {
        let world = World::new(1, 0);
        let key = transport(&world, 0);
        let sign = |addresses: &[&str]| {
            StatedAddresses::sign(world.network(), code(0), 1, texts(addresses), &key)
        };
        let long = format!("/dns4/{}/tcp/7481", "n".repeat(240));
        assert!(sign(&[&long, &long]).is_ok());
        assert_eq!(sign(&[long.as_str(); 4]), Err(AddressesError::TooMany));
        assert_eq!(sign(&[HERE; 9]), Err(AddressesError::TooMany));
        for wrong in ["/ip4/0.0.0.0/tcp/7481", "/ip4/192.0.2.7/tcp/0", "there"] {
            assert_eq!(sign(&[wrong]), Err(AddressesError::Undialable), "{wrong}");
        }
        let longest = format!("/dns4/{}/tcp/1", "n".repeat(75));
        let most = sign(&[longest.as_str(); 8]).unwrap();
        let bytes = codec::encode(&most);
        assert!(bytes.len() <= MAX_STATED);
        let read: StatedAddresses = codec::decode(&bytes, MAX_STATED).unwrap();
        assert_eq!(read, most);
        // The same length, and port 0.
        let mut wrong = codec::encode(&sign(&["/ip4/192.0.2.7/tcp/1"]).unwrap());
        let at = wrong.len() - 65 - 1;
        assert_eq!(wrong[at], b'1');
        wrong[at] = b'0';
        assert!(codec::decode::<StatedAddresses>(&wrong, MAX_STATED).is_err());
    }
}

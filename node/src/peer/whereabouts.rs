//! Where this peer and the others can be reached: what each states of itself, kept, compared and passed on.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use certmesh_ledger::codec::{self, Text};
use certmesh_ledger::crypto::keys::SigningKey;
use certmesh_ledger::genesis::is_loopback;
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::membership::Membership;
use certmesh_ledger::store::{Store, Table};
use certmesh_ledger::sync::{AddressBook, MAX_STATED, Response, StatedAddresses, Taken};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use libp2p::Multiaddr;

use super::now_ms;
use super::roster::ByDepartment;

/// Questions of a member that are answered, in a second and at once: an answer is up to a mebibyte.
const ANSWERS: Quota = Quota::per_second(NonZeroU32::new(1).expect("not zero"))
    .allow_burst(NonZeroU32::new(4).expect("not zero"));
/// A member whose statements differ is asked for them at most once in this time.
const EACH: Duration = Duration::from_secs(10);
/// So is any member in this one: after a change all others differ at first.
const ANY: Duration = Duration::from_millis(500);

/// Where the own peer can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OwnAddresses {
    /// There, as its operator says, or the genesis.
    Given(Vec<Text<256>>),
    /// Where it turns out to listen, if that is at one of these, which are no wildcards.
    Listening(Vec<Multiaddr>),
}

/// What is known of where members are.
pub(crate) struct Whereabouts {
    book: AddressBook,
    digest: u64,
    store: Arc<dyn Store>,
    transport: SigningKey,
    own: OwnAddresses,
    /// What is to be stated of the own peer.
    here: Vec<Text<256>>,
    asked: HashMap<DepartmentCode, Instant>,
    asked_last: Option<Instant>,
    answers: DefaultKeyedRateLimiter<DepartmentCode>,
}

impl Whereabouts {
    /// What the run before kept, as far as it counts.
    pub(crate) fn new(
        members: &Membership,
        department: DepartmentCode,
        store: Arc<dyn Store>,
        transport: SigningKey,
        own: OwnAddresses,
    ) -> Whereabouts {
        let kept = store.scan(Table::Addresses, b"", 1 << 16);
        let kept = kept.unwrap_or_else(|error| {
            tracing::warn!(%error, "members' addresses not read from the state store: they come again");
            Vec::new()
        });
        let kept = kept
            .iter()
            .filter_map(|(_, value)| codec::decode::<StatedAddresses>(value, MAX_STATED).ok());
        let book = AddressBook::new(members.clone(), department, kept);
        let here = match &own {
            OwnAddresses::Given(addresses) => addresses.clone(),
            OwnAddresses::Listening(_) => Vec::new(),
        };
        Whereabouts {
            digest: book.digest(),
            book,
            store,
            transport,
            own,
            here,
            asked: HashMap::new(),
            asked_last: None,
            answers: RateLimiter::keyed(ANSWERS),
        }
    }

    /// The own peer listens there.
    pub(crate) fn listening(&mut self, address: &Multiaddr) {
        let OwnAddresses::Listening(at) = &self.own else {
            return;
        };
        // The port may have been for the system to choose; the interface was not.
        let configured = at
            .iter()
            .any(|configured| configured.iter().next() == address.iter().next());
        if let Ok(text) = Text::new(address.to_string())
            && configured
            && !self.here.contains(&text)
        {
            self.here.push(text);
        }
    }

    /// States the own addresses if they have changed. Returns whether they have.
    pub(crate) fn restate(&mut self) -> bool {
        match self.book.state(&self.here, &self.transport, now_ms()) {
            Ok(None) => return false,
            Ok(Some(stated)) => {
                tracing::info!(
                    addresses = ?self.here.iter().map(Text::as_str).collect::<Vec<_>>(),
                    number = stated.number(),
                    "stating to the other members where this node can be reached"
                );
                let stated = stated.clone();
                self.keep(&stated);
            }
            Err(error) => {
                tracing::warn!(%error, "where this node can be reached is not stated to the other members: set net.external");
                // Not again before something changes.
                let stated = self.book.own();
                self.here = stated.map_or_else(Vec::new, |own| own.addresses().to_vec());
                return false;
            }
        }
        self.digest = self.book.digest();
        true
    }

    /// Whether to ask a member whose heads had this digest.
    pub(crate) fn asks(&mut self, from: DepartmentCode, digest: u64) -> bool {
        let recent = |asked: Option<&Instant>, time| asked.is_some_and(|at| at.elapsed() < time);
        if digest == self.digest
            || recent(self.asked_last.as_ref(), ANY)
            || recent(self.asked.get(&from), EACH)
        {
            return false;
        }
        self.asked_last = Some(Instant::now());
        self.asked.insert(from, Instant::now());
        true
    }

    /// Takes what a member keeps. Returns whether any of it is news.
    pub(crate) fn take(
        &mut self,
        from: DepartmentCode,
        all: Vec<StatedAddresses>,
        now_ms: u64,
    ) -> bool {
        let mut news = false;
        for stated in all {
            let department = stated.department();
            match self.book.take(stated.clone(), now_ms) {
                Taken::New => {
                    news = true;
                    tracing::info!(%department, heard_from = %from, "a member has stated where it can be reached");
                    self.keep(&stated);
                }
                Taken::Known => {}
                Taken::TooSoon => {
                    tracing::debug!(%department, "addresses not taken: they change too often");
                }
                Taken::NotSigned => {
                    tracing::debug!(%department, heard_from = %from, "addresses not taken: not signed by a present key");
                }
            }
        }
        if news {
            self.digest = self.book.digest();
        }
        news
    }

    fn keep(&self, stated: &StatedAddresses) {
        let (key, value) = (stated.department(), codec::encode(stated));
        let kept = self
            .store
            .set(Table::Addresses, key.as_str().as_bytes(), &value);
        if let Err(error) = kept {
            tracing::warn!(%error, "a member's addresses not kept in the state store");
        }
    }

    /// Forgets those of peers that no longer belong to a member.
    pub(crate) fn follow(&mut self) {
        for code in self.book.follow() {
            self.asked.remove(&code);
            let removed = self
                .store
                .remove(Table::Addresses, code.as_str().as_bytes());
            if let Err(error) = removed {
                tracing::warn!(%error, "a member's addresses not removed from the state store");
            }
        }
        self.digest = self.book.digest();
    }

    /// What stands in heads.
    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// What a member that asks is answered; `None` if it asks too often.
    pub(crate) fn answer(&self, asker: &DepartmentCode) -> Option<Response> {
        let allowed = self.answers.check_key(asker).is_ok();
        allowed.then(|| Response::Addresses(self.book.all()))
    }

    /// Where others can be dialled. Loopback addresses only if the own peer is on loopback itself: elsewhere a member that named
    /// them would have this peer connect to whatever runs on its machine.
    pub(crate) fn stated(&self) -> ByDepartment {
        let one_machine =
            !self.here.is_empty() && self.here.iter().all(|text| is_loopback(text.as_str()));
        let all = self.book.all().into_vec();
        let found: BTreeMap<DepartmentCode, Vec<Multiaddr>> = all
            .iter()
            .map(|stated| {
                let usable = stated
                    .addresses()
                    .iter()
                    .filter(|text| one_machine || !is_loopback(text.as_str()));
                let parsed = usable.filter_map(|text| text.as_str().parse().ok());
                (stated.department(), parsed.collect())
            })
            .collect();
        found
    }
}

#[cfg(test)]
mod tests {
    use certmesh_ledger::store::MemoryStore;

    use super::*;
    use crate::peer::testing::{
        OWN, admit, change_transport, decide, members, remove, suspend, transport_of,
    };

    const NEWCOMER: &str = "11100000000013338W";
    const HERE: &str = "/ip4/192.0.2.7/tcp/7481";

    fn text(text: &str) -> Text<256> {
        Text::new(text).unwrap()
    }

    /// The own department's, whose transport key is that of its seed.
    fn whereabouts(
        members: &Membership,
        store: &Arc<MemoryStore>,
        own: OwnAddresses,
    ) -> Whereabouts {
        let transport = SigningKey::from_seed(&[2; 32]);
        let store = Arc::clone(store) as Arc<dyn Store>;
        Whereabouts::new(members, OWN.parse().unwrap(), store, transport, own)
    }

    /// What the newcomer states, whose transport key is the one that `admit` gives it.
    fn of_newcomer(members: &Membership, number: u64, addresses: &[&str]) -> StatedAddresses {
        let code = NEWCOMER.parse().unwrap();
        let (addresses, key) = (
            addresses.iter().map(|at| text(at)).collect(),
            transport_of(&code),
        );
        StatedAddresses::sign(members.network(), code, number, addresses, &key).unwrap()
    }

    #[test]
    fn what_is_stated_survives_a_start_and_is_stated_again_when_it_changes_only() {
        let (members, store) = (members(), Arc::new(MemoryStore::default()));
        let given = |at: &str| OwnAddresses::Given(vec![text(at)]);
        let mut first = whereabouts(&members, &store, given(HERE));
        assert!(first.restate() && !first.restate());
        let mut again = whereabouts(&members, &store, given(HERE));
        assert_eq!(again.digest(), first.digest());
        assert!(!again.restate());
        let mut moved = whereabouts(&members, &store, given("/ip4/192.0.2.8/tcp/7481"));
        assert!(moved.restate());
        assert_ne!(moved.digest(), first.digest());
        // Another key takes its place: what the one before signed is forgotten.
        change_transport(&members, &[9; 32]);
        moved.follow();
        assert_eq!(moved.digest(), 0);
        assert!(store.scan(Table::Addresses, b"", 9).unwrap().is_empty());
        assert!(!moved.restate(), "the key at hand is not in force");
    }

    #[test]
    fn where_it_listens_is_stated_unless_that_is_a_wildcard() {
        let (members, store) = (members(), Arc::new(MemoryStore::default()));
        let at: Multiaddr = "/ip4/192.0.2.7/tcp/0".parse().unwrap();
        let mut here = whereabouts(&members, &store, OwnAddresses::Listening(vec![at]));
        assert!(!here.restate());
        for address in ["/ip4/10.0.0.1/tcp/7481", HERE, HERE] {
            here.listening(&address.parse().unwrap());
        }
        assert!(here.restate());
        assert_eq!(here.here, [text(HERE)]);
    }

    #[test]
    fn a_member_that_differs_is_asked_now_and_then() {
        let (members, store) = (members(), Arc::new(MemoryStore::default()));
        let mut here = whereabouts(&members, &store, OwnAddresses::Given(Vec::new()));
        let newcomer: DepartmentCode = NEWCOMER.parse().unwrap();
        assert!(!here.asks(newcomer, here.digest()));
        assert!(here.asks(newcomer, 7));
        assert!(!here.asks(newcomer, 7) && !here.asks(OWN.parse().unwrap(), 7));
        // And answered a few times at once.
        let answered = (0..9).filter(|_| here.answer(&newcomer).is_some());
        assert_eq!(answered.count(), 4);
    }

    #[test]
    fn what_a_member_states_is_dialled_until_it_is_removed_and_loopback_on_one_machine_only() {
        let (members, store) = (members(), Arc::new(MemoryStore::default()));
        decide(&members, &[admit(&members, NEWCOMER)]);
        let newcomer: DepartmentCode = NEWCOMER.parse().unwrap();
        let loopback = "/ip4/127.0.0.1/tcp/7481";
        let mut here = whereabouts(&members, &store, OwnAddresses::Given(vec![text(HERE)]));
        let stated = of_newcomer(&members, 1, &[loopback, HERE]);
        assert!(here.take(newcomer, vec![stated.clone(), stated], 0));
        assert_eq!(here.stated()[&newcomer], [HERE.parse().unwrap()]);
        let on_loopback = OwnAddresses::Given(vec![text("/ip4/127.0.0.1/tcp/1")]);
        let one_machine = whereabouts(&members, &store, on_loopback);
        assert_eq!(one_machine.stated()[&newcomer].len(), 2);

        decide(&members, &[suspend(NEWCOMER)]);
        here.follow();
        assert!(here.stated().contains_key(&newcomer));
        decide(&members, &[remove(&members, NEWCOMER)]);
        here.follow();
        assert!(here.stated().is_empty());
    }
}

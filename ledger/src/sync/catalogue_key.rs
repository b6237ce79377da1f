//! A catalogue key, from a member that holds it to one that does not yet.
//!
//! It goes sealed, though the connection is encrypted: to the sealing key that governance names, not to whoever has the
//! transport key alone. What comes is held against the one commitment of the chain that was asked for, so it does not matter who
//! sealed it.

use zeroize::Zeroizing;

use crate::codec;
use crate::crypto::hash::{Hash, Purpose, hash_parts};
use crate::crypto::keys::{CatalogueCommitment, CatalogueKey, Secret};
use crate::crypto::sealing::{Sealed, SealingKey, SealingSecret};
use crate::id::DepartmentCode;
use crate::membership::Membership;
use crate::names::NetworkId;

/// A catalogue key for a department that asks for it, sealed to its present sealing key; `None` unless it is a member, and not
/// suspended.
///
/// `random` is 32 random bytes, never used twice.
pub fn sealed_catalogue_key(
    key: &CatalogueKey,
    members: &Membership,
    asker: &DepartmentCode,
    random: Zeroizing<[u8; 32]>,
) -> Option<Sealed> {
    let member = members.member(asker).filter(|member| member.is_active())?;
    let to = &member.keys.sealing;
    let context = context(members.network(), asker, to, key.commitment());
    Some(to.seal(context.as_bytes(), key.0.expose(), random))
}

/// Why what a member sent is not the catalogue key that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTheCatalogueKey {
    /// No sealing key at hand opens it.
    #[error(
        "it is not sealed to a sealing key that is held here, or not the key asked for, or not for this department of this network"
    )]
    NotForUs,
    /// It is another key.
    #[error("it is not the key that the network commits to")]
    Other,
}

/// Opens the catalogue key that a member sealed to a department which asked for the one that fits a commitment, with the sealing
/// keys that the department's node holds.
///
/// # Errors
/// [`NotTheCatalogueKey`].
pub fn open_catalogue_key<'a>(
    sealed: &Sealed,
    commitment: CatalogueCommitment,
    members: &Membership,
    own: &DepartmentCode,
    held: impl IntoIterator<Item = &'a SealingSecret>,
) -> Result<CatalogueKey, NotTheCatalogueKey> {
    let opened = held.into_iter().find_map(|secret| {
        let context = context(members.network(), own, &secret.public(), commitment);
        secret.open(context.as_bytes(), sealed).ok()
    });
    let opened = opened.ok_or(NotTheCatalogueKey::NotForUs)?;
    let key = CatalogueKey(Secret::from_bytes(*opened));
    match key.commitment() == commitment {
        true => Ok(key),
        false => Err(NotTheCatalogueKey::Other),
    }
}

/// What it is sealed for.
fn context(
    network: NetworkId,
    asker: &DepartmentCode,
    to: &SealingKey,
    commitment: CatalogueCommitment,
) -> Hash {
    let content = codec::encode(&(asker, to, commitment));
    hash_parts(
        Purpose::SealedCatalogueKey,
        &[network.0.as_bytes(), &content],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::SignedChange;
    use crate::governance::tests::world::{World, code, seed};

    /// The key of the world's network.
    const KEY: [u8; 32] = [7; 32];

    fn sealed(members: &Membership, n: usize) -> Option<Sealed> {
        let (key, random) = (
            CatalogueKey(Secret::from_bytes(KEY)),
            Zeroizing::new([1; 32]),
        );
        sealed_catalogue_key(&key, members, &code(n), random)
    }

    /// The sealing secret of a founder of the world.
    fn secret(n: u64) -> SealingSecret {
        SealingSecret::from_seed(&seed(4 * n + 4))
    }

    fn open(
        sealed: &Sealed,
        members: &Membership,
        n: usize,
        held: &[SealingSecret],
    ) -> Result<[u8; 32], NotTheCatalogueKey> {
        let commitment = CatalogueKey(Secret::from_bytes(KEY)).commitment();
        open_catalogue_key(sealed, commitment, members, &code(n), held).map(|key| *key.0.expose())
    }

    fn catch_up(members: &Membership, world: &World) {
        let known = usize::try_from(members.history().height()).unwrap();
        for block in &world.blocks[known..] {
            members.extend(block).unwrap();
        }
    }

    #[test]
    fn a_member_opens_what_is_sealed_to_it_and_nobody_else_does() {
        let members = Membership::from_genesis(&World::new(3, 0).genesis);
        let for_one = sealed(&members, 1).unwrap();
        // Keys of before or after are held as well.
        let opened = open(&for_one, &members, 1, &[secret(0), secret(1)]);
        assert_eq!(opened, Ok(KEY));
        let not_for_us = Err(NotTheCatalogueKey::NotForUs);
        assert_eq!(open(&for_one, &members, 1, &[secret(0)]), not_for_us);
        assert_eq!(open(&for_one, &members, 2, &[secret(1)]), not_for_us);
        assert_eq!(open(&for_one, &members, 1, &[]), not_for_us);
        // The same keys found another network.
        let elsewhere = Membership::from_genesis(&World::new(4, 0).genesis);
        assert_eq!(open(&for_one, &elsewhere, 1, &[secret(1)]), not_for_us);
    }

    #[test]
    fn what_is_sealed_for_one_commitment_opens_for_no_other() {
        let members = Membership::from_genesis(&World::new(3, 0).genesis);
        let other = CatalogueKey(Secret::from_bytes([8; 32]));
        let random = || Zeroizing::new([1; 32]);
        let open = |sealed: &Sealed, commitment| {
            let opened = open_catalogue_key(sealed, commitment, &members, &code(1), &[secret(1)]);
            opened.map(|key| *key.0.expose())
        };
        let sealed = sealed_catalogue_key(&other, &members, &code(1), random()).unwrap();
        assert_eq!(open(&sealed, other.commitment()), Ok([8; 32]));
        let asked = members.genesis().catalogue_key();
        assert_eq!(open(&sealed, asked), Err(NotTheCatalogueKey::NotForUs));
        // Another key of the chain in the place of the one asked for.
        let to = secret(1).public();
        let context = context(members.network(), &code(1), &to, asked);
        let swapped = to.seal(context.as_bytes(), other.0.expose(), random());
        assert_eq!(open(&swapped, asked), Err(NotTheCatalogueKey::Other));
    }

    #[test]
    fn a_key_that_the_genesis_does_not_commit_to_is_refused() {
        let members = Membership::from_genesis(&World::new(3, 0).genesis);
        let to = secret(1).public();
        let commitment = members.genesis().catalogue_key();
        let context = context(members.network(), &code(1), &to, commitment);
        let random = Zeroizing::new([1; 32]);
        let other = to.seal(context.as_bytes(), &[6; 32], random);
        let opened = open(&other, &members, 1, &[secret(1)]);
        assert_eq!(opened, Err(NotTheCatalogueKey::Other));
    }

    #[test]
    fn only_a_present_member_gets_it_under_its_present_sealing_key() {
        let mut world = World::new(4, 1);
        let members = Membership::from_genesis(&world.genesis);
        assert!(sealed(&members, 4).is_some() && sealed(&members, 9).is_none());
        let admit = world.admit(9, true);
        world.decide(&[admit]).unwrap();
        let suspend = world.suspend(4, 0);
        world.decide(&[suspend]).unwrap();
        catch_up(&members, &world);
        assert!(sealed(&members, 9).is_some() && sealed(&members, 4).is_none());

        let fresh = SealingSecret::from_seed(&[77; 32]);
        let mut change = world.own_change(0);
        change.sealing = Some(fresh.public());
        let identity = &world.own(0).identity;
        let change = SignedChange::sign(world.network(), change, identity, None, None);
        world.make(vec![change.into()]).unwrap();
        catch_up(&members, &world);
        let now = sealed(&members, 0).unwrap();
        assert_eq!(open(&now, &members, 0, &[fresh]), Ok(KEY));
        let before = open(&now, &members, 0, &[secret(0)]);
        assert_eq!(before, Err(NotTheCatalogueKey::NotForUs));
    }
}

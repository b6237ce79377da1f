//! Passphrases, and what trying one costs.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::keys::Secret;

/// Fewest characters of a passphrase.
pub const LEAST_PASSPHRASE_CHARS: usize = 12;
/// Most bytes of a passphrase.
pub const MOST_PASSPHRASE_BYTES: usize = 1024;

/// Why something is not a passphrase. No variant holds any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// Nothing.
    #[error("the passphrase is empty")]
    Empty,
    /// Bytes that are no text.
    #[error("the passphrase is not UTF-8 text")]
    NotText,
    /// Too short to withstand trying.
    #[error(
        "the passphrase has {0} characters; at least {LEAST_PASSPHRASE_CHARS} are needed, such as five words chosen by dice"
    )]
    Short(usize),
    /// Longer than any that is typed.
    #[error("the passphrase is longer than {MOST_PASSPHRASE_BYTES} bytes")]
    Long,
}

/// What opens an identity key file. Zeroised when dropped; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// A passphrase of exactly this text: white space counts wherever it stands.
    ///
    /// # Errors
    /// [`PassphraseError`] of one that is empty, too short or too long.
    pub fn new(text: &str) -> Result<Passphrase, PassphraseError> {
        match text.chars().count() {
            0 => Err(PassphraseError::Empty),
            chars if chars < LEAST_PASSPHRASE_CHARS => Err(PassphraseError::Short(chars)),
            _ if text.len() > MOST_PASSPHRASE_BYTES => Err(PassphraseError::Long),
            _ => Ok(Passphrase(Zeroizing::new(text.to_owned()))),
        }
    }

    /// The passphrase in the text of a file, which may end with one line end.
    ///
    /// # Errors
    /// As for [`Passphrase::new`].
    pub fn of_file(text: &str) -> Result<Passphrase, PassphraseError> {
        let line = text.strip_suffix('\n').unwrap_or(text);
        let line = match line.len() < text.len() {
            true => line.strip_suffix('\r').unwrap_or(line),
            false => line,
        };
        Passphrase::new(line)
    }

    /// The key that follows from it; `None` if there isn't as much memory as that takes.
    pub(super) fn key(&self, salt: &[u8; 16], cost: Cost) -> Option<Secret> {
        let blocks = usize::try_from(cost.memory_kib).unwrap_or(usize::MAX);
        let mut memory = Vec::new();
        memory.try_reserve_exact(blocks).ok()?;
        memory.resize(blocks, Block::new());
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32));
        let params = params.expect("within the bounds of a cost");
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut key = Zeroizing::new([0; 32]);
        let (text, out) = (self.0.as_bytes(), key.as_mut_slice());
        let hashed = argon2.hash_password_into_with_memory(text, salt, out, &mut *memory);
        memory.zeroize();
        hashed.expect("salt, output and memory have the lengths that argon2 takes");
        Some(Secret::from_bytes(*key))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(secret)")
    }
}

/// What trying one passphrase costs: the parameters of argon2id, within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// Why parameters of argon2id aren't accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "argon2id with {memory_kib} KiB, {passes} passes and {lanes} lanes is out of bounds: 8 KiB a lane to {most} KiB, \
     1 to {most_lanes} lanes, at least one pass, and at most {work} KiB times passes",
    most = Cost::MOST_MEMORY_KIB, most_lanes = Cost::MOST_LANES, work = Cost::MOST_WORK
)]
pub struct CostError {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// What new files have: 64 MiB and 3 passes, as RFC 9106 recommends second, but one lane instead of four. Lanes are for
    /// who computes them side by side, and this is computed on one core: more of them would help only whoever tries passphrases.
    pub const USUAL: Cost = Cost {
        memory_kib: 64 * 1024,
        passes: 3,
        lanes: 1,
    };
    /// Most memory, in KiB: a hostile file can't make its reader take more.
    pub const MOST_MEMORY_KIB: u32 = 512 * 1024;
    /// Most lanes.
    pub const MOST_LANES: u32 = 16;
    /// Most KiB times passes, some seconds of one core: a hostile file can't make its reader work longer.
    pub const MOST_WORK: u64 = 4 * 1024 * 1024;

    /// These parameters of argon2id.
    ///
    /// # Errors
    /// [`CostError`] out of bounds.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Cost, CostError> {
        let most_memory = Cost::MOST_MEMORY_KIB;
        let work = u64::from(memory_kib) * u64::from(passes);
        let holds = (1..=Cost::MOST_LANES).contains(&lanes)
            && (8 * lanes..=most_memory).contains(&memory_kib)
            && (1..=Cost::MOST_WORK).contains(&work);
        let (cost, error) = (
            Cost {
                memory_kib,
                passes,
                lanes,
            },
            CostError {
                memory_kib,
                passes,
                lanes,
            },
        );
        holds.then_some(cost).ok_or(error)
    }

    /// Memory, in KiB.
    pub fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// Passes over that memory.
    pub fn passes(&self) -> u32 {
        self.passes
    }

    /// Lanes that can be computed side by side.
    pub fn lanes(&self) -> u32 {
        self.lanes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_has_twelve_characters_and_is_taken_as_it_is() {
        let refused = |text: &str| Passphrase::new(text).err();
        assert_eq!(refused(""), Some(PassphraseError::Empty));
        assert_eq!(refused("elevenchars"), Some(PassphraseError::Short(11)));
        // Eleven characters, thirty-three bytes.
        let eleven = "舟山群岛的灯塔守望者之";
        assert_eq!(refused(eleven), Some(PassphraseError::Short(11)));
        assert_eq!(refused("twelve chars"), None);
        assert_eq!(refused(&"x".repeat(1024)), None);
        assert_eq!(refused(&"x".repeat(1025)), Some(PassphraseError::Long));
        for (file, text) in [
            ("twelve chars", "twelve chars"),
            ("twelve chars\n", "twelve chars"),
            ("twelve chars\r\n", "twelve chars"),
            ("twelve chars\r", "twelve chars\r"),
            ("twelve chars\n\n", "twelve chars\n"),
            (" twelve chars ", " twelve chars "),
        ] {
            assert_eq!(*Passphrase::of_file(file).unwrap().0, text, "{file:?}");
        }
        let empty = Passphrase::of_file("\r\n").err();
        assert_eq!(empty, Some(PassphraseError::Empty));
    }
}

//! X25519 keys that something is sealed to (HPKE, RFC 9180).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use x25519_dalek::{PublicKey, StaticSecret};

/// Why something is not a sealing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealingKeyError {
    /// Not `x25519:` and 64 hexadecimal digits.
    #[error("expected `x25519:` and 64 hexadecimal digits")]
    Malformed,
    /// Not in its one form, or of small order: whoever seals to it would seal to everybody.
    #[error("not a usable x25519 public key (not in canonical form, or of small order)")]
    Weak,
}

/// A public key that is sealed to, checked to be usable.
///
/// Nothing is signed with it, so that its holder has the secret half is not proved: a department that names another's key
/// can't open what is sealed to itself, and that is all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SealingKey([u8; 32]);

impl SealingKey {
    /// Reads 32 bytes as an X25519 public key.
    ///
    /// # Errors
    /// [`SealingKeyError::Weak`] for bytes that are not below the field's prime, and for points of small order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<SealingKey, SealingKeyError> {
        // A scalar is a multiple of 8, so with a point of small order any of them gives zeros.
        let any = StaticSecret::from([1; 32]);
        let shared = any.diffie_hellman(&PublicKey::from(bytes));
        match is_reduced(&bytes) && shared.was_contributory() {
            true => Ok(SealingKey(bytes)),
            false => Err(SealingKeyError::Weak),
        }
    }

    /// The 32 bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Whether a number (little-endian) is below 2^255 - 19. X25519 itself reads larger ones too, so one key would have two forms.
fn is_reduced(bytes: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = bytes;
    match *last {
        0x80.. => false,
        0x7F => *first < 0xED || middle.iter().any(|byte| *byte != 0xFF),
        _ => true,
    }
}

impl fmt::Display for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "x25519:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for SealingKey {
    type Err = SealingKeyError;

    fn from_str(text: &str) -> Result<SealingKey, SealingKeyError> {
        let digits = text.strip_prefix("x25519:");
        let mut bytes = [0; 32];
        digits
            .and_then(|digits| hex::decode_to_slice(digits, &mut bytes).ok())
            .ok_or(SealingKeyError::Malformed)?;
        SealingKey::from_bytes(bytes)
    }
}

impl Serialize for SealingKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.collect_str(self),
            false => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for SealingKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SealingKey, D::Error> {
        let key = match deserializer.is_human_readable() {
            true => String::deserialize(deserializer)?.parse(),
            false => SealingKey::from_bytes(<[u8; 32]>::deserialize(deserializer)?),
        };
        key.map_err(serde::de::Error::custom)
    }
}

/// The secret half of a [`SealingKey`]. Zeroised when dropped; never shown.
pub struct SealingSecret(StaticSecret);

impl SealingSecret {
    /// The key of a 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> SealingSecret {
        SealingSecret(StaticSecret::from(*seed))
    }

    /// The public half.
    pub fn public(&self) -> SealingKey {
        // A multiple of the base point, whose order is a large prime; in its one form.
        SealingKey(PublicKey::from(&self.0).to_bytes())
    }
}

impl fmt::Debug for SealingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingSecret(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn a_sealing_key_has_one_form_in_text_and_bytes() {
        // RFC 7748, section 5.2: the base point times the scalar that its own bytes give.
        let mut seed = [0; 32];
        seed[0] = 9;
        let expected = "x25519:422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079";
        assert_eq!(
            SealingSecret::from_seed(&seed).public().to_string(),
            expected
        );
        let key = SealingSecret::from_seed(&[7; 32]).public();
        assert_eq!(SealingKey::from_bytes(*key.as_bytes()), Ok(key));
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(codec::encode(&key), key.as_bytes());
        assert_eq!(codec::decode::<SealingKey>(key.as_bytes(), 32), Ok(key));
    }

    #[test]
    fn nothing_is_sealed_to_a_point_of_small_order_or_to_another_form_of_a_key() {
        let mut one = [0; 32];
        one[0] = 1;
        // 2^255 - 19 + 9: the base point again, in another form.
        let mut unreduced = [0xFF; 32];
        (unreduced[0], unreduced[31]) = (0xF6, 0x7F);
        let mut top_bit = [9; 32];
        top_bit[31] |= 0x80;
        let order_8 = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
        let mut point = [0; 32];
        hex::decode_to_slice(order_8, &mut point).unwrap();
        for bytes in [[0; 32], one, unreduced, top_bit, point] {
            let key = SealingKey::from_bytes(bytes);
            assert_eq!(key, Err(SealingKeyError::Weak), "{bytes:?}");
        }
        let mut base = [0; 32];
        base[0] = 9;
        assert!(SealingKey::from_bytes(base).is_ok());
    }

    #[test]
    fn the_secret_half_never_shows() {
        let shown = format!("{:?}", SealingSecret::from_seed(&[0xAB; 32]));
        assert!(!shown.to_lowercase().contains("abab"), "{shown}");
    }
}

//! X25519 keys that something is sealed to (HPKE, RFC 9180).
//!
//! Base mode, with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305: suite 0x0020, 0x0001, 0x0003. Whoever opens it
//! does not learn who sealed it, so what is inside has to be checked by something else.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use hpke::aead::{AeadTag, ChaCha20Poly1305};
use hpke::inout::InOutBuf;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

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

    /// Seals a secret of 32 bytes to whoever has the key's secret half.
    ///
    /// `context` says what it is and for whom: opened with another one it is refused. `random` is 32 random bytes, never used
    /// twice: whoever knows them can open what was sealed with them.
    pub fn seal(&self, context: &[u8], secret: &[u8; 32], random: Zeroizing<[u8; 32]>) -> Sealed {
        let key = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&self.0);
        let key = key.expect("32 bytes are a key to X25519");
        let mut text = *secret;
        let (ephemeral, tag) = hpke::single_shot_seal_inout_detached_with_rng::<
            ChaCha20Poly1305,
            HkdfSha256,
            X25519HkdfSha256,
        >(
            &OpModeS::Base,
            &key,
            context,
            InOutBuf::from(&mut text[..]),
            &[],
            &mut Once(Some(random)),
        )
        .expect("a key that was checked gives no zeros, and the first message has a number");
        Sealed {
            ephemeral: ephemeral.to_bytes().into(),
            text,
            tag: tag.to_bytes().into(),
        }
    }
}

/// Gives 32 bytes once: this library takes no randomness of its own, and HPKE makes its one key of so many.
struct Once(Option<Zeroizing<[u8; 32]>>);

impl TryRng for Once {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("HPKE asks for bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("HPKE asks for bytes")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        let given = self.0.take().expect("HPKE asks once");
        bytes.copy_from_slice(&given[..]);
        Ok(())
    }
}

impl TryCryptoRng for Once {}

/// A secret of 32 bytes that only the holder of one sealing key can open.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The public key that was made for it (`enc` in RFC 9180).
    ephemeral: [u8; 32],
    /// The secret, encrypted.
    text: [u8; 32],
    tag: [u8; 16],
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({}…)", hex::encode(&self.ephemeral[..4]))
    }
}

/// Why something sealed can't be opened: it was sealed to another key, for another context, or changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not sealed to this key for this purpose, or changed since")]
pub struct NotForThisKey;

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

    /// Opens what [`SealingKey::seal`] sealed in the same context.
    ///
    /// # Errors
    /// [`NotForThisKey`].
    pub fn open(
        &self,
        context: &[u8],
        sealed: &Sealed,
    ) -> Result<Zeroizing<[u8; 32]>, NotForThisKey> {
        type Private = <X25519HkdfSha256 as Kem>::PrivateKey;
        type Ephemeral = <X25519HkdfSha256 as Kem>::EncappedKey;
        let secret = Zeroizing::new(self.0.to_bytes());
        let secret = Private::from_bytes(&secret[..]).expect("32 bytes are a secret to X25519");
        let ephemeral = Ephemeral::from_bytes(&sealed.ephemeral).map_err(|_| NotForThisKey)?;
        let tag = AeadTag::from_bytes(&sealed.tag).map_err(|_| NotForThisKey)?;
        let mut text = Zeroizing::new(sealed.text);
        hpke::single_shot_open_inout_detached::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &secret,
            &ephemeral,
            context,
            InOutBuf::from(&mut text[..]),
            &[],
            &tag,
        )
        .map_err(|_| NotForThisKey)?;
        Ok(text)
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
    fn what_is_sealed_is_that_of_rfc_9180() {
        // Appendix A.2.1. Its message is 3 bytes shorter and has other associated data, so the tag differs.
        let bytes = |text: &str| -> [u8; 32] { hex::decode(text).unwrap().try_into().unwrap() };
        let ikm_e = bytes("909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b");
        let enc = bytes("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a");
        let pk_r = bytes("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a");
        let sk_r = bytes("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb");
        let info = hex::decode("4f6465206f6e2061204772656369616e2055726e").unwrap();
        let text = "4265617574792069732074727574682c20747275746820626561757479";
        let expected = "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b";
        let mut message = [0; 32];
        message[..29].copy_from_slice(&hex::decode(text).unwrap());
        let receiver = SealingSecret::from_seed(&sk_r);
        assert_eq!(receiver.public().as_bytes(), &pk_r);
        let sealed = receiver
            .public()
            .seal(&info, &message, Zeroizing::new(ikm_e));
        assert_eq!(sealed.ephemeral, enc);
        assert_eq!(hex::encode(&sealed.text[..29]), expected);
        assert_eq!(*receiver.open(&info, &sealed).unwrap(), message);
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_in_its_context_unchanged_and_not_otherwise() {
        let (receiver, other) = ([1; 32], [2; 32]);
        let [receiver, other] = [receiver, other].map(|seed| SealingSecret::from_seed(&seed));
        let random = || Zeroizing::new([3; 32]);
        let sealed = receiver.public().seal(b"for it", &[4; 32], random());
        assert_eq!(*receiver.open(b"for it", &sealed).unwrap(), [4; 32]);
        assert_eq!(other.open(b"for it", &sealed), Err(NotForThisKey));
        assert_eq!(receiver.open(b"for them", &sealed), Err(NotForThisKey));
        let encoded = codec::encode(&sealed);
        assert_eq!(encoded.len(), 80);
        for at in 0..encoded.len() {
            let mut changed = encoded.clone();
            changed[at] ^= 1;
            let changed: Sealed = codec::decode(&changed, 80).unwrap();
            let opened = receiver.open(b"for it", &changed);
            assert_eq!(opened, Err(NotForThisKey), "byte {at}");
        }
        // A point of small order gives zeros with every key.
        let mut small = encoded;
        small[..32].fill(0);
        let small: Sealed = codec::decode(&small, 80).unwrap();
        assert_eq!(receiver.open(b"for it", &small), Err(NotForThisKey));
    }

    #[test]
    fn the_secret_half_never_shows() {
        let shown = format!("{:?}", SealingSecret::from_seed(&[0xAB; 32]));
        assert!(!shown.to_lowercase().contains("abab"), "{shown}");
    }
}

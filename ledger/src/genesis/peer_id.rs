//! libp2p peer identities, as far as membership needs them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::crypto::keys::{KeyError, PublicKey};

/// Identity multihash of a protobuf-encoded Ed25519 public key (libp2p peer-id specification): these six bytes, then
/// the key.
const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// A libp2p peer identity made from an Ed25519 transport key; its text form begins with `12D3KooW`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 32]);

/// A text that is no such identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a libp2p peer identity of an Ed25519 key (it begins with 12D3KooW)")]
pub struct PeerIdError;

impl PeerId {
    /// The identity of a transport public key.
    pub fn from_transport_key(public: [u8; 32]) -> PeerId {
        PeerId(public)
    }

    /// The identity of the transport key with this secret seed.
    pub fn from_transport_seed(seed: &[u8; 32]) -> PeerId {
        PeerId(
            ed25519_dalek::SigningKey::from_bytes(seed)
                .verifying_key()
                .to_bytes(),
        )
    }

    /// The transport key itself.
    ///
    /// # Errors
    /// [`KeyError::Weak`] if no peer can have it: an identity's text does not show that.
    pub fn public_key(&self) -> Result<PublicKey, KeyError> {
        PublicKey::from_bytes(&self.0)
    }

    /// The 32 bytes of the transport key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The bytes libp2p uses (a multihash).
    pub fn to_multihash(&self) -> [u8; 38] {
        let mut bytes = [0; 38];
        bytes[..6].copy_from_slice(&PREFIX);
        bytes[6..].copy_from_slice(&self.0);
        bytes
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(self.to_multihash()).into_string())
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for PeerId {
    type Err = PeerIdError;

    fn from_str(text: &str) -> Result<PeerId, PeerIdError> {
        let mut bytes = [0; 38];
        match bs58::decode(text).onto(&mut bytes) {
            Ok(38) if bytes[..6] == PREFIX => {
                let mut key = [0; 32];
                key.copy_from_slice(&bytes[6..]);
                Ok(PeerId(key))
            }
            _ => Err(PeerIdError),
        }
    }
}

impl Serialize for PeerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PeerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PeerId, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_libp2p_s() {
        // The public key of RFC 8032's first test vector; text form as libp2p prints it.
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let mut key = [0; 32];
        hex::decode_to_slice(public, &mut key).unwrap();
        let id = PeerId::from_transport_key(key);
        assert!(id.to_string().starts_with("12D3KooW"));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("12D3KooW".parse::<PeerId>(), Err(PeerIdError));
        assert_eq!(
            "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N".parse::<PeerId>(),
            Err(PeerIdError)
        );
    }
}

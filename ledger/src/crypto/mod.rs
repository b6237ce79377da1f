//! Hashes, keys, and secrets that stay secret.
//!
//! - [`catalogue_keys`]: the catalogue keys of a network that replaced its first
//! - [`hash`]: BLAKE3, keyed by purpose
//! - [`keys`]: Ed25519 signatures, and keys from which tags, salts and ciphers are derived
//! - [`passphrase`]: what opens such a file, and what trying one costs
//! - [`sealing`]: X25519 keys that are sealed to
//! - [`signer`]: signing with a key that may be somewhere else, such as in a token
//! - [`identity_file`]: a department's identity key, or a recovery key, encrypted under a passphrase
//! - [`sealed_keys`]: a node's keys, encrypted under a passphrase
//! - [`secret_files`], [`core_dumps`]: secrets read from disk, and kept off it

pub mod catalogue_keys;
pub mod core_dumps;
pub mod hash;
pub mod identity_file;
pub mod keys;
pub mod passphrase;
pub mod sealed_keys;
pub mod sealing;
pub mod secret_files;
pub mod signer;

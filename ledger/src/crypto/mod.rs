//! Hashes, keys, and secrets that stay secret.
//!
//! - [`hash`]: BLAKE3, keyed by purpose
//! - [`keys`]: Ed25519 signatures, and keys from which tags, salts and ciphers are derived
//! - [`sealing`]: X25519 keys that are sealed to
//! - [`secret_files`], [`core_dumps`]: secrets read from disk, and kept off it

pub mod core_dumps;
pub mod hash;
pub mod keys;
pub mod sealing;
pub mod secret_files;

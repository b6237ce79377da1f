//! Canonical bytes: bincode 2, standard configuration (little-endian, variable-length integers), under a size limit.
//!
//! One value has exactly one encoding. [`decode`] refuses trailing bytes and any input that does not encode back to
//! itself, such as an integer longer than it need be, so a hash or signature over bytes is one over the value.

mod ascending;

use bincode::config::{Configuration, standard};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use ascending::{Ascending, NotAscending, Ordered};

const CONFIG: Configuration = standard();

/// Why bytes are not the canonical encoding of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than such a value may have.
    #[error("{found} bytes, more than the {limit} allowed")]
    TooLong {
        /// Bytes given.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not an encoding of such a value.
    #[error("malformed: {0}")]
    Malformed(String),
    /// A value, then more bytes.
    #[error("{0} bytes left over after the value")]
    Trailing(usize),
    /// A value, but in another than its one canonical form.
    #[error("not in canonical form")]
    NotCanonical,
}

/// The canonical bytes of a value.
///
/// # Panics
/// Never for the types of this crate: they hold no unsized sequences and no maps, the two things bincode cannot encode.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    encode_into(value, &mut bytes);
    bytes
}

/// The canonical bytes of a value that is secret, wiped when dropped. Counted before they are written, so that the buffer
/// never grows and leaves a copy behind.
///
/// # Panics
/// As [`encode`].
pub(crate) fn encode_secret<T: Serialize>(value: &T) -> Zeroizing<Vec<u8>> {
    let mut count = Count(0);
    bincode::serde::encode_into_writer(value, &mut count, CONFIG)
        .expect("every type of this crate can be encoded");
    let mut bytes = Zeroizing::new(Vec::with_capacity(count.0));
    encode_into(value, &mut bytes);
    bytes
}

/// A writer that only counts.
struct Count(usize);

impl Writer for &mut Count {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0 += bytes.len();
        Ok(())
    }
}

/// Appends the canonical bytes of a value to `out`.
pub fn encode_into<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    struct Append<'a>(&'a mut Vec<u8>);
    impl Writer for Append<'_> {
        fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }
    }
    bincode::serde::encode_into_writer(value, Append(out), CONFIG)
        .expect("every type of this crate can be encoded");
}

/// Reads a value from its canonical bytes, all of them, at most `limit`.
///
/// # Errors
/// [`DecodeError`] says what is wrong; nothing is allocated beyond what the bytes themselves can fill.
pub fn decode<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    limit: usize,
) -> Result<T, DecodeError> {
    decode_borrowed(bytes, limit)
}

/// The same for a value that borrows from the bytes.
///
/// # Errors
/// As for [`decode`].
pub(crate) fn decode_borrowed<'b, T: Serialize + Deserialize<'b>>(
    bytes: &'b [u8],
    limit: usize,
) -> Result<T, DecodeError> {
    decode_within::<T, { 4 << 20 }>(bytes, limit)
}

/// The same for a value of up to `MOST` bytes.
///
/// # Errors
/// As for [`decode`].
pub(crate) fn decode_large<T: Serialize + DeserializeOwned, const MOST: usize>(
    bytes: &[u8],
) -> Result<T, DecodeError> {
    decode_within::<T, MOST>(bytes, MOST)
}

fn decode_within<'b, T: Serialize + Deserialize<'b>, const MOST: usize>(
    bytes: &'b [u8],
    limit: usize,
) -> Result<T, DecodeError> {
    if bytes.len() > limit {
        return Err(DecodeError::TooLong {
            found: bytes.len(),
            limit,
        });
    }
    // The limit is the type's capacity bound inside bincode too: a length prefix that promises more than it is refused
    // before anything is allocated for it.
    let (value, used): (T, usize) =
        bincode::serde::borrow_decode_from_slice(bytes, CONFIG.with_limit::<MOST>())
            .map_err(|e| DecodeError::Malformed(e.to_string()))?;
    if used < bytes.len() {
        return Err(DecodeError::Trailing(bytes.len() - used));
    }
    let mut compare = Compare(bytes);
    let same = bincode::serde::encode_into_writer(&value, &mut compare, CONFIG).is_ok();
    if same && compare.0.is_empty() {
        Ok(value)
    } else {
        Err(DecodeError::NotCanonical)
    }
}

/// Reads a value from the beginning of bytes that this process wrote itself, which need no check of their form, and goes
/// past it.
pub(crate) fn decode_next<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T, DecodeError> {
    let (value, used) = bincode::serde::decode_from_slice(bytes, CONFIG)
        .map_err(|e| DecodeError::Malformed(e.to_string()))?;
    *bytes = &bytes[used..];
    Ok(value)
}

/// A writer that only checks that what is written is what is expected.
struct Compare<'a>(&'a [u8]);

impl Writer for &mut Compare<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        match self.0.strip_prefix(bytes) {
            Some(rest) => {
                self.0 = rest;
                Ok(())
            }
            None => Err(EncodeError::Other("differs")),
        }
    }
}

/// A list with its bound in its type: decoding more than `N` elements fails before they are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Bounded<T, const N: usize>(Vec<T>);

/// More elements than the bound allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{found} elements, more than the {limit} allowed")]
pub struct TooMany {
    /// Elements given.
    pub found: usize,
    /// Elements allowed.
    pub limit: usize,
}

impl<T, const N: usize> Bounded<T, N> {
    /// A list of at most `N` elements.
    ///
    /// # Errors
    /// [`TooMany`] when there are more.
    pub fn new(elements: Vec<T>) -> Result<Self, TooMany> {
        if elements.len() > N {
            Err(TooMany {
                found: elements.len(),
                limit: N,
            })
        } else {
            Ok(Bounded(elements))
        }
    }

    /// The first `N` elements of an iterator; the rest is left out.
    pub fn first(elements: impl IntoIterator<Item = T>) -> Self {
        Bounded(elements.into_iter().take(N).collect())
    }

    /// The elements.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const N: usize> Default for Bounded<T, N> {
    fn default() -> Self {
        Bounded(Vec::new())
    }
}

impl<T, const N: usize> std::ops::Deref for Bounded<T, N> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: serde::Deserialize<'de>, const N: usize> serde::Deserialize<'de> for Bounded<T, N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<T, const N: usize>(std::marker::PhantomData<T>);
        impl<'de, T: serde::Deserialize<'de>, const N: usize> serde::de::Visitor<'de> for Visit<T, N> {
            type Value = Bounded<T, N>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "at most {N} elements")
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<Self::Value, A::Error> {
                let promised = seq.size_hint().unwrap_or(0);
                if promised > N {
                    return Err(serde::de::Error::custom(TooMany {
                        found: promised,
                        limit: N,
                    }));
                }
                let mut elements = Vec::with_capacity(promised.min(64));
                while let Some(element) = seq.next_element()? {
                    if elements.len() == N {
                        return Err(serde::de::Error::custom(TooMany {
                            found: N + 1,
                            limit: N,
                        }));
                    }
                    elements.push(element);
                }
                Ok(Bounded(elements))
            }
        }
        deserializer.deserialize_seq(Visit(std::marker::PhantomData))
    }
}

/// Bytes that hold another canonical encoding or a run of frames; encoded as a length and the bytes, bounded by `N`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Blob<const N: usize>(Vec<u8>);

impl<const N: usize> Blob<N> {
    /// At most `N` bytes.
    ///
    /// # Errors
    /// [`TooMany`] when there are more.
    pub fn new(bytes: Vec<u8>) -> Result<Self, TooMany> {
        if bytes.len() > N {
            Err(TooMany {
                found: bytes.len(),
                limit: N,
            })
        } else {
            Ok(Blob(bytes))
        }
    }
}

impl<const N: usize> std::ops::Deref for Blob<N> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> std::fmt::Debug for Blob<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl<const N: usize> Serialize for Blob<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de, const N: usize> serde::Deserialize<'de> for Blob<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<const N: usize>;
        impl<const N: usize> serde::de::Visitor<'_> for Visit<N> {
            type Value = Blob<N>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "at most {N} bytes")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Blob::new(bytes.to_vec()).map_err(E::custom)
            }
            fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
                Blob::new(bytes).map_err(E::custom)
            }
        }
        deserializer.deserialize_byte_buf(Visit)
    }
}

/// Bytes that stand in others, encoded as a [`Blob`] is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Borrowed<'b>(pub(crate) &'b [u8]);

impl Serialize for Borrowed<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'b, 'b> Deserialize<'de> for Borrowed<'b> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> serde::de::Visitor<'de> for Bytes {
            type Value = Borrowed<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_borrowed_bytes<E: serde::de::Error>(
                self,
                bytes: &'de [u8],
            ) -> Result<Self::Value, E> {
                Ok(Borrowed(bytes))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// Human text with its bound in its type: at most `N` bytes of UTF-8, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Text<const N: usize>(String);

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// More bytes than the bound.
    #[error("{found} bytes, more than the {limit} allowed")]
    TooLong {
        /// Bytes given.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A control character, such as a line break.
    #[error("a control character (a line break or the like) at byte {0}")]
    Control(usize),
}

impl<const N: usize> Text<N> {
    /// Checks and takes a text.
    ///
    /// # Errors
    /// [`TextError`] for one too long or with control characters.
    pub fn new(text: impl Into<String>) -> Result<Self, TextError> {
        let text = text.into();
        if text.len() > N {
            return Err(TextError::TooLong {
                found: text.len(),
                limit: N,
            });
        }
        match text.char_indices().find(|(_, c)| c.is_control()) {
            Some((at, _)) => Err(TextError::Control(at)),
            None => Ok(Text(text)),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> std::fmt::Display for Text<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de, const N: usize> serde::Deserialize<'de> for Text<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_longer_than_it_need_be_is_refused() {
        assert_eq!(decode::<u64>(&[5], 9), Ok(5));
        // 251 announces a 16-bit value; 5 fits one byte.
        assert_eq!(
            decode::<u64>(&[251, 5, 0], 9),
            Err(DecodeError::NotCanonical)
        );
    }

    #[test]
    fn a_secret_is_encoded_as_anything_else_into_a_buffer_that_never_grows() {
        let value = vec!["identity number".to_owned(); 40];
        let secret = encode_secret(&value);
        assert_eq!(*secret, encode(&value));
        assert_eq!(secret.capacity(), secret.len());
    }

    #[test]
    fn trailing_short_and_oversized_bytes_are_refused() {
        assert_eq!(decode::<u8>(&[5, 6], 9), Err(DecodeError::Trailing(1)));
        assert!(matches!(
            decode::<u64>(&[251, 5], 9),
            Err(DecodeError::Malformed(_))
        ));
        assert_eq!(
            decode::<u8>(&[5, 6], 1),
            Err(DecodeError::TooLong { found: 2, limit: 1 })
        );
    }

    #[test]
    fn a_list_longer_than_its_bound_is_refused_before_it_is_read() {
        let bytes = encode(&vec![1u8; 5]);
        assert!(decode::<Bounded<u8, 5>>(&bytes, 99).is_ok());
        assert!(matches!(
            decode::<Bounded<u8, 4>>(&bytes, 99),
            Err(DecodeError::Malformed(_))
        ));
        assert!(matches!(
            decode::<Blob<4>>(&bytes, 99),
            Err(DecodeError::Malformed(_))
        ));
        let lie = [253, 255, 255, 255, 255, 255, 255, 255, 127];
        assert!(decode::<Vec<u8>>(&lie, 99).is_err());
        assert!(decode::<Blob<{ 1 << 20 }>>(&lie, 99).is_err());
    }
}

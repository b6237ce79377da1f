//! `pkcs11:` URIs (RFC 7512), as far as they name one key in one token.

use std::fmt;
use std::path::PathBuf;

use super::Pkcs11Error;

/// Which key, in which token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uri {
    /// As it was given.
    text: String,
    /// The token's label.
    pub(crate) token: Option<String>,
    /// The token's serial number.
    pub(crate) serial: Option<String>,
    /// The key's label.
    pub(crate) object: Option<String>,
    /// The key's identifier.
    pub(crate) id: Option<Vec<u8>>,
    /// The library that reaches the token.
    pub(crate) module: Option<PathBuf>,
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What such a URI begins with.
pub(crate) const SCHEME: &str = "pkcs11:";

impl Uri {
    /// Reads one.
    ///
    /// # Errors
    /// [`Pkcs11Error::Uri`] for the first thing in it that is wrong, or that this command would not heed.
    pub(crate) fn parse(text: &str) -> Result<Uri, Pkcs11Error> {
        let rest = text.strip_prefix(SCHEME);
        let rest = rest.ok_or_else(|| wrong("it does not begin with `pkcs11:`"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Uri {
            text: text.to_owned(),
            ..Uri::default()
        };
        // What is in the query may be secret: no message repeats the value of an attribute.
        for attribute in path.split(';').filter(|attribute| !attribute.is_empty()) {
            uri.take_path(attribute)?;
        }
        for attribute in query.split('&').filter(|attribute| !attribute.is_empty()) {
            uri.take_query(attribute)?;
        }
        if uri.object.is_none() && uri.id.is_none() {
            return Err(wrong("it names no key: give `object` or `id`"));
        }
        Ok(uri)
    }

    fn take_path(&mut self, attribute: &str) -> Result<(), Pkcs11Error> {
        let (name, value) = split(attribute)?;
        match name {
            "token" => set(&mut self.token, name, decoded_text(name, value)?),
            "serial" => set(&mut self.serial, name, decoded_text(name, value)?),
            "object" => set(&mut self.object, name, decoded_text(name, value)?),
            "id" => set(&mut self.id, name, decoded(name, value)?),
            // The private key signs, and its public half is found beside it: either is meant.
            "type" if matches!(value, "private" | "public") => Ok(()),
            "type" => Err(wrong("`type` is neither `private` nor `public`")),
            _ => Err(not_heeded(name)),
        }
    }

    fn take_query(&mut self, attribute: &str) -> Result<(), Pkcs11Error> {
        let (name, value) = split(attribute)?;
        match name {
            "module-path" => {
                let path = PathBuf::from(decoded_text(name, value)?);
                set(&mut self.module, name, path)
            }
            "pin-value" => Err(wrong(
                "it has a PIN in `pin-value`, where every process of the machine can see it: leave it out, change the PIN, and \
                 give --passphrase-file",
            )),
            "pin-source" => Err(wrong(
                "`pin-source` is not heeded: give --passphrase-file with the file of the PIN",
            )),
            _ => Err(not_heeded(name)),
        }
    }
}

fn wrong(detail: impl Into<String>) -> Pkcs11Error {
    Pkcs11Error::Uri(detail.into())
}

/// To pass over an attribute could be to take another key than is meant.
fn not_heeded(name: &str) -> Pkcs11Error {
    wrong(format!(
        "`{name}` is not heeded: `token`, `serial`, `object` and `id` name a key, and `module-path` the library"
    ))
}

fn split(attribute: &str) -> Result<(&str, &str), Pkcs11Error> {
    let split = attribute.split_once('=');
    split.ok_or_else(|| wrong("an attribute in it has no `=`"))
}

fn set<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), Pkcs11Error> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(wrong(format!("`{name}` stands in it twice"))),
    }
}

fn decoded_text(name: &str, value: &str) -> Result<String, Pkcs11Error> {
    let text = String::from_utf8(decoded(name, value)?);
    text.map_err(|_| wrong(format!("`{name}` is not UTF-8")))
}

/// The bytes of a value, whose `%` escapes two hexadecimal digits.
fn decoded(name: &str, value: &str) -> Result<Vec<u8>, Pkcs11Error> {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = behind.split_at_checked(2);
        let byte = digits.and_then(|(digits, behind)| {
            rest = behind;
            hex::decode(digits).ok()?.pop()
        });
        let byte = byte.ok_or_else(|| {
            wrong(format!(
                "in `{name}`, a `%` is not followed by two hexadecimal digits"
            ))
        });
        bytes.push(byte?);
    }
    if bytes.is_empty() {
        return Err(wrong(format!("`{name}` is empty")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        Uri::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_uri_names_a_key_a_token_and_a_library() {
        let uri = Uri::parse(
            "pkcs11:token=Police%20HSM;serial=0a1b;object=identity%3B1;id=%01%ff;type=private?module-path=/usr/lib/x%26y.so",
        );
        let uri = uri.unwrap();
        assert_eq!(uri.token.as_deref(), Some("Police HSM"));
        assert_eq!(uri.serial.as_deref(), Some("0a1b"));
        assert_eq!(uri.object.as_deref(), Some("identity;1"));
        assert_eq!(uri.id, Some(vec![1, 255]));
        assert_eq!(uri.module, Some(PathBuf::from("/usr/lib/x&y.so")));
        let least = Uri::parse("pkcs11:id=%07").unwrap();
        assert_eq!((least.token, least.module), (None, None));
        assert_eq!(least.text, "pkcs11:id=%07");
    }

    #[test]
    fn a_pin_in_it_is_refused_with_the_reason_and_never_repeated() {
        for uri in [
            "pkcs11:object=x?pin-value=8642",
            "pkcs11:object=x?module-path=/x.so&pin-value=8642",
            "pkcs11:object=x;pin-value=8642",
            "pkcs11:object=x?pin-source=8642",
            "pkcs11:object=x?PIN-VALUE=8642",
            "pkcs11:object=x?8642",
        ] {
            assert!(!fault(uri).contains("8642"), "{uri}");
        }
        assert!(fault("pkcs11:object=x?pin-value=8642").contains("--passphrase-file"));
    }

    #[test]
    fn what_is_not_heeded_twice_or_malformed_is_refused_by_name() {
        for (uri, named) in [
            ("pkcs11:token=x", "`object` or `id`"),
            ("pkcs11:", "`object` or `id`"),
            ("pkcs11:object=x;slot-id=3", "`slot-id` is not heeded"),
            ("pkcs11:object=x;object=y", "`object` stands in it twice"),
            ("pkcs11:object=x;id=%0", "`id`"),
            ("pkcs11:object=x;id=%zz", "`id`"),
            ("pkcs11:object=%ff", "not UTF-8"),
            ("pkcs11:object=", "`object` is empty"),
            ("pkcs11:object=x;token", "no `=`"),
            ("pkcs11:object=x;type=cert", "`type`"),
            ("pkcs12:object=x", "begin"),
        ] {
            assert!(fault(uri).contains(named), "{uri}: {}", fault(uri));
        }
    }
}

//! A key in a token: found, opened with the PIN, and signed with.

use std::path::PathBuf;

use certmesh_ledger::crypto::hash::Hash;
use certmesh_ledger::crypto::keys::{PublicKey, Signature};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as TokenError, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use super::{MODULE, Pkcs11Error, Uri};

/// A private key in a token that was opened.
pub(crate) struct TokenKey {
    token: String,
    session: Session,
    key: ObjectHandle,
    public: PublicKey,
}

/// A token that the library reaches.
struct Token {
    name: String,
    slot: Slot,
    library: Pkcs11,
}

/// The public key that a URI names. No PIN is needed for it.
///
/// # Errors
/// [`Pkcs11Error`].
pub(crate) fn public(uri: &Uri) -> Result<PublicKey, Pkcs11Error> {
    let token = Token::find(uri)?;
    let session = token.session()?;
    token.public(&session, uri)
}

/// Opens the key that a URI names, with the PIN that is asked for once the token was found.
///
/// # Errors
/// [`Pkcs11Error`], and whatever keeps the PIN from being known.
pub(crate) fn open<E: From<Pkcs11Error>>(
    uri: &Uri,
    pin: impl FnOnce(&str) -> Result<Zeroizing<String>, E>,
) -> Result<TokenKey, E> {
    let token = Token::find(uri)?;
    token.check_pin_counts()?;
    let session = token.session()?;
    // Before anybody types a PIN for a key that can't sign.
    let known = match token.public(&session, uri) {
        Err(Pkcs11Error::NoKey { .. }) => None,
        public => Some(public?),
    };
    token.login(&session, &pin(&token.name)?)?;
    let key = token.one(&session, uri, ObjectClass::PRIVATE_KEY)?;
    token.check_kind(&session, key)?;
    let public = match known {
        Some(public) => public,
        // Some tokens show the public half only to who has logged in, or keep it with the private one.
        None => match token.public(&session, uri) {
            Err(Pkcs11Error::NoKey { .. }) => token.point(&session, key)?,
            public => public?,
        },
    };
    Ok(TokenKey {
        token: token.name,
        session,
        key,
        public,
    })
}

impl TokenKey {
    /// The public half.
    pub(crate) fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs a hash.
    ///
    /// # Errors
    /// What the token says, and a signature that is not by the key's public half.
    pub(crate) fn sign(&self, message: &Hash) -> Result<Signature, Pkcs11Error> {
        let pure = EddsaParams::new(EddsaSignatureScheme::Ed25519);
        let mechanism = Mechanism::Eddsa(pure);
        let signed = self.session.sign(&mechanism, self.key, message.as_bytes());
        let signed = signed.map_err(failed(&self.token, "it did not sign"))?;
        let wrong = || Pkcs11Error::OtherKey(self.token.clone());
        let bytes: [u8; 64] = signed.try_into().map_err(|_| wrong())?;
        let signature = Signature::from_ed25519(bytes);
        match self.public.verify(message, &signature) {
            Ok(()) => Ok(signature),
            Err(_) => Err(wrong()),
        }
    }
}

impl Token {
    /// The only token that is as the URI says.
    fn find(uri: &Uri) -> Result<Token, Pkcs11Error> {
        let path = uri.module.clone();
        let path = path.or_else(|| std::env::var_os(MODULE).map(PathBuf::from));
        let path = path.ok_or(Pkcs11Error::NoModule)?;
        let unusable = |error: TokenError| Pkcs11Error::Module {
            path: path.clone(),
            error: error.to_string(),
        };
        let library = Pkcs11::new(&path).map_err(unusable)?;
        let threads = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        library.initialize(threads).map_err(unusable)?;
        let slots = library.get_slots_with_initialized_token();
        let mut tokens = Vec::new();
        for slot in slots.map_err(unusable)? {
            let info = library.get_token_info(slot).map_err(unusable)?;
            tokens.push((slot, info));
        }
        let names =
            |tokens: &[(Slot, TokenInfo)]| tokens.iter().map(|(_, info)| name(info)).collect();
        let fits = |info: &TokenInfo| {
            let is = |wanted: &Option<String>, found: &str| {
                wanted.as_ref().is_none_or(|wanted| wanted == found)
            };
            is(&uri.token, info.label()) && is(&uri.serial, info.serial_number())
        };
        let all: Vec<String> = names(&tokens);
        tokens.retain(|(_, info)| fits(info));
        match &*tokens {
            [] => Err(Pkcs11Error::NoToken(all)),
            [(slot, info)] => Ok(Token {
                name: name(info),
                slot: *slot,
                library,
            }),
            tokens => Err(Pkcs11Error::Tokens(names(tokens))),
        }
    }

    fn info(&self) -> Result<TokenInfo, Pkcs11Error> {
        let info = self.library.get_token_info(self.slot);
        info.map_err(failed(&self.name, "it can't be read"))
    }

    fn session(&self) -> Result<Session, Pkcs11Error> {
        let session = self.library.open_ro_session(self.slot);
        session.map_err(failed(&self.name, "it can't be opened"))
    }

    /// Whether a PIN is of use.
    fn check_pin_counts(&self) -> Result<(), Pkcs11Error> {
        let info = self.info()?;
        match (info.user_pin_locked(), info.user_pin_initialized()) {
            (true, _) => Err(Pkcs11Error::Locked(self.name.clone())),
            (_, false) => Err(Pkcs11Error::NoPin(self.name.clone())),
            (false, true) => Ok(()),
        }
    }

    fn login(&self, session: &Session, pin: &str) -> Result<(), Pkcs11Error> {
        // The library's own type wipes it.
        let pin = AuthPin::from(pin.to_owned());
        let Err(error) = session.login(UserType::User, Some(&pin)) else {
            return Ok(());
        };
        let token = self.name.clone();
        Err(match error {
            TokenError::Pkcs11(RvError::PinLocked, _) => Pkcs11Error::Locked(token),
            TokenError::Pkcs11(
                RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange,
                _,
            ) => {
                let last = self.info().is_ok_and(|info| info.user_pin_final_try());
                Pkcs11Error::Pin { token, last }
            }
            error => failed(&token, "it refuses the login")(error),
        })
    }

    fn public(&self, session: &Session, uri: &Uri) -> Result<PublicKey, Pkcs11Error> {
        let key = self.one(session, uri, ObjectClass::PUBLIC_KEY)?;
        self.check_kind(session, key)?;
        self.point(session, key)
    }

    /// The only object of a class that is as the URI says.
    fn one(
        &self,
        session: &Session,
        uri: &Uri,
        class: ObjectClass,
    ) -> Result<ObjectHandle, Pkcs11Error> {
        let mut wanted = vec![Attribute::Class(class)];
        let label = uri.object.as_ref();
        wanted.extend(label.map(|label| Attribute::Label(label.clone().into_bytes())));
        wanted.extend(uri.id.clone().map(Attribute::Id));
        let found = session.find_objects(&wanted);
        let found = found.map_err(failed(&self.name, "its keys can't be listed"))?;
        match &*found {
            [] => Err(Pkcs11Error::NoKey {
                token: self.name.clone(),
                half: match class == ObjectClass::PRIVATE_KEY {
                    true => "private",
                    false => "public",
                },
            }),
            [key] => Ok(*key),
            _ => Err(Pkcs11Error::Keys(self.name.clone())),
        }
    }

    /// Whether it is an Ed25519 key: an Edwards curve, and of these the one with 32 bytes.
    fn check_kind(&self, session: &Session, key: ObjectHandle) -> Result<(), Pkcs11Error> {
        let asked = [AttributeType::KeyType, AttributeType::EcParams];
        let found = session.get_attributes(key, &asked);
        let found = found.map_err(failed(&self.name, "the key can't be read"))?;
        let is_edwards = found.contains(&Attribute::KeyType(KeyType::EC_EDWARDS));
        let curve = found.iter().find_map(|attribute| match attribute {
            Attribute::EcParams(curve) => Some(&**curve),
            _ => None,
        });
        match is_edwards && curve.is_some_and(|curve| ED25519.contains(&curve)) {
            true => Ok(()),
            false => Err(Pkcs11Error::OtherKind(self.name.clone())),
        }
    }

    /// The public key that a key's object holds.
    fn point(&self, session: &Session, key: ObjectHandle) -> Result<PublicKey, Pkcs11Error> {
        let found = session.get_attributes(key, &[AttributeType::EcPoint]);
        let found = found.map_err(failed(&self.name, "the key can't be read"))?;
        let point = found.into_iter().find_map(|attribute| match attribute {
            Attribute::EcPoint(point) => Some(point),
            _ => None,
        });
        let no_key = || Pkcs11Error::NoKey {
            token: self.name.clone(),
            half: "public",
        };
        let point = point.ok_or_else(no_key)?;
        let other = |_| Pkcs11Error::OtherKind(self.name.clone());
        let bytes: [u8; 32] = raw(&point).try_into().map_err(other)?;
        let key = PublicKey::from_bytes(&bytes);
        key.map_err(|_| Pkcs11Error::OtherKind(self.name.clone()))
    }
}

/// Ed25519 as tokens name it: by the curve's name (PKCS #11 v3.0, a printable string), and by its identifier (RFC 8410, 1.3.101.112).
const ED25519: [&[u8]; 2] = [b"\x13\x0cedwards25519", b"\x06\x03\x2b\x65\x70"];

/// The bytes of a point: as they are, or in an octet string, or in a bit string, as different makers have it.
fn raw(point: &[u8]) -> &[u8] {
    let octets = point.strip_prefix(b"\x04\x20");
    let bits = point.strip_prefix(b"\x03\x21\x00");
    match (octets, bits) {
        (Some(raw), _) | (_, Some(raw)) if raw.len() == 32 => raw,
        _ => point,
    }
}

/// What a token is called: its label, and the serial number that tells two of one label apart.
fn name(info: &TokenInfo) -> String {
    format!("{} (serial {})", info.label(), info.serial_number())
}

fn failed(token: &str, what: &'static str) -> impl FnOnce(TokenError) -> Pkcs11Error {
    move |error| Pkcs11Error::Failed {
        token: token.to_owned(),
        what,
        error: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_read_as_each_maker_writes_it() {
        let point = [7; 32];
        for wrapped in [
            point.to_vec(),
            [&b"\x04\x20"[..], &point].concat(),
            [&b"\x03\x21\x00"[..], &point].concat(),
        ] {
            assert_eq!(raw(&wrapped), point);
        }
        // A point that happens to begin so.
        let mut point = [9; 32];
        point[..2].copy_from_slice(b"\x04\x20");
        assert_eq!(raw(&point), point);
    }
}

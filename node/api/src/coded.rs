//! What can be wrong, as a stable code with arguments. The sentence for a person is in the catalogue of `certmesh-text`,
//! under the family and the code: `fault-too-long`.

use certmesh_ledger::codec::Text;
use certmesh_ledger::genesis::Role;
use certmesh_ledger::id::{
    CertificateId, Characters, ChinaTime, Date, DepartmentCode, Excerpt, HolderKind, Part, TypeCode,
};
use certmesh_ledger::record::{Action, MediaType, Rule, Status, SuccessionKind};

use crate::faults::FaultList;
use crate::problem::Arg;

/// One of the things that a family of codes names. Declared by [`coded!`](crate::coded), so that the list of codes is
/// the enum itself.
pub trait Coded {
    /// What the ids of its texts begin with.
    const FAMILY: &'static str;
    /// Every code with the names of its arguments.
    const CODES: &'static [(&'static str, &'static [&'static str])];

    /// Its code, in kebab-case.
    fn code(&self) -> &'static str;
    /// What its sentence shows.
    fn args(&self) -> Vec<(&'static str, Arg)>;
}

/// Declares an enum of which each variant has a code, and says what its sentence shows: its fields.
///
/// ```
/// certmesh_api::coded! {
///     /// What is wrong with a shoe.
///     #[derive(Debug)]
///     pub enum ShoeFault: "shoe" {
///         "wet" Wet,
///         "too-small" TooSmall { size: usize, foot: usize },
///         "lost" Lost(side: &'static str),
///     }
/// }
/// use certmesh_api::Coded;
/// assert_eq!(ShoeFault::CODES[1], ("too-small", &["size", "foot"][..]));
/// assert_eq!(ShoeFault::Lost("left").args()[0].0, "side");
/// ```
#[macro_export]
macro_rules! coded {
    (
        $(#[$attribute:meta])*
        $visible:vis enum $name:ident: $family:literal {
            $(
                $(#[$of_variant:meta])*
                $code:literal $variant:ident
                $({ $($(#[$of_field:meta])* $field:ident: $type:ty),* $(,)? })?
                $(( $(#[$of_one:meta])* $one:ident: $one_type:ty $(,)? ))?
            ),* $(,)?
        }
    ) => {
        $(#[$attribute])*
        $visible enum $name {
            $(
                $(#[$of_variant])*
                $variant $({ $($(#[$of_field])* $field: $type),* })? $(( $(#[$of_one])* $one_type ))?
            ),*
        }

        impl $crate::Coded for $name {
            const FAMILY: &'static str = $family;
            const CODES: &'static [(&'static str, &'static [&'static str])] = &[
                $(($code, &[$($(stringify!($field)),*)? $(stringify!($one))?])),*
            ];

            fn code(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $code),*
                }
            }

            fn args(&self) -> Vec<(&'static str, $crate::Arg)> {
                match self {
                    $(Self::$variant $({ $($field),* })? $(( $one ))? => vec![
                        $($((stringify!($field), $crate::Argument::arg($field))),*)?
                        $((stringify!($one), $crate::Argument::arg($one)))?
                    ]),*
                }
            }
        }
    };
}

/// What a sentence can show. A word that other languages have another word for is shown by its code: the catalogue has
/// the word.
pub trait Argument {
    /// It, as catalogues and JSON take it.
    fn arg(&self) -> Arg;
}

macro_rules! numbers {
    ($($type:ty),*) => {
        $(impl Argument for $type {
            fn arg(&self) -> Arg {
                Arg::Number(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        })*
    };
}

macro_rules! texts {
    ($($type:ty),*) => {
        $(impl Argument for $type {
            fn arg(&self) -> Arg {
                Arg::Text(self.to_string())
            }
        })*
    };
}

macro_rules! words {
    ($($type:ty),*) => {
        $(impl Argument for $type {
            fn arg(&self) -> Arg {
                Arg::Text(self.as_str().to_owned())
            }
        })*
    };
}

numbers!(u8, u16, u32, u64, usize, i32);
texts!(
    ChinaTime,
    String,
    &'static str,
    CertificateId,
    Date,
    DepartmentCode,
    TypeCode,
    Role,
    crate::tokens::Role
);
words!(
    Action,
    Characters,
    MediaType,
    Part,
    Rule,
    Status,
    SuccessionKind
);

impl Argument for bool {
    fn arg(&self) -> Arg {
        Arg::Text(self.to_string())
    }
}

impl Argument for FaultList {
    /// How many there are.
    fn arg(&self) -> Arg {
        (self.len() + self.more()).arg()
    }
}

impl Argument for char {
    /// Escaped where it can't be seen.
    fn arg(&self) -> Arg {
        Arg::Text(self.escape_debug().to_string())
    }
}

impl Argument for HolderKind {
    fn arg(&self) -> Arg {
        self.code().arg()
    }
}

impl Argument for Excerpt {
    fn arg(&self) -> Arg {
        self.as_str().map(str::to_owned).arg()
    }
}

impl<const N: usize> Argument for Text<N> {
    fn arg(&self) -> Arg {
        Arg::Text(self.to_string())
    }
}

impl<T: Argument> Argument for Option<T> {
    fn arg(&self) -> Arg {
        self.as_ref().map_or(Arg::Absent, Argument::arg)
    }
}

impl<T: ToString> Argument for Vec<T> {
    fn arg(&self) -> Arg {
        Arg::List(self.iter().map(ToString::to_string).collect())
    }
}

impl<T: ToString> Argument for &'static [T] {
    fn arg(&self) -> Arg {
        Arg::List(self.iter().map(ToString::to_string).collect())
    }
}

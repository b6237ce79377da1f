//! What is wrong with a genesis, a department file, or an address in them.

use certmesh_api::coded;
use certmesh_ledger::genesis::{GenesisError, Undialable};

use crate::{parse_fault, say};

coded! {
    /// A fault of a genesis or department file that is one of an identifier.
    enum OfGenesis: "genesis" {
        "code" Code { at: String, fault: String },
        "role" Role { at: String, role: String, fault: String },
    }
}

coded! {
    /// Why other members can't dial an address.
    enum OfAddress: "address" {
        "form" Form { address: String },
        "unspecified" Unspecified { address: String },
        "no-port" NoPort { address: String },
        "loopback" Loopback { address: String, beside: String },
        "shared" Shared { address: String, other: String },
    }
}

/// A fault of a genesis or department file.
pub fn genesis_fault(fault: &GenesisError) -> String {
    match fault {
        GenesisError::Code { at, error } => say(&OfGenesis::Code {
            at: at.clone(),
            fault: parse_fault(error.clone()),
        }),
        GenesisError::Role { at, role, error } => say(&OfGenesis::Role {
            at: at.clone(),
            role: role.clone(),
            fault: parse_fault(error.clone()),
        }),
        other => other.to_string(),
    }
}

/// Why other members can't dial an address, and what to give instead.
pub fn address_fault(fault: &Undialable) -> String {
    say(&match fault.clone() {
        Undialable::Form { address } => OfAddress::Form {
            address: address.escape_debug().to_string(),
        },
        Undialable::Unspecified { address } => OfAddress::Unspecified { address },
        Undialable::NoPort { address } => OfAddress::NoPort { address },
        Undialable::Loopback { address, beside } => OfAddress::Loopback { address, beside },
        Undialable::Shared { address, other } => OfAddress::Shared { address, other },
    })
}

#[cfg(test)]
mod tests {
    use certmesh_ledger::codec::Text;
    use certmesh_ledger::genesis::{Role, undialable};
    use certmesh_ledger::id::DepartmentCode;

    use super::*;
    use crate::check::mismatches;

    #[test]
    fn each_fault_has_a_text_with_its_arguments_and_each_text_a_fault() {
        let found = [mismatches::<OfGenesis>(), mismatches::<OfAddress>()];
        assert_eq!(found.concat(), Vec::<String>::new());
    }

    #[test]
    fn a_wrong_code_in_a_genesis_is_explained_as_anywhere_else() {
        let error = "11430000006122244X".parse::<DepartmentCode>().unwrap_err();
        let role = "define:11430000006122244X".parse::<Role>().unwrap_err();
        let at = || "department 2".to_owned();
        let code = genesis_fault(&GenesisError::Code {
            at: at(),
            error: error.clone(),
        });
        assert_eq!(code, format!("department 2: code: {}", parse_fault(error)));
        let role = genesis_fault(&GenesisError::Role {
            at: at(),
            role: "define".to_owned(),
            error: role,
        });
        assert!(
            role.starts_with("department 2: roles: `define`: "),
            "{role}"
        );
        assert!(role.ends_with("is `X`, expected `L`"), "{role}");
    }

    #[test]
    fn a_fault_of_an_address_names_the_address_and_what_to_give_instead() {
        let address = |text: &str| vec![Text::<256>::new(text).unwrap()];
        let reported = |a: &str, b: &str| {
            let (a, b) = (address(a), address(b));
            let found = undialable([("a", &*a), ("b", &*b)]);
            found
                .iter()
                .map(|(_, fault)| address_fault(fault))
                .collect()
        };
        for (a, expected) in [
            ("10.1.2.3:7481", "expected /ip4/10.1.2.3/tcp/7481"),
            (
                "/ip4/0.0.0.0/tcp/7481",
                "nobody can dial it; give the address",
            ),
            ("/ip4/10.1.2.3/tcp/0", "give the port"),
            (
                "/ip4/127.0.0.1/tcp/7481",
                "`/ip4/10.9.9.9/tcp/7481` is an address of another",
            ),
        ] {
            let faults: Vec<String> = reported(a, "/ip4/10.9.9.9/tcp/7481");
            let [fault] = &faults[..] else {
                panic!("{faults:?}")
            };
            assert!(fault.starts_with(&format!("`{a}` ")), "{fault}");
            assert!(fault.contains(expected), "{fault}");
        }
        let same = "/ip4/10.1.2.3/tcp/1";
        assert_eq!(
            reported(same, same),
            [format!(
                "`{same}` is also an address of a; each node needs an address or a port of its own"
            )]
        );
    }
}

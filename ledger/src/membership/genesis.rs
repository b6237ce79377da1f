//! The founding file of a network.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::codec::{self, Bounded, Text};
use crate::crypto::hash::{Purpose, hash};
use crate::crypto::keys::CatalogueCommitment;
use crate::id::DepartmentCode;

use super::department::RawDepartment;
use super::{Department, GenesisError, GenesisFaults, MAX_DEPARTMENTS, Role};
use crate::names::NetworkId;

/// The `format` line of a genesis file.
pub const GENESIS_FORMAT: &str = "certmesh-genesis-1";

/// The founding departments of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    format: Text<32>,
    name: Text<128>,
    created_ms: u64,
    catalogue_key: CatalogueCommitment,
    departments: Bounded<Department, MAX_DEPARTMENTS>,
}

/// What a genesis file of any version begins with.
#[derive(Deserialize)]
struct Format {
    format: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGenesis {
    format: String,
    name: String,
    created_ms: u64,
    /// Missing, it is one fault among others.
    #[serde(default)]
    catalogue_key: String,
    #[serde(default)]
    department: Vec<RawDepartment>,
}

impl Genesis {
    /// A genesis of these departments, in the order of their codes.
    ///
    /// # Errors
    /// Every fault at once: no department, an empty name, codes, keys or peer identities used twice.
    pub fn new(
        name: &str,
        created_ms: u64,
        catalogue_key: CatalogueCommitment,
        departments: Vec<Department>,
    ) -> Result<Genesis, GenesisFaults> {
        let mut faults = GenesisFaults::default();
        let name = faults.name("genesis", "name", name);
        Genesis::assemble(name, created_ms, Some(catalogue_key), departments, faults)
    }

    fn assemble(
        name: Option<Text<128>>,
        created_ms: u64,
        catalogue_key: Option<CatalogueCommitment>,
        mut departments: Vec<Department>,
        mut faults: GenesisFaults,
    ) -> Result<Genesis, GenesisFaults> {
        if departments.is_empty() && faults.0.is_empty() {
            faults.push(GenesisError::NoDepartment);
        }
        duplicates(&departments, &mut faults);
        definers(&departments, &mut faults);
        departments.sort_by_key(|department| department.code);
        let departments = faults.check(Bounded::new(departments), |error| GenesisError::TooMany {
            at: "genesis".into(),
            key: "department",
            error,
        });
        let genesis = match (name, catalogue_key, departments) {
            (Some(name), Some(catalogue_key), Some(departments)) => Some(Genesis {
                format: Text::new(GENESIS_FORMAT).expect("a short constant"),
                name,
                created_ms,
                catalogue_key,
                departments,
            }),
            _ => None,
        };
        faults.unless_any(genesis)
    }

    /// Reads a genesis file.
    ///
    /// # Errors
    /// Every fault in it at once.
    pub fn from_toml(text: &str) -> Result<Genesis, GenesisFaults> {
        // Another format may have other keys: what is wrong with the file is its format then, not each of them.
        let raw: RawGenesis =
            GenesisFaults::read(text).map_err(
                |faults: GenesisFaults| match GenesisFaults::read::<Format>(text) {
                    Ok(Format { format }) if format != GENESIS_FORMAT => {
                        let mut faults = GenesisFaults::default();
                        faults.push(GenesisError::Format(format));
                        faults
                    }
                    _ => faults,
                },
            )?;
        let mut faults = GenesisFaults::default();
        if raw.format != GENESIS_FORMAT {
            faults.push(GenesisError::Format(raw.format.clone()));
        }
        let name = faults.name("genesis", "name", &raw.name);
        let catalogue_key = raw.catalogue_key.parse();
        let catalogue_key = faults.check(catalogue_key, GenesisError::CatalogueKey);
        let mut departments = Vec::new();
        for (i, department) in raw.department.iter().enumerate() {
            departments.extend(department.check(
                &format!("department {} ({})", i + 1, department.code),
                &mut faults,
            ));
        }
        Genesis::assemble(name, raw.created_ms, catalogue_key, departments, faults)
    }

    /// Writes the genesis file.
    pub fn to_toml(&self) -> String {
        let quote = |text: &str| toml::Value::from(text).to_string();
        let mut out = format!(
            "# The founding members of a certmesh network. Every member needs this very file: its content is the\n\
             # network's identity, {}.\n\
             format = {}\nname = {}\ncreated_ms = {}\ncatalogue_key = {}\n",
            self.network_id(),
            quote(self.format.as_str()),
            quote(self.name.as_str()),
            self.created_ms,
            quote(&self.catalogue_key.to_string())
        );
        for department in self.departments.iter() {
            out.push_str("\n[[department]]\n");
            out.push_str(&department.to_toml());
        }
        out
    }

    /// Hash of the canonical encoding: the same for every spelling of the same content.
    pub fn network_id(&self) -> NetworkId {
        NetworkId(hash(Purpose::Network, &codec::encode(self)))
    }

    /// Name of the network.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// When it was made, ms since 1970 UTC.
    pub fn created_ms(&self) -> u64 {
        self.created_ms
    }

    /// What a key has to fit to be the network's catalogue key.
    pub fn catalogue_key(&self) -> CatalogueCommitment {
        self.catalogue_key
    }

    /// Its founding departments, by code.
    pub fn departments(&self) -> &[Department] {
        &self.departments
    }
}

fn duplicates(departments: &[Department], faults: &mut GenesisFaults) {
    let mut seen: BTreeMap<(&'static str, String), &DepartmentCode> = BTreeMap::new();
    for department in departments {
        let own = [
            ("code", department.code.to_string()),
            ("signing_key", department.signing_key.to_string()),
            ("peer_id", department.peer_id.to_string()),
        ];
        for (key, value) in own {
            if let Some(other) = seen.insert((key, value), &department.code) {
                let at = format!("department {}", department.code);
                faults.push(GenesisError::Duplicate {
                    at,
                    key,
                    other: other.to_string(),
                });
            }
        }
    }
}

/// Who defines a type follows from the membership alone: its authority, if that is a member, else the one department with
/// the role for it.
fn definers(departments: &[Department], faults: &mut GenesisFaults) {
    let mut seen: BTreeMap<DepartmentCode, DepartmentCode> = BTreeMap::new();
    for department in departments {
        let at = || format!("department {}", department.code);
        for role in department.roles.iter() {
            let Role::Define(authority) = *role else {
                continue;
            };
            if departments.iter().any(|member| member.code == authority) {
                let at = at();
                faults.push(GenesisError::MemberDefines { at, authority });
            } else if let Some(other) = seen.insert(authority, department.code) {
                let at = at();
                faults.push(GenesisError::TwoDefiners {
                    at,
                    authority,
                    other,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::{CatalogueKey, Secret, SigningKey};
    use crate::membership::PeerId;

    fn department(code: &str, n: u8) -> Department {
        Department {
            code: code.parse().unwrap(),
            name: Text::new(format!("Department {n}")).unwrap(),
            name_zh: Some(Text::new("公安局 \"甲\"").unwrap()),
            roles: Bounded::first([Role::Issue]),
            signing_key: SigningKey::from_seed(&[n; 32]).public(),
            peer_id: PeerId::from_transport_seed(&[n; 32]),
            addresses: Bounded::first([Text::new("/ip4/127.0.0.1/tcp/7481").unwrap()]),
        }
    }

    fn commitment(n: u8) -> CatalogueCommitment {
        CatalogueKey(Secret::from_bytes([n; 32])).commitment()
    }

    #[test]
    fn another_catalogue_key_is_another_network() {
        let founders = || vec![department("11100000000013338W", 1)];
        let network = |n| Genesis::new("Wuhan", 1, commitment(n), founders()).unwrap();
        assert_ne!(network(1).network_id(), network(2).network_id());
        let read = Genesis::from_toml(&network(1).to_toml()).unwrap();
        assert_eq!(read.catalogue_key(), commitment(1));
        let without = network(1).to_toml().replace("catalogue_key = ", "# ");
        let faults = Genesis::from_toml(&without).unwrap_err();
        assert_eq!(
            faults.0,
            [GenesisError::CatalogueKey(crate::crypto::hash::NotAHash)]
        );
    }

    #[test]
    fn the_file_round_trips_and_its_spelling_does_not_change_the_network() {
        let two = vec![
            department("11430000006122244L", 2),
            department("11100000000013338W", 1),
        ];
        let genesis = Genesis::new("Wuhan", 1, commitment(1), two).unwrap();
        let text = genesis.to_toml();
        let read = Genesis::from_toml(&text).unwrap();
        assert_eq!(read, genesis);
        let spelled = text
            .replace(" = ", "  =   ")
            .replace("[[department]]", "# again\n[[department]]");
        assert_eq!(
            Genesis::from_toml(&spelled).unwrap().network_id(),
            genesis.network_id()
        );
        let renamed = Genesis::from_toml(&text.replace("Wuhan", "Xiangyang")).unwrap();
        assert_ne!(renamed.network_id(), genesis.network_id());
        assert_eq!(
            Department::from_toml(&genesis.departments()[0].to_toml()).unwrap(),
            genesis.departments()[0]
        );
    }

    #[test]
    fn no_name_of_a_department_is_blank() {
        let mut department = department("11100000000013338W", 1);
        department.name = Text::new(" ").unwrap();
        department.name_zh = Some(Text::new("\u{3000}").unwrap());
        let text = department.to_toml();
        let faults = Department::from_toml(&text).unwrap_err().to_string();
        let expected = "department.toml: name is empty\ndepartment.toml: name_zh is empty";
        assert_eq!(faults, expected, "{text}");
    }

    #[test]
    fn nobody_is_given_an_authority_that_a_member_has_or_is() {
        let outside: DepartmentCode = "11100000MB03271699".parse().unwrap();
        let with = |code: &str, n, roles: &[Role]| Department {
            roles: Bounded::first(roles.iter().copied()),
            ..department(code, n)
        };
        let (one, two) = ("11100000000013338W", "11430000006122244L");
        let genesis = |all| Genesis::new("Wuhan", 1, commitment(1), all);
        let define = Role::Define(outside);
        let good = genesis(vec![with(one, 1, &[define]), with(two, 2, &[Role::Issue])]).unwrap();
        let read = Genesis::from_toml(&good.to_toml()).unwrap();
        assert_eq!(read.network_id(), good.network_id());
        let twice = genesis(vec![with(one, 1, &[define]), with(two, 2, &[define])]);
        let expected = [GenesisError::TwoDefiners {
            at: format!("department {two}"),
            authority: outside,
            other: one.parse().unwrap(),
        }];
        assert_eq!(twice.unwrap_err().0, expected);
        for authority in [one, two] {
            let role = Role::Define(authority.parse().unwrap());
            let member = genesis(vec![with(one, 1, &[role]), with(two, 2, &[])]);
            assert!(matches!(
                member.unwrap_err().0[..],
                [GenesisError::MemberDefines { .. }]
            ));
        }
        let text = good
            .to_toml()
            .replace(&format!("define:{outside}"), "define");
        let faults = Genesis::from_toml(&text).unwrap_err().to_string();
        assert!(faults.contains("names the authority"), "{faults}");
    }

    #[test]
    fn a_file_of_a_later_format_is_refused_for_its_format_alone() {
        let text = "format = \"certmesh-genesis-2\"\nname = 7\nquorum = 3\n";
        let faults = Genesis::from_toml(text).unwrap_err();
        assert_eq!(
            faults.0,
            [GenesisError::Format("certmesh-genesis-2".to_owned())]
        );
        assert!(faults.to_string().contains("later version"), "{faults}");
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let text = "format = \"certmesh-genesis-9\"\nname = \"\"\ncreated_ms = 0\ncatalogue_key = \"00\"\n[[department]]\ncode = \"x\"\nname = \"a\"\n\
                    roles = [\"king\"]\nsigning_key = \"ed25519:00\"\npeer_id = \"p\"\n";
        let faults = Genesis::from_toml(text).unwrap_err();
        assert_eq!(faults.0.len(), 7, "{faults}");
        let same = vec![
            department("11100000000013338W", 1),
            department("11100000000013338W", 1),
        ];
        assert_eq!(
            Genesis::new("n", 1, commitment(1), same)
                .unwrap_err()
                .0
                .len(),
            3
        );
        assert_eq!(
            Genesis::new("n", 1, commitment(1), vec![]).unwrap_err().0,
            vec![GenesisError::NoDepartment]
        );
        assert!(
            Genesis::from_toml("format = 3")
                .unwrap_err()
                .to_string()
                .contains("format")
        );
    }
}

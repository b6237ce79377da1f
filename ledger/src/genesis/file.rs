//! The founding file of a network.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::codec::{self, Bounded, Text};
use crate::crypto::hash::{Purpose, hash};
use crate::crypto::keys::CatalogueCommitment;
use crate::crypto::sealing::SealingKey;
use crate::id::DepartmentCode;

use super::department::RawDepartment;
use super::policy::RawPolicy;
use super::{
    Department, GenesisError, GenesisFaults, MAX_DEPARTMENTS, MAX_GOVERNORS, Policy, Role,
};
use crate::names::NetworkId;

/// The `format` line of a genesis file.
pub const GENESIS_FORMAT: &str = "certmesh-genesis-2";

/// Formats of earlier versions.
const EARLIER_FORMATS: [&str; 1] = ["certmesh-genesis-1"];

/// The founding departments of a network, and the policy by which they decide.
///
/// One of these is the beginning of a network: whatever would keep governance from beginning was refused when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Genesis {
    format: Text<32>,
    name: Text<128>,
    created_ms: u64,
    catalogue_key: CatalogueCommitment,
    policy: Policy,
    departments: Bounded<Department, MAX_DEPARTMENTS>,
}

/// A genesis as its canonical form has it, not checked yet.
#[derive(Deserialize)]
struct Parts {
    format: Text<32>,
    name: Text<128>,
    created_ms: u64,
    catalogue_key: CatalogueCommitment,
    policy: Policy,
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
    policy: RawPolicy,
    #[serde(default)]
    department: Vec<RawDepartment>,
}

impl TryFrom<Parts> for Genesis {
    type Error = GenesisFaults;

    fn try_from(parts: Parts) -> Result<Genesis, GenesisFaults> {
        let mut faults = GenesisFaults::default();
        faults.extend(unread(parts.format.as_str()));
        let name = faults.name("genesis", "name", parts.name.as_str());
        let rest = Rest {
            name,
            created_ms: parts.created_ms,
            catalogue_key: Some(parts.catalogue_key),
            policy: Some(parts.policy),
        };
        Genesis::assemble(rest, parts.departments.to_vec(), faults)
    }
}

/// A genesis without its departments, as far as it could be read.
struct Rest {
    name: Option<Text<128>>,
    created_ms: u64,
    catalogue_key: Option<CatalogueCommitment>,
    policy: Option<Policy>,
}

impl Genesis {
    /// A genesis of these departments, in the order of their codes.
    ///
    /// # Errors
    /// Every fault at once: no department, an empty name, codes or keys used twice, too few or too many that govern.
    pub fn new(
        name: &str,
        created_ms: u64,
        catalogue_key: CatalogueCommitment,
        policy: Policy,
        departments: Vec<Department>,
    ) -> Result<Genesis, GenesisFaults> {
        let mut faults = GenesisFaults::default();
        let rest = Rest {
            name: faults.name("genesis", "name", name),
            created_ms,
            catalogue_key: Some(catalogue_key),
            policy: Some(policy),
        };
        Genesis::assemble(rest, departments, faults)
    }

    fn assemble(
        rest: Rest,
        mut departments: Vec<Department>,
        mut faults: GenesisFaults,
    ) -> Result<Genesis, GenesisFaults> {
        // Who could not be read may be who is missing.
        let all_read = faults.0.is_empty();
        if departments.is_empty() && all_read {
            faults.push(GenesisError::NoDepartment);
        }
        duplicates(&departments, rest.policy.as_ref(), &mut faults);
        definers(&departments, &mut faults);
        if let Some(policy) = rest.policy.as_ref().filter(|_| !departments.is_empty()) {
            let found = departments.iter().filter(|d| d.governs).count();
            let least = usize::from(policy.least_governors);
            if found > MAX_GOVERNORS || found < least && all_read {
                faults.push(GenesisError::Governors { found, least });
            }
        }
        departments.sort_by_key(|department| department.code);
        let departments = faults.check(Bounded::new(departments), |error| GenesisError::TooMany {
            at: "genesis".into(),
            key: "department",
            error,
        });
        let genesis = match (rest.name, rest.catalogue_key, rest.policy, departments) {
            (Some(name), Some(catalogue_key), Some(policy), Some(departments)) => Some(Genesis {
                format: Text::new(GENESIS_FORMAT).expect("a short constant"),
                name,
                created_ms: rest.created_ms,
                catalogue_key,
                policy,
                departments,
            }),
            _ => None,
        };
        faults.unless_any(genesis)
    }

    /// Reads a genesis file. Without a policy, or where that leaves something out, it is [`Policy::usual`].
    ///
    /// # Errors
    /// Every fault in it at once.
    pub fn from_toml(text: &str) -> Result<Genesis, GenesisFaults> {
        // Another format may have other keys: what is wrong with the file is its format then, not each of them.
        let raw: RawGenesis =
            GenesisFaults::read(text).map_err(
                |faults: GenesisFaults| match GenesisFaults::read::<Format>(text) {
                    Ok(Format { format }) if format != GENESIS_FORMAT => {
                        GenesisFaults(unread(&format).into_iter().collect())
                    }
                    _ => faults,
                },
            )?;
        let mut faults = GenesisFaults::default();
        faults.extend(unread(&raw.format));
        let name = faults.name("genesis", "name", &raw.name);
        let catalogue_key = raw.catalogue_key.parse();
        let catalogue_key = faults.check(catalogue_key, GenesisError::CatalogueKey);
        let policy = raw.policy.check(&mut faults);
        let mut departments = Vec::new();
        for (i, department) in raw.department.iter().enumerate() {
            departments.extend(department.check(
                &format!("department {} ({})", i + 1, department.code),
                &mut faults,
            ));
        }
        let rest = Rest {
            name,
            created_ms: raw.created_ms,
            catalogue_key,
            policy,
        };
        Genesis::assemble(rest, departments, faults)
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
        out.push_str(&self.policy.to_toml());
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

    /// The policy in force at first.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Its founding departments, by code.
    pub fn departments(&self) -> &[Department] {
        &self.departments
    }
}

/// What is wrong with a format, unless this version reads it.
fn unread(format: &str) -> Option<GenesisError> {
    let fault = match format {
        GENESIS_FORMAT => return None,
        _ if EARLIER_FORMATS.contains(&format) => GenesisError::Earlier,
        _ => GenesisError::Format,
    };
    Some(fault(format.to_owned()))
}

/// Codes and keys that stand in two places. A key for signatures is for one thing in one department, or for recovery; a sealing
/// key, which signs nothing, is one department's.
fn duplicates(departments: &[Department], policy: Option<&Policy>, faults: &mut GenesisFaults) {
    let mut codes = BTreeSet::new();
    let mut sealing: BTreeMap<SealingKey, String> = BTreeMap::new();
    let mut signing: BTreeMap<[u8; 32], String> = BTreeMap::new();
    for department in departments {
        let at = format!("department {}", department.code);
        if !codes.insert(department.code) {
            faults.push(GenesisError::Duplicate {
                at: at.clone(),
                key: "code",
                other: department.code.to_string(),
            });
        }
        let keys = [
            ("identity_key", department.identity_key.as_bytes()),
            ("signing_key", department.signing_key.as_bytes()),
            ("peer_id", department.peer_id.as_bytes()),
        ];
        for (key, bytes) in keys {
            let place = format!("the {key} of {at}");
            if let Some(used) = signing.insert(*bytes, place) {
                let at = at.clone();
                faults.push(GenesisError::KeyTwice { at, key, used });
            }
        }
        let key = "sealing_key";
        let place = format!("the {key} of {at}");
        if let Some(used) = sealing.insert(department.sealing_key, place) {
            faults.push(GenesisError::KeyTwice { at, key, used });
        }
    }
    for recovery in policy.into_iter().flat_map(Policy::recovery_keys) {
        if let Some(used) = signing.remove(recovery.as_bytes()) {
            let (at, key) = ("policy".to_owned(), "recovery.keys");
            faults.push(GenesisError::KeyTwice { at, key, used });
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
    use crate::codec::Ascending;
    use crate::crypto::keys::{CatalogueKey, KeyError, PublicKey, Secret, SigningKey};
    use crate::genesis::{
        NotAShare, PeerId, PolicyError, RecoveryKey, RecoveryKeys, Share, Terms, testing,
    };

    const ONE: &str = "11100000000013338W";
    const TWO: &str = "11430000006122244L";

    fn key(n: u8) -> PublicKey {
        SigningKey::from_seed(&[n; 32]).public()
    }

    fn department(code: &str, n: u8) -> Department {
        Department {
            name_zh: Some(Text::new("公安局 \"甲\"").unwrap()),
            addresses: Bounded::first([Text::new("/ip4/127.0.0.1/tcp/7481").unwrap()]),
            ..testing::department(code, key(n), &[Role::Issue])
        }
    }

    fn commitment(n: u8) -> CatalogueCommitment {
        CatalogueKey(Secret::from_bytes([n; 32])).commitment()
    }

    fn founded(departments: Vec<Department>) -> Result<Genesis, GenesisFaults> {
        Genesis::new("Wuhan", 1, commitment(1), Policy::usual(), departments)
    }

    fn two() -> Genesis {
        founded(vec![department(TWO, 2), department(ONE, 1)]).unwrap()
    }

    /// The only fault of a file.
    #[track_caller]
    fn fault(toml: &str) -> GenesisError {
        let mut faults = Genesis::from_toml(toml).unwrap_err().0;
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults.remove(0)
    }

    #[test]
    fn without_a_policy_it_is_the_usual_one_and_the_network_is_the_same() {
        let genesis = two();
        let text = genesis.to_toml();
        let (before, after) = text.split_once("[policy]").unwrap();
        let (_, departments) = after.split_once("[[department]]").unwrap();
        let plain = format!("{before}[[department]]{departments}").replace("governs = true\n", "");
        let read = Genesis::from_toml(&plain).unwrap();
        assert_eq!(read.policy(), &Policy::usual());
        assert_eq!(read.network_id(), genesis.network_id());
        assert!(
            read.departments()
                .iter()
                .all(|department| department.governs)
        );
        let partly = plain.replacen(
            "[[department]]",
            "[policy]\nfresh_ms = 60000\n\n[[department]]",
            1,
        );
        let read = Genesis::from_toml(&partly).unwrap();
        let terms = Terms {
            fresh_ms: 60_000,
            ..Policy::usual().into()
        };
        assert_eq!(**read.policy(), terms);
        assert_ne!(read.network_id(), genesis.network_id());
    }

    #[test]
    fn a_policy_with_recovery_keys_round_trips() {
        let keys = Ascending::new(vec![RecoveryKey(key(8)), RecoveryKey(key(9))]).unwrap();
        let terms = Terms {
            decide: Share { of: 1, parts: 2 },
            witness: Share { of: 3, parts: 4 },
            least_governors: 2,
            pending_proposals: 1,
            own_changes_a_day: 64,
            fresh_ms: 3_600_000,
            recovery: Some(RecoveryKeys { keys, need: 2 }),
        };
        let policy = Policy::new(terms).unwrap();
        let departments = two().departments().to_vec();
        let genesis = Genesis::new("Wuhan", 1, commitment(1), policy, departments).unwrap();
        assert_eq!(Genesis::from_toml(&genesis.to_toml()).unwrap(), genesis);
        let bytes = codec::encode(&genesis);
        assert_eq!(codec::decode::<Genesis>(&bytes, 1 << 20).unwrap(), genesis);
    }

    #[test]
    fn every_fault_of_a_policy_is_reported_with_its_place_and_what_to_give() {
        let policy = "[policy]\ndecide = \"1/3\"\nwitness = \"most\"\nleast_governors = 300\nown_changes_a_day = 0\n\
                      fresh_ms = 1\n[policy.recovery]\nneed = 3\nkeys = [\"ed25519:00\"]\n";
        let text = two().to_toml();
        let (before, after) = text.split_once("[policy]").unwrap();
        let (_, departments) = after.split_once("[[department]]").unwrap();
        let with = |policy: &str| format!("{before}{policy}[[department]]{departments}");
        let faults = Genesis::from_toml(&with(policy)).unwrap_err();
        let share = Share { of: 1, parts: 3 };
        let term = |term, found, least, most| {
            GenesisError::Policy(PolicyError::Term {
                term,
                found,
                least,
                most,
            })
        };
        let expected = [
            GenesisError::Share {
                key: "witness",
                text: "most".to_owned(),
                error: NotAShare,
            },
            GenesisError::Key {
                at: "policy".to_owned(),
                key: "recovery.keys",
                error: KeyError::Malformed,
            },
            GenesisError::Policy(PolicyError::Decide(share)),
            term("least_governors", 300, 1, 64),
            term("own_changes_a_day", 0, 1, 64),
            term("fresh_ms", 1, 60_000, 31_622_400_000),
        ];
        assert_eq!(faults.0, expected, "{faults}");
        let alone = fault(&with("[policy]\ndecide = \"1/3\"\n"));
        assert!(alone.to_string().contains("at least 1/2"), "{alone}");
        let recovery = |need, keys: &[PublicKey]| {
            let keys: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
            let keys = keys.join(",");
            with(&format!(
                "[policy.recovery]\nneed = {need}\nkeys = [{keys}]\n"
            ))
        };
        Genesis::from_toml(&recovery(1, &[key(9)])).unwrap();
        assert_eq!(
            fault(&recovery(2, &[key(9)])),
            term("recovery.need", 2, 1, 1)
        );
        assert_eq!(
            fault(&recovery(0, &[key(9)])),
            term("recovery.need", 0, 1, 1)
        );
        for twice in [[key(9), key(9)], [key(9), key(2)]] {
            let fault = fault(&recovery(1, &twice));
            let GenesisError::KeyTwice { at, key, .. } = &fault else {
                panic!("{fault}");
            };
            assert_eq!((&**at, *key), ("policy", "recovery.keys"));
        }
    }

    #[test]
    fn no_key_stands_in_two_places() {
        let (one, two) = (department(ONE, 1), department(TWO, 2));
        let key_of = |peer: &PeerId| peer.public_key().unwrap();
        let changed = |change: &dyn Fn(&mut Department)| {
            let mut changed = two.clone();
            change(&mut changed);
            let faults = founded(vec![one.clone(), changed]).unwrap_err();
            assert_eq!(faults.0.len(), 1, "{faults}");
            faults.to_string()
        };
        let remedy = "every key is used once, for one thing: make another";
        assert_eq!(
            changed(&|two| two.identity_key = one.signing_key),
            format!(
                "department {TWO}: identity_key is also the signing_key of department {ONE}; {remedy}"
            )
        );
        assert_eq!(
            changed(&|two| two.signing_key = key_of(&two.peer_id)),
            format!(
                "department {TWO}: peer_id is also the signing_key of department {TWO}; {remedy}"
            )
        );
        assert_eq!(
            changed(&|two| two.sealing_key = one.sealing_key),
            format!(
                "department {TWO}: sealing_key is also the sealing_key of department {ONE}; {remedy}"
            )
        );
    }

    #[test]
    fn nobody_founds_a_network_that_could_not_decide() {
        let governs = |governs: &[bool]| {
            let all = (1u8..).zip(governs).map(|(n, governs)| Department {
                governs: *governs,
                ..department(
                    DepartmentCode::from_body(&format!("11420100{n:09}"))
                        .unwrap()
                        .as_str(),
                    n,
                )
            });
            all.collect::<Vec<_>>()
        };
        assert!(founded(governs(&[true; 64])).is_ok());
        let expected = |found, least| [GenesisError::Governors { found, least }];
        assert_eq!(founded(governs(&[false; 3])).unwrap_err().0, expected(0, 1));
        assert_eq!(
            founded(governs(&[true; 65])).unwrap_err().0,
            expected(65, 1)
        );
        let policy = Policy::new(Terms {
            least_governors: 3,
            ..Policy::usual().into()
        });
        let policy = policy.unwrap();
        let new = |all| Genesis::new("Wuhan", 1, commitment(1), policy.clone(), all);
        assert!(new(governs(&[true, true, true, false])).is_ok());
        let faults = new(governs(&[true, true, false])).unwrap_err();
        assert_eq!(faults.0, expected(2, 3));
        assert!(faults.to_string().contains("`governs`"), "{faults}");
    }

    #[test]
    fn another_catalogue_key_is_another_network() {
        let founders = || vec![department(ONE, 1)];
        let network =
            |n| Genesis::new("Wuhan", 1, commitment(n), Policy::usual(), founders()).unwrap();
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
        let genesis = two();
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
        let mut department = department(ONE, 1);
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
            roles: Ascending::first(roles.iter().copied()),
            ..department(code, n)
        };
        let (one, two) = (ONE, TWO);
        let genesis = founded;
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
        let text = "format = \"certmesh-genesis-3\"\nname = 7\nquorum = 3\n";
        let later = fault(text);
        assert_eq!(later, GenesisError::Format("certmesh-genesis-3".to_owned()));
        assert!(later.to_string().contains("later version"), "{later}");
    }

    #[test]
    fn a_file_of_the_format_before_identity_keys_is_refused_with_what_to_do() {
        let before = two().to_toml().replace("genesis-2", "genesis-1");
        let lines = before.lines();
        let without = lines.filter(|line| !line.starts_with("identity_key"));
        let without = without.collect::<Vec<_>>().join("\n");
        for text in [&before, &without] {
            let earlier = fault(text);
            assert_eq!(
                earlier,
                GenesisError::Earlier("certmesh-genesis-1".to_owned())
            );
            let shown = earlier.to_string();
            for command in ["certmesh department init", "certmesh network create"] {
                assert!(shown.contains(command), "{shown}");
            }
        }
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let text = "format = \"certmesh-genesis-9\"\nname = \"\"\ncreated_ms = 0\ncatalogue_key = \"00\"\n[[department]]\ncode = \"x\"\nname = \"a\"\n\
                    roles = [\"king\"]\nidentity_key = \"rsa:00\"\nsigning_key = \"ed25519:00\"\npeer_id = \"p\"\n\
                    sealing_key = \"x25519:00\"\n[policy]\ndecide = \"1/9\"\n";
        let faults = Genesis::from_toml(text).unwrap_err();
        assert_eq!(faults.0.len(), 10, "{faults}");
        // The code, and each of its keys.
        let same = vec![department(ONE, 1), department(ONE, 1)];
        assert_eq!(founded(same).unwrap_err().0.len(), 5);
        assert_eq!(founded(vec![]).unwrap_err().0, [GenesisError::NoDepartment]);
        assert!(
            Genesis::from_toml("format = 3")
                .unwrap_err()
                .to_string()
                .contains("format")
        );
    }
}

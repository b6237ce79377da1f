//! What a person would otherwise say with every command: which node to ask, and with which token.

use std::env;
use std::path::{Path, PathBuf};

use certmesh_tables::toml_fault;
use serde::Deserialize;

use crate::{Error, files};

/// A profile's file: each key stands for the option of its name. A token has a file of its own, so that no profile holds
/// a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// Address of the node.
    pub(crate) node: Option<String>,
    /// File of the token.
    pub(crate) token_file: Option<PathBuf>,
    /// Authority of the node's TLS certificate.
    pub(crate) ca: Option<PathBuf>,
    /// The network's genesis, by which proofs are verified.
    pub(crate) network: Option<PathBuf>,
}

impl Profile {
    /// The profile that the environment names, or the one of this person.
    ///
    /// # Errors
    /// For a profile that can't be read as one, and one that is named and does not exist.
    pub(crate) fn load() -> Result<Profile, Error> {
        let named = env::var_os("CERTMESH_PROFILE").filter(|name| !name.is_empty());
        match (&named, directory()) {
            (Some(name), directory) => Self::read(&place(Path::new(name), directory)),
            (None, Some(directory)) => {
                let path = directory.join("profile.toml");
                match path.exists() {
                    true => Self::read(&path),
                    false => Ok(Self::default()),
                }
            }
            (None, None) => Ok(Self::default()),
        }
    }

    /// Reads a profile; its relative paths start from its own directory.
    fn read(path: &Path) -> Result<Profile, Error> {
        let text = files::read_text(path)?;
        let mut profile: Profile = toml::from_str(&text).map_err(|error| {
            // Not the error itself: it quotes the line, which may hold a token.
            let (line, why) = toml_fault(&text, &error);
            Error::malformed(path, "a profile", format!("line {line}: {why}"))
        })?;
        let beside = |file: PathBuf| match path.parent() {
            Some(directory) => directory.join(file),
            None => file,
        };
        profile.token_file = profile.token_file.map(beside);
        profile.ca = profile.ca.map(beside);
        profile.network = profile.network.map(beside);
        Ok(profile)
    }
}

/// A profile is named by its path, or by the name of its file in the directory of profiles.
fn place(name: &Path, directory: Option<PathBuf>) -> PathBuf {
    let is_name = name.components().count() == 1 && name.extension().is_none();
    match directory.filter(|_| is_name) {
        Some(directory) => directory.join(name).with_extension("toml"),
        None => name.to_owned(),
    }
}

/// Where profiles are (XDG Base Directory Specification).
fn directory() -> Option<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|path| !path.is_empty());
    let configurations = set("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".config")))?;
    Some(configurations.join("certmesh"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Profile, Error> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("profile.toml");
        std::fs::write(&path, text).unwrap();
        Profile::read(&path).map(|mut profile| {
            let inside = |file: PathBuf| {
                file.strip_prefix(dir.path())
                    .map(Path::to_owned)
                    .unwrap_or(file)
            };
            profile.token_file = profile.token_file.map(inside);
            profile.network = profile.network.map(inside);
            profile
        })
    }

    #[test]
    fn a_profile_names_node_and_files_beside_it() {
        let profile = read(
            "node = \"https://node.example:7480\"\ntoken_file = \"counter.token\"\nca = \"/etc/ca.pem\"\nnetwork = \"network.toml\"\n",
        );
        let expected = Profile {
            node: Some("https://node.example:7480".to_owned()),
            token_file: Some("counter.token".into()),
            ca: Some("/etc/ca.pem".into()),
            network: Some("network.toml".into()),
        };
        assert_eq!(profile.unwrap(), expected);
    }

    #[test]
    fn a_token_in_a_profile_is_refused_and_not_repeated() {
        let error = read("node = \"http://127.0.0.1:1\"\ntoken = \"PLANTED\"\n").unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("line 2") && said.contains("token_file"),
            "{said}"
        );
        assert!(!said.contains("PLANTED"), "{said}");
    }

    #[test]
    fn a_profile_is_named_by_its_file_or_by_its_path() {
        let home = || Some(PathBuf::from("/home/li/.config/certmesh"));
        for (name, expected) in [
            ("counter", "/home/li/.config/certmesh/counter.toml"),
            ("counter.toml", "counter.toml"),
            ("/etc/certmesh/counter", "/etc/certmesh/counter"),
        ] {
            assert_eq!(place(Path::new(name), home()), Path::new(expected));
        }
    }
}

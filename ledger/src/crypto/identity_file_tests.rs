use super::*;

const CODE: &str = "11430000006122244L";
const SEED: [u8; 32] = [7; 32];

/// As little as argon2 can do: what is tested is not how long it takes.
fn weak() -> Cost {
    Cost::new(8, 1, 1).unwrap()
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text).unwrap()
}

fn sealed(text: &str, cost: Cost) -> IdentityFile {
    let code: DepartmentCode = CODE.parse().unwrap();
    IdentityFile::seal(code, &SEED, &passphrase(text), cost, [1; 16], [2; 24]).unwrap()
}

fn opens(file: &IdentityFile, text: &str) -> Result<PublicKey, IdentityFileError> {
    file.open(&passphrase(text)).map(|key| key.public())
}

#[test]
fn the_passphrase_opens_the_file_and_no_other_does() {
    let file = sealed("correct horse battery", weak());
    let read = IdentityFile::from_bytes(&file.to_bytes()).unwrap();
    assert_eq!(read, file);
    let public = SigningKey::from_seed(&SEED).public();
    assert_eq!(opens(&read, "correct horse battery"), Ok(public));
    for wrong in [
        "correct horse batterz",
        " correct horse battery",
        "correct horse battery\n",
        "Correct horse battery",
    ] {
        assert_eq!(
            opens(&read, wrong),
            Err(IdentityFileError::Passphrase),
            "{wrong:?}"
        );
    }
}

#[test]
fn whose_key_it_is_shows_without_the_passphrase() {
    let bytes = sealed("correct horse battery", Cost::USUAL).to_bytes();
    let read = IdentityFile::from_bytes(&bytes).unwrap();
    assert_eq!(read.holder(), KeyHolder::Department(CODE.parse().unwrap()));
    assert_eq!(*read.public(), SigningKey::from_seed(&SEED).public());
    assert_eq!(read.cost(), Cost::USUAL);
    // The seed does not.
    assert!(!bytes.windows(8).any(|bytes| *bytes == SEED[..8]));
}

#[test]
fn any_bit_that_changes_is_noticed() {
    let good = sealed("correct horse battery", weak()).to_bytes();
    assert_eq!(good.len(), IDENTITY_FILE_LEN);
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            let opened = IdentityFile::from_bytes(&bytes).and_then(|file| {
                // What is in bounds and costs more would take a minute in all, and fail the same way.
                match file.cost().memory_kib() <= 4096 && file.cost().passes() <= 512 {
                    true => opens(&file, "correct horse battery"),
                    false => Err(IdentityFileError::Passphrase),
                }
            });
            assert!(opened.is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_file_that_is_cut_off_longer_later_or_another_is_refused_as_that() {
    let good = sealed("correct horse battery", weak()).to_bytes();
    for len in 0..good.len() {
        let read = IdentityFile::from_bytes(&good[..len]);
        let expected = match len < IDENTITY.len() {
            true => IdentityFileError::Other,
            false => IdentityFileError::CutOff(len),
        };
        assert_eq!(read, Err(expected));
    }
    let longer = [&good[..], b"\n"].concat();
    let read = IdentityFile::from_bytes(&longer);
    assert_eq!(read, Err(IdentityFileError::Longer(1)));
    let mut later = good[..40].to_vec();
    later[12] = 2;
    let read = IdentityFile::from_bytes(&later);
    assert_eq!(read, Err(IdentityFileError::Later(2)));
    let read = IdentityFile::from_bytes(b"certmesh-signing-key-v1:00");
    assert_eq!(read, Err(IdentityFileError::Other));
    for (at, what) in [(16, "the department's code"), (34, "the public key")] {
        let mut damaged = good.clone();
        damaged[at..at + 18].fill(0xFF);
        let read = IdentityFile::from_bytes(&damaged);
        assert_eq!(read, Err(IdentityFileError::Damaged(what)));
    }
}

#[test]
fn parameters_out_of_bounds_are_refused_before_anything_is_computed() {
    for (memory_kib, passes, lanes) in [
        (0, 1, 1),
        (7, 1, 1),
        (15, 1, 2),
        (8, 0, 1),
        (8, 1, 0),
        (1024, 1, 17),
        (Cost::MOST_MEMORY_KIB + 1, 1, 1),
        (u32::MAX, 1, 1),
        (u32::MAX, u32::MAX, u32::MAX),
        (8, u32::MAX, 1),
        (Cost::MOST_MEMORY_KIB, 9, 1),
    ] {
        let refused = Cost::new(memory_kib, passes, lanes).unwrap_err();
        let mut bytes = sealed("correct horse battery", weak()).to_bytes();
        let numbers = [memory_kib, passes, lanes].map(u32::to_le_bytes).concat();
        bytes[66..78].copy_from_slice(&numbers);
        let read = IdentityFile::from_bytes(&bytes);
        assert_eq!(read, Err(IdentityFileError::Cost(refused)));
    }
    for (memory_kib, passes, lanes) in [(8, 1, 1), (128, 1, 16), (Cost::MOST_MEMORY_KIB, 8, 16)] {
        assert!(Cost::new(memory_kib, passes, lanes).is_ok());
    }
}

#[test]
fn lanes_and_passes_count() {
    let costs = [(64, 1, 1), (64, 2, 1), (64, 1, 4), (72, 1, 1)];
    let mut sealed_seeds: Vec<_> = costs
        .map(|(memory_kib, passes, lanes)| {
            let file = sealed(
                "correct horse battery",
                Cost::new(memory_kib, passes, lanes).unwrap(),
            );
            assert!(opens(&file, "correct horse battery").is_ok());
            file.sealed
        })
        .to_vec();
    sealed_seeds.dedup();
    assert_eq!(sealed_seeds.len(), costs.len());
}

#[test]
fn another_passphrase_takes_the_place_of_the_first() {
    let file = sealed("correct horse battery", weak());
    let [first, second] = ["correct horse battery", "舟山群岛的灯塔守望者之歌"].map(passphrase);
    let wrong = file.change(&second, &first, weak(), [3; 16], [4; 24]);
    assert_eq!(wrong, Err(IdentityFileError::Passphrase));
    let changed = file
        .change(&first, &second, weak(), [3; 16], [4; 24])
        .unwrap();
    assert_eq!(
        (changed.holder(), changed.public()),
        (file.holder(), file.public())
    );
    assert_eq!(
        changed.open(&first).err(),
        Some(IdentityFileError::Passphrase)
    );
    assert_eq!(changed.open(&second).unwrap().public(), *file.public());
}

#[test]
fn a_file_that_shows_another_key_than_it_holds_signs_nothing() {
    let mut file = sealed("correct horse battery", weak());
    file.public = SigningKey::from_seed(&[8; 32]).public();
    // Sealed again over what it shows, by someone who knows the passphrase.
    let key = passphrase("correct horse battery").key(&file.salt, file.cost);
    let payload = Payload {
        msg: &SEED,
        aad: &file.head(),
    };
    let forged = cipher(&key.unwrap()).encrypt(&file.nonce.into(), payload);
    file.sealed.copy_from_slice(&forged.unwrap());
    assert_eq!(
        opens(&file, "correct horse battery"),
        Err(IdentityFileError::Damaged("the public key"))
    );
}

#[test]
fn neither_passphrase_nor_seed_shows() {
    let file = sealed("correct horse battery", weak());
    let error = opens(&file, "another passphrase").unwrap_err();
    let shown = format!(
        "{:?} {error} {error:?}",
        passphrase("correct horse battery")
    );
    assert!(
        !shown.contains("horse") && !shown.contains("another"),
        "{shown}"
    );
    assert!(!format!("{file:?}").contains("7, 7, 7"));
}

#[test]
fn a_recovery_key_s_file_is_none_of_a_department_and_neither_passes_for_the_other() {
    let text = "correct horse battery";
    let passphrase = passphrase(text);
    let sealed_as = |holder: KeyHolder| {
        IdentityFile::seal(holder, &SEED, &passphrase, weak(), [1; 16], [2; 24]).unwrap()
    };
    let recovery = sealed_as(KeyHolder::Recovery);
    let read = IdentityFile::from_bytes(&recovery.to_bytes()).unwrap();
    assert_eq!(read.holder(), KeyHolder::Recovery);
    assert!(opens(&read, text).is_ok());
    let identity = sealed_as(KeyHolder::Department(CODE.parse().unwrap()));
    // Each with the other's head.
    let (recovery, identity) = (recovery.to_bytes(), identity.to_bytes());
    for (head, rest) in [(&recovery, &identity), (&identity, &recovery)] {
        let first = [&head[..12], &rest[12..]].concat();
        let damaged = IdentityFileError::Damaged("the department's code");
        assert_eq!(IdentityFile::from_bytes(&first), Err(damaged));
        let both = [&head[..34], &rest[34..]].concat();
        let both = IdentityFile::from_bytes(&both).unwrap();
        assert_eq!(opens(&both, text), Err(IdentityFileError::Passphrase));
    }
}

//! The data directory: one process at a time, and the placement key that must survive restarts.
//!
//! The key decides which shard a client id lives on. It is random, so that nobody can aim at one shard, and kept, so
//! that what is kept by client id later is found again. Written whole or not at all (temporary file, fsync, rename).

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use toml::de::DeTable;

const KEY: &str = "placement_key";

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The system said no.
    #[error("cannot use the data directory: {path}: {source}")]
    Io {
        /// What it was about.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process.
    #[error(
        "the data directory {0} is in use by another ringwire: stop it, or give this one its own with --data"
    )]
    Locked(PathBuf),
    /// Not a node file.
    #[error(
        "{0} is damaged: it should hold {KEY} = \"32 hexadecimal digits\"; restore it, or remove it for a new key"
    )]
    Damaged(PathBuf),
}

/// An open data directory; locked until dropped.
#[derive(Debug)]
pub struct DataDir {
    _lock: File,
    /// Key of the placement hash.
    pub placement_key: [u64; 2],
}

impl DataDir {
    /// Makes the directory if it is not there, locks it, and reads the key or makes one.
    pub fn open(dir: &Path) -> Result<Self, DataError> {
        std::fs::create_dir_all(dir).map_err(on(dir))?;
        let path = dir.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let lock = file.map_err(on(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataError::Locked(dir.to_owned())),
            Err(TryLockError::Error(source)) => return Err(DataError::Io { path, source }),
        }
        let path = dir.join("node.toml");
        let placement_key = match std::fs::read_to_string(&path) {
            Ok(text) => read_key(&text).ok_or_else(|| DataError::Damaged(path.clone()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                new_key(dir, &path).map_err(on(&path))?
            }
            Err(source) => return Err(DataError::Io { path, source }),
        };
        Ok(Self {
            _lock: lock,
            placement_key,
        })
    }
}

fn on(path: &Path) -> impl FnOnce(io::Error) -> DataError {
    let path = path.to_owned();
    |source| DataError::Io { path, source }
}

/// Two words from the kernel's generator.
pub fn random() -> io::Result<[u64; 2]> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let both = u128::from_le_bytes(bytes);
    Ok([both as u64, (both >> 64) as u64])
}

fn new_key(dir: &Path, path: &Path) -> io::Result<[u64; 2]> {
    let key = random()?;
    let temporary = path.with_extension("toml.new");
    let mut file = File::create(&temporary)?;
    let text = format!(
        "# Decides which shard a client lives on. Keep it with the data; do not change it.\n\
         {KEY} = \"{:016x}{:016x}\"\n",
        key[0], key[1]
    );
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    File::open(dir)?.sync_all()?;
    Ok(key)
}

fn read_key(text: &str) -> Option<[u64; 2]> {
    let root = DeTable::parse(text).ok()?;
    let digits = root.get_ref().get(KEY)?.get_ref().as_str()?;
    if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let word = |digits| u64::from_str_radix(digits, 16).ok();
    Some([word(&digits[..16])?, word(&digits[16..])?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_same_after_a_restart_and_another_directory_has_another() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = DataDir::open(&one.path().join("made/here"))
            .unwrap()
            .placement_key;
        let again = DataDir::open(&one.path().join("made/here"))
            .unwrap()
            .placement_key;
        assert_eq!(first, again);
        assert_ne!(first, DataDir::open(other.path()).unwrap().placement_key);
    }

    #[test]
    fn a_second_owner_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path()).unwrap();
        assert!(matches!(DataDir::open(dir.path()), Err(DataError::Locked(_))));
        drop(first);
        DataDir::open(dir.path()).unwrap();
    }

    #[test]
    fn a_damaged_key_is_refused_rather_than_replaced() {
        let dir = tempfile::tempdir().unwrap();
        for text in [
            "",
            "placement_key = 3",
            "placement_key = \"12\"",
            "placement_key = \"zz\"",
            "=",
        ] {
            std::fs::write(dir.path().join("node.toml"), text).unwrap();
            let error = DataDir::open(dir.path()).unwrap_err();
            assert!(matches!(error, DataError::Damaged(_)), "{text}: {error}");
        }
    }
}

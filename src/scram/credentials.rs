//! Users and what SCRAM stores of their passwords: a text file, one user a line.
//!
//! `USERNAME:SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY`, the latter three in base64 (the fields of RFC 5803).
//! Lines that begin with `#` are comments. A line `decoy:BASE64` keeps the secret from which an unknown user's salt
//! comes, so that it is the same each time and tells nothing; without one the whole file is the secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// RFC 7677 section 4 asks for at least so many.
pub const ITERATIONS_MIN: u32 = 4_096;
/// Each is work for the client: with more, a login takes it minutes.
pub const ITERATIONS_MAX: u32 = 10_000_000;
/// What a password costs to try, for whoever has the file.
pub const ITERATIONS: u32 = 16_384;

/// Bytes of the salts that are made here.
pub const SALT_BYTES: usize = 16;

const MARK: &str = ":SCRAM-SHA-256$";
const DECOY: &str = "decoy:";

/// What is stored of a password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Keys {
    pub iterations: u32,
    pub salt: Vec<u8>,
    pub stored_key: [u8; 32],
    pub server_key: [u8; 32],
}

/// The users of a file.
#[derive(Debug)]
pub struct Credentials {
    users: BTreeMap<String, Keys>,
    secret: Vec<u8>,
    /// What most users have, for those that are none.
    iterations: u32,
}

/// A line that says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "line {}: {}", self.line, self.what)
    }
}

impl Credentials {
    /// The users of a file's text, or every mistake in it.
    pub fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        let (mut users, mut mistakes) = (BTreeMap::new(), Vec::new());
        let mut secret = None;
        for (line, text) in (1..).zip(text.lines()) {
            let done = match read_line(text) {
                Ok(Line::Nothing) => Ok(()),
                Ok(Line::Decoy(bytes)) => secret.replace(bytes).map_or(Ok(()), |_| {
                    Err("a second `decoy` line: leave the first".to_owned())
                }),
                Ok(Line::User(name, keys)) => match users.contains_key(&name) {
                    true => Err(format!("user `{name}` is there twice: remove one")),
                    false => {
                        users.insert(name, keys);
                        Ok(())
                    }
                },
                Err(what) => Err(what),
            };
            mistakes.extend(done.err().map(|what| Mistake { line, what }));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let secret = secret.unwrap_or_else(|| Sha256::digest(text).to_vec());
        let iterations = most_common(users.values().map(|keys| keys.iterations));
        Ok(Self {
            users,
            secret,
            iterations,
        })
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether this is a user.
    pub fn is_known(&self, username: &str) -> bool {
        self.users.contains_key(username)
    }

    /// What is stored for a user; for another name what looks like it and fits no password.
    pub fn keys(&self, username: &str) -> Keys {
        // Made for known ones too, so that it takes as long.
        let decoy = self.decoy(username);
        self.users.get(username).cloned().unwrap_or(decoy)
    }

    fn decoy(&self, username: &str) -> Keys {
        let derived = |purpose: &str| -> [u8; 32] {
            let hmac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("a key of any length will do");
            let hmac = hmac.chain_update(purpose).chain_update(username);
            hmac.finalize().into_bytes().into()
        };
        Keys {
            iterations: self.iterations,
            salt: derived("salt ")[..SALT_BYTES].to_vec(),
            stored_key: derived("stored key "),
            server_key: derived("server key "),
        }
    }
}

/// A name as it is compared: SASLprep (RFC 4013), as clients send it too.
pub fn prepare(username: &str) -> Result<String, String> {
    let prepared = stringprep::saslprep(username).map_err(|error| format!("not a username: {error}"))?;
    if prepared.is_empty() || prepared.starts_with('#') {
        return Err("a username is not empty and does not begin with `#`".to_owned());
    }
    Ok(prepared.into_owned())
}

/// The line of a user.
pub fn user_line(username: &str, keys: &Keys) -> String {
    let [salt, stored, server] =
        [&keys.salt[..], &keys.stored_key, &keys.server_key].map(|bytes| STANDARD.encode(bytes));
    format!("{username}{MARK}{}:{salt}${stored}:{server}", keys.iterations)
}

/// The line that keeps the secret.
pub fn decoy_line(secret: &[u8]) -> String {
    format!("{DECOY}{}", STANDARD.encode(secret))
}

/// Whether a line is this user's.
pub fn is_line_of(line: &str, username: &str) -> bool {
    matches!(read_line(line), Ok(Line::User(name, _)) if name == username)
}

/// Whether a line keeps the secret.
pub fn is_decoy(line: &str) -> bool {
    matches!(read_line(line), Ok(Line::Decoy(_)))
}

enum Line {
    Nothing,
    Decoy(Vec<u8>),
    User(String, Keys),
}

fn read_line(line: &str) -> Result<Line, String> {
    if line.trim().is_empty() || line.starts_with('#') {
        return Ok(Line::Nothing);
    }
    // What follows the mark has no `:SCRAM` in it, so a username may have anything.
    if let Some((username, rest)) = line.rsplit_once(MARK) {
        let keys = read_keys(rest.trim_end())?;
        if prepare(username)? != username {
            return Err(format!(
                "`{username}` is not what clients send for it: make the line with `ringwire passwd`"
            ));
        }
        return Ok(Line::User(username.to_owned(), keys));
    }
    match line
        .strip_prefix(DECOY)
        .map(|secret| STANDARD.decode(secret.trim_end()))
    {
        Some(Ok(secret)) if secret.len() >= 16 => Ok(Line::Decoy(secret)),
        Some(_) => Err("expected decoy: and at least 16 bytes in base64".to_owned()),
        None => Err(format!(
            "expected USERNAME{MARK}ITERATIONS:SALT$STOREDKEY:SERVERKEY"
        )),
    }
}

fn read_keys(text: &str) -> Result<Keys, String> {
    let fields = text.split_once('$').and_then(|(front, keys)| {
        let (iterations, salt) = front.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        Some((iterations, salt, stored, server))
    });
    let (iterations, salt, stored, server) =
        fields.ok_or("expected ITERATIONS:SALT$STOREDKEY:SERVERKEY after the method")?;
    let iterations = iterations.parse().ok();
    let iterations = iterations.filter(|count| (ITERATIONS_MIN..=ITERATIONS_MAX).contains(count));
    let iterations =
        iterations.ok_or_else(|| format!("expected {ITERATIONS_MIN} to {ITERATIONS_MAX} iterations"))?;
    let salt = STANDARD.decode(salt).ok().filter(|salt| !salt.is_empty());
    Ok(Keys {
        iterations,
        salt: salt.ok_or("the salt is not base64")?,
        stored_key: read_key(stored).ok_or("StoredKey is not 32 bytes in base64")?,
        server_key: read_key(server).ok_or("ServerKey is not 32 bytes in base64")?,
    })
}

fn read_key(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// The value that comes most often, the larger of two that come as often.
fn most_common(values: impl Iterator<Item = u32>) -> u32 {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_insert(0) += 1;
    }
    let most = counts.into_iter().max_by_key(|(value, count)| (*count, *value));
    most.map_or(ITERATIONS, |(value, _)| value)
}

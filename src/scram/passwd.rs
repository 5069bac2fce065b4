//! `ringwire passwd`: puts a user into a file of credentials, or gives it another password.
//!
//! The password comes from standard input, twice and without echo where that is a terminal; only what SCRAM stores of it
//! is written. The file is replaced whole or not at all, is its owner's alone, and two commands at a time take turns.

use super::credentials::{self, ITERATIONS, ITERATIONS_MAX, ITERATIONS_MIN, Keys, SALT_BYTES};
use super::{LoadError, load};
use clap::Args;
use rsasl::mechanisms::scram::tools::{derive_keys, hash_password};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata};
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const HEAD: &str = "\
# Users of Ringwire for SCRAM-SHA-256, made by `ringwire passwd --scram FILE USERNAME`. Set access.scram_file to this file.
# A user is removed with its line. Whoever has this file can try passwords against it: keep it to yourself.
";

/// What the command line says.
#[derive(Args, Debug)]
pub struct Passwd {
    /// File of credentials for SCRAM-SHA-256 (access.scram_file); made if it is not there
    #[arg(long, value_name = "FILE", required = true)]
    scram: PathBuf,
    /// Work that a login costs the client, and each try whoever has the file
    #[arg(long, value_name = "N", default_value_t = ITERATIONS,
          value_parser = clap::value_parser!(u32).range(i64::from(ITERATIONS_MIN)..=i64::from(ITERATIONS_MAX)))]
    iterations: u32,
    /// Whose password it is
    username: String,
}

/// Why no password was set.
#[derive(Debug, thiserror::Error)]
pub enum PasswdError {
    /// A name that no client can send.
    #[error("{0}")]
    Username(String),
    /// A password that cannot be one.
    #[error("{0}; nothing was changed")]
    Password(String),
    /// The file as it is.
    #[error("{0}; correct it first, nothing was changed")]
    Load(#[from] LoadError),
    /// The file as it should be.
    #[error("cannot write {}: {source}; nothing was changed", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard input.
    #[error("cannot read the password from standard input: {0}")]
    Input(io::Error),
}

/// Sets the password; what to say about it.
pub fn passwd(arguments: &Passwd) -> Result<String, PasswdError> {
    let username = credentials::prepare(&arguments.username).map_err(PasswdError::Username)?;
    // Asked before a password is typed.
    if arguments.scram.exists() {
        load(&arguments.scram)?;
    }
    let password = read_password(&username).map_err(PasswdError::Input)?;
    let password = prepare_password(&password)?;
    let write = |source| PasswdError::Write {
        path: arguments.scram.clone(),
        source,
    };
    let salt = random::<SALT_BYTES>().map_err(write)?;
    let keys = derive(&password, &salt, arguments.iterations);
    let changed = replace(&arguments.scram, &username, &keys)?;
    let done = if changed { "changed" } else { "added" };
    Ok(format!("{done} {username} in {}\n", arguments.scram.display()))
}

/// As clients prepare it too (RFC 5802 section 5.1).
fn prepare_password(password: &str) -> Result<String, PasswdError> {
    let wrong = |what: String| PasswdError::Password(what);
    let prepared = stringprep::saslprep(password);
    let prepared = prepared.map_err(|error| wrong(format!("the password cannot be sent: {error}")))?;
    match prepared.is_empty() {
        true => Err(wrong("the password is empty".to_owned())),
        false => Ok(prepared.into_owned()),
    }
}

/// What is stored of a password (RFC 5802 section 3).
pub fn derive(password: &str, salt: &[u8], iterations: u32) -> Keys {
    let mut salted = Default::default();
    hash_password::<Sha256>(password.as_bytes(), iterations, salt, &mut salted);
    let (client_key, server_key) = derive_keys::<Sha256>(&salted);
    Keys {
        iterations,
        salt: salt.to_vec(),
        stored_key: Sha256::digest(client_key).into(),
        server_key: server_key.into(),
    }
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    for chunk in bytes.chunks_mut(16) {
        let words = crate::data::random()?;
        let fresh = [words[0].to_le_bytes(), words[1].to_le_bytes()].concat();
        chunk.copy_from_slice(&fresh[..chunk.len()]);
    }
    Ok(bytes)
}

/// True when the user was there.
fn replace(path: &Path, username: &str, keys: &Keys) -> Result<bool, PasswdError> {
    let on = |source| PasswdError::Write {
        path: path.to_owned(),
        source,
    };
    // Behind a link is the file to replace.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = File::open(folder.unwrap_or(Path::new("."))).map_err(on)?;
    folder.lock().map_err(on)?;
    let before = match std::fs::metadata(path) {
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(on(error)),
    };
    let old = match before {
        Some(_) => {
            load(path)?;
            std::fs::read_to_string(path).map_err(on)?
        }
        None => String::new(),
    };
    let secret = random::<32>().map_err(on)?;
    let (new, changed) = with_user(&old, username, keys, &secret);
    write(path, &new, before.as_ref()).map_err(on)?;
    folder.sync_all().map_err(on)?;
    Ok(changed)
}

/// The text with the user's line in its place, or at the end; true when it was there.
fn with_user(old: &str, username: &str, keys: &Keys, secret: &[u8]) -> (String, bool) {
    let user = credentials::user_line(username, keys);
    let mut lines: Vec<String> = old.lines().map(str::to_owned).collect();
    if lines.is_empty() {
        lines.extend(HEAD.lines().map(str::to_owned));
    }
    if !lines.iter().any(|line| credentials::is_decoy(line)) {
        lines.push("# Keeps what unknown users are answered; leave it as it is.".to_owned());
        lines.push(credentials::decoy_line(secret));
    }
    let place = lines
        .iter()
        .position(|line| credentials::is_line_of(line, username));
    match place {
        Some(at) => lines[at] = user,
        None => lines.push(user),
    }
    (lines.join("\n") + "\n", place.is_some())
}

/// Beside the file first, then over it.
fn write(path: &Path, text: &str, before: Option<&Metadata>) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let mut options = File::options();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&temporary)?;
    // One that an interrupted command left may have another mode.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    if let Some(before) = before {
        // A broker that could read the file can read it again.
        let now = file.metadata()?;
        if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
            std::os::unix::fs::fchown(&file, Some(before.uid()), Some(before.gid()))?;
        }
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
}

/// One line of standard input; where that is a terminal, two lines that must be the same.
fn read_password(username: &str) -> io::Result<String> {
    if !io::stdin().is_terminal() {
        return read_line();
    }
    let _silence = Silence::begin()?;
    let ask = |what: &str| -> io::Result<String> {
        eprint!("{what} for {username}: ");
        let line = read_line();
        eprintln!();
        line
    };
    let (password, again) = (ask("Password")?, ask("The same again")?);
    match password == again {
        true => Ok(password),
        false => Err(io::Error::other("the two are not the same")),
    }
}

fn read_line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// While it lives, the terminal shows nothing of what is typed.
struct Silence(Termios);

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO;
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // Nothing more can be done about a terminal that is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

//! Why a module cannot be used, with what to do about it.
//!
//! Everything here is found when the module is loaded, before a device speaks with it. What goes wrong later is an
//! `Unreadable` of the one connection.

use std::io;
use std::path::PathBuf;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The file.
    #[error("cannot read {}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// No module that a person wrote.
    #[error("{} has more than {limit} bytes: build it optimised and without debug information", path.display())]
    Large {
        /// Which.
        path: PathBuf,
        /// Bytes that are read.
        limit: u64,
    },
    /// WebAssembly's text format.
    #[error(
        "this is WebAssembly as text: assemble it first, as with `wat2wasm x.wat` or `wasm-tools parse x.wat -o x.wasm`"
    )]
    Text,
    /// Anything else.
    #[error(
        "this is not a WebAssembly module: it begins with {begins:02x?} instead of [00, 61, 73, 6d] (\\0asm)"
    )]
    NotWasm {
        /// Its first bytes.
        begins: Vec<u8>,
    },
    /// A component is another format.
    #[error(
        "this is a WebAssembly component: build a core module instead, without `wasm-tools component new` and not for wasm32-wasip2"
    )]
    Component,
    /// It does not validate, or uses what is switched off.
    #[error("the module is invalid: {0}")]
    Invalid(String),
    /// Something that the broker does not have.
    #[error(
        "the module imports {module}.{name}, which does not exist: adapters have the functions of `ringwire` in wasm/README.md and no WASI (build with -nostdlib, or for wasm32-unknown-unknown)"
    )]
    UnknownImport {
        /// Its first name.
        module: String,
        /// Its second.
        name: String,
    },
    /// A known one, seen otherwise.
    #[error(
        "the module imports a function of `ringwire` with another signature than in wasm/README.md: {detail}"
    )]
    WrongImport {
        /// Theirs and ours.
        detail: String,
    },
    /// Something that must be there.
    #[error("the module does not export {name}: {hint}")]
    MissingExport {
        /// Which.
        name: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// A function of the right name and the wrong signature.
    #[error("the module exports {name} with the wrong signature: it must be {signature}")]
    WrongExport {
        /// Which.
        name: &'static str,
        /// As it must be.
        signature: &'static str,
    },
    /// Built for a broker of another time.
    #[error(
        "the module speaks version {theirs} of the interface and this broker version {ours}: build it against wasm/README.md of this broker"
    )]
    Version {
        /// What it says.
        theirs: i32,
        /// What we are.
        ours: i32,
    },
    /// It failed while it was loaded.
    #[error("the module fails before the first device: {0}")]
    Start(String),
    /// What it says of itself makes no sense.
    #[error("{function} of the module says {says}: {hint}")]
    Nonsense {
        /// What was asked.
        function: &'static str,
        /// What it answered.
        says: String,
        /// What is expected.
        hint: String,
    },
    /// WebAssembly does not run here.
    #[error("WebAssembly cannot run on this machine: {0}")]
    Machine(String),
}

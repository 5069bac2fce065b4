//! Adapters as WebAssembly modules: a file becomes what a listener speaks.
//!
//! Without the cargo feature `wasm` there is nothing to run them, and that is what is said.

use super::catalogue::Known;
use std::path::Path;

/// Loads a module with its limits.
///
/// # Errors
/// What is wrong with it, and what to do.
#[cfg(feature = "wasm")]
pub fn open(name: &str, path: &Path, settings: Settings) -> Result<Known, String> {
    let module = ringwire_wasm::Module::from_file(name, path, settings).map_err(|error| error.to_string())?;
    Ok(Known {
        name: name.to_owned(),
        about: format!("a WebAssembly module, {}", path.display()),
        blueprint: std::sync::Arc::new(module),
        file: Some(path.to_owned()),
        described: None,
        limits: Some(settings),
        needs_certificate: false,
    })
}

/// As with the feature, in a build that cannot.
#[cfg(not(feature = "wasm"))]
pub fn open(_name: &str, path: &Path, _settings: Settings) -> Result<Known, String> {
    Err(format!(
        "{} is a WebAssembly module, and this ringwire was built without them: build it with the cargo feature `wasm`",
        path.display()
    ))
}

#[cfg(feature = "wasm")]
pub use ringwire_wasm::Settings;

/// Nothing to set.
#[cfg(not(feature = "wasm"))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub memory_bytes_max: usize,
    pub deadline_ms: u32,
    pub frame_bytes_max: usize,
}

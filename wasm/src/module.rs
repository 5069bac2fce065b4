//! A module: checked and compiled once for the node, the blueprint of every adapter of it.
//!
//! Loading finds everything that can be found without a device, with an error that says what to do. Two modules share
//! nothing, so a new one can be loaded, and its adapters made, while connections still speak with the old one.

use crate::adapter::ModuleAdapter;
use crate::error::ModuleError;
use crate::host::{Fields, Host, shown};
use crate::imports::{self, NAMESPACE};
use crate::instance::Instance;
use crate::settings::Settings;
use crate::ticker::Ticker;
use ringwire_codec::adapter::{Adapter, Blueprint};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use wasmtime::{Config, Engine, ExternType, InstancePre, ValType};

/// The version of the interface; what `ringwire_abi` says.
const VERSION: i32 = 1;
/// Stack of a module's functions: a shard's thread has 2 MiB.
const STACK_BYTES_MAX: usize = 256 << 10;
const FIELDS_MAX: usize = 256;
/// Bytes of a file: what is larger would be compiled for minutes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A compiled module.
#[derive(Clone, Debug)]
pub struct Module {
    compiled: Arc<Compiled>,
    version: u8,
    fields: Vec<String>,
    window: u16,
}

/// What its instances need.
pub(crate) struct Compiled {
    pub(crate) name: Arc<str>,
    pub(crate) settings: Settings,
    pub(crate) pre: InstancePre<Host>,
    pub(crate) ticker: Ticker,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Compiled");
        shown.field("name", &self.name).field("settings", &self.settings);
        shown.finish_non_exhaustive()
    }
}

impl Compiled {
    pub(crate) fn engine(&self) -> &Engine {
        self.pre.module().engine()
    }
}

impl Module {
    /// Reads, checks and compiles a file. `name`: the adapter's, for logs and the client list.
    ///
    /// # Errors
    /// See [`ModuleError`].
    pub fn from_file(name: &str, path: &Path, settings: Settings) -> Result<Self, ModuleError> {
        let bytes = read(path).map_err(|error| ModuleError::File {
            path: path.to_owned(),
            error,
        })?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(ModuleError::Large {
                path: path.to_owned(),
                limit: FILE_BYTES_MAX,
            });
        }
        Self::from_bytes(name, &bytes, settings)
    }

    /// As `from_file`, of what is in memory.
    ///
    /// # Errors
    /// See [`ModuleError`].
    pub fn from_bytes(name: &str, bytes: &[u8], settings: Settings) -> Result<Self, ModuleError> {
        is_binary(bytes)?;
        let engine = engine(&settings)?;
        let module = wasmtime::Module::from_binary(&engine, bytes)
            .map_err(|error| ModuleError::Invalid(shown(&format!("{error:#}"))))?;
        has_exports(&module)?;
        let pre = link(&engine, &module)?;
        let ticker = Ticker::start(engine.weak(), settings.deadline() / 2);
        let compiled = Compiled {
            name: name.into(),
            settings,
            pre,
            ticker: ticker.map_err(|error| ModuleError::Machine(error.to_string()))?,
        };
        let about = About::ask(&compiled)?;
        Ok(Self {
            compiled: Arc::new(compiled),
            version: about.version,
            fields: about.fields,
            window: about.window,
        })
    }

    /// Messages that may be on their way to a device without its acknowledgement.
    pub fn window(&self) -> u16 {
        self.window
    }
}

impl Blueprint for Module {
    fn name(&self) -> &str {
        &self.compiled.name
    }

    fn version(&self) -> u8 {
        self.version
    }

    fn fields(&self) -> Vec<String> {
        self.fields.clone()
    }

    fn adapter(&self, wanted: &[String]) -> Box<dyn Adapter> {
        let index = |name: &String| self.fields.iter().position(|field| field == name);
        let wanted = wanted
            .iter()
            .map(|name| index(name).expect("wanted fields are among the fields"));
        let fields = Fields {
            count: self.fields.len(),
            wanted: wanted.collect(),
        };
        Box::new(ModuleAdapter::new(self.compiled.clone(), fields, self.window))
    }
}

/// What a module says of itself.
struct About {
    version: u8,
    window: u16,
    fields: Vec<String>,
}

impl About {
    /// Runs an instance to ask.
    fn ask(compiled: &Compiled) -> Result<Self, ModuleError> {
        let mut instance = Instance::new(compiled, Fields::default()).map_err(ModuleError::Start)?;
        let mut ask = |name| instance.ask(name).map_err(ModuleError::Start);
        let theirs = ask("ringwire_abi")?.unwrap_or_default().cast_signed();
        if theirs != VERSION {
            return Err(ModuleError::Version {
                theirs,
                ours: VERSION,
            });
        }
        let version = ask("ringwire_version")?.unwrap_or_default();
        let window = ask("ringwire_window")?.unwrap_or_default();
        let fields = match ask("ringwire_fields")? {
            Some(at) => field_names(&instance, at)?,
            None => Vec::new(),
        };
        Ok(Self {
            version: number("ringwire_version", version)?,
            window: number("ringwire_window", window)?,
            fields,
        })
    }
}

fn number<N: TryFrom<u32>>(function: &'static str, says: u32) -> Result<N, ModuleError> {
    N::try_from(says).map_err(|_| ModuleError::Nonsense {
        function,
        says: says.to_string(),
        hint: "a smaller number is expected (see wasm/README.md)".to_owned(),
    })
}

fn field_names(instance: &Instance, at: u32) -> Result<Vec<String>, ModuleError> {
    let nonsense = |says: String, hint: &str| ModuleError::Nonsense {
        function: "ringwire_fields",
        says,
        hint: hint.to_owned(),
    };
    let Some(text) = instance.text(at) else {
        return Err(nonsense(
            format!("{at:#x}"),
            "the address of a text with a zero at its end is expected",
        ));
    };
    let names: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let is_name = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if names.len() > FIELDS_MAX || !names.iter().all(is_name) {
        return Err(nonsense(
            format!("{:?}", text.chars().take(200).collect::<String>()),
            "names of letters, digits and _ are expected, with spaces between them, 256 at most",
        ));
    }
    Ok(names)
}

/// The file, or a byte more of it than is taken.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The file's first bytes.
fn is_binary(bytes: &[u8]) -> Result<(), ModuleError> {
    match bytes {
        // The second half is the version of the format; a component has another layer.
        [0, b'a', b's', b'm', _, _, 0, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', _, _, _, _, ..] => Err(ModuleError::Component),
        _ if bytes.trim_ascii_start().starts_with(b"(") || bytes.starts_with(b";;") => Err(ModuleError::Text),
        _ => Err(ModuleError::NotWasm {
            begins: bytes[..bytes.len().min(4)].to_vec(),
        }),
    }
}

/// Compiles and runs one module: another one has its own.
fn engine(settings: &Settings) -> Result<Engine, ModuleError> {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(STACK_BYTES_MAX)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        // A growing memory that cannot move needs no more than its cap.
        .memory_reservation_for_growth(settings.memory_bytes_max as u64);
    Engine::new(&config).map_err(|error| ModuleError::Machine(format!("{error:#}")))
}

/// Finds each import.
fn link(engine: &Engine, module: &wasmtime::Module) -> Result<InstancePre<Host>, ModuleError> {
    let linker = imports::linker(engine).map_err(|error| ModuleError::Machine(format!("{error:#}")))?;
    for import in module.imports() {
        let is_known = import.module() == NAMESPACE && imports::NAMES.contains(&import.name());
        if !is_known {
            return Err(ModuleError::UnknownImport {
                module: shown(import.module()),
                name: shown(import.name()),
            });
        }
    }
    linker
        .instantiate_pre(module)
        .map_err(|error| ModuleError::WrongImport {
            detail: shown(&format!("{error:#}")),
        })
}

/// A function that a module may export: its name, the types of its arguments (all `i32`), whether it has a result.
struct Export {
    name: &'static str,
    arguments: usize,
    result: bool,
    signature: &'static str,
    /// Why it must be there; empty when it need not.
    hint: &'static str,
}

/// Both or none.
const STATE: (&str, &str) = ("ringwire_state", "ringwire_state_size");

const EXPORTS: [Export; 11] = [
    Export {
        name: "ringwire_abi",
        arguments: 0,
        result: true,
        signature: "() -> i32",
        hint: "a function that says 1, the version of the interface",
    },
    Export {
        name: "ringwire_input",
        arguments: 1,
        result: true,
        signature: "(bytes: i32) -> i32",
        hint: "a function that says where so many bytes of input may be written, or 0",
    },
    Export {
        name: "ringwire_read",
        arguments: 2,
        result: true,
        signature: "(input: i32, bytes: i32) -> i32",
        hint: "the function that reads what a device sends",
    },
    Export {
        name: "ringwire_open",
        arguments: 4,
        result: false,
        signature: "(address: i32, bytes: i32, certificate: i32, bytes: i32)",
        hint: "",
    },
    Export {
        name: "ringwire_answer",
        arguments: 3,
        result: false,
        signature: "(answer: i32, detail: i32, tag: i32)",
        hint: "",
    },
    Export {
        name: "ringwire_deliver",
        arguments: 6,
        result: true,
        signature: "(topic: i32, bytes: i32, payload: i32, bytes: i32, number: i32, again: i32) -> i32",
        hint: "",
    },
    Export::asked(STATE.0),
    Export::asked(STATE.1),
    Export::asked("ringwire_version"),
    Export::asked("ringwire_fields"),
    Export::asked("ringwire_window"),
];

impl Export {
    const fn asked(name: &'static str) -> Self {
        Self {
            name,
            arguments: 0,
            result: true,
            signature: "() -> i32",
            hint: "",
        }
    }
}

/// Checks what a module exports.
fn has_exports(module: &wasmtime::Module) -> Result<(), ModuleError> {
    if !matches!(module.get_export("memory"), Some(ExternType::Memory(_))) {
        return Err(ModuleError::MissingExport {
            name: "memory",
            hint: "its linear memory, which the broker writes input to",
        });
    }
    let has = |name| module.get_export(name).is_some();
    for (one, other) in [STATE, (STATE.1, STATE.0)] {
        if has(one) && !has(other) {
            return Err(ModuleError::MissingExport {
                name: other,
                hint: "a state has a place and a size",
            });
        }
    }
    for export in &EXPORTS {
        match module.get_export(export.name) {
            None if export.hint.is_empty() => {}
            None => {
                return Err(ModuleError::MissingExport {
                    name: export.name,
                    hint: export.hint,
                });
            }
            Some(ExternType::Func(function)) if export.fits(&function) => {}
            Some(_) => {
                return Err(ModuleError::WrongExport {
                    name: export.name,
                    signature: export.signature,
                });
            }
        }
    }
    Ok(())
}

impl Export {
    fn fits(&self, function: &wasmtime::FuncType) -> bool {
        function.params().len() == self.arguments
            && function.results().len() == usize::from(self.result)
            && function
                .params()
                .chain(function.results())
                .all(|t| matches!(t, ValType::I32))
    }
}

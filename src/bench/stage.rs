//! Starts the brokers of a comparison, one at a time, pinned to a CPU, and makes sure that none stays behind.
//!
//! A broker is stopped by its own pid when its run ends, when anything on the way fails, and when a signal ends this
//! process. What it printed is kept until then, so that one that does not start can say why.

use super::error::BenchError;
use super::spec::{Place, Program, Spec};
use super::target::Target;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fs::{DirBuilder, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// A broker on a busy machine, or one that first reads a database.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of its output that are shown.
const SAID_BYTES: usize = 600;

/// What a shell adds to the number of a signal.
const SIGNALLED: i32 = 128;

/// See the module.
pub struct Stage {
    slot: Slot,
    core: usize,
}

/// The one that runs now. A signal takes it out and ends it.
type Slot = Arc<Mutex<Option<Process>>>;

struct Process {
    child: Child,
    /// Removed when it has ended.
    _folder: Folder,
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that is already gone is as stopped as one that was killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A broker that accepts connections. Dropped, it is stopped.
pub struct Running<'a> {
    stage: &'a Stage,
    pub targets: Vec<Target>,
    /// `None` for one that is not ours and came without.
    pub pid: Option<u32>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        drop(self.stage.take());
    }
}

impl Stage {
    /// From now on SIGINT, SIGTERM and SIGHUP end the broker first and then this process.
    pub fn new(core: usize) -> Result<Self, BenchError> {
        let system = |what| move |source| BenchError::System { what, source };
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(system("to hear signals"))?;
        let stage = Self {
            slot: Slot::default(),
            core,
        };
        let slot = Arc::clone(&stage.slot);
        let thread = thread::Builder::new().name("bench-signals".to_owned());
        thread
            .spawn(move || {
                if let Some(signal) = signals.forever().next() {
                    // The lock is kept, so that nothing is started any more.
                    let mut held = slot.lock().unwrap_or_else(PoisonError::into_inner);
                    drop(held.take());
                    eprintln!("ringwire: error: interrupted; the broker that ran is stopped");
                    std::process::exit(SIGNALLED + signal);
                }
            })
            .map_err(system("a thread for signals"))?;
        Ok(stage)
    }

    /// Starts a broker and waits until it accepts.
    pub fn start(&self, spec: &Spec) -> Result<Running<'_>, BenchError> {
        let folder = Folder::new().map_err(|source| BenchError::System {
            what: "a temporary directory",
            source,
        })?;
        let (mqtt, private) = free_ports()?;
        let place = Place {
            mqtt,
            private,
            folder: &folder.0,
            core: self.core,
        };
        let mut running = Running {
            stage: self,
            targets: spec.targets(&place),
            pid: None,
        };
        let Some(words) = spec.command(&place)? else {
            if let Program::Running { pid, .. } = spec.program {
                running.pid = pid;
            }
            running.targets.iter().try_for_each(Target::probe)?;
            return Ok(running);
        };
        let log = folder.0.join("output");
        running.pid = Some(self.spawn(spec, &words, folder)?);
        self.wait_until_ready(&running.targets)
            .map_err(|what| BenchError::Start {
                broker: spec.name.clone(),
                what,
                said: end_of(&log),
            })?;
        Ok(running)
    }

    /// `taskset` becomes the broker, so the pid is the broker's.
    fn spawn(&self, spec: &Spec, words: &[String], folder: Folder) -> Result<u32, BenchError> {
        let failed = |what: &'static str| {
            let broker = spec.name.clone();
            move |error: std::io::Error| BenchError::Start {
                broker,
                what: format!("could not be started ({what}: {error})"),
                said: "nothing".to_owned(),
            }
        };
        let output = File::create(folder.0.join("output")).map_err(failed("its output"))?;
        let errors = output.try_clone().map_err(failed("its output"))?;
        let mut command = Command::new("taskset");
        command.arg("-c").arg(self.core.to_string()).args(words);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("RINGWIRE_") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command
            .spawn()
            .map_err(failed("taskset, of util-linux, pins it to a CPU"))?;
        let pid = child.id();
        *slot = Some(Process {
            child,
            _folder: folder,
        });
        Ok(pid)
    }

    fn wait_until_ready(&self, targets: &[Target]) -> Result<(), String> {
        let deadline = Instant::now() + START_PATIENCE;
        let mut waiting: Vec<_> = targets.iter().collect();
        while !waiting.is_empty() {
            waiting.retain(|target| TcpStream::connect(target.address).is_err());
            if let Some(code) = self.ended() {
                return Err(format!("ended at once ({code})"));
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "does not listen on {} after {START_PATIENCE:?}",
                    waiting[0]
                ));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn ended(&self) -> Option<String> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let status = slot.as_mut()?.child.try_wait().ok()??;
        Some(status.to_string())
    }

    fn take(&self) -> Option<Process> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A directory of ours alone, removed when dropped. (The crate `tempfile` would bring second versions of crates that the
/// broker has; tests use it.)
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let nanoseconds = UNIX_EPOCH.elapsed().map_or(0, |since| since.subsec_nanos());
        let name = format!("ringwire-bench-{}-{number}-{nanoseconds}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // Fails for one that is there already, so nobody can have prepared it.
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Two ports that nobody had a moment ago. Held together, so that they differ.
fn free_ports() -> Result<(u16, u16), BenchError> {
    let bind = || TcpListener::bind("127.0.0.1:0");
    let pair = || {
        let (one, other) = (bind()?, bind()?);
        Ok((one.local_addr()?.port(), other.local_addr()?.port()))
    };
    pair().map_err(|source| BenchError::System {
        what: "a free port",
        source,
    })
}

/// The last lines of a file, on one.
fn end_of(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    let start = bytes.len().saturating_sub(SAID_BYTES);
    let text = String::from_utf8_lossy(&bytes[start..]);
    let text = text.trim().replace('\n', " / ");
    if text.is_empty() {
        "nothing".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> Spec {
        Spec::parse_all(&[text.to_owned()]).unwrap().remove(0)
    }

    fn stage() -> Stage {
        Stage {
            slot: Slot::default(),
            core: crate::cores::allowed()[0],
        }
    }

    #[test]
    fn one_that_ends_at_once_says_what_it_printed() {
        let text = "x=cmd:sh -c 'echo no such luck; exit 3' {port}";
        let error = stage().start(&spec(text)).err().unwrap().to_string();
        assert!(
            error.contains("ended at once") && error.contains("no such luck"),
            "{error}"
        );
    }
}

//! What `/proc` says of a process: CPU time, memory, context switches; and the kernel's memory for TCP sockets.
//!
//! For the broker that is measured and for the generator itself. Called once before and once after a measurement and a
//! few times a second between, never for a message. The pid is remembered together with the moment at which the process
//! started, so that the figures of another process that got the same pid are an error and not a result.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Auxiliary vector entries (`man 3 getauxval`): the way to these two numbers without a system call of our own.
const AT_PAGESZ: usize = 6;
const AT_CLKTCK: usize = 17;

/// A process of this machine.
#[derive(Clone, Debug)]
pub struct Process {
    pid: u32,
    folder: PathBuf,
    /// `starttime` of `/proc/PID/stat`.
    started: u64,
}

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It ended, or never was.
    #[error("there is no process {0}: it ended, or the pid is wrong")]
    Gone(u32),
    /// A file of `/proc` that cannot be read.
    #[error("cannot read {}: {source}; is /proc mounted, and may this user look at that process?", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of `/proc` without what should be in it.
    #[error("{} has no {what}: not a /proc of Linux as we know it", path.display())]
    Strange {
        /// Which.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
    },
}

impl Process {
    /// The process with this id, if it runs.
    pub fn of(pid: u32) -> Result<Self, ProcessError> {
        let mut process = Self {
            pid,
            folder: PathBuf::from(format!("/proc/{pid}")),
            started: 0,
        };
        process.started = process.stat()?.started;
        Ok(process)
    }

    /// The process that asks.
    pub fn own() -> Result<Self, ProcessError> {
        Self::of(std::process::id())
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// False once it ended, also when its pid went to another.
    pub fn is_running(&self) -> bool {
        self.same().is_ok()
    }

    /// CPU seconds so far, user and system, of all its threads.
    ///
    /// The sum of the scheduler's nanoseconds of the living threads; where threads ended, at least what `stat` has for
    /// the whole process in hundredths of a second.
    pub fn cpu_seconds(&self) -> Result<f64, ProcessError> {
        let mut nanoseconds = 0;
        for task in self.tasks()? {
            let path = task.join("schedstat");
            // A thread may end between the listing and the reading.
            let Ok(text) = fs::read_to_string(&path) else {
                continue;
            };
            let on_cpu = text
                .split_whitespace()
                .next()
                .and_then(|word| word.parse::<u64>().ok());
            nanoseconds += on_cpu.ok_or(ProcessError::Strange {
                path,
                what: "time on the CPU",
            })?;
        }
        let whole = self.same()?.ticks as f64 / auxiliary(AT_CLKTCK, 100) as f64;
        Ok((nanoseconds as f64 / 1e9).max(whole))
    }

    /// Resident bytes now.
    pub fn rss_bytes(&self) -> Result<u64, ProcessError> {
        self.status_bytes("VmRSS:", "resident size")
    }

    /// Resident bytes at most so far.
    pub fn rss_peak_bytes(&self) -> Result<u64, ProcessError> {
        self.status_bytes("VmHWM:", "peak resident size")
    }

    /// Voluntary and involuntary context switches so far, of its living threads.
    pub fn context_switches(&self) -> Result<u64, ProcessError> {
        let mut switches = 0;
        for task in self.tasks()? {
            let Ok(text) = fs::read_to_string(task.join("status")) else {
                continue;
            };
            let rows = text
                .lines()
                .filter(|line| line.contains("voluntary_ctxt_switches"));
            let counts = rows.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
            switches += counts.sum::<u64>();
        }
        self.same()?;
        Ok(switches)
    }

    fn tasks(&self) -> Result<Vec<PathBuf>, ProcessError> {
        let path = self.folder.join("task");
        let entries = fs::read_dir(&path).map_err(|source| self.unreadable(path, source))?;
        Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
    }

    fn status_bytes(&self, key: &str, what: &'static str) -> Result<u64, ProcessError> {
        self.same()?;
        let path = self.folder.join("status");
        let text = self.read(&path)?;
        let line = text.lines().find(|line| line.starts_with(key));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        Ok(kib.ok_or(ProcessError::Strange { path, what })? * 1_024)
    }

    /// `stat`, if this is still the process that it was.
    fn same(&self) -> Result<Stat, ProcessError> {
        let stat = self.stat()?;
        if stat.started == self.started && stat.alive {
            Ok(stat)
        } else {
            Err(ProcessError::Gone(self.pid))
        }
    }

    fn stat(&self) -> Result<Stat, ProcessError> {
        let path = self.folder.join("stat");
        let text = self.read(&path)?;
        Stat::parse(&text).ok_or(ProcessError::Strange {
            path,
            what: "state, times and start",
        })
    }

    fn read(&self, path: &Path) -> Result<String, ProcessError> {
        fs::read_to_string(path).map_err(|source| self.unreadable(path.to_owned(), source))
    }

    fn unreadable(&self, path: PathBuf, source: std::io::Error) -> ProcessError {
        // ESRCH (3) comes for a process that ends while it is read.
        if source.kind() == std::io::ErrorKind::NotFound || source.raw_os_error() == Some(3) {
            ProcessError::Gone(self.pid)
        } else {
            ProcessError::Unreadable { path, source }
        }
    }
}

/// What is needed of `/proc/PID/stat` (`man 5 proc_pid_stat`).
struct Stat {
    /// Not a zombie that only waits for its parent.
    alive: bool,
    /// User and system time of all threads, also of those that ended, in clock ticks.
    ticks: u64,
    started: u64,
}

impl Stat {
    /// The name, field 2, may have blanks and parentheses: fields are counted behind its last parenthesis.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            alive: !matches!(*fields.first()?, "Z" | "X"),
            ticks: number(14)? + number(15)?,
            started: number(22)?,
        })
    }
}

/// Bytes that the kernel holds for the data of all TCP sockets of this machine, both ends of a connection on loopback.
pub fn tcp_memory_bytes() -> Result<u64, ProcessError> {
    let path = PathBuf::from("/proc/net/sockstat");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(ProcessError::Unreadable { path, source }),
    };
    let pages = tcp_pages(&text).ok_or(ProcessError::Strange {
        path,
        what: "TCP line with `mem`",
    })?;
    Ok(pages * auxiliary(AT_PAGESZ, 4_096))
}

/// `TCP: inuse 1 orphan 0 tw 0 alloc 1 mem 7`
fn tcp_pages(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_whitespace().skip_while(|word| *word != "mem");
    words.nth(1)?.parse().ok()
}

/// An entry of this process's auxiliary vector; the kernel's usual value where there is none.
fn auxiliary(key: usize, usual: u64) -> u64 {
    static ENTRIES: OnceLock<HashMap<usize, usize>> = OnceLock::new();
    let entries = ENTRIES.get_or_init(|| {
        let bytes = fs::read("/proc/self/auxv").unwrap_or_default();
        let (words, _) = bytes.as_chunks::<{ size_of::<usize>() }>();
        let words: Vec<_> = words.iter().map(|word| usize::from_ne_bytes(*word)).collect();
        words
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[key, value]| (*key, *value))
            .collect()
    });
    entries.get(&key).map_or(usual, |value| *value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    fn burn(time: f64, process: &Process) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let from = process.cpu_seconds().unwrap();
        let mut work = 0_u64;
        while process.cpu_seconds().unwrap() - from < time {
            assert!(Instant::now() < deadline, "no CPU time in a minute");
            work = (0..100_000).fold(work, |sum, n| std::hint::black_box(sum ^ n));
        }
    }

    #[test]
    fn work_costs_cpu_time_and_sleep_does_not() {
        let process = Process::own().unwrap();
        burn(0.05, &process);
        let mut child = Command::new("sleep")
            .arg("60")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let sleeper = Process::of(child.id()).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        let slept = sleeper.cpu_seconds().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(slept < 0.2, "{slept}");
    }

    #[test]
    fn the_time_of_threads_that_ended_is_not_forgotten() {
        let process = Process::own().unwrap();
        let before = process.cpu_seconds().unwrap();
        let own = process.clone();
        std::thread::spawn(move || burn(0.2, &own)).join().unwrap();
        let after = process.cpu_seconds().unwrap();
        // Two hundredths are lost to the resolution of `stat`, user and system each.
        assert!(after - before > 0.15, "{before} {after}");
    }

    #[test]
    fn memory_that_is_written_is_resident_and_counts_in_the_peak() {
        let process = Process::own().unwrap();
        let before = process.rss_bytes().unwrap();
        let held = std::hint::black_box(vec![1_u8; 64 << 20]);
        let with = process.rss_bytes().unwrap();
        assert!(with > before + (32 << 20), "{before} {with}");
        drop(held);
        // The kernel's counters are exact to a few pages a CPU.
        assert!(process.rss_peak_bytes().unwrap() > with - (1 << 20));
    }

    #[test]
    fn a_sleep_is_a_context_switch() {
        let process = Process::own().unwrap();
        let before = process.context_switches().unwrap();
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(process.context_switches().unwrap() >= before + 10);
    }

    #[test]
    fn a_process_that_ended_is_gone_also_before_its_parent_looked() {
        let mut child = Command::new("sleep")
            .arg("60")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let process = Process::of(child.id()).unwrap();
        assert!(process.is_running());
        child.kill().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while process.is_running() {
            assert!(Instant::now() < deadline, "a zombie counts as running");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(matches!(process.cpu_seconds(), Err(ProcessError::Gone(_))));
        child.wait().unwrap();
        assert!(matches!(process.rss_bytes(), Err(ProcessError::Gone(pid)) if pid == process.pid()));
        assert!(matches!(Process::of(u32::MAX), Err(ProcessError::Gone(u32::MAX))));
    }

    #[test]
    fn a_name_with_blanks_and_parentheses_moves_no_field() {
        let rest = (4..=52)
            .map(|field| field.to_string())
            .collect::<Vec<_>>()
            .join(" ");
        let stat = Stat::parse(&format!("7 (a) b (c) S {rest}\n")).unwrap();
        assert_eq!((stat.alive, stat.ticks, stat.started), (true, 14 + 15, 22));
        assert!(Stat::parse("7 (a) S 1 2").is_none());
    }

    #[test]
    fn the_memory_of_sockets_is_the_number_behind_mem_in_pages() {
        let text = "sockets: used 13\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 70\nUDP: inuse 0 mem 3\n";
        assert_eq!(tcp_pages(text), Some(70));
        assert_eq!(tcp_pages("UDP: inuse 0 mem 3\n"), None);
        assert_eq!(tcp_memory_bytes().unwrap() % auxiliary(AT_PAGESZ, 0), 0);
        assert!(auxiliary(AT_PAGESZ, 0).is_power_of_two());
        assert_eq!(auxiliary(AT_CLKTCK, 0), 100);
    }
}

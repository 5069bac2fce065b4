//! Log lines: to standard error or a file, by a thread of their own, so that no shard ever waits for a terminal or disk.
//!
//! The writer's queue is bounded; when it is full lines are dropped rather than a shard stopped.

use crate::config::{Log, LogFormat};
use crate::failure::Failure;
use std::fs::File;
use std::io::{IsTerminal, Write};
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Unless the level says otherwise: it warns, over several lines, about memory that it does without.
const GLOMMIO: &str = "glommio=error";

/// Starts logging. What is returned writes the last lines when dropped.
pub fn start(log: &Log) -> Result<WorkerGuard, Failure> {
    let colour =
        log.file.is_none() && std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let out: Box<dyn Write + Send> = match &log.file {
        None => Box::new(std::io::stderr()),
        Some(path) => {
            let file = File::options().create(true).append(true).open(path);
            Box::new(file.map_err(|source| Failure::LogFile {
                path: path.clone(),
                source,
            })?)
        }
    };
    let (writer, guard) = NonBlocking::new(out);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::builder().parse_lossy(format!("{GLOMMIO},{}", log.level)))
        .with_writer(writer)
        .with_ansi(colour);
    match log.format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(guard)
}

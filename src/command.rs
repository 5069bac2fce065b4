//! The command line: subcommands, flags, and what `--help` says. Flags become sources of the configuration.

pub mod adapter;
pub mod bench;

use crate::config::{PLAIN_TYPES, Source};
use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Without anything configured: MQTT on 127.0.0.1:1883, EMQ's private TCP on 127.0.0.1:8090, the admin endpoint on
127.0.0.1:18083, and one shard for each CPU.

Settings: file < environment (RINGWIRE_LISTENER__MQTT__BIND=0.0.0.0:1883) < --set < the other flags.
`ringwire example` prints every key with its default and reason.

When every shard accepts, standard output has a few lines for people and then, last, one line for programs:
  ready NAME=TYPE://ADDRESS ... admin=http://ADDRESS shards=N
one NAME=TYPE://ADDRESS for each listener, TYPE being mqtt or emqtcp; without admin= when it is off. Log lines go to
standard error.

Exit codes: 0 stopped after a drain; 1 could not start, or not drained in time; 2 a mistake in the configuration or on
the command line; 3 `ringwire migrate` left something to do. SIGINT and SIGTERM drain, the second one ends at once.";

/// A message broker on io_uring: MQTT 3.1, 3.1.1 and 5.0, and private TCP protocols; one shard a CPU core.
#[derive(Debug, Parser)]
#[command(name = "ringwire", version, after_help = AFTER_HELP, args_conflicts_with_subcommands = true)]
pub struct CommandLine {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub options: Options,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs the broker; so does `ringwire` alone
    #[command(after_help = AFTER_HELP)]
    Serve(Options),
    /// Prints every mistake in the configuration and exits 2, or one line and exits 0
    Check(Options),
    /// Looks at this host and prints what it would change for the broker, why and how; changes nothing
    Tune(crate::tune::Arguments),
    /// Loads a broker, ours or another, and says what it took: throughput, latency, CPU, memory, losses
    #[command(after_help = bench::ABOUT)]
    Bench(Box<bench::Bench>),
    /// Private protocols: which are known, how their bytes are read, whether their vectors hold
    #[command(subcommand, after_help = adapter::ABOUT)]
    Adapter(adapter::Adapter),
    /// Sets a user's password in a file of credentials for SCRAM-SHA-256; reads it from standard input
    Passwd(crate::scram::passwd::Passwd),
    /// Turns an emqx_tcp.conf of EMQX 4 into a configuration on standard output, and names what it could not carry over
    #[command(after_help = crate::migrate::ABOUT)]
    Migrate(crate::migrate::Migrate),
    /// Prints a configuration file with every key, its default, range and reason
    Example,
}

/// Where the configuration comes from.
#[derive(Args, Debug)]
pub struct Options {
    /// Configuration file, TOML; without one, defaults
    #[arg(short, long, value_name = "FILE", env = "RINGWIRE_CONFIG")]
    config: Option<PathBuf>,
    /// One key, as listener.mqtt.bind=0.0.0.0:1883; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// A listener, as mqtt://127.0.0.1:1884 or emqtcp://127.0.0.1:8091; repeatable. Default listeners are then not opened
    #[arg(long, value_name = "TYPE://ADDRESS", value_parser = listen)]
    listen: Vec<(&'static str, SocketAddr)>,
    /// How many shards; more than CPUs share them
    #[arg(long, value_name = "N")]
    shards: Option<u64>,
    /// CPUs to pin shards to, as 0,2-5
    #[arg(long, value_name = "LIST")]
    cores: Option<String>,
    /// Directory for what must survive a restart; made if it is not there
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address of the admin endpoint, or off
    #[arg(long, value_name = "ADDRESS|off")]
    admin: Option<String>,
    /// So often one line a shard on standard error: what it does and what it waits for; as 1s, or off
    #[arg(long, value_name = "INTERVAL|off")]
    stats: Option<String>,
}

impl Options {
    /// All sources, the one that wins last. `Err`: the file that cannot be read.
    pub fn sources(&self) -> Result<Vec<Source>, (PathBuf, std::io::Error)> {
        let mut sources = Vec::new();
        if let Some(path) = &self.config {
            sources.push(Source::file(path).map_err(|error| (path.clone(), error))?);
        }
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        sources.extend(Source::environment(variables));
        for (key, value) in &self.set {
            sources.push(Source::setting("--set".to_owned(), key, value));
        }
        self.listeners(&mut sources);
        if let Some(shards) = self.shards {
            sources.push(Source::setting(
                "--shards".to_owned(),
                "node.shards",
                &shards.to_string(),
            ));
        }
        if let Some(cores) = &self.cores {
            sources.push(Source::text("--cores".to_owned(), "node.cores", cores));
        }
        if let Some(data) = &self.data {
            sources.push(Source::text(
                "--data".to_owned(),
                "node.data_dir",
                &data.to_string_lossy(),
            ));
        }
        if let Some(admin) = &self.admin {
            sources.push(Source::text("--admin".to_owned(), "admin.bind", admin));
        }
        if let Some(stats) = &self.stats {
            sources.push(Source::text("--stats".to_owned(), "node.stats", stats));
        }
        Ok(sources)
    }

    /// What to call the configuration in a message.
    pub fn origin(&self) -> String {
        let path = self.config.as_deref();
        path.map_or_else(|| "configuration".to_owned(), |path| path.display().to_string())
    }

    /// The first of a type is the listener of that name, so that `--set listener.mqtt.…` is about it too.
    fn listeners(&self, sources: &mut Vec<Source>) {
        for (index, (word, address)) in self.listen.iter().enumerate() {
            let nth = self.listen[..index]
                .iter()
                .filter(|(known, _)| known == word)
                .count()
                + 1;
            let name = if nth == 1 {
                (*word).to_owned()
            } else {
                format!("{word}-{nth}")
            };
            sources.push(Source {
                origin: "--listen".to_owned(),
                text: format!("listener.{name} = {{ type = \"{word}\", bind = \"{address}\" }}"),
                lists_listeners: true,
                folder: None,
            });
        }
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("expected KEY=VALUE, like node.shards=2")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

fn listen(text: &str) -> Result<(&'static str, SocketAddr), String> {
    let (scheme, address) = text
        .split_once("://")
        .ok_or("expected mqtt://ADDRESS or emqtcp://ADDRESS")?;
    let word = PLAIN_TYPES.into_iter().find(|word| *word == scheme);
    let word = word.ok_or_else(|| format!("`{scheme}` is not a type of listener: mqtt or emqtcp"))?;
    let address = address.trim_end_matches('/').parse();
    Ok((
        word,
        address.map_err(|_| "expected an IP address and a port, like 127.0.0.1:1884 or [::1]:1884")?,
    ))
}

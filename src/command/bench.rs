//! Flags of `ringwire bench`: what is run, against whom, how hard, for how long, and where the results go.
//!
//! Only the command line: `src/bench/` makes plans of it and runs them. A flag that is not given leaves what the
//! scenario says, so each is an `Option`.

use crate::config::number;
use crate::cores;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

pub const ABOUT: &str = "\
`ringwire bench list` says what each scenario does. An example:
  ringwire bench fan-out --target mqtt://127.0.0.1:1883 --qos 1 --subscribers 50 --html report.html
  ringwire bench compare p2p fan-in --broker ringwire --broker mosquitto --rounds 5

Closed loop (--window) sends as fast as the answers come; open loop (--rate) sends at fixed moments and counts latency
from the moment at which a message should have been sent.

Exit codes: 0 done; 1 messages were lost, doubled, out of order or not as sent (at QoS 0, where a broker may drop, loss
counts only with --strict), connections were refused, or the run could not be made; 2 a mistake on the command line.";

/// `ringwire bench`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub struct Bench {
    #[command(subcommand)]
    pub what: Option<What>,
    #[command(flatten)]
    pub run: Run,
}

/// Other things than one run.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Prints the scenarios and what each does
    List,
    /// Runs the same scenarios against several brokers in turn, and prints medians and ratios
    #[command(after_help = COMPARE)]
    Compare(Box<Compare>),
}

/// One scenario against one broker that runs already.
#[derive(Args, Debug)]
pub struct Run {
    /// Which scenario; `ringwire bench list` has them
    #[arg(value_name = "SCENARIO")]
    pub scenario: Option<String>,
    /// Where the broker listens, as mqtt://127.0.0.1:1883 or emqtcp://127.0.0.1:8090; repeatable, clients take turns.
    /// Private TCP needs one of each, because those who hear devices are MQTT clients
    #[arg(long, value_name = "TYPE://HOST:PORT")]
    pub target: Vec<String>,
    /// Process of the broker on this machine: reports its CPU time, memory and context switches
    #[arg(long, value_name = "PID")]
    pub broker_pid: Option<u32>,
    #[command(flatten)]
    pub load: Load,
    #[command(flatten)]
    pub results: Results,
}

/// What the clients do. Where a flag is not given, the scenario decides.
#[derive(Args, Clone, Debug)]
pub struct Load {
    /// What the clients speak; `private` is EMQ's private TCP, `raw` only the relay of benches/
    #[arg(long, value_name = "PROTOCOL", value_enum)]
    pub protocol: Option<Spoken>,
    /// QoS of publishes and subscriptions
    #[arg(long, value_name = "0|1|2", value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: Option<u8>,
    /// How many clients publish
    #[arg(long, value_name = "N")]
    pub publishers: Option<usize>,
    /// How many clients subscribe
    #[arg(long, value_name = "N")]
    pub subscribers: Option<usize>,
    /// How many clients only connect, in `conn` and `mixed`
    #[arg(long, value_name = "N")]
    pub connections: Option<usize>,
    /// Bytes of a payload, as 64 or 1KB
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub payload: Option<usize>,
    /// Open loop: messages a second of each publisher. In `compare` also as 50%: of what that broker reached saturated
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    pub rate: Option<Rate>,
    /// Messages of one publisher that are under way at most; with --rate, what is due beyond waits
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub window: Option<u32>,
    /// At QoS 1 and 2 a message is under way until it is acknowledged, and not until it is delivered too: publishers may
    /// then outrun subscribers, and queues fill
    #[arg(long)]
    pub acknowledged_only: bool,
    /// How long is measured, as 10s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Ends the measurement after so many deliveries
    #[arg(long, value_name = "N")]
    pub messages: Option<u64>,
    /// How long is published before the measurement
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub warmup: Option<Duration>,
    /// CPUs of the generator, one thread each, as 1 or 1,3-5; the last CPU when not given
    #[arg(long, value_name = "LIST", value_parser = cpus)]
    pub cores: Option<Cpus>,
    /// Keepalive of the clients, seconds
    #[arg(long, value_name = "SECONDS")]
    pub keepalive: Option<u16>,
    /// New connections a second
    #[arg(long, value_name = "PER_SECOND")]
    pub connect_rate: Option<f64>,
    /// Source addresses 127.0.0.2 and up on loopback, for more connections than one address has ports
    #[arg(long, value_name = "N")]
    pub source_addresses: Option<u16>,
    /// Of every client
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
    /// Of every client
    #[arg(
        long,
        value_name = "TEXT",
        env = "RINGWIRE_BENCH_PASSWORD",
        hide_env_values = true,
        requires = "username"
    )]
    pub password: Option<String>,
}

/// Where the results go.
#[derive(Args, Clone, Debug)]
pub struct Results {
    /// Writes everything that was measured as JSON; - for standard output, without the table
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<PathBuf>,
    /// Writes a report with charts, one file that needs nothing else
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// No progress, only the results
    #[arg(long)]
    pub quiet: bool,
    /// A message lost at QoS 0 fails too
    #[arg(long)]
    pub strict: bool,
}

const COMPARE: &str = "\
Brokers:
  ringwire                this executable, one shard on --broker-core, limits on queues raised
  ringwire=PATH [ARGS]    another one, with more arguments
  mosquitto nanomq flashmq  from PATH, with a configuration of ours: no limit on queues, no delay, no log
  rumqttd=PATH relay=PATH   programs of benches/ that take the port as their argument
  NAME=cmd:COMMAND        any other, {port} being the port and {dir} an empty directory
  NAME=HOST:PORT,pid=N    one that runs already (the pid is optional: without it there are no CPU seconds)

SCENARIO `goals` runs the table of jobs by which Ringwire judges itself, each with its goal; `goals:idle` one of them.
Rounds are interleaved: each starts every broker fresh, the first one of a round taking turns.";

/// The same scenarios against several brokers.
#[derive(Args, Debug)]
pub struct Compare {
    /// Which scenarios, or `goals`, or one as goals:idle
    #[arg(value_name = "SCENARIO", required = true)]
    pub scenarios: Vec<String>,
    /// A broker, see below; repeatable, ratios are to the first
    #[arg(long, value_name = "SPEC", required = true)]
    pub broker: Vec<String>,
    /// How often each scenario meets each broker
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// CPU to which the brokers are pinned; the first one when not given
    #[arg(long, value_name = "CPU", value_parser = cpu)]
    pub broker_core: Option<usize>,
    #[command(flatten)]
    pub load: Load,
    #[command(flatten)]
    pub results: Results,
}

/// `--protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Spoken {
    #[value(name = "3.1")]
    Mqtt31,
    #[value(name = "3.1.1")]
    Mqtt311,
    #[value(name = "5", alias = "5.0")]
    Mqtt5,
    Private,
    Raw,
}

/// `--rate`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Of each publisher.
    PerSecond(f64),
    /// Of all publishers together, a share of the broker's own saturation: 0.5 for `50%`.
    OfSaturation(f64),
}

/// `--cores`: a type of its own, because clap reads a bare `Vec` as a flag that repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpus(pub Vec<usize>);

fn cpus(text: &str) -> Result<Cpus, String> {
    let list = cores::parse(text).ok_or("expected CPUs like 1 or 0,2-5")?;
    let allowed = cores::allowed();
    match list.iter().find(|cpu| !allowed.contains(cpu)) {
        None => Ok(Cpus(list)),
        Some(cpu) => Err(format!(
            "CPU {cpu} is not there, or not allowed to this process; allowed are {}",
            cores::write(&allowed)
        )),
    }
}

fn cpu(text: &str) -> Result<usize, String> {
    match cpus(text)?.0[..] {
        [cpu] => Ok(cpu),
        _ => Err("expected one CPU".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let microseconds =
        number::microseconds(text).ok_or("expected a time with its unit, like 10s or 500ms")?;
    Ok(Duration::from_micros(microseconds))
}

fn bytes(text: &str) -> Result<usize, String> {
    let bytes = number::bytes(text).and_then(|bytes| usize::try_from(bytes).ok());
    // The largest packet of MQTT, less room for its topic.
    bytes
        .filter(|bytes| *bytes <= 268_000_000)
        .ok_or_else(|| "expected bytes up to 255MB, like 64 or 1KB".to_owned())
}

fn rate(text: &str) -> Result<Rate, String> {
    let (digits, share) = match text.strip_suffix('%') {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let number = digits
        .parse::<f64>()
        .ok()
        .filter(|number| *number > 0.0 && *number <= 1e9);
    match number {
        Some(number) if share => Ok(Rate::OfSaturation(number / 100.0)),
        Some(number) => Ok(Rate::PerSecond(number)),
        None => Err("expected messages a second, like 1000, or a share of saturation, like 50%".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_or_a_share() {
        assert_eq!(rate("1000"), Ok(Rate::PerSecond(1_000.0)));
        assert_eq!(rate("0.5"), Ok(Rate::PerSecond(0.5)));
        assert_eq!(rate("50%"), Ok(Rate::OfSaturation(0.5)));
        for text in ["0", "-1", "fast", "%", "inf", "NaN", ""] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_and_sizes_need_what_the_configuration_needs() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert!(duration("10").is_err());
        assert_eq!(bytes("64"), Ok(64));
        assert_eq!(bytes("1KB"), Ok(1_024));
        assert!(bytes("1GB").is_err());
    }

    #[test]
    fn a_cpu_that_is_not_there_is_refused() {
        assert!(cpus("65535").is_err_and(|text| text.contains("65535")));
        let allowed = cores::allowed();
        assert_eq!(cpus(&cores::write(&allowed)), Ok(Cpus(allowed)));
    }
}

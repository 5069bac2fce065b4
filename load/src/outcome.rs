//! What a run measured. Plain data that is printed, written as JSON and compared.

use serde::{Deserialize, Serialize};

/// The result of one run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Name of the plan.
    pub name: String,
    /// `mqtt 3.1.1`, `mqtt 5.0`, `private-tcp 1`, `raw`.
    pub protocol: String,
    /// Connections: wanted, made, refused or failed, lost later.
    pub connections: Connections,
    /// Publishes, deliveries and what was wrong with them.
    pub messages: Messages,
    /// Length of the measurement, seconds.
    pub seconds: f64,
    /// From the intended moment of sending to the delivery (or the reply, where one is expected).
    pub latency: Latency,
    /// From sending to PUBACK or PUBCOMP.
    pub acknowledged: Latency,
    /// From connect() to CONNACK.
    pub connecting: Latency,
    /// Figures of the broker's process, when its pid is known.
    pub broker: Option<Broker>,
    /// CPU seconds of the generator's own process during the measurement.
    pub generator_cpu_seconds: f64,
    /// About ten a second, from the first connect on.
    pub series: Vec<Sample>,
}

/// Connections of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Connections {
    /// Wanted.
    pub wanted: u64,
    /// Accepted with success.
    pub made: u64,
    /// Refused, by CONNACK or by the socket; the first few reasons in words.
    pub refused: u64,
    /// Ended before the run did.
    pub lost: u64,
    /// Reasons of refusals and losses, with how often each.
    pub reasons: Vec<(String, u64)>,
    /// From the first connect() to the last CONNACK.
    pub seconds: f64,
}

/// Messages of a run. `published` to `acknowledged` count within the measurement, the checks over the whole run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Messages {
    /// PUBLISH packets sent.
    pub published: u64,
    /// PUBLISH packets received (replies, where they are expected).
    pub delivered: u64,
    /// PUBACK and PUBCOMP received.
    pub acknowledged: u64,
    /// Deliveries that should have come and did not within `Plan::drain`.
    pub lost: u64,
    /// Came more than once.
    pub duplicates: u64,
    /// Came after a later one of the same publisher, topic and subscriber.
    pub reordered: u64,
    /// Payload without a stamp of this run, or with wrong bytes after it.
    pub strange: u64,
}

/// A distribution of times, in microseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Latency {
    /// Times taken.
    pub count: u64,
    #[allow(missing_docs)]
    pub min_us: f64,
    #[allow(missing_docs)]
    pub mean_us: f64,
    #[allow(missing_docs)]
    pub p50_us: f64,
    #[allow(missing_docs)]
    pub p90_us: f64,
    #[allow(missing_docs)]
    pub p99_us: f64,
    #[allow(missing_docs)]
    pub p999_us: f64,
    #[allow(missing_docs)]
    pub max_us: f64,
    /// (quantile, microseconds), for a curve; ascending.
    pub curve: Vec<(f64, f64)>,
}

impl Latency {
    /// Least, mean, p50, p90, p99, p99.9 and most, as tables show them; microseconds.
    pub fn columns(&self) -> [f64; 7] {
        [
            self.min_us,
            self.mean_us,
            self.p50_us,
            self.p90_us,
            self.p99_us,
            self.p999_us,
            self.max_us,
        ]
    }
}

/// What `/proc` says of the broker's process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Broker {
    /// CPU seconds during the measurement, all threads, user and system.
    pub cpu_seconds: f64,
    /// CPU seconds for a million deliveries (publishes where nobody subscribes; request and reply pairs where replies are
    /// expected).
    pub cpu_seconds_per_million: f64,
    /// Resident bytes before the first connect, with every client connected and idle, at the measurement's end, and at most.
    pub rss_before: u64,
    #[allow(missing_docs)]
    pub rss_connected: u64,
    #[allow(missing_docs)]
    pub rss_end: u64,
    #[allow(missing_docs)]
    pub rss_peak: u64,
    /// (`rss_connected` - `rss_before`) / connections made.
    pub rss_bytes_per_connection: f64,
    /// Kernel memory of all TCP sockets of this machine (`/proc/net/sockstat`), both ends on loopback: before, and with
    /// every client connected.
    pub socket_bytes_before: u64,
    #[allow(missing_docs)]
    pub socket_bytes_connected: u64,
    /// Voluntary and involuntary context switches during the measurement.
    pub context_switches: u64,
}

/// One moment of a run.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Since the first connect, milliseconds.
    pub at_ms: u64,
    /// Totals so far.
    pub connected: u64,
    #[allow(missing_docs)]
    pub published: u64,
    #[allow(missing_docs)]
    pub delivered: u64,
    /// CPU seconds of the broker so far; 0 when its pid is not known.
    pub broker_cpu_seconds: f64,
    /// Bytes.
    pub broker_rss: u64,
    /// Largest latency since the sample before, microseconds.
    pub latency_max_us: f64,
}

/// Where a run is, for a progress bar.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// What is going on.
    pub phase: Phase,
    /// 0 to 1 of the phase, where that is known.
    pub part: f64,
    /// Totals so far.
    pub sample: Sample,
}

/// Phases of a run, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Phase {
    #[default]
    Connecting,
    Subscribing,
    WarmingUp,
    Measuring,
    Draining,
    Done,
}

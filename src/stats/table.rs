//! The table of `--stats`: two snapshots of each shard become aligned text. Pure.
//!
//! A column is one row of [`COLUMNS`]: what it is called, its unit, its width and how its cell is made. What was
//! dropped or slowed down comes last and without a width, by the names of `/metrics`, and only what occurred.

use ringwire_core::DropReason;
use ringwire_shard::mailbox::ShardStats;
use std::fmt::Write;

/// What one shard did between two answers.
pub struct Span<'a> {
    pub shard: usize,
    pub cpu: usize,
    /// The two answers; `None` when the shard did not answer.
    pub change: Option<(&'a ShardStats, &'a ShardStats)>,
}

struct Column {
    title: &'static str,
    unit: &'static str,
    width: usize,
    cell: fn(&Change<'_>) -> String,
}

const fn column(
    title: &'static str,
    unit: &'static str,
    width: usize,
    cell: fn(&Change<'_>) -> String,
) -> Column {
    Column {
        title,
        unit,
        width,
        cell,
    }
}

/// Shares are of the interval's time, or of what the column before counts.
const COLUMNS: [Column; 22] = [
    column("shard", "", 5, |change| change.shard.to_string()),
    column("cpu", "", 4, |change| change.cpu.to_string()),
    column("up", "s", 7, |change| {
        (change.after.uptime_us / 1_000_000).to_string()
    }),
    column("conns", "", 6, |change| count(change.after.engine.connections)),
    column("in", "msg/s", 6, |change| {
        change.rate(|stats| stats.engine.messages_received)
    }),
    column("out", "msg/s", 6, |change| {
        change.rate(|stats| stats.engine.messages_sent)
    }),
    column("busy", "%", 5, |change| change.time_share(|stats| stats.busy_us)),
    column("wait", "%", 5, |change| {
        change.time_share(|stats| stats.cpu_wait_us)
    }),
    column("spin", "%", 5, |change| change.time_share(|stats| stats.spin_us)),
    column("hits", "%", 5, |change| {
        change.percent(|stats| stats.spin_hits, |stats| stats.spins)
    }),
    column("turns", "/s", 6, |change| change.rate(|stats| stats.turns)),
    column("inputs", "/turn", 6, |change| {
        change.ratio(|stats| stats.inputs, |stats| stats.turns)
    }),
    column("full", "%", 5, |change| {
        change.percent(|stats| stats.turns_full, |stats| stats.turns)
    }),
    column("calls", "/s", 6, |change| change.rate(|stats| stats.enters)),
    column("calls", "/msg", 6, |change| {
        change.ratio(|stats| stats.enters, messages)
    }),
    column("buffers", "peak/given", 11, buffers),
    column("dry", "times", 5, |change| {
        count(change.grown(|stats| stats.buffers_exhausted))
    }),
    column("mesh in", "/s", 7, |change| {
        change.rate(|stats| stats.mesh_batches_received)
    }),
    column("mesh out", "/s", 8, |change| {
        change.rate(|stats| stats.mesh_batches_sent)
    }),
    column("depth", "peak", 5, |change| count(change.after.mesh_depth_peak)),
    column("full", "times", 5, |change| {
        count(change.grown(|stats| stats.mesh_full))
    }),
    column("queued", "bytes", 6, |change| {
        bytes(change.after.engine.queued_bytes)
    }),
];

/// Both snapshots of a shard that answered.
struct Change<'a> {
    shard: usize,
    cpu: usize,
    before: &'a ShardStats,
    after: &'a ShardStats,
}

/// One line a shard, below the header if it is asked for.
pub fn render(spans: &[Span<'_>], header: bool) -> String {
    let mut text = String::new();
    if header {
        line(
            &mut text,
            COLUMNS.iter().map(|column| column.title.to_owned()),
            "dropped, slowed down",
        );
        line(
            &mut text,
            COLUMNS.iter().map(|column| column.unit.to_owned()),
            "reason times",
        );
    }
    for span in spans {
        let Some((before, after)) = span.change else {
            let place = [span.shard.to_string(), span.cpu.to_string()].into_iter();
            line(
                &mut text,
                place,
                "no answer: the shard hangs, or its CPU is taken by others",
            );
            continue;
        };
        let change = Change {
            shard: span.shard,
            cpu: span.cpu,
            before,
            after,
        };
        let cells = COLUMNS.iter().map(|column| (column.cell)(&change));
        line(&mut text, cells, &change.dropped());
    }
    text
}

fn line(text: &mut String, cells: impl Iterator<Item = String>, last: &str) {
    for (column, cell) in COLUMNS.iter().zip(cells) {
        let _ = write!(text, "{cell:>width$} ", width = column.width);
    }
    let _ = writeln!(text, " {last}");
}

impl Change<'_> {
    fn grown(&self, of: impl Fn(&ShardStats) -> u64) -> u64 {
        of(self.after).saturating_sub(of(self.before))
    }

    fn seconds(&self) -> f64 {
        self.grown(|stats| stats.uptime_us) as f64 / 1e6
    }

    fn rate(&self, of: impl Fn(&ShardStats) -> u64) -> String {
        let rate = self.grown(of) as f64 / self.seconds();
        if rate.is_finite() {
            count(rate.round() as u64)
        } else {
            NOTHING.to_owned()
        }
    }

    fn ratio(&self, of: fn(&ShardStats) -> u64, to: fn(&ShardStats) -> u64) -> String {
        match self.grown(to) {
            0 => NOTHING.to_owned(),
            to => quotient(self.grown(of) as f64 / to as f64),
        }
    }

    fn percent(&self, of: fn(&ShardStats) -> u64, to: fn(&ShardStats) -> u64) -> String {
        match self.grown(to) {
            0 => NOTHING.to_owned(),
            to => format!("{:.1}", self.grown(of) as f64 * 100.0 / to as f64),
        }
    }

    fn time_share(&self, of: fn(&ShardStats) -> u64) -> String {
        self.percent(of, |stats| stats.uptime_us)
    }

    fn dropped(&self) -> String {
        let reasons = DropReason::ALL.iter().enumerate();
        let dropped = reasons.map(|(index, reason)| {
            let times = self.grown(|stats| stats.engine.drops[index]);
            (reason.name(), times)
        });
        let slowed = [
            (
                "publishers_slowed",
                self.grown(|stats| stats.engine.publishers_slowed),
            ),
            (
                "subscribers_lagging",
                self.grown(|stats| stats.engine.subscribers_lagging),
            ),
        ];
        let happened: Vec<_> = dropped
            .chain(slowed)
            .filter(|(_, times)| *times > 0)
            .map(|(name, times)| format!("{name} {}", count(times)))
            .collect();
        if happened.is_empty() {
            NOTHING.to_owned()
        } else {
            happened.join(", ")
        }
    }
}

/// Where there is nothing to divide by, or nothing to tell.
const NOTHING: &str = "-";

fn messages(stats: &ShardStats) -> u64 {
    stats.engine.messages_received + stats.engine.messages_sent
}

fn buffers(change: &Change<'_>) -> String {
    format!(
        "{}/{}",
        change.after.buffers_used_peak, change.after.buffers_given
    )
}

/// At most six characters.
fn count(number: u64) -> String {
    match number {
        0..100_000 => number.to_string(),
        100_000..1_000_000 => format!("{}k", number / 1_000),
        1_000_000..1_000_000_000 => format!("{}M", quotient(number as f64 / 1e6)),
        1_000_000_000.. => format!("{:.1}G", number as f64 / 1e9),
    }
}

/// At most six characters; a KB is 1,024 bytes, as in the configuration.
fn bytes(number: u64) -> String {
    let number = number as f64;
    match number {
        ..10_000.0 => format!("{number}"),
        ..1e6 => format!("{:.0}KB", number / 1_024.0),
        ..1e9 => format!("{:.0}MB", number / 1_048_576.0),
        _ => format!("{:.1}GB", number / 1_073_741_824.0),
    }
}

/// Three digits that count.
fn quotient(number: f64) -> String {
    match number {
        ..9.995 => format!("{number:.2}"),
        ..99.95 => format!("{number:.1}"),
        _ => count(number.round() as u64),
    }
}

#[cfg(test)]
mod tests;

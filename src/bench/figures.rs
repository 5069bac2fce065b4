//! The figures by which runs are compared, and medians of rounds.
//!
//! One [`Figure`] a column: how it is taken from an outcome, how it is written, which way is better.

use super::words;
use ringwire_load::Outcome;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// CPU seconds of the broker for a million deliveries.
    Cpu,
    /// Deliveries (publishes where nobody hears) a second.
    Rate,
    /// Median latency, microseconds.
    P50,
    /// 99th percentile of latency, microseconds.
    P99,
    /// Resident bytes at most.
    Rss,
    /// Resident bytes a connection.
    Connection,
    /// Kernel memory of sockets a connection, both ends.
    Sockets,
}

impl Figure {
    /// In the order of columns.
    pub const ALL: [Self; 7] = [
        Self::Cpu,
        Self::Rate,
        Self::P50,
        Self::P99,
        Self::Rss,
        Self::Connection,
        Self::Sockets,
    ];

    /// In JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::Cpu => "cpu_seconds_per_million",
            Self::Rate => "per_second",
            Self::P50 => "p50_us",
            Self::P99 => "p99_us",
            Self::Rss => "rss_peak",
            Self::Connection => "rss_bytes_per_connection",
            Self::Sockets => "socket_bytes_per_connection",
        }
    }

    /// The figure with this key.
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|figure| figure.key() == key)
    }

    /// Head of a column.
    pub fn title(self) -> &'static str {
        match self {
            Self::Cpu => "CPU s/million",
            Self::Rate => "messages/s",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::Rss => "RSS peak",
            Self::Connection => "RSS/connection",
            Self::Sockets => "sockets/connection",
        }
    }

    /// In words.
    pub fn explained(self) -> &'static str {
        match self {
            Self::Cpu => "Broker CPU seconds a million messages",
            Self::Rate => "Messages a second",
            Self::P50 => "Median latency",
            Self::P99 => "Latency, 99th percentile",
            Self::Rss => "Peak resident memory of the broker",
            Self::Connection => "Resident memory a connection",
            Self::Sockets => "Kernel socket memory a connection",
        }
    }

    /// Whether less of it is better.
    pub fn less_is_better(self) -> bool {
        self != Self::Rate
    }

    /// Of one run; `None` where it was not measured or says nothing.
    pub fn of(self, outcome: &Outcome) -> Option<f64> {
        let broker = outcome.broker.as_ref();
        let messages = outcome.messages.delivered.max(outcome.messages.published);
        let timed = (outcome.latency.count > 0).then_some(&outcome.latency);
        let value = match self {
            Self::Cpu if messages == 0 => None,
            Self::Cpu => broker.map(|broker| broker.cpu_seconds_per_million),
            Self::Rate if messages == 0 || outcome.seconds <= 0.0 => None,
            Self::Rate => Some(moved(outcome) as f64 / outcome.seconds),
            Self::P50 => timed.map(|latency| latency.p50_us),
            Self::P99 => timed.map(|latency| latency.p99_us),
            Self::Rss => broker.map(|broker| broker.rss_peak as f64),
            // Some clients that publish hard say nothing about what a connection costs.
            Self::Connection if outcome.connections.made < 1_000 => None,
            Self::Connection => broker.map(|broker| broker.rss_bytes_per_connection),
            Self::Sockets if outcome.connections.made < 1_000 => None,
            // Less than before: sockets of others ended meanwhile.
            Self::Sockets => broker.and_then(|broker| {
                let more = broker
                    .socket_bytes_connected
                    .checked_sub(broker.socket_bytes_before)?;
                Some(more as f64 / outcome.connections.made as f64)
            }),
        };
        value.filter(|value| value.is_finite())
    }

    /// For people.
    pub fn write(self, value: f64) -> String {
        match self {
            Self::Cpu | Self::Rate => words::number(value),
            Self::P50 | Self::P99 => words::microseconds(value),
            Self::Rss => words::bytes(value),
            Self::Connection | Self::Sockets => format!("{} B", words::number(value)),
        }
    }
}

/// Deliveries; publishes where nobody hears them.
pub fn moved(outcome: &Outcome) -> u64 {
    match outcome.messages.delivered {
        0 => outcome.messages.published,
        delivered => delivered,
    }
}

/// The middle of some rounds, and between what they lay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// `None` of nothing. The median of an even number is the mean of the middle two.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Some(Self { median, least, most })
    }

    /// Of a figure over the rounds of a cell.
    pub fn over(figure: Figure, outcomes: &[Outcome]) -> Option<Self> {
        Self::of(outcomes.iter().filter_map(|outcome| figure.of(outcome)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringwire_load::outcome::{Broker, Connections, Latency, Messages};

    #[test]
    fn a_median_is_the_middle_and_of_two_their_mean() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        let of = |median, least, most| Some(Spread { median, least, most });
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0]), of(3.0, 3.0, 3.0));
        assert_eq!(spread(&[9.0, 1.0, 2.0]), of(2.0, 1.0, 9.0));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 9.0]), of(3.0, 1.0, 9.0));
    }

    #[test]
    fn a_figure_that_was_not_measured_is_absent_and_not_zero() {
        let mut outcome = Outcome::default();
        assert!(Figure::ALL.iter().all(|figure| figure.of(&outcome).is_none()));
        outcome.seconds = 2.0;
        outcome.messages = Messages {
            published: 100,
            ..Messages::default()
        };
        assert_eq!(Figure::Rate.of(&outcome), Some(50.0));
        outcome.messages.delivered = 400;
        assert_eq!(Figure::Rate.of(&outcome), Some(200.0));
        assert_eq!(Figure::Cpu.of(&outcome), None);
        outcome.latency = Latency {
            count: 1,
            p99_us: 7.0,
            ..Latency::default()
        };
        assert_eq!(Figure::P99.of(&outcome), Some(7.0));
        outcome.broker = Some(Broker {
            rss_bytes_per_connection: 900.0,
            socket_bytes_connected: 4_096_000,
            ..Broker::default()
        });
        assert_eq!(Figure::Connection.of(&outcome), None);
        outcome.connections = Connections {
            made: 2_000,
            ..Connections::default()
        };
        assert_eq!(Figure::Connection.of(&outcome), Some(900.0));
        assert_eq!(Figure::Sockets.of(&outcome), Some(2_048.0));
    }

    #[test]
    fn every_figure_is_found_by_its_key() {
        for figure in Figure::ALL {
            assert_eq!(Figure::of_key(figure.key()), Some(figure));
        }
        assert_eq!(Figure::of_key("x"), None);
    }
}

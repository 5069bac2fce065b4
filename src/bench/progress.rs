//! What a person sees while a run goes on: a bar with the phase, the live rate and the broker's share of a CPU.
//!
//! On standard error and only on a terminal; without one, a comparison says one line a round instead.

use super::words;
use indicatif::{ProgressBar, ProgressStyle};
use ringwire_load::Progress;
use ringwire_load::outcome::{Phase, Sample};
use std::io::IsTerminal;

/// Steps of a phase.
const PARTS: f64 = 1_000.0;

/// The rate is that of the last so many milliseconds at least.
const RATE_MS: u64 = 500;

/// See the module.
pub struct Watch {
    bar: ProgressBar,
    /// Where the rate is counted from.
    since: Sample,
    rate: String,
    lines: bool,
}

impl Watch {
    /// `quiet` shows nothing at all.
    pub fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = if quiet || !terminal {
            ProgressBar::hidden()
        } else {
            ProgressBar::new(PARTS as u64)
        };
        if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:24}] {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self {
            bar,
            since: Sample::default(),
            rate: String::new(),
            lines: !quiet && !terminal,
        }
    }

    /// Shows how far a run is.
    pub fn show(&mut self, title: &str, progress: &Progress) {
        if self.bar.is_hidden() {
            return;
        }
        let Progress { phase, part, sample } = progress;
        if sample.at_ms < self.since.at_ms {
            self.since = Sample::default();
        }
        if sample.at_ms >= self.since.at_ms + RATE_MS {
            self.rate = rate(&self.since, sample);
            self.since = *sample;
        }
        self.bar.set_prefix(format!("{title} {:<11}", phase_word(*phase)));
        self.bar.set_position((part.clamp(0.0, 1.0) * PARTS) as u64);
        let clients = words::count(sample.connected);
        self.bar.set_message(match phase {
            Phase::Connecting | Phase::Subscribing => format!("{clients} clients"),
            Phase::WarmingUp | Phase::Measuring | Phase::Draining | Phase::Done => {
                format!("{clients} clients, {}", self.rate)
            }
        });
    }

    /// Says a line that stays.
    pub fn say(&self, line: &str) {
        if self.lines {
            eprintln!("{line}");
        } else if !self.bar.is_hidden() {
            // Asked outside: while the bar is suspended its lock is held.
            self.bar.suspend(|| eprintln!("{line}"));
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn rate(from: &Sample, to: &Sample) -> String {
    let seconds = (to.at_ms - from.at_ms) as f64 / 1e3;
    let delivered = to.delivered.saturating_sub(from.delivered);
    let published = to.published.saturating_sub(from.published);
    let (moved, word) = if to.delivered > 0 {
        (delivered, "delivered")
    } else {
        (published, "published")
    };
    let mut text = format!("{} {word}/s", words::count((moved as f64 / seconds) as u64));
    let busy = (to.broker_cpu_seconds - from.broker_cpu_seconds) / seconds;
    if to.broker_cpu_seconds > 0.0 {
        text += &format!(", broker {:.0}% of a CPU", busy * 100.0);
    }
    text
}

fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Connecting => "connecting",
        Phase::Subscribing => "subscribing",
        Phase::WarmingUp => "warming up",
        Phase::Measuring => "measuring",
        Phase::Draining => "draining",
        Phase::Done => "done",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_of_the_last_stretch_and_says_what_it_counts() {
        let from = Sample {
            at_ms: 1_000,
            published: 100,
            delivered: 1_000,
            broker_cpu_seconds: 1.0,
            ..Sample::default()
        };
        let to = Sample {
            at_ms: 1_500,
            published: 200,
            delivered: 6_000,
            broker_cpu_seconds: 1.25,
            ..Sample::default()
        };
        assert_eq!(rate(&from, &to), "10,000 delivered/s, broker 50% of a CPU");
        let unheard = Sample {
            delivered: 0,
            broker_cpu_seconds: 0.0,
            ..to
        };
        assert_eq!(rate(&Sample::default(), &unheard), "133 published/s");
    }
}

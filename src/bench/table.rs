//! Results as text: one run, and a comparison with medians and ratios.

use super::checks;
use super::figures::{Figure, Spread, moved};
use super::report::{Cell, Comparison, JobReport, Report};
use super::words::{bytes, count, microseconds, number};
use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use ringwire_load::Outcome;
use ringwire_load::outcome::Latency;
use std::fmt::Write;

/// What [`cell_checks`] says when there is nothing to say.
pub const SOUND: &str = "ok";

/// Columns apart by blanks, a line under the head.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('-').junction('-'));

/// Of one run.
pub fn run(report: &Report) -> String {
    let Report { plan, outcome, .. } = report;
    let mut text = format!("{}: {}\n", plan.scenario, plan.text);
    let _ = writeln!(
        text,
        "{} to {}, {:.1} s measured after {:.1} s",
        plan.protocol,
        plan.targets.join(", "),
        outcome.seconds,
        plan.warmup_seconds
    );
    for group in &plan.groups {
        let _ = writeln!(text, "  {group}");
    }
    text += "\n";
    text += &totals(outcome);
    text += "\n";
    let timed = [
        ("latency", &outcome.latency),
        ("acknowledged", &outcome.acknowledged),
        ("connecting", &outcome.connecting),
    ];
    if timed.iter().any(|(_, latency)| latency.count > 0) {
        text += &latencies(&timed);
        text += "\n";
    }
    text += &broker(outcome);
    let _ = writeln!(text, "checks     {}", checks::summary(outcome));
    text
}

fn totals(outcome: &Outcome) -> String {
    let (connections, messages) = (&outcome.connections, &outcome.messages);
    let mut table = table(&["", "total", "a second"]);
    let rate = |total: u64, seconds: f64| {
        let finite = Some(total as f64 / seconds).filter(|rate| rate.is_finite());
        finite.map_or_else(|| "-".to_owned(), |rate| count(rate.round() as u64))
    };
    let of = format!("{} of {}", count(connections.made), count(connections.wanted));
    table.add_row(vec![
        "connected".to_owned(),
        of,
        rate(connections.made, connections.seconds),
    ]);
    for (name, total) in [
        ("published", messages.published),
        ("delivered", messages.delivered),
        ("acknowledged", messages.acknowledged),
    ] {
        if total > 0 {
            table.add_row(vec![name.to_owned(), count(total), rate(total, outcome.seconds)]);
        }
    }
    let mut text = finished(&mut table);
    if connections.refused + connections.lost > 0 {
        let _ = writeln!(
            text,
            "{} refused, {} lost later",
            count(connections.refused),
            count(connections.lost)
        );
        for (reason, times) in &connections.reasons {
            let _ = writeln!(text, "  {} x {reason}", count(*times));
        }
    }
    text
}

fn latencies(rows: &[(&str, &Latency)]) -> String {
    let mut table = table(&["", "least", "mean", "p50", "p90", "p99", "p99.9", "most", "times"]);
    for (name, latency) in rows.iter().filter(|(_, latency)| latency.count > 0) {
        let mut row = vec![(*name).to_owned()];
        row.extend(latency.columns().map(microseconds));
        row.push(count(latency.count));
        table.add_row(row);
    }
    finished(&mut table)
}

fn broker(outcome: &Outcome) -> String {
    let generator = format!("generator  {} CPU s\n", number(outcome.generator_cpu_seconds));
    let Some(broker) = &outcome.broker else {
        return generator + "broker     not measured: name its process with --broker-pid\n";
    };
    let mut text = format!("broker     {} CPU s", number(broker.cpu_seconds));
    if moved(outcome) > 0 {
        let per_million = number(broker.cpu_seconds_per_million);
        let _ = write!(text, ", {per_million} a million messages");
    }
    let _ = writeln!(text, ", {} context switches", count(broker.context_switches));
    let _ = writeln!(
        text,
        "memory     {} before, {} connected ({} a connection), {} at the end, {} at most",
        bytes(broker.rss_before as f64),
        bytes(broker.rss_connected as f64),
        bytes(broker.rss_bytes_per_connection),
        bytes(broker.rss_end as f64),
        bytes(broker.rss_peak as f64)
    );
    let _ = writeln!(
        text,
        "sockets    {} of kernel memory before, {} connected (all sockets of this machine, both ends)",
        bytes(broker.socket_bytes_before as f64),
        bytes(broker.socket_bytes_connected as f64)
    );
    text + &generator
}

/// Of a comparison: one table a job.
pub fn comparison(comparison: &Comparison) -> String {
    let mut text = format!(
        "{}\nbrokers pinned to CPU {}, medians of {} rounds, (least-most), x: against {}\n",
        comparison.setting.machine(),
        comparison.broker_core,
        comparison.rounds,
        comparison.brokers.first().map_or("", |broker| &broker.name)
    );
    for job in &comparison.jobs {
        let _ = write!(text, "\n{}: {}\n", job.name, job.plan.text);
        if let Some(goal) = goal(job) {
            let _ = writeln!(text, "{}", goal.text);
        }
        text += &job_table(job, comparison);
    }
    if comparison.jobs.len() > 1 {
        let (heads, rows) = overview(comparison);
        let heads: Vec<_> = heads.iter().map(String::as_str).collect();
        let mut table = table(&heads);
        table.add_rows(rows);
        text += "\n";
        text += &finished(&mut table);
    }
    text
}

/// A line a job: its main figure, medians of all brokers with ratios, and its goal. Heads and rows.
pub fn overview(comparison: &Comparison) -> (Vec<String>, Vec<Vec<String>>) {
    let mut heads = vec!["job".to_owned(), "figure".to_owned()];
    heads.extend(comparison.brokers.iter().map(|broker| broker.name.clone()));
    heads.push("goal".to_owned());
    let row = |job: &JobReport| {
        let figure = main_figure(job);
        let mut row = vec![job.name.clone(), figure.title().to_owned()];
        row.extend(job.cells.iter().map(|cell| {
            let Some(spread) = Spread::over(figure, &cell.outcomes) else {
                return "-".to_owned();
            };
            let ratio = ratio(figure, cell, &job.cells[0]);
            let ratio = ratio.map_or_else(String::new, |ratio| format!(" x{}", number(ratio)));
            figure.write(spread.median) + &ratio
        }));
        row.push(goal(job).map_or("", |verdict| verdict.word).to_owned());
        row
    };
    (heads, comparison.jobs.iter().map(row).collect())
}

/// That of the goal; else CPU time where it is known, or the first that is.
fn main_figure(job: &JobReport) -> Figure {
    let judged = job.goal.as_ref().and_then(|goal| Figure::of_key(&goal.figure));
    judged
        .or_else(|| measured(job).first().copied())
        .unwrap_or(Figure::Rate)
}

/// How a job stands to its goal.
pub struct Verdict {
    /// `goal: at most 0.25 CPU s a million: reached with 0.21`.
    pub text: String,
    /// `reached`, `missed` or `not judged`.
    pub word: &'static str,
    pub reached: bool,
}

/// `None` for a job without a goal.
pub fn goal(job: &JobReport) -> Option<Verdict> {
    let goal = job.goal.as_ref()?;
    let figure = Figure::of_key(&goal.figure)?;
    let median = job
        .cells
        .first()
        .and_then(|cell| Spread::over(figure, &cell.outcomes));
    let (word, why) = match (goal.at_most, median) {
        (Some(limit), Some(Spread { median, .. })) => {
            let word = if median <= limit { "reached" } else { "missed" };
            let (median, limit) = (figure.write(median), figure.write(limit));
            (word, format!("with {median} (limit {limit})"))
        }
        (None, _) => ("not judged", "as what it is compared with did not run".to_owned()),
        (_, None) => ("not judged", "as it gave no figure".to_owned()),
    };
    Some(Verdict {
        text: format!("goal: {}: {word} {why}", goal.text),
        word,
        reached: word == "reached",
    })
}

/// Figures that at least one broker has.
pub fn measured(job: &JobReport) -> Vec<Figure> {
    let has = |figure: &Figure| {
        let mut outcomes = job.cells.iter().flat_map(|cell| &cell.outcomes);
        outcomes.any(|outcome| figure.of(outcome).is_some())
    };
    Figure::ALL.into_iter().filter(has).collect()
}

/// A row a figure, a column a broker: figures are few, and names of brokers short.
fn job_table(job: &JobReport, comparison: &Comparison) -> String {
    let mut head = vec![""];
    head.extend(comparison.brokers.iter().map(|broker| broker.name.as_str()));
    let mut table = table(&head);
    for figure in measured(job) {
        let mut row = vec![figure.title().to_owned()];
        row.extend(job.cells.iter().map(|cell| entry(figure, cell, &job.cells[0])));
        table.add_row(row);
    }
    let mut text = finished(&mut table);
    for (broker, cell) in comparison.brokers.iter().zip(&job.cells) {
        let checks = cell_checks(cell);
        if checks != SOUND {
            let _ = writeln!(text, "  {}: {checks}", broker.name);
        }
    }
    text
}

/// `0.21 (0.20-0.22) x1.20`.
fn entry(figure: Figure, cell: &Cell, first: &Cell) -> String {
    let Some(spread) = Spread::over(figure, &cell.outcomes) else {
        return "-".to_owned();
    };
    let mut text = spread_text(figure, spread);
    if let Some(ratio) = ratio(figure, cell, first) {
        let _ = write!(text, " x{}", number(ratio));
    }
    text
}

/// `4.80 ms (4.44-5.16)`; with units in the brackets where they differ.
pub fn spread_text(figure: Figure, spread: Spread) -> String {
    let [median, least, most] = [spread.median, spread.least, spread.most].map(|value| figure.write(value));
    if spread.least >= spread.most {
        return median;
    }
    let unit = |text: &str| {
        text.split_once(' ')
            .map_or(String::new(), |(_, unit)| unit.to_owned())
    };
    let bare = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
    if unit(&least) == unit(&median) && unit(&most) == unit(&median) {
        format!("{median} ({}-{})", bare(&least), bare(&most))
    } else {
        format!("{median} ({least} - {most})")
    }
}

/// Median to median of the first broker; `None` for the first itself.
pub fn ratio(figure: Figure, cell: &Cell, first: &Cell) -> Option<f64> {
    if std::ptr::eq(cell, first) {
        return None;
    }
    let own = Spread::over(figure, &cell.outcomes)?.median;
    let base = Spread::over(figure, &first.outcomes)?.median;
    Some(own / base).filter(|ratio| ratio.is_finite())
}

/// Of all rounds together, and why some gave nothing.
pub fn cell_checks(cell: &Cell) -> String {
    let mut sum = Outcome::default();
    for Outcome { messages, .. } in &cell.outcomes {
        sum.messages.lost += messages.lost;
        sum.messages.duplicates += messages.duplicates;
        sum.messages.reordered += messages.reordered;
        sum.messages.strange += messages.strange;
    }
    let mut texts = cell.notes.clone();
    if !checks::failures(&sum, true).is_empty() {
        texts.insert(0, checks::summary(&sum));
    } else if !cell.outcomes.is_empty() {
        texts.insert(0, SOUND.to_owned());
    }
    texts.join("; ")
}

/// A table whose first column is words and whose others are numbers.
fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_header(head.to_vec());
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn finished(table: &mut Table) -> String {
    let lines: Vec<_> = table
        .lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect();
    lines.concat()
}

//! The HTML report: one file with its style and charts inside, nothing from outside, no script.
//!
//! Written as XML, so that a test can read it whole. Says what the table says, and shows curves where a number is not
//! enough: latency by percentile, and rate, CPU, memory over time.

use super::chart::{Axis, Bar, Lines, Scale, Series, bars, escape};
use super::figures::{Figure, Spread, moved};
use super::report::{Cell, Comparison, Described, JobReport, Report, Setting};
use super::{checks, table, words};
use ringwire_load::Outcome;
use ringwire_load::outcome::{Latency, Sample};
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");

/// Label of an axis of bytes.
const RESIDENT: &str = "resident";

/// Rates are shown over so long, because single samples jump.
const SMOOTH_MS: u64 = 450;

/// Of one run.
pub fn run(report: &Report) -> String {
    let Report {
        setting,
        plan,
        outcome,
        ..
    } = report;
    let mut body = head(&plan.scenario, &plan.text, setting);
    body += &cards(outcome, plan);
    body += "<div class=\"charts\">\n";
    let timed = [
        ("latency", &outcome.latency),
        ("acknowledged", &outcome.acknowledged),
        ("connecting", &outcome.connecting),
    ];
    let curves = timed.iter().filter(|(_, latency)| latency.count > 2);
    body += &figure(&percentiles(
        curves.map(|(name, latency)| ((*name).to_owned(), *latency)),
    ));
    for chart in over_time(outcome) {
        body += &figure(&chart);
    }
    body += "</div>\n";
    body += &latency_table(&timed);
    body += &details(setting, plan, Some(outcome));
    document(&plan.scenario, &body)
}

/// Of a comparison.
pub fn comparison(comparison: &Comparison) -> String {
    let names: Vec<_> = comparison
        .brokers
        .iter()
        .map(|broker| broker.name.as_str())
        .collect();
    let title = names.join(", ");
    let text = format!(
        "Medians of {} rounds with least and most; every broker alone on CPU {}, ratios to {}.",
        comparison.rounds,
        comparison.broker_core,
        names.first().unwrap_or(&"")
    );
    let mut body = head(&title, &text, &comparison.setting);
    body += &overview(comparison);
    for job in &comparison.jobs {
        body += &job_section(job, comparison);
    }
    body += "<h2>Brokers</h2>\n<dl>";
    for broker in &comparison.brokers {
        let version = if broker.version.is_empty() {
            "version unknown"
        } else {
            &broker.version
        };
        let (name, command) = (escape(&broker.name), escape(&broker.command));
        let _ = write!(
            body,
            "<dt>{name}</dt><dd>{}, <code>{command}</code></dd>",
            escape(version)
        );
    }
    body += "</dl>\n<h2>How this was measured</h2>\n";
    body += &machine(&comparison.setting);
    document(&title, &body)
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>ringwire bench: {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escape(title)
    )
}

fn head(title: &str, text: &str, setting: &Setting) -> String {
    format!(
        "<h1>{}</h1>\n<p>{}</p>\n<p class=\"soft\">{}, {}</p>\n",
        escape(title),
        escape(text),
        escape(&setting.started.replace(['T', 'Z'], " "))
            .trim()
            .to_owned()
            + " UTC",
        escape(&setting.machine())
    )
}

fn cards(outcome: &Outcome, plan: &Described) -> String {
    let mut cards = String::from("<div class=\"cards\">\n");
    let mut card = |value: &str, what: &str, class: &str| {
        let (value, what) = (escape(value), escape(what));
        let _ = writeln!(
            cards,
            "<div class=\"card\"><b class=\"{class}\">{value}</b><span>{what}</span></div>"
        );
    };
    for figure in Figure::ALL {
        if let Some(value) = figure.of(outcome) {
            card(&figure.write(value), figure.explained(), "");
        }
    }
    let connections = &outcome.connections;
    let made = format!(
        "{} of {}",
        words::count(connections.made),
        words::count(connections.wanted)
    );
    card(
        &made,
        "clients connected",
        if connections.made == connections.wanted {
            ""
        } else {
            "bad"
        },
    );
    if moved(outcome) > 0 {
        let sound = checks::failures(outcome, plan.qos_most > 0).is_empty();
        let (verdict, class) = if sound {
            ("sound", "good")
        } else {
            ("not sound", "bad")
        };
        card(verdict, &checks::summary(outcome), class);
    }
    cards + "</div>\n"
}

/// A chart with its title; nothing for a chart without points.
fn figure(chart: &Lines) -> String {
    match chart.svg() {
        svg if svg.is_empty() => svg,
        svg => format!("<figure>\n<h3>{}</h3>\n{svg}</figure>\n", escape(&chart.title)),
    }
}

fn percentiles<'a>(curves: impl Iterator<Item = (String, &'a Latency)>) -> Lines {
    let series = curves.map(|(name, latency)| Series {
        name,
        points: latency.curve.clone(),
    });
    Lines {
        title: "Latency by percentile".to_owned(),
        x: Axis {
            label: "share of messages that were at least so fast",
            scale: Scale::Percentile,
            write: |quantile| {
                let text = format!("{:.5}", quantile * 100.0);
                format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
            },
        },
        y: Axis {
            label: "time",
            scale: Scale::Log,
            write: words::microseconds,
        },
        series: series.filter(|series| series.points.len() > 1).collect(),
    }
}

fn over_time(outcome: &Outcome) -> Vec<Lines> {
    let rate = |name: &str, of: fn(&Sample) -> f64| Series {
        name: name.to_owned(),
        points: rates(&outcome.series, of),
    };
    let level = |name: &str, of: fn(&Sample) -> f64| Series {
        name: name.to_owned(),
        points: outcome
            .series
            .iter()
            .map(|sample| (seconds(sample), of(sample)))
            .collect(),
    };
    let chart = |title: &str, label, write: fn(f64) -> String, series: Vec<Series>| Lines {
        title: title.to_owned(),
        x: Axis {
            label: "seconds since the first connect",
            scale: Scale::Linear,
            write: words::short,
        },
        y: Axis {
            label,
            scale: if label == RESIDENT {
                Scale::Bytes
            } else {
                Scale::Linear
            },
            write,
        },
        series: series.into_iter().filter(has_something).collect(),
    };
    vec![
        chart(
            "Messages a second",
            "messages/s",
            words::number,
            vec![
                rate("delivered", |sample| sample.delivered as f64),
                rate("published", |sample| sample.published as f64),
            ],
        ),
        chart(
            "CPUs that the broker uses",
            "CPUs",
            words::number,
            vec![rate("broker", |sample| sample.broker_cpu_seconds)],
        ),
        chart(
            "Memory of the broker",
            RESIDENT,
            words::bytes,
            vec![level("broker", |sample| sample.broker_rss as f64)],
        ),
        chart(
            "Largest latency of each moment",
            "time",
            words::microseconds,
            vec![level("latency", |sample| sample.latency_max_us)],
        ),
        chart(
            "Clients connected",
            "clients",
            words::number,
            vec![level("clients", |sample| sample.connected as f64)],
        ),
    ]
}

fn seconds(sample: &Sample) -> f64 {
    sample.at_ms as f64 / 1e3
}

fn has_something(series: &Series) -> bool {
    series.points.len() > 2 && series.points.iter().any(|(_, value)| *value > 0.0)
}

/// How fast a total grows, a point a sample.
fn rates(samples: &[Sample], of: fn(&Sample) -> f64) -> Vec<(f64, f64)> {
    let mut from = 0;
    let mut points = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        while from < index && samples[from + 1].at_ms + SMOOTH_MS <= sample.at_ms {
            from += 1;
        }
        let before = &samples[from];
        let passed = seconds(sample) - seconds(before);
        if passed * 1e3 >= SMOOTH_MS as f64 {
            points.push((seconds(sample), (of(sample) - of(before)).max(0.0) / passed));
        }
    }
    points
}

fn latency_table(rows: &[(&str, &Latency)]) -> String {
    let heads = ["", "least", "mean", "p50", "p90", "p99", "p99.9", "most", "times"];
    let mut text = opened_table(&heads.map(str::to_owned));
    for (name, latency) in rows.iter().filter(|(_, latency)| latency.count > 0) {
        let mut cells = vec![(*name).to_owned()];
        cells.extend(latency.columns().map(words::microseconds));
        cells.push(words::count(latency.count));
        text += &row("td", &cells);
    }
    text + "</table></div>\n"
}

fn opened_table(heads: &[String]) -> String {
    format!("<div class=\"wide\"><table>\n{}", row("th", heads))
}

fn row(element: &str, cells: &[String]) -> String {
    let cells = cells
        .iter()
        .map(|cell| format!("<{element}>{}</{element}>", escape(cell)));
    format!("<tr>{}</tr>\n", cells.collect::<String>())
}

fn details(setting: &Setting, plan: &Described, outcome: Option<&Outcome>) -> String {
    let mut text = String::from("<h2>How this was measured</h2>\n<dl>");
    for group in &plan.groups {
        let _ = write!(text, "<dt>clients</dt><dd>{}</dd>", escape(group));
    }
    let cores: Vec<_> = plan.cores.iter().map(ToString::to_string).collect();
    let mut rows = vec![
        ("protocol", plan.protocol.clone()),
        ("to", plan.targets.join(", ")),
        ("generator on CPUs", cores.join(", ")),
        ("warm-up", format!("{} s", words::number(plan.warmup_seconds))),
    ];
    if let Some(outcome) = outcome {
        rows.push(("measured", format!("{} s", words::number(outcome.seconds))));
        rows.push((
            "generator",
            format!("{} CPU s", words::number(outcome.generator_cpu_seconds)),
        ));
        if let Some(broker) = &outcome.broker {
            let switches = words::count(broker.context_switches);
            let cpu = words::number(broker.cpu_seconds);
            rows.push(("broker", format!("{cpu} CPU s, {switches} context switches")));
        }
        let reasons = &outcome.connections.reasons;
        rows.extend(
            reasons
                .iter()
                .map(|(reason, times)| ("refused or lost", format!("{times} x {reason}"))),
        );
    }
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = write!(text, "<dt>{name}</dt><dd>{}</dd>", escape(value));
    }
    text + "</dl>\n" + &machine(setting)
}

fn machine(setting: &Setting) -> String {
    format!(
        "<p><code>{}</code></p>\n<p class=\"soft\">ringwire {}, {}</p>\n",
        escape(&setting.command_line.join(" ")),
        escape(&setting.ringwire),
        escape(&setting.machine())
    )
}

/// All jobs by what each is about; nothing for a single one.
fn overview(comparison: &Comparison) -> String {
    if comparison.jobs.len() < 2 {
        return String::new();
    }
    let (heads, rows) = table::overview(comparison);
    let rows = rows.iter().map(|cells| row("td", cells)).collect::<String>();
    opened_table(&heads) + &rows + "</table></div>\n"
}

fn job_section(job: &JobReport, comparison: &Comparison) -> String {
    let mut text = format!(
        "<h2>{}</h2>\n<p class=\"soft\">{}</p>\n",
        escape(&job.name),
        escape(&job.plan.text)
    );
    if let Some(goal) = table::goal(job) {
        let class = if goal.reached { "good" } else { "bad" };
        let _ = writeln!(text, "<p class=\"{class}\">{}</p>", escape(&goal.text));
    }
    text += "<div class=\"charts\">\n";
    for figure in table::measured(job) {
        text += &figure_bars(figure, job, comparison);
    }
    let named = comparison.brokers.iter().zip(&job.cells);
    let curves =
        named.filter_map(|(broker, cell)| Some((broker.name.clone(), &cell.outcomes.last()?.latency)));
    let chart = percentiles(curves);
    text += &figure(&Lines {
        title: "Latency by percentile (last round)".to_owned(),
        ..chart
    });
    text += "</div>\n";
    for (broker, cell) in comparison.brokers.iter().zip(&job.cells) {
        let said = table::cell_checks(cell);
        if said != table::SOUND {
            let _ = writeln!(
                text,
                "<p class=\"bad\">{}: {}</p>",
                escape(&broker.name),
                escape(&said)
            );
        }
    }
    text
}

fn figure_bars(figure: Figure, job: &JobReport, comparison: &Comparison) -> String {
    let rows = comparison.brokers.iter().zip(&job.cells).map(|(broker, cell)| {
        let spread = Spread::over(figure, &cell.outcomes);
        spread.map_or_else(
            || Bar {
                name: broker.name.clone(),
                value: 0.0,
                least: 0.0,
                most: 0.0,
                text: "not measured".to_owned(),
            },
            |spread| Bar {
                name: broker.name.clone(),
                value: spread.median,
                least: spread.least,
                most: spread.most,
                text: bar_text(figure, spread, cell, &job.cells[0]),
            },
        )
    });
    let rows: Vec<_> = rows.collect();
    let goal = job.goal.as_ref().filter(|goal| goal.figure == figure.key());
    let limit = goal.and_then(|goal| goal.at_most);
    let better = if figure.less_is_better() {
        "less is better"
    } else {
        "more is better"
    };
    format!(
        "<figure>\n<h3>{} <span class=\"soft\">({better})</span></h3>\n{}</figure>\n",
        escape(figure.explained()),
        bars(figure.explained(), &rows, limit)
    )
}

fn bar_text(figure: Figure, spread: Spread, cell: &Cell, first: &Cell) -> String {
    let mut text = table::spread_text(figure, spread);
    if let Some(ratio) = table::ratio(figure, cell, first) {
        let _ = write!(text, " x{}", words::number(ratio));
    }
    text
}

//! The page of tables and plots, from rows. What each chart is about stands here; numbers come from the rows alone.

use crate::Row;
use crate::plot::{self, Series};
use std::fmt::Write;
use std::fs;
use std::path::Path;

struct Chart {
    /// Of its rows, and of its file.
    name: &'static str,
    title: &'static str,
    x: &'static str,
    y: &'static str,
    /// What is measured, and what it ought to show.
    text: &'static str,
    command: &'static str,
}

const CHARTS: [Chart; 10] = [
    Chart {
        name: "instructions",
        title: "A publish among many subscriptions, in instructions",
        x: "subscriptions",
        y: "instructions",
        text: "One QoS 0 publish of 64 bytes to one device, through codec, index and engine, counted by callgrind: what the \
               code does, whatever the caches hold. *unique*: each device has one literal filter. *wildcard*: one filter that \
               ends in `+`. *overlapping*: three filters of one device that all match. Flat is as it must be.",
        command: "growth count unique 100000   # below valgrind --tool=callgrind",
    },
    Chart {
        name: "publish",
        title: "A publish among many subscriptions, in time",
        x: "subscriptions",
        y: "nanoseconds",
        text: "The best of nine rounds that visit devices in a stride over all of them. The instructions are the same; what \
               grows is how often a connection, a session and a filter have to come from memory, since a million of them do \
               not fit a cache.",
        command: "growth cell unique 1000000 1",
    },
    Chart {
        name: "subscription-memory",
        title: "Memory of a subscription",
        x: "subscriptions",
        y: "bytes asked of the allocator, each",
        text: "Everything that a SUBSCRIBE adds: the filter's text, its place in the index and the trie, the subscriber, the \
               session's own list. Sizes of tables double, so a point says where between two doublings it lies.",
        command: "growth cell unique 1000000 1",
    },
    Chart {
        name: "fan-out",
        title: "Fan-out in the engine",
        x: "subscribers of one topic",
        y: "nanoseconds a delivery",
        text: "One publisher, 100 publishes a read, QoS 0, 64 bytes.",
        command: "growth cell fan-out 1000 1",
    },
    Chart {
        name: "shards-memory",
        title: "Memory over shards",
        x: "shards",
        y: "bytes asked of the allocator, each",
        text: "100,000 devices with one subscription each, at home wherever their client id says. A node of several shards \
               has an entry in the shared interest map for each filter; beyond that a subscription costs the same on 2 shards \
               and on 8.",
        command: "growth cell shards 100000 8",
    },
    Chart {
        name: "shards-publish",
        title: "A message over shards",
        x: "shards",
        y: "nanoseconds in all engines together",
        text: "The same devices; one publisher sends to one after the other, so with n shards all but one of n messages cross \
               to another. Without the mesh's own queues, which the network part has.",
        command: "growth cell shards 100000 8",
    },
    Chart {
        name: "network-fan-out",
        title: "Fan-out over the network",
        x: "subscribers of one topic",
        y: "broker CPU, microseconds a delivery",
        text: "One publisher, QoS 0, 64 bytes, one shard.",
        command: "ringwire bench fan-out --subscribers 1000",
    },
    Chart {
        name: "network-shards",
        title: "Shards over the network",
        x: "shards",
        y: "broker CPU, microseconds a message",
        text: "100 pairs, QoS 0, 64 bytes. More shards than cores share them.",
        command: "ringwire bench p2p --publishers 100",
    },
    Chart {
        name: "connection-memory",
        title: "Memory of an idle connection",
        x: "connections",
        y: "bytes, each",
        text: "MQTT 3.1.1 connections with one subscription each, one shard: growth of the broker's resident set over an idle \
               broker. The first of them pay for tables and receive buffers that are touched once.",
        command: "ringwire bench conn --connections 100000",
    },
    Chart {
        name: "connection-cpu",
        title: "Connections that come",
        x: "connections",
        y: "broker CPU, microseconds each",
        text: "TCP accept, CONNECT and SUBSCRIBE of the same connections.",
        command: "ringwire bench conn --connections 100000",
    },
];

/// Reads rows, writes the plots, gives back the page.
pub(crate) fn write(rows: &str, machine: &str, directory: &str) -> Result<String, String> {
    let text = fs::read_to_string(rows).map_err(|error| format!("{rows}: {error}"))?;
    let rows = text.lines().map(row).collect::<Result<Vec<_>, _>>()?;
    if let Some(row) = rows
        .iter()
        .find(|row| CHARTS.iter().all(|chart| chart.name != row.chart))
    {
        return Err(format!("no chart is named {}", row.chart));
    }
    let directory = Path::new(directory);
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut page = format!("# How cost grows\n\n{HEAD}\n\n{machine}\n");
    for chart in &CHARTS {
        let series = series(chart, &rows);
        if series.is_empty() {
            continue;
        }
        let file = directory.join(format!("{}.svg", chart.name));
        let svg = plot::svg(chart.title, chart.x, chart.y, &series);
        fs::write(&file, svg).map_err(|error| format!("{}: {error}", file.display()))?;
        page += &section(chart, &series);
    }
    Ok(page)
}

const HEAD: &str = "Written by `scripts/growth.sh`, which measures everything again and draws the plots; numbers are not edited \
                    by hand. `growth` is `cargo run --release -p ringwire-bench-engine --bin growth`.";

fn row(line: &str) -> Result<Row, String> {
    let [chart, series, x, y] = line.split('\t').collect::<Vec<_>>()[..] else {
        return Err(format!("not chart, series, x and y: {line:?}"));
    };
    let number = |text: &str| {
        text.parse()
            .map_err(|_| format!("{text:?} is no number: {line:?}"))
    };
    Ok(Row {
        chart: chart.to_owned(),
        series: series.to_owned(),
        x: number(x)?,
        y: number(y)?,
    })
}

/// The series of a chart in the order in which they first appear.
fn series(chart: &Chart, rows: &[Row]) -> Vec<Series> {
    let mut found: Vec<Series> = Vec::new();
    for row in rows.iter().filter(|row| row.chart == chart.name) {
        let place = found.iter().position(|series| series.name == row.series);
        let place = place.unwrap_or_else(|| {
            let (name, points) = (row.series.clone(), Vec::new());
            found.push(Series { name, points });
            found.len() - 1
        });
        found[place].points.push((row.x, row.y));
    }
    for series in &mut found {
        series.points.sort_by(|one, other| one.0.total_cmp(&other.0));
    }
    found
}

fn section(chart: &Chart, series: &[Series]) -> String {
    let mut out = format!("\n## {}\n\n{}\n\n", chart.title, chart.text);
    let (name, title) = (chart.name, chart.title);
    writeln!(out, "![{title}](performance/{name}.svg)\n").expect("a string");
    let mut head = format!("| {} |", chart.x);
    let mut rule = "|---|".to_owned();
    for series in series {
        head += &format!(" {} |", series.name);
        rule += "---|";
    }
    writeln!(out, "{} ({}):\n\n{head}\n{rule}", chart.title, chart.y).expect("a string");
    let mut xs: Vec<f64> = series
        .iter()
        .flat_map(|series| series.points.iter().map(|point| point.0))
        .collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    for x in xs {
        out += &format!("| {} |", plot::short(x));
        for series in series {
            let point = series.points.iter().find(|point| point.0 == x);
            out += &format!(" {} |", point.map_or(String::new(), |point| plot::short(point.1)));
        }
        out.push('\n');
    }
    out + &format!("\n`{}`\n", chart.command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Row> {
        text.lines().map(|line| row(line).unwrap()).collect()
    }

    #[test]
    fn a_table_has_a_row_for_each_x_and_a_column_for_each_series() {
        let rows = rows("publish\tb\t1000\t2\npublish\ta\t10\t1\npublish\tb\t10\t3\nfan-out\tc\t1\t1");
        let chart = CHARTS.iter().find(|chart| chart.name == "publish").unwrap();
        let section = section(chart, &series(chart, &rows));
        assert!(
            section.contains("| subscriptions | b | a |\n|---|---|---|\n| 10 | 3 | 1 |\n| 1,000 | 2 |  |\n"),
            "{section}"
        );
    }

    #[test]
    fn rows_that_are_none_are_named() {
        assert!(row("publish\ta\t1").unwrap_err().contains("publish"));
        assert!(
            row("publish\ta\tx\t1")
                .unwrap_err()
                .contains("\"x\" is no number")
        );
    }
}

//! Results as they are printed and written: golden text of fixed outcomes, and JSON that comes back as it went.
//!
//! The golden files are written again with `RINGWIRE_BLESS=1 cargo test --bin ringwire bench`; read the difference.

use super::report::{BrokerNote, Cell, Comparison, Described, FORMAT, GoalNote, JobReport, Report, Setting};
use super::{page, table};
use ringwire_load::Outcome;
use ringwire_load::outcome::{Broker, Connections, Latency, Messages, Sample};
use std::path::Path;

fn latency(p50: f64) -> Latency {
    let curve = [
        (0.0, 0.2),
        (0.5, 1.0),
        (0.9, 2.0),
        (0.99, 5.0),
        (0.999, 20.0),
        (0.9999, 31.0),
        (1.0, 40.0),
    ];
    Latency {
        count: 1_200_000,
        min_us: p50 * 0.2,
        mean_us: p50 * 1.1,
        p50_us: p50,
        p90_us: p50 * 2.0,
        p99_us: p50 * 5.0,
        p999_us: p50 * 20.0,
        max_us: p50 * 40.0,
        curve: curve.map(|(quantile, times)| (quantile, p50 * times)).into(),
    }
}

/// A run of 10 s at a speed, of a broker that needs so many CPU seconds for a million.
fn outcome(per_second: u64, cost: f64) -> Outcome {
    let delivered = per_second * 10;
    let series = (0..=100_u64).map(|tenth| Sample {
        at_ms: tenth * 100,
        connected: 11,
        published: delivered * tenth / 100,
        delivered: delivered * tenth / 100,
        broker_cpu_seconds: delivered as f64 * cost / 1e6 * tenth as f64 / 100.0,
        broker_rss: 20_000_000 + tenth * 10_000,
        latency_max_us: 100.0 + (tenth % 7) as f64 * 30.0,
    });
    Outcome {
        name: "fan-in".to_owned(),
        protocol: "mqtt 3.1.1".to_owned(),
        connections: Connections {
            wanted: 11,
            made: 11,
            seconds: 0.002,
            ..Connections::default()
        },
        messages: Messages {
            published: delivered,
            delivered,
            acknowledged: delivered,
            ..Messages::default()
        },
        seconds: 10.0,
        latency: latency(250.0),
        acknowledged: latency(180.0),
        connecting: Latency {
            count: 11,
            ..latency(90.0)
        },
        broker: Some(Broker {
            cpu_seconds: delivered as f64 * cost / 1e6,
            cpu_seconds_per_million: cost,
            rss_before: 20_000_000,
            rss_connected: 20_400_000,
            rss_end: 21_000_000,
            rss_peak: 21_500_000,
            rss_bytes_per_connection: 400_000.0 / 11.0,
            socket_bytes_before: 4_096,
            socket_bytes_connected: 409_600,
            context_switches: 1_234,
        }),
        generator_cpu_seconds: 4.2,
        series: series.collect(),
    }
}

fn setting() -> Setting {
    Setting {
        ringwire: "0.1.0".to_owned(),
        command_line: ["ringwire", "bench", "fan-in", "--username", "<&\">"]
            .map(str::to_owned)
            .into(),
        started: "2026-11-23T04:00:00Z".to_owned(),
        host: "here".to_owned(),
        kernel: "Linux 6.18.44".to_owned(),
        cpu: "A <fast> CPU".to_owned(),
        cpus: 2,
        memory_bytes: 24 << 30,
    }
}

fn plan() -> Described {
    Described {
        scenario: "fan-in".to_owned(),
        text: "many publishers, each with its topic; every subscriber hears all of them".to_owned(),
        targets: vec!["127.0.0.1:1883".to_owned()],
        protocol: "mqtt 3.1.1".to_owned(),
        cores: vec![1],
        warmup_seconds: 1.0,
        keepalive_s: 300,
        source_addresses: 0,
        groups: [
            "1 sub; hears bench/fan-in/+ at QoS 1",
            "10 pub; sends 64 bytes to bench/fan-in/%i at QoS 1",
        ]
        .map(str::to_owned)
        .into(),
        qos_most: 1,
    }
}

fn report() -> Report {
    Report {
        format: FORMAT.to_owned(),
        setting: setting(),
        plan: plan(),
        outcome: outcome(120_000, 0.4),
    }
}

fn comparison() -> Comparison {
    let broker = |name: &str, is_relay| BrokerNote {
        name: name.to_owned(),
        version: format!("{name} 1.0"),
        command: name.to_owned(),
        is_relay,
    };
    let cell = |rounds: &[(u64, f64)]| Cell {
        outcomes: rounds.iter().map(|(rate, cost)| outcome(*rate, *cost)).collect(),
        notes: Vec::new(),
    };
    let mut second = JobReport {
        name: "p2p".to_owned(),
        plan: plan(),
        goal: None,
        cells: vec![
            cell(&[(900_000, 0.12)]),
            cell(&[(30_000, 6.0)]),
            cell(&[(2_000_000, 0.08)]),
        ],
    };
    second.plan.scenario = "p2p".to_owned();
    let mut lossy = cell(&[(25_000, 11.5), (26_000, 12.0), (24_000, 13.0)]);
    lossy.outcomes[1].messages.lost = 17;
    let skipped = Cell {
        outcomes: Vec::new(),
        notes: vec!["fan-in cannot be run with QoS 1 or 2: only MQTT has acknowledgements".to_owned()],
    };
    Comparison {
        format: FORMAT.to_owned(),
        setting: setting(),
        rounds: 3,
        broker_core: 0,
        brokers: vec![
            broker("ringwire", false),
            broker("mosquitto", false),
            broker("relay", true),
        ],
        jobs: vec![
            JobReport {
                name: "qos1-fan-in".to_owned(),
                plan: plan(),
                goal: Some(GoalNote {
                    text: "QoS 1, 10 publishers to 1 subscriber, window 100: at most 0.40 CPU s a million"
                        .to_owned(),
                    figure: "cpu_seconds_per_million".to_owned(),
                    at_most: Some(0.4),
                }),
                cells: vec![
                    cell(&[(120_000, 0.38), (121_000, 0.37), (119_000, 0.41)]),
                    lossy,
                    skipped,
                ],
            },
            second,
        ],
    }
}

/// Compares with a file beside this one.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/bench/golden")
        .join(name);
    if std::env::var_os("RINGWIRE_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == kept,
        "{} has something else than:\n{text}",
        path.display()
    );
}

#[test]
fn the_table_of_a_run_is_as_kept() {
    golden("run.txt", &table::run(&report()));
}

#[test]
fn the_table_of_a_comparison_is_as_kept() {
    golden("comparison.txt", &table::comparison(&comparison()));
}

#[test]
fn a_run_without_a_known_broker_and_with_refusals_says_both() {
    let mut report = report();
    report.outcome.broker = None;
    report.outcome.connections.refused = 3;
    report.outcome.connections.reasons = vec![("CONNACK 5, not authorised".to_owned(), 3)];
    let text = table::run(&report);
    assert!(
        text.contains("broker     not measured: name its process with --broker-pid"),
        "{text}"
    );
    assert!(
        text.contains("3 refused, 0 lost later\n  3 x CONNACK 5, not authorised\n"),
        "{text}"
    );
}

#[test]
fn json_comes_back_as_it_went() {
    let report = report();
    let json = serde_json::to_string(&report).unwrap();
    let back: Report = serde_json::from_str(&json).unwrap();
    assert_eq!(table::run(&back), table::run(&report));
    assert!(serde_json::to_string(&back).unwrap() == json, "a number changed");
    let comparison = comparison();
    let json = serde_json::to_string(&comparison).unwrap();
    let back: Comparison = serde_json::from_str(&json).unwrap();
    assert_eq!(table::comparison(&back), table::comparison(&comparison));
    assert_eq!(back.format, FORMAT);
}

/// Reads a page as XML, strictly; fails with where it is wrong. Gives the texts of all elements with a name.
fn texts_of(html: &str, name: &str) -> Vec<String> {
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        ..roxmltree::ParsingOptions::default()
    };
    let document = roxmltree::Document::parse_with_options(html, options).expect("well-formed");
    let found = document.descendants().filter(|node| node.has_tag_name(name));
    found.filter_map(|node| node.text()).map(str::to_owned).collect()
}

#[test]
fn pages_are_well_formed_and_need_nothing_from_outside() {
    for html in [page::run(&report()), page::comparison(&comparison())] {
        assert!(!texts_of(&html, "title").is_empty());
        for word in [
            "http:", "https:", "src=", "href=", "url(", "@import", "<script", "NaN", "inf ",
        ] {
            assert!(!html.contains(word), "{word}");
        }
        assert!(html.contains("prefers-color-scheme: dark"));
        assert!(html.contains("A &lt;fast&gt; CPU"));
    }
}

#[test]
fn the_page_of_a_run_has_its_numbers_and_a_chart_of_each_kind() {
    let html = page::run(&report());
    let figures = texts_of(&html, "b");
    for value in ["0.400", "120,000", "250 us", "1.25 ms", "11 of 11", "sound"] {
        assert!(figures.iter().any(|text| text == value), "{value} in {figures:?}");
    }
    let charts = texts_of(&html, "h3");
    for chart in [
        "Latency by percentile",
        "Messages a second",
        "CPUs that the broker uses",
        "Memory of the broker",
    ] {
        assert!(charts.iter().any(|text| text == chart), "{chart} in {charts:?}");
    }
    let tips = texts_of(&html, "title");
    assert!(
        tips.iter().any(|tip| tip == "latency: 1.25 ms at 99%"),
        "no tooltip of p99"
    );
    assert!(
        tips.iter().any(|tip| tip.starts_with("delivered: 120,000 at ")),
        "no tooltip of the rate"
    );
}

#[test]
fn the_page_of_a_comparison_has_bars_ratios_and_the_goal() {
    let html = page::comparison(&comparison());
    let texts = texts_of(&html, "text");
    assert!(
        texts.iter().any(|text| text == "12.0 (11.5-13.0) x31.6"),
        "{texts:?}"
    );
    assert!(texts.iter().any(|text| text == "not measured"), "{texts:?}");
    let said = texts_of(&html, "p");
    assert!(
        said.iter().any(|text| text.contains("reached with 0.380")),
        "{said:?}"
    );
    assert!(said.iter().any(|text| text == "mosquitto: 17 lost"), "{said:?}");
}

//! The report for people, and for programs.

use super::Plan;
use super::finding::{Change, Finding, Verdict};
use crate::cores;
use serde_json::{Value, json};
use std::fmt::Write;

const WIDTH: usize = 110;

/// Changes one below the other, then what is fine, what is not known, and the configuration.
pub fn text(plan: &Plan, findings: &[Finding], proposal: &str) -> String {
    let shards = plan.shards.len();
    let mut text = format!(
        "ringwire tune: {shards} shard{} on CPUs {}, for {} connections. Nothing was changed.\n",
        if shards == 1 { "" } else { "s" },
        cores::write(&plan.cpus()),
        plan.connections
    );
    let (mut fine, mut unknown) = (Vec::new(), Vec::new());
    for Finding { about, verdict } in findings {
        match verdict {
            Verdict::Change(change) => describe(&mut text, about, change),
            Verdict::Fine { is } => fine.push(format!("{about} ({is})")),
            Verdict::Unknown { missing } => unknown.push(format!("{about} (no {missing})")),
        }
    }
    text.push('\n');
    for (head, list) in [("fine: ", fine), ("not known: ", unknown)] {
        if !list.is_empty() {
            wrapped(&mut text, head, &list.join(", "));
        }
    }
    let _ = write!(text, "\nsettings for this host (ringwire.toml):\n\n{proposal}");
    text
}

fn describe(text: &mut String, about: &str, change: &Change) {
    let _ = writeln!(text, "\n{}: {about}", change.severity.name());
    for (head, words) in [
        ("  is    ", &change.is),
        ("  to    ", &change.to),
        ("  why   ", &change.why),
        ("  do    ", &change.how),
    ] {
        wrapped(text, head, words);
    }
}

/// Words in lines, each below the first one's words.
fn wrapped(text: &mut String, head: &str, words: &str) {
    let mut line = head.to_owned();
    let mut is_first = true;
    for word in words.split_whitespace() {
        if !is_first && line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(text, "{line}");
            line = " ".repeat(head.len());
            is_first = true;
        }
        if !is_first {
            line.push(' ');
        }
        line += word;
        is_first = false;
    }
    let _ = writeln!(text, "{line}");
}

/// `{"connections", "shards", "findings": [{"about", "severity", ...}], "configuration"}`; a finding's `severity` is one of
/// a change's, `fine` or `unknown`.
pub fn json(plan: &Plan, findings: &[Finding], proposal: &str) -> String {
    let findings: Vec<Value> = findings
        .iter()
        .map(|Finding { about, verdict }| match verdict {
            Verdict::Fine { is } => json!({"about": about, "severity": "fine", "is": is}),
            Verdict::Unknown { missing } => {
                json!({"about": about, "severity": "unknown", "missing": missing})
            }
            Verdict::Change(change) => json!({
                "about": about,
                "severity": change.severity.name(),
                "is": change.is,
                "to": change.to,
                "why": change.why,
                "how": change.how,
            }),
        })
        .collect();
    let report = json!({
        "connections": plan.connections,
        "shards": plan.shards,
        "findings": findings,
        "configuration": proposal,
    });
    format!("{report:#}\n")
}

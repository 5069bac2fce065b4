//! Whether a run was sound: everybody was let in, and what arrived is what was sent.
//!
//! At QoS 0 a broker may drop, so loss alone fails only when it is asked for (`--strict`).

use super::words::count;
use ringwire_load::Outcome;

/// What failed, in words; empty when all is well. `loss_counts` is for any QoS but 0, and for `--strict`.
pub fn failures(outcome: &Outcome, loss_counts: bool) -> Vec<String> {
    let (connections, messages) = (&outcome.connections, &outcome.messages);
    let rows = [
        (connections.refused, "connections were refused"),
        (connections.lost, "connections were lost"),
        (
            if loss_counts { messages.lost } else { 0 },
            "deliveries were lost",
        ),
        (messages.duplicates, "deliveries came twice"),
        (messages.reordered, "deliveries came out of order"),
        (messages.strange, "deliveries were not as they were sent"),
    ];
    let failed = rows.into_iter().filter(|(number, _)| *number > 0);
    let mut texts: Vec<_> = failed
        .map(|(number, what)| format!("{} {what}", count(number)))
        .collect();
    if connections.refused + connections.lost > 0 {
        let reasons = connections.reasons.iter();
        texts.extend(reasons.map(|(reason, times)| format!("{reason} ({})", count(*times))));
    }
    texts
}

/// What is said of the messages in the table.
pub fn summary(outcome: &Outcome) -> String {
    let messages = &outcome.messages;
    let rows = [
        (messages.lost, "lost"),
        (messages.duplicates, "came twice"),
        (messages.reordered, "out of order"),
        (messages.strange, "not as sent"),
    ];
    let found: Vec<_> = rows
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", count(number)))
        .collect();
    if found.is_empty() {
        "nothing lost, doubled, out of order or changed".to_owned()
    } else {
        found.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_fails_only_where_it_counts() {
        let mut outcome = Outcome::default();
        outcome.messages.lost = 1_200;
        assert!(failures(&outcome, false).is_empty());
        assert_eq!(failures(&outcome, true), ["1,200 deliveries were lost"]);
        assert_eq!(summary(&outcome), "1,200 lost");
    }

    #[test]
    fn what_is_wrong_at_any_qos_fails_with_its_reason() {
        let mut outcome = Outcome::default();
        assert!(failures(&outcome, true).is_empty());
        outcome.connections.refused = 2;
        outcome.connections.reasons = vec![("CONNACK 5".to_owned(), 2)];
        outcome.messages.strange = 1;
        let texts = [
            "2 connections were refused",
            "1 deliveries were not as they were sent",
            "CONNACK 5 (2)",
        ];
        assert_eq!(failures(&outcome, false), texts);
    }
}

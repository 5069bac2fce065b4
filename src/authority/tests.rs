//! Exchanges of a method that only parrots, their bounds, and the queue before them.

use super::*;
use ringwire_core::ConnectionId;

/// Accepts `yes`, asks for more at `more`, refuses everything else.
struct Parrot;

impl Method for Parrot {
    fn name(&self) -> &'static str {
        "PARROT"
    }

    fn begin(&self) -> Option<Box<dyn Exchange>> {
        Some(Box::new(Parrot))
    }
}

impl Exchange for Parrot {
    fn step(&mut self, data: &[u8]) -> Answer {
        match data {
            b"yes" => Answer::Accepted {
                username: "ann".into(),
                data: Default::default(),
            },
            b"more" => Answer::Continue {
                data: b"?"[..].into(),
            },
            _ => Answer::Refused,
        }
    }
}

fn exchanges(exchanges_max: usize, patience: Duration) -> Exchanges {
    let methods: Vec<Box<dyn Method>> = vec![Box::new(Parrot)];
    Exchanges {
        desk: Desk {
            methods: methods.into(),
            exchanges_max,
            patience,
        },
        open: HashMap::new(),
    }
}

fn connection(slot: u32) -> ConnectionId {
    ConnectionId { slot, generation: 1 }
}

fn begin(method: &str, data: &'static [u8]) -> Step {
    Step::Begin {
        method: method.into(),
        data: data.into(),
    }
}

fn go_on(data: &'static [u8]) -> Step {
    Step::Continue { data: data.into() }
}

const MORE: Answer = Answer::Continue {
    data: bytes::Bytes::from_static(b"?"),
};

#[test]
fn an_exchange_lives_until_its_answer_is_final() {
    let mut exchanges = exchanges(10, Duration::from_secs(60));
    assert_eq!(
        exchanges.take(connection(1), begin("PARROT", b"more")),
        Some(MORE)
    );
    assert_eq!(exchanges.take(connection(1), go_on(b"more")), Some(MORE));
    assert_eq!(
        exchanges.take(connection(2), go_on(b"yes")),
        Some(Answer::Refused)
    );
    let last = exchanges.take(connection(1), go_on(b"yes"));
    assert!(matches!(last, Some(Answer::Accepted { .. })), "{last:?}");
    assert!(exchanges.open.is_empty());
    assert_eq!(
        exchanges.take(connection(1), begin("OTHER", b"yes")),
        Some(Answer::Refused)
    );
}

#[test]
fn exchanges_are_bounded_and_end_with_their_connection_or_their_time() {
    let mut exchanges = exchanges(2, Duration::ZERO);
    exchanges.desk.patience = Duration::from_secs(60);
    for slot in [1, 2] {
        assert_eq!(
            exchanges.take(connection(slot), begin("PARROT", b"more")),
            Some(MORE)
        );
    }
    assert_eq!(
        exchanges.take(connection(3), begin("PARROT", b"yes")),
        Some(Answer::Busy)
    );
    assert_eq!(exchanges.take(connection(1), Step::Abandon), None);
    // Its time is up as soon as it has begun.
    exchanges.desk.patience = Duration::ZERO;
    assert_eq!(
        exchanges.take(connection(3), begin("PARROT", b"more")),
        Some(MORE)
    );
    assert_eq!(exchanges.open.len(), 2);
    assert_eq!(
        exchanges.take(connection(4), begin("PARROT", b"more")),
        Some(MORE)
    );
    assert!(!exchanges.open.contains_key(&connection(3)));
    assert!(exchanges.open.contains_key(&connection(2)));
}

#[test]
fn a_shard_that_asks_too_much_is_told_at_once() {
    let (authority, lines) = lines(2);
    let ask = |slot| Ask {
        connection: connection(slot),
        step: Step::Abandon,
    };
    let taken = (0..2_000)
        .filter(|slot| authority.ask(ShardId(0), ask(*slot)))
        .count();
    assert_eq!(taken, ASKS_MAX);
    assert!(authority.ask(ShardId(1), ask(1)));
    drop(lines);
}

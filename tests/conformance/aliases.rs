//! The Topic Aliases that the server sets for a subscriber: what a client must remember to know what it is sent.
//!
//! A topic that is left out must have been set on the same connection before, or the case fails.

use crate::client::Client;
use crate::notation::show;
use std::collections::BTreeMap;

/// What a subscriber knows of the aliases that the server has set.
#[derive(Default)]
pub struct Known(BTreeMap<u16, String>);

impl Known {
    /// (topic, alias) of a PUBLISH at QoS 0 without other properties.
    #[track_caller]
    fn read(&mut self, packet: &[u8]) -> (String, Option<u16>) {
        assert_eq!(packet[0], 0x30, "{}", show(packet));
        let size = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        let topic = String::from_utf8(packet[4..4 + size].to_vec()).expect("UTF-8");
        let alias = match &packet[4 + size..] {
            [0, ..] => None,
            [3, 0x23, high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
            _ => panic!("another property in {}", show(packet)),
        };
        let topic = match alias {
            Some(alias) if topic.is_empty() => self.0.get(&alias).expect("an alias that was set").clone(),
            Some(alias) => {
                self.0.insert(alias, topic.clone());
                topic
            }
            None => topic,
        };
        (topic, alias)
    }

    /// Publishes to each topic, in two rounds, and reads what comes of it; the aliases that were used.
    #[track_caller]
    pub fn rounds(
        &mut self,
        publisher: &mut Client,
        subscriber: &mut Client,
        topics: &[String],
    ) -> Vec<Option<u16>> {
        let one = |topic: &String| {
            publisher.send(&format!("30 <'{topic}' <> `x`>"));
            let (read, alias) = self.read(&subscriber.packet());
            assert_eq!(read, *topic);
            alias
        };
        topics.iter().chain(topics).map(one).collect()
    }
}

/// So many topics under one.
pub fn topics(under: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{under}/{number}")).collect()
}

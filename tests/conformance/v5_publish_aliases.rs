//! MQTT 5.0 section 3.3.2.3.4 and 3.3.4: Topic Aliases, the client's and the server's.

use crate::client::Client;
use crate::connack::ConnAck;
use crate::notation::show;
use crate::server::{Server, connect_v5};
use std::collections::BTreeMap;

/// What a subscriber knows of the aliases that the server has set.
#[derive(Default)]
struct Known(BTreeMap<u16, String>);

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

    /// Publishes to each topic and reads what comes of it; the aliases that were used.
    #[track_caller]
    fn round(
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
        topics.iter().map(one).collect()
    }
}

fn topics(id: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("t-{id}/{number}")).collect()
}

#[test]
fn mqtt_3_3_2_7_the_server_s_aliases_end_with_their_connection() {
    let server = Server::shared();
    let topics = topics("3.3.2-7b", 2);
    let mut publisher = server.v5("c-3.3.2-7b");
    for flags in [0x02, 0x00] {
        let mut subscriber = server.v5_as("c-3.3.2-7c", flags, "<22 000A 11 0000003C>", "");
        subscriber.subscribe_v5("t-3.3.2-7b/#", 0);
        // A connection that knows nothing yet: an alias without its topic would be a mistake.
        let mut known = Known::default();
        known.round(&mut publisher, &mut subscriber, &topics);
        known.round(&mut publisher, &mut subscriber, &topics);
        subscriber.drop_connection();
    }
}

#[test]
fn mqtt_3_3_2_8_alias_0_is_invalid() {
    let server = Server::shared();
    for packet in [
        "30 <'t-3.3.2-8' <23 0000> `x`>",
        "30 <'' <23 0000> `x`>",
        "32 <'t' 0001 <23 0000> `x`>",
    ] {
        let mut client = server.v5("c-3.3.2-8");
        client.send(packet);
        client.expect_disconnect(0x94);
    }
}

#[test]
fn mqtt_3_3_2_9_an_alias_above_the_maximum_is_invalid() {
    let server = Server::with(&["listener.mqtt.max_topic_alias=10"]);
    for alias in ["000B", "00FF", "FFFF"] {
        let mut client = server.v5("c-3.3.2-9");
        client.send(&format!("30 <'t-3.3.2-9' <23 {alias}> `x`>"));
        client.expect_disconnect(0x94);
    }
}

#[test]
fn mqtt_3_3_2_11_the_server_s_aliases_are_within_the_client_s_maximum() {
    let server = Server::shared();
    let topics = topics("3.3.2-11", 4);
    let mut publisher = server.v5("c-3.3.2-11b");
    for maximum in [1, 2, 3] {
        let mut subscriber = server.v5_as("c-3.3.2-11", 0x02, &format!("<22 {maximum:04X}>"), "");
        subscriber.subscribe_v5("t-3.3.2-11/#", 0);
        let mut known = Known::default();
        let mut used = known.round(&mut publisher, &mut subscriber, &topics);
        used.extend(known.round(&mut publisher, &mut subscriber, &topics));
        let wrong = used.iter().flatten().any(|&alias| alias == 0 || alias > maximum);
        assert!(!wrong, "{used:?}, the maximum is {maximum}");
    }
}

//! Publish and subscribe through engines wired together, at byte level.

mod node;

use node::{Hello, Node};
use ringwire_codec::mqtt::{QoS, Version};

#[test]
fn a_publish_reaches_a_subscriber_on_the_same_and_on_another_shard_at_every_qos() {
    for shards in [1, 2, 3] {
        for version in [Version::V31, Version::V311, Version::V5] {
            let mut node = Node::new(shards);
            let names = [node.name_at(0, "near"), node.name_at(shards - 1, "far")];
            let publisher = node.name_at(0, "publisher");
            let subscribers = names.map(|name| {
                let peer = node.connect(0, Hello::new(version, &name));
                node.subscribe(peer, version, "a/+", 2);
                assert_eq!(node.take_words(peer, version), ["suback #9 [02]"]);
                peer
            });
            let publisher = node.connect(0, Hello::new(version, &publisher));
            node.publish(publisher, version, "a/b", b"zero", QoS::AtMostOnce, 0);
            assert!(node.take(publisher).is_empty());
            node.publish(publisher, version, "a/b", b"one", QoS::AtLeastOnce, 1);
            assert_eq!(node.take_words(publisher, version), ["puback #1 success"]);
            node.publish(publisher, version, "a/b", b"two", QoS::ExactlyOnce, 2);
            assert_eq!(node.take_words(publisher, version), ["pubrec #2 success"]);
            node.send(publisher, &[0x62, 2, 0, 2]);
            assert_eq!(node.take_words(publisher, version), ["pubcomp #2 success"]);
            for peer in subscribers {
                let expected = [
                    "publish a/b zero q0",
                    "publish a/b one q1 #1",
                    "publish a/b two q2 #2",
                ];
                assert_eq!(node.take_words(peer, version), expected);
                node.send(peer, &[0x40, 2, 0, 1, 0x50, 2, 0, 2]);
                assert_eq!(node.take_words(peer, version), ["pubrel #2 success"]);
                node.send(peer, &[0x70, 2, 0, 2]);
                assert!(node.take(peer).is_empty());
            }
        }
    }
}

#[test]
fn a_client_sent_byte_by_byte_is_the_same_client() {
    let mut node = Node::new(2);
    let name = node.name_at(1, "c");
    let peer = node.open(0);
    let mut bytes = Hello::new(Version::V5, &name).bytes();
    bytes.extend([0x82, 9, 0, 1, 0, 0, 3, b'a', b'/', b'b', 1]);
    bytes.extend([0x32, 8, 0, 3, b'a', b'/', b'b', 0, 7, 0]);
    bytes.extend([0xC0, 0]);
    for byte in bytes {
        node.send(peer, &[byte]);
    }
    let expected = [
        "connack 0 success",
        "suback #1 [01]",
        "publish a/b  q1 #1",
        "puback #7 success",
        "pingresp",
    ];
    assert_eq!(node.take_words(peer, Version::V5), expected);
}

#[test]
fn everything_sent_in_one_piece_with_the_connect_moves_with_the_connection() {
    let mut node = Node::new(2);
    let name = node.name_at(1, "c");
    let peer = node.open(0);
    let mut bytes = Hello::new(Version::V311, &name).bytes();
    bytes.extend([0x82, 8, 0, 1, 0, 3, b'a', b'/', b'b', 0]);
    bytes.extend([0x30, 5, 0, 3, b'a', b'/', b'b']);
    node.send(peer, &bytes);
    let expected = ["connack 0 success", "suback #1 [00]", "publish a/b  q0"];
    assert_eq!(node.take_words(peer, Version::V311), expected);
    assert_eq!(node.engines[0].stats().client_handed_over, 1);
    assert_eq!(node.engines[0].stats().connections, 0);
    assert_eq!(node.engines[1].stats().connections, 1);
}

//! What each client must do with the real broker, said once for C, Rust and Python.

use crate::broker::{Broker, PATIENCE};
use crate::client::{Client, Version};
use crate::console::{Console, Maker};
use crate::device::Device;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;

macro_rules! each_client {
    ($($claim:ident)*) => {
        each_client! { @of c C $($claim)* }
        each_client! { @of rust Rust $($claim)* }
        each_client! { @of python Python $($claim)* }
    };
    (@of $name:ident $maker:ident $($claim:ident)*) => {
        mod $name {
            use crate::console::Maker;

            $(#[tokio::test]
            async fn $claim() {
                if Maker::$maker.is_here() {
                    super::$claim(Maker::$maker).await;
                }
            })*
        }
    };
}

each_client! {
    what_is_published_arrives_in_order_and_the_end_is_in_order
    messages_down_arrive_in_order
    the_largest_payload_passes_both_ways
    pings_keep_a_silent_device_connected
    a_device_that_stands_still_is_closed_and_comes_back
    a_restarted_broker_gets_its_device_back
    a_refused_device_shows_why_and_asks_rarely
    the_right_password_is_accepted
    a_device_that_was_taken_over_says_so_and_comes_back
    a_broker_that_is_not_there_yet_is_waited_for
}

async fn watcher(broker: &Broker) -> Client {
    let mut watcher = Client::connect(broker, Version::V5, "watcher").await;
    watcher.subscribe("tcp/+/up", 1).await;
    watcher
}

/// Waits until the broker's log has this text.
async fn logged(broker: &Broker, text: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !broker.log().contains(text) {
        assert!(Instant::now() < deadline, "no {text:?} in:\n{}", broker.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn what_is_published_arrives_in_order_and_the_end_is_in_order(maker: Maker) {
    let broker = Broker::start(2);
    let mut watcher = watcher(&broker).await;
    let mut console = Console::online(maker, &broker, "d1", &[]).await;
    console.up("");
    for n in 0..200 {
        console.up(&format!("reading {n}"));
    }
    assert_eq!(watcher.message().await.payload, b"");
    for n in 0..200 {
        let message = watcher.message().await;
        assert_eq!(
            (message.topic.as_str(), message.text()),
            ("tcp/d1/up", format!("reading {n}").as_str())
        );
    }
    console.up("the last words");
    assert!(console.finish().await.success());
    assert_eq!(watcher.message().await.text(), "the last words");
    logged(&broker, "reason=\"normal\"").await;
}

async fn messages_down_arrive_in_order(maker: Maker) {
    let broker = Broker::start(2);
    let mut console = Console::online(maker, &broker, "d1", &[]).await;
    let publisher = Client::connect(&broker, Version::V4, "publisher").await;
    for n in 0..200 {
        publisher
            .publish("tcp/d1/dn", n % 3, false, format!("order {n}"))
            .await;
    }
    for n in 0..200 {
        assert_eq!(console.down().await, format!("order {n}"));
    }
    publisher.publish("tcp/d1/dn", 0, false, "").await;
    assert_eq!(console.down().await, "");
}

async fn the_largest_payload_passes_both_ways(maker: Maker) {
    let broker = Broker::start(1);
    let mut watcher = watcher(&broker).await;
    let mut console = Console::online(maker, &broker, "d1", &[]).await;
    let largest: String = ('!'..='z').cycle().take(65_535).collect();
    for payload in [&largest[1..], &largest] {
        console.up(payload);
        console.up("and after it");
        assert!(watcher.message().await.text() == payload, "up");
        assert_eq!(watcher.message().await.text(), "and after it");
        for sent in [payload, "and after it"] {
            watcher.publish("tcp/d1/dn", 0, false, sent).await;
            assert!(console.down().await == sent, "down");
        }
    }
}

async fn pings_keep_a_silent_device_connected(maker: Maker) {
    let broker = Broker::start(1);
    let mut console = Console::online(maker, &broker, "d1", &["--keepalive", "3"]).await;
    // One whose client does not ping is closed meanwhile.
    let mut silent = Device::open(&broker, "silent").await;
    silent.send(b"\x11\x00\x09\x03\x00\x06silent").await;
    silent.rest().await;
    logged(&broker, "keepalive_timeout").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let publisher = Client::connect(&broker, Version::V4, "publisher").await;
    publisher.publish("tcp/d1/dn", 0, false, "still there").await;
    assert_eq!(console.down().await, "still there");
    assert_eq!(broker.log().matches("keepalive_timeout").count(), 1);
}

async fn a_device_that_stands_still_is_closed_and_comes_back(maker: Maker) {
    let broker = Broker::start(1);
    let mut console = Console::online(maker, &broker, "d1", &["--keepalive", "1"]).await;
    console.signal("STOP");
    logged(&broker, "keepalive_timeout").await;
    console.signal("CONT");
    console.line_with("offline ").await;
    console.line_with("online ").await;
}

async fn a_restarted_broker_gets_its_device_back(maker: Maker) {
    let broker = Broker::start(1);
    let address = broker.private();
    let mut console = Console::online(maker, &broker, "d1", &[]).await;
    drop(broker);
    let _port = held(address).await;
    console.line_with("offline ").await;
    console.up("typed while nobody was there");
    console.line_with("offline ").await;
    let listen = format!("emqtcp://{address}");
    let broker = Broker::start_with(1, &["--listen", &listen]);
    console.line_with("online ").await;
    let mut watcher = watcher(&broker).await;
    console.up("back");
    // What was typed before may have been sent before anybody subscribed.
    let mut message = watcher.message().await;
    if message.text() == "typed while nobody was there" {
        message = watcher.message().await;
    }
    assert_eq!(message.text(), "back");
    watcher.publish("tcp/d1/dn", 0, false, "welcome").await;
    assert_eq!(console.down().await, "welcome");
}

async fn a_refused_device_shows_why_and_asks_rarely(maker: Maker) {
    let users = r#"access.users=[{ username = "ann", password = "pencil" }]"#;
    let broker = Broker::start_with(1, &["--set", users]);
    let more = [
        "--username",
        "ann",
        "--password",
        "pen",
        "--backoff-min",
        "1",
        "--backoff-max",
        "60000",
    ];
    let mut console = Console::start(maker, broker.private(), "d1", &more);
    assert_eq!(console.line().await, "refused Authentication Failure");
    console.line_with("offline ").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(console.left(), [""; 0], "no storm");
}

async fn the_right_password_is_accepted(maker: Maker) {
    let users = r#"access.users=[{ username = "ann", password = "pencil" }]"#;
    let broker = Broker::start_with(1, &["--set", users]);
    let more = ["--username", "ann", "--password", "pencil"];
    Console::online(maker, &broker, "d1", &more).await;
}

async fn a_device_that_was_taken_over_says_so_and_comes_back(maker: Maker) {
    let broker = Broker::start(2);
    let mut console = Console::online(maker, &broker, "d1", &[]).await;
    let mut rival = Device::connect(&broker, "d1").await;
    console.line_with("offline ").await;
    logged(&broker, "taken_over").await;
    console.line_with("online ").await;
    assert_eq!(rival.rest().await, b"", "taken over in turn");
    let publisher = Client::connect(&broker, Version::V4, "publisher").await;
    publisher.publish("tcp/d1/dn", 0, false, "for the newer").await;
    assert_eq!(console.down().await, "for the newer");
}

async fn a_broker_that_is_not_there_yet_is_waited_for(maker: Maker) {
    let port = held(SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let address = port.local_addr().expect("bound");
    let mut console = Console::start(maker, address, "d1", &[]);
    for _ in 0..2 {
        assert!(console.line().await.starts_with("offline "));
    }
    let listen = format!("emqtcp://{address}");
    let _broker = Broker::start_with(1, &["--listen", &listen]);
    console.line_with("online ").await;
}

/// Keeps a port from everybody but a broker that is told to listen there: bound and not listening, so that connecting to
/// it is refused. A port that nobody holds is soon somebody else's, on a machine where tests run side by side.
async fn held(address: SocketAddr) -> TcpSocket {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("a socket");
        match socket.bind(address) {
            Ok(()) => return socket,
            // The kernel takes the ring of a process that was killed apart a moment after its end, and its listener then.
            Err(error) => assert!(Instant::now() < deadline, "{address}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

//! A device that does not read: what gives way, how it is counted, and that others do not pay for it.

use crate::client::Client;
use crate::device::{Device, expect_metric, listed};
use crate::server::Server;
use std::time::Duration;

/// Bytes of one message; many of them fill any socket's buffers.
const BYTES: usize = 60_000;
/// Messages that fit neither the sockets' buffers nor the queue.
const MANY: usize = 400;
const QUEUE: usize = 10;

fn server(policy: &str) -> Server {
    Server::with(&[
        "limits.outbox_bytes=64KB",
        &format!("limits.queue_messages={QUEUE}"),
        "limits.backpressure_timeout=0",
        &format!("listener.emqtcp.overflow={policy}"),
    ])
}

/// Publishes numbered messages at QoS 1 to a device that does not read.
fn flood(publisher: &mut Client, id: &str) {
    let padding = "x".repeat(BYTES - 6);
    for n in 0..MANY {
        publisher.exchange(&format!("32 <'tcp/{id}/dn' 0001 `{n:06}{padding}`>"), "40 <0001>");
    }
}

/// The numbers that a device finds when it reads at last.
fn numbers(server: &Server, device: &mut Device, publisher: &mut Client, id: &str) -> Vec<usize> {
    let mut numbers = Vec::new();
    let number = |payload: &[u8]| String::from_utf8_lossy(&payload[..6]).parse::<usize>().ok();
    // The sentinel must find room in the queue, or it would be what is dropped.
    while listed(server, id)["mqueue_len"] != 0 {
        numbers.extend(number(&device.data()));
    }
    publisher.exchange(&format!("32 <'tcp/{id}/dn' 0001 `the end`>"), "40 <0001>");
    while let Some(number) = number(&device.data()) {
        numbers.push(number);
    }
    numbers
}

fn assert_ascending(numbers: &[usize]) {
    assert!(
        numbers.is_sorted_by(|one, next| one < next),
        "in order, none twice: {numbers:?}"
    );
}

#[test]
fn drop_oldest_keeps_the_newest_and_counts_the_rest() {
    let server = server("drop_oldest");
    let mut publisher = server.v3("oldest-publisher");
    let mut device = Device::connect(&server, "oldest");
    flood(&mut publisher, "oldest");
    let numbers = numbers(&server, &mut device, &mut publisher, "oldest");
    assert_ascending(&numbers);
    assert_eq!(
        numbers[numbers.len() - QUEUE..],
        *(MANY - QUEUE..MANY).collect::<Vec<_>>()
    );
    let lost = MANY - numbers.len();
    assert!(lost > 0, "it was not slow");
    expect_metric(&server, "ringwire_delivery_dropped_queue_full", &[], lost as f64);
}

#[test]
fn drop_newest_keeps_the_oldest_and_counts_the_rest() {
    let server = server("drop_newest");
    let mut publisher = server.v3("newest-publisher");
    let mut device = Device::connect(&server, "newest");
    flood(&mut publisher, "newest");
    let numbers = numbers(&server, &mut device, &mut publisher, "newest");
    assert_ascending(&numbers);
    // The kernel's buffers grow for a while, so there are gaps; once they do not, whatever comes is what is dropped.
    assert!(numbers[..QUEUE] == *(0..QUEUE).collect::<Vec<_>>(), "{numbers:?}");
    assert!(numbers.last() < Some(&(MANY - QUEUE)), "{numbers:?}");
    let lost = MANY - numbers.len();
    assert!(lost > 0, "it was not slow");
    expect_metric(&server, "ringwire_delivery_dropped_queue_full", &[], lost as f64);
}

#[test]
fn disconnect_closes_a_slow_device() {
    let server = server("disconnect");
    let mut publisher = server.v3("slow-publisher");
    let device = Device::connect(&server, "slow");
    flood(&mut publisher, "slow");
    device.expect_reason(&server, "slow_consumer");
    expect_metric(
        &server,
        "ringwire_connections_closed",
        &["reason=\"slow_consumer\""],
        1.0,
    );
    Device::connect(&server, "slow").expect_alive();
}

#[test]
fn a_slow_device_costs_the_others_nothing() {
    let server = server("drop_oldest");
    let mut publisher = server.v3("others-publisher");
    let _slow: Vec<_> = (0..2)
        .map(|n| Device::connect(&server, &format!("stuck-{n}")))
        .collect();
    let mut others: Vec<_> = (0..4)
        .map(|n| Device::connect(&server, &format!("other-{n}")))
        .collect();
    let padding = "x".repeat(BYTES);
    for n in 0..100 {
        for stuck in 0..2 {
            publisher.send(&format!("30 <'tcp/stuck-{stuck}/dn' `{padding}`>"));
        }
        for (other, device) in others.iter_mut().enumerate() {
            publisher.send(&format!("30 <'tcp/other-{other}/dn' `{n}`>"));
            device.expect(&format!("30 '{n}'"));
        }
    }
}

#[test]
fn a_device_that_takes_nothing_for_send_timeout_is_closed() {
    let server = Server::with(&[
        "listener.emqtcp.send_timeout=1s",
        "limits.queue_messages=1000",
        "limits.backpressure_timeout=0",
    ]);
    let mut publisher = server.v3("timeout-publisher");
    let device = Device::connect(&server, "timeout");
    let mut reader = Device::connect(&server, "reads on");
    flood(&mut publisher, "timeout");
    let from = std::time::Instant::now();
    device.expect_reason(&server, "send_timeout");
    assert!(from.elapsed() < Duration::from_secs(20), "{:?}", from.elapsed());
    reader.expect_alive();
}

#[test]
fn a_device_that_does_not_read_its_pongs_is_not_read() {
    let server = Server::with(&["limits.outbox_bytes=64KB", "listener.emqtcp.send_timeout=1h"]);
    let mut device = Device::connect(&server, "pongs");
    let pings = vec![0x40; 64 << 20];
    let sent = device.send_until_stuck(&pings, Duration::from_millis(500));
    assert!(
        sent < pings.len(),
        "64 MB of pings were read, and their pongs kept"
    );
    let pongs = device.take(sent);
    assert!(pongs.iter().all(|&byte| byte == 0x50));
    device.expect_alive();
}

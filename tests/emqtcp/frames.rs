//! The frames, both ways, in the bytes of the protocol's own vectors.

use crate::device::{ACCEPTED, Device, FAILED};
use crate::server::Server;

/// A broker of one test, whose devices may be called `abcd` as in the vectors.
fn alone(name: &str) -> Server {
    Server::with(&[&format!("node.name={name}")])
}

#[test]
fn the_vector_of_a_connect_is_accepted_with_the_vector_of_a_connack() {
    let server = alone("vector-connect");
    let mut device = Device::send_first(&server, "11 00 07 3c 00 04 61 62 63 64");
    device.expect("20 00 14 43 6f 6e 6e 65 63 74 20 53 75 63 63 65 73 73 66 75 6c 6c 79");
    device.expect_alive();
    assert_eq!(crate::device::listed(&server, "abcd")["keepalive"], 60);
}

#[test]
fn the_vector_of_a_connect_with_credentials_proves_who_it_is() {
    let server = Server::with(&[
        "access.allow_anonymous=false",
        "access.users=[{username='abcd', password='abcd'}]",
        "node.name=vector-credentials",
    ]);
    let vector = "11 00 13 3c 00 04 61 62 63 64 00 04 61 62 63 64 00 04 61 62 63 64";
    Device::send_first(&server, vector).expect(ACCEPTED);
    let wrong = "11 00 13 3c 00 04 61 62 63 64 00 04 61 62 63 64 00 04 61 62 63 65";
    let mut device = Device::send_first(&server, wrong);
    device.expect("21 00 16 41 75 74 68 65 6e 74 69 63 61 74 69 6f 6e 20 46 61 69 6c 75 72 65");
    device.expect_end("");
    Device::send_first(&server, "11 00 07 3c 00 04 61 62 63 64").expect_end(FAILED);
}

#[test]
fn the_vector_of_data_goes_up_and_down() {
    let server = alone("vector-data");
    let mut watcher = server.v3("watcher");
    watcher.subscribe_v3("tcp/abcd/up", 0);
    let mut device = Device::connect(&server, "abcd");
    device.send("30 00 04 61 62 63 64");
    watcher.expect("30 <'tcp/abcd/up' `abcd`>");
    watcher.send("30 <'tcp/abcd/dn' `abcd`>");
    device.expect("30 00 04 61 62 63 64");
}

#[test]
fn the_vectors_of_ping_pong_and_disconnect() {
    let server = alone("vector-ping");
    let mut device = Device::connect(&server, "abcd");
    device.exchange("40", "50");
    device.send("60");
    device.expect_end("");
    device.expect_reason(&server, "normal");
}

#[test]
fn the_vector_of_version_0_is_refused_by_default() {
    let server = alone("vector-version-0");
    let mut device = Device::send_first(&server, "10 00 07 3c 00 04 61 62 63 64");
    device.expect_end("22 'Protocol Version Not Supported'");
}

#[test]
fn data_without_a_payload_is_an_empty_message_both_ways() {
    let server = Server::shared();
    let mut watcher = server.v3("empty-watcher");
    watcher.subscribe_v3("tcp/empty/up", 0);
    let mut device = Device::connect(&server, "empty");
    device.send("30 0000");
    watcher.expect("30 <'tcp/empty/up'>");
    watcher.send("30 <'tcp/empty/dn'>");
    device.expect("30 0000");
    device.expect_alive();
}

#[test]
fn lengths_are_big_endian_and_up_to_65535() {
    let server = Server::shared();
    let mut watcher = server.v3("length-watcher");
    watcher.subscribe_v3("tcp/length/up", 0);
    let mut device = Device::connect(&server, "length");
    for (size, length) in [
        (1, "0001"),
        (255, "00FF"),
        (256, "0100"),
        (258, "0102"),
        (65_535, "FFFF"),
    ] {
        let text = "x".repeat(size);
        device.send(&format!("30 {length} `{text}`"));
        watcher.expect(&format!("30 <'tcp/length/up' `{text}`>"));
        watcher.send(&format!("30 <'tcp/length/dn' `{text}`>"));
        device.expect(&format!("30 {length} `{text}`"));
    }
}

#[test]
fn every_byte_value_passes_unchanged() {
    let server = Server::shared();
    let mut watcher = server.v3("binary-watcher");
    watcher.subscribe_v3("tcp/binary/up", 0);
    let mut device = Device::connect(&server, "binary");
    let all: String = (0..=255u8).map(|byte| format!("{byte:02X}")).collect();
    device.send(&format!("30 0100 {all}"));
    watcher.expect(&format!("30 <'tcp/binary/up' {all}>"));
    watcher.send(&format!("30 <'tcp/binary/dn' {all}>"));
    device.expect(&format!("30 0100 {all}"));
}

#[test]
fn frames_may_come_in_any_pieces() {
    let server = Server::shared();
    for id in ["pieces-0", "pieces-1", "pieces-2", "pieces-3"] {
        let mut watcher = server.v3(&format!("{id}-watcher"));
        watcher.subscribe_v3(&format!("tcp/{id}/up"), 0);
        let mut device = Device::open(&server);
        let stream = format!("11 (00 '{id}') 30 'one' 40 30 '' 30 'two' 40 40");
        for byte in crate::notation::bytes(&stream) {
            device.send_bytes(&[byte]);
        }
        device.expect(ACCEPTED);
        device.expect("50 50 50");
        for text in ["one", "", "two"] {
            watcher.expect(&format!("30 <'tcp/{id}/up' `{text}`>"));
        }
    }
}

#[test]
fn frames_may_come_in_one_piece_with_the_connect() {
    let server = Server::shared();
    for id in ["whole-0", "whole-1", "whole-2", "whole-3"] {
        let mut watcher = server.v3(&format!("{id}-watcher"));
        watcher.subscribe_v3(&format!("tcp/{id}/up"), 0);
        let stream = format!("11 (00 '{id}') 30 'one' 40 30 'two' 60");
        let mut device = Device::send_first(&server, &stream);
        device.expect_end(&format!("{ACCEPTED} 50"));
        watcher.expect(&format!("30 <'tcp/{id}/up' `one`>"));
        watcher.expect(&format!("30 <'tcp/{id}/up' `two`>"));
    }
}

//! The parts of a CONNECT: their order, which may be missing, and that they fill the frame exactly.

use crate::device::{ACCEPTED, Device, listed};
use crate::server::Server;

#[test]
fn username_and_password_may_be_left_out_or_empty() {
    let server = Server::shared();
    let rows = [
        ("11 (00 'layout-a')", "layout-a", serde_json::Value::Null),
        ("11 (00 'layout-b' 'ann')", "layout-b", "ann".into()),
        ("11 (00 'layout-c' 'ann' 'secret')", "layout-c", "ann".into()),
        ("11 (00 'layout-d' 'ann' '')", "layout-d", "ann".into()),
        ("11 (00 'layout-e' '' '')", "layout-e", "".into()),
    ];
    for (connect, id, username) in rows {
        let mut device = Device::send_first(&server, connect);
        device.expect(ACCEPTED);
        device.expect_alive();
        assert_eq!(listed(&server, id)["username"], username, "{connect}");
    }
}

#[test]
fn the_keepalive_is_one_byte_before_the_client_id() {
    let server = Server::shared();
    for (byte, seconds) in [("00", 0), ("01", 1), ("7F", 127), ("FF", 255)] {
        let id = format!("layout-keepalive-{seconds}");
        let mut device = Device::send_first(&server, &format!("11 ({byte} '{id}')"));
        device.expect(ACCEPTED);
        assert_eq!(listed(&server, &id)["keepalive"], seconds);
    }
}

#[test]
fn a_password_may_be_any_bytes() {
    let server = Server::shared();
    let mut device = Device::send_first(&server, "11 (00 'layout-password' 'ann' (00 FF C0 80 7F))");
    device.expect(ACCEPTED);
    device.expect_alive();
}

#[test]
fn parts_that_do_not_fill_the_frame_exactly_close_it_without_an_answer() {
    let server = Server::shared();
    let rows = [
        ("11 0000", "nothing at all"),
        ("11 (3C)", "no client id"),
        ("11 (3C 00)", "half a length"),
        (
            "11 0007 3C 0005 `abcd`",
            "an id that is one longer than the frame",
        ),
        ("11 0007 3C FFFF `abcd`", "an id that is much longer"),
        ("11 0008 3C 0004 `abcd` 00", "one byte too many"),
        ("11 0007 3C 0003 `abcd`", "a byte too many, as the id is shorter"),
        ("11 (3C 'abcd' 0005 `user`)", "a username cut short"),
        ("11 (3C 'abcd' 'user' 00)", "half a length of a password"),
        ("11 (3C 'abcd' 'user' 0007 `secret`)", "a password cut short"),
        (
            "11 (3C 'abcd' 'user' 'secret' 00)",
            "one byte behind the password",
        ),
        (
            "11 (3C 'abcd' 'user' 'secret' 'more')",
            "a part behind the password",
        ),
    ];
    for (connect, what) in rows {
        let mut device = Device::send_first(&server, connect);
        device.expect_end("");
        let line = device.expect_reason(&server, "malformed_packet");
        assert!(line.contains("CONNECT"), "{what}: {line}");
    }
}

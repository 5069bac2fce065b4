//! The driver against a broker that the test plays by hand, on a real socket: what a real broker would not do.

use ringwire_device::{Device, Event, Lost, Refusal, Settings};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

const ACCEPTED: &[u8] = b"\x20\x00\x14Connect Successfully";
const PATIENCE: Duration = Duration::from_secs(60);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A device with short waits, and where its broker is to be.
fn device() -> (Device, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let settings = Settings::new("d").backoff(ms(10), ms(50));
    (Device::new(address, settings).expect("settings"), listener)
}

/// Accepts one connection and reads CONNECT.
fn greet(listener: &TcpListener, answer: &[u8]) -> TcpStream {
    let (mut socket, _) = listener.accept().expect("a device");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut connect = [0; 7];
    socket.read_exact(&mut connect).expect("CONNECT");
    assert_eq!(&connect, b"\x11\x00\x04\x3c\x00\x01d");
    socket.write_all(answer).expect("it is taken");
    socket
}

fn event(device: &mut Device) -> Event {
    device.wait(PATIENCE).expect("something happens")
}

fn is_online(event: &Event) -> bool {
    matches!(event, Event::Online { text } if text == "Connect Successfully")
}

#[test]
fn it_connects_again_whatever_ended_the_connection() {
    let (mut device, listener) = device();
    let broker = thread::spawn(move || {
        greet(&listener, b"\x21\x00\x02no");
        greet(&listener, b"GARBAGE");
        drop(greet(&listener, ACCEPTED));
        let mut socket = greet(&listener, ACCEPTED);
        socket.write_all(b"\x30\x00\x02hi").expect("it is taken");
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).expect("the device closes");
        rest
    });
    let Event::Offline { reason, retry_in } = event(&mut device) else {
        panic!("refused first");
    };
    let refused = matches!(&reason, Lost::Refused { refusal: Refusal::Credentials, text } if text == "no");
    assert!(refused && retry_in >= ms(25), "{reason:?} {retry_in:?}");
    let reason = event(&mut device);
    assert!(
        matches!(
            &reason,
            Event::Offline {
                reason: Lost::UnexpectedFrame(b'G') | Lost::BadFrame(_),
                ..
            }
        ),
        "{reason:?}"
    );
    assert!(is_online(&event(&mut device)));
    let reason = event(&mut device);
    assert!(
        matches!(
            &reason,
            Event::Offline {
                reason: Lost::Closed | Lost::Socket(_),
                ..
            }
        ),
        "{reason:?}"
    );
    assert!(device.publish(b"nobody hears this").is_err());
    assert!(is_online(&event(&mut device)));
    assert!(matches!(event(&mut device), Event::Message(payload) if payload == b"hi"));
    device.publish(b"abc").expect("online");
    device.disconnect().expect("in order");
    assert_eq!(broker.join().expect("the broker"), b"\x30\x00\x03abc\x60");
    assert!(device.wait(ms(10)).is_none(), "off");
}

#[test]
fn nobody_there_is_an_event_and_waits_grow() {
    let (mut device, listener) = device();
    drop(listener);
    let mut waits = Vec::new();
    for _ in 0..4 {
        let Event::Offline {
            reason: Lost::Unreachable(_),
            retry_in,
        } = event(&mut device)
        else {
            panic!("nobody listens");
        };
        waits.push(retry_in);
    }
    for (wait, due) in waits.iter().zip([10, 20, 40, 50]) {
        assert!(*wait >= ms(due / 2) && *wait <= ms(due), "{waits:?}");
    }
}

#[test]
fn a_wait_without_events_ends_in_time() {
    let (mut device, listener) = device();
    let broker = thread::spawn(move || greet(&listener, ACCEPTED));
    assert!(is_online(&event(&mut device)));
    let _socket = broker.join().expect("the broker");
    let started = Instant::now();
    assert!(device.wait(ms(30)).is_none());
    assert!(started.elapsed() >= ms(30) && started.elapsed() < PATIENCE);
    assert!(device.is_online());
}

#[test]
fn a_broker_that_does_not_read_fills_the_queue_and_then_gets_everything() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let settings = Settings::new("d").queue_bytes_max(100_000);
    let mut device = Device::new(address, settings).expect("settings");
    let accept = thread::spawn(move || greet(&listener, ACCEPTED));
    assert!(is_online(&event(&mut device)));
    let mut socket = accept.join().expect("the broker");
    let mut count = 0_u32;
    while device.publish(&[count as u8; 60_000]).is_ok() {
        count += 1;
        assert!(count < 100_000, "the queue never fills");
    }
    let reader = thread::spawn(move || {
        for n in 0..count {
            let mut frame = vec![0; 60_003];
            socket.read_exact(&mut frame).expect("a frame");
            assert_eq!(frame[..3], [0x30, 0xea, 0x60]);
            assert!(frame[3..].iter().all(|byte| *byte == n as u8), "message {n}");
        }
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).expect("the device closes");
        rest
    });
    device.disconnect().expect("in order");
    assert_eq!(reader.join().expect("the broker"), b"\x60");
}

//! A device of the private TCP protocol, written from the protocol's text alone: frames by hand over a socket.

use crate::broker::{Broker, PATIENCE};
use std::future::Future;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The CONNACK of an accepted device, byte for byte.
pub const ACCEPTED: &[u8] = b"\x20\x00\x14Connect Successfully";

/// A connected socket that speaks frames.
pub struct Device {
    socket: TcpStream,
    id: String,
}

impl Device {
    /// A device that was accepted; keepalive off.
    pub async fn connect(broker: &Broker, id: &str) -> Self {
        let mut device = Self::open(broker, id).await;
        device.send(&connect(id)).await;
        let answer = device.bytes(ACCEPTED.len()).await;
        assert_eq!(answer, ACCEPTED, "{id} was accepted");
        device
    }

    /// A socket on which nothing was said yet.
    pub async fn open(broker: &Broker, id: &str) -> Self {
        let socket = TcpStream::connect(broker.private())
            .await
            .expect("the listener accepts");
        socket.set_nodelay(true).expect("a TCP socket");
        Self {
            socket,
            id: id.to_owned(),
        }
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.expect("the socket takes it");
    }

    /// Sends a DATATRANS frame.
    pub async fn up(&mut self, payload: &[u8]) {
        self.send(&data(payload)).await;
    }

    /// The payload of the next frame, which must be DATATRANS.
    pub async fn down(&mut self) -> Vec<u8> {
        let head = self.bytes(3).await;
        assert_eq!(head[0], 0x30, "{}: DATATRANS", self.id);
        let length = u16::from_be_bytes([head[1], head[2]]);
        self.bytes(usize::from(length)).await
    }

    /// The next `count` bytes.
    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        let id = self.id.clone();
        let read = in_time(&id, self.socket.read_exact(&mut bytes)).await;
        read.unwrap_or_else(|error| panic!("{id}: waited for {count} bytes: {error}"));
        bytes
    }

    /// Everything up to the end of the connection; a reset is an end.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let id = self.id.clone();
        let _ = in_time(&id, self.socket.read_to_end(&mut bytes)).await;
        bytes
    }
}

/// A CONNECT frame, keepalive off.
pub fn connect(id: &str) -> Vec<u8> {
    let id_bytes = u16::try_from(id.len()).expect("a short id");
    let mut frame = vec![0x11];
    frame.extend((id_bytes + 3).to_be_bytes());
    frame.push(0);
    frame.extend(id_bytes.to_be_bytes());
    frame.extend(id.as_bytes());
    frame
}

/// A DATATRANS frame.
pub fn data(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a payload that fits");
    let mut frame = vec![0x30];
    frame.extend(length.to_be_bytes());
    frame.extend(payload);
    frame
}

async fn in_time<T>(id: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| panic!("{id}: waited in vain"))
}

//! A terminal on a socket: frames of one phone number, serial numbers that count.

use crate::broker::{Broker, PATIENCE};
use crate::terminal::{Frame, PHONE, PHONE_2019};
use std::future::Future;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// See the module.
pub struct Truck {
    socket: TcpStream,
    /// What came and was not looked at.
    inbox: Vec<u8>,
    /// Whose phone and version every frame has.
    template: Frame,
    serial: u16,
}

impl Truck {
    /// A connection of truck `n`, on which nothing was said yet.
    pub async fn open(broker: &Broker, n: u8, is_2019: bool) -> Self {
        let socket = TcpStream::connect(broker.adapter()).await;
        let socket = socket.expect("the listener accepts");
        socket.set_nodelay(true).expect("a TCP socket");
        let mut template = match is_2019 {
            true => Frame::new_2019(0, 0, b""),
            false => Frame::new(0, 0, b""),
        };
        let last = template.phone.last_mut().expect("a phone number");
        *last = ((n / 10) << 4) | (n % 10);
        let inbox = Vec::new();
        let serial = 65_530;
        Self {
            socket,
            inbox,
            template,
            serial,
        }
    }

    /// One that was let in with its phone number as code.
    pub async fn let_in(broker: &Broker, n: u8, is_2019: bool) -> Self {
        let mut truck = Self::open(broker, n, is_2019).await;
        let code = truck.name();
        truck.authenticate(code.as_bytes()).await;
        truck
    }

    /// Its phone number, which is its client id.
    pub fn name(&self) -> String {
        let phone = &self.template.phone;
        assert!(phone.len() == PHONE.len() || phone.len() == PHONE_2019.len());
        phone.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub async fn authenticate(&mut self, code: &[u8]) {
        let body = match self.template.version {
            Some(_) => [&[code.len() as u8], code, &[b'0'; 15], &[0; 20]].concat(),
            None => code.to_vec(),
        };
        let answer = self.ask(0x0102, &body).await;
        assert_eq!(
            (answer.id, answer.body[4]),
            (0x8001, 0),
            "{} is let in",
            self.name()
        );
    }

    fn frame(&mut self, id: u16, body: &[u8]) -> Frame {
        self.serial = self.serial.wrapping_add(1);
        Frame {
            id,
            serial: self.serial,
            body: body.to_vec(),
            ..self.template.clone()
        }
    }

    /// The packages of a long message.
    pub fn packages(&mut self, id: u16, body: &[u8], size: usize) -> Vec<Frame> {
        let packages = self.frame(id, body).packages(size);
        self.serial = packages.last().expect("a body").serial;
        packages
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.expect("the socket takes it");
    }

    pub async fn send(&mut self, id: u16, body: &[u8]) {
        let frame = self.frame(id, body);
        self.write(&frame.bytes()).await;
    }

    /// Sends a message and returns what is said next, which must be about it.
    pub async fn ask(&mut self, id: u16, body: &[u8]) -> Frame {
        self.send(id, body).await;
        let answer = self.next().await;
        assert_eq!(answer.body[..2], self.serial.to_be_bytes(), "{answer:?}");
        answer
    }

    /// The general answer to a message of the platform.
    pub async fn acknowledge(&mut self, frame: &Frame) {
        let [a, b] = frame.serial.to_be_bytes();
        let [c, d] = frame.id.to_be_bytes();
        self.send(0x0001, &[a, b, c, d, 0]).await;
    }

    /// The next frame of the platform.
    pub async fn next(&mut self) -> Frame {
        loop {
            if let Some((frame, size)) = Frame::read(&self.inbox) {
                self.inbox.drain(..size);
                assert_eq!(frame.phone, self.template.phone);
                assert_eq!(frame.version, self.template.version);
                return frame;
            }
            let name = self.name();
            let more = in_time(&name, self.socket.read_buf(&mut self.inbox)).await;
            assert!(more.expect("readable") > 0, "{name}: the connection is over");
        }
    }

    /// Every frame before the next one with this id, and that one.
    pub async fn until(&mut self, id: u16) -> (Vec<Frame>, Frame) {
        let mut before = Vec::new();
        loop {
            let frame = self.next().await;
            if frame.id == id {
                return (before, frame);
            }
            before.push(frame);
        }
    }

    /// Whether the connection ends without another frame.
    pub async fn is_closed(&mut self) -> bool {
        let name = self.name();
        // A reset is an end too.
        let end = in_time(&name, self.socket.read_buf(&mut self.inbox)).await;
        end.unwrap_or(0) == 0 && self.inbox.is_empty()
    }
}

async fn in_time<T>(name: &str, what: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, what).await;
    done.unwrap_or_else(|_| panic!("{name}: waited in vain"))
}

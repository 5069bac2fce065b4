//! The least HTTP/1.1 that the admin endpoint needs: one request a connection, the whole answer as text.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// An answer.
pub struct Answer {
    /// 200, 404, ...
    pub status: u16,
    /// The header lines.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// GET.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path, "")
}

/// DELETE.
pub fn delete(address: SocketAddr, path: &str) -> Answer {
    ask(address, "DELETE", path, "")
}

/// POST of JSON.
pub fn post(address: SocketAddr, path: &str, body: &Value) -> Answer {
    ask(address, "POST", path, &body.to_string())
}

fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let mut socket = TcpStream::connect(address).expect("the admin endpoint accepts");
    socket.set_read_timeout(Some(super::PATIENCE)).expect("a timeout");
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    socket
        .write_all(request.as_bytes())
        .expect("the request is taken");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer in text");
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no end of headers: {answer}"));
    assert!(
        !head.to_lowercase().contains("transfer-encoding"),
        "chunked is not read here: {head}"
    );
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Answer {
        status: status.unwrap_or_else(|| panic!("no status: {head}")),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// The sum of a metric over all label sets whose text contains every one of `labels`. A name that is not there fails, so
/// that no test compares with the 0 of a misspelt one.
pub fn metric(address: SocketAddr, name: &str, labels: &[&str]) -> f64 {
    let text = get(address, "/metrics").body;
    let values = text.lines().filter_map(|line| {
        let (key, value) = line.rsplit_once(' ')?;
        let (metric, label_text) = key.split_once('{').unwrap_or((key, ""));
        let wanted = metric == name && labels.iter().all(|label| label_text.contains(label));
        wanted.then(|| value.parse::<f64>().expect("a number"))
    });
    let values: Vec<_> = values.collect();
    assert!(!values.is_empty(), "no {name} with {labels:?} in:\n{text}");
    values.iter().sum()
}

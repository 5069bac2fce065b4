//! Where a broker listens: `mqtt://HOST:PORT`, `emqtcp://HOST:PORT`, `raw://HOST:PORT`, and whether somebody does.

use super::error::BenchError;
use std::fmt;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Longer than a handshake across the world.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// MQTT.
    Mqtt,
    /// EMQ's private TCP.
    Private,
    /// The relay of `benches/`.
    Raw,
}

const WORDS: [(&str, Spoken, u16); 3] = [
    ("mqtt", Spoken::Mqtt, 1_883),
    ("emqtcp", Spoken::Private, 8_090),
    ("raw", Spoken::Raw, 0),
];

/// An address and what is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub spoken: Spoken,
    pub address: SocketAddr,
}

impl Target {
    /// The default listeners of Ringwire, and the usual port of MQTT.
    pub fn usual(spoken: Spoken) -> Self {
        let port = WORDS
            .iter()
            .find(|(_, known, _)| *known == spoken)
            .map_or(0, |row| row.2);
        Self {
            spoken,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        }
    }

    /// Reads `mqtt://HOST:PORT`; a host name becomes its first address, a missing port the usual one.
    pub fn parse(text: &str) -> Result<Self, BenchError> {
        let wrong = |why: String| BenchError::Target {
            text: text.to_owned(),
            why,
        };
        let (word, rest) = text
            .split_once("://")
            .ok_or_else(|| wrong("expected mqtt://HOST:PORT or emqtcp://HOST:PORT".to_owned()))?;
        let known = WORDS.iter().find(|(known, ..)| *known == word);
        let (_, spoken, usual) =
            known.ok_or_else(|| wrong(format!("`{word}` is none of mqtt, emqtcp and raw")))?;
        let host = rest.trim_end_matches('/');
        let bracket = host.rfind(']').unwrap_or(0);
        let host = if host[bracket..].contains(':') || *usual == 0 {
            host.to_owned()
        } else {
            format!("{host}:{usual}")
        };
        let mut addresses = host
            .to_socket_addrs()
            .map_err(|error| wrong(format!("no address of that name: {error}")))?;
        let address = addresses
            .next()
            .ok_or_else(|| wrong("no address of that name".to_owned()))?;
        Ok(Self {
            spoken: *spoken,
            address,
        })
    }

    /// Connects once, and hangs up.
    pub fn probe(&self) -> Result<(), BenchError> {
        match TcpStream::connect_timeout(&self.address, PATIENCE) {
            Ok(_) => Ok(()),
            Err(source) => Err(BenchError::Unreachable {
                target: self.to_string(),
                source,
            }),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = WORDS
            .iter()
            .find(|(_, known, _)| *known == self.spoken)
            .map_or("", |row| row.0);
        write!(out, "{word}://{}", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_and_written_back() {
        for text in [
            "mqtt://127.0.0.1:1884",
            "emqtcp://[::1]:8091",
            "raw://127.0.0.1:9",
        ] {
            assert_eq!(Target::parse(text).unwrap().to_string(), text);
        }
        let usual = [("mqtt://127.0.0.1", 1_883), ("emqtcp://[::1]/", 8_090)];
        for (text, port) in usual {
            assert_eq!(Target::parse(text).unwrap().address.port(), port);
        }
        for text in [
            "127.0.0.1:1883",
            "coap://127.0.0.1:1",
            "mqtt://:x",
            "mqtt://",
            "raw://127.0.0.1",
        ] {
            assert!(
                Target::parse(text).is_err_and(|error| error.to_string().contains(text)),
                "{text}"
            );
        }
    }
}

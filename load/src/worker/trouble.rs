//! Why a client's connection ended, or was never made: the reasons that an outcome lists with how often each.

use ringwire_codec::mqtt::{DecodeError, EncodeError, PacketType};
use ringwire_codec::private::{ConnAckCode, FrameError};
use std::io;

/// What went wrong with one client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("{0}")]
    Socket(io::Error),
    #[error("no local port is left: connect from more source addresses")]
    NoPort,
    #[error("no file descriptor is left: raise the limit on open files")]
    NoFile,
    #[error("closed by the broker without a word")]
    Closed,
    #[error("no answer")]
    NoAnswer,
    #[error("refused: {0}")]
    Refused(&'static str),
    #[error("device refused: {0:?}")]
    DeviceRefused(ConnAckCode),
    #[error("DISCONNECT: {0}")]
    Disconnected(&'static str),
    #[error("subscription refused: {0}")]
    SubscriptionRefused(&'static str),
    #[error("message refused: {0}")]
    MessageRefused(&'static str),
    #[error("the broker sent what is not MQTT: {0}")]
    Malformed(#[from] DecodeError),
    #[error("the broker sent what is not the private protocol: {0}")]
    MalformedFrame(#[from] FrameError),
    #[error("the broker sent {0}, which only a client sends or nobody asked for")]
    Unexpected(PacketType),
    #[error("the broker sent a frame of the private protocol that only a device sends")]
    UnexpectedFrame,
    #[error("the broker acknowledged a packet that is not under way")]
    NotUnderWay,
    #[error("a frame that the plan asks for cannot be written: {0}")]
    Unwritable(#[from] EncodeError),
    #[error("client id, username and password are too long for the private protocol")]
    UnwritableConnect,
}

impl Trouble {
    /// Of a socket.
    pub(crate) fn of_errno(errno: i32) -> Self {
        Self::of_error(io::Error::from_raw_os_error(errno))
    }

    /// Of a socket.
    pub(crate) fn of_error(error: io::Error) -> Self {
        /// `EMFILE`, `ENFILE`: they have no name in the standard library.
        const NO_FILES: [i32; 2] = [24, 23];
        match error.raw_os_error() {
            Some(code) if NO_FILES.contains(&code) => Self::NoFile,
            Some(_) | None if error.kind() == io::ErrorKind::AddrNotAvailable => Self::NoPort,
            Some(_) | None => Self::Socket(error),
        }
    }
}

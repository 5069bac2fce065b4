//! A device's side of the private TCP protocol, version 1: publish up, receive down, stay alive, connect again.
//!
//! [`Device`] is what most want: it has a socket of the standard library, needs no async runtime and no thread, and
//! connects again by itself. [`Session`] below it is one connection without a socket and without a clock, for those who
//! have their own; [`Backoff`] says how long to wait between two of them. The frames are `ringwire-codec`'s.
//!
//! ```no_run
//! use ringwire_device::{Device, Event, Settings};
//! use std::time::Duration;
//!
//! let settings = Settings::new("meter-7").keepalive_s(60);
//! let mut device = Device::new("127.0.0.1:8090", settings)?;
//! loop {
//!     match device.wait(Duration::from_secs(10)) {
//!         Some(Event::Message(payload)) => println!("told {} bytes", payload.len()),
//!         Some(Event::Online { text }) => println!("online: {text}"),
//!         Some(Event::Offline { reason, retry_in }) => println!("{reason}; again in {retry_in:?}"),
//!         None => drop(device.publish(b"21.5C")), // ten seconds have passed; lost while offline
//!     }
//! }
//! # Ok::<(), ringwire_device::SettingsError>(())
//! ```
#![forbid(unsafe_code)]

mod backoff;
mod device;
mod session;
mod settings;

pub use backoff::Backoff;
pub use device::{Device, Event};
pub use session::{Arrival, Lost, PublishError, Refusal, Session};
pub use settings::{Settings, SettingsError};

/// The largest payload of a message in bytes.
pub const PAYLOAD_BYTES_MAX: usize = ringwire_codec::private::PAYLOAD_BYTES_MAX;

//! Who the device is and how patient: given once, checked once.
//!
//! [`Settings`] is built by chaining and checked when a session is made of it, so that nothing that cannot be said on
//! the wire gets as far as a socket. What only the broker can judge, such as a `/` in the client id, is left to it.

use crate::PAYLOAD_BYTES_MAX;
use std::time::Duration;

/// Who the device is, and its limits.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) client_id: String,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) keepalive_s: u8,
    pub(crate) timeout: Duration,
    pub(crate) backoff_min: Duration,
    pub(crate) backoff_max: Duration,
    pub(crate) stable: Duration,
    pub(crate) queue_bytes_max: usize,
}

/// What settings cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Brokers refuse an empty client id.
    #[error("the client id is empty; each device needs one of its own")]
    NoClientId,
    /// The protocol has a place for a password behind a username only.
    #[error("a password without a username; set both or none")]
    PasswordWithoutUsername,
    /// CONNECT is one frame.
    #[error("client id, username and password take {size} bytes of CONNECT, more than {PAYLOAD_BYTES_MAX}")]
    TooLarge {
        /// Payload bytes of CONNECT.
        size: usize,
    },
    /// The waits grow from the shortest to the longest.
    #[error("the shortest wait is 0 or longer than the longest one")]
    Backoff,
    /// Then every connection would be lost at once.
    #[error("a timeout of 0 gives no connection any time")]
    NoTime,
}

impl Settings {
    /// A device without credentials; keepalive 60 s, timeout 10 s, waits from 1 s to 2 min.
    pub fn new(client_id: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            username: None,
            password: None,
            keepalive_s: 60,
            timeout: Duration::from_secs(10),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(120),
            stable: Duration::from_secs(10),
            queue_bytes_max: 1 << 20,
        }
    }

    /// The username that the broker checks.
    #[must_use]
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// The password; needs a username.
    #[must_use]
    pub fn password(mut self, password: impl Into<Vec<u8>>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// The broker closes after one and a half of so many seconds of silence; the device pings after three quarters of
    /// it. 0: off.
    #[must_use]
    pub fn keepalive_s(mut self, seconds: u8) -> Self {
        self.keepalive_s = seconds;
        self
    }

    /// How long connecting, the answer to CONNECT, a PONG, or a socket that takes nothing is waited for.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The wait after a first loss, which doubles with each further one, and the longest, which a refusal waits at once.
    #[must_use]
    pub fn backoff(mut self, min: Duration, max: Duration) -> Self {
        (self.backoff_min, self.backoff_max) = (min, max);
        self
    }

    /// Who was online for so long begins with the shortest wait again. Default 10 s.
    #[must_use]
    pub fn stable(mut self, time: Duration) -> Self {
        self.stable = time;
        self
    }

    /// Bytes that may wait for a slow socket, headers included; a publish beyond is refused. Default 1 MiB. A message that finds
    /// nothing waiting is always taken.
    #[must_use]
    pub fn queue_bytes_max(mut self, bytes: usize) -> Self {
        self.queue_bytes_max = bytes;
        self
    }

    /// # Errors
    /// What is wrong with these settings.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let size = 1
            + 2
            + self.client_id.len()
            + self.username.as_ref().map_or(0, |username| 2 + username.len())
            + self.password.as_ref().map_or(0, |password| 2 + password.len());
        if self.client_id.is_empty() {
            Err(SettingsError::NoClientId)
        } else if self.password.is_some() && self.username.is_none() {
            Err(SettingsError::PasswordWithoutUsername)
        } else if size > PAYLOAD_BYTES_MAX {
            Err(SettingsError::TooLarge { size })
        } else if self.backoff_min.is_zero() || self.backoff_min > self.backoff_max {
            Err(SettingsError::Backoff)
        } else if self.timeout.is_zero() {
            Err(SettingsError::NoTime)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_wire_cannot_say_is_refused_before_a_socket_is_opened() {
        let good = Settings::new("d");
        let ms = Duration::from_millis;
        let rows = [
            (good.clone(), Ok(())),
            (good.clone().username("u").password("p"), Ok(())),
            (Settings::new(""), Err(SettingsError::NoClientId)),
            (
                good.clone().password("p"),
                Err(SettingsError::PasswordWithoutUsername),
            ),
            (good.clone().username("u".repeat(65_529)), Ok(())),
            (
                good.clone().username("u".repeat(65_530)),
                Err(SettingsError::TooLarge { size: 65_536 }),
            ),
            (good.clone().backoff(ms(2), ms(1)), Err(SettingsError::Backoff)),
            (good.clone().backoff(ms(0), ms(1)), Err(SettingsError::Backoff)),
            (good.timeout(ms(0)), Err(SettingsError::NoTime)),
        ];
        for (settings, wanted) in rows {
            assert_eq!(settings.check(), wanted);
        }
    }
}

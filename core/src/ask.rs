//! What an engine asks of others because it cannot know it itself, and what it is told.
//!
//! At present how a client proves who it is by a method of enhanced authentication (5.0 section 4.12): no engine knows a
//! method's secrets, nor has the random numbers that it needs. Asks leave with the other actions, answers come back as
//! `Input::Answered`. At most one ask of a connection waits for its answer.

use crate::ConnectionId;
use bytes::Bytes;

/// A question about a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Whom it is about; comes back in the answer.
    pub connection: ConnectionId,
    /// What of its exchange.
    pub step: Step,
}

/// A step of an authentication exchange. Data is what the client sent, empty when it sent none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Step {
    /// The client wants to prove who it is, by a method of `Access::methods`. An older exchange of the connection is over.
    Begin { method: Box<str>, data: Bytes },
    /// What it says to the last `Answer::Continue`.
    Continue { data: Bytes },
    /// Whoever answers may forget the exchange: no answer is wanted.
    Abandon,
}

/// The answer to `Step::Begin` or `Step::Continue`. Data is for the client; an empty one is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Answer {
    /// More is needed of the client.
    Continue { data: Bytes },
    /// It proved that it is this user. The exchange is over.
    Accepted { username: Box<str>, data: Bytes },
    /// It did not. The exchange is over.
    Refused,
    /// Whoever answers has too much to do. The exchange is over.
    Busy,
}

//! One client's exchange: two messages from it, two to it (RFC 5802 section 5), by the crate rsasl.
//!
//! rsasl 2.3 takes slices of what a client sent without looking at its length, so that a short attribute would end the
//! process: only messages of the right shape get to it. What is wrong with a message is never told: the client is refused.

use super::credentials::{Credentials, prepare};
use crate::authority::Exchange;
use ringwire_core::Answer;
use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::scram::SCRAM_SHA256;
use rsasl::mechanisms::scram::properties::ScramStoredPassword;
use rsasl::prelude::{
    Mechanism, Mechname, Registry, SASLConfig, SASLServer, Session, SessionError, State, Validation,
};
use rsasl::property::{AuthId, AuthzId};
use rsasl::validate::{Validate, ValidationError};
use std::sync::Arc;

static MECHANISMS: [Mechanism; 1] = [SCRAM_SHA256];

/// Credentials as rsasl asks for them. Cheap to clone; exchanges keep those that they began with.
#[derive(Clone)]
pub struct Users(Option<Arc<SASLConfig>>);

impl Users {
    pub fn new(credentials: Credentials) -> Self {
        let builder = SASLConfig::builder().with_registry(Registry::with_mechanisms(&MECHANISMS));
        Self(builder.with_callback(Lookup(credentials)).ok())
    }
}

/// What rsasl hands out when a proof was right: the username.
struct Proved;

impl Validation for Proved {
    type Value = String;
}

struct Lookup(Credentials);

impl SessionCallback for Lookup {
    fn callback(
        &self,
        _session: &SessionData,
        context: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        let sent = context.get_ref::<AuthId>().unwrap_or_default();
        // A name that cannot be one is as unknown as any other.
        let name = username(sent).unwrap_or_else(|| sent.to_owned());
        let keys = self.0.keys(&name);
        let (salt, stored, server) = (&keys.salt[..], &keys.stored_key[..], &keys.server_key[..]);
        let stored = ScramStoredPassword::new(keys.iterations, salt, stored, server);
        request.satisfy::<ScramStoredPassword<'_>>(&stored)?;
        Ok(())
    }

    fn validate(
        &self,
        _session: &SessionData,
        context: &Context<'_>,
        validate: &mut Validate<'_>,
    ) -> Result<(), ValidationError> {
        let sent = context.get_ref::<AuthId>().unwrap_or_default();
        let acts_as = context.get_ref::<AuthzId>();
        let name = username(sent).filter(|name| self.0.is_known(name));
        // Nobody may act as somebody else.
        if let Some(name) =
            name.filter(|name| acts_as.is_none_or(|other| username(other).as_ref() == Some(name)))
        {
            validate.finalize::<Proved>(name);
        }
        Ok(())
    }
}

/// A username as it was sent: `=2C` stands for a comma, `=3D` for an equals sign.
fn username(sent: &str) -> Option<String> {
    let mut name = String::with_capacity(sent.len());
    let mut parts = sent.split('=');
    name.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (character, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (None, Some(rest)) => ('=', rest),
            (None, None) => return None,
        };
        name.push(character);
        name.push_str(rest);
    }
    prepare(&name).ok()
}

/// An exchange that is not over.
pub struct ScramExchange {
    session: Session<Proved>,
    is_first: bool,
}

impl ScramExchange {
    /// `None` when rsasl does not know the method, which `MECHANISMS` makes impossible.
    pub fn begin(users: &Users) -> Option<Self> {
        let name = Mechname::parse(super::NAME.as_bytes()).ok()?;
        let server = SASLServer::<Proved>::new(Arc::clone(users.0.as_ref()?));
        Some(Self {
            session: server.start_suggested(name).ok()?,
            is_first: true,
        })
    }
}

impl Exchange for ScramExchange {
    fn step(&mut self, data: &[u8]) -> Answer {
        let has_shape = match std::mem::take(&mut self.is_first) {
            true => is_client_first(data),
            false => is_client_final(data),
        };
        if !has_shape {
            return Answer::Refused;
        }
        let mut reply = Vec::new();
        match self.session.step(Some(data), &mut reply) {
            Ok(State::Running) => Answer::Continue { data: reply.into() },
            Ok(State::Finished(_)) => self.session.validation().map_or(Answer::Refused, |username| {
                let (username, data) = (username.into(), reply.into());
                Answer::Accepted { username, data }
            }),
            Err(_) => Answer::Refused,
        }
    }
}

/// `n,[a=NAME],n=NAME,r=NONCE[,x=...]`; `y` for `n` where the client could bind a channel.
fn is_client_first(data: &[u8]) -> bool {
    let mut parts = data.split(|byte| *byte == b',');
    let flag = parts.next().is_some_and(|flag| flag == b"n" || flag == b"y");
    let acts_as = parts.next();
    let acts_as = acts_as.is_some_and(|name| name.is_empty() || name.starts_with(b"a=") && name.len() > 2);
    let first = [parts.next(), parts.next()];
    let named = first[0].is_some_and(|name| name.starts_with(b"n=") && name.len() > 2);
    let nonce = first[1].is_some_and(|nonce| nonce.starts_with(b"r=") && nonce.len() > 2);
    flag && acts_as && named && nonce && parts.all(is_attribute)
}

/// `c=BINDING,r=NONCE[,x=...],p=PROOF`
fn is_client_final(data: &[u8]) -> bool {
    let parts: Vec<_> = data.split(|byte| *byte == b',').collect();
    parts.len() >= 3
        && parts[0].starts_with(b"c=")
        && parts[1].starts_with(b"r=")
        && parts[parts.len() - 1].starts_with(b"p=")
        && parts.into_iter().all(is_attribute)
}

fn is_attribute(part: &[u8]) -> bool {
    part.len() >= 2 && part[0].is_ascii_alphabetic() && part[1] == b'='
}

//! `/api/v5/mqtt/retainer/message/{topic}`: the retained message of one topic, shown and removed at the topic's home.
//!
//! Removing it tells no subscriber, unlike a publish without payload.

use crate::ask::ask;
use crate::refusal::Refusal;
use crate::server::State;
use axum::Json;
use axum::extract;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ringwire_shard::{Mailbox, Question};
use serde::Serialize;
use std::sync::Arc;

/// A message as EMQX's API has it.
#[derive(Serialize)]
pub(crate) struct Retained {
    topic: String,
    qos: u8,
    /// Base64.
    payload: String,
    from_clientid: String,
}

type Topic = Result<extract::Path<String>, PathRejection>;

fn home<'a>(state: &'a State, topic: &str) -> &'a Mailbox {
    &state.node.mailboxes[state.node.placement.home(topic.as_bytes()).index()]
}

fn text(topic: Topic) -> Result<String, Refusal> {
    let extract::Path(topic) = topic.map_err(|rejection| Refusal::BadRequest(rejection.body_text()))?;
    Ok(topic)
}

/// `GET`
pub(crate) async fn one(
    extract::State(state): extract::State<Arc<State>>,
    topic: Topic,
) -> Result<Json<Retained>, Refusal> {
    let topic = text(topic)?;
    let message = ask(home(&state, &topic), |reply| Question::Retained { topic, reply }).await?;
    let message = message.ok_or(Refusal::NotRetained)?;
    Ok(Json(Retained {
        topic: message.topic().to_owned(),
        qos: message.qos as u8,
        payload: STANDARD.encode(message.payload()),
        from_clientid: String::from_utf8_lossy(message.publisher()).into_owned(),
    }))
}

/// `DELETE`
pub(crate) async fn remove(
    extract::State(state): extract::State<Arc<State>>,
    topic: Topic,
) -> Result<StatusCode, Refusal> {
    let topic = text(topic)?;
    match ask(home(&state, &topic), |reply| Question::Forget { topic, reply }).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refusal::NotRetained),
    }
}

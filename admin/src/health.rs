//! `GET /healthz`: the control thread answers. `GET /readyz`: every shard takes turns.

use crate::ask::ask_all;
use crate::server::State;
use axum::Json;
use axum::extract;
use axum::http::StatusCode;
use ringwire_shard::Question;
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
pub(crate) struct Health {
    status: &'static str,
    node: String,
}

#[derive(Serialize)]
pub(crate) struct Readiness {
    status: &'static str,
    node: String,
    shards: usize,
    /// Shards that did not answer within the deadline.
    unanswered: Vec<u16>,
}

/// Always 200.
pub(crate) async fn healthz(extract::State(state): extract::State<Arc<State>>) -> Json<Health> {
    Json(Health {
        status: "ok",
        node: state.node.name.clone(),
    })
}

/// 200 when every shard answers, else 503 with those that do not.
pub(crate) async fn readyz(
    extract::State(state): extract::State<Arc<State>>,
) -> (StatusCode, Json<Readiness>) {
    let answers = ask_all(&state.node.mailboxes, |reply| Question::Ping { reply }).await;
    let unanswered: Vec<u16> = answers
        .iter()
        .filter_map(|answer| answer.err())
        .map(|shard| shard.0)
        .collect();
    let (code, status) = match unanswered.is_empty() {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
    };
    let node = state.node.name.clone();
    (
        code,
        Json(Readiness {
            status,
            node,
            shards: answers.len(),
            unanswered,
        }),
    )
}

//! `/api/v5/adapters`: what private protocols the node speaks, and the reload of one whose description or module changed.
//!
//! A reload is all or nothing: what cannot be read, or does not fit its listeners, changes nothing and says why. It is
//! read on a thread of its own, because compiling a module takes longer than others may wait; one at a time.

use crate::ask::ask_all;
use crate::refusal::Refusal;
use crate::server::State;
use axum::Json;
use axum::extract;
use axum::extract::rejection::PathRejection;
use ringwire_codec::adapter::Blueprint;
use ringwire_core::ListenerId;
use ringwire_shard::Question;
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};

/// Reads an adapter again, as it is now, and checks it for its listeners. The error is for people, all of it.
pub type Load = Arc<dyn Fn() -> Result<Arc<dyn Blueprint>, String> + Send + Sync>;

/// An adapter of the configuration.
#[derive(Clone)]
pub struct Adapter {
    /// Its name there.
    pub name: String,
    /// `description`, `module` or `builtin`.
    pub kind: &'static str,
    /// The file that it is read from, or the name of what is built in.
    pub origin: String,
    /// Who speaks with it, by name.
    pub listeners: Vec<(ListenerId, String)>,
    /// `None` for what cannot change.
    pub load: Option<Load>,
    /// What new connections get.
    pub current: Arc<Mutex<Arc<dyn Blueprint>>>,
}

impl Adapter {
    fn row(&self) -> Row {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        Row {
            name: self.name.clone(),
            r#type: self.kind,
            origin: self.origin.clone(),
            protocol: current.name().to_owned(),
            fields: current.fields(),
            listeners: self.listeners.iter().map(|(_, name)| name.clone()).collect(),
        }
    }
}

/// An adapter as it is listed.
#[derive(Serialize)]
pub(crate) struct Row {
    name: String,
    r#type: &'static str,
    origin: String,
    protocol: String,
    fields: Vec<String>,
    listeners: Vec<String>,
}

#[derive(Serialize)]
pub(crate) struct Listing {
    data: Vec<Row>,
}

/// `GET /api/v5/adapters`
pub(crate) async fn list(extract::State(state): extract::State<Arc<State>>) -> Json<Listing> {
    let data = state.node.adapters.iter().map(Adapter::row).collect();
    Json(Listing { data })
}

/// `POST /api/v5/adapters/NAME/reload`: connections from then on speak with it as it is now.
pub(crate) async fn reload(
    extract::State(state): extract::State<Arc<State>>,
    name: Result<extract::Path<String>, PathRejection>,
) -> Result<Json<Row>, Refusal> {
    let extract::Path(name) = name.map_err(|error| Refusal::BadRequest(error.body_text()))?;
    let adapter = state.node.adapters.iter().find(|adapter| adapter.name == name);
    let adapter = adapter.ok_or(Refusal::AdapterNotFound)?;
    let _one_at_a_time = state.reloading.lock().await;
    let load = adapter.load.clone().ok_or(Refusal::BuiltIn)?;
    let loaded = tokio::task::spawn_blocking(move || load()).await;
    let loaded = loaded.unwrap_or_else(|error| Err(error.to_string()));
    let blueprint = loaded.map_err(Refusal::BadRequest)?;
    let mut silent = None;
    for &(listener, _) in &adapter.listeners {
        let told = ask_all(&state.node.mailboxes, |reply| Question::Adapt {
            listener,
            adapter: blueprint.clone(),
            reply,
        });
        // A shard that is too busy to answer has it in its mailbox, and the other listeners must not stay behind.
        silent = silent.or(told.await.into_iter().find_map(Result::err));
    }
    if let Some(shard) = silent {
        return Err(Refusal::Unanswered(shard));
    }
    *adapter.current.lock().unwrap_or_else(PoisonError::into_inner) = blueprint;
    tracing::info!(adapter = name, "reloaded");
    Ok(Json(adapter.row()))
}

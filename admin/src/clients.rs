//! `/api/v5/clients`: pages of all shards' clients in order of client id, one client, and its kick.
//!
//! No shard is asked for more than one chunk in one question, so that no listing holds up its turns; the pages that can be
//! reached by number are bounded, and `after` goes on from any client id.

use crate::Node;
use crate::ask::{ask, ask_all};
use crate::moment::text_of_ms;
use crate::paging::{Meta, first_page, usual_limit};
use crate::refusal::Refusal;
use crate::server::State;
use axum::Json;
use axum::extract;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::StatusCode;
use ringwire_core::client::Client;
use ringwire_shard::{Mailbox, Question};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Clients on a page.
const LIMIT_MAX: usize = 1_000;

/// Clients that a shard copies out in one turn.
const CHUNK_CLIENTS: usize = 1_000;

/// Clients before the end of a page that is reached by its number.
const REACH_MAX: usize = 100_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    #[serde(default = "first_page")]
    page: usize,
    #[serde(default = "usual_limit")]
    limit: usize,
    /// Only clients whose id sorts after this one; the page number counts from there.
    after: Option<String>,
    /// Only clients whose id contains this.
    #[serde(default)]
    like_clientid: String,
}

#[derive(Serialize)]
pub(crate) struct Listing {
    data: Vec<Row>,
    meta: Meta,
}

/// A client as EMQX's API has it, and `shard`.
#[derive(Serialize)]
pub(crate) struct Row {
    node: String,
    clientid: String,
    username: Option<String>,
    connected: bool,
    ip_address: Option<String>,
    port: Option<u16>,
    listener: String,
    proto_name: String,
    proto_ver: u8,
    keepalive: u16,
    clean_start: bool,
    expiry_interval: u32,
    connected_at: Option<String>,
    subscriptions_cnt: usize,
    inflight_cnt: usize,
    mqueue_len: usize,
    mqueue_dropped: u64,
    recv_msg: u64,
    send_msg: u64,
    shard: u16,
}

impl Row {
    fn new(client: Client, node: &Node) -> Self {
        let connected_at_ms = client
            .connected
            .then_some(node.started_unix_ms + client.connected_at_ms);
        Self {
            node: node.name.clone(),
            connected_at: connected_at_ms.map(text_of_ms),
            clientid: client.clientid,
            username: client.username,
            connected: client.connected,
            ip_address: client.peer.map(|peer| peer.ip().to_string()),
            port: client.peer.map(|peer| peer.port()),
            listener: client.listener,
            proto_name: client.proto_name,
            proto_ver: client.proto_ver,
            keepalive: client.keepalive,
            clean_start: client.clean_start,
            expiry_interval: client.expiry_interval,
            subscriptions_cnt: client.subscriptions_cnt,
            inflight_cnt: client.inflight_cnt,
            mqueue_len: client.mqueue_len,
            mqueue_dropped: client.mqueue_dropped,
            recv_msg: client.recv_msg,
            send_msg: client.send_msg,
            shard: client.shard,
        }
    }
}

impl Page {
    /// How many clients come before this page.
    fn skip(&self) -> Result<usize, Refusal> {
        let refused = |text: String| Err(Refusal::BadRequest(text));
        if self.page == 0 {
            return refused("page: the first page is 1".to_owned());
        }
        if self.limit == 0 || self.limit > LIMIT_MAX {
            return refused(format!("limit: 1 to {LIMIT_MAX}"));
        }
        match self.page.checked_mul(self.limit) {
            Some(reach) if reach <= REACH_MAX => Ok(reach - self.limit),
            Some(_) | None => refused(format!(
                "page: pages end at client {REACH_MAX}; from there use after=CLIENTID"
            )),
        }
    }
}

/// `GET /api/v5/clients?page=&limit=&after=`
pub(crate) async fn list(
    extract::State(state): extract::State<Arc<State>>,
    page: Result<extract::Query<Page>, QueryRejection>,
) -> Result<Json<Listing>, Refusal> {
    let extract::Query(page) = page.map_err(|rejection| Refusal::BadRequest(rejection.body_text()))?;
    let node = &state.node;
    let mut skip = page.skip()?;
    let mut after = page.after;
    while skip > 0 {
        let skipped = chunk(
            node,
            (after.clone(), &page.like_clientid),
            skip.min(CHUNK_CLIENTS),
        )
        .await?;
        match skipped.last() {
            Some(last) => after = Some(last.clientid.clone()),
            None => break,
        }
        skip -= skipped.len();
    }
    let (mut clients, mut hasnext) = (Vec::new(), false);
    if skip == 0 {
        // One more than the page holds, to know whether another follows.
        clients = chunk(node, (after, &page.like_clientid), page.limit + 1).await?;
        hasnext = clients.len() > page.limit;
        clients.truncate(page.limit);
    }
    let data = clients.into_iter().map(|client| Row::new(client, node)).collect();
    let count = match page.like_clientid.is_empty() {
        true => Some(count(&node.mailboxes).await?),
        false => None,
    };
    Ok(Json(Listing {
        data,
        meta: Meta {
            page: page.page,
            limit: page.limit,
            count,
            hasnext,
        },
    }))
}

/// The next `limit` clients of all shards after one, and like another, sorted by client id.
async fn chunk(
    node: &Node,
    (after, like): (Option<String>, &str),
    limit: usize,
) -> Result<Vec<Client>, Refusal> {
    let question = |reply| Question::Clients {
        after: after.clone(),
        like: like.to_owned(),
        limit,
        reply,
    };
    let mut clients = Vec::new();
    for answer in ask_all(&node.mailboxes, question).await {
        clients.extend(answer.map_err(Refusal::Unanswered)?);
    }
    // A client id has one home, so no two are equal.
    clients.sort_unstable_by(|a, b| a.clientid.cmp(&b.clientid));
    clients.truncate(limit);
    Ok(clients)
}

async fn count(mailboxes: &[Mailbox]) -> Result<u64, Refusal> {
    let mut count = 0;
    for answer in ask_all(mailboxes, |reply| Question::Stats { reply }).await {
        count += answer.map_err(Refusal::Unanswered)?.engine.sessions;
    }
    Ok(count)
}

/// `GET /api/v5/clients/{clientid}`
pub(crate) async fn one(
    extract::State(state): extract::State<Arc<State>>,
    client_id: Result<extract::Path<String>, PathRejection>,
) -> Result<Json<Row>, Refusal> {
    let client_id = text(client_id)?;
    let home = home(&state, &client_id);
    let client = ask(home, |reply| Question::Client { client_id, reply }).await?;
    let client = client.ok_or(Refusal::ClientNotFound)?;
    Ok(Json(Row::new(client, &state.node)))
}

/// A subscription as EMQX's API has it.
#[derive(Serialize)]
pub(crate) struct Subscription {
    node: String,
    clientid: String,
    topic: String,
    qos: u8,
    nl: u8,
    rap: u8,
    rh: u8,
}

/// `GET /api/v5/clients/{clientid}/subscriptions`
pub(crate) async fn subscriptions(
    extract::State(state): extract::State<Arc<State>>,
    client_id: Result<extract::Path<String>, PathRejection>,
) -> Result<Json<Vec<Subscription>>, Refusal> {
    let client_id = text(client_id)?;
    let question = |reply| Question::Subscriptions {
        client_id: client_id.clone(),
        reply,
    };
    let held = ask(home(&state, &client_id), question).await?;
    let rows = held
        .ok_or(Refusal::ClientNotFound)?
        .into_iter()
        .map(|held| Subscription {
            node: state.node.name.clone(),
            clientid: client_id.clone(),
            topic: held.topic,
            qos: held.qos,
            nl: held.nl.into(),
            rap: held.rap.into(),
            rh: held.rh,
        });
    Ok(Json(rows.collect()))
}

/// `DELETE /api/v5/clients/{clientid}`: closes the client and ends its session.
pub(crate) async fn kick(
    extract::State(state): extract::State<Arc<State>>,
    client_id: Result<extract::Path<String>, PathRejection>,
) -> Result<StatusCode, Refusal> {
    let client_id = text(client_id)?;
    let home = home(&state, &client_id);
    match ask(home, |reply| Question::Kick { client_id, reply }).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refusal::ClientNotFound),
    }
}

fn text(client_id: Result<extract::Path<String>, PathRejection>) -> Result<String, Refusal> {
    let extract::Path(client_id) =
        client_id.map_err(|rejection| Refusal::BadRequest(rejection.body_text()))?;
    Ok(client_id)
}

fn home<'a>(state: &'a State, client_id: &str) -> &'a Mailbox {
    &state.node.mailboxes[state.node.placement.home(client_id.as_bytes()).index()]
}

//! `/api/v5/banned`: who may not connect. Listed, added, lifted one by one or all at once; EMQX's fields.
//!
//! Every shard has all bans, so one is asked for the list, and all are told of a change.

use crate::ask::{ask, ask_all};
use crate::moment::{Moment, text_of_s};
use crate::paging::{Meta, first_page, usual_limit};
use crate::refusal::Refusal;
use crate::server::State;
use axum::Json;
use axum::extract;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use ringwire_core::bans::{Ban, BanObjection, Banned};
use ringwire_shard::Question;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bans on a page.
const LIMIT_MAX: usize = 10_000;

/// Bytes of whom, by whom and why, each.
const TEXT_BYTES_MAX: usize = 1_024;

/// Which bans, and which page of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    #[serde(default = "first_page")]
    page: usize,
    #[serde(default = "usual_limit")]
    limit: usize,
    /// Exactly this one.
    clientid: Option<String>,
    username: Option<String>,
    peerhost: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Listing {
    data: Vec<Row>,
    meta: Meta,
}

#[derive(Serialize)]
pub(crate) struct Row {
    r#as: &'static str,
    who: String,
    by: String,
    reason: String,
    at: String,
    until: String,
}

impl Row {
    fn new(ban: &Ban) -> Self {
        Self {
            r#as: ban.who.kind(),
            who: ban.who.to_string(),
            by: ban.by.clone(),
            reason: ban.reason.clone(),
            at: text_of_s(Some(ban.at_s)),
            until: text_of_s(ban.until_s),
        }
    }
}

/// A ban to be made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    r#as: String,
    who: String,
    #[serde(default = "usual_author")]
    by: String,
    #[serde(default)]
    reason: String,
    at: Option<Moment>,
    until: Option<Moment>,
}

fn usual_author() -> String {
    "mgmt_api".to_owned()
}

impl Request {
    fn ban(self) -> Result<Ban, Refusal> {
        let refused = |text: &str| Err(Refusal::BadRequest(text.to_owned()));
        if [&self.who, &self.by, &self.reason]
            .iter()
            .any(|text| text.len() > TEXT_BYTES_MAX)
        {
            return refused(&format!("who, by, reason: at most {TEXT_BYTES_MAX} bytes each"));
        }
        let who = banned(&self.r#as, &self.who)?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let at = self.at.as_ref().map_or(Some(Some(now)), Moment::seconds);
        let until = self.until.as_ref().map_or(Some(None), Moment::seconds);
        let (Some(Some(at_s)), Some(until_s)) = (at, until) else {
            return refused(
                "at, until: a time like 2030-11-11T10:24:00Z, or seconds since 1970; until also infinity",
            );
        };
        if until_s.is_some_and(|until_s| until_s <= now) {
            return refused("until: is over already");
        }
        Ok(Ban {
            who,
            by: self.by,
            reason: self.reason,
            at_s,
            until_s,
        })
    }
}

fn banned(kind: &str, who: &str) -> Result<Banned, Refusal> {
    Banned::parse(kind, who).ok_or_else(|| {
        let forms =
            "as: clientid, username, peerhost (an address) or peerhost_net (a network like 10.0.0.0/8)";
        Refusal::BadRequest(format!("{forms}, and who: that of this kind"))
    })
}

/// `GET /api/v5/banned?page=&limit=`
pub(crate) async fn list(
    extract::State(state): extract::State<Arc<State>>,
    page: Result<extract::Query<Page>, QueryRejection>,
) -> Result<Json<Listing>, Refusal> {
    let extract::Query(page) = page.map_err(|rejection| Refusal::BadRequest(rejection.body_text()))?;
    if page.page == 0 || page.limit == 0 || page.limit > LIMIT_MAX {
        return Err(Refusal::BadRequest(format!(
            "page: from 1 on; limit: 1 to {LIMIT_MAX}"
        )));
    }
    let mut bans = bans(&state).await?;
    let wanted = [
        ("clientid", &page.clientid),
        ("username", &page.username),
        ("peerhost", &page.peerhost),
    ];
    for (kind, who) in wanted {
        if let Some(who) = who {
            let who = banned(kind, who)?;
            bans.retain(|ban| ban.who == who);
        }
    }
    let first = page.page.saturating_sub(1).saturating_mul(page.limit);
    let data = bans
        .iter()
        .skip(first)
        .take(page.limit)
        .map(|ban| Row::new(ban))
        .collect();
    let meta = Meta {
        page: page.page,
        limit: page.limit,
        count: Some(bans.len() as u64),
        hasnext: bans.len() > first.saturating_add(page.limit),
    };
    Ok(Json(Listing { data, meta }))
}

async fn bans(state: &State) -> Result<Vec<Arc<Ban>>, Refusal> {
    ask(&state.node.mailboxes[0], |reply| Question::Bans { reply }).await
}

/// `POST /api/v5/banned`: who is connected and banned by it is closed.
pub(crate) async fn add(
    extract::State(state): extract::State<Arc<State>>,
    body: Result<Json<Request>, JsonRejection>,
) -> Result<Json<Row>, Refusal> {
    let Json(request) = body.map_err(Refusal::of_body)?;
    let ban = Arc::new(request.ban()?);
    let question = |reply| Question::Ban {
        ban: ban.clone(),
        reply,
    };
    for answer in ask_all(&state.node.mailboxes, question).await {
        match answer.map_err(Refusal::Unanswered)? {
            Ok(()) => {}
            Err(BanObjection::Exists(_)) => return Err(Refusal::BannedAlready),
            Err(BanObjection::Full) => return Err(Refusal::TooManyBans),
        }
    }
    Ok(Json(Row::new(&ban)))
}

/// `DELETE /api/v5/banned/{as}/{who}`
pub(crate) async fn lift(
    extract::State(state): extract::State<Arc<State>>,
    path: Result<extract::Path<(String, String)>, PathRejection>,
) -> Result<StatusCode, Refusal> {
    let extract::Path((kind, who)) = path.map_err(|rejection| Refusal::BadRequest(rejection.body_text()))?;
    match unban(&state, vec![banned(&kind, &who)?]).await? {
        0 => Err(Refusal::BanNotFound),
        1.. => Ok(StatusCode::NO_CONTENT),
    }
}

/// `DELETE /api/v5/banned`: all of them.
pub(crate) async fn clear(extract::State(state): extract::State<Arc<State>>) -> Result<StatusCode, Refusal> {
    let all = bans(&state).await?.iter().map(|ban| ban.who.clone()).collect();
    unban(&state, all).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How many of them a shard knew, at most.
async fn unban(state: &State, who: Vec<Banned>) -> Result<usize, Refusal> {
    let question = |reply| Question::Unban {
        who: who.clone(),
        reply,
    };
    let mut known = 0;
    for answer in ask_all(&state.node.mailboxes, question).await {
        known = known.max(answer.map_err(Refusal::Unanswered)?);
    }
    Ok(known)
}

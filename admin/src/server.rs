//! HTTP/1.1 around the routes: who may connect, for how long, and how much they may send.
//!
//! One request a connection: this serves an operator and a scraper, and a connection that lives for one request is
//! bounded by one deadline. The limits are here and nowhere else.

use crate::health::{healthz, readyz};
use crate::metrics::Metrics;
use crate::refusal::Refusal;
use crate::{Node, adapters, banned, clients, metrics, publish, retainer};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{CONTENT_LENGTH, HOST};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Connections at a time. At it further ones wait in the backlog until one ends.
const CONNECTIONS_MAX: usize = 64;

/// From accept to the end of the request's head. At it the connection is closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// From accept to the last byte of the answer. At it the connection is closed.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a request's body: a payload of `publish::PAYLOAD_BYTES_MAX` in base64, and the rest of its JSON. Beyond: 413.
const BODY_BYTES_MAX: usize = 2 << 20;

/// After a failed accept (no descriptors left) before the next one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the handlers share.
pub(crate) struct State {
    pub(crate) node: Node,
    pub(crate) metrics: Metrics,
    /// Held while an adapter is read again.
    pub(crate) reloading: tokio::sync::Mutex<()>,
}

/// See `Admin::serve`.
pub(crate) async fn serve(
    listener: std::net::TcpListener,
    node: Node,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the admin endpoint cannot be served");
            return;
        }
    };
    let accepting = tokio::spawn(accept(listener, routes(node)));
    stop.await;
    accepting.abort();
    // The listener and every connection are gone when this returns; the error is that of the abort.
    let _ = accepting.await;
}

fn routes(node: Node) -> Router {
    let metrics = Metrics::new();
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics::text))
        .route("/api/v5/clients", get(clients::list))
        .route(
            "/api/v5/clients/{clientid}",
            get(clients::one).delete(clients::kick),
        )
        .route(
            "/api/v5/clients/{clientid}/subscriptions",
            get(clients::subscriptions),
        )
        .route(
            "/api/v5/mqtt/retainer/message/{*topic}",
            get(retainer::one).delete(retainer::remove),
        )
        .route(
            "/api/v5/banned",
            get(banned::list).post(banned::add).delete(banned::clear),
        )
        .route("/api/v5/banned/{as}/{*who}", delete(banned::lift))
        .route("/api/v5/adapters", get(adapters::list))
        .route("/api/v5/adapters/{name}/reload", post(adapters::reload))
        .route("/api/v5/publish", post(publish::publish))
        .fallback(async || Refusal::NoSuchPath)
        .method_not_allowed_fallback(async || Refusal::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(admit))
        .with_state(Arc::new(State {
            node,
            metrics,
            reloading: tokio::sync::Mutex::new(()),
        }))
}

async fn admit(request: Request, next: Next) -> Response {
    match refusal(request.headers()) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

/// What can be refused before the body is read: another host, and a body that announces too much. A web page may make its
/// own name resolve to this address and have a browser send requests here (DNS rebinding), but the browser then names the
/// page's host.
fn refusal(headers: &HeaderMap) -> Option<Refusal> {
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if header(HOST).is_some_and(|host| !is_loopback(host)) {
        return Some(Refusal::ForeignHost);
    }
    let announced = header(CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    announced.is_some_and(|bytes| bytes > BODY_BYTES_MAX).then(|| {
        let text = format!("the body has more than {BODY_BYTES_MAX} bytes");
        Refusal::Body(StatusCode::PAYLOAD_TOO_LARGE, text)
    })
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _port)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _port)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn accept(listener: TcpListener, routes: Router) {
    // Dropped, and with it every connection, when this task is aborted.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
            continue;
        }
        match listener.accept().await {
            Ok((stream, _peer)) => drop(connections.spawn(serve_one(stream, routes.clone()))),
            Err(error) => {
                tracing::warn!(%error, "the admin endpoint cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_one(stream: TcpStream, routes: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    match timeout(CONNECTION_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an admin connection ended early"),
        Err(_) => tracing::debug!("an admin connection took too long"),
    }
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_loopback_hosts_are_answered() {
        for host in [
            "localhost",
            "LOCALHOST:18083",
            "127.0.0.1",
            "127.1.2.3:1",
            "[::1]",
            "[::1]:18083",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "example.com:18083",
            "127.0.0.1.example.com",
            "10.0.0.1",
            "[::2]:1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}

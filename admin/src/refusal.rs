//! Every answer that is not what was asked for: its status, and EMQX's `{"code", "message"}` as its body.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ringwire_core::ShardId;
use serde::Serialize;

/// Why a request is not answered with what it asked for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("there is no such path")]
    NoSuchPath,
    #[error("this path does not take this method")]
    MethodNotAllowed,
    #[error("the Host header must name localhost or a loopback address: the endpoint has no credentials yet")]
    ForeignHost,
    /// What is wrong, and in which field.
    #[error("{0}")]
    BadRequest(String),
    /// The body is too large, or not JSON at all: axum chose the status.
    #[error("{1}")]
    Body(StatusCode, String),
    #[error("there is no client with this id")]
    ClientNotFound,
    #[error("there is no adapter of this name in the configuration")]
    AdapterNotFound,
    #[error("this adapter is built in: there is nothing to read again")]
    BuiltIn,
    #[error("there is no retained message for this topic")]
    NotRetained,
    #[error("there is no such ban")]
    BanNotFound,
    #[error("this is banned already: lift that ban first")]
    BannedAlready,
    #[error("there is no room for another ban: limits.bans")]
    TooManyBans,
    #[error("shard {} does not answer", .0.0)]
    Unanswered(ShardId),
}

#[derive(Serialize)]
struct Body {
    code: &'static str,
    message: String,
}

impl Refusal {
    /// A body that could not be read. Well-formed JSON with a wrong field is as bad a request as a wrong topic.
    pub(crate) fn of_body(rejection: JsonRejection) -> Self {
        match rejection.status() {
            StatusCode::UNPROCESSABLE_ENTITY => Self::BadRequest(rejection.body_text()),
            status => Self::Body(status, rejection.body_text()),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPath
            | Self::ClientNotFound
            | Self::AdapterNotFound
            | Self::BanNotFound
            | Self::NotRetained => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::ForeignHost => StatusCode::FORBIDDEN,
            Self::BadRequest(_) | Self::BuiltIn | Self::BannedAlready | Self::TooManyBans => {
                StatusCode::BAD_REQUEST
            }
            Self::Body(status, _) => *status,
            Self::Unanswered(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoSuchPath | Self::AdapterNotFound | Self::BanNotFound | Self::NotRetained => "NOT_FOUND",
            Self::BannedAlready => "ALREADY_EXISTS",
            Self::TooManyBans => "QUOTA_EXCEEDED",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::ForeignHost => "FORBIDDEN",
            Self::BadRequest(_) | Self::BuiltIn | Self::Body(..) => "BAD_REQUEST",
            Self::ClientNotFound => "CLIENTID_NOT_FOUND",
            Self::Unanswered(_) => "SERVICE_UNAVAILABLE",
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Body {
            code: self.code(),
            message: self.to_string(),
        };
        (self.status(), Json(body)).into_response()
    }
}

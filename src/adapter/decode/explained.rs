//! The steps of a description's reading, as lines for people: frame, checksum, which message and why, fields, answer.

use super::super::hex;
use super::super::line::What;
use super::super::vectors::KIND;
use super::both;
use crate::config::form::Form;
use ringwire_codec::adapter::described::Step;
use std::ops::Range;

/// The lines of one step.
pub fn lines(step: &Step) -> String {
    match step {
        Step::Incomplete { at, left, size } => {
            let of = size.map_or_else(String::new, |size| format!(" of {size}"));
            place(*at, *left, &format!("no whole frame yet: {left} bytes{of}"))
        }
        Step::Nothing { at, used } => place(*at, *used, "nothing to do"),
        Step::Skipped { at, used, why } => place(*at, *used, &format!("left out: {why}")),
        Step::Unreadable { at, kind, why } => {
            let kind = KIND.write(kind);
            place(*at, 0, &format!("cannot be read, {kind}: {why}"))
        }
        Step::Frame {
            at,
            used,
            frame,
            body,
            escaped,
        } => {
            let what = if *escaped {
                "frame, without escapes"
            } else {
                "frame"
            };
            let whole = place(*at, *used, &format!("{what}: {}", both(frame)));
            match *body == (0..frame.len()) {
                true => whole,
                false => whole + &inner(&format!("body {}: without what is stripped", range(body))),
            }
        }
        Step::Checksum {
            at,
            over,
            computed,
            found,
            bytes,
        } => inner(&checksum(at, over, (*computed, *found), *bytes)),
        Step::Field { path, at, raw, value } => {
            let at = at.map_or_else(|| "-".to_owned(), |at| range(&(at..at + raw.len())));
            inner(&format!("{at:>8}  {path} = {value}  ({})", hex::write(raw)))
        }
        Step::NotMatched { message, field } => {
            inner(&format!("is not `{message}`: {field} is something else"))
        }
        Step::Matched { message, role } => inner(&format!("is `{message}`, {role}")),
        Step::Connect { .. }
        | Step::Publish { .. }
        | Step::Heartbeat
        | Step::Acknowledge { .. }
        | Step::Close => what(step).map_or_else(String::new, |what| event(&what.describe())),
        Step::Answer { bytes } => format!("{INDENT}<= {}\n", both(bytes)),
    }
}

/// What the broker is told.
fn what(step: &Step) -> Option<What> {
    Some(match step {
        Step::Connect {
            client_id,
            username,
            password,
            keepalive_s,
        } => What::Connect {
            client_id: client_id.clone(),
            username: username.clone(),
            password: password.clone(),
            keepalive_s: *keepalive_s,
        },
        Step::Publish { payload, .. } => What::Publish {
            payload: payload.clone(),
            values: Vec::new(),
        },
        Step::Heartbeat => What::Heartbeat,
        Step::Acknowledge { number } => What::Acknowledge { number: *number },
        Step::Close => What::Close,
        Step::Incomplete { .. }
        | Step::Nothing { .. }
        | Step::Skipped { .. }
        | Step::Unreadable { .. }
        | Step::Frame { .. }
        | Step::Checksum { .. }
        | Step::Field { .. }
        | Step::NotMatched { .. }
        | Step::Matched { .. }
        | Step::Answer { .. } => return None,
    })
}

const INDENT: &str = "             ";

fn place(at: usize, used: usize, what: &str) -> String {
    format!("{:>5}..{:<5} {what}\n", at, at + used)
}

fn inner(what: &str) -> String {
    format!("{INDENT}{what}\n")
}

fn event(what: &str) -> String {
    format!("{INDENT}=> {what}\n")
}

fn range(range: &Range<usize>) -> String {
    format!("{}..{}", range.start, range.end)
}

fn checksum(
    at: &Range<usize>,
    over: &Range<usize>,
    (computed, found): (u64, Option<u64>),
    bytes: usize,
) -> String {
    let digits = bytes * 2;
    let over = range(over);
    match found {
        Some(found) if found == computed => {
            format!("checksum {}: {found:0digits$x} over {over}, right", range(at))
        }
        Some(found) => format!(
            "checksum {}: {found:0digits$x}, but over {over} it is {computed:0digits$x}",
            range(at)
        ),
        None => format!(
            "checksum {}: none there; over {over} it is {computed:0digits$x}",
            range(at)
        ),
    }
}

//! Pages of a listing, as EMQX's API has them: which one is asked for when nothing is said, and what is told about it.
//!
//! Each listing has its own bounds and finds its own rows.

use serde::Serialize;

/// The page that is meant when none is named.
pub(crate) fn first_page() -> usize {
    1
}

/// Rows of a page when their number is not named; EMQX's default.
pub(crate) fn usual_limit() -> usize {
    100
}

/// What is said about a page beside its rows.
#[derive(Serialize)]
pub(crate) struct Meta {
    pub(crate) page: usize,
    pub(crate) limit: usize,
    /// Rows of all pages. Left out of a search, as EMQX does: nobody counts those that fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
    pub(crate) hasnext: bool,
}

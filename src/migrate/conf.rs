//! Lines of an EMQX 4 configuration file: `key = value`, comments behind `#`.
//!
//! As EMQX's parser (cuttlefish) has it: a key is words with dots between, the value is the rest of the line without the
//! blanks around it, and `#` begins a comment anywhere. A line that is none of that is a mistake, and reading goes on.

use super::Mistake;
use std::ops::Range;

/// One `key = value`.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    /// From 1.
    pub(super) line: usize,
    pub(super) key: &'a str,
    pub(super) key_span: Range<usize>,
    pub(super) value: &'a str,
    pub(super) value_span: Range<usize>,
    /// The user's comments above it and behind it, without `#`.
    pub(super) comments: Vec<&'a str>,
    /// A `#` ended the value without a blank before it.
    pub(super) is_cut: bool,
}

/// Every setting, in order, and what is wrong with the other lines.
pub(super) fn read(text: &str) -> (Vec<Setting<'_>>, Vec<Mistake>) {
    let (mut settings, mut mistakes) = (Vec::new(), Vec::new());
    let (mut start, mut comments) = (0, Vec::new());
    for (number, whole) in (1..).zip(text.split_inclusive('\n')) {
        let offset = start;
        start += whole.len();
        let (content, comment) = match whole.split_once('#') {
            Some((content, comment)) => (content, user_s(comment)),
            None => (whole, None),
        };
        if content.trim().is_empty() {
            // A blank line parts a comment from what it is about.
            match whole.contains('#') {
                true => comments.extend(comment),
                false => comments.clear(),
            }
            continue;
        }
        let mut above = std::mem::take(&mut comments);
        above.extend(comment);
        match setting(content, offset) {
            Ok(mut setting) => {
                setting.line = number;
                setting.comments = above;
                setting.is_cut = whole.contains('#') && !content.ends_with(char::is_whitespace);
                settings.push(setting);
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    (settings, mistakes)
}

/// A comment behind its first `#`; with a second one it is EMQX's own, about what the key means there.
fn user_s(comment: &str) -> Option<&str> {
    let is_own = !comment.starts_with('#') && !comment.trim().is_empty();
    is_own.then(|| comment.trim())
}

fn setting(content: &str, offset: usize) -> Result<Setting<'_>, Mistake> {
    let all = place(content, content, offset);
    let Some((key, value)) = content.split_once('=') else {
        let title = "not `key = value`";
        let label = match content.trim().starts_with("include") {
            true => "other files are not read: migrate them one by one",
            false => "there is no `=`",
        };
        return Err(Mistake::new(all, title, label));
    };
    let key_span = place(content, key, offset);
    let (key, value) = (key.trim(), value.trim());
    let is_word = |word: &str| {
        let mut chars = word.chars();
        !word.is_empty() && chars.all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
    };
    if !key.split('.').all(is_word) {
        let label = "expected words with dots between, like tcp.proto.up_topic";
        return Err(Mistake::new(key_span, "not a key", label));
    }
    if value.is_empty() {
        return Err(Mistake::new(all, "no value", "nothing stands behind `=`"));
    }
    let at = offset + (value.as_ptr() as usize - content.as_ptr() as usize);
    Ok(Setting {
        line: 0,
        key,
        key_span,
        value,
        value_span: at..at + value.len(),
        comments: Vec::new(),
        is_cut: false,
    })
}

/// Where a part of a line stands in the file, without the blanks around it.
fn place(content: &str, part: &str, offset: usize) -> Range<usize> {
    let trimmed = part.trim();
    let at = offset + (trimmed.as_ptr() as usize - content.as_ptr() as usize);
    at..at + trimmed.len()
}

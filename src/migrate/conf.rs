//! Lines of an EMQX 4 configuration file: `key = value`, comments behind `#`.
//!
//! EMQX has read it in two ways. Up to 4.2 a value is the rest of its line, quotes and `#` with it, and comments have lines
//! of their own. From 4.3 on (HOCON) a value may stand in quotes, and a comment may follow it. Here quotes are those of 4.3,
//! and `#` begins a comment at the front of a line, behind a blank, and behind a closing quote. A setting says where that
//! leaves a doubt; a line that cannot be read is a mistake, and reading goes on.

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
    /// It is not in quotes and has a `#` in it, where EMQX from 4.3 on ends the value.
    pub(super) has_hash: bool,
}

/// Every setting, in order, and what is wrong with the other lines.
pub(super) fn read(text: &str) -> (Vec<Setting<'_>>, Vec<Mistake>) {
    let (mut settings, mut mistakes) = (Vec::new(), Vec::new());
    let (mut start, mut comments) = (0, Vec::new());
    for (number, whole) in (1..).zip(text.split_inclusive('\n')) {
        let offset = start;
        start += whole.len();
        let (content, comment) = without_comment(whole);
        if content.trim().is_empty() {
            // A blank line parts a comment from what it is about.
            match comment {
                Some(comment) => comments.extend(user_s(comment)),
                None => comments.clear(),
            }
            continue;
        }
        let mut above = std::mem::take(&mut comments);
        above.extend(comment.and_then(user_s));
        match setting(content, offset) {
            Ok(mut setting) => {
                setting.line = number;
                setting.comments = above;
                settings.push(setting);
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    (settings, mistakes)
}

/// What stands before a comment, and the comment behind its mark.
fn without_comment(line: &str) -> (&str, Option<&str>) {
    let is_alone = |at: usize| line[..at].trim().is_empty();
    let quote = line.find('"').filter(|at| line[..*at].trim_end().ends_with('='));
    // A `#` in quotes is a part of the value.
    let end = quote.and_then(|at| Some(at + 2 + line[at + 1..].find('"')?));
    let from = end.unwrap_or(0);
    let may_begin = |at: usize| is_alone(at) || line[..at].ends_with(char::is_whitespace) || end == Some(at);
    let marks = line[from..].match_indices(['#', '/']).map(|(at, _)| from + at);
    for at in marks {
        let (before, rest) = line.split_at(at);
        if let Some(comment) = rest.strip_prefix('#').filter(|_| may_begin(at)) {
            return (before, Some(comment));
        }
        if let Some(comment) = rest.strip_prefix("//").filter(|_| is_alone(at)) {
            return (before, Some(comment));
        }
    }
    (line, None)
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
    let bare = place(content, value, offset);
    let in_quotes = match value.strip_prefix('"').map(unquoted) {
        None => None,
        Some(Ok(text)) => Some(text),
        Some(Err(label)) => return Err(Mistake::new(bare, "a value in quotes that is not one", label)),
    };
    let value_span = match in_quotes {
        Some(text) => bare.start + 1..bare.start + 1 + text.len(),
        None => bare,
    };
    Ok(Setting {
        line: 0,
        key,
        key_span,
        value: in_quotes.unwrap_or(value),
        value_span,
        comments: Vec::new(),
        has_hash: in_quotes.is_none() && value.contains('#'),
    })
}

/// What stands before the closing quote, behind which nothing may stand.
fn unquoted(rest: &str) -> Result<&str, &'static str> {
    match rest.split_once('"') {
        None => Err("there is no closing quote"),
        Some((text, _)) if text.contains('\\') => Err("say it without `\\`"),
        Some((text, "")) => Ok(text),
        Some(_) => Err("something stands behind the closing quote"),
    }
}

/// Where a part of a line stands in the file, without the blanks around it.
fn place(content: &str, part: &str, offset: usize) -> Range<usize> {
    let trimmed = part.trim();
    let at = offset + (trimmed.as_ptr() as usize - content.as_ptr() as usize);
    at..at + trimmed.len()
}

//! The fields of a frame as a JSON object, written while the frame is walked along.
//!
//! Nothing is allocated but the room in the caller's bytes, which ends at `PAYLOAD_BYTES_MAX`.

use super::description::PAYLOAD_BYTES_MAX;
use super::plan::{Blocks, Field, Layout, List, Message, Nest, Node};
use super::value::{push_digits, push_quoted};
use super::walk::{Cursor, Misfit, Span, Visit};

/// Writes what it visits.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

/// What of a message is in JSON.
pub(super) struct Choice<'a> {
    /// `"label":"message"`, or nothing.
    pub label: &'a [u8],
    /// Those of the fields of every frame that are left out.
    pub omit_common: &'a [bool],
    /// Those of the message's own.
    pub omit_own: &'a [bool],
}

/// Appends the object. The message's own fields are found on the way, if they fit.
pub(super) fn write(
    choice: &Choice<'_>,
    (common, message): (&[Node], &Message),
    cursor: &mut Cursor<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Misfit> {
    out.push(b'{');
    out.extend_from_slice(choice.label);
    let nests = &message.nests;
    for (nodes, omit, nests) in [
        (common, choice.omit_common, &nests.common),
        (&message.nodes, choice.omit_own, &nests.own),
    ] {
        for ((node, omit), nest) in nodes.iter().zip(omit).zip(nests) {
            if *omit {
                cursor.step(node, &mut ())?;
                continue;
            }
            let mut writer = Writer { out };
            writer.nest(nest);
            cursor.step(node, &mut writer)?;
        }
    }
    out.extend(std::iter::repeat_n(b'}', nests.end + 1));
    Ok(())
}

impl Writer<'_> {
    /// Closes and opens objects.
    fn nest(&mut self, nest: &Nest) {
        self.out.extend(std::iter::repeat_n(b'}', nest.close));
        if !nest.open.is_empty() {
            self.comma();
            self.out.extend_from_slice(&nest.open);
            self.out.push(b'{');
        }
    }

    fn comma(&mut self) {
        if !matches!(self.out.last(), Some(b'{' | b'[' | b':')) {
            self.out.push(b',');
        }
    }

    fn check(&self, at: usize) -> Result<(), Misfit> {
        if self.out.len() <= PAYLOAD_BYTES_MAX {
            return Ok(());
        }
        let what = format!("as JSON the frame has more than {PAYLOAD_BYTES_MAX} bytes");
        Err(Misfit {
            what: what.into(),
            at,
            too_large: true,
        })
    }
}

impl Visit for Writer<'_> {
    fn field(&mut self, field: &Field, span: Span, body: &[u8]) -> Result<(), Misfit> {
        let at = span.range().map_or(0, |range| range.start);
        if field.hidden {
            return self.check(at);
        }
        self.comma();
        self.out.extend_from_slice(&field.key);
        match span.of(body) {
            Some(raw) => field.push_json(raw, self.out),
            None => self.out.extend_from_slice(b"null"),
        }
        self.check(at)
    }

    fn list(&mut self, list: &List) {
        self.comma();
        self.out.extend_from_slice(&list.key);
        self.out.push(b'[');
    }

    fn item(&mut self, list: &List) {
        if !list.plain {
            self.comma();
            self.out.push(b'{');
        }
    }

    fn item_end(&mut self, list: &List) {
        if !list.plain {
            self.out.push(b'}');
        }
    }

    fn blocks(&mut self, blocks: &Blocks) {
        self.comma();
        self.out.extend_from_slice(&blocks.key);
        self.out.push(b'[');
    }

    fn block(&mut self, blocks: &Blocks, layout: &Layout, at: usize) -> Result<(), Misfit> {
        self.comma();
        self.out.push(b'{');
        self.out.extend_from_slice(&blocks.label);
        self.out.extend_from_slice(&layout.quoted);
        self.check(at)
    }

    fn block_end(&mut self) {
        self.out.push(b'}');
    }

    fn unknown(&mut self, blocks: &Blocks, tag: u64, data: &[u8], at: usize) -> Result<(), Misfit> {
        self.comma();
        self.out.push(b'{');
        self.out.extend_from_slice(&blocks.label);
        push_quoted(tag_name(tag).as_bytes(), self.out);
        self.out.extend_from_slice(b",\"data\":\"");
        push_digits(data, false, self.out);
        self.out.extend_from_slice(b"\"}");
        self.check(at)
    }

    fn end(&mut self) {
        self.out.push(b']');
    }
}

/// How a tag that no layout has is called.
pub(super) fn tag_name(tag: u64) -> String {
    format!("{tag:#04x}")
}

//! Walks a body along its fields, lists and blocks. Whoever wants to know what stands there visits.
//!
//! One walk for everything: to find where fields are, to write JSON, to explain. Each item of a list takes at least a byte,
//! which `compile` sees to, so that a walk costs no more than the body has bytes, however large a count is.

use super::checksum::resolve;
use super::description::Place;
use super::format::Format;
use super::plan::{Blocks, Count, Field, Layout, List, Node, Width, unsigned};
use std::borrow::Cow;
use std::ops::Range;

/// Where a field is in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    size: u32,
}

impl Span {
    /// Of a field that was not read, or of a column that the line does not have.
    pub(super) const ABSENT: Self = Self {
        start: u32::MAX,
        size: 0,
    };

    pub(super) fn new(range: Range<usize>) -> Self {
        let number = |number: usize| u32::try_from(number).expect("frames are smaller than 4 GB");
        Self {
            start: number(range.start),
            size: number(range.len()),
        }
    }

    pub(super) fn range(self) -> Option<Range<usize>> {
        let start = self.start as usize;
        (self != Self::ABSENT).then(|| start..start + self.size as usize)
    }

    /// The bytes; `None` when it is absent.
    pub(super) fn of(self, body: &[u8]) -> Option<&[u8]> {
        self.range().map(|range| &body[range])
    }
}

/// Fields do not fit into the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub what: Cow<'static, str>,
    /// In the body.
    pub at: usize,
    /// It is all right, but what is made of it grows too large.
    pub too_large: bool,
}

/// A reader of what is walked along.
pub(super) trait Visit {
    fn field(&mut self, _field: &Field, _span: Span, _body: &[u8]) -> Result<(), Misfit> {
        Ok(())
    }
    fn list(&mut self, _list: &List) {}
    fn item(&mut self, _list: &List) {}
    fn item_end(&mut self, _list: &List) {}
    fn blocks(&mut self, _blocks: &Blocks) {}
    fn block(&mut self, _blocks: &Blocks, _layout: &Layout, _at: usize) -> Result<(), Misfit> {
        Ok(())
    }
    fn block_end(&mut self) {}
    /// A block whose tag no layout has.
    fn unknown(&mut self, _blocks: &Blocks, _tag: u64, _data: &[u8], _at: usize) -> Result<(), Misfit> {
        Ok(())
    }
    /// Of a list, or of blocks.
    fn end(&mut self) {}
}

/// Looks at nothing: the spans are all that is wanted.
impl Visit for () {}

/// Where in a body it is read.
pub(super) struct Cursor<'a> {
    pub body: &'a [u8],
    pub columns: &'a [Span],
    /// By slot: where the field was found last.
    pub slots: &'a mut [Span],
    at: usize,
    /// Of the body, or of the block.
    end: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(body: &'a [u8], columns: &'a [Span], slots: &'a mut [Span]) -> Self {
        Self {
            body,
            columns,
            slots,
            at: 0,
            end: body.len(),
        }
    }

    /// Walks along `nodes`, one after another.
    pub(super) fn walk(&mut self, nodes: &[Node], visit: &mut impl Visit) -> Result<(), Misfit> {
        nodes.iter().try_for_each(|node| self.step(node, visit))
    }

    pub(super) fn step(&mut self, node: &Node, visit: &mut impl Visit) -> Result<(), Misfit> {
        match node {
            Node::Field(field) => {
                let span = self.locate(field)?;
                self.slots[field.slot] = span;
                visit.field(field, span, self.body)
            }
            Node::List(list) => {
                visit.list(list);
                self.list(list, visit)?;
                visit.end();
                Ok(())
            }
            Node::Blocks(blocks) => {
                visit.blocks(blocks);
                while self.at < self.end {
                    self.block(blocks, visit)?;
                }
                visit.end();
                Ok(())
            }
        }
    }

    fn list(&mut self, list: &List, visit: &mut impl Visit) -> Result<(), Misfit> {
        let count = match &list.count {
            Count::Fixed(count) => *count as u64,
            Count::Field(field) => self.count(field),
            Count::Rest => u64::MAX,
        };
        let is_rest = matches!(list.count, Count::Rest);
        let mut item = 0;
        while item < count && !(is_rest && self.at >= self.end) {
            visit.item(list);
            self.walk(&list.nodes, visit)?;
            visit.item_end(list);
            item += 1;
        }
        Ok(())
    }

    fn block(&mut self, blocks: &Blocks, visit: &mut impl Visit) -> Result<(), Misfit> {
        let begin = self.at;
        let tag = self.number(blocks.tag, &blocks.name)?;
        let outer = self.end;
        if let Some(length) = blocks.length {
            let length = self.number(length, &blocks.name)?;
            self.end = self.ahead(length).ok_or_else(|| self.short(&blocks.name))?;
        }
        let has = |layout: &&Layout| layout.tags.iter().any(|(from, to)| (*from..=*to).contains(&tag));
        match blocks.layouts.iter().find(has) {
            Some(layout) => {
                visit.block(blocks, layout, begin)?;
                self.walk(&layout.nodes, visit)?;
                visit.block_end();
            }
            None => {
                visit.unknown(blocks, tag, &self.body[self.at..self.end], self.at)?;
                self.at = self.end;
            }
        }
        if blocks.length.is_some() {
            self.at = self.end;
            self.end = outer;
        }
        assert!(self.at > begin, "a tag takes a byte");
        Ok(())
    }

    fn count(&self, field: &Field) -> u64 {
        self.slots[field.slot]
            .of(self.body)
            .map_or(0, |raw| field.count(raw))
    }

    /// An integer of a block.
    fn number(&mut self, format: Format, name: &str) -> Result<u64, Misfit> {
        let Format::Integer { width, endian, .. } = format else {
            unreachable!("tags and lengths are integers");
        };
        let end = self.ahead(u64::from(width)).ok_or_else(|| self.short(name))?;
        let value = unsigned(&self.body[self.at..end], endian);
        self.at = end;
        Ok(value)
    }

    /// So many bytes on, if there are as many.
    fn ahead(&self, size: u64) -> Option<usize> {
        let end = usize::try_from(size)
            .ok()
            .and_then(|size| self.at.checked_add(size))?;
        (end <= self.end).then_some(end)
    }

    fn short(&self, name: &str) -> Misfit {
        let left = self.end.saturating_sub(self.at);
        let what = format!("`{name}` does not fit into the {left} bytes that are left");
        Misfit {
            what: what.into(),
            at: self.at,
            too_large: false,
        }
    }

    /// Where a field is; the next one is behind it.
    fn locate(&mut self, field: &Field) -> Result<Span, Misfit> {
        match field.place {
            Place::Next => {}
            Place::Offset(offset) => {
                self.at = resolve(offset, self.body.len()).ok_or_else(|| {
                    let size = self.body.len();
                    let what = format!(
                        "a body of {size} bytes has no offset {offset} for `{}`",
                        field.name
                    );
                    Misfit {
                        what: what.into(),
                        at: 0,
                        too_large: false,
                    }
                })?;
            }
            Place::Column(column) => return Ok(self.column(column)),
        }
        let (end, next) = match &field.width {
            Width::Bytes(bytes) => self.ahead(*bytes as u64).map(|end| (end, end)),
            Width::Field(count) => self.ahead(self.count(count)).map(|end| (end, end)),
            Width::Rest => Some((self.end, self.end)),
            Width::RestBut(bytes) => self.end.checked_sub(*bytes).map(|end| (end, end)),
            Width::Until(byte) => {
                let rest = self.body.get(self.at..self.end).unwrap_or_default();
                memchr::memchr(*byte, rest).map(|size| (self.at + size, self.at + size + 1))
            }
        }
        .filter(|(end, _)| self.at <= *end)
        .ok_or_else(|| self.short(&field.name))?;
        let span = Span::new(self.at..end);
        self.at = next;
        Ok(span)
    }

    /// A line may have fewer columns than are described: those are absent.
    fn column(&mut self, column: i32) -> Span {
        let at = resolve(column, self.columns.len());
        let span = at
            .and_then(|at| self.columns.get(at))
            .copied()
            .unwrap_or(Span::ABSENT);
        if let Some(range) = span.range() {
            self.at = range.end;
        }
        span
    }
}

/// Where the columns of a line are.
pub(super) fn columns(body: &[u8], separator: Option<u8>, columns: &mut Vec<Span>) {
    columns.clear();
    let Some(separator) = separator else {
        return;
    };
    let mut start = 0;
    for end in memchr::memchr_iter(separator, body).chain([body.len()]) {
        columns.push(Span::new(start..end));
        start = end + 1;
    }
}

//! Flaws of fields, lists and blocks, and what they are when they have none.

use super::{Compiler, MESSAGE, Scope, below};
use crate::adapter::described::description::{
    Blocks, Count, DEPTH_MAX, FRAME_BYTES_MAX, Field, Layout, List, Part, Place, Width,
};
use crate::adapter::described::format::Format;
use crate::adapter::described::plan::{self, Node};
use crate::adapter::described::scale::Scaling;
use crate::adapter::described::value::push_quoted;
use std::sync::Arc;

impl Compiler<'_> {
    /// Parts that are read one after another; their names are added to the innermost level of `scope`.
    pub(super) fn parts(&mut self, parts: &[Part], path: &str, scope: &mut Scope) -> Vec<Node> {
        self.siblings(parts, path, scope, false)
    }

    /// `is_item`: of a list, where one field alone needs no name.
    fn siblings(&mut self, parts: &[Part], path: &str, scope: &mut Scope, is_item: bool) -> Vec<Node> {
        let mut nodes: Vec<Node> = Vec::with_capacity(parts.len());
        for (at, part) in parts.iter().enumerate() {
            let path = below(path, format!("field[{at}]"));
            self.parts += 1;
            let alone = is_item && parts.len() == 1;
            let node = match part {
                Part::Field(field) => Node::Field(self.field(field, &path, scope, alone)),
                Part::List(list) => Node::List(self.list(list, &path, scope)),
                Part::Blocks(blocks) => Node::Blocks(self.blocks(blocks, &path, scope)),
            };
            let name = super::node_name(&node);
            if !name.is_empty() && nodes.iter().any(|other| super::node_name(other) == name) {
                self.flaw(
                    format!("{path}.name"),
                    format!("there is another `{name}` beside it"),
                );
            }
            if let Node::Field(field) = &node
                && !field.name.is_empty()
            {
                scope.last_mut().expect("a level").push(field.clone());
            }
            nodes.push(node);
        }
        nodes
    }

    fn field(&mut self, field: &Field, path: &str, scope: &Scope, alone: bool) -> Arc<plan::Field> {
        if !field.name.is_empty() {
            self.name(&field.name, &format!("{path}.name"));
        }
        if field.name == MESSAGE && scope.len() == 1 {
            self.flaw(
                format!("{path}.name"),
                "`message` is the name of the message itself, in topics",
            );
        }
        self.place(field, path, scope);
        self.format(field, path);
        let width = self.width(field, path, scope);
        let slot = self.slot;
        self.slot += 1;
        let mut key = Vec::new();
        if !field.name.is_empty() {
            key = key_of(self.member(&field.name, path, scope.len() > 1));
        }
        Arc::new(plan::Field {
            key,
            slot,
            place: field.place,
            width,
            format: field.format,
            bits: field.bits,
            scale: field.scale.map(Scaling::new),
            trim: field.trim,
            // Without a name it can only be the item of a list.
            hidden: field.hidden || (field.name.is_empty() && !alone),
            name: field.name.clone(),
        })
    }

    /// What a name with dots is called in its object.
    fn member<'n>(&mut self, name: &'n str, path: &str, is_nested: bool) -> &'n str {
        let Some((_, member)) = name.rsplit_once('.') else {
            return name;
        };
        if is_nested {
            let what = "in lists and blocks a name has no dots: only members of the message stand in objects";
            self.flaw(format!("{path}.name"), what);
        }
        member
    }

    fn place(&mut self, field: &Field, path: &str, scope: &Scope) {
        let is_nested = scope.len() > 1;
        match field.place {
            Place::Next => {}
            Place::Offset(_) | Place::Column(_) if is_nested => {
                self.flaw(
                    path,
                    "in lists and blocks a field begins where the one before it ends: no offset, no column",
                );
            }
            Place::Offset(offset) if offset.unsigned_abs() as usize > FRAME_BYTES_MAX => {
                self.flaw(
                    format!("{path}.at"),
                    format!("{offset} is outside of any frame ({FRAME_BYTES_MAX} bytes)"),
                );
            }
            Place::Offset(_) => {}
            Place::Column(_) => {
                if self.description.separator.is_none() {
                    self.flaw(
                        format!("{path}.column"),
                        "there are no columns without a `separator`",
                    );
                }
                if field.format.width().is_some() {
                    let what = format!(
                        "columns are text: {} is for bytes; there are text and decimal",
                        field.format
                    );
                    self.flaw(format!("{path}.type"), what);
                }
                if field.width != Width::Own {
                    self.flaw(
                        format!("{path}.width"),
                        "a column is as wide as it is in the line",
                    );
                }
            }
        }
    }

    fn format(&mut self, field: &Field, path: &str) {
        if let Some(bits) = field.bits {
            let width = field.format.width().unwrap_or_default() * 8;
            if !field.format.is_count() {
                let what = format!(
                    "only integers without sign have bits to take out, and this is {}",
                    field.format
                );
                self.flaw(format!("{path}.bits"), what);
            } else if bits.count == 0 || usize::from(bits.first) + usize::from(bits.count) > width {
                let what = format!(
                    "{} bits from bit {} are not within {width}",
                    bits.count, bits.first
                );
                self.flaw(format!("{path}.bits"), what);
            }
        }
        if let Some(scale) = field.scale {
            let is_number = field.format.width().is_some() || field.format == Format::Decimal;
            if !is_number {
                self.flaw(
                    format!("{path}.factor"),
                    format!("{} is no number that can be scaled", field.format),
                );
            } else if !scale.factor.is_finite() || !scale.offset.is_finite() {
                self.flaw(
                    format!("{path}.factor"),
                    "factor and offset must be finite numbers",
                );
            }
        }
    }

    fn width(&mut self, field: &Field, path: &str, scope: &Scope) -> plan::Width {
        let path = format!("{path}.width");
        if matches!(field.place, Place::Column(_)) {
            return plan::Width::Rest;
        }
        if let Some(own) = field.format.width() {
            if field.width != Width::Own {
                self.flaw(path, format!("{} has {own} bytes by itself", field.format));
            }
            return plan::Width::Bytes(own);
        }
        match &field.width {
            Width::Own => {
                let what = format!(
                    "how many bytes has it? {} does not tell: say `width`",
                    field.format
                );
                self.flaw(path, what);
                plan::Width::Rest
            }
            Width::Bytes(bytes) => {
                if *bytes == 0 || *bytes > FRAME_BYTES_MAX {
                    self.flaw(path, format!("{bytes} bytes: 1 to {FRAME_BYTES_MAX} can be said"));
                }
                plan::Width::Bytes(*bytes)
            }
            Width::Field(name) => self
                .counting(name, path, scope)
                .map_or(plan::Width::Rest, plan::Width::Field),
            Width::Until(byte) => plan::Width::Until(*byte),
            Width::Rest => plan::Width::Rest,
            Width::RestBut(bytes) => {
                if *bytes == 0 || *bytes > FRAME_BYTES_MAX {
                    self.flaw(path, format!("{bytes} bytes: 1 to {FRAME_BYTES_MAX} can be left"));
                }
                plan::Width::RestBut(*bytes)
            }
        }
    }

    /// A field that was read before and counts.
    pub(super) fn counting(&mut self, name: &str, path: String, scope: &Scope) -> Option<Arc<plan::Field>> {
        let field = scope.iter().rev().flatten().find(|field| field.name == name);
        let Some(field) = field else {
            self.flaw(path, format!("there is no field `{name}` before this one"));
            return None;
        };
        if !field.format.is_count() && field.format != Format::Decimal {
            self.flaw(
                path,
                format!(
                    "`{name}` is {}, which does not count: an integer without sign does",
                    field.format
                ),
            );
            return None;
        }
        Some(field.clone())
    }

    fn list(&mut self, list: &List, path: &str, scope: &mut Scope) -> plan::List {
        self.name(&list.name, &format!("{path}.name"));
        let count = match &list.count {
            Count::Fixed(count) => plan::Count::Fixed(*count),
            Count::Field(name) => {
                let field = self.counting(name, format!("{path}.count"), scope);
                field.map_or(plan::Count::Rest, plan::Count::Field)
            }
            Count::Rest => plan::Count::Rest,
        };
        let nodes = self.nested(&list.parts, path, scope, true);
        if least(&nodes) == 0 {
            self.flaw(
                path,
                "an item of this list may have no byte at all, so that there is no end of items",
            );
        }
        let plain = matches!(nodes.as_slice(), [Node::Field(field)] if field.name.is_empty());
        let member = self.member(&list.name, path, scope.len() > 1);
        plan::List {
            name: list.name.clone(),
            key: key_of(member),
            count,
            nodes,
            plain,
        }
    }

    fn nested(&mut self, parts: &[Part], path: &str, scope: &mut Scope, is_item: bool) -> Vec<Node> {
        if scope.len() > DEPTH_MAX {
            self.flaw(
                path,
                format!("more than {DEPTH_MAX} lists and blocks in each other"),
            );
            return Vec::new();
        }
        scope.push(Vec::new());
        let nodes = self.siblings(parts, path, scope, is_item);
        scope.pop();
        nodes
    }

    fn blocks(&mut self, blocks: &Blocks, path: &str, scope: &mut Scope) -> plan::Blocks {
        self.name(&blocks.name, &format!("{path}.name"));
        self.name(&blocks.label, &format!("{path}.label"));
        if !blocks.tag.is_count() {
            self.flaw(
                format!("{path}.tag"),
                format!("a tag is an integer without sign, and this is {}", blocks.tag),
            );
        }
        if let Some(length) = blocks.length.filter(|length| !length.is_count()) {
            self.flaw(
                format!("{path}.length"),
                format!("a length is an integer without sign, and this is {length}"),
            );
        }
        let mut layouts: Vec<plan::Layout> = Vec::new();
        for (at, layout) in blocks.layouts.iter().enumerate() {
            self.parts += 1;
            let path = format!("{path}.layout[{at}]");
            let compiled = self.layout(layout, (blocks, &path), scope);
            let overlaps = |(from, to): &(u64, u64)| {
                let others = layouts.iter().flat_map(|other| &other.tags);
                others
                    .into_iter()
                    .any(|(other_from, other_to)| from <= other_to && other_from <= to)
            };
            if compiled.tags.iter().any(overlaps) {
                self.flaw(
                    format!("{path}.tags"),
                    "another layout before it has one of these tags",
                );
            }
            layouts.push(compiled);
        }
        let member = self.member(&blocks.name, path, scope.len() > 1);
        plan::Blocks {
            name: blocks.name.clone(),
            key: key_of(member),
            label: key_of(&blocks.label),
            tag: blocks.tag,
            length: blocks.length,
            layouts,
        }
    }

    fn layout(
        &mut self,
        layout: &Layout,
        (blocks, path): (&Blocks, &str),
        scope: &mut Scope,
    ) -> plan::Layout {
        self.name(&layout.name, &format!("{path}.name"));
        let is_backwards = |(from, to): &(u64, u64)| from > to;
        if layout.tags.is_empty() || layout.tags.iter().any(is_backwards) {
            self.flaw(
                format!("{path}.tags"),
                "say the tags that this layout goes for, ranges from the lower to the higher",
            );
        }
        let nodes = self.nested(&layout.parts, path, scope, false);
        if nodes.iter().any(|node| super::node_name(node) == blocks.label) {
            self.flaw(
                format!("{path}.name"),
                format!("`{}` is the member that has the layout's name", blocks.label),
            );
        }
        let mut quoted = Vec::new();
        push_quoted(layout.name.as_bytes(), &mut quoted);
        plan::Layout {
            quoted,
            tags: layout.tags.clone(),
            nodes,
        }
    }
}

/// `"name":`
pub(super) fn key_of(name: &str) -> Vec<u8> {
    let mut key = Vec::new();
    push_quoted(name.as_bytes(), &mut key);
    key.push(b':');
    key
}

/// Bytes that nodes take at least.
fn least(nodes: &[Node]) -> usize {
    let sizes = nodes.iter().map(|node| match node {
        Node::Field(field) => match field.width {
            plan::Width::Bytes(bytes) => bytes,
            plan::Width::Until(_) => 1,
            plan::Width::Field(_) | plan::Width::Rest | plan::Width::RestBut(_) => 0,
        },
        Node::List(list) => match list.count {
            plan::Count::Fixed(count) => count.saturating_mul(least(&list.nodes)),
            plan::Count::Field(_) | plan::Count::Rest => 0,
        },
        Node::Blocks(_) => 0,
    });
    sizes.fold(0, usize::saturating_add)
}

//! `[[field]]` of a description: values, lists and blocks, which may stand in each other.

use super::forms::{BitsForm, Byte, Real, TagForm, Type, Whole};
use super::keys::{Keys, Reading};
use super::schema;
use crate::config::form::{Flag, List as ListForm, Text, Value, Wrong, number};
use ringwire_codec::adapter::described::Format;
use ringwire_codec::adapter::described::description::{
    Blocks, Count, DEPTH_MAX, FRAME_BYTES_MAX, Field, Layout, List, Part, Place, Scale, Width,
};

const POSITION: Whole = Whole(-(FRAME_BYTES_MAX as i64)..=FRAME_BYTES_MAX as i64);

/// The parts under `field` of a table; `depth`: of the table in lists and blocks.
pub fn parts<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>, depth: usize) -> Vec<Part> {
    let items = reading.tables(keys, "field");
    items
        .into_iter()
        .filter_map(|(path, value)| part(reading, path, value, depth))
        .collect()
}

fn part<'t>(reading: &mut Reading<'t>, path: String, value: &'t Value<'t>, depth: usize) -> Option<Part> {
    let has = |name: &str| {
        value
            .get_ref()
            .as_table()
            .is_some_and(|table| table.contains_key(name))
    };
    let nested = has("layout") || has("count");
    if nested && depth >= DEPTH_MAX {
        let label = format!("lists and blocks stand in each other at most {DEPTH_MAX} deep");
        reading.report(path, Wrong::value(value, label));
        return None;
    }
    if has("layout") {
        let keys = reading.keys(&schema::BLOCKS, path, value)?;
        return Some(Part::Blocks(blocks(reading, &keys, depth)));
    }
    if has("count") {
        let keys = reading.keys(&schema::LIST, path, value)?;
        return Some(Part::List(list(reading, &keys, depth)));
    }
    let keys = reading.keys(&schema::FIELD, path, value)?;
    Some(Part::Field(field(reading, &keys)))
}

fn field<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>) -> Field {
    let form = Type(reading.endian);
    // A field whose type is wrong keeps its name, so that what uses it is not reported too.
    let format = reading.must(keys, "type", &form).unwrap_or(Format::Hex);
    let factor = reading.read(keys, "factor", &Real);
    let offset = reading.read(keys, "offset", &Real);
    let scale = (factor.is_some() || offset.is_some()).then(|| Scale {
        factor: factor.unwrap_or(1.0),
        offset: offset.unwrap_or(0.0),
    });
    Field {
        name: reading.read_or(keys, "name", &Text, String::new()),
        place: place(reading, keys),
        format,
        width: width(reading, keys).unwrap_or_default(),
        bits: reading.read(keys, "bits", &BitsForm),
        scale,
        trim: reading.read_or(keys, "trim", &Flag, false),
        hidden: reading.read_or(keys, "hidden", &Flag, false),
    }
}

fn place<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>) -> Place {
    let at = reading.read(keys, "at", &POSITION).map(Place::Offset);
    let column = reading.read(keys, "column", &POSITION).map(Place::Column);
    if keys.has("at") && keys.has("column") {
        reading.object(
            keys,
            "column",
            "a field begins `at` a byte or is a `column`, not both",
        );
    }
    at.or(column).unwrap_or_default()
}

fn width<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>) -> Option<Width> {
    let value = keys.get("width")?;
    let path = keys.path_of("width");
    if value.get_ref().as_str() == Some("rest") {
        return Some(Width::Rest);
    }
    if value.get_ref().as_integer().is_some() {
        let form = number(1..=FRAME_BYTES_MAX as u64);
        return reading.value(path, value, &form).map(Width::Bytes);
    }
    let expected = "expected bytes, { field = \"NAME\" }, { until = \"0x00\" }, \"rest\" or { rest = 2 }";
    match one_key(value) {
        Some(("field", name)) => reading.value(path, name, &Text).map(Width::Field),
        Some(("rest", bytes)) => {
            let form = number(1..=FRAME_BYTES_MAX as u64);
            reading.value(path, bytes, &form).map(Width::RestBut)
        }
        Some(("until", byte)) => reading.value(path, byte, &Byte).map(Width::Until),
        Some(_) | None => {
            reading.report(path, Wrong::value(value, expected));
            None
        }
    }
}

/// The key and value of a table that has one.
pub fn one_key<'t>(value: &'t Value<'t>) -> Option<(&'t str, &'t Value<'t>)> {
    let table = value.get_ref().as_table().filter(|table| table.len() == 1)?;
    let (key, value) = table.iter().next()?;
    Some((key.get_ref().as_ref(), value))
}

fn list<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>, depth: usize) -> List {
    reading.need(keys, "field");
    List {
        name: reading.must(keys, "name", &Text).unwrap_or_default(),
        count: count(reading, keys).unwrap_or(Count::Rest),
        parts: parts(reading, keys, depth + 1),
    }
}

fn count<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>) -> Option<Count> {
    let value = keys.get("count")?;
    let path = keys.path_of("count");
    if value.get_ref().as_str() == Some("rest") {
        return Some(Count::Rest);
    }
    if value.get_ref().as_integer().is_some() {
        let form = number(1..=FRAME_BYTES_MAX as u64);
        return reading.value(path, value, &form).map(Count::Fixed);
    }
    if let Some(("field", name)) = one_key(value) {
        return reading.value(path, name, &Text).map(Count::Field);
    }
    let expected = "expected a number, { field = \"NAME\" } or \"rest\"";
    reading.report(path, Wrong::value(value, expected));
    None
}

fn blocks<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>, depth: usize) -> Blocks {
    let form = Type(reading.endian);
    let items = reading.tables(keys, "layout");
    let layouts = items.into_iter().filter_map(|(path, value)| {
        let keys = reading.keys(&schema::LAYOUT, path, value)?;
        Some(layout(reading, &keys, depth))
    });
    let layouts = layouts.collect();
    Blocks {
        name: reading.must(keys, "name", &Text).unwrap_or_default(),
        label: reading.read_or(keys, "label", &Text, "type".to_owned()),
        tag: reading.must(keys, "tag", &form).unwrap_or(Format::Integer {
            width: 1,
            signed: false,
            endian: reading.endian,
        }),
        length: reading.read(keys, "length", &form),
        layouts,
    }
}

fn layout<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>, depth: usize) -> Layout {
    Layout {
        name: reading.must(keys, "name", &Text).unwrap_or_default(),
        tags: reading.must(keys, "tags", &ListForm(TagForm)).unwrap_or_default(),
        parts: parts(reading, keys, depth + 1),
    }
}

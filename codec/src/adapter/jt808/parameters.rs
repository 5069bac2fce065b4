//! Parameters of a device, 0x8103 and 0x0104: an id, a length and a value whose kind the id decides.
//!
//! A value that is not as long as its kind, and one of an unknown id, is base64. JSON has `{"id": 1, "value": 60}`.

use super::down::{Fault, Writer};
use super::json::Json;
use super::layout::Width;
use super::up::Reader;
use serde_json::Value;

/// What a parameter's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number(Width),
    Text,
    Bytes,
}

fn kind(id: u32) -> Kind {
    match id {
        0x0010..=0x0017 | 0x001a | 0x001d | 0x0040..=0x0044 | 0x0048 | 0x0049 | 0x0083 => Kind::Text,
        0x0031 | 0x005b..=0x005e | 0x0081 | 0x0082 | 0x0101 | 0x0103 => Kind::Number(Width::Word),
        0x0084 | 0x0090..=0x0092 | 0x0094 => Kind::Number(Width::Byte),
        0x0001..=0x0007
        | 0x0018
        | 0x0019
        | 0x001b
        | 0x001c
        | 0x0020..=0x0022
        | 0x0027..=0x0029
        | 0x002c..=0x0030
        | 0x0045..=0x0047
        | 0x0050..=0x005a
        | 0x0064
        | 0x0065
        | 0x0070..=0x0074
        | 0x0080
        | 0x0093
        | 0x0095
        | 0x0100
        | 0x0102 => Kind::Number(Width::Dword),
        _ => Kind::Bytes,
    }
}

/// Bytes of a value, as its length field says.
const VALUE_BYTES_MAX: usize = 255;

/// Writes one parameter as an object.
pub(super) fn read(body: &mut Reader<'_>, json: &mut Json<'_>) -> Option<()> {
    let id = body.number(Width::Dword)?;
    let size = body.number(Width::Byte)?;
    let value = body.take(usize::try_from(size).ok()?)?;
    json.open(b'{');
    json.numbered("id", id);
    match kind(id) {
        Kind::Number(width) if width.bytes() == value.len() => {
            json.numbered("value", body.with(value).number(width)?);
        }
        Kind::Text => body.text("value", value, json),
        Kind::Number(_) | Kind::Bytes => json.base64("value", value),
    }
    json.close(b'}');
    Some(())
}

/// Appends the parameter that `element` is.
pub(super) fn write(writer: &mut Writer<'_>, element: &Value) -> Result<(), Fault> {
    let id = writer.number(element, "id", Width::Dword, None)?;
    writer.put(id, Width::Dword);
    match kind(id) {
        Kind::Number(width) => {
            let value = writer.number(element, "value", width, None)?;
            writer.put(width.bytes() as u32, Width::Byte);
            writer.put(value, width);
        }
        Kind::Text => writer.sized_text(element, "value", Width::Byte)?,
        Kind::Bytes => {
            let value = writer.base64(element, "value")?;
            if value.len() > VALUE_BYTES_MAX {
                return Err(Fault::new(
                    "value",
                    format!("is {} bytes, and a parameter has up to 255", value.len()),
                ));
            }
            writer.put(value.len() as u32, Width::Byte);
            writer.append(&value);
        }
    }
    Ok(())
}

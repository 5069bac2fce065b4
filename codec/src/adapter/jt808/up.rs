//! Bodies of a device's messages as JSON, by the layouts of `messages`.
//!
//! A body that is unknown or encrypted, or that does not fit its layout to the last byte, is published all the same, as it
//! is: in base64 with `unknown_id`, as EMQX's gateway does. No body is refused, and what is written is a few times what was read.

use super::TextEncoding;
use super::frame::{Header, Party};
use super::json::Json;
use super::layout::{Part, Width};
use super::{messages, parameters, position, text};

/// Writes header and body of a message. `packages`: of how many it was put together, when it was.
pub(super) fn write(
    header: &Header,
    packages: Option<u16>,
    body: &[u8],
    texts: TextEncoding,
    out: &mut Vec<u8>,
) {
    out.clear();
    let mut json = Json::new(out);
    json.open(b'{');
    write_header(header, packages, body.len(), &mut json);
    json.name("body");
    let start = json.position();
    json.open(b'{');
    let mut reader = Reader::new(body, header.party, texts);
    let layout = messages::up(header.id, header.party.is_2019()).filter(|_| header.encryption == 0);
    let is_read =
        layout.is_some_and(|layout| reader.members(layout, &mut json).is_some() && reader.rest.is_empty());
    if !is_read {
        json.back(start);
        json.open(b'{');
        json.truth("unknown_id");
        json.base64("data", body);
    }
    json.close(b'}');
    json.close(b'}');
}

fn write_header(header: &Header, packages: Option<u16>, length: usize, json: &mut Json<'_>) {
    json.open_named("header", b'{');
    json.numbered("msg_id", header.id);
    json.numbered("encrypt", header.encryption);
    json.numbered("len", length as u32);
    if let Some(version) = header.party.version {
        json.numbered("proto_ver", version);
    }
    json.digits("phone", header.party.phone.bcd());
    json.numbered("msg_sn", header.serial);
    if let Some(packages) = packages {
        json.numbered("frag_total", packages);
    }
    json.close(b'}');
}

/// What is left of a body.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
    pub(super) party: Party,
    texts: TextEncoding,
    /// What the last `Count` said.
    pub(super) count: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(rest: &'a [u8], party: Party, texts: TextEncoding) -> Self {
        let count = 0;
        Self {
            rest,
            party,
            texts,
            count,
        }
    }

    /// The same for other bytes.
    pub(super) fn with(&self, rest: &'a [u8]) -> Self {
        Self::new(rest, self.party, self.texts)
    }

    pub(super) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        self.rest.split_off(..bytes)
    }

    pub(super) fn number(&mut self, width: Width) -> Option<u32> {
        let bytes = self.take(width.bytes())?;
        Some(
            bytes
                .iter()
                .fold(0, |number, byte| number << 8 | u32::from(*byte)),
        )
    }

    /// A length and so many bytes.
    fn sized(&mut self, width: Width) -> Option<&'a [u8]> {
        let size = self.number(width)?;
        self.take(usize::try_from(size).ok()?)
    }

    fn all(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub(super) fn text(&self, name: &str, bytes: &[u8], json: &mut Json<'_>) {
        json.text(name, &self.texts.decode(bytes));
    }

    /// Writes the members of a layout; `None`: the body does not fit it.
    pub(super) fn members(&mut self, layout: &[Part], json: &mut Json<'_>) -> Option<()> {
        layout.iter().try_for_each(|part| self.member(*part, json))
    }

    pub(super) fn member(&mut self, part: Part, json: &mut Json<'_>) -> Option<()> {
        match part {
            Part::Number(width, name) | Part::NumberOr(width, name, _) => {
                json.numbered(name, self.number(width)?)
            }
            Part::Bcd(bytes, name) => json.digits(name, self.take(bytes)?),
            Part::Fixed(bytes, name) => {
                let bytes = text::unfilled(self.take(bytes)?);
                self.text(name, bytes, json);
            }
            Part::Text(name) => {
                let bytes = self.all();
                self.text(name, bytes, json);
            }
            Part::Sized(width, name) | Part::SizedOr(width, name) => {
                let bytes = self.sized(width)?;
                self.text(name, bytes, json);
            }
            Part::SizedData(width, name) => json.base64(name, self.sized(width)?),
            Part::Data(name) => json.base64(name, self.all()),
            Part::Bytes(bytes, name) => json.base64(name, self.take(bytes)?),
            Part::Count(width, name, _) => {
                self.count = self.number(width)?;
                json.numbered(name, self.count);
            }
            Part::If(_, parts) => {
                if !self.rest.is_empty() {
                    self.members(parts, json)?;
                }
            }
            Part::List(name, parts) => self.list(name, json, |reader, json| reader.element(parts, json))?,
            Part::ListToEnd(name, parts) => self.list_to_end(name, parts, json)?,
            Part::Numbers(width, name) => self.list(name, json, |reader, json| {
                json.number(reader.number(width)?);
                Some(())
            })?,
            Part::Parameters(name) => self.list(name, json, parameters::read)?,
            Part::OwnPosition => {
                let bytes = self.all();
                position::read(self.with(bytes), json)?;
            }
            Part::Position(name) => {
                let bytes = self.all();
                self.named_position(name, bytes, json)?;
            }
            Part::ShortPosition(name) => {
                let bytes = self.take(position::BYTES)?;
                self.named_position(name, bytes, json)?;
            }
            Part::SizedPosition => {
                let bytes = self.sized(Width::Word)?;
                position::read(self.with(bytes), json)?;
            }
            Part::CanId => self.can_id(json)?,
            Part::Control(name) => json.numbered(name, self.number(Width::Byte)?),
        }
        Some(())
    }

    /// As many elements as the last `Count` said.
    fn list(
        &mut self,
        name: &str,
        json: &mut Json<'_>,
        mut element: impl FnMut(&mut Self, &mut Json<'_>) -> Option<()>,
    ) -> Option<()> {
        json.open_named(name, b'[');
        for _ in 0..self.count {
            element(self, json)?;
        }
        json.close(b']');
        Some(())
    }

    fn list_to_end(&mut self, name: &str, parts: &[Part], json: &mut Json<'_>) -> Option<()> {
        json.open_named(name, b'[');
        while !self.rest.is_empty() {
            self.element(parts, json)?;
        }
        json.close(b']');
        Some(())
    }

    fn element(&mut self, parts: &[Part], json: &mut Json<'_>) -> Option<()> {
        json.open(b'{');
        self.members(parts, json)?;
        json.close(b'}');
        Some(())
    }

    fn named_position(&self, name: &str, bytes: &'a [u8], json: &mut Json<'_>) -> Option<()> {
        json.open_named(name, b'{');
        position::read(self.with(bytes), json)?;
        json.close(b'}');
        Some(())
    }

    /// Channel in the highest bit, then kind of frame, then method, then the identifier.
    fn can_id(&mut self, json: &mut Json<'_>) -> Option<()> {
        let id = self.number(Width::Dword)?;
        json.numbered("channel", id >> 31);
        json.numbered("frame_type", id >> 30 & 1);
        json.numbered("data_method", id >> 29 & 1);
        json.numbered("id", id & 0x1fff_ffff);
        Some(())
    }
}

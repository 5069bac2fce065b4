//! Descriptions made of bytes: most of them hold, some do not, and together they say all that can be said.

use ringwire_codec::adapter::described::description::{
    Algorithm, Also, Bits, Blocks, Checksum, ClientId, Codes, Command, Condition, Count, Description, Down,
    DownPayload, Escape, Field, Frame, Framing, Identity, Keepalive, Layout, List, Literal, Message, Part,
    Payload, Place, Reaction, Reactions, Reply, Role, Scale, Test, Width,
};
use ringwire_codec::adapter::described::template::{Form, Piece, Source, Template};
use ringwire_codec::adapter::described::{Endian, Format};

/// Decisions that bytes stand for; no more bytes mean 0.
pub struct Choices<'a> {
    bytes: &'a [u8],
    /// Fields so far: each has its own number.
    fields: usize,
    /// Names that count, and all names, that can be used where we are.
    counts: Vec<String>,
    names: Vec<String>,
}

const FORMATS: [&str; 22] = [
    "u8", "u8", "u16", "u16le", "u24", "u24le", "u32", "u32le", "u64", "i8", "i16le", "i24", "i32", "i64le",
    "f32", "f64le", "bcd", "hex", "text", "decimal", "bytes", "text",
];

impl<'a> Choices<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            fields: 0,
            counts: Vec::new(),
            names: Vec::new(),
        }
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else {
            return 0;
        };
        self.bytes = rest;
        *first
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit.max(1)
    }

    /// Once in `many` times.
    fn rarely(&mut self, many: usize) -> bool {
        self.below(many) == many - 1
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let at = self.below(from.len());
        from[at].clone()
    }

    fn some_bytes(&mut self, least: usize, most: usize) -> Vec<u8> {
        let count = least + self.below(most - least + 1);
        (0..count).map(|_| self.byte()).collect()
    }

    fn endian(&mut self) -> Endian {
        if self.rarely(2) {
            Endian::Little
        } else {
            Endian::Big
        }
    }

    fn format(&mut self) -> Format {
        let text = self.pick(&FORMATS);
        Format::parse(text, Endian::Big).expect("one of those that are known")
    }

    pub fn description(&mut self) -> Description {
        let frame = self.frame();
        let checksum = if self.rarely(2) {
            Some(self.checksum())
        } else {
            None
        };
        let separator = if self.rarely(3) { Some(b',') } else { None };
        let fields = self.parts(0, separator.is_some(), 4);
        let payload = self.payload();
        let identity = if self.rarely(3) {
            None
        } else {
            Some(self.identity())
        };
        let (counts, names) = (self.counts.clone(), self.names.clone());
        let count = 1 + self.below(4);
        let mut messages = Vec::new();
        for at in 0..count {
            (self.counts, self.names) = (counts.clone(), names.clone());
            messages.push(self.message(at, at + 1 == count, separator.is_some()));
            // One that asks for nothing takes every frame.
            if messages[at].when.is_empty() {
                break;
            }
        }
        let acknowledges = |message: &Message| matches!(message.role, Role::Acknowledge { .. });
        let window = if messages.iter().any(acknowledges) {
            1 + self.below(3) as u16
        } else {
            0
        };
        let down = (window > 0 || self.rarely(2)).then(|| self.down(window));
        Description {
            name: "random".to_owned(),
            version: self.byte(),
            frame,
            checksum,
            separator,
            fields,
            identity,
            messages,
            reactions: self.reactions(),
            payload,
            down,
        }
    }

    fn frame(&mut self) -> Frame {
        let framing = match self.below(4) {
            0 => {
                let start = self.some_bytes(0, 2);
                Framing::Length {
                    offset: start.len() + self.below(3),
                    start,
                    width: self.pick(&[1, 2, 3, 4, 8, 1, 2]),
                    endian: self.endian(),
                    adjustment: i64::from(self.byte() % 8) - 3,
                }
            }
            1 => Framing::Delimiter {
                delimiter: self.pick(&[b"\n".to_vec(), b"\r\n".to_vec(), b"ab".to_vec(), b"aab".to_vec()]),
                strip_cr: self.rarely(2),
                ending: self.rarely(3).then(|| b"\r\n".to_vec()),
            },
            2 => Framing::Fixed {
                start: self.some_bytes(0, 2),
                size: 2 + self.below(20),
            },
            _ => self.marks(),
        };
        let also = self.also(&framing);
        Frame {
            framing,
            strip: self.below(4) / 2,
            strip_end: self.below(4) / 2,
            max: self.pick(&[40, 64, 256, 4096]),
            noise_max: self.below(32),
            also,
        }
    }

    /// Frames with another start, mostly one that can be told apart.
    fn also(&mut self, framing: &Framing) -> Vec<Also> {
        let Framing::Length { start, .. } = framing else {
            return Vec::new();
        };
        let Some(first) = start.first().filter(|_| self.rarely(2)) else {
            return Vec::new();
        };
        let mut start = vec![first ^ self.pick(&[1, 0x80, 0])];
        start.extend(self.some_bytes(0, 2));
        let framing = Framing::Length {
            offset: start.len() + self.below(3),
            start,
            width: self.pick(&[1, 2, 3, 4, 8]),
            endian: self.endian(),
            adjustment: i64::from(self.byte() % 8) - 3,
        };
        vec![Also {
            framing,
            strip: self.below(4),
            max: self.pick(&[40, 64, 256]),
        }]
    }

    fn marks(&mut self) -> Framing {
        let escape = |wire, plain| Escape { wire, plain };
        match self.below(3) {
            0 => Framing::Marks {
                start: vec![0x7e],
                end: vec![0x7e],
                escapes: vec![escape([0x7d, 1], 0x7d), escape([0x7d, 2], 0x7e)],
            },
            1 => Framing::Marks {
                start: self.some_bytes(0, 2),
                end: self.some_bytes(1, 3),
                escapes: Vec::new(),
            },
            _ => Framing::Marks {
                start: Vec::new(),
                end: vec![0xc0],
                escapes: vec![escape([0xdb, 0xdc], 0xc0), escape([0xdb, 0xdd], 0xdb)],
            },
        }
    }

    fn checksum(&mut self) -> Checksum {
        let algorithm = self.pick(&[
            Algorithm::Xor,
            Algorithm::Sum8,
            Algorithm::Sum16,
            Algorithm::Crc16Modbus,
            Algorithm::Crc16CcittFalse,
            Algorithm::Crc16Xmodem,
            Algorithm::Crc16Kermit,
            Algorithm::Crc16X25,
            Algorithm::Crc32,
        ]);
        let position = |byte: u8| i32::from(byte % 12) - 8;
        Checksum {
            algorithm,
            from: i32::from(self.byte() % 3),
            to: self.rarely(4).then(|| position(9)).or(Some(-8)),
            at: if self.rarely(5) { position(self.byte()) } else { -8 },
            endian: self.endian(),
            hex: self.rarely(3),
        }
    }

    fn parts(&mut self, depth: usize, columns: bool, most: usize) -> Vec<Part> {
        let count = self.below(most + 1);
        (0..count).map(|_| self.part(depth, columns)).collect()
    }

    fn part(&mut self, depth: usize, columns: bool) -> Part {
        let kind = self.below(8);
        if depth >= 3 || kind < 5 {
            return Part::Field(self.field(depth, columns));
        }
        let outside = (self.counts.clone(), self.names.clone());
        self.fields += 1;
        let name = format!("n{}", self.fields);
        let part = if kind < 7 {
            let count = match self.below(3) {
                0 => Count::Fixed(self.below(4)),
                1 if !self.counts.is_empty() => Count::Field(self.pick(&self.counts.clone())),
                _ => Count::Rest,
            };
            let mut parts = vec![Part::Field(self.field(depth + 1, false))];
            parts.extend(self.parts(depth + 1, false, 2));
            Part::List(List { name, count, parts })
        } else {
            let layouts = 1 + self.below(2);
            let layout = |choices: &mut Self, at: usize| {
                (choices.counts, choices.names) = outside.clone();
                Layout {
                    name: format!("l{at}"),
                    tags: vec![(at as u64 * 3, at as u64 * 3 + 1)],
                    parts: choices.parts(depth + 1, false, 3),
                }
            };
            let length = self
                .rarely(2)
                .then(|| Format::parse("u8", Endian::Big).expect("known"));
            Part::Blocks(Blocks {
                name,
                label: "label".to_owned(),
                tag: Format::parse("u8", Endian::Big).expect("known"),
                length,
                layouts: (0..layouts).map(|at| layout(self, at)).collect(),
            })
        };
        (self.counts, self.names) = outside;
        part
    }

    fn field(&mut self, depth: usize, columns: bool) -> Field {
        let mut format = self.format();
        let place = match self.below(6) {
            0 if depth == 0 => Place::Offset(i32::from(self.byte() % 20) - 8),
            1..4 if depth == 0 && columns => {
                format = if self.rarely(2) {
                    Format::Decimal
                } else {
                    Format::Text
                };
                Place::Column(i32::from(self.byte() % 8) - 3)
            }
            _ => Place::Next,
        };
        let width = match (format.width(), place, self.below(6)) {
            (Some(_), ..) | (None, Place::Column(_), _) => Width::Own,
            (None, _, 0 | 1) => Width::Bytes(1 + self.below(6)),
            (None, _, 2) if !self.counts.is_empty() => Width::Field(self.pick(&self.counts.clone())),
            (None, _, 3) => Width::Until(self.pick(b"\0,;")),
            (None, _, 4) => Width::RestBut(1 + self.below(3)),
            _ => Width::Rest,
        };
        self.fields += 1;
        let name = if self.rarely(8) {
            String::new()
        } else {
            format!("f{}", self.fields)
        };
        if !name.is_empty() {
            self.names.push(name.clone());
            if format.is_count() {
                self.counts.push(name.clone());
            }
        }
        let is_number = format.width().is_some() || format == Format::Decimal;
        let factors = [0.1, 0.000_001, 1.0 / 3.0, -2.5, 1e300];
        let scale = (is_number && self.rarely(3)).then(|| Scale {
            factor: self.pick(&factors),
            offset: self.pick(&[0.0, -40.0, 0.05]),
        });
        let bits = (format.is_count() && self.rarely(5)).then(|| Bits {
            first: self.byte() % 8,
            count: 1 + self.byte() % 3,
        });
        Field {
            name,
            place,
            format,
            width,
            bits,
            scale,
            trim: self.rarely(2),
            hidden: self.rarely(6),
        }
    }

    fn payload(&mut self) -> Payload {
        match self.below(6) {
            0 => Payload::Raw,
            1 => Payload::Hex,
            2 if !self.names.is_empty() => Payload::Field(self.pick(&self.names.clone())),
            3 => Payload::Json {
                omit: Vec::new(),
                label: Some("kind".to_owned()),
            },
            _ => Payload::Json {
                omit: Vec::new(),
                label: None,
            },
        }
    }

    fn identity(&mut self) -> Identity {
        let client_id = match self.below(4) {
            0 if !self.names.is_empty() => {
                let source = Source::Field(self.pick(&self.names.clone()));
                let form = if self.rarely(2) { Form::Bytes } else { Form::Text };
                let pieces = vec![Piece::Literal(b"d".to_vec()), Piece::Value { source, form }];
                ClientId::Frame(Template { pieces })
            }
            1 => ClientId::Certificate,
            _ => ClientId::Address,
        };
        let keepalive = match self.below(3) {
            0 if !self.counts.is_empty() => Keepalive::Field(self.pick(&self.counts.clone())),
            _ => Keepalive::Seconds(u16::from(self.byte())),
        };
        let username = self.rarely(3).then(|| self.template(false));
        Identity {
            client_id,
            password: username.is_some().then(|| self.template(false)),
            username,
            keepalive,
        }
    }

    /// `free`: with what only answers have.
    fn template(&mut self, free: bool) -> Template {
        let count = self.below(4);
        let mut pieces = Vec::new();
        for _ in 0..count {
            let form = match self.below(4) {
                0 => Form::Text,
                1 => {
                    let format = self.format();
                    let width = (format.width().is_none() && self.rarely(2)).then(|| 1 + self.below(8));
                    Form::As { format, width }
                }
                _ => Form::Bytes,
            };
            let source = match self.below(4) {
                0 if free => Source::Client,
                1 | 2 if !self.names.is_empty() => Source::Field(self.pick(&self.names.clone())),
                _ => {
                    pieces.push(Piece::Literal(self.some_bytes(1, 4)));
                    continue;
                }
            };
            pieces.push(Piece::Value { source, form });
        }
        Template { pieces }
    }

    fn reply(&mut self) -> Reply {
        let mut template = self.template(true);
        template.pieces.push(Piece::Literal(vec![b'.'; 12]));
        Reply {
            template,
            raw: self.rarely(4),
            codes: None,
        }
    }

    fn refusal(&mut self) -> Reply {
        let mut reply = self.reply();
        if self.rarely(2) {
            let format = Format::parse("u16", Endian::Big).expect("known");
            let form = self.pick(&[Form::Text, Form::As { format, width: None }]);
            let source = Source::Code;
            reply.template.pieces.push(Piece::Value { source, form });
            reply.codes = Some(Codes {
                credentials: Some(self.byte().to_string()),
                other: Some("7".to_owned()),
                ..Codes::default()
            });
        }
        reply
    }

    fn message(&mut self, at: usize, is_last: bool, columns: bool) -> Message {
        let when = if is_last { Vec::new() } else { self.conditions() };
        let fields = self.parts(0, columns, 4);
        let role = match self.below(8) {
            0 => Role::Login(self.identity()),
            1 => Role::Heartbeat,
            2 => Role::Close,
            3 => Role::Ignore,
            4 if !self.counts.is_empty() => Role::Acknowledge {
                number: self.pick(&self.counts.clone()),
            },
            _ => Role::Data,
        };
        let answers = matches!(role, Role::Login(_) | Role::Data | Role::Heartbeat | Role::Close);
        let refuses = matches!(role, Role::Login(_) | Role::Data);
        Message {
            name: format!("m{at}"),
            when,
            publish: !matches!(role, Role::Ignore) && self.rarely(3),
            payload: self.rarely(4).then(|| self.payload()),
            answer: (answers && self.rarely(2)).then(|| self.reply()),
            refusal: (refuses && self.rarely(3)).then(|| self.refusal()),
            role,
            fields,
        }
    }

    fn conditions(&mut self) -> Vec<Condition> {
        let Some(field) = (!self.counts.is_empty()).then(|| self.pick(&self.counts.clone())) else {
            return Vec::new();
        };
        let numbers = (0..1 + self.below(3)).map(|_| Literal::Number(i128::from(self.byte())));
        let test = Test::OneOf(numbers.collect());
        vec![Condition { field, test }]
    }

    fn reactions(&mut self) -> Reactions {
        let mut reaction = || {
            if self.rarely(3) {
                Reaction::Close
            } else {
                Reaction::Skip
            }
        };
        Reactions {
            checksum: reaction(),
            malformed: reaction(),
            unknown: reaction(),
            early: reaction(),
        }
    }

    fn down(&mut self, window: u16) -> Down {
        let payload = self.pick(&[DownPayload::Raw, DownPayload::Hex, DownPayload::Json]);
        let sequence_width = self.pick(&[1, 2, 4]);
        let source = match payload {
            DownPayload::Json => Source::Member("x".to_owned()),
            DownPayload::Raw | DownPayload::Hex => Source::Payload,
        };
        let format = Format::parse("u32", Endian::Little).expect("known");
        let pieces = vec![
            Piece::Literal(vec![b'-'; 12]),
            Piece::Value {
                source: Source::Sequence,
                form: Form::As { format, width: None },
            },
            Piece::Value {
                source,
                form: Form::Text,
            },
        ];
        let send = Reply {
            template: Template { pieces },
            raw: self.rarely(6),
            codes: None,
        };
        Down {
            payload,
            sequence_width,
            window,
            commands: vec![Command {
                name: "any".to_owned(),
                when: Vec::new(),
                send,
            }],
        }
    }
}

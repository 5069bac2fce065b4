//! A protocol by description: `a5`, length, kind, what belongs to the kind. Devices acknowledge what comes down.

use super::super::packets::{NAMES, body};
use super::super::script::Script;
use super::WINDOW;
use ringwire_codec::adapter::described::description::{
    ClientId, Command, Condition, Description, Down, DownPayload, Field, Frame, Framing, Identity, Keepalive,
    Literal, Message, Part, Payload, Place, Reaction, Reactions, Reply, Role, Test, Width,
};
use ringwire_codec::adapter::described::{Described, Endian, Format, Template};

/// What a frame begins with.
pub const START: u8 = 0xa5;

/// Kinds, from the device and to it.
pub mod kind {
    pub const LOGIN: u8 = 1;
    pub const WELCOME: u8 = 2;
    pub const PING: u8 = 3;
    pub const PONG: u8 = 4;
    pub const DATA: u8 = 5;
    pub const TAKEN: u8 = 6;
    pub const DENIED: u8 = 7;
    pub const COMMAND: u8 = 8;
    pub const DONE: u8 = 9;
    pub const LEAVE: u8 = 10;
    pub const GOODBYE: u8 = 11;
    pub const STATUS: u8 = 12;
}

/// The protocol; `is_quiet`: data is not answered.
pub fn described(is_quiet: bool) -> Described {
    let data = Message {
        fields: vec![rest("data")],
        payload: Some(Payload::Field("data".to_owned())),
        answer: (!is_quiet).then(|| reply("06 {tag:u8}")),
        refusal: (!is_quiet).then(|| reply("07 {tag:u8}")),
        ..message("data", kind::DATA, Role::Data)
    };
    let number = "number".to_owned();
    let description = Description {
        name: if is_quiet { "quiet" } else { "spoken" }.to_owned(),
        version: 1,
        frame: Frame {
            framing: Framing::Length {
                start: vec![START],
                offset: 1,
                width: 2,
                endian: Endian::Big,
                adjustment: 0,
            },
            strip: 3,
            strip_end: 0,
            max: 600,
            noise_max: 0,
            also: Vec::new(),
        },
        checksum: None,
        separator: None,
        fields: vec![field("kind", "u8", Width::Own), field("tag", "u8", Width::Own)],
        identity: None,
        messages: vec![
            login(),
            Message {
                answer: Some(reply("04")),
                ..message("ping", kind::PING, Role::Heartbeat)
            },
            data,
            Message {
                fields: vec![field("number", "u16", Width::Own)],
                publish: true,
                ..message("done", kind::DONE, Role::Acknowledge { number })
            },
            Message {
                publish: true,
                answer: Some(reply("0b")),
                ..message("leave", kind::LEAVE, Role::Close)
            },
            Message {
                publish: true,
                answer: Some(reply("04")),
                ..message("status", kind::STATUS, Role::Heartbeat)
            },
        ],
        reactions: Reactions {
            malformed: Reaction::Skip,
            ..Reactions::default()
        },
        payload: Payload::Raw,
        down: Some(Down {
            payload: DownPayload::Raw,
            sequence_width: 2,
            window: WINDOW,
            commands: vec![Command {
                name: "command".to_owned(),
                when: Vec::new(),
                send: reply("08 {$sequence:u16} {$payload}"),
            }],
        }),
    };
    description.compile().expect("a description without flaws")
}

fn login() -> Message {
    let client_id = Template::text("{name}", Endian::Big).expect("a template");
    let identity = Identity {
        client_id: ClientId::Frame(client_id),
        username: None,
        password: None,
        keepalive: Keepalive::Field("tag".to_owned()),
    };
    Message {
        fields: vec![field("name", "text", Width::Rest)],
        answer: Some(reply("02 00")),
        refusal: Some(reply("02 01")),
        ..message("login", kind::LOGIN, Role::Login(identity))
    }
}

fn message(name: &str, kind: u8, role: Role) -> Message {
    Message {
        name: name.to_owned(),
        when: vec![Condition {
            field: "kind".to_owned(),
            test: Test::OneOf(vec![Literal::Number(i128::from(kind))]),
        }],
        role,
        fields: Vec::new(),
        publish: false,
        payload: None,
        answer: None,
        refusal: None,
    }
}

fn field(name: &str, format: &str, width: Width) -> Part {
    Part::Field(Field {
        name: name.to_owned(),
        place: Place::Next,
        format: Format::parse(format, Endian::Big).expect("a format"),
        width,
        bits: None,
        scale: None,
        trim: false,
        hidden: false,
    })
}

fn rest(name: &str) -> Part {
    field(name, "bytes", Width::Rest)
}

fn reply(template: &str) -> Reply {
    Reply {
        template: Template::hex(template, Endian::Big).expect("a template"),
        raw: false,
        codes: None,
    }
}

/// A frame of a device.
pub fn frame(script: &mut Script<'_>, is_connected: bool) -> Vec<u8> {
    let what = script.below(16);
    let mut content = match what {
        _ if !is_connected || what == 1 => {
            // Some want to be heard of every second.
            let name = script.pick(NAMES);
            [&[kind::LOGIN, u8::from(script.one_in(4))], name.as_bytes()].concat()
        }
        0 => vec![kind::LEAVE, 0],
        2 => vec![kind::PING, 0],
        3 => vec![kind::STATUS, script.below(3) as u8],
        4 | 5 => vec![kind::DONE, 0, 0, script.below(5) as u8],
        6 => vec![script.byte(), script.byte()],
        _ => [&[kind::DATA, script.below(3) as u8], &body(script)[..]].concat(),
    };
    // Fields that do not fit.
    if script.one_in(32) {
        content.pop();
    }
    framed(&content)
}

/// What acknowledges a command.
pub fn done(number: u16) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    framed(&[kind::DONE, 0, high, low])
}

fn framed(content: &[u8]) -> Vec<u8> {
    let size = u16::try_from(content.len()).unwrap_or(u16::MAX);
    [&[START][..], &size.to_be_bytes(), content].concat()
}

//! GB/T 32960.3-2016, which needs blocks with tags, counted lists in them, and the bytes of a frame in its answer.
//!
//! The values of the frames are those of EMQX's own tests (emqx/emqx,
//! `apps/emqx_gateway_gbt32960/test/emqx_gbt32960_parser_SUITE.erl`).

use crate::device::{Device, Said, field, hex, hex_template, parts, reply, wide};
use ringwire_codec::adapter::Peer;
use ringwire_codec::adapter::described::description::{
    Algorithm, Blocks, Checksum, ClientId, Condition, Count, Field, Frame, Framing, Identity, Keepalive,
    Layout, List, Literal, Message, Part, Payload, Place, Reactions, Role, Scale, Test, Width,
};
use ringwire_codec::adapter::described::{Described, Description, Endian, Format, Step};

const VIN: &str = "1G1BL52P7TR115520";

fn is(command: &[i128]) -> Vec<Condition> {
    let literals = command.iter().map(|number| Literal::Number(*number)).collect();
    vec![Condition {
        field: "command".to_owned(),
        test: Test::OneOf(literals),
    }]
}

fn list(name: &str, count: &str, items: Vec<Part>) -> Part {
    Part::List(List {
        name: name.to_owned(),
        count: Count::Field(count.to_owned()),
        parts: items,
    })
}

fn time() -> Field {
    wide("time", "hex", Width::Bytes(6))
}

fn scaled(name: &str, format: &str, factor: f64, offset: f64) -> Field {
    Field {
        scale: Some(Scale { factor, offset }),
        ..field(name, format)
    }
}

fn layout(name: &str, tag: u64, parts: Vec<Part>) -> Layout {
    Layout {
        name: name.to_owned(),
        tags: vec![(tag, tag)],
        parts,
    }
}

fn infos() -> Part {
    let vehicle = parts([
        field("status", "u8"),
        field("charging", "u8"),
        field("mode", "u8"),
        scaled("speed", "u16", 0.1, 0.0),
        scaled("mileage", "u32", 0.1, 0.0),
        scaled("voltage", "u16", 0.1, 0.0),
        scaled("current", "u16", 0.1, -1000.0),
        field("soc", "u8"),
        field("dc", "u8"),
        field("gear", "u8"),
        field("resistance", "u16"),
        field("accelerator", "u8"),
        field("brake", "u8"),
    ]);
    let motor = parts([
        field("no", "u8"),
        field("status", "u8"),
        scaled("controller", "u8", 1.0, -40.0),
        scaled("speed", "u16", 1.0, -20000.0),
        scaled("torque", "u16", 0.1, -2000.0),
        scaled("temperature", "u8", 1.0, -40.0),
        scaled("voltage", "u16", 0.1, 0.0),
        scaled("current", "u16", 0.1, -1000.0),
    ]);
    let hidden = |name: &str| Field {
        hidden: true,
        ..field(name, "u8")
    };
    let mut motors = parts([hidden("count")]);
    motors.push(list("motors", "count", motor));
    let mut alarm = parts([field("level", "u8"), wide("general", "hex", Width::Bytes(4))]);
    for kind in ["battery", "motor", "engine", "other"] {
        alarm.extend(parts([hidden(&format!("n-{kind}"))]));
        let code = parts([wide("", "hex", Width::Bytes(4))]);
        alarm.push(list(kind, &format!("n-{kind}"), code));
    }
    let location = parts([
        field("status", "u8"),
        scaled("longitude", "u32", 0.000_001, 0.0),
        scaled("latitude", "u32", 0.000_001, 0.0),
    ]);
    let mut systems = parts([field("no", "u8"), hidden("probes-high"), hidden("probes")]);
    systems.push(list(
        "temperatures",
        "probes",
        parts([scaled("", "u8", 1.0, -40.0)]),
    ));
    let mut temperatures = parts([hidden("count")]);
    temperatures.push(list("systems", "count", systems));
    Part::Blocks(Blocks {
        name: "infos".to_owned(),
        label: "type".to_owned(),
        tag: Format::parse("u8", Endian::Big).expect("as written here"),
        length: None,
        layouts: vec![
            layout("vehicle", 1, vehicle),
            layout("motors", 2, motors),
            layout("location", 5, location),
            layout("alarm", 7, alarm),
            layout("temperatures", 9, temperatures),
        ],
    })
}

fn message(name: &str, commands: &[i128], role: Role, fields: Vec<Part>) -> Message {
    Message {
        name: name.to_owned(),
        when: is(commands),
        role,
        fields,
        publish: false,
        payload: None,
        answer: Some(reply(hex_template("{command} 01 {vin} {encryption} {time}"))),
        refusal: Some(reply(hex_template("{command} 02 {vin} {encryption} {time}"))),
    }
}

fn messages() -> Vec<Message> {
    let mut login = parts([
        time(),
        field("serial", "u16"),
        wide("iccid", "text", Width::Bytes(20)),
    ]);
    login.extend(parts([field("n", "u8"), field("size", "u8")]));
    login.extend(parts([wide("codes", "text", Width::Rest)]));
    let identity = Identity {
        client_id: ClientId::Frame(crate::device::text_template("{vin}")),
        username: None,
        password: None,
        keepalive: Keepalive::Seconds(90),
    };
    let mut realtime = parts([time()]);
    realtime.push(infos());
    let heartbeat = Message {
        answer: Some(reply(hex_template("07 01 {vin} {encryption}"))),
        refusal: None,
        ..message("heartbeat", &[7], Role::Heartbeat, Vec::new())
    };
    let logout = parts([time(), field("serial", "u16")]);
    vec![
        Message {
            publish: true,
            ..message("login", &[1], Role::Login(identity), login)
        },
        message("realtime", &[2, 3], Role::Data, realtime),
        Message {
            publish: true,
            refusal: None,
            ..message("logout", &[4], Role::Close, logout)
        },
        heartbeat,
    ]
}

fn checksum() -> Checksum {
    Checksum {
        algorithm: Algorithm::Xor,
        from: 2,
        to: Some(-1),
        at: -1,
        endian: Endian::Big,
        hex: false,
    }
}

fn framing() -> Frame {
    Frame {
        framing: Framing::Length {
            start: b"##".to_vec(),
            offset: 22,
            width: 2,
            endian: Endian::Big,
            adjustment: 1,
        },
        strip: 0,
        strip_end: 1,
        max: 4096,
        noise_max: 64,
        also: Vec::new(),
    }
}

pub fn description() -> Description {
    let command = Field {
        place: Place::Offset(2),
        ..field("command", "u8")
    };
    let vin = Field {
        trim: true,
        ..wide("vin", "text", Width::Bytes(17))
    };
    let omit = ["command", "response", "encryption", "length"];
    Description {
        name: "gbt32960".to_owned(),
        version: 1,
        frame: framing(),
        checksum: Some(checksum()),
        separator: None,
        fields: parts([
            command,
            field("response", "u8"),
            vin,
            field("encryption", "u8"),
            field("length", "u16"),
        ]),
        identity: None,
        messages: messages(),
        reactions: Reactions::default(),
        payload: Payload::Json {
            omit: omit.map(str::to_owned).to_vec(),
            label: Some("message".to_owned()),
        },
        down: None,
    }
}

pub fn described() -> Described {
    description().compile().expect("without flaws")
}

/// A frame of a vehicle, made here and not by what is tested.
pub fn frame(command: u8, response: u8, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![command, response];
    frame.extend_from_slice(VIN.as_bytes());
    frame.push(1);
    frame.extend_from_slice(&(data.len() as u16).to_be_bytes());
    frame.extend_from_slice(data);
    let xor = frame.iter().fold(0, |sum, byte| sum ^ byte);
    frame.push(xor);
    [b"##", frame.as_slice()].concat()
}

pub fn login() -> Vec<u8> {
    let data = [
        &hex("0c0c1d0c1314 0001"),
        b"12345678901234567890".as_slice(),
        &[1, 1],
        b"C",
    ]
    .concat();
    frame(1, 0xfe, &data)
}

#[test]
fn a_login_lets_in_is_answered_with_its_time_and_is_published() {
    let mut device = Device::new(&described());
    device.send(&login());
    let [connect, Said::Publish(payload, _)] = device.said.as_slice() else {
        panic!("{:?}", device.said);
    };
    assert_eq!(*connect, Said::Connect(VIN.into(), None, None, 90));
    assert_eq!(
        String::from_utf8_lossy(payload),
        r#"{"message":"login","vin":"1G1BL52P7TR115520","time":"0c0c1d0c1314","serial":1,"iccid":"12345678901234567890","n":1,"size":1,"codes":"C"}"#
    );
    assert_eq!(device.take_told(), frame(1, 1, &hex("0c0c1d0c1314")));
    assert_eq!(device.input, b"");
}

#[test]
fn a_second_login_of_the_same_vehicle_is_answered_again_and_another_vehicle_is_not() {
    let mut device = Device::new(&described());
    device.send(&login()).take_said();
    device.take_told();
    device.send(&login());
    assert!(matches!(
        device.take_said().as_slice(),
        [Said::Heartbeat, Said::Publish(..)]
    ));
    assert_eq!(device.take_told(), frame(1, 1, &hex("0c0c1d0c1314")));
    let mut other = login();
    other[20] = b'1';
    let last = other.len() - 1;
    other[last] = other[2..last].iter().fold(0, |sum, byte| sum ^ byte);
    device.send(&other);
    assert!(
        matches!(device.said.as_slice(), [Said::Unreadable(why)] if why.to_string().contains("another device"))
    );
}

fn realtime(data: &str) -> String {
    let mut device = Device::new(&described());
    device.send(&login()).take_said();
    device.take_told();
    device.send(&frame(2, 0xfe, &hex(data)));
    assert_eq!(device.take_told(), frame(2, 1, &hex(data)[..6]));
    device.published().pop().expect("published")
}

#[test]
fn blocks_are_objects_with_what_their_layout_has() {
    // case02: status 1, speed 2000, mileage 999999, voltage 5000, current 15000, ...
    let vehicle = "01 010101 07d0 000f423f 1388 3a98 32 01 05 1770 5a 00";
    assert_eq!(
        realtime(&format!("1001 0102 3b00 {vehicle}")),
        r#"{"message":"realtime","vin":"1G1BL52P7TR115520","time":"100101023b00","infos":[{"type":"vehicle","status":1,"charging":1,"mode":1,"speed":200,"mileage":99999.9,"voltage":500,"current":500,"soc":50,"dc":1,"gear":5,"resistance":6000,"accelerator":90,"brake":0}]}"#
    );
    // case03 and case06: two motors, and a location behind them.
    let motors = "02 02 01017d753061a87d753c79e3 02017d75f862d4917d0075f8";
    let seen = realtime(&format!("1001 0102 3b00 {motors} 05 00 0000000a 00000064"));
    assert_eq!(
        seen,
        r#"{"message":"realtime","vin":"1G1BL52P7TR115520","time":"100101023b00","infos":[{"type":"motors","motors":[{"no":1,"status":1,"controller":85,"speed":10000,"torque":500,"temperature":85,"voltage":3001.2,"current":2120.3},{"no":2,"status":1,"controller":85,"speed":10200,"torque":530,"temperature":105,"voltage":3200,"current":2020}]},{"type":"location","status":0,"longitude":0.00001,"latitude":0.0001}]}"#
    );
}

#[test]
fn lists_in_blocks_are_counted_and_unknown_blocks_are_hex() {
    // case08
    let alarm = "07 02 00000000 01 0000007b 02 0000007b 000000df 01 0000007b 01 0000007d";
    assert_eq!(
        realtime(&format!("110c 1416 173b {alarm}")),
        r#"{"message":"realtime","vin":"1G1BL52P7TR115520","time":"110c1416173b","infos":[{"type":"alarm","level":2,"general":"00000000","battery":["0000007b"],"motor":["0000007b","000000df"],"engine":["0000007b"],"other":["0000007d"]}]}"#
    );
    let temperatures = "09 02 01 0002 28 29 02 0001 00";
    let seen = realtime(&format!("110c 1416 173b {temperatures} 80 abcd"));
    assert_eq!(
        seen,
        r#"{"message":"realtime","vin":"1G1BL52P7TR115520","time":"110c1416173b","infos":[{"type":"temperatures","systems":[{"no":1,"temperatures":[0,1]},{"no":2,"temperatures":[-40]}]},{"type":"0x80","data":"abcd"}]}"#
    );
}

#[test]
fn heartbeats_are_answered_and_a_logout_is_published_and_closes() {
    let mut device = Device::new(&described());
    device.send(&frame(7, 0xfe, b""));
    assert!(
        matches!(device.take_said().as_slice(), [Said::Unreadable(_)]),
        "before a login"
    );
    let mut device = Device::new(&described());
    device.send(&login()).take_said();
    device.take_told();
    device.send(&frame(7, 0xfe, b""));
    assert_eq!(device.take_said(), [Said::Heartbeat]);
    assert_eq!(device.take_told(), frame(7, 1, b""));
    device.send(&frame(4, 0xfe, &hex("110c1416173b 0001")));
    assert!(matches!(
        device.take_said().as_slice(),
        [Said::Publish(..), Said::Close]
    ));
    assert_eq!(device.take_told(), frame(4, 1, &hex("110c1416173b")));
}

#[test]
fn frames_are_found_behind_noise_and_wrong_checksums_close() {
    let mut device = Device::new(&described());
    device.send(b"\x00#\x00").send(&login());
    assert!(matches!(
        device.take_said().as_slice(),
        [Said::Skipped(3), Said::Connect(..), Said::Publish(..)]
    ));
    let mut wrong = frame(7, 0xfe, b"");
    wrong[4] ^= 1;
    device.send(&wrong);
    assert!(
        matches!(device.said.as_slice(), [Said::Unreadable(why)] if why.what.contains("checksum")),
        "{:?}",
        device.said
    );
    let mut noisy = Device::new(&described());
    noisy.send(&[0; 64]);
    assert_eq!(noisy.said, []);
    noisy.send(&[0]);
    assert!(
        matches!(noisy.said.as_slice(), [Said::Unreadable(why)] if why.what.contains("65 bytes of noise"))
    );
}

#[test]
fn what_is_explained_is_what_is_read() {
    let peer = Peer {
        address: crate::device::PEER.parse().expect("as written here"),
        certificate: None,
    };
    let bytes = [
        login(),
        frame(2, 0xfe, &hex("100101023b00 0200 05 00 0000000a 00000064")),
        frame(7, 0xfe, b""),
    ]
    .concat();
    let steps = described().explain(peer, &bytes);
    let field = |wanted: &str| {
        steps.iter().find_map(|step| match step {
            Step::Field { path, value, at, .. } if path == wanted => {
                Some((value.as_str(), at.expect("as written here")))
            }
            _ => None,
        })
    };
    assert_eq!(field("vin"), Some(("\"1G1BL52P7TR115520\"", 4)));
    assert_eq!(field("infos[1]"), Some(("\"location\"", 32)));
    assert_eq!(field("infos[1].latitude"), Some(("0.0001", 38)));
    let frames: Vec<usize> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Frame { at, .. } => Some(*at),
            _ => None,
        })
        .collect();
    // The login is read twice: to let it in, and to publish it.
    assert_eq!(frames, [0, 0, login().len(), login().len() + 25 + 18]);
    assert!(steps.contains(&Step::Answer {
        bytes: frame(7, 1, b"")
    }));
    assert!(steps.contains(&Step::NotMatched {
        message: "login".to_owned(),
        field: "command".to_owned()
    }));
    assert!(
        steps
            .iter()
            .any(|step| matches!(step, Step::Checksum { computed, found, .. } if Some(*computed) == *found))
    );
}

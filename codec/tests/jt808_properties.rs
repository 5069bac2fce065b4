//! JT/T 808: what holds for any frames: where the bytes are split does not matter, and what goes down comes back up.

#![allow(clippy::unwrap_used)]

mod terminal;

use proptest::prelude::*;
use ringwire_codec::adapter::jt808::{Jt808, TextEncoding};
use serde_json::{Value, json};
use terminal::{Conversation, Frame, Told};

fn connected(settings: &Jt808) -> Conversation {
    Conversation::let_in(settings, &Frame::new(0x0102, 2, b"secret"))
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let ids = prop::sample::select(vec![
        0x0001, 0x0002, 0x0100, 0x0102, 0x0104, 0x0107, 0x0200, 0x0702, 0x0704, 0x0705, 0x0801, 0x0802,
        0x0900, 0x0f00,
    ]);
    let body = prop::collection::vec(any::<u8>(), 0..80);
    let good = (ids, any::<u16>(), body, any::<bool>()).prop_map(|(id, serial, body, in_packages)| {
        let frame = Frame::new(id, serial, &body);
        match in_packages && !body.is_empty() {
            true => frame.packages(20).iter().flat_map(Frame::bytes).collect(),
            false => frame.bytes(),
        }
    });
    let bad = prop::collection::vec(prop::sample::select(vec![0x7e, 0x7d, 0x01, 0x02, 0x55]), 0..8);
    prop_oneof![4 => good, 1 => bad]
}

/// Bytes outside of frames are left out as they come, so how often depends on the split.
fn without_skips(told: Vec<Told>) -> Vec<Told> {
    let is_event = |told: &Told| !matches!(told, Told::Skipped(_));
    told.into_iter().filter(is_event).collect()
}

/// A parameter whose kind is known, or not.
fn parameter() -> impl Strategy<Value = Value> {
    let text = "[ -~京沪粤苏你好世界]{0,20}".prop_map(|text| json!({"id": 0x83, "value": text}));
    let bytes = prop::collection::vec(any::<u8>(), 0..30);
    let bytes = bytes.prop_map(|bytes| {
        use base64::Engine as _;
        let value = base64::engine::general_purpose::STANDARD.encode(bytes);
        json!({"id": 0xf001, "value": value})
    });
    prop_oneof![
        any::<u32>().prop_map(|value| json!({"id": 1, "value": value})),
        any::<u16>().prop_map(|value| json!({"id": 0x31, "value": value})),
        any::<u8>().prop_map(|value| json!({"id": 0x84, "value": value})),
        text,
        bytes,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn where_bytes_are_split_does_not_matter(
        frames in prop::collection::vec(frame(), 1..8),
        cuts in prop::collection::vec(1_usize..40, 1..40),
    ) {
        let bytes = frames.concat();
        let mut whole = connected(&Jt808::default());
        let told = without_skips(whole.hears(&bytes));
        let mut split = connected(&Jt808::default());
        let (mut rest, mut parts) = (&bytes[..], Vec::new());
        for size in cuts.iter().cycle() {
            let (part, behind) = rest.split_at((*size).min(rest.len()));
            parts.extend(split.hears(part));
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(without_skips(parts), told);
        prop_assert_eq!(split.says(), whole.says());
    }

    #[test]
    fn parameters_that_are_set_are_parameters_that_are_read(
        parameters in prop::collection::vec(parameter(), 0..60),
        in_utf8 in any::<bool>(),
    ) {
        let settings = Jt808 {
            text: if in_utf8 { TextEncoding::Utf8 } else { TextEncoding::Gbk },
            ..Jt808::default()
        };
        let mut conversation = connected(&settings);
        let payload = json!({"header": {"msg_id": 0x8103}, "body": {"params": &parameters}}).to_string();
        prop_assert!(conversation.deliver(&payload, 1, false).is_ok());
        // In packages when it is long, and sent back the same way.
        let set: Vec<u8> = conversation.says().iter().flat_map(|frame| frame.body.clone()).collect();
        let body = [&[0, 42], &set[..]].concat();
        let told = without_skips(conversation.hears(&Frame::new(0x0104, 9, &body).packages(1000)[0].bytes()));
        if body.len() > 1000 {
            return Ok(());
        }
        let Some(Told::Publish(payload, _)) = told.last() else {
            panic!("{told:?}")
        };
        let message: Value = serde_json::from_str(payload).unwrap();
        let expected = json!({"seq": 42, "length": parameters.len(), "params": parameters});
        prop_assert_eq!(&message["body"], &expected);
    }

    #[test]
    fn transparent_data_comes_back_as_it_went(data in prop::collection::vec(any::<u8>(), 0..4000)) {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(data);
        let mut conversation = connected(&Jt808::default());
        let body = json!({"type": 240, "data": text});
        let payload = json!({"header": {"msg_id": 0x8900}, "body": body}).to_string();
        prop_assert!(conversation.deliver(&payload, 0, false).is_ok());
        let sent = conversation.says();
        let bytes: Vec<u8> = sent.into_iter().flat_map(|frame| Frame { id: 0x0900, ..frame }.bytes()).collect();
        let told = conversation.hears(&bytes);
        let Some(Told::Publish(payload, _)) = told.last() else {
            panic!("{told:?}")
        };
        let message: Value = serde_json::from_str(payload).unwrap();
        prop_assert_eq!(&message["body"], &body);
    }
}

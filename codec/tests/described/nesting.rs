//! Names with dots: objects in JSON, and what cannot stand in one.

use crate::answers::{flaws, length};
use crate::device::{Device, field, hex, parts};
use crate::framings::open;
use ringwire_codec::adapter::described::description::{Count, Field, List, Part, Payload};

/// What a frame of four bytes is published as; `names` of its fields, hidden with a `-` before it.
fn published(names: [&str; 4], label: Option<&str>) -> Result<String, Vec<String>> {
    let fields = names.map(|name| match name.strip_prefix('-') {
        Some(name) => Field {
            hidden: true,
            ..field(name, "u8")
        },
        None => field(name, "u8"),
    });
    let payload = Payload::Json {
        omit: vec!["left.out".to_owned()],
        label: label.map(str::to_owned),
    };
    let mut description = open(length(&[0x78; 2], 1), Vec::new(), payload);
    let (common, own) = fields.split_at(2);
    description.fields = parts(common.to_vec());
    description.messages[0].fields = parts(own.to_vec());
    description.frame.strip = 3;
    let omits = names.contains(&"left.out");
    if let (Payload::Json { omit, .. }, false) = (&mut description.payload, omits) {
        omit.clear();
    }
    if description.compile().is_err() {
        return Err(flaws(&description));
    }
    let mut device = Device::new(&description.compile().expect("without flaws"));
    device.send(&hex("7878 04 01020304"));
    Ok(device.published().remove(0))
}

#[test]
fn names_with_dots_are_members_of_objects() {
    for (names, json) in [
        (["a", "b.c", "b.d", "e"], r#"{"a":1,"b":{"c":2,"d":3},"e":4}"#),
        (
            ["a.b.c", "a.b.d", "a.e.f", "g.h"],
            r#"{"a":{"b":{"c":1,"d":2},"e":{"f":3}},"g":{"h":4}}"#,
        ),
        (
            ["a.b", "a.c.d", "a.e", "a.f.g"],
            r#"{"a":{"b":1,"c":{"d":2},"e":3,"f":{"g":4}}}"#,
        ),
        // What is not there does not come between.
        (["a.b", "-c", "left.out", "a.d"], r#"{"a":{"b":1,"d":4}}"#),
        (["-a.b", "c", "-d.e", "a.f"], r#"{"c":2,"a":{"f":4}}"#),
        (
            ["a.x", "b.x", "c.a", "d"],
            r#"{"a":{"x":1},"b":{"x":2},"c":{"a":3},"d":4}"#,
        ),
    ] {
        assert_eq!(published(names, None).as_deref(), Ok(json), "{names:?}");
    }
    let labelled = published(["a.b", "c", "d.e", "d.f"], Some("kind"));
    let json = r#"{"kind":"data","a":{"b":1},"c":2,"d":{"e":3,"f":4}}"#;
    assert_eq!(labelled.as_deref(), Ok(json));
}

#[test]
fn names_that_contradict_each_other_are_flaws() {
    for (names, flaw) in [
        (
            ["a", "a.b", "c", "d"],
            "field[1].name: `a` is a value already, and has no members",
        ),
        (
            ["a.b", "c", "a", "d"],
            "message[0].field[0].name: `a` has members already, and is no value",
        ),
        (
            ["a.b.c", "a.d", "a.b", "x"],
            "message[0].field[0].name: `a.b` has members already, and is no value",
        ),
        (
            ["a.b", "c", "a.d", "e"],
            "message[0].field[0].name: the members of `a` must stand one behind another",
        ),
        (
            ["a..b", "c", "d", "e"],
            "field[0].name: `a..b`: there is nothing between two dots, or behind the last",
        ),
        (
            ["a.", "c", "d", "e"],
            "field[0].name: `a.`: there is nothing between two dots, or behind the last",
        ),
    ] {
        assert_eq!(published(names, None), Err(vec![flaw.to_owned()]), "{names:?}");
    }
    let label = published(["kind.a", "c", "d", "e"], Some("kind")).expect_err("the label is a value");
    assert_eq!(
        label,
        ["field[0].name: `kind` is a value already, and has no members"]
    );
}

#[test]
fn lists_stand_in_objects_and_their_items_have_no_dots() {
    let list = |item: &str| {
        Part::List(List {
            name: "data.items".to_owned(),
            count: Count::Rest,
            parts: parts([field(item, "u8")]),
        })
    };
    let json = Payload::Json {
        omit: Vec::new(),
        label: None,
    };
    let mut description = open(length(&[0x78; 2], 1), parts([field("data.n", "u8")]), json);
    description.fields.push(list("x"));
    description.frame.strip = 3;
    let mut device = Device::new(&description.compile().expect("without flaws"));
    device.send(&hex("7878 03 010203"));
    assert_eq!(
        device.published(),
        [r#"{"data":{"n":1,"items":[{"x":2},{"x":3}]}}"#]
    );
    description.fields[1] = list("x.y");
    let found = flaws(&description);
    assert!(
        found[0].starts_with("field[1].field[0].name: in lists and blocks a name has no dots"),
        "{found:?}"
    );
}

//! Reading descriptions: mistakes at their place, and that the guide has every key.

use super::*;

#[test]
fn every_key_has_what_it_takes_and_what_it_is_for() {
    for table in schema::ALL {
        assert!(
            !table.about.is_empty() && !table.keys.is_empty(),
            "{}",
            table.name
        );
        for (key, takes, _, about) in table.keys {
            assert!(!takes.is_empty() && about.ends_with('.'), "{}.{key}", table.name);
        }
    }
}

#[test]
fn the_guide_has_every_key_as_the_reader_knows_it() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/adapters.md");
    let guide = std::fs::read_to_string(path).unwrap();
    assert!(
        guide.ends_with(&schema::reference()),
        "write its end again, behind \"## Every key\": ringwire adapter keys"
    );
}

#[test]
fn what_is_shipped_is_right() {
    let adapters = concat!(env!("CARGO_MANIFEST_DIR"), "/adapters");
    let mut files = 0;
    for entry in std::fs::read_dir(adapters).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".toml") && !name.ends_with(".vectors.toml") {
            files += 1;
            let shipped = crate::adapter::catalogue::shipped(name.trim_end_matches(".toml"));
            let shipped = shipped.unwrap_or_else(|| panic!("{name} is not among SHIPPED"));
            assert!(!shipped.about.is_empty());
            assert!(
                path.with_extension("vectors.toml").is_file(),
                "{name} has no vectors"
            );
        }
    }
    assert_eq!(files, crate::adapter::catalogue::SHIPPED.len());
}

/// Titles of what is wrong.
fn wrong(text: &str) -> Vec<String> {
    let wrong = read(text).expect_err("something is wrong");
    wrong.into_iter().map(|wrong| wrong.title).collect()
}

const LINES: &str = "name = \"x\"\nframe = { delimiter = \"\\n\" }\n\
     identity = { client_id = { from = \"address\" } }\nmessage = [{ name = \"m\" }]\n";

#[test]
fn a_flaw_is_shown_at_its_key_and_not_when_it_only_follows() {
    assert!(read(LINES).is_ok());
    let nameless = LINES.replace("{ from = \"address\" }", "\"{imei}\"");
    let found = read(&nameless).expect_err("there is no field imei");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(nameless[found[0].span.clone()].contains("imei"), "{found:?}");
    let follows = LINES.replace("{ from = \"address\" }", "\"{imei\"");
    assert_eq!(wrong(&follows), ["wrong value for identity.client_id"]);
}

const TWO_WAYS: &str = "name = \"x\"\nidentity = { client_id = { from = \"address\" } }\n\
     [frame]\nstart = \"0x7878\"\nlength = { offset = 2, width = 1 }\nmax = 200\n\
     [[frame.also]]\nstart = \"0x7979\"\nlength = { offset = 2, width = 2 }\nstrip = 1\n\
     [[message]]\nname = \"m\"\nrefusal = { hex = \"00 {$code:u8}\", codes = { denied = 7, other = 9 } }\n\
     field = [{ name = \"rest\", type = \"text\", width = { rest = 2 } }]\n";

#[test]
fn mistakes_in_other_starts_and_in_codes_are_shown_where_they_are() {
    let read_all = read(TWO_WAYS);
    assert!(read_all.is_ok(), "{read_all:?}");
    for (from, to, at, words) in [
        (
            "\"0x7979\"",
            "\"0x787878\"",
            "\"0x787878\"",
            "begin with 0x7878 begin so too",
        ),
        ("start = \"0x7979\"\n", "", "[[frame.also]]", "add `start`"),
        (
            "\nstrip = 1",
            "\nstrip = 300",
            "300",
            "more is stripped than the 200 bytes",
        ),
        ("strip = 1", "stirp = 1", "stirp", "did you mean `strip`?"),
        ("strip = 1", "strip_end = 1", "strip_end", "not known here"),
        ("denied = 7", "denied = 700", "700", "700 does not fit into u8"),
        ("denied = 7", "deneid = 7", "deneid", "did you mean `denied`?"),
        ("denied = 7", "denied = 1.5", "1.5", "expected"),
        (", other = 9", "", "{ denied = 7 }", "no code for `client_id`"),
        (
            ", codes = { denied = 7, other = 9 }",
            "",
            "{ hex = \"00 {$code:u8}\" }",
            "no `codes` say",
        ),
        (
            "refusal",
            "answer",
            "{ denied = 7, other = 9 }",
            "only refusals have codes",
        ),
        ("{ rest = 2 }", "{ rest = 0 }", "0", "expected"),
        (
            "length = { offset = 2, width = 1 }",
            "delimiter = \"\\n\"",
            "",
            "only with `length`",
        ),
    ] {
        let text = TWO_WAYS.replacen(from, to, 1);
        assert_ne!(text, TWO_WAYS, "{from}");
        let found = read(&text).expect_err(to);
        let labels: Vec<_> = found
            .iter()
            .map(|wrong| {
                (
                    &text[wrong.span.clone()],
                    format!("{} {:?}", wrong.label, wrong.help),
                )
            })
            .collect();
        let is_it = |(place, label): &(&str, String)| place.contains(at) && label.contains(words);
        assert!(labels.iter().any(is_it), "{to}: {labels:?}");
    }
}

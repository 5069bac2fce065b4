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

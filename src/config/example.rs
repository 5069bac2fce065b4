//! `ringwire.example.toml`: every key with its default, what it may be and why, written from the schema.
//!
//! `# ` starts prose and `#key` a key, so that taking the `#` away from every key gives the defaults again (a test does).

use super::section::Section;
use super::{Config, Listener, PLAIN_TYPES, adapters};
use std::fmt::Write;

const WIDTH: usize = 110;

const HEAD: &str = "\
# Every key of Ringwire with its default. Take the # away from a key to change it; see what you did with
#   ringwire check -c FILE
# Durations are written \"100us\", \"500ms\", \"15s\", \"10m\", \"2h\", \"1d\"; sizes 4096, \"64KB\", \"1MB\" (1 KB is 1,024 bytes).
# Each key can also be set by environment, RINGWIRE_LISTENER__MQTT__BIND=0.0.0.0:1883, and by flag,
# --set listener.mqtt.bind=0.0.0.0:1883. Flags win over the environment, which wins over this file.
# This file was written by `ringwire example`.
";

/// See the module.
pub fn example() -> String {
    let config = Config::default();
    let mut text = HEAD.to_owned();
    section(&mut text, "node", &config.node);
    section(&mut text, "log", &config.log);
    prose(
        &mut text,
        "Listeners. As soon as a file names one, only those it names are opened. A name is free, if `type` is given; \
         each type has its own keys.",
    );
    for word in PLAIN_TYPES {
        let made = Listener::of_type(word).expect("TYPES lists what of_type knows");
        let _ = writeln!(
            text,
            "\n[listener.{word}]\n# \"mqtt\" (3.1, 3.1.1, 5.0), \"emqtcp\" (EMQ's private TCP) or \"adapter\" (below)."
        );
        let _ = writeln!(text, "#type = \"{word}\"");
        keys(&mut text, &made);
    }
    adapter(&mut text);
    section(&mut text, "limits", &config.limits);
    section(&mut text, "shard", &config.shard);
    prose(
        &mut text,
        "[shard.core.N] takes the same keys but mesh_batches, for the shards on CPU N alone.",
    );
    section(&mut text, "access", &config.admission);
    section(&mut text, "broker", &config.broker);
    section(&mut text, "delayed", &config.delayed);
    section(&mut text, "rewrite", &config.rewrite);
    section(&mut text, "auto_subscribe", &config.auto_subscribe);
    section(&mut text, "flapping_detect", &config.flapping_detect);
    section(&mut text, "admin", &config.admin);
    text
}

/// Tables that need a file of the user's, so none of them is in force.
fn adapter(text: &mut String) {
    prose(
        text,
        "Devices with another private protocol: a table [adapter.NAME] names it, and a listener of type \"adapter\" \
         speaks it. Several listeners may speak one adapter. Such a listener has the keys of emqtcp but \
         max_packet_size, accept_version_0 and strict; up_topic is \"NAME/%c/up\", dn_topic \"NAME/%c/dn\", and \
         {FIELD} in up_topic is a field of the protocol.",
    );
    let _ = writeln!(text, "#   [adapter.NAME]");
    for key in adapters::keys() {
        comment(text, &format!("  {} Takes {}.", key.reason, key.expects));
        let _ = writeln!(text, "#   {} = {}", key.name, key.value);
    }
    let _ = writeln!(
        text,
        "#   [listener.trackers]\n#   type = \"adapter\"\n#   adapter = \"NAME\""
    );
}

fn section(text: &mut String, name: &str, section: &impl Section) {
    let _ = writeln!(text, "\n[{name}]");
    keys(text, section);
}

fn keys(text: &mut String, section: &impl Section) {
    for key in section.keys() {
        comment(text, &format!("{} Takes {}.", key.reason, key.expects));
        let _ = writeln!(text, "#{} = {}", key.name, key.value);
    }
}

fn prose(text: &mut String, words: &str) {
    text.push('\n');
    comment(text, words);
}

fn comment(text: &mut String, words: &str) {
    let mut line = "#".to_owned();
    for word in words.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(text, "{line}");
            "#".clone_into(&mut line);
        }
        line.push(' ');
        line += word;
    }
    let _ = writeln!(text, "{line}");
}

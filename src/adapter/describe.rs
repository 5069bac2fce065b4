//! A description's file becomes a [`Description`]: every mistake in it with line and caret, all at once.
//!
//! First the keys are read, then the codec compiles what they say and finds what contradicts itself; its flaws are shown
//! at their keys. A flaw where something was already wrong is left out, because it may be only the consequence.

mod fields;
mod forms;
mod frames;
mod keys;
mod messages;
pub mod schema;

#[cfg(test)]
mod tests;

use super::tree;
use crate::config::check;
use crate::config::form::{Checked, Text, Wrong, number};
use keys::Reading;
use ringwire_codec::adapter::described::description::{ClientId, Role};
use ringwire_codec::adapter::described::{Described, Description};
use toml::Spanned;
use toml::de::DeTable;

/// A description that was read.
#[derive(Clone, Debug)]
pub struct Read {
    /// One line for people.
    pub about: String,
    /// What runs.
    pub described: Described,
    /// Some client id is the name in a TLS certificate.
    pub needs_certificate: bool,
}

/// Reads the text of a description, or says everything that is wrong with it.
pub fn read(text: &str) -> Result<Read, Vec<Wrong>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut wrong: Vec<_> = errors
        .into_iter()
        .map(|error| crate::config::walk::not_toml(&error, text.len()))
        .collect();
    let is_toml = wrong.is_empty();
    let (about, description, mut reading) = description(text, &root);
    let needs_certificate = needs_certificate(&description);
    let described = match description.compile() {
        Ok(described) => Some(described),
        Err(flaws) => {
            let new = flaws
                .into_iter()
                .filter(|flaw| is_toml && !reading.follows(&flaw.path));
            let flaws: Vec<_> = new
                .map(|flaw| Wrong {
                    span: tree::locate(&root, &flaw.path),
                    title: title(&flaw.path),
                    label: flaw.what,
                    help: None,
                })
                .collect();
            reading.wrong.extend(flaws);
            None
        }
    };
    wrong.append(&mut reading.wrong);
    match described.filter(|_| wrong.is_empty()) {
        Some(described) => Ok(Read {
            about,
            described,
            needs_certificate,
        }),
        None => {
            wrong.sort_by_key(|wrong| wrong.span.start);
            Err(wrong)
        }
    }
}

fn title(path: &str) -> String {
    match path {
        "" => "wrong description".to_owned(),
        path => format!("wrong {path}"),
    }
}

fn description<'t>(text: &'t str, root: &'t Spanned<DeTable<'t>>) -> (String, Description, Reading<'t>) {
    let mut reading = Reading::of(text);
    let top = reading.table(&schema::TOP, String::new(), root.get_ref(), 0..0);
    reading.endian = frames::endian(&mut reading, &top);
    let about = reading.read_or(&top, "about", &Text, String::new());
    let separator = reading.read(&top, "separator", &forms::Byte);
    let description = Description {
        name: reading
            .must(&top, "name", &Checked(Text, check::name))
            .unwrap_or_else(|| "unnamed".to_owned()),
        version: reading.read_or(&top, "version", &number(0..=255), 0),
        frame: frames::frame(&mut reading, &top),
        checksum: frames::checksum(&mut reading, &top),
        separator,
        fields: fields::parts(&mut reading, &top, 0),
        identity: messages::identity_table(&mut reading, &top),
        messages: messages::messages(&mut reading, &top),
        reactions: frames::reactions(&mut reading, &top),
        payload: messages::payload(&mut reading, &top).unwrap_or_else(messages::plain_json),
        down: messages::down(&mut reading, &top),
    };
    (about, description, reading)
}

fn needs_certificate(description: &Description) -> bool {
    let logins = description
        .messages
        .iter()
        .filter_map(|message| match &message.role {
            Role::Login(identity) => Some(identity),
            Role::Heartbeat | Role::Data | Role::Acknowledge { .. } | Role::Close | Role::Ignore => None,
        });
    let mut all = logins.chain(&description.identity);
    all.any(|identity| identity.client_id == ClientId::Certificate)
}

//! `[[message]]`, `[identity]` and `[down]` of a description, with their templates, conditions and payloads.

use super::fields::{one_key, parts};
use super::forms::LiteralForm;
use super::keys::{Keys, Reading};
use super::schema;
use crate::config::form::{Flag, List, Text, Value, Word, Wrong, number, seconds};
use ringwire_codec::adapter::described::description::{
    ClientId, Codes, Command, Condition, Down, DownPayload, Identity, Keepalive, Literal, Message, Payload,
    Reply, Role, Test,
};
use ringwire_codec::adapter::described::{Endian, Template, TemplateError};

const ROLES: [&str; 6] = ["login", "heartbeat", "data", "acknowledge", "close", "ignore"];

const OF_LOGIN: [&str; 4] = ["client_id", "username", "password", "keepalive"];

const DOWN_PAYLOAD: Word<DownPayload> = Word(&[
    ("\"raw\"", DownPayload::Raw),
    ("\"hex\"", DownPayload::Hex),
    ("\"json\"", DownPayload::Json),
]);

/// `[identity]`
pub fn identity_table<'t>(reading: &mut Reading<'t>, top: &Keys<'t>) -> Option<Identity> {
    let value = top.get("identity")?;
    let keys = reading.keys(&schema::IDENTITY, "identity".to_owned(), value)?;
    Some(identity(reading, &keys))
}

fn identity<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>) -> Identity {
    let nobody = || ClientId::Frame(Template::default());
    let value = reading.need(keys, "client_id");
    Identity {
        client_id: value
            .and_then(|value| client_id(reading, keys.path_of("client_id"), value))
            .unwrap_or_else(nobody),
        username: text_template(reading, keys, "username"),
        password: text_template(reading, keys, "password"),
        keepalive: keepalive(reading, keys).unwrap_or(Keepalive::Seconds(0)),
    }
}

fn client_id<'t>(reading: &mut Reading<'t>, path: String, value: &'t Value<'t>) -> Option<ClientId> {
    match one_key(value).map(|(key, value)| (key, value.get_ref().as_str())) {
        Some(("from", Some("certificate"))) => Some(ClientId::Certificate),
        Some(("from", Some("address"))) => Some(ClientId::Address),
        Some(("from", _)) => {
            let label = "expected { from = \"certificate\" } or { from = \"address\" }";
            reading.report(path, Wrong::value(value, label));
            None
        }
        Some(_) | None => Some(ClientId::Frame(template(reading, &path, value)?.template)),
    }
}

fn text_template<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>, name: &str) -> Option<Template> {
    let value = keys.get(name)?;
    Some(template(reading, &keys.path_of(name), value)?.template)
}

fn keepalive<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>) -> Option<Keepalive> {
    let value = keys.get("keepalive")?;
    let path = keys.path_of("keepalive");
    if let Some(("field", name)) = one_key(value) {
        return reading.value(path, name, &Text).map(Keepalive::Field);
    }
    let form = seconds(0..=u64::from(u16::MAX));
    reading.value(path, value, &form).map(Keepalive::Seconds)
}

/// A template with what is done with it.
fn template<'t>(reading: &mut Reading<'t>, path: &str, value: &'t Value<'t>) -> Option<Reply> {
    if value.get_ref().as_str().is_some() {
        let template = literal(reading, path, value, Template::text)?;
        return Some(Reply {
            template,
            raw: false,
            codes: None,
        });
    }
    if value.get_ref().as_table().is_none() {
        let label = "expected text, { text = \"...\" } or { hex = \"...\" }";
        reading.report(path.to_owned(), Wrong::value(value, label));
        return None;
    }
    let keys = reading.keys(&schema::TEMPLATE, path.to_owned(), value)?;
    let raw = reading.read_or(&keys, "raw", &Flag, false);
    let codes = codes(reading, &keys);
    let read = match (keys.get("text"), keys.get("hex")) {
        (Some(text), None) => literal(reading, path, text, Template::text),
        (None, Some(digits)) => literal(reading, path, digits, Template::hex),
        (Some(_), Some(_)) => {
            reading.object(&keys, "hex", "a template is `text` or `hex`, not both");
            None
        }
        (None, None) => {
            reading.missing(&keys, "hex", "add `text` or `hex`");
            None
        }
    };
    read.map(|template| Reply { template, raw, codes })
}

/// `codes` of a template.
fn codes<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>) -> Option<Codes> {
    let value = keys.get("codes")?;
    let keys = reading.keys(&schema::CODES, keys.path_of("codes"), value)?;
    let mut code = |name| match reading.read(&keys, name, &LiteralForm)? {
        Literal::Number(number) => Some(number.to_string()),
        Literal::Text(text) => Some(text),
    };
    Some(Codes {
        client_id: code("client_id"),
        credentials: code("credentials"),
        banned: code("banned"),
        full: code("full"),
        denied: code("denied"),
        other: code("other"),
    })
}

fn literal<'t>(
    reading: &mut Reading<'t>,
    path: &str,
    value: &'t Value<'t>,
    parse: fn(&str, Endian) -> Result<Template, TemplateError>,
) -> Option<Template> {
    let text = reading.value(path.to_owned(), value, &Text)?;
    match parse(&text, reading.endian) {
        Ok(template) => Some(template),
        Err(TemplateError { at, what }) => {
            let span = value.span();
            // The text's own place, if no escape stands in it; else the whole value is shown.
            let inner = reading.text.get(span.clone()).and_then(|raw| raw.find(&text));
            let at = inner.map_or(span.clone(), |from| {
                let from = span.start + from;
                from + at.start..from + at.end
            });
            let mut wrong = Wrong::value(value, what);
            wrong.span = at;
            reading.report(path.to_owned(), wrong);
            None
        }
    }
}

fn reply<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>, name: &str) -> Option<Reply> {
    let value = keys.get(name)?;
    template(reading, &keys.path_of(name), value)
}

/// `payload` of the file or of a message.
pub fn payload<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>) -> Option<Payload> {
    let value = keys.get("payload")?;
    let path = keys.path_of("payload");
    match value.get_ref().as_str() {
        Some("raw") => return Some(Payload::Raw),
        Some("hex") => return Some(Payload::Hex),
        Some("json") => return Some(plain_json()),
        Some(_) | None => {}
    }
    if value.get_ref().as_table().is_none() {
        let label = "expected \"json\", \"raw\", \"hex\", { field = \"NAME\" } or { json = { omit = [...], label = \"...\" } }";
        reading.report(path, Wrong::value(value, label));
        return None;
    }
    let keys = reading.keys(&schema::PAYLOAD, path, value)?;
    match (keys.get("field"), keys.get("json")) {
        (Some(_), None) => reading.read(&keys, "field", &Text).map(Payload::Field),
        (None, Some(members)) => {
            let keys = reading.keys(&schema::JSON, keys.path_of("json"), members)?;
            Some(Payload::Json {
                omit: reading.read_or(&keys, "omit", &List(Text), Vec::new()),
                label: reading.read(&keys, "label", &Text),
            })
        }
        (Some(_), Some(_)) => {
            reading.object(&keys, "json", "a payload is a `field` or `json`, not both");
            None
        }
        (None, None) => {
            reading.missing(&keys, "json", "add `field` or `json`");
            None
        }
    }
}

/// All fields, and nothing else.
pub fn plain_json() -> Payload {
    Payload::Json {
        omit: Vec::new(),
        label: None,
    }
}

fn conditions<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>) -> Vec<Condition> {
    let Some(value) = keys.get("when") else {
        return Vec::new();
    };
    let path = keys.path_of("when");
    let Some(table) = value.get_ref().as_table() else {
        let label = "expected a table such as { command = 1 }";
        reading.report(path, Wrong::value(value, label));
        return Vec::new();
    };
    let tests = table.iter().filter_map(|(key, value)| {
        let field = key.get_ref().to_string();
        let test = test(reading, format!("{path}.{field}"), value)?;
        Some(Condition { field, test })
    });
    tests.collect()
}

fn test<'t>(reading: &mut Reading<'t>, path: String, value: &'t Value<'t>) -> Option<Test> {
    if let Some(("prefix", text)) = one_key(value) {
        return reading.value(path, text, &Text).map(Test::Prefix);
    }
    if value.get_ref().as_array().is_some() {
        return reading.value(path, value, &List(LiteralForm)).map(Test::OneOf);
    }
    let one = reading.value(path, value, &LiteralForm)?;
    Some(Test::OneOf(vec![one]))
}

/// All `[[message]]`.
pub fn messages<'t>(reading: &mut Reading<'t>, top: &Keys<'t>) -> Vec<Message> {
    reading.need(top, "message");
    let items = reading.tables(top, "message");
    let messages = items.into_iter().filter_map(|(path, value)| {
        let keys = reading.keys(&schema::MESSAGE, path, value)?;
        Some(message(reading, &keys))
    });
    messages.collect()
}

fn message<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>) -> Message {
    Message {
        name: reading.must(keys, "name", &Text).unwrap_or_default(),
        when: conditions(reading, keys),
        role: role(reading, keys),
        fields: parts(reading, keys, 0),
        publish: reading.read_or(keys, "publish", &Flag, false),
        payload: payload(reading, keys),
        answer: reply(reading, keys, "answer"),
        refusal: reply(reading, keys, "refusal"),
    }
}

fn role<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>) -> Role {
    let word = reading.read_or(keys, "role", &Text, "data".to_owned());
    for name in OF_LOGIN.into_iter().filter(|_| word != "login") {
        reading.object(keys, name, "only with role = \"login\", or in [identity]");
    }
    if word != "acknowledge" {
        reading.object(keys, "number", "only with role = \"acknowledge\"");
    }
    match word.as_str() {
        "login" => Role::Login(identity(reading, keys)),
        "heartbeat" => Role::Heartbeat,
        "data" => Role::Data,
        "acknowledge" => Role::Acknowledge {
            number: reading.must(keys, "number", &Text).unwrap_or_default(),
        },
        "close" => Role::Close,
        "ignore" => Role::Ignore,
        _ => {
            let words = ROLES.map(|word| format!("\"{word}\"")).join(" or ");
            reading.object(keys, "role", format!("expected {words}"));
            Role::Ignore
        }
    }
}

/// `[down]`
pub fn down<'t>(reading: &mut Reading<'t>, top: &Keys<'t>) -> Option<Down> {
    let value = top.get("down")?;
    let keys = reading.keys(&schema::DOWN, "down".to_owned(), value)?;
    let widths = Word(&[("1", 1), ("2", 2), ("4", 4)]);
    reading.need(&keys, "command");
    let items = reading.tables(&keys, "command");
    let commands = items.into_iter().filter_map(|(path, value)| {
        let keys = reading.keys(&schema::COMMAND, path, value)?;
        reading.need(&keys, "send");
        Some(Command {
            name: reading.read_or(&keys, "name", &Text, String::new()),
            when: conditions(reading, &keys),
            send: reply(reading, &keys, "send")?,
        })
    });
    let commands = commands.collect();
    Some(Down {
        payload: reading.read_or(&keys, "payload", &DOWN_PAYLOAD, DownPayload::Raw),
        sequence_width: reading.read_or(&keys, "sequence_width", &widths, 2),
        window: reading.read_or(&keys, "window", &number(0..=u64::from(u16::MAX)), 0),
        commands,
    })
}

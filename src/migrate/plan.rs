//! What the output will have: listeners with their keys, and everything that was left out.
//!
//! Values are checked by the configuration itself, so that no range stands here a second time: a key whose value would be
//! refused there is left out and says why.

use super::Mistake;
use super::conf::Setting;
use super::keys::{Fate, Form, Name, Subject, subject};
use super::values;
use crate::config::{Source, load};
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub(super) listeners: Vec<Listener<'a>>,
    /// Keys of all listeners.
    pub(super) shared: Vec<Entry<'a>>,
    /// Keys of the protocol, or of a listener that does not exist, that were left out.
    pub(super) left: Vec<Left<'a>>,
}

/// A listener.
#[derive(Debug)]
pub(super) struct Listener<'a> {
    pub(super) from: Name<'a>,
    /// Its name here.
    pub(super) name: String,
    pub(super) entries: Vec<Entry<'a>>,
    pub(super) left: Vec<Left<'a>>,
    /// Why it must not be opened as it is.
    pub(super) closed: Vec<&'static str>,
}

/// A key of the output.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    pub(super) key: &'static str,
    /// As TOML.
    pub(super) value: String,
    /// What is not quite the same.
    pub(super) remark: Option<&'static str>,
    pub(super) comments: Vec<&'a str>,
}

/// A key that was not carried over.
#[derive(Debug)]
pub(super) struct Left<'a> {
    pub(super) line: usize,
    pub(super) key: &'a str,
    pub(super) value: &'a str,
    /// Somebody has to do something; otherwise nothing is lost.
    pub(super) is_work: bool,
    pub(super) reason: String,
}

const NO_TLS: &str = "it speaks TLS in EMQX, which no listener here does yet";
const NO_PROXY: &str = "its devices come behind the PROXY protocol";
const NO_ACCESS: &str = "it turned addresses away, which no listener here does yet";

impl<'a> Plan<'a> {
    /// Of a whole file.
    pub(super) fn of(settings: &[Setting<'a>], mistakes: &mut Vec<Mistake>) -> Self {
        let mut plan = Self::default();
        let mut subjects = Vec::new();
        for setting in settings {
            if setting.has_hash {
                let reason = "taken with its `#`, as EMQX up to 4.2 reads it; for 4.3 and later that begins a comment: \
                              put the value in quotes, or a blank before the `#`"
                    .to_owned();
                plan.left.push(left(setting, true, reason));
            }
            match subject(setting) {
                Ok(subject) => subjects.push((setting, subject)),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        let subjects = plan.last_of_each(subjects);
        for (setting, subject) in &subjects {
            if let Subject::Address(name) = subject {
                plan.open(setting, *name, mistakes);
            }
        }
        for (setting, subject) in &subjects {
            plan.place(setting, *subject, mistakes);
        }
        plan.admit(&subjects, mistakes);
        plan
    }

    /// A key that is set twice counts as EMQX counts it: the last time.
    fn last_of_each<'s>(
        &mut self,
        subjects: Vec<(&'s Setting<'a>, Subject<'a>)>,
    ) -> Vec<(&'s Setting<'a>, Subject<'a>)> {
        let mut last = BTreeMap::new();
        for (setting, _) in &subjects {
            last.insert(setting.key, setting.line);
        }
        let mut kept = Vec::new();
        for (setting, subject) in subjects {
            match last[setting.key] {
                line if line == setting.line => kept.push((setting, subject)),
                line => self.left.push(left(
                    setting,
                    false,
                    format!("line {line} sets it again, and counts"),
                )),
            }
        }
        kept
    }

    fn open(&mut self, setting: &Setting<'a>, from: Name<'a>, mistakes: &mut Vec<Mistake>) {
        let address = match values::address(setting.value) {
            Ok(address) => address,
            Err(label) => return mistakes.push(wrong(setting, label)),
        };
        let mut name = match (from.secure, from.name) {
            (true, name) => format!("ssl-{name}"),
            (false, name) => name.to_owned(),
        };
        // The output has one of MQTT too, and what stands before a name may make another one of it.
        while name == "mqtt" || self.listeners.iter().any(|other| other.name == name) {
            name.insert_str(0, "tcp-");
        }
        let bind = Entry {
            key: "bind",
            value: format!("\"{address}\""),
            remark: None,
            comments: setting.comments.clone(),
        };
        self.listeners.push(Listener {
            from,
            name,
            entries: vec![bind],
            left: Vec::new(),
            closed: if from.secure { vec![NO_TLS] } else { Vec::new() },
        });
    }

    fn place(&mut self, setting: &Setting<'a>, subject: Subject<'a>, mistakes: &mut Vec<Mistake>) {
        let (fate, of) = match subject {
            Subject::Address(_) => return,
            Subject::Protocol(fate) => (fate, None),
            Subject::Option(name, fate, _) => (fate, Some(name)),
        };
        let outcome = match outcome(setting, fate) {
            Ok(outcome) => outcome,
            Err(label) => return mistakes.push(wrong(setting, label)),
        };
        let listener = of.map(|name| self.listeners.iter_mut().find(|listener| listener.from == name));
        let (entries, lefts) = match listener {
            None => (&mut self.shared, &mut self.left),
            Some(Some(listener)) => {
                if matches!(fate, Fate::Closing(_)) && outcome.left.is_some() {
                    listener.closed.push(NO_PROXY);
                }
                (&mut listener.entries, &mut listener.left)
            }
            Some(None) => {
                let front = setting
                    .key
                    .strip_suffix(option(setting.key))
                    .unwrap_or(setting.key);
                let reason = format!("there is no listener of this name: {front} = ADDRESS is missing");
                return self.left.push(left(setting, true, reason));
            }
        };
        entries.extend(outcome.entry);
        lefts.extend(outcome.left);
    }

    /// The access rules of each listener: a deny that can be reached keeps it closed.
    fn admit(&mut self, subjects: &[(&Setting<'a>, Subject<'a>)], mistakes: &mut Vec<Mistake>) {
        let mut rules = Vec::new();
        for (setting, subject) in subjects {
            if let Subject::Option(name, Fate::Access, number) = subject {
                match values::access(setting.value) {
                    Ok(access) => rules.push((*name, *number, *setting, access)),
                    Err(label) => mistakes.push(wrong(setting, label)),
                }
            }
        }
        rules.sort_by_key(|(name, number, ..)| (*name, *number));
        for listener in &mut self.listeners {
            let own: Vec<_> = rules.iter().filter(|(name, ..)| *name == listener.from).collect();
            let end = own.iter().position(|(.., access)| access.all);
            let reached = &own[..end.map_or(own.len(), |end| end + 1)];
            let denies = reached.iter().any(|(.., access)| !access.allow);
            if denies {
                listener.closed.push(NO_ACCESS);
            }
            for (index, (_, _, setting, _)) in own.iter().enumerate() {
                let reason = match (index < reached.len(), denies) {
                    (false, _) => "a rule before it decides for everybody",
                    (true, false) => "everybody is let in here too",
                    (true, true) => {
                        "a listener has no access rules by address yet: use the firewall or ban the network \
                         (/api/v5/banned, peerhost_net), and then enable it"
                    }
                };
                let is_work = index < reached.len() && denies;
                listener.left.push(left(setting, is_work, reason.to_owned()));
            }
            listener.left.sort_by_key(|left| left.line);
        }
    }
}

/// The part of a listener's key behind its name, with its dot.
fn option(key: &str) -> &str {
    let front = if key.starts_with("tcp.listener.ssl.") {
        4
    } else {
        3
    };
    key.match_indices('.')
        .nth(front - 1)
        .map_or("", |(at, _)| &key[at..])
}

/// What one key gives to the output.
#[derive(Default)]
struct Outcome<'a> {
    entry: Option<Entry<'a>>,
    left: Option<Left<'a>>,
}

fn outcome<'a>(setting: &Setting<'a>, fate: Fate) -> Result<Outcome<'a>, &'static str> {
    let nothing = Outcome::default();
    let left = |is_work: bool, reason: &str| {
        let left = Some(left(setting, is_work, reason.to_owned()));
        Ok(Outcome { entry: None, left })
    };
    match fate {
        Fate::Carried(key, form) => carried(setting, key, form, None),
        Fate::Nearly(key, form, remark) => carried(setting, key, form, Some(remark)),
        Fate::Idle(reason) => left(false, reason),
        Fate::Missing(reason) => left(true, reason),
        Fate::Always(value, _) if values::switch(setting.value)? == value => Ok(nothing),
        Fate::Always(_, reason) => left(false, reason),
        Fate::Closing(reason) => match values::switch(setting.value)? {
            false => Ok(nothing),
            true => left(true, reason),
        },
        Fate::Access => Ok(nothing),
    }
}

fn carried<'a>(
    setting: &Setting<'a>,
    key: &'static str,
    form: Form,
    remark: Option<&'static str>,
) -> Result<Outcome<'a>, &'static str> {
    let text = setting.value;
    let (value, remark) = match form {
        Form::Text => (toml::Value::String(text.to_owned()).to_string(), remark),
        Form::Count => (values::count(text)?.to_string(), remark),
        Form::Duration => (values::written_duration(values::duration(text)?), remark),
        Form::Switch => (values::switch(text)?.to_string(), remark),
        Form::Payload => match values::size(text)? {
            size @ 0..=65_535 => (size.to_string(), remark),
            _ => (
                "65535".to_owned(),
                Some("the largest payload that the protocol has room for"),
            ),
        },
    };
    if let Some(refusal) = refusal(key, &value) {
        let reason = format!("{refusal}; the default holds");
        let left = Some(left(setting, true, reason));
        return Ok(Outcome { entry: None, left });
    }
    let comments = setting.comments.clone();
    let entry = Some(Entry {
        key,
        value,
        remark,
        comments,
    });
    Ok(Outcome { entry, left: None })
}

/// What our configuration has against a value of a listener.
fn refusal(key: &str, value: &str) -> Option<String> {
    let source = Source {
        origin: String::new(),
        text: format!("[listener.x]\ntype = \"emqtcp\"\n{key} = {value}"),
        lists_listeners: true,
        folder: None,
    };
    let mistakes = load(&[source], &[0]).err()?;
    let mistake = mistakes.list.into_iter().next()?;
    Some(mistake.wrong.label)
}

fn left<'a>(setting: &Setting<'a>, is_work: bool, reason: String) -> Left<'a> {
    Left {
        line: setting.line,
        key: setting.key,
        value: setting.value,
        is_work,
        reason,
    }
}

fn wrong(setting: &Setting<'_>, label: &str) -> Mistake {
    let title = format!("wrong value of `{}`", setting.key);
    Mistake::new(setting.value_span.clone(), title, label)
}

//! Finds every flaw of a description, and makes of one without flaws what is executed.
//!
//! What is sure after it is what the runtime takes for granted: names are there, widths are of one kind, each item of a list
//! takes a byte, whatever is written has room for its length and its checksum, every size has a limit.

mod frame;
mod messages;
mod nesting;
mod parts;
mod templates;

use super::description::{DownPayload, MESSAGES_MAX, NAME_BYTES_MAX, PARTS_MAX, Role};
use super::framing::Frames;
use super::plan::{self, Field, Node, Plan};
use super::{Described, Description, Flaw};
use std::sync::Arc;

/// Acknowledged commands on their way to one device.
const WINDOW_MAX: u16 = 1024;

/// Fields that can be named where something is read, the innermost level last.
type Scope = Vec<Vec<Arc<Field>>>;

/// What is known while a description is gone through.
struct Compiler<'a> {
    description: &'a Description,
    flaws: Vec<Flaw>,
    /// Fields, lists, blocks and layouts so far.
    parts: usize,
    /// The next field's.
    slot: usize,
}

impl Description {
    /// Makes it ready to be spoken.
    ///
    /// # Errors
    /// All that is wrong, in the order of the description.
    pub fn compile(&self) -> Result<Described, Vec<Flaw>> {
        let mut compiler = Compiler {
            description: self,
            flaws: Vec::new(),
            parts: 0,
            slot: 0,
        };
        let plan = compiler.plan();
        if !compiler.flaws.is_empty() {
            return Err(compiler.flaws);
        }
        Ok(Described::new(plan))
    }
}

impl Compiler<'_> {
    fn plan(&mut self) -> Plan {
        let description = self.description;
        self.name(&description.name, "name");
        self.frame();
        self.checksum();
        let mut scope = vec![Vec::new()];
        let common = self.parts(&description.fields, "", &mut scope);
        let common_slots = self.slot;
        self.messages_exist();
        let commons = scope.remove(0);
        let identity = description.identity.as_ref();
        let identity = identity.map(|identity| self.identity(identity, "identity", &commons));
        let messages = self.messages(&common, &commons, common_slots);
        self.default_payload(&common, &messages);
        let down = description.down.as_ref().map(|down| self.down(down));
        self.roles();
        if self.parts > PARTS_MAX {
            self.flaw(
                "field",
                format!(
                    "{} fields, lists, blocks and layouts; {PARTS_MAX} is the limit",
                    self.parts
                ),
            );
        }
        Plan {
            name: description.name.clone(),
            version: description.version,
            frames: Frames::new(&description.frame),
            checksum: description.checksum.clone(),
            separator: description.separator,
            topic_fields: topic_fields(&commons, &messages),
            common,
            slots_max: messages
                .iter()
                .map(|message| message.slots)
                .max()
                .unwrap_or(common_slots),
            identity,
            messages,
            reactions: description.reactions,
            down,
        }
    }

    fn flaw(&mut self, path: impl Into<String>, what: impl Into<String>) {
        self.flaws.push(Flaw {
            path: path.into(),
            what: what.into(),
        });
    }

    /// A name that can stand in braces.
    fn name(&mut self, name: &str, path: &str) {
        let is_letter = |character: char| character.is_alphanumeric() || "_-.".contains(character);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(is_letter) {
            let what = format!("`{name}` is no name: letters, digits, `_`, `-`, and `.` but at the front");
            self.flaw(path, what);
        } else if name.len() > NAME_BYTES_MAX {
            self.flaw(
                path,
                format!("a name of {} bytes; {NAME_BYTES_MAX} is the limit", name.len()),
            );
        }
    }

    fn messages_exist(&mut self) {
        let count = self.description.messages.len();
        if count == 0 {
            self.flaw(
                "message",
                "there is no message: say at least one, what it is for, and when a frame is one",
            );
        } else if count > MESSAGES_MAX {
            self.flaw(
                "message",
                format!("{count} messages; {MESSAGES_MAX} is the limit"),
            );
        }
    }

    /// What the messages must be good for together.
    fn roles(&mut self) {
        let description = self.description;
        let has =
            |wanted: fn(&Role) -> bool| description.messages.iter().any(|message| wanted(&message.role));
        if !has(|role| matches!(role, Role::Login(_))) && description.identity.is_none() {
            let what = "nothing says who a device is: say a message with the role of a login, or an identity";
            self.flaw("message", what);
        }
        let window = description.down.as_ref().map_or(0, |down| down.window);
        let acknowledges = has(|role| matches!(role, Role::Acknowledge { .. }));
        if window > 0 && !acknowledges {
            let what = "no message has the role of an acknowledgement, so that none would ever come";
            self.flaw("down.window", what);
        }
        if acknowledges && window == 0 {
            let at = description
                .messages
                .iter()
                .position(|message| matches!(message.role, Role::Acknowledge { .. }));
            let path = format!("message[{}].role", at.unwrap_or_default());
            self.flaw(
                path,
                "nothing is acknowledged, because `down.window` is 0 or missing",
            );
        }
    }

    fn down(&mut self, down: &super::description::Down) -> plan::Down {
        let numbers = match down.sequence_width {
            1 => 1 << 8,
            2 => 1 << 16,
            4 => 1u64 << 32,
            width => {
                self.flaw(
                    "down.sequence_width",
                    format!("{width} bytes: there are 1, 2 and 4"),
                );
                u64::MAX
            }
        };
        if u64::from(down.window) >= numbers || down.window > WINDOW_MAX {
            let limit = (numbers - 1).min(u64::from(WINDOW_MAX));
            self.flaw(
                "down.window",
                format!("{} on their way; {limit} is the limit", down.window),
            );
        }
        if down.commands.is_empty() {
            self.flaw(
                "down.command",
                "there is no command: say at least one, with what is sent",
            );
        } else if down.commands.len() > MESSAGES_MAX {
            self.flaw(
                "down.command",
                format!("{} commands; {MESSAGES_MAX} is the limit", down.commands.len()),
            );
        }
        let mut commands = Vec::new();
        let mut taken = None;
        for (at, command) in down.commands.iter().enumerate() {
            let path = format!("down.command[{at}]");
            self.name(&command.name, &format!("{path}.name"));
            if let Some(earlier) = &taken {
                self.flaw(
                    format!("{path}.when"),
                    format!("never reached: `{earlier}` before it takes every payload"),
                );
            }
            if command.when.is_empty() {
                taken = taken.or(Some(command.name.clone()));
            } else if down.payload != DownPayload::Json {
                self.flaw(
                    format!("{path}.when"),
                    "only a JSON object has members to ask for",
                );
            }
            let when = command.when.iter().map(|condition| {
                let test = self.test(&condition.test, None, &format!("{path}.when.{}", condition.field));
                (condition.field.clone(), test)
            });
            let when = when.collect();
            let send = self.command(&command.send, &format!("{path}.send"));
            commands.push(plan::Command { when, send });
        }
        plan::Down {
            payload: down.payload,
            sequence_width: down.sequence_width,
            window: down.window,
            commands,
        }
    }
}

/// What an up topic may have in braces.
fn topic_fields(commons: &[Arc<Field>], messages: &[plan::Message]) -> Vec<String> {
    let mut names = vec![MESSAGE.to_owned()];
    let all = commons
        .iter()
        .chain(messages.iter().flat_map(|message| &message.names));
    for field in all {
        if !names.contains(&field.name) {
            names.push(field.name.clone());
        }
    }
    names
}

/// In topics, the message's name.
pub(super) const MESSAGE: &str = "message";

/// A part of a part.
fn below(path: &str, part: impl std::fmt::Display) -> String {
    if path.is_empty() {
        part.to_string()
    } else {
        format!("{path}.{part}")
    }
}

/// The name of a part as it is in JSON, if it has one.
fn node_name(node: &Node) -> &str {
    match node {
        Node::Field(field) => &field.name,
        Node::List(list) => &list.name,
        Node::Blocks(blocks) => &blocks.name,
    }
}

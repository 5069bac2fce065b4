//! Names with dots: members of objects in the JSON object. `Data.Time.Year` is `{"Data":{"Time":{"Year":...}}}`.
//!
//! JSON is written while a frame is walked along, so that the members of an object stand one behind another. What closes and
//! opens before each of them is known here already.

use super::{Compiler, below, node_name};
use crate::adapter::described::plan::{Nest, Nests, Node};

impl Compiler<'_> {
    /// The objects of one message's JSON. `omit`: by node, whether it is left out.
    pub(super) fn nests(
        &mut self,
        path: &str,
        label: &[u8],
        (common, omit_common): (&[Node], &[bool]),
        (own, omit_own): (&[Node], &[bool]),
    ) -> Nests {
        let mut objects = Objects::default();
        // It is written as `"label":"message"`.
        let label = String::from_utf8_lossy(label);
        objects.values.extend(label.split('"').nth(1).map(str::to_owned));
        let mut nests = |nodes: &[Node], omit: &[bool], path: &str| {
            let rows = nodes.iter().zip(omit).enumerate();
            let nests = rows.map(|(at, (node, omit))| {
                let path = below(path, format!("field[{at}].name"));
                self.nest(&mut objects, (node, path, *omit))
            });
            nests.collect()
        };
        let (common, own) = (nests(common, omit_common, ""), nests(own, omit_own, path));
        let end = objects.open.len();
        Nests { common, own, end }
    }

    fn nest(&mut self, objects: &mut Objects, (node, path, omit): (&Node, String, bool)) -> Nest {
        let name = node_name(node);
        let is_hidden = matches!(node, Node::Field(field) if field.hidden);
        if omit || is_hidden || name.is_empty() {
            return Nest::default();
        }
        match objects.put(name) {
            Ok(nest) => nest,
            Err(what) => {
                self.flaw(path, what);
                Nest::default()
            }
        }
    }
}

/// The objects that are written so far.
#[derive(Default)]
struct Objects {
    /// Names of those that are open, the outermost first.
    open: Vec<String>,
    /// Full names of those that were closed.
    closed: Vec<String>,
    /// Full names of values.
    values: Vec<String>,
}

impl Objects {
    /// Puts a value where its name says.
    fn put(&mut self, name: &str) -> Result<Nest, String> {
        let mut parts: Vec<&str> = name.split('.').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(format!(
                "`{name}`: there is nothing between two dots, or behind the last"
            ));
        }
        parts.pop();
        let same = self
            .open
            .iter()
            .zip(&parts)
            .take_while(|(open, part)| open == *part);
        let same = same.count();
        let close = self.open.len() - same;
        while self.open.len() > same {
            self.closed.push(self.open.join("."));
            self.open.pop();
        }
        let mut open = Vec::new();
        for part in &parts[same..] {
            self.open.push((*part).to_owned());
            let object = self.open.join(".");
            if self.values.contains(&object) {
                return Err(format!("`{object}` is a value already, and has no members"));
            }
            if self.closed.contains(&object) {
                return Err(format!("the members of `{object}` must stand one behind another"));
            }
            if !open.is_empty() {
                open.push(b'{');
            }
            open.extend(super::parts::key_of(part));
        }
        let is_object = |object: &String| object == name;
        if self.closed.iter().any(is_object) || self.open.join(".") == name {
            return Err(format!("`{name}` has members already, and is no value"));
        }
        self.values.push(name.to_owned());
        Ok(Nest { close, open })
    }
}

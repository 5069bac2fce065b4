//! A section: a struct whose fields are keys of the configuration, declared once with [`section!`].
//!
//! The declaration is the only place that knows a key's name, form and reason; reading, defaults, the example file and
//! "did you mean" all come from it. The structs are those that `core/` and `shard/` take, so nothing is copied over.

use super::form::{Form, Value, Wrong};
use toml::Spanned;
use toml::de::DeString;

/// A key as the example file shows it.
pub struct Key {
    pub name: &'static str,
    /// The present value (of a default struct: the default), as TOML.
    pub value: String,
    pub expects: String,
    pub reason: &'static str,
}

impl Key {
    /// Of a field.
    pub fn of<T>(name: &'static str, value: &T, form: &impl Form<T>, reason: &'static str) -> Self {
        Self {
            name,
            value: form.write(value),
            expects: form.expects(),
            reason,
        }
    }
}

/// See the module.
pub trait Section {
    /// Every key, in the order of the declaration.
    fn keys(&self) -> Vec<Key>;
    /// Sets one key; a wrong value is reported and leaves the field alone. False: there is no such key.
    fn set(&mut self, name: &str, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> bool;
}

/// Sets one key, or reports that there is none.
pub fn set(
    section: &mut impl Section,
    key: &Spanned<DeString<'_>>,
    value: &Value<'_>,
    wrong: &mut Vec<Wrong>,
) {
    if !section.set(key.get_ref(), value, wrong) {
        let names: Vec<_> = section.keys().iter().map(|key| key.name).collect();
        wrong.push(unknown(key, "key", &names));
    }
}

/// What to say about a name that is none of `names`.
pub fn unknown(key: &Spanned<DeString<'_>>, what: &str, names: &[&str]) -> Wrong {
    let distance = |name: &&&str| strsim::damerau_levenshtein(name, key.get_ref());
    let near = names.iter().min_by_key(distance);
    let near = near.filter(|name| distance(name) <= 1 + name.len() / 4);
    Wrong {
        span: key.span(),
        title: format!("unknown {what} `{}`", key.get_ref()),
        label: near.map_or_else(
            || "not known here".to_owned(),
            |name| format!("did you mean `{name}`?"),
        ),
        help: near
            .is_none()
            .then(|| format!("known here: {}", names.join(", "))),
    }
}

/// Declares the keys of a struct: `name => field: form, "reason";`.
macro_rules! section {
    ($type:ty { $($name:ident => $($field:ident).+ : $form:expr, $reason:literal;)* }) => {
        impl $crate::config::section::Section for $type {
            fn keys(&self) -> Vec<$crate::config::section::Key> {
                vec![$($crate::config::section::Key::of(stringify!($name), &self.$($field).+, &$form, $reason)),*]
            }

            fn set(
                &mut self,
                name: &str,
                value: &$crate::config::form::Value<'_>,
                wrong: &mut Vec<$crate::config::form::Wrong>,
            ) -> bool {
                match name {
                    $(stringify!($name) => {
                        if let Some(read) = $form.read(value, wrong) {
                            self.$($field).+ = read;
                        }
                    })*
                    _ => return false,
                }
                true
            }
        }
    };
}

pub(crate) use section;

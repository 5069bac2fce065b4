//! The adapters of a running node, as the admin endpoint lists them and has them read again.
//!
//! A description or a module is read from its file anew and must fit the listeners that speak it, or nothing changes.

use super::catalogue::{self, Known};
use super::module;
use crate::config::{Config, Spoken};
use ringwire_admin::{Adapter, Load};
use ringwire_codec::adapter::Blueprint;
use ringwire_core::ListenerId;
use ringwire_core::settings::names_in_braces;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What the listeners of type `adapter` speak, and what is configured and not spoken.
pub fn adapters(config: &Config) -> Vec<Adapter> {
    let mut all: BTreeMap<String, Known> = BTreeMap::new();
    for known in config.known_adapters() {
        all.insert(known.name.clone(), known);
    }
    for (_, listener) in config.enabled() {
        if let Spoken::Adapter(Some(name), _) = &listener.spoken
            && !all.contains_key(name)
        {
            all.extend(catalogue::named(name).map(|known| (name.clone(), known)));
        }
    }
    all.into_iter()
        .map(|(name, known)| row(config, name, known))
        .collect()
}

fn row(config: &Config, name: String, known: Known) -> Adapter {
    let numbered = (0..).zip(config.enabled());
    let mut topics = Vec::new();
    let mut listeners = Vec::new();
    for (id, (listener, spoken)) in numbered.map(|(id, (name, listener))| (id, (name, &listener.spoken))) {
        if let Spoken::Adapter(Some(chosen), device) = spoken
            && *chosen == name
        {
            listeners.push((ListenerId(id), listener.clone()));
            topics.push((listener.clone(), device.up_topic.clone()));
        }
    }
    let file = known.file.as_deref();
    Adapter {
        kind: match (known.limits, file) {
            (Some(_), _) => "module",
            (None, Some(_)) => "description",
            (None, None) => "builtin",
        },
        origin: file.map_or_else(|| known.protocol(), |file| file.display().to_string()),
        load: file.map(|file| load(&name, file, known.limits, topics)),
        current: Arc::new(Mutex::new(known.blueprint)),
        listeners,
        name,
    }
}

/// Reads the file again; `topics`: listeners and their up topics.
fn load(name: &str, file: &Path, limits: Option<module::Settings>, topics: Vec<(String, String)>) -> Load {
    let (name, file) = (name.to_owned(), file.to_owned());
    Arc::new(move || {
        let known = match limits {
            Some(limits) => module::open(&name, &file, limits)?,
            None => catalogue::open(&file, false).map_err(|error| error.to_string())?,
        };
        fits(known, &topics)
    })
}

fn fits(known: Known, topics: &[(String, String)]) -> Result<Arc<dyn Blueprint>, String> {
    if known.needs_certificate {
        return Err("it takes client ids from TLS certificates, and no listener has TLS yet".to_owned());
    }
    let fields = known.blueprint.fields();
    for (listener, topic) in topics {
        let mut names = names_in_braces(topic).into_iter();
        if let Some(name) = names.find(|name| !fields.iter().any(|field| field == name)) {
            return Err(format!(
                "it has no field `{name}`, which the up topic of listener `{listener}` has"
            ));
        }
    }
    Ok(known.blueprint)
}

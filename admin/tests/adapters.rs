//! `/api/v5/adapters` over real sockets, in front of fake shards.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod fake;

use ringwire_admin::{Adapter, Load};
use ringwire_codec::adapter::{self, Blueprint};
use ringwire_core::{ListenerId, ShardId};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A protocol that is never spoken.
#[derive(Debug)]
struct Named(String);

impl Blueprint for Named {
    fn name(&self) -> &str {
        &self.0
    }

    fn fields(&self) -> Vec<String> {
        vec!["kind".to_owned()]
    }

    fn adapter(&self, _wanted: &[String]) -> Box<dyn adapter::Adapter> {
        unreachable!("the shards are fake")
    }
}

fn configured(name: &str, load: Option<Load>) -> Adapter {
    let first: Arc<dyn Blueprint> = Arc::new(Named("first".to_owned()));
    Adapter {
        name: name.to_owned(),
        kind: "description",
        origin: "x.toml".to_owned(),
        listeners: vec![
            (ListenerId(2), "north".to_owned()),
            (ListenerId(4), "south".to_owned()),
        ],
        load,
        current: Arc::new(Mutex::new(first)),
    }
}

#[test]
fn a_reload_reaches_every_shard_and_listener_and_one_that_fails_changes_nothing() {
    let times = AtomicUsize::new(0);
    let load: Load = Arc::new(move || match times.fetch_add(1, Ordering::Relaxed) {
        0 => Err("x.toml:3: no such key".to_owned()),
        _ => Ok(Arc::new(Named("second".to_owned())) as Arc<dyn Blueprint>),
    });
    let fake = fake::start_with(
        2,
        &[],
        vec![configured("gps", Some(load)), configured("jt808", None)],
    );
    let row = |name: &str, protocol: &str| {
        json!({
            "name": name, "type": "description", "origin": "x.toml", "protocol": protocol,
            "fields": ["kind"], "listeners": ["north", "south"],
        })
    };
    let (status, body) = fake.json("GET", "/api/v5/adapters");
    let both = json!({"data": [row("gps", "first"), row("jt808", "first")]});
    assert_eq!((status, body), (200, both));

    let (status, body) = fake.post("/api/v5/adapters/gps/reload", "");
    let refused = json!({"code": "BAD_REQUEST", "message": "x.toml:3: no such key"});
    assert_eq!((status, body), (400, refused));
    assert!(fake.shared.adapted.lock().unwrap().is_empty());

    let (status, body) = fake.post("/api/v5/adapters/gps/reload", "");
    assert_eq!((status, body), (200, row("gps", "second")));
    let mut adapted = fake.shared.adapted.lock().unwrap().clone();
    adapted.sort();
    let told = |shard, listener| (ShardId(shard), ListenerId(listener), "second".to_owned());
    assert_eq!(adapted, [told(0, 2), told(0, 4), told(1, 2), told(1, 4)]);

    let (status, body) = fake.post("/api/v5/adapters/jt808/reload", "");
    assert_eq!((status, &body["code"]), (400, &json!("BAD_REQUEST")));
    let (status, body) = fake.post("/api/v5/adapters/none/reload", "");
    assert_eq!((status, &body["code"]), (404, &json!("NOT_FOUND")));
}

#[test]
fn a_shard_that_does_not_answer_is_named() {
    let load: Load = Arc::new(|| Ok(Arc::new(Named("second".to_owned())) as Arc<dyn Blueprint>));
    let fake = fake::start_with(2, &[1], vec![configured("gps", Some(load))]);
    let (status, body) = fake.post("/api/v5/adapters/gps/reload", "");
    assert_eq!(status, 503, "{body}");
    assert!(body["message"].as_str().unwrap().contains("shard 1"));
}

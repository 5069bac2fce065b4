//! Which client ids live on which shard. The placement key is the broker's secret, so the tests ask: they connect a
//! handful of ids and read where each went in `GET /api/v5/clients`.

use crate::broker::{Broker, http};
use crate::device::Device;
use std::collections::BTreeMap;

/// Client ids by home shard, several on each.
pub struct Homes(Vec<Vec<String>>);

impl Homes {
    /// Asks the broker. With 32 ids a shard of two without one would be one run in a billion.
    pub async fn of(broker: &Broker, shards: usize) -> Self {
        let ids: Vec<String> = (0..16 * shards).map(|n| format!("home-{n}")).collect();
        let mut devices = Vec::new();
        for id in &ids {
            devices.push(Device::connect(broker, id).await);
        }
        let listed = shards_of(broker);
        let mut homes = vec![Vec::new(); shards];
        for id in ids {
            homes[listed[&id]].push(id);
        }
        for device in &mut devices {
            device.send(&[0x60]).await;
            device.rest().await;
        }
        assert!(
            homes.iter().all(|ids| ids.len() >= 4),
            "every shard has clients: {homes:?}"
        );
        Self(homes)
    }

    /// The `n`th id on a shard.
    pub fn id(&self, shard: usize, n: usize) -> String {
        self.0[shard][n].clone()
    }
}

/// The shard of every client that the broker lists.
pub fn shards_of(broker: &Broker) -> BTreeMap<String, usize> {
    let answer = http::get(broker.admin(), "/api/v5/clients?limit=1000");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let json = answer.json();
    let rows = json["data"]
        .as_array()
        .unwrap_or_else(|| panic!("no data: {}", answer.body));
    let row = |row: &serde_json::Value| {
        let id = row["clientid"].as_str().expect("clientid").to_owned();
        let shard = row["shard"].as_u64().expect("shard");
        (id, usize::try_from(shard).expect("small"))
    };
    rows.iter().map(row).collect()
}

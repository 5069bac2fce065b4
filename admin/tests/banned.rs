//! `/api/v5/banned` over real sockets, in front of fake shards.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod fake;

use fake::{Fake, start};
use serde_json::{Value, json};

fn ban(fake: &Fake, body: &Value) -> (u16, Value) {
    fake.post("/api/v5/banned", &body.to_string())
}

/// (as, who) of a listing.
fn listed(body: &Value) -> Vec<(String, String)> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = body["data"].as_array().unwrap().iter();
    rows.map(|row| (text(row, "as"), text(row, "who"))).collect()
}

#[test]
fn a_ban_is_told_to_every_shard_listed_and_lifted() {
    let fake = start(3, &[]);
    let request = json!({
        "as": "clientid", "who": "a/b", "by": "me", "reason": "too loud",
        "at": "2021-10-25T21:48:47+08:00", "until": "2100-01-01T00:00:00Z",
    });
    let expected = json!({
        "as": "clientid", "who": "a/b", "by": "me", "reason": "too loud",
        "at": "2021-10-25T13:48:47Z", "until": "2100-01-01T00:00:00Z",
    });
    assert_eq!(ban(&fake, &request), (200, expected.clone()));
    for bans in &fake.shared.bans {
        assert_eq!(bans.lock().unwrap().len(), 1);
    }
    let (status, body) = fake.json("GET", "/api/v5/banned");
    assert_eq!((status, &body["data"]), (200, &json!([expected])));
    assert_eq!(
        body["meta"],
        json!({"page": 1, "limit": 100, "count": 1, "hasnext": false})
    );
    let (status, body) = ban(&fake, &request);
    assert_eq!((status, &body["code"]), (400, &json!("ALREADY_EXISTS")));
    assert_eq!(fake.ask("DELETE", "/api/v5/banned/clientid/a%2Fb").0, 204);
    let (status, body) = fake.json("DELETE", "/api/v5/banned/clientid/a%2Fb");
    assert_eq!((status, &body["code"]), (404, &json!("NOT_FOUND")));
}

#[test]
fn who_made_it_and_how_long_it_holds_have_defaults() {
    let fake = start(1, &[]);
    let (status, body) = ban(&fake, &json!({"as": "username", "who": "ann"}));
    assert_eq!(status, 200);
    assert_eq!(
        (&body["by"], &body["until"], &body["reason"]),
        (&json!("mgmt_api"), &json!("infinity"), &json!(""))
    );
    let seconds = json!({"as": "peerhost", "who": "::ffff:10.0.0.1", "until": 4_102_444_800_u64});
    let (status, body) = ban(&fake, &seconds);
    assert_eq!(
        (status, &body["who"], &body["until"]),
        (200, &json!("10.0.0.1"), &json!("2100-01-01T00:00:00Z"))
    );
}

#[test]
fn pages_and_exact_searches() {
    let fake = start(2, &[]);
    for (kind, who) in [
        ("clientid", "a"),
        ("clientid", "b"),
        ("peerhost_net", "10.0.0.0/8"),
    ] {
        assert_eq!(ban(&fake, &json!({"as": kind, "who": who})).0, 200);
    }
    let (_, first) = fake.json("GET", "/api/v5/banned?page=1&limit=2");
    let (_, second) = fake.json("GET", "/api/v5/banned?page=2&limit=2");
    assert_eq!(first["meta"]["hasnext"], true);
    assert_eq!(second["meta"]["hasnext"], false);
    assert_eq!(listed(&first).len() + listed(&second).len(), 3);
    let (_, one) = fake.json("GET", "/api/v5/banned?clientid=b");
    assert_eq!(listed(&one), [("clientid".to_owned(), "b".to_owned())]);
    let (status, body) = ban(&fake, &json!({"as": "clientid", "who": "c"}));
    assert_eq!(
        (status, &body["code"]),
        (400, &json!("QUOTA_EXCEEDED")),
        "the shards have no room"
    );
    assert_eq!(
        fake.ask("DELETE", "/api/v5/banned/peerhost_net/10.0.0.0/8").0,
        204
    );
    assert_eq!(fake.ask("DELETE", "/api/v5/banned").0, 204);
    assert!(listed(&fake.json("GET", "/api/v5/banned").1).is_empty());
}

#[test]
fn what_cannot_be_banned_says_which_field_is_wrong() {
    let fake = start(1, &[]);
    let rows = [
        (json!({"as": "clientid_re", "who": "a"}), "as:"),
        (json!({"as": "peerhost", "who": "10.0.0.0/8"}), "as:"),
        (json!({"as": "clientid", "who": ""}), "who"),
        (json!({"as": "clientid"}), "who"),
        (json!({"as": "clientid", "who": "a", "until": "soon"}), "until"),
        (json!({"as": "clientid", "who": "a", "until": 5}), "until"),
        (json!({"as": "clientid", "who": "a", "at": "infinity"}), "at"),
        (json!({"as": "clientid", "who": "a", "why": "x"}), "why"),
        (json!({"as": "clientid", "who": "a".repeat(1_025)}), "who"),
    ];
    for (request, word) in rows {
        let (status, body) = ban(&fake, &request);
        let message = body["message"].as_str().unwrap();
        assert_eq!((status, &body["code"]), (400, &json!("BAD_REQUEST")), "{request}");
        assert!(message.contains(word), "{request}: {message}");
    }
    for query in ["page=0", "limit=0", "limit=10001", "page=x", "colour=blue"] {
        assert_eq!(
            fake.ask("GET", &format!("/api/v5/banned?{query}")).0,
            400,
            "{query}"
        );
    }
}

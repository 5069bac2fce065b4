//! `POST /api/v5/publish`: a message from the operator, routed as if a client had published it.
//!
//! It goes to the home shard of its topic, so that two publishes to one topic, one after the other's answer, stay in order.

use crate::ask::ask;
use crate::refusal::Refusal;
use crate::server::State;
use axum::Json;
use axum::extract;
use axum::extract::rejection::JsonRejection;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ringwire_codec::mqtt::{Property, PropertyList, QoS};
use ringwire_codec::topic;
use ringwire_core::Message;
use ringwire_core::message::Parts;
use ringwire_shard::Question;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes of a payload: the default packet limit of a listener.
const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// What is to be published. A field that is not known is refused rather than ignored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Publish {
    topic: String,
    payload: String,
    #[serde(default)]
    payload_encoding: Encoding,
    #[serde(default)]
    qos: u8,
    #[serde(default)]
    retain: bool,
    #[serde(default)]
    properties: Properties,
}

/// The properties of 5.0 that travel with a message; EMQX's names.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Properties {
    payload_format_indicator: Option<u8>,
    message_expiry_interval: Option<u32>,
    content_type: Option<String>,
    response_topic: Option<String>,
    correlation_data: Option<String>,
    #[serde(default)]
    user_properties: BTreeMap<String, String>,
}

impl Properties {
    fn list(&self) -> Result<PropertyList, Refusal> {
        let mut list = PropertyList::default();
        let mut fits = true;
        match self.payload_format_indicator {
            None => {}
            Some(indicator @ (0 | 1)) => fits &= list.push(Property::PayloadFormatIndicator(indicator)),
            Some(2..) => return Err(Refusal::BadRequest("payload_format_indicator: 0 or 1".to_owned())),
        }
        if let Some(seconds) = self.message_expiry_interval {
            fits &= list.push(Property::MessageExpiryInterval(seconds));
        }
        if let Some(text) = &self.content_type {
            fits &= list.push(Property::ContentType(text));
        }
        if let Some(text) = &self.response_topic {
            if !topic::is_valid_name(text) {
                return Err(Refusal::BadRequest("response_topic: a topic name".to_owned()));
            }
            fits &= list.push(Property::ResponseTopic(text));
        }
        if let Some(data) = &self.correlation_data {
            fits &= list.push(Property::CorrelationData(data.as_bytes()));
        }
        for (name, value) in &self.user_properties {
            fits &= list.push(Property::UserProperty(name, value));
        }
        let texts = [&self.content_type, &self.response_topic].into_iter().flatten();
        let pairs = self
            .user_properties
            .iter()
            .flat_map(|(name, value)| [name, value]);
        if !fits || texts.chain(pairs).any(|text| text.contains('\0')) {
            let text = "properties: texts of at most 65535 bytes, without NUL";
            return Err(Refusal::BadRequest(text.to_owned()));
        }
        Ok(list)
    }
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Plain,
    Base64,
}

#[derive(Serialize)]
pub(crate) struct Published {
    /// Differs for each message, as EMQX's does.
    id: String,
}

impl Publish {
    fn message(self) -> Result<Message, Refusal> {
        let refused = |text: &str| Err(Refusal::BadRequest(text.to_owned()));
        if !topic::is_valid_name(&self.topic) {
            return refused("topic: 1 to 65535 bytes, without +, # or NUL");
        }
        let payload = match self.payload_encoding {
            Encoding::Plain => self.payload.into_bytes(),
            Encoding::Base64 => match STANDARD.decode(&self.payload) {
                Ok(payload) => payload,
                Err(error) => return refused(&format!("payload: not base64: {error}")),
            },
        };
        if payload.len() > PAYLOAD_BYTES_MAX {
            return refused(&format!("payload: at most {PAYLOAD_BYTES_MAX} bytes"));
        }
        let qos = match self.qos {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            2 => QoS::ExactlyOnce,
            3.. => return refused("qos: 0, 1 or 2"),
        };
        let properties = self.properties.list()?;
        Ok(Message::new(Parts {
            topic: &self.topic,
            payload: &payload,
            properties: properties.as_properties().as_bytes(),
            publisher: &[],
            qos,
            retain: self.retain,
        }))
    }
}

/// 200 when the message is routed, whoever subscribes.
pub(crate) async fn publish(
    extract::State(state): extract::State<Arc<State>>,
    body: Result<Json<Publish>, JsonRejection>,
) -> Result<Json<Published>, Refusal> {
    let Json(publish) = body.map_err(Refusal::of_body)?;
    let message = Arc::new(publish.message()?);
    let home = state.node.placement.home(message.topic_bytes());
    let mailbox = &state.node.mailboxes[home.index()];
    ask(mailbox, |reply| Question::Publish {
        messages: vec![message],
        reply,
    })
    .await?;
    Ok(Json(Published { id: next_id() }))
}

/// The time of day in microseconds, then a count: 32 hexadecimal digits.
fn next_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:016X}{count:016X}", since.as_micros() as u64)
}

//! What a queue event webhook is told.

use super::call_info::CallInfo;
use super::error::{self, PayloadError};
use super::number_or_text::{self, millis};
use crate::model::timestamp::Timestamp;
use crate::webhooks::signature::MessageId;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a queue event webhook is told: a member joined a queue, or left it.
///
/// In JSON it is one object, as jambonz sends it, with the fields of the call beside those of the event:
///
/// | field | of | meaning |
/// |---|---|---|
/// | `event_id` | all | what tells the event from others, the same at each attempt; this crate's addition |
/// | `sequence` | all | a number that rises from event to event, see [`EventSequence`](super::EventSequence); this crate's addition |
/// | `event` | all | `join` or `leave` |
/// | `queue` | all | the name of the queue |
/// | `length` | all | how many members it has now |
/// | `join_time` | join | milliseconds since 1970 |
/// | `leave_reason` | leave | `abandoned` or `dequeued` |
/// | `leave_time` | leave | milliseconds since 1970 |
/// | `dequeuer` | dequeued | the call that took the member out |
/// | the others | all | [`CallInfo`] of the member |
///
/// Reading takes numbers as texts, and events without the two additions and without times.
///
/// ```
/// use gateway_accounts::Timestamp;
/// use gateway_accounts::webhooks::{CallInfo, MessageId, QueueChange, QueueEvent};
/// let now = Timestamp::from_millis(1_795_466_263_042);
/// let call = CallInfo::of("4b0bed24-d6bd-4295-9617-ad0453c5e87b");
/// let event = QueueEvent::new("support", 3, QueueChange::joined(now), call)
///     .with_id(MessageId::parse("evt_1")?)
///     .with_sequence(229_819_681_669_376);
/// assert_eq!(
///     serde_json::to_string(&event)?,
///     r#"{"event_id":"evt_1","sequence":229819681669376,"event":"join","queue":"support","length":3,"#.to_owned()
///         + r#""join_time":1795466263042,"call_sid":"4b0bed24-d6bd-4295-9617-ad0453c5e87b"}"#,
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct QueueEvent {
    /// What tells the event from others, the same at each attempt: so that who receives it twice can tell.
    pub event_id: Option<MessageId>,
    /// Rises from event to event: so that who receives them out of order can tell.
    pub sequence: Option<u64>,
    /// The name of the queue.
    pub queue: String,
    /// How many members the queue has now.
    pub length: u64,
    /// What happened.
    pub change: QueueChange,
    /// The call of the member. Fields of other names are in [`CallInfo::other`].
    pub call: CallInfo,
}

/// What happened to a member of a queue.
#[derive(Debug, Clone, PartialEq)]
pub enum QueueChange {
    /// It joined.
    Joined {
        /// When.
        at: Option<Timestamp>,
    },
    /// It left by itself: the caller hung up, or asked to.
    Abandoned {
        /// When.
        at: Option<Timestamp>,
    },
    /// It was taken out by another call.
    Dequeued {
        /// When.
        at: Option<Timestamp>,
        /// Which call.
        by: Option<Box<CallInfo>>,
    },
}

impl QueueChange {
    /// It joined.
    #[must_use]
    pub fn joined(at: Timestamp) -> Self {
        Self::Joined { at: Some(at) }
    }

    /// It left by itself.
    #[must_use]
    pub fn abandoned(at: Timestamp) -> Self {
        Self::Abandoned { at: Some(at) }
    }

    /// It was taken out by this call.
    #[must_use]
    pub fn dequeued(at: Timestamp, by: CallInfo) -> Self {
        Self::Dequeued { at: Some(at), by: Some(Box::new(by)) }
    }
}

impl QueueEvent {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`PayloadError`] when it is not one.
    pub fn parse(body: &[u8]) -> Result<Self, PayloadError> {
        error::parse(body)
    }

    /// An event without id and sequence, as jambonz has them.
    #[must_use]
    pub fn new(queue: &str, length: u64, change: QueueChange, call: CallInfo) -> Self {
        Self { event_id: None, sequence: None, queue: queue.to_owned(), length, change, call }
    }

    /// The same, with an id: a new one for each event, kept for each attempt to tell of it.
    #[must_use]
    pub fn with_id(mut self, id: MessageId) -> Self {
        self.event_id = Some(id);
        self
    }

    /// The same, with a number.
    #[must_use]
    pub fn with_sequence(mut self, sequence: u64) -> Self {
        self.sequence = Some(sequence);
        self
    }
}

/// The fields as they are in JSON.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event_id: Option<MessageId>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number_or_text::deserialize"
    )]
    sequence: Option<u64>,
    event: Event,
    queue: std::borrow::Cow<'a, str>,
    #[serde(deserialize_with = "required")]
    length: u64,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "millis")]
    join_time: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leave_reason: Option<Reason>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "millis")]
    leave_time: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dequeuer: Option<std::borrow::Cow<'a, CallInfo>>,
    #[serde(flatten)]
    call: std::borrow::Cow<'a, CallInfo>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Join,
    Leave,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reason {
    Abandoned,
    Dequeued,
}

fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    number_or_text::deserialize(deserializer)?.ok_or_else(|| D::Error::custom("must be a whole number"))
}

impl Serialize for QueueEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use std::borrow::Cow::Borrowed;
        let (event, join_time, leave_reason, leave_time, dequeuer) = match &self.change {
            QueueChange::Joined { at } => (Event::Join, *at, None, None, None),
            QueueChange::Abandoned { at } => (Event::Leave, None, Some(Reason::Abandoned), *at, None),
            QueueChange::Dequeued { at, by } => {
                (Event::Leave, None, Some(Reason::Dequeued), *at, by.as_deref().map(Borrowed))
            }
        };
        let wire = Wire {
            event_id: self.event_id.clone(),
            sequence: self.sequence,
            event,
            queue: Borrowed(&self.queue),
            length: self.length,
            join_time,
            leave_reason,
            leave_time,
            dequeuer,
            call: Borrowed(&self.call),
        };
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for QueueEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        let change = match (wire.event, wire.leave_reason) {
            (Event::Join, None) => QueueChange::Joined { at: wire.join_time },
            (Event::Leave, Some(Reason::Abandoned)) => QueueChange::Abandoned { at: wire.leave_time },
            (Event::Leave, Some(Reason::Dequeued)) => QueueChange::Dequeued {
                at: wire.leave_time,
                by: wire.dequeuer.map(|call| Box::new(call.into_owned())),
            },
            (Event::Join, Some(_)) => return Err(D::Error::custom("an event `join` has no `leave_reason`")),
            (Event::Leave, None) => return Err(D::Error::missing_field("leave_reason")),
        };
        Ok(Self {
            event_id: wire.event_id,
            sequence: wire.sequence,
            queue: wire.queue.into_owned(),
            length: wire.length,
            change,
            call: wire.call.into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn with_call(mut event: Value) -> Value {
        // As jambonz's feature server sends it.
        let call = json!({
            "call_sid": "6d8b1a5e-0c5c-4f5b-8a9e-3b8e5d2f1c10", "direction": "inbound", "from": "+15083084809",
            "to": "+15083728299", "call_id": "f0414693-bdb6-1238-6185-06d91d68c9b0", "sbc_callid": "f0414693@10.0.0.1",
            "sip_status": 200, "sip_reason": "OK", "call_status": "in-progress", "caller_id": "Jane",
            "account_sid": "06b5fe07-1d99-422b-902a-3b343f675413", "trace_id": "8f3b", "application_sid": "0e0681b0",
            "fs_sip_address": "10.0.0.2:5060", "originating_sip_ip": "192.0.2.7", "customerData": {"Vip": [true, null]},
            "duration": 7, "somethingNew": {"a": 1.5}
        });
        event.as_object_mut().unwrap().extend(call.as_object().unwrap().clone());
        event
    }

    #[test]
    fn what_is_sent_is_read_and_written_again() {
        for event in [
            json!({"event": "join", "queue": "support", "length": 1, "join_time": 1_795_466_263_042_u64}),
            json!({"event": "leave", "queue": "support", "length": 0, "leave_reason": "abandoned", "leave_time": 1_795_466_263_042_u64}),
            json!({"event": "leave", "queue": "Süd", "length": 0, "leave_reason": "dequeued", "leave_time": 1_795_466_263_042_u64,
                   "dequeuer": {"call_sid": "2f", "direction": "outbound", "x": 1}}),
            json!({"event": "leave", "queue": "", "length": 0, "leave_reason": "dequeued"}),
            json!({"event": "join", "queue": "support", "length": 1, "event_id": "evt_1", "sequence": 9_007_199_254_740_991_u64}),
        ] {
            let sent = with_call(event);
            let read: QueueEvent = serde_json::from_value(sent.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), sent);
            assert_eq!(read.call.other.keys().collect::<Vec<_>>(), ["somethingNew"]);
            assert_eq!(read.call.sip_status, Some(200));
        }
    }

    #[test]
    fn texts_for_numbers() {
        let read: QueueEvent = serde_json::from_value(json!({
            "event": "leave", "queue": "q", "length": "3", "leave_reason": "abandoned", "leave_time": "7", "sequence": "9",
            "sip_status": "200", "duration": ""
        }))
        .unwrap();
        let mut expected =
            QueueEvent::new("q", 3, QueueChange::abandoned(Timestamp::from_millis(7)), CallInfo::default())
                .with_sequence(9);
        expected.call.sip_status = Some(200);
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, expected) in [
            (json!({"queue": "q", "length": 1}), "missing field `event`"),
            (json!({"event": "join", "length": 1}), "missing field `queue`"),
            (json!({"event": "join", "queue": "q"}), "missing field `length`"),
            (json!({"event": "join", "queue": "q", "length": null}), "must be a whole number"),
            (
                json!({"event": "Join", "queue": "q", "length": 1}),
                "unknown variant `Join`, expected `join` or `leave`",
            ),
            (json!({"event": "leave", "queue": "q", "length": 1}), "missing field `leave_reason`"),
            (
                json!({"event": "leave", "queue": "q", "length": 1, "leave_reason": "bored"}),
                "unknown variant `bored`, expected `abandoned` or `dequeued`",
            ),
            (
                json!({"event": "join", "queue": "q", "length": 1, "leave_reason": "abandoned"}),
                "an event `join` has no `leave_reason`",
            ),
            (
                json!({"event": "join", "queue": "q", "length": 1, "event_id": "a.b"}),
                "must not contain the character '.'",
            ),
            (
                json!({"event": "join", "queue": "q", "length": -1}),
                "invalid value: integer `-1`, expected a whole number, or a text of its digits",
            ),
        ] {
            let error = serde_json::from_value::<QueueEvent>(json.clone()).unwrap_err();
            assert_eq!(error.to_string(), expected, "{json}");
        }
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(
            queue in ".{0,20}",
            length in any::<u64>(),
            at in 0_i64..253_370_764_799_999,
            which in 0..4,
            sequence in any::<Option<u64>>(),
            texts in proptest::collection::vec(proptest::option::of(".{0,9}"), 3),
            unknown in "x_[a-z]{1,3}",
        ) {
            let mut call = CallInfo::default();
            [call.from, call.to, call.call_sid] = [0, 1, 2].map(|n: usize| texts[n].clone());
            call.other.insert(unknown, json!([sequence]));
            let at = Timestamp::from_millis(at);
            let change = match which {
                0 => QueueChange::joined(at),
                1 => QueueChange::abandoned(at),
                2 => QueueChange::dequeued(at, call.clone()),
                _ => QueueChange::Dequeued { at: None, by: None },
            };
            let mut event = QueueEvent::new(&queue, length, change, call);
            event.sequence = sequence;
            let text = serde_json::to_string(&event).unwrap();
            prop_assert_eq!(serde_json::from_str::<QueueEvent>(&text).unwrap(), event);
        }
    }
}

//! What a webhook is told, and what it answers.
//!
//! The types read what jambonz and the applications written for it send, and write one form of it: the one that the other side
//! is documented to read. What they do not know is kept ([`RegistrationRequest::other`] and its like) and written again, so that
//! nothing is lost on the way through an older program. Numbers there keep their value up to 64 bits, as JSON is read; a
//! number of more digits becomes the nearest of double precision.

mod call_info;
mod error;
mod number_or_text;
mod query;
mod queue_event;
mod registration_reply;
mod registration_request;
mod sequence;

pub use call_info::CallInfo;
pub use error::PayloadError;
pub use queue_event::{QueueChange, QueueEvent};
pub use registration_reply::{Blacklist, RegistrationReply, RegistrationStatus};
pub use registration_request::RegistrationRequest;
pub use sequence::EventSequence;

pub(super) use query::pairs;

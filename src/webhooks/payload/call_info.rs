//! What is told of a call.

use super::number_or_text;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What is told of a call beside the event: the fields that jambonz's feature server has, under its names. All may be missing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
#[allow(clippy::struct_field_names, reason = "the names are those of the JSON")]
pub struct CallInfo {
    /// The call, by the gateway's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_sid: Option<String>,
    /// The call that it belongs to, such as the one that dialled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_call_sid: Option<String>,
    /// `inbound` or `outbound`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    /// Who calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Who is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The Call-ID of the SIP dialog with the feature server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// The Call-ID of the SIP dialog at the edge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sbc_callid: Option<String>,
    /// The last SIP status, 100 to 699.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "number_or_text::deserialize")]
    pub sip_status: Option<u16>,
    /// Its reason phrase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sip_reason: Option<String>,
    /// `trying`, `ringing`, `early-media`, `in-progress`, `completed`, `failed`, `busy`, `no-answer` or `queued`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_status: Option<String>,
    /// The name that the caller shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller_id: Option<String>,
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_sid: Option<String>,
    /// The id of the trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The application that handles the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_sid: Option<String>,
    /// The SIP address of the feature server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_sip_address: Option<String>,
    /// The IP address that the call came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub originating_sip_ip: Option<String>,
    /// The trunk that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub originating_sip_trunk_name: Option<String>,
    /// Who ended the call: `caller` or `jambonz`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_termination_by: Option<String>,
    /// How many seconds it lasted.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "number_or_text::deserialize")]
    pub duration: Option<u64>,
    /// What the application attached to the call. (The one name that jambonz leaves in camel case.)
    #[serde(rename = "customerData", skip_serializing_if = "Option::is_none")]
    pub customer_data: Option<Value>,
    /// The header fields of the INVITE, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Map<String, Value>>,
    /// Where the gateway's API is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_base_url: Option<String>,
    /// The public IP address of the feature server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_public_ip: Option<String>,
    /// Fields of other names.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl CallInfo {
    /// The call of this id.
    #[must_use]
    pub fn of(call_sid: &str) -> Self {
        Self { call_sid: Some(call_sid.to_owned()), ..Self::default() }
    }
}

//! The digest credentials of a SIP request.

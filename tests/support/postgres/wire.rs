//! As much of PostgreSQL's protocol, version 3, as tells requests and answers apart.
//!
//! A message is a letter, the length of what follows as four bytes that count themselves, and what follows; the first of a
//! client has no letter.

use std::collections::{HashMap, VecDeque};

/// What a client asks first, if it wants the connection encrypted: by TLS or by GSSAPI.
const ENCRYPTION_REQUESTS: [u32; 2] = [80_877_103, 80_877_104];

/// With it, the server asks for the data of a COPY.
pub(crate) const COPY_IN_RESPONSE: u8 = b'G';

/// A message as it is on the wire, with its letter; 0 for the first of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: u8,
    pub(crate) bytes: Vec<u8>,
}

impl Message {
    /// Whether it asks for encryption, which is answered by a letter alone.
    pub(crate) fn asks_for_encryption(&self) -> bool {
        let code = self.bytes.get(4..8).and_then(|code| code.try_into().ok()).map(u32::from_be_bytes);
        self.kind == 0
            && self.bytes.len() == 8
            && code.is_some_and(|code| ENCRYPTION_REQUESTS.contains(&code))
    }

    /// The first so many texts of what follows the length; each ends with a zero byte.
    fn texts<const N: usize>(&self) -> Option<[String; N]> {
        let mut texts =
            self.bytes.get(5..)?.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into());
        let found: Vec<String> = texts.by_ref().take(N).collect();
        found.try_into().ok()
    }
}

/// Bytes as they come, taken apart into messages.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    bytes: Vec<u8>,
    /// Whether the next is a client's first.
    is_first: bool,
}

impl Messages {
    pub(crate) fn of_client() -> Self {
        Self { is_first: true, ..Self::default() }
    }

    pub(crate) fn of_server() -> Self {
        Self::default()
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next one, if it is there to its end.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        let letters = usize::from(!self.is_first);
        let length = self.bytes.get(letters..letters + 4)?.try_into().ok().map(u32::from_be_bytes)?;
        let end = letters + usize::try_from(length).ok()?;
        if self.bytes.len() < end {
            return None;
        }
        let rest = self.bytes.split_off(end);
        let bytes = std::mem::replace(&mut self.bytes, rest);
        let message = Message { kind: if self.is_first { 0 } else { bytes[0] }, bytes };
        self.is_first = message.asks_for_encryption();
        Some(message)
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Course {
    #[default]
    Usual,
    /// The server gets it, and its answer is kept from the client, whose connection is cut then, or silent.
    AnswerLost { hangs: bool },
}

/// One connection: which requests there were, and which are answered.
///
/// A request is what ends with a simple query or with Sync; its answer ends with ReadyForQuery. That the connection is made
/// is no request.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    /// The texts of the prepared statements, by name.
    statements: HashMap<String, String>,
    /// The texts that the request that is being sent runs.
    runs: Vec<String>,
    is_ready: bool,
    unanswered: VecDeque<Unanswered>,
}

#[derive(Debug, Default)]
struct Unanswered {
    course: Course,
    /// Whether it ended with Sync.
    synced: bool,
    /// It turned out to be a COPY that the client sends data for: the server ignores the Sync, and waits for one after the
    /// data.
    is_open: bool,
}

impl Conversation {
    /// Notes a message of the client. `Some` at the end of a request: the texts of what it runs.
    pub(crate) fn sent(&mut self, message: &Message) -> Option<Vec<String>> {
        match message.kind {
            b'Q' => {
                self.runs.extend(message.texts().map(|[text]| text));
                return Some(std::mem::take(&mut self.runs));
            }
            b'P' => {
                if let Some([name, text]) = message.texts() {
                    self.statements.insert(name, text);
                }
            }
            b'B' => {
                if let Some([_portal, name]) = message.texts() {
                    self.runs.extend(self.statements.get(&name).cloned());
                }
            }
            b'S' => {
                if let Some(open) = self.unanswered.front_mut().filter(|request| request.is_open) {
                    open.is_open = false;
                    return None;
                }
                return Some(std::mem::take(&mut self.runs));
            }
            _ => {}
        }
        None
    }

    /// The request that has just ended goes to the server.
    pub(crate) fn forwarded(&mut self, end: &Message, course: Course) {
        self.unanswered.push_back(Unanswered { course, synced: end.kind == b'S', is_open: false });
    }

    /// What becomes of the answer that comes now.
    pub(crate) fn course(&self) -> Course {
        self.unanswered.front().map_or(Course::Usual, |request| request.course)
    }

    /// Notes a message of the server; whether it ends the answer to a request.
    pub(crate) fn answered(&mut self, message: &Message) -> bool {
        match message.kind {
            COPY_IN_RESPONSE => {
                if let Some(request) = self.unanswered.front_mut() {
                    request.is_open = request.synced;
                }
                false
            }
            b'Z' if self.is_ready => self.unanswered.pop_front().is_some(),
            b'Z' => {
                self.is_ready = true;
                false
            }
            _ => false,
        }
    }
}

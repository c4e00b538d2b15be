//! Notes calls while they are made.

use super::call::{Call, Operation, Outcome, Promise, make};
use gateway_accounts::AccountStore;
use serde::{Deserialize, Serialize};

/// Nanoseconds of the system's clock that never steps, since some moment that is the same for all processes.
pub(crate) fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let [seconds, nanos] = [time.tv_sec, time.tv_nsec].map(|part| u64::try_from(part).unwrap_or_default());
    seconds * 1_000_000_000 + nanos
}

/// One line of a client.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Line {
    Began(Call),
    Returned { client: String, nth: u64, at: u64, outcome: Outcome },
}

/// One client: makes its calls one after the other, and has a line noted at the beginning and at the end of each.
///
/// `note` has to have each line out of the process when it returns, with a line break, so that it is known of a process that
/// is killed: by one write to a pipe or to a file.
pub(crate) struct Recorder<F: FnMut(&str)> {
    client: String,
    calls: u64,
    promise: Promise,
    note: F,
}

impl<F: FnMut(&str)> Recorder<F> {
    /// A client of this name, which no other of the same store may have: 1 to 200 visible characters.
    pub(crate) fn new(client: impl Into<String>, note: F) -> Self {
        Self { client: client.into(), calls: 0, promise: Promise::default(), note }
    }

    /// What the store owes the calls from now on.
    pub(crate) fn promised(mut self, promise: Promise) -> Self {
        self.promise = promise;
        self
    }

    /// Makes a call. `None` when nobody knows what came of it.
    pub(crate) async fn call(&mut self, store: &dyn AccountStore, operation: Operation) -> Option<Outcome> {
        let (client, nth) = (self.client.clone(), self.calls);
        self.calls += 1;
        let mut call = Call { client, nth, began: 0, operation, promise: self.promise, returned: None };
        call.began = now();
        let line = Line::Began(call);
        self.note(&line);
        let Line::Began(call) = line else { return None };
        let outcome = make(store, &call.client, nth, &call.operation).await;
        let at = now();
        if let Some(outcome) = &outcome {
            self.note(&Line::Returned { client: call.client, nth, at, outcome: outcome.clone() });
        }
        outcome
    }

    fn note(&mut self, line: &Line) {
        (self.note)(&serde_json::to_string(line).expect("a call has keys that are texts"));
    }
}

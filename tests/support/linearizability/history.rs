//! The check.

use super::call::{CHANGES, Call, KeyTold, Operation, Outcome, Promise, Told, made, seen};
use super::recorder::Line;
use super::violation::Violation;
use gateway_accounts::{Account, ApiKey, Batch, Change, Listing, Snapshot};
use std::collections::HashMap;
use std::sync::Arc;

/// The calls of all clients of one store, from its first commit on.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    calls: Vec<Call>,
    /// Where a call of a client is.
    index: HashMap<(String, u64), usize>,
}

/// How much a check had to go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Summary {
    /// Commits that were acknowledged.
    pub(crate) committed: usize,
    pub(crate) refused: usize,
    /// Commits of which nobody was told what came of them: those that were done, and those that were not.
    pub(crate) unknown_done: usize,
    pub(crate) unknown_not_done: usize,
    /// Reads that were answered.
    pub(crate) reads: usize,
}

impl FromIterator<Call> for History {
    fn from_iter<I: IntoIterator<Item = Call>>(calls: I) -> Self {
        let mut history = Self::default();
        calls.into_iter().for_each(|call| history.add(call));
        history
    }
}

impl History {
    /// # Panics
    /// When the client has made that call already.
    #[track_caller]
    pub(crate) fn add(&mut self, call: Call) {
        let before = self.index.insert((call.client.clone(), call.nth), self.calls.len());
        assert!(before.is_none(), "two clients have one name: {call}");
        self.calls.push(call);
    }

    /// Takes in a line of a [`Recorder`](super::Recorder). Whether it was one: others, and the cut line of one that was
    /// killed, are passed over.
    pub(crate) fn hear(&mut self, line: &str) -> bool {
        match serde_json::from_str(line.trim()) {
            Ok(Line::Began(call)) => self.add(call),
            Ok(Line::Returned { client, nth, at, outcome }) => {
                let Some(call) = self.index.get(&(client, nth)) else { return false };
                self.calls[*call].returned = Some((at, outcome));
            }
            Err(_) => return false,
        }
        true
    }

    /// Whether one order of all calls explains what they were told, in which each that returned before another began comes
    /// before it. `feed` is all that was committed, read after the last call.
    ///
    /// A call of the feed is at its number, and others are between two numbers: as early as possible, which leaves the most
    /// to those that follow. So if there is an order at all, one is found.
    ///
    /// # Errors
    /// [`Violation`]: of the feed, or of the call that began first.
    pub(crate) fn check(&self, feed: &[Arc<Change>]) -> Result<Summary, Violation> {
        let commits = Commits::of(&self.calls, feed)?;
        commits.check_order()?;
        self.check_answers(&commits)?;
        Ok(self.summary(&commits))
    }

    fn check_answers(&self, commits: &Commits<'_>) -> Result<(), Violation> {
        let mut by_beginning: Vec<usize> = (0..self.calls.len()).collect();
        by_beginning.sort_by_key(|nth| self.calls[*nth].began);
        let end = |nth: &usize| self.calls[*nth].returned.as_ref().map(|(at, _)| *at);
        let mut returned: Vec<usize> =
            by_beginning.iter().copied().filter(|nth| end(nth).is_some()).collect();
        returned.sort_by_key(end);
        let mut returned = returned.into_iter().peekable();
        // The moment of each that was placed, and the latest of those that had returned: to anybody, and to one client.
        let mut moments: HashMap<usize, usize> = HashMap::new();
        let mut latest = Bound::default();
        let mut latest_of: HashMap<&str, Bound> = HashMap::new();
        for nth in by_beginning {
            let call = &self.calls[nth];
            while let Some(before) = returned.next_if(|before| end(before) < Some(call.began)) {
                let Some(moment) = moments.get(&before) else { continue };
                latest.raise(*moment, before);
                latest_of.entry(&self.calls[before].client).or_default().raise(*moment, before);
            }
            if let Some(seq) = commits.number(nth) {
                moments.insert(nth, seq);
                continue;
            }
            let Some((returned_at, outcome)) = &call.returned else { continue };
            if *outcome == Outcome::NotWritten {
                continue;
            }
            let from = match call.promise {
                Promise::Linearizable => latest,
                Promise::Session => latest_of.get(&*call.client).copied().unwrap_or_default(),
            };
            let to = commits.first_begun_after(*returned_at);
            moments.insert(nth, self.place(nth, outcome, commits, from, to)?);
        }
        Ok(())
    }

    /// The first moment from the one bound to the other that explains an answer.
    fn place(
        &self,
        nth: usize,
        outcome: &Outcome,
        commits: &Commits<'_>,
        from: Bound,
        to: Option<(usize, usize)>,
    ) -> Result<usize, Violation> {
        let call = &self.calls[nth];
        let last = commits.states.len() - 1;
        let at_most = to.map_or(last, |(seq, _)| seq - 1);
        let batch = call.batch();
        let explains = |moment: &usize| commits.explain(call, batch.as_ref(), outcome, *moment);
        if let Some(moment) = (from.moment..=at_most).find(explains) {
            return Ok(moment);
        }
        let number = |moment: usize| commits.states[moment].seq();
        let call = || Box::new(call.clone());
        if let (Some(saw), Some(cause)) = ((0..from.moment).rfind(explains), from.because_of) {
            let because_of = Box::new(self.calls[cause].clone());
            return Err(Violation::Stale {
                call: call(),
                saw: number(saw),
                at_least: number(from.moment),
                because_of,
            });
        }
        if let (Some(saw), Some((_, cause))) = ((at_most + 1..=last).find(explains), to) {
            let because_of = Box::new(self.calls[cause].clone());
            return Err(Violation::Future {
                call: call(),
                saw: number(saw),
                at_most: number(at_most),
                because_of,
            });
        }
        Err(Violation::Never { call: call(), at_least: number(from.moment), at_most: number(at_most) })
    }

    fn summary(&self, commits: &Commits<'_>) -> Summary {
        let mut summary = Summary::default();
        for (nth, call) in self.calls.iter().enumerate() {
            let outcome = call.returned.as_ref().map(|(_, outcome)| outcome);
            let counted = match (&call.operation, outcome) {
                (Operation::Commit(_), Some(Outcome::Committed(_))) => &mut summary.committed,
                (Operation::Commit(_), Some(Outcome::Refused(_))) => &mut summary.refused,
                (Operation::Commit(_), None) if commits.number(nth).is_some() => &mut summary.unknown_done,
                (Operation::Commit(_), None) => &mut summary.unknown_not_done,
                (Operation::Commit(_), Some(_)) | (_, None) => continue,
                (_, Some(_)) => &mut summary.reads,
            };
            *counted += 1;
        }
        summary
    }
}

/// Not before this moment, as a call proves.
#[derive(Debug, Clone, Copy, Default)]
struct Bound {
    moment: usize,
    because_of: Option<usize>,
}

impl Bound {
    fn raise(&mut self, moment: usize, because_of: usize) {
        if moment > self.moment {
            *self = Self { moment, because_of: Some(because_of) };
        }
    }
}

/// The feed, and which calls it is of. A moment is how many commits there were.
struct Commits<'a> {
    calls: &'a [Call],
    feed: &'a [Arc<Change>],
    /// The call of each number, from 1.
    by_number: Vec<usize>,
    numbers: HashMap<usize, usize>,
    /// At each moment, from 0.
    states: Vec<Snapshot>,
    /// When each commit of the feed began, in that order, and the least number (with its call) from there on.
    begun: Vec<(u64, (usize, usize))>,
}

impl<'a> Commits<'a> {
    fn of(calls: &'a [Call], feed: &'a [Arc<Change>]) -> Result<Self, Violation> {
        let ids: HashMap<String, usize> =
            calls.iter().enumerate().map(|(nth, call)| (call.id(), nth)).collect();
        let mut commits = Self {
            calls,
            feed,
            by_number: Vec::new(),
            numbers: HashMap::new(),
            states: vec![Snapshot::empty()],
            begun: Vec::new(),
        };
        for change in feed {
            commits.take(change, &ids)?;
        }
        for (nth, call) in calls.iter().enumerate() {
            let Some((_, Outcome::Committed(said))) = &call.returned else { continue };
            let is = commits.number(nth).map(|number| commits.states[number].seq());
            if is != Some(*said) {
                return Err(Violation::Lost { commit: Box::new(call.clone()), said: *said, is });
            }
        }
        commits.begun =
            commits.numbers.iter().map(|(nth, number)| (calls[*nth].began, (*number, *nth))).collect();
        commits.begun.sort_unstable();
        let mut least = None;
        for (_, commit) in commits.begun.iter_mut().rev() {
            *commit = least.map_or(*commit, |least| std::cmp::min(least, *commit));
            least = Some(*commit);
        }
        Ok(commits)
    }

    /// The next commit of the feed.
    fn take(&mut self, change: &Change, ids: &HashMap<String, usize>) -> Result<(), Violation> {
        let latest = &self.states[self.states.len() - 1];
        let (seq, by) = made(change);
        if seq != latest.seq().next() {
            return Err(Violation::Gap { expected: latest.seq().next(), found: seq });
        }
        let Some((nth, batch)) = ids.get(&by).and_then(|nth| Some((*nth, self.calls[*nth].batch()?))) else {
            return Err(Violation::Stranger { seq, by });
        };
        let commit = || Box::new(self.calls[nth].clone());
        if let Some(first) = self.number(nth) {
            return Err(Violation::Twice { commit: commit(), first: self.states[first].seq(), second: seq });
        }
        if !matches!(self.calls[nth].returned, None | Some((_, Outcome::Committed(_)))) {
            return Err(Violation::Denied { commit: commit(), seq });
        }
        let (next, does) = latest.apply(&batch).map_err(|conflict| Violation::Contradiction {
            commit: commit(),
            seq,
            conflict,
        })?;
        if does != *change {
            return Err(Violation::OtherEffect { commit: commit(), seq });
        }
        self.states.push(next);
        self.by_number.push(nth);
        self.numbers.insert(nth, self.by_number.len());
        Ok(())
    }

    /// The number of a call, if it is in the feed.
    fn number(&self, nth: usize) -> Option<usize> {
        self.numbers.get(&nth).copied()
    }

    /// The least number of the commits that began after this time, and its call.
    fn first_begun_after(&self, time: u64) -> Option<(usize, usize)> {
        let from = self.begun.partition_point(|(began, _)| *began <= time);
        self.begun.get(from).map(|(_, commit)| *commit)
    }

    /// No commit returned before another began that has a lesser number.
    fn check_order(&self) -> Result<(), Violation> {
        let mut last_begun: Option<&Call> = None;
        for call in self.by_number.iter().map(|nth| &self.calls[*nth]) {
            let returned = call.returned.as_ref().map_or(u64::MAX, |(at, _)| *at);
            if let Some(lesser) = last_begun.filter(|lesser| returned < lesser.began) {
                return Err(Violation::Reordered {
                    lesser: Box::new(lesser.clone()),
                    greater: Box::new(call.clone()),
                });
            }
            if last_begun.is_none_or(|last| last.began < call.began) {
                last_begun = Some(call);
            }
        }
        Ok(())
    }

    /// Whether the answer is right at this moment.
    fn explain(&self, call: &Call, batch: Option<&Batch>, outcome: &Outcome, moment: usize) -> bool {
        let state = &self.states[moment];
        let is_account =
            |is: Option<&Arc<Account>>, told: &Option<Told>| is == told.as_ref().map(|told| &told.0);
        let are_keys = |are: &mut dyn Iterator<Item = &Arc<ApiKey>>, told: &[KeyTold]| {
            are.eq(told.iter().map(|KeyTold(key)| key))
        };
        match (&call.operation, outcome) {
            (Operation::Commit(edits), Outcome::Refused(refusal)) => {
                batch.is_some_and(|batch| refusal.is_true(state, batch, edits))
            }
            (Operation::BySid(sid), Outcome::Account(told)) => is_account(state.by_sid(*sid), told),
            (Operation::ByName(name), Outcome::Account(told)) => is_account(state.by_name(name), told),
            (Operation::ByRealm(realm), Outcome::Account(told)) => is_account(state.by_realm(realm), told),
            (Operation::Key(id), Outcome::Key(told)) => state.key(*id) == told.as_ref().map(|told| &told.0),
            (Operation::Keys(owner), Outcome::Keys(told)) => are_keys(&mut state.keys_of(*owner), told),
            (Operation::List, Outcome::Accounts(told)) => {
                state.iter().take(Listing::MAX_LIMIT).eq(told.iter().map(|Told(account)| account))
            }
            (Operation::Snapshot | Operation::Live, Outcome::Snapshot { seq, .. }) => {
                *seq == state.seq() && *outcome == seen(state)
            }
            (Operation::Changes(after), Outcome::Changes(told)) => {
                let after = usize::try_from(after.get()).unwrap_or(usize::MAX);
                let there = self.feed.get(after..moment).unwrap_or_default();
                there.iter().take(CHANGES).map(|change| made(change)).eq(told.iter().cloned())
            }
            _ => false,
        }
    }
}

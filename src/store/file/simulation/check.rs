//! Whether a store shows what the naive model says, to all who look, from every side.

use super::model::Course;
use super::sample::SAMPLES;
use crate::model::account::Account;
use crate::model::api_key::ApiKey;
use crate::model::scope::Scope;
use crate::snapshot::{Change, Event, KeyEvent, Listing, Seq, Snapshot};
use crate::store::Feed;
use crate::store::live::Live;
use std::sync::Arc;

/// `Err` says what is wrong.
pub(super) type Checked = Result<(), String>;

/// That two things are the same.
pub(super) fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Checked {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}\n instead of {expected:?}")) }
}

/// That the state is the one after `seq` commits, without looking from every side.
pub(super) fn glance(live: &Live, course: &Course, seq: u64) -> Checked {
    let snapshot = live.snapshot();
    same("the number of the latest commit", &snapshot.seq().get(), &seq)?;
    let model = course.at(seq);
    let mut keys: Vec<_> = model.keys.values().collect();
    keys.sort_by_key(|key| (key.owner(), key.id()));
    same("the API keys", &snapshot.keys().collect::<Vec<_>>(), &keys)?;
    if snapshot.iter().eq(model.accounts.values()) {
        return Ok(());
    }
    same("the accounts", &describe(snapshot.iter()), &describe(course.at(seq).accounts.values()))?;
    Err("the accounts differ in what is not shown".to_owned())
}

/// That the state and the feed are those after `seq` commits, of which the last `history` are kept.
pub(super) fn all(live: &Live, course: &Course, seq: u64, history: u64) -> Checked {
    glance(live, course, seq)?;
    let snapshot = live.snapshot();
    lookups(&snapshot, course, seq)?;
    for provider in SAMPLES.providers.iter().copied().map(Some).chain([None]) {
        listing(&snapshot, course, seq, provider)?;
    }
    feed(live, course, seq, history)
}

fn lookups(snapshot: &Snapshot, course: &Course, seq: u64) -> Checked {
    let accounts = &course.at(seq).accounts;
    same("how many accounts there are", &snapshot.len(), &accounts.len())?;
    for sid in &SAMPLES.sids {
        same("an account by its SID", &snapshot.by_sid(*sid), &accounts.get(sid))?;
    }
    for id in &SAMPLES.keys {
        same("an API key by its id", &snapshot.key(*id), &course.at(seq).keys.get(id))?;
    }
    for sid in &SAMPLES.sids {
        let owner = Scope::Account(*sid);
        let expected: Vec<_> = course.at(seq).keys.values().filter(|key| key.owner() == owner).collect();
        same("the API keys of an account", &snapshot.keys_of(owner).collect::<Vec<_>>(), &expected)?;
    }
    for spellings in &SAMPLES.names {
        let expected = accounts.values().find(|account| spellings.contains(account.name()));
        for name in spellings {
            same("an account by its name", &snapshot.by_name(name), &expected)?;
        }
    }
    for realm in &SAMPLES.realms {
        let expected = accounts.values().find(|account| account.sip_realm() == Some(realm));
        same("an account by its realm", &snapshot.by_realm(realm), &expected)?;
    }
    Ok(())
}

fn listing(
    snapshot: &Snapshot,
    course: &Course,
    seq: u64,
    provider: Option<crate::model::sid::ServiceProviderSid>,
) -> Checked {
    let of_provider = |account: &&Arc<Account>| provider.is_none() || account.service_provider() == provider;
    let expected: Vec<_> = course.at(seq).accounts.values().filter(of_provider).cloned().collect();
    let mut listing = Listing::new().limit(4);
    if let Some(provider) = provider {
        listing = listing.of_service_provider(provider);
    }
    let mut found = Vec::new();
    loop {
        let page = snapshot.page(&listing);
        found.extend(page.accounts);
        match page.next {
            Some(after) => listing = listing.after(after),
            None => return same("the listing of a provider", &found, &expected),
        }
    }
}

fn feed(live: &Live, course: &Course, seq: u64, history: u64) -> Checked {
    let kept_after = seq.saturating_sub(history);
    let found = live.changes(Seq::new(kept_after), usize::MAX);
    let found = match found {
        Feed::Changes(changes) => changes.iter().map(|change| without_uses(change)).collect::<Vec<_>>(),
        trimmed => return Err(format!("what the feed keeps: {trimmed:?}")),
    };
    let expected: Vec<_> =
        course.changes(kept_after, seq).iter().map(|change| without_uses(change)).collect();
    same("what the feed keeps", &found, &expected)?;
    // Wherever else it is asked from, it is the same changes, of which the numbers tell which they are.
    for after in 0..=seq + 1 {
        let found = match live.changes(Seq::new(after), usize::MAX) {
            Feed::Changes(changes) => Ok(changes.iter().map(|change| change.seq.get()).collect()),
            Feed::Trimmed { oldest } => Err(oldest.get()),
        };
        let expected =
            if after < kept_after { Err(kept_after + 1) } else { Ok((after + 1..=seq).collect::<Vec<_>>()) };
        same(&format!("the feed after {after}"), &found, &expected)?;
    }
    Ok(())
}

/// A change, but for when keys were last used, and how many minutes: a rewritten file tells the latest of a key and of an
/// account from the beginning.
fn without_uses(change: &Change) -> Change {
    let unused = |key: &Arc<ApiKey>| Arc::new(ApiKey { last_used: None, ..ApiKey::clone(key) });
    let no_minutes =
        |account: &Arc<Account>| Arc::new(Account { minutes_used: None, ..Account::clone(account) });
    let event = |event: &Event| match event {
        Event::Key(KeyEvent::Added(key)) => Event::Key(KeyEvent::Added(unused(key))),
        Event::Key(KeyEvent::Replaced { before, after }) => {
            Event::Key(KeyEvent::Replaced { before: unused(before), after: unused(after) })
        }
        Event::Key(KeyEvent::Revoked(key)) => Event::Key(KeyEvent::Revoked(unused(key))),
        Event::Created(account) => Event::Created(no_minutes(account)),
        Event::Replaced { before, after } => {
            Event::Replaced { before: no_minutes(before), after: no_minutes(after) }
        }
        Event::Deleted(account) => Event::Deleted(no_minutes(account)),
    };
    Change { events: change.events.iter().map(event).collect(), ..change.clone() }
}

/// The accounts in short, for a person to see what differs.
fn describe<'a>(accounts: impl Iterator<Item = &'a Arc<Account>>) -> Vec<String> {
    let describe = |account: &Arc<Account>| {
        let number = account.sid().as_uuid().as_u128() % 100;
        let Account { name, revision, licensed_sessions, .. } = &**account;
        format!("{number}: {name:?} revision {revision} stamp {licensed_sessions:?}")
    };
    accounts.map(describe).collect()
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::super::sample::Writer;
    use super::*;
    use crate::store::live::History;

    /// A store that is right passes; one that lacks a commit, has one too many or trims its feed wrongly does not.
    #[test]
    fn it_tells_right_from_wrong() {
        let mut writer = Writer::new(Dice::new(3));
        let (mut course, mut snapshot) = (Course::new(), Snapshot::empty());
        let lives = [2, 3].map(|most| Live::new(Snapshot::empty(), History::new(Seq::START, most)));
        while course.seq() < 6 {
            let batch = writer.batch(course.latest());
            let Ok(change) = course.commit(&batch) else { continue };
            snapshot = snapshot.apply(&batch).unwrap().0;
            for live in &lives {
                live.publish(snapshot.clone(), [Arc::clone(&change)]);
            }
        }
        let [two, three] = lives;
        assert_eq!((all(&two, &course, 6, 2), all(&three, &course, 6, 3)), (Ok(()), Ok(())));
        assert!(all(&two, &course, 6, 3).unwrap_err().starts_with("what the feed keeps"));
        assert!(all(&two, &course, 5, 2).unwrap_err().starts_with("the number of the latest commit"));
        let model = course.at(2);
        let other = Snapshot::from_accounts(Seq::new(6), model.accounts.values().cloned()).unwrap();
        let without_keys = Live::new(other.clone(), History::new(Seq::new(6), 2));
        if !course.at(6).keys.is_empty() {
            assert!(all(&without_keys, &course, 6, 2).unwrap_err().starts_with("the API keys"));
        }
        let other = other.with_keys(course.at(6).keys.values().cloned()).unwrap();
        let other = Live::new(other, History::new(Seq::new(6), 2));
        assert!(all(&other, &course, 6, 2).unwrap_err().starts_with("the accounts"));
    }
}

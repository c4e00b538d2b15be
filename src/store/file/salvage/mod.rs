//! Everything readable of a damaged account file.

mod reading;
mod report;

pub use report::{LeftOut, Loss, Salvaged, WhyLeftOut};

use super::disk::{Disk, read_full_at};
use super::format::{self, Header, NoHeader};
use super::log::{io_error, refused};
use super::partial::Partial;
use super::recovery::{MAX_HEADER, Unreadable, end_of_content, recover};
use super::secrets::Secrets;
use crate::model::account::Account;
use crate::model::api_key::ApiKey;
use crate::model::field::Field;
use crate::model::scope::Scope;
use crate::snapshot::{Seq, Snapshot};
use crate::store::{Findings, StoreError, StoreErrorKind};
use reading::{Found, Reading, Unsaved};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Reads all that reads, and writes it to a new file.
pub(super) fn salvage(
    disk: Arc<dyn Disk>,
    path: &Path,
    new: &Path,
    secrets: &Secrets,
) -> Result<Salvaged, StoreError> {
    let file = disk.open_to_read(path).map_err(io_error("could not open", path))?;
    let could_not_read = |error| io_error("could not read", path)(error);
    let end = end_of_content(&*file).map_err(could_not_read)?;
    let mut start = vec![0; MAX_HEADER.min(usize::try_from(end).unwrap_or(MAX_HEADER))];
    let read = read_full_at(&*file, &mut start, 0).map_err(could_not_read)?;
    start.truncate(read);
    let line = start.iter().position(|byte| *byte == b'\n');
    let header = match Header::read(&start[..line.unwrap_or(start.len())]) {
        Ok(header) => Some(header),
        Err(NoHeader::Newer(version)) => return Err(refused(Unreadable::NewerVersion(version), path)),
        Err(NoHeader::Damaged | NoHeader::Foreign) => None,
    };
    if header.is_some_and(|header| header.sealed) && !secrets.sealed() {
        return Err(refused(Unreadable::Sealed, path));
    }
    let first = header.map_or(0, |_| line.map_or(end, |line| line as u64 + 1));
    let mut reading = Reading::new(header, secrets);
    reading.read(&*file, first, end).map_err(could_not_read)?;
    let torn_tail = reading.torn_tail(end);
    if let Some(torn) = torn_tail {
        // Some of it may have been applied.
        reading = Reading::new(header, secrets);
        reading.read(&*file, first, torn.offset).map_err(could_not_read)?;
    }
    if header.is_none() && !reading.found_any() {
        return Err(refused(Unreadable::NotAnAccountFile, path));
    }
    let Found { seq, accounts, keys, unsaved, lost } = reading.finish();
    let locked = |account: &Unsaved| matches!(account.why, WhyLeftOut::Sealed { .. });
    if accounts.is_empty()
        && let Some(LeftOut { why: WhyLeftOut::Sealed { reason }, .. }) =
            unsaved.iter().find(|one| locked(one))
    {
        let message =
            format!("no account in {} can be opened with the keys that were given: {reason}", path.display());
        return Err(StoreError::new(StoreErrorKind::Sealed, message));
    }
    let (snapshot, clashes) = without_clashes(seq, accounts);
    let found_keys = keys.len();
    let has_owner = |key: &Arc<ApiKey>| match key.owner() {
        Scope::Account(sid) => snapshot.by_sid(sid).is_some(),
        Scope::ServiceProvider(_) | Scope::Admin => true,
    };
    let keys: Vec<Arc<ApiKey>> = keys.into_iter().filter(has_owner).collect();
    let keys_left_out = found_keys - keys.len();
    let snapshot = snapshot.with_keys(keys).expect("each id is there once, and with it the account");
    let mut not_saved: Vec<_> = unsaved.into_iter().chain(clashes).collect();
    not_saved.sort_by_key(|account| account.sid);
    let mut left_out = Findings::default();
    left_out.extend(not_saved);
    let bytes = write(disk, new, &snapshot, secrets)?;
    let version = header.map(|header| header.version);
    Ok(Salvaged {
        version,
        seq,
        accounts: snapshot.len(),
        keys: snapshot.key_count(),
        keys_left_out,
        bytes,
        lost,
        left_out,
        torn_tail,
    })
}

/// The accounts that can be there together, and the others. Of two that have one name or realm, the one that was
/// written later stays.
fn without_clashes(seq: Seq, mut accounts: Vec<(u64, Arc<Account>)>) -> (Snapshot, Vec<Unsaved>) {
    accounts.sort_by_key(|(order, account)| (std::cmp::Reverse(*order), account.sid()));
    let mut names = HashMap::new();
    let mut realms = HashMap::new();
    let mut saved = Vec::with_capacity(accounts.len());
    let mut clashes = Vec::new();
    for (_, account) in &accounts {
        let name = account.name().folded();
        let realm = account.sip_realm();
        let holder: Option<(Field, &Arc<Account>)> = names
            .get(&name)
            .map(|holder| (Field::Name, *holder))
            .or_else(|| realm.and_then(|realm| Some((Field::SipRealm, *realms.get(realm)?))));
        if let Some((field, holder)) = holder {
            let why = WhyLeftOut::Clash { field, with: holder.sid(), with_name: holder.name().clone() };
            clashes.push(LeftOut { sid: account.sid(), name: account.name().clone(), why });
            continue;
        }
        names.insert(name, account);
        realms.extend(realm.map(|realm| (realm, account)));
        saved.push(Arc::clone(account));
    }
    let snapshot =
        Snapshot::from_accounts(seq, saved).expect("each SID is there once, and clashes were left out");
    (snapshot, clashes)
}

/// Writes a file whose base these accounts are, and reads it back. How long it is.
fn write(
    disk: Arc<dyn Disk>,
    path: &Path,
    snapshot: &Snapshot,
    secrets: &Secrets,
) -> Result<u64, StoreError> {
    /// So much is written at a time.
    const STEP: usize = 1 << 20;
    let mut file = Partial::begin(disk, path)?;
    let mut write_all = || {
        let could_not = |error| io_error("could not write", path)(error);
        let header = Header {
            version: format::VERSION,
            base: snapshot.seq(),
            accounts: snapshot.len() as u64,
            keys: snapshot.key_count() as u64,
            sealed: secrets.sealed(),
        };
        let mut lines = header.line();
        for account in snapshot.iter() {
            format::write_account(account, secrets, &mut lines)?;
            if lines.len() >= STEP {
                file.append(&lines).map_err(could_not)?;
                lines.clear();
            }
        }
        for key in snapshot.keys() {
            format::write_key(key, &mut lines);
            if lines.len() >= STEP {
                file.append(&lines).map_err(could_not)?;
                lines.clear();
            }
        }
        file.append(&lines).map_err(could_not)?;
        // Whoever needs this has had enough trouble with disks.
        let back = recover(file.file(), 0, secrets).map_err(|error| refused(error, path))?;
        let same = back.snapshot.iter().eq(snapshot.iter()) && back.snapshot.keys().eq(snapshot.keys());
        if !same || back.snapshot.seq() != snapshot.seq() {
            return Err(could_not(io::Error::other("what was written does not read back")));
        }
        file.give_name()
    };
    let written = write_all();
    if written.is_err() {
        file.give_up();
    }
    written.map(|()| file.length())
}

use super::*;
use crate::model::api_key::{ApiKeyRecord, KeyHash};
use crate::model::record::tests::full;
use crate::model::scope::Scope;
use crate::snapshot::{Batch, KeyWrite, Write};
use crate::store::file::format::{Body, Place};
use crate::store::live::Live;
use std::path::Path;

/// A file in memory that is only read.
#[derive(Debug)]
struct Bytes<'a>(&'a [u8]);

impl DiskFile for Bytes<'_> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = &self.0[self.0.len().min(offset as usize)..];
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn is_named(&self, _: &Path) -> io::Result<bool> {
        Ok(true)
    }
    fn try_lock(&self) -> io::Result<bool> {
        Ok(true)
    }
}

fn read(bytes: &[u8]) -> Result<Recovered, Unreadable> {
    recover(&Bytes(bytes), 100, &Secrets::default())
}

#[track_caller]
fn damage(bytes: &[u8], what: &str) -> (u64, u64) {
    match read(bytes) {
        Err(Unreadable::Damaged(FileDamage { line, offset, .. })) => (line, offset),
        other => panic!("{what}: {other:?}"),
    }
}

fn account(n: u8) -> Arc<Account> {
    let mut bytes = [7; 16];
    bytes[15] = n;
    Arc::new(Account {
        sid: AccountSid::from_uuid(uuid::Uuid::from_bytes(bytes)).unwrap(),
        name: format!("Customer {n}").parse().unwrap(),
        sip_realm: None,
        revision: Revision::FIRST,
        ..full()
    })
}

fn key(n: u8, owner: Scope) -> Arc<ApiKey> {
    let record = ApiKeyRecord {
        id: format!("{n:016}").parse().unwrap(),
        owner,
        label: "CI".parse().unwrap(),
        hash: KeyHash::parse("$argon2id$").unwrap(),
        last_four: "x7Q2".to_owned(),
        created: Timestamp::from_millis(1),
        created_by: "jane".parse().unwrap(),
        expires: None,
        disabled: false,
        last_used: None,
        revision: Revision::FIRST,
    };
    Arc::new(ApiKey::try_from(record).unwrap())
}

fn of(account: &Account) -> Scope {
    Scope::Account(account.sid)
}

fn add(key: &Arc<ApiKey>) -> Write {
    Write::Key(KeyWrite::Add { key: Arc::clone(key), at_most: 9 })
}

fn used(key: &ApiKey, millis: i64) -> Write {
    Write::Key(KeyWrite::Use { id: key.id(), at: Timestamp::from_millis(millis) })
}

/// A file, where its lines begin and it ends, and the state after each of its commits.
struct File {
    bytes: Vec<u8>,
    starts: Vec<u64>,
    snapshots: Vec<Snapshot>,
    /// For each snapshot, where its last line ends.
    ends: Vec<u64>,
}

impl File {
    fn new(base: &[Arc<Account>], keys: &[Arc<ApiKey>]) -> Self {
        let header = Header {
            accounts: base.len() as u64,
            keys: keys.len() as u64,
            base: Seq::new(base.len() as u64),
            ..Header::new(false)
        };
        let mut file =
            Self { bytes: header.line(), starts: vec![0], snapshots: Vec::new(), ends: Vec::new() };
        for account in base {
            file.starts.push(file.bytes.len() as u64);
            format::write_account(account, &Secrets::default(), &mut file.bytes).unwrap();
        }
        for key in keys {
            file.starts.push(file.bytes.len() as u64);
            format::write_key(key, &mut file.bytes);
        }
        let snapshot = Snapshot::from_accounts(header.base, base.iter().cloned()).unwrap();
        file.snapshots.push(snapshot.with_keys(keys.iter().cloned()).unwrap());
        file.ends.push(file.bytes.len() as u64);
        file
    }

    /// Adds a commit, of which each of the parts has so many writes, and which shares its sync with `joined` before it.
    fn commit(&mut self, joined: u64, parts: &[usize], writes: Vec<Write>) {
        let actor = Actor::new(Scope::Admin, "jane".parse().unwrap());
        let mut batch = Batch::new(actor, Timestamp::from_millis(7));
        batch.writes = writes;
        let (next, change) = self.snapshots.last().unwrap().apply(&batch).unwrap();
        // As the store writes it: what follows from a write is not said.
        let mut writes = batch.writes.iter();
        for (part, count) in parts.iter().enumerate() {
            self.starts.push(self.bytes.len() as u64);
            let entries = writes.by_ref().take(*count).map(format::Entry::from);
            let more = part + 1 < parts.len();
            let body = Body::new(change.at, &change.actor, entries, more, &Secrets::default()).unwrap();
            body.write(Place { seq: change.seq, joined, part: part as u64 }, &mut self.bytes);
        }
        self.snapshots.push(next);
        self.ends.push(self.bytes.len() as u64);
    }

    /// A file with a base, single commits, a group of three, and a commit of three parts.
    fn full() -> Self {
        let mut file = Self::new(&[account(100), account(101)], &[]);
        let created = |n| Write::Create(account(n));
        let mut renamed = Account::clone(&account(1));
        renamed.name = "Globex".parse().unwrap();
        file.commit(0, &[1], vec![created(1)]);
        file.commit(0, &[1], vec![Write::Replace(Arc::new(renamed))]);
        file.commit(0, &[0], vec![]);
        let deleted = Write::Delete { sid: account(1).sid, expected: Revision::new(2) };
        file.commit(0, &[2], vec![deleted, created(1)]);
        file.commit(1, &[1], vec![created(2)]);
        file.commit(2, &[1], vec![created(3)]);
        file.commit(0, &[2, 1, 2], (4..9).map(created).collect());
        file
    }

    /// A small one with a line of every kind, for what is done to each of its bits.
    fn small() -> Self {
        let lean = |n| {
            let bare = Account {
                device_calling_application: None,
                siprec_application: None,
                registration_webhook: None,
                queue_event_webhook: None,
                organisation: None,
                service_provider: None,
                ..Account::clone(&account(n))
            };
            Arc::new(bare)
        };
        let keys = [key(7, Scope::Admin), key(8, of(&account(100)))];
        let mut file = Self::new(&[lean(100)], &keys);
        let delete = |n, revision| Write::Delete { sid: account(n).sid, expected: Revision::new(revision) };
        file.commit(0, &[1], vec![Write::Create(lean(1))]);
        file.commit(0, &[1], vec![Write::Replace(lean(1))]);
        file.commit(1, &[0], vec![]);
        let added = key(9, of(&account(1)));
        file.commit(0, &[1], vec![add(&added)]);
        file.commit(0, &[2], vec![used(&added, 5), used(&key(6, Scope::Admin), 5)]);
        file.commit(0, &[1], vec![Write::Key(KeyWrite::Replace(added))]);
        let revoke = KeyWrite::Revoke { id: keys[0].id(), expected: Revision::FIRST };
        file.commit(0, &[1], vec![Write::Key(revoke)]);
        // What keys the accounts have is revoked.
        file.commit(0, &[1, 1], vec![delete(1, 2), delete(100, 1)]);
        file
    }

    /// The number of the line, from 1, that this byte is in.
    fn line(&self, at: u64) -> u64 {
        self.starts.iter().filter(|start| **start <= at).count() as u64
    }
}

/// The accounts and keys, but for when the keys were used.
fn without_uses(snapshot: &Snapshot) -> Snapshot {
    let keys = snapshot.keys().map(|key| Arc::new(ApiKey { last_used: None, ..ApiKey::clone(key) }));
    Snapshot::from_accounts(snapshot.seq(), snapshot.iter().cloned()).unwrap().with_keys(keys).unwrap()
}

#[track_caller]
fn assert_same(a: &Snapshot, b: &Snapshot, what: &str) {
    assert!(a.seq() == b.seq() && a.iter().eq(b.iter()), "{what}: {a:?} {b:?}");
    assert!(
        a.keys().eq(b.keys()),
        "{what}: {:#?} {:#?}",
        a.keys().collect::<Vec<_>>(),
        b.keys().collect::<Vec<_>>()
    );
}

#[test]
fn reads_back_what_was_written() {
    for file in [File::full(), File::small()] {
        let recovered = read(&file.bytes).unwrap();
        assert_same(&recovered.snapshot, file.snapshots.last().unwrap(), "all");
        assert_eq!((recovered.length, recovered.torn), (file.bytes.len() as u64, None));
    }
}

/// What was revoked with its account is told, though the file does not say it; and of uses nothing is.
#[test]
fn the_history_tells_what_became_of_keys() {
    let file = File::small();
    let mut snapshot = file.snapshots[0].clone();
    let recovered = read(&file.bytes).unwrap();
    let changes = Live::new(recovered.snapshot, recovered.history).kept();
    for (change, expected) in changes.iter().zip(&file.snapshots[1..]) {
        snapshot = snapshot.advance(change).unwrap();
        assert_same(&without_uses(&snapshot), &without_uses(expected), &format!("commit {}", change.seq));
    }
    assert_eq!(changes.len() + 1, file.snapshots.len());
    let told: Vec<_> = changes.iter().map(|change| change.events.len()).collect();
    assert_eq!(told, [1, 1, 0, 1, 0, 1, 1, 4]);
    // The writer of the replacement did not know of the use.
    assert!(file.snapshots[6].keys().any(|key| key.last_used() == Some(Timestamp::from_millis(5))));
}

/// Keys that contradict what is before them, in lines that have their checksum.
#[test]
fn keys_that_do_not_follow_are_damage() {
    let base = [account(100), account(101)];
    let there = key(7, of(&account(100)));
    let other = |owner| ApiKey::clone(&key(7, owner));
    let at = |revision, key: ApiKey| {
        let record = ApiKeyRecord { revision: Revision::new(revision), ..(&key).into() };
        Arc::new(ApiKey::try_from(record).unwrap())
    };
    let [known, second] = [at(1, other(of(&account(100)))), at(2, other(of(&account(100))))];
    let [admins, moved] = [other(Scope::Admin), other(of(&account(101)))].map(|key| at(2, key));
    let [nobodys, new] = [key(8, of(&account(1))), at(2, ApiKey::clone(&key(8, Scope::Admin)))];
    let table: [(&str, format::Entry<'_>, bool); 14] = [
        ("an id that is taken", format::Entry::KeyAdded(&known, Revision::FIRST), false),
        ("an id that another owner's has", format::Entry::KeyAdded(&admins, Revision::FIRST), false),
        ("an account that is not there", format::Entry::KeyAdded(&nobodys, Revision::FIRST), false),
        (
            "a new key that was written before, elsewhere",
            format::Entry::KeyAdded(&new, Revision::new(2)),
            true,
        ),
        ("a new key", format::Entry::KeyAdded(&new, Revision::FIRST), true),
        ("the same revision", format::Entry::KeyReplaced(&known, Revision::FIRST), false),
        ("two revisions on", format::Entry::KeyReplaced(&second, Revision::new(3)), false),
        ("the next revision", format::Entry::KeyReplaced(&second, Revision::new(2)), true),
        ("another owner", format::Entry::KeyReplaced(&admins, Revision::new(2)), false),
        ("another account", format::Entry::KeyReplaced(&moved, Revision::new(2)), false),
        ("a key that is not there", format::Entry::KeyReplaced(&new, Revision::new(2)), false),
        (
            "the revocation of another revision",
            format::Entry::KeyRevoked(there.id(), Revision::new(2)),
            false,
        ),
        ("the revocation of none", format::Entry::KeyRevoked(new.id(), Revision::FIRST), false),
        ("a use of none", format::Entry::KeyUsed(new.id(), Timestamp::from_millis(1)), true),
    ];
    for (what, entry, is_good) in table {
        let mut file = File::new(&base, &[Arc::clone(&there)]);
        let line = (file.starts.len() as u64 + 1, file.bytes.len() as u64);
        let actor = Actor::new(Scope::Admin, "jane".parse().unwrap());
        let secrets = Secrets::default();
        let body = Body::new(Timestamp::default(), &actor, [entry].into_iter(), false, &secrets).unwrap();
        body.write(Place { seq: Seq::new(3), joined: 0, part: 0 }, &mut file.bytes);
        if is_good {
            read(&file.bytes).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        } else {
            assert_eq!(damage(&file.bytes, what), line, "{what}");
        }
    }
    // In the base likewise.
    for keys in [[Arc::clone(&there), known], [there, nobodys]] {
        let mut bytes = Header { accounts: 2, keys: 2, base: Seq::new(2), ..Header::new(false) }.line();
        for account in &base {
            format::write_account(account, &Secrets::default(), &mut bytes).unwrap();
        }
        format::write_key(&keys[0], &mut bytes);
        let last = bytes.len() as u64;
        format::write_key(&keys[1], &mut bytes);
        assert_eq!(damage(&bytes, "a base"), (5, last));
    }
}

/// What is new may have been brought from elsewhere, but not in a file of a format that did not know of that.
#[test]
fn what_was_restored_keeps_its_revision_from_format_6_on() {
    let account = Arc::new(Account { revision: Revision::new(4), ..Account::clone(&account(1)) });
    let first = ApiKey::clone(&key(8, Scope::Admin));
    let key = Arc::new(ApiKey { revision: Revision::new(3), ..first });
    let table = [
        (Write::Restore(Arc::clone(&account)), false),
        (Write::Key(KeyWrite::Restore(Arc::clone(&key))), false),
        (Write::Create(Arc::clone(&account)), true),
        (add(&key), true),
    ];
    for (write, is_first) in table {
        for version in [5, 6] {
            let mut file = File::new(&[], &[]);
            file.bytes = Header { version, ..Header::new(false) }.line();
            let line = (2, file.bytes.len() as u64);
            file.commit(0, &[1], vec![write.clone()]);
            if version == 6 || is_first {
                let recovered = read(&file.bytes).unwrap_or_else(|error| panic!("{write:?}: {error:?}"));
                assert_same(&recovered.snapshot, file.snapshots.last().unwrap(), "restored");
            } else {
                assert_eq!(damage(&file.bytes, "format 5"), line, "{write:?}");
            }
        }
    }
}

#[test]
fn padding_is_no_content() {
    let file = File::full();
    for padding in [&[PAD; 1][..], &[PAD; 70_000], &[0; 511], &[PAD, PAD, 0, 0]] {
        let recovered = read(&[&file.bytes, padding].concat()).unwrap();
        assert_same(&recovered.snapshot, file.snapshots.last().unwrap(), "padded");
        assert_eq!((recovered.length, recovered.torn), (file.bytes.len() as u64, None));
    }
}

/// A process that is killed while it appends leaves any number of the first bytes of what it wrote, with padding behind
/// or not.
#[test]
fn a_file_cut_anywhere_opens_with_the_commits_before_the_cut() {
    let (small, full) = (File::small(), File::full());
    for (file, padding, step) in [(&small, 0, 1), (&small, 600, 1), (&full, 0, 29), (&full, 600, 31)] {
        for cut in (file.ends[0]..file.bytes.len() as u64).step_by(step) {
            let bytes = [&file.bytes[..cut as usize], &vec![PAD; padding]].concat();
            let recovered = read(&bytes).unwrap();
            // A line that lacks nothing but its line feed is kept.
            let kept = file.ends.iter().filter(|end| **end <= cut + 1).count() - 1;
            assert_same(&recovered.snapshot, &file.snapshots[kept], &format!("cut at {cut}"));
            let whole = cut + 1 == file.ends[kept];
            assert_eq!(recovered.lacks_line_feed, whole, "cut at {cut}");
            let torn = if whole { 0 } else { cut - file.ends[kept] };
            assert_eq!(recovered.torn.map_or(0, |torn| torn.bytes), torn, "cut at {cut}");
        }
    }
}

#[test]
fn a_file_that_was_created_and_not_completed_is_new() {
    // Also by a program of an earlier version.
    for version in 1..=format::VERSION {
        let header = Header { version, ..Header::new(version % 2 == 0) }.line();
        for cut in 0..header.len() {
            let recovered =
                read(&header[..cut]).unwrap_or_else(|error| panic!("{version}, {cut}: {error:?}"));
            assert!(recovered.header.is_none() && recovered.length == 0, "cut at {cut}");
            assert_eq!(recovered.torn.map(|torn| torn.bytes), (cut > 0).then_some(cut as u64));
        }
    }
    assert!(read(&[0; 100]).unwrap().header.is_none());
}

/// The base was synced before the file got its name.
#[test]
fn a_file_cut_in_its_base_is_damaged() {
    for file in [File::full(), File::small()] {
        for cut in file.starts[1]..file.ends[0] - 1 {
            damage(&file.bytes[..cut as usize], &format!("cut at {cut}"));
        }
    }
    let file = File::small();
    assert_eq!(damage(&file.bytes[..file.starts[2] as usize], "no key"), (3, file.starts[2]));
    let file = File::full();
    // Even where a line ends.
    assert_eq!(damage(&file.bytes[..file.starts[2] as usize], "one account less"), (3, file.starts[2]));
}

/// A power cut can leave any of the blocks of the last sync unwritten: as padding, where there was some, or as NUL bytes
/// where the file grew.
#[test]
fn blocks_of_the_last_sync_that_were_never_written_are_torn() {
    let file = File::full();
    // The group of three is the last, and then the commit of three parts.
    for (end, synced) in [(6, 3), (7, 6)] {
        let (from, to) = (file.ends[synced], file.ends[end]);
        for fill in [PAD, 0] {
            let blocks: Vec<u64> = (from / 512..=to / 512).collect();
            // All subsets of the blocks, but for none lost.
            for lost in 1..1_u32 << blocks.len().min(12) {
                let mut bytes = file.bytes[..to as usize].to_vec();
                for (_, block) in blocks.iter().enumerate().filter(|(n, _)| lost >> n & 1 == 1) {
                    let (first, last) = ((block * 512).max(from), ((block + 1) * 512).min(to));
                    bytes[first as usize..last as usize].fill(fill);
                }
                let what = format!("{lost:b} of {} blocks", blocks.len());
                let recovered = read(&bytes).unwrap_or_else(|error| panic!("{what}: {error:?}"));
                let kept = (recovered.snapshot.seq().get() - 2) as usize;
                assert!((synced..end).contains(&kept) || recovered.lacks_line_feed, "{what}: {kept} kept");
                assert_same(&recovered.snapshot, &file.snapshots[kept], &what);
            }
        }
    }
}

/// What a later commit says was synced can't be torn.
#[test]
fn blocks_of_an_earlier_sync_that_are_not_there_are_damage() {
    let file = File::full();
    for block in file.starts[3].div_ceil(512)..file.ends[3] / 512 {
        let mut bytes = file.bytes.clone();
        bytes[(block * 512) as usize..(block * 512 + 512) as usize].fill(PAD);
        let line = file.line(block * 512);
        assert_eq!(damage(&bytes, "a hole").0, line, "block {block}");
    }
}

#[test]
fn every_flipped_bit_is_found_and_named() {
    let file = File::small();
    for at in 0..file.bytes.len() {
        for bit in 0..8 {
            let mut bytes = file.bytes.clone();
            bytes[at] ^= 1 << bit;
            let line = file.line(at as u64);
            match read(&bytes) {
                Err(Unreadable::Damaged(damage)) => {
                    assert_eq!(
                        (damage.line, damage.offset),
                        (line, file.starts[line as usize - 1]),
                        "{at}:{bit}"
                    );
                }
                Err(Unreadable::NotAnAccountFile | Unreadable::NewerVersion(_) | Unreadable::Sealed) => {
                    assert_eq!(line, 1);
                }
                Err(other) => panic!("{other:?}"),
                Ok(recovered) => panic!("byte {at}, bit {bit}: {:?}", recovered.torn),
            }
        }
    }
}

#[test]
fn lines_that_are_whole_but_do_not_follow_are_damage() {
    let file = File::full();
    let starts: Vec<u64> = file.starts.iter().copied().chain([file.bytes.len() as u64]).collect();
    let line = |n: usize| &file.bytes[starts[n] as usize..starts[n + 1] as usize];
    for (order, at) in [
        // A line of the base missing, twice, or after a commit.
        (vec![0, 1, 3], 3),
        (vec![0, 1, 1], 3),
        (vec![0, 1, 2, 2], 4),
        (vec![0, 1, 3, 2], 3),
        // Commits missing, twice, in another order.
        (vec![0, 1, 2, 4], 4),
        (vec![0, 1, 2, 3, 3], 5),
        (vec![0, 1, 2, 3, 5, 4], 5),
        // Parts likewise.
        (vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 10], 10),
        (vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9], 11),
        (vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11], 11),
        // The header twice.
        (vec![0, 0], 2),
    ] {
        let bytes: Vec<u8> = order.iter().flat_map(|n| line(*n)).copied().collect();
        assert_eq!(damage(&bytes, &format!("{order:?}")).0, at, "{order:?}");
    }

    // One account and two keys in the base.
    let file = File::small();
    let starts: Vec<u64> = file.starts.iter().copied().chain([file.bytes.len() as u64]).collect();
    let line = |n: usize| &file.bytes[starts[n] as usize..starts[n + 1] as usize];
    for (order, at) in [
        // A key missing, twice, before the account, and after a commit.
        (vec![0, 1, 2, 4], 4),
        (vec![0, 1, 2, 2], 4),
        (vec![0, 2, 1, 3], 2),
        (vec![0, 1, 2, 3, 3], 5),
        (vec![0, 1, 2, 3, 4, 2], 6),
        // Another account, and another commit.
        (vec![0, 1, 1, 2, 3], 3),
        (vec![0, 1, 2, 1, 3], 4),
        (vec![0, 1, 4, 2, 3], 3),
    ] {
        let bytes: Vec<u8> = order.iter().flat_map(|n| line(*n)).copied().collect();
        assert_eq!(damage(&bytes, &format!("with keys: {order:?}")).0, at, "{order:?}");
    }
}

/// Names and realms are compared when all lines have been read; the later of the two that clash is named.
#[test]
fn two_accounts_of_one_name_are_damage() {
    let twin = Arc::new(Account { name: account(100).name.clone(), ..Account::clone(&account(1)) });
    let base = [account(100), account(101), twin];
    let header = Header { accounts: 3, base: Seq::new(3), ..Header::new(false) };
    let mut bytes = header.line();
    let mut last = 0;
    for account in &base {
        last = bytes.len() as u64;
        format::write_account(account, &Secrets::default(), &mut bytes).unwrap();
    }
    assert_eq!(damage(&bytes, "twins"), (4, last));
}

#[test]
fn foreign_and_newer_files_are_left_alone() {
    let zeros = [0; 4096];
    let long = [b'x'; 4096];
    for foreign in [
        &b"\n"[..],
        b"hello\n",
        b"PK\x03\x04",
        b"{\"format\":\"gateway-accounts\"}\n",
        &[1; 4096],
        &zeros,
        &long,
    ] {
        assert!(matches!(read(foreign), Err(Unreadable::NotAnAccountFile)), "{foreign:?}");
    }
    let json = br#"{"format":"gateway-accounts","version":7,"hint":"new"}"#;
    let newer = [format!("{:08x} ", crc32fast::hash(json)).as_bytes(), json, b"\n"].concat();
    assert!(matches!(read(&newer), Err(Unreadable::NewerVersion(7))));
}

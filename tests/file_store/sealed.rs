//! Files whose secrets are sealed.

use super::{content, filled, folder, open};
use futures_lite::future::block_on;
use gateway_accounts::{
    Account, AccountRecord, AccountStore, Actor, Batch, Feed, FileStore, FileStoreOptions, Keyring,
    SealingKey, Seq, StoreError, StoreErrorKind, Timestamp, Webhook, WebhookCredentials, WebhookUrl, Write,
};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

fn key(id: &str, byte: u8) -> SealingKey {
    SealingKey::new(id, [byte; 32]).unwrap()
}

fn keyring(id: &str, byte: u8) -> Keyring {
    Keyring::new(key(id, byte))
}

fn try_open(path: &Path, keyring: &Keyring) -> Result<FileStore, StoreError> {
    block_on(FileStoreOptions::default().sealed_with(keyring.clone()).open(path))
}

#[track_caller]
fn sealed(path: &Path, keyring: &Keyring) -> FileStore {
    try_open(path, keyring).unwrap()
}

/// The account with passwords in both of its webhooks, at the next revision.
fn with_passwords(account: &Account) -> (Arc<Account>, [String; 2]) {
    let passwords = ["one", "two"].map(|which| format!("hunter-{which}-{}", account.sid()));
    let hook = |password: &str| {
        let url = WebhookUrl::parse("https://hooks.example/").unwrap();
        let credentials = WebhookCredentials::new("jane", password).unwrap();
        Some(Box::new(Webhook::new(url).with_credentials(Some(credentials))))
    };
    let mut record = AccountRecord::from(account);
    record.registration_webhook = hook(&passwords[0]);
    record.queue_event_webhook = hook(&passwords[1]);
    (Arc::new(Account::try_from(record).unwrap()), passwords)
}

fn batch() -> Batch {
    Batch::new(Actor::admin("jane").unwrap(), Timestamp::default())
}

/// Gives every account passwords; all secrets that there are then.
fn fill(store: &FileStore) -> Vec<String> {
    let mut secrets = Vec::new();
    for account in content(store) {
        let (filled, passwords) = with_passwords(&account);
        block_on(store.commit(batch().with(Write::Replace(filled)))).unwrap();
        secrets.push(account.webhook_secret().reveal().to_owned());
        secrets.extend(passwords);
    }
    secrets
}

#[track_caller]
fn assert_no_secret(path: &Path, secrets: &[String]) {
    let text = fs::read_to_string(path).unwrap();
    for secret in secrets {
        assert!(!text.contains(secret.as_str()), "{secret} is in the file");
    }
}

/// Refused for its keys, told which, and left as it was.
#[track_caller]
fn refused(path: &Path, result: impl FnOnce() -> Result<FileStore, StoreError>, why: &str) {
    let before = fs::read(path).unwrap();
    let error = result().map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Sealed, "{error}");
    let message = format!("{error}: {}", error.source().map(ToString::to_string).unwrap_or_default());
    assert!(message.contains(why), "{message}");
    assert_eq!(fs::read(path).unwrap(), before, "it was changed");
}

#[test]
fn no_secret_is_in_the_file_and_the_first_and_former_keys_open_it() {
    let (_folder, path) = folder();
    let store = sealed(&path, &keyring("a", 1));
    let created = filled(&path.with_extension("clear"), &["Acme", "Globex"]);
    let create =
        created.iter().fold(batch(), |batch, account| batch.with(Write::Create(Arc::clone(account))));
    block_on(store.commit(create)).unwrap();
    let secrets = fill(&store);
    let accounts = content(&store);
    // Also not in the padding, nor while it is open.
    assert_no_secret(&path, &secrets);
    block_on(store.compact()).unwrap();
    assert_no_secret(&path, &secrets);
    block_on(store.close());

    // With the key as the first and only one, and as a former one.
    for keyring in [keyring("a", 1), keyring("b", 2).with_former(key("a", 1)).unwrap()] {
        let store = sealed(&path, &keyring);
        assert_eq!(content(&store), accounts);
        assert!(block_on(FileStore::verify(&path)).unwrap().sealed);
        block_on(store.close());
        assert_no_secret(&path, &secrets);
    }
}

#[test]
fn without_the_right_key_it_is_refused_and_left_as_it_was() {
    let (_folder, path) = folder();
    let accounts = filled(&path, &["Acme"]);
    block_on(sealed(&path, &keyring("a", 1)).close());
    refused(&path, || block_on(FileStore::open(&path)), "are sealed: open it with the keyring");
    refused(&path, || try_open(&path, &keyring("b", 2)), "`a`, which is not in the keyring");
    refused(&path, || try_open(&path, &keyring("a", 2)), "another key of the same name");
    // Nor is it verified with a wrong one; without any, it is, but for the secrets.
    let options = FileStoreOptions::default().sealed_with(keyring("b", 2));
    assert_eq!(block_on(options.verify(&path)).unwrap_err().kind(), StoreErrorKind::Sealed);
    assert_eq!(block_on(FileStore::verify(&path)).unwrap().accounts, 1);
    assert_eq!(content(&sealed(&path, &keyring("a", 1))), accounts);
}

#[test]
fn a_file_in_clear_is_sealed_whole_when_it_is_opened() {
    let (_folder, path) = folder();
    filled(&path, &["Acme", "Globex"]);
    let store = open(&path);
    let secrets = fill(&store);
    let (accounts, feed) = (content(&store), block_on(store.changes(Seq::START, 100)).unwrap());
    block_on(store.close());
    assert!(fs::read_to_string(&path).unwrap().contains(&secrets[0]));

    let store = sealed(&path, &keyring("a", 1));
    // Before anything else, the history with it.
    assert_no_secret(&path, &secrets);
    assert_eq!(content(&store), accounts);
    assert_eq!(block_on(store.changes(Seq::START, 100)).unwrap(), feed);
    block_on(store.close());
    assert_no_secret(&path, &secrets);
    let store = sealed(&path, &keyring("a", 1));
    assert_eq!(block_on(store.changes(Seq::START, 100)).unwrap(), feed);
}

#[test]
fn resealed_it_needs_the_former_key_no_more() {
    let (_folder, path) = folder();
    filled(&path, &["Acme", "Globex"]);
    let store = sealed(&path, &keyring("a", 1));
    fill(&store);
    block_on(store.close());
    let both = keyring("b", 2).with_former(key("a", 1)).unwrap();
    let store = sealed(&path, &both);
    block_on(store.commit(batch())).unwrap();
    let feed = block_on(store.changes(Seq::START, 100)).unwrap();
    assert!(matches!(&feed, Feed::Changes(changes) if changes.len() == 5));
    let accounts = content(&store);
    refused_while_open(&path);
    block_on(store.reseal()).unwrap();
    block_on(store.close());
    assert!(!fs::read_to_string(&path).unwrap().contains("\"key\":\"a\""));

    let store = sealed(&path, &keyring("b", 2));
    assert_eq!(content(&store), accounts);
    assert_eq!(block_on(store.changes(Seq::START, 100)).unwrap(), feed);
}

/// Before that, the former key is needed.
#[track_caller]
fn refused_while_open(path: &Path) {
    let copy = path.with_extension("copy");
    fs::copy(path, &copy).unwrap();
    refused(&copy, || try_open(&copy, &keyring("b", 2)), "`a`, which is not in the keyring");
}

/// What is superseded was once counted by another measure than what superseded it, and the difference added up: the
/// file grew without bound, or was rewritten at each commit.
#[test]
fn what_is_superseded_is_counted_right() {
    let (_folder, path) = folder();
    filled(&path, &["Acme", "Globex"]);
    let options = FileStoreOptions::default().history(1).compact_from(4 << 10).sealed_with(keyring("a", 1));
    let store = block_on(options.open(&path)).unwrap();
    fill(&store);
    let mut longest = 0;
    for _ in 0..600 {
        let accounts = content(&store);
        for account in accounts {
            block_on(store.commit(batch().with(Write::Replace(account)))).unwrap();
        }
        longest = longest.max(block_on(FileStore::verify(&path)).unwrap().bytes);
    }
    block_on(store.compact()).unwrap();
    let kept = block_on(FileStore::verify(&path)).unwrap().bytes;
    // Commits go on while it is rewritten, and so it can be longer than twice that and what is worth it for a moment.
    assert!(longest < 3 * kept + (32 << 10), "{longest} bytes, and {kept} when rewritten");
}

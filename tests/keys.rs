//! API keys from end to end, over a file: what is let in after it was opened anew, and what of a key is on the disk.
#![cfg(all(feature = "keys", feature = "file"))]
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failing test")]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use futures_lite::future::block_on;
use gateway_accounts::{
    AccountPatch, AccountStore, Accounts, Actor, ApiKeys, AuthError, Authenticator, Clock, FileStore,
    HashPool, KeyImport, KeyToken, ManualClock, NewKey, Rotation, Timestamp,
};
use sha2::{Digest, Sha256, Sha512};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const LEGACY: &str = "961523f6-6cba-40b8-bb34-f349d0bad31d";

/// How a test can think of writing a secret down.
fn spellings(secret: &str) -> Vec<(String, Vec<u8>)> {
    let bytes = secret.as_bytes();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let each = |separator: &str, write: &dyn Fn(u8) -> String| {
        bytes.iter().map(|byte| write(*byte)).collect::<Vec<_>>().join(separator)
    };
    let mut all: Vec<(String, Vec<u8>)> = vec![
        ("as it is".into(), bytes.to_vec()),
        ("in lower case".into(), secret.to_lowercase().into_bytes()),
        ("in upper case".into(), secret.to_uppercase().into_bytes()),
        ("backwards".into(), bytes.iter().rev().copied().collect()),
        ("in hexadecimal".into(), hex(bytes).into_bytes()),
        ("in upper hexadecimal".into(), hex(bytes).to_uppercase().into_bytes()),
        ("in decimal".into(), each(",", &|byte| byte.to_string()).into_bytes()),
        ("percent-encoded".into(), each("", &|byte| format!("%{byte:02X}")).into_bytes()),
        ("in JSON escapes".into(), each("", &|byte| format!("\\u{byte:04x}")).into_bytes()),
        ("in UTF-16".into(), bytes.iter().flat_map(|byte| [*byte, 0]).collect()),
        ("in big-endian UTF-16".into(), bytes.iter().flat_map(|byte| [0, *byte]).collect()),
        ("rotated".into(), secret.chars().map(rotated).collect::<String>().into_bytes()),
    ];
    // Wherever in a base64 text it begins, and without what depends on its neighbours.
    for shift in 0..3 {
        let shifted = [&b"xx"[..shift], bytes].concat();
        for (name, engine) in [("base64", &STANDARD_NO_PAD), ("base64url", &URL_SAFE_NO_PAD)] {
            let encoded = engine.encode(&shifted);
            all.push((format!("in {name}, from {shift}"), encoded.as_bytes()[4..encoded.len() - 4].to_vec()));
        }
    }
    // Hashes that cost nothing to try secrets on.
    for (name, digest) in
        [("SHA-256", Sha256::digest(bytes).to_vec()), ("SHA-512", Sha512::digest(bytes).to_vec())]
    {
        all.push((name.into(), digest.clone()));
        all.push((format!("{name} in hexadecimal"), hex(&digest).into_bytes()));
        all.push((format!("{name} in base64"), STANDARD_NO_PAD.encode(&digest).into_bytes()));
    }
    all
}

fn rotated(c: char) -> char {
    let by = |first: u8| char::from(first + (c as u8 - first + 13) % 26);
    match c {
        'a'..='z' => by(b'a'),
        'A'..='Z' => by(b'A'),
        c => c,
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect()
}

#[test]
fn no_secret_is_on_the_disk_and_every_key_works_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts.log");
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_466_263_000)));
    let admin = Actor::admin("jane").unwrap();
    let (texts, revoked) = block_on(async {
        let store = FileStore::open(&path).await.unwrap();
        let accounts = Accounts::new(store.clone()).with_clock(Arc::clone(&clock));
        let keys = ApiKeys::new(&accounts);
        let authenticator =
            Authenticator::new(Arc::new(store.clone()), HashPool::new()).with_clock(Arc::clone(&clock));
        let acme = accounts.create(&admin, AccountPatch::new().name("Acme")).await.unwrap();
        let bob = Actor::of_account(acme.sid(), "bob").unwrap();
        let mut texts = Vec::new();
        for n in 0..5 {
            let added = keys.add(&bob, NewKey::of(bob.scope(), format!("key {n}"))).await.unwrap();
            texts.push(added.token.reveal().to_owned());
            // Refused ones are not written down either.
            let wrong = format!("{}x", added.token.reveal());
            assert!(matches!(authenticator.authenticate(&wrong).await, Err(AuthError::Malformed(_))));
        }
        let listed = keys.list(&bob, bob.scope()).await.unwrap();
        let rotation = Rotation::new().overlap(Duration::from_secs(60));
        let rotated = keys.rotate(&bob, listed[0].id(), listed[0].revision(), rotation).await.unwrap();
        texts.push(rotated.token.reveal().to_owned());
        let import = KeyImport {
            owner: bob.scope(),
            label: "imported".parse().unwrap(),
            token: KeyToken::imported(LEGACY).unwrap(),
            created: Timestamp::from_millis(0),
            expires: None,
            last_used: None,
        };
        keys.import(&admin, [import]).await.unwrap();
        texts.push(LEGACY.to_owned());
        for text in &texts {
            authenticator.authenticate(text).await.unwrap();
        }
        authenticator.flush_all().await.unwrap();
        let gone = keys.add(&bob, NewKey::of(bob.scope(), "revoked")).await.unwrap();
        keys.revoke(&bob, gone.key.id()).await.unwrap();
        // What a rewritten file and a backup hold, too.
        store.backup(folder.path().join("backup.log")).await.unwrap();
        store.compact().await.unwrap();
        store.close().await;
        (texts, gone.token.reveal().to_owned())
    });
    let files = files(folder.path());
    assert!(files.len() > 1);
    for text in texts.iter().chain([&revoked]) {
        // Of our own keys, the id is no secret.
        let secret = text.strip_prefix("gak_").map_or(&**text, |text| &text[17..]);
        for (how, spelling) in spellings(secret) {
            for (path, content) in &files {
                assert!(!find(content, &spelling), "{path} has a secret {how}");
            }
        }
        // Nor any good part of it.
        for part in secret.as_bytes().windows(8) {
            assert!(
                files.iter().all(|(_, content)| !find(content, part)),
                "a part of a secret is on the disk"
            );
        }
    }
    block_on(async {
        let store: Arc<dyn AccountStore> = Arc::new(FileStore::open(&path).await.unwrap());
        let authenticator =
            Authenticator::new(Arc::clone(&store), HashPool::new()).with_clock(Arc::clone(&clock));
        for text in &texts {
            let found = authenticator.authenticate(text).await.unwrap();
            assert_eq!(found.key().last_used(), Some(clock.now()));
        }
        // As jambonz read them.
        assert!(authenticator.authenticate(&LEGACY.to_uppercase()).await.is_ok());
        assert!(matches!(authenticator.authenticate(&revoked).await, Err(AuthError::Unknown)));
    });
}

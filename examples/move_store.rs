//! Moving all accounts and API keys from one store into another: what to do when a file is to become a database, or a database
//! a file.
//!
//! `cargo run --example move_store` fills an account file in a folder of its own, moves it into a second file and from there
//! into a third, and shows that nothing changed. With a place behind `--`, that is the second:
//! `cargo run --features postgres --example move_store -- postgres://gateway@localhost/operator` moves the file into the database,
//! and back. With two places it moves what is at the first into the second:
//! `cargo run --example move_store -- /var/lib/gateway/accounts.log /srv/new/accounts.log`.

use gateway_accounts::{
    Account, AccountPatch, AccountStore, Accounts, Actor, ApiKey, ApiKeyRecord, Batch, Copied, CopyError,
    CopyItem, FileStore, KeyHash, KeyWrite, Limit, Revision, Scope, Seq, StoreCopy, SystemClock, Timestamp,
    Unit, Write,
};
use std::path::Path;
use std::sync::Arc;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let places: Vec<String> = std::env::args().skip(1).collect();
    // The file store needs no runtime; the database does.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match &places[..] {
        [] => runtime.block_on(there_and_back(None)),
        [second] => runtime.block_on(there_and_back(Some(second))),
        [from, to] => runtime.block_on(move_all(from, to)),
        _ => Err("give the place to copy from and the place to copy to, or one to copy to and back, or none"
            .into()),
    }
}

/// The store at this place: the URL of a PostgreSQL database, or the path of an account file.
async fn open(place: &str) -> Result<Arc<dyn AccountStore>> {
    #[cfg(feature = "postgres")]
    if place.starts_with("postgres://") || place.starts_with("postgresql://") {
        // A database that is elsewhere is best reached by TLS: `tokio-postgres-rustls` and others make it of the same form.
        let store = gateway_accounts::PostgresStore::connect(place.parse()?, tokio_postgres::NoTls);
        return Ok(Arc::new(store.await?));
    }
    Ok(Arc::new(FileStore::open(Path::new(place)).await?))
}

/// Moves what is at one place to another, which is empty, or has what an earlier run copied there.
async fn move_all(from: &str, to: &str) -> Result<()> {
    let source = open(from).await?;
    if source.snapshot().await?.seq() == Seq::START {
        return Err(format!("there is nothing at {from}").into());
    }
    let error = match copy(&*source, &*open(to).await?).await {
        Ok(copied) if copied.is_current => return Ok(()),
        Ok(_) => return Err("others wrote to it all the time: stop them, and run this again".into()),
        Err(error) => error,
    };
    // All that is in the way, not only the first.
    match &error {
        CopyError::Conflicts(conflicts) => eprint!("{conflicts}"),
        CopyError::Differs(differences) => eprint!("{differences}"),
        _ => {}
    }
    Err(error.into())
}

async fn copy(from: &dyn AccountStore, to: &dyn AccountStore) -> std::result::Result<Copied, CopyError> {
    let operator = Actor::new(Scope::Admin, "move_store".parse().expect("a word is a subject"));
    let copy = StoreCopy::new(from, to).on_progress(|so_far| println!("  {so_far}"));
    let copied = copy.run(&operator, &SystemClock).await?;
    let Copied { accounts, keys, as_of, written, .. } = copied;
    println!(
        "  As of commit {as_of}, both have the same {accounts} accounts and {keys} API keys; {written} were written."
    );
    Ok(copied)
}

async fn there_and_back(second: Option<&String>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let place = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let first = open(&place("first.log")).await?;
    let second = open(second.unwrap_or(&place("second.log"))).await?;
    let third = open(&place("third.log")).await?;

    fill(&first).await?;
    println!("In the first store:");
    show(&*first).await?;

    println!("\nThe first store is copied into the second.");
    copy(&*first, &*second).await?;
    println!("Once more, there is nothing left to do.");
    copy(&*first, &*second).await?;

    println!("\nAn account is edited in the first store, and a copy brings the second up to date.");
    edit(&first).await?;
    copy(&*first, &*second).await?;

    println!("\nThe second store is copied back, into a third.");
    copy(&*second, &*third).await?;
    println!("\nIn the third store:");
    show(&*third).await?;
    println!("The first and the third are the same: {}.", same(&*first, &*third).await?);

    println!("\nWhat is not known to be a copy is left as it is:");
    let joe = Actor::admin("joe@operator.example")?;
    Accounts::new(Arc::clone(&third)).create(&joe, AccountPatch::new().name("Initech")).await?;
    let Err(CopyError::Conflicts(conflicts)) = copy(&*first, &*third).await else {
        return Err("an account was removed that was never copied".into());
    };
    for conflict in &conflicts.first {
        if let CopyItem::Account { name, .. } = &conflict.item {
            println!("  {name} {}.", conflict.why);
        }
    }
    Ok(())
}

/// Creates two accounts, one of which is edited, suspended and has a key.
async fn fill(store: &Arc<dyn AccountStore>) -> Result<()> {
    let accounts = Accounts::new(Arc::clone(store));
    let jane = Actor::admin("jane@operator.example")?;
    let acme = AccountPatch::new().name("Acme").sip_realm("acme.example").unit(Unit::sessions(120));
    let acme = accounts.create(&jane, acme).await?;
    let patch = AccountPatch::new().licensed_sessions(Limit::AtMost(100));
    let acme = accounts.edit(&jane, acme.sid(), acme.revision(), patch).await?;
    accounts.suspend(&jane, acme.sid(), acme.revision(), "payment overdue".parse()?).await?;
    accounts.create(&jane, AccountPatch::new().name("Globex").unit(Unit::minutes(5000))).await?;
    // With the feature `keys` there is a front desk for keys, too.
    let key = ApiKeyRecord {
        id: "4fJ9sKq02LmXa7Rt".parse()?,
        owner: Scope::Account(acme.sid()),
        label: "billing export".parse()?,
        hash: KeyHash::parse("$argon2id$v=19$m=256,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA")?,
        last_four: "x7Q2".to_owned(),
        created: Timestamp::default(),
        created_by: jane.subject().clone(),
        expires: None,
        disabled: false,
        last_used: None,
        revision: Revision::FIRST,
    };
    let key = Arc::new(ApiKey::try_from(key)?);
    let used = Write::Key(KeyWrite::Use { id: key.id(), at: Timestamp::from_millis(1_795_466_263_000) });
    let add = Write::Key(KeyWrite::Add { key, at_most: 10 });
    store.commit(Batch::new(jane, Timestamp::default()).with(add).with(used)).await?;
    Ok(())
}

async fn edit(store: &Arc<dyn AccountStore>) -> Result<()> {
    let accounts = Accounts::new(Arc::clone(store));
    let jane = Actor::admin("jane@operator.example")?;
    let acme = accounts.find_by_name(&jane, &"acme".parse()?).await?;
    accounts.resume(&jane, acme.sid(), acme.revision()).await?;
    Ok(())
}

async fn show(store: &dyn AccountStore) -> Result<()> {
    let now = store.snapshot().await?;
    let mut accounts: Vec<&Arc<Account>> = now.iter().collect();
    accounts.sort_by_key(|account| account.name().folded());
    for account in accounts {
        println!("  {} at revision {}, {}", account.name(), account.revision(), account.unit());
    }
    for key in now.keys() {
        let used = key.last_used().map_or("never used".to_owned(), |at| format!("last used at {at}"));
        println!("  API key {} at revision {}, {used}", key.id(), key.revision());
    }
    Ok(())
}

async fn same(one: &dyn AccountStore, other: &dyn AccountStore) -> Result<bool> {
    let (one, other) = (one.snapshot().await?, other.snapshot().await?);
    Ok(one.iter().eq(other.iter()) && one.keys().eq(other.keys()))
}

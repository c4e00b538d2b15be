//! The life of an account: created by an admin, refused to an account user who touches what the contract keeps
//! from them, edited, found by its realm, in conflict with another edit, and still there when the file is opened
//! again.
//!
//! `cargo run --example quickstart` works in a folder of its own and removes it at the end; with a path behind `--`
//! it keeps the file there, for you to look at.

use futures_lite::future::block_on;
use gateway_accounts::{
    AccountPatch, Accounts, Actor, Contract, Error, Field, FileStore, Limit, RealmMatch, SipRealm, Unit,
};
use std::path::Path;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = std::env::args().nth(1).map_or(folder.path().join("accounts.log"), Into::into);
    block_on(live(&path))
}

async fn live(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let store = Arc::new(FileStore::open(path).await?);
    println!("Opened an account file with {} accounts in it.", store.opened().accounts);
    let accounts = Accounts::new(Arc::clone(&store));

    let admin = Actor::admin("jane@operator.example")?;
    let draft = AccountPatch::new()
        .name("Acme")
        .sip_realm("Acme.Example.COM")
        .unit(Unit::sessions(120))
        .licensed_sessions(Limit::AtMost(100))
        .contract(Contract::RESTRICTED.with_edit_licensed_sessions(true));
    let acme = accounts.create(&admin, draft).await?;
    println!(
        "The admin created {}: {}, {} licensed, realm {}.",
        acme.name(),
        acme.unit(),
        acme.licensed_sessions(),
        acme.sip_realm().map_or("none", SipRealm::as_str)
    );

    println!("\nWhat a user of the account sees on the Accounts page:");
    let user = Actor::of_account(acme.sid(), "bob@acme.example")?;
    for (field, access) in accounts.editable_fields(&user, &acme).iter() {
        println!("  {:34}{}", field.label(), format!("{access:?}").to_lowercase());
    }

    let more: AccountPatch =
        serde_json::from_str(r#"{"unit": {"maximum": 500}, "name": "Acme\nInc", "size": "L"}"#)?;
    match accounts.edit(&user, acme.sid(), acme.revision(), more).await {
        Err(Error::Invalid(problems)) => {
            println!("\nThe user tried to raise the maximum, among other things, and was refused:");
            problems.iter().for_each(|problem| println!("  {problem} [{}]", problem.code()));
        }
        other => return Err(format!("the edit was not refused: {other:?}").into()),
    }

    let edit: AccountPatch = serde_json::from_str(
        r#"{"licensed_sessions": 110, "queue_event_webhook": {"url": "https://hooks.acme.example/queue"}}"#,
    )?;
    let edited = accounts.edit(&user, acme.sid(), acme.revision(), edit).await?;
    println!(
        "\nThe user changed what they may: {:?}. It is now at revision {}.",
        acme.differences(&edited).into_iter().map(Field::label).collect::<Vec<_>>(),
        edited.revision()
    );

    let device = SipRealm::parse("phones.acme.example.com")?;
    let exact = accounts.find_by_realm(&admin, &device, RealmMatch::Exact).await;
    let parent = accounts.find_by_realm(&admin, &device, RealmMatch::OrParent).await?;
    println!(
        "\nA device of {device} belongs to: {} (exactly), {} (by its parent domain).",
        exact.map_or_else(|error| error.to_string(), |account| account.name().to_string()),
        parent.name()
    );
    let snapshot = accounts.snapshot().ok_or("a file store keeps its accounts in memory")?;
    let found = snapshot.by_realm_or_parent(&device).map(|account| account.name().as_str());
    println!("The call router finds the same without waiting: {}.", found.unwrap_or("nothing"));

    match accounts.edit(&admin, acme.sid(), acme.revision(), AccountPatch::new().name("Acme Inc.")).await {
        Err(Error::Changed { expected, actual, .. }) => {
            println!(
                "\nThe admin edits what they saw, revision {expected}, and hears that it is at {actual} by now."
            );
        }
        other => return Err(format!("the stale edit was not refused: {other:?}").into()),
    }

    store.close().await;
    let store = FileStore::open(path).await?;
    let accounts = Accounts::new(store);
    let reopened = accounts.get(&admin, acme.sid()).await?;
    println!(
        "\nClosed the file and opened it again: {} is {}.",
        reopened.name(),
        if *reopened == *edited { "as it was" } else { "not as it was" }
    );
    Ok(())
}

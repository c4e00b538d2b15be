//! The whole life of an API key: added, shown once, used, listed, renamed, rotated, disabled, revoked.
//!
//! ```text
//! cargo run --features keys --example api_keys
//! ```

use futures_lite::future::block_on;
use gateway_accounts::{
    AccountHistory, AccountPatch, Accounts, Actor, ApiKeys, AuthError, Authenticator, Clock, HashPool,
    ManualClock, MemoryStore, NewKey, Rotation, SeededRandom, SuspensionReason,
};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    block_on(life_of_a_key())
}

async fn life_of_a_key() -> Result<(), Box<dyn Error>> {
    // A clock and a random source that make this print the same every time; a program takes those of the system, which
    // it need not say.
    let clock = Arc::new(ManualClock::new("2026-11-23T20:00:00Z".parse()?));
    let random = Arc::new(SeededRandom::new(7));
    let accounts =
        Accounts::new(MemoryStore::new()).with_clock(Arc::clone(&clock)).with_random(Arc::clone(&random));
    let pool = HashPool::default();
    let keys = ApiKeys::new(&accounts).with_pool(pool.clone());
    let authenticator = Authenticator::new(Arc::clone(accounts.store()), pool).with_clock(Arc::clone(&clock));

    let admin = Actor::admin("jane@operator.example")?;
    let acme = accounts.create(&admin, AccountPatch::new().name("Acme")).await?;
    let bob = Actor::of_account(acme.sid(), "bob@acme.example")?;

    let in_a_year = clock.now().after(Duration::from_secs(365 * 24 * 60 * 60));
    let added = keys.add(&bob, NewKey::of(bob.scope(), "billing export").expires(in_a_year)).await?;
    let first = added.token.reveal().to_owned();
    println!("added, and shown this once: {}…{}", &first[..21], added.key.last_four());

    let let_in = authenticator.authenticate(&first).await?;
    println!("let in: {}", let_in.actor());
    println!("once more, from memory: {}", authenticator.authenticate_cached(&first).is_some());
    for mistake in ["not a key", &first[..40], &first.replace(&first[30..32], "xx")] {
        // What is wrong is for the log; whoever sent it is told no more than that it was refused.
        if let Err(error) = authenticator.authenticate(mistake).await {
            println!("refused: {error}{}", error.source().map_or(String::new(), |why| format!(": {why}")));
        }
    }

    // Every few seconds, say, and with flush_all when the program ends.
    authenticator.flush_all().await?;
    for key in keys.list(&bob, bob.scope()).await? {
        println!("listed: {}", serde_json::to_string(&key.view())?);
    }

    let renamed = keys.rename(&bob, added.key.id(), added.key.revision(), "billing").await?;
    let rotation = Rotation::new().overlap(Duration::from_secs(3600));
    let second = keys.rotate(&bob, renamed.id(), renamed.revision(), rotation).await?;
    let text = second.token.reveal().to_owned();
    println!("rotated; the former lets in: {}", authenticator.authenticate(&first).await.is_ok());
    clock.advance(Duration::from_secs(3600));
    println!("an hour later: {}", refusal(&authenticator, &first).await);
    println!("the new one lets in: {}", authenticator.authenticate(&text).await.is_ok());

    let disabled = keys.disable(&bob, second.key.id(), second.key.revision()).await?;
    println!("disabled: {}", refusal(&authenticator, &text).await);
    keys.enable(&bob, disabled.id(), disabled.revision()).await?;

    let reason = SuspensionReason::parse("unpaid")?;
    let suspended = accounts.suspend(&admin, acme.sid(), acme.revision(), reason).await?;
    println!("suspended: {}", refusal(&authenticator, &text).await);
    accounts.resume(&admin, acme.sid(), suspended.revision()).await?;
    println!("resumed: {}", authenticator.authenticate(&text).await.is_ok());

    keys.revoke(&bob, second.key.id()).await?;
    println!("revoked: {}", refusal(&authenticator, &text).await);

    println!("what the audit trail tells, newest first:");
    for entry in accounts.history(&bob, &AccountHistory::of(acme.sid())).await?.entries {
        println!("  {entry}");
    }
    Ok(())
}

async fn refusal(authenticator: &Authenticator, token: &str) -> &'static str {
    authenticator.authenticate(token).await.err().as_ref().map_or("let in", AuthError::code)
}

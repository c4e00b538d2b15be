//! What a gateway sends to a queue event webhook: signed as jambonz signs and as Standard Webhooks has it, tried again, and
//! while the secret is rotated.
//!
//! ```text
//! cargo run --features webhooks --example sign_webhook
//! ```

use futures_lite::future::block_on;
use gateway_accounts::webhooks::{
    CallInfo, EventSequence, MessageId, QueueChange, QueueEvent, WebhookRequest, WebhookRequests,
};
use gateway_accounts::{
    AccountPatch, Accounts, Actor, Clock, Error as AccountsError, ManualClock, MemoryStore, SecretRotation,
    SeededRandom,
};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    block_on(calls())
}

async fn calls() -> Result<(), Box<dyn Error>> {
    // A clock and a random source that make this print the same every time; a program takes those of the system, which
    // it need not say.
    let clock = Arc::new(ManualClock::new("2026-11-23T20:00:00Z".parse()?));
    let random = Arc::new(SeededRandom::new(7));
    let accounts =
        Accounts::new(MemoryStore::new()).with_clock(Arc::clone(&clock)).with_random(Arc::clone(&random));
    let admin = Actor::admin("jane@operator.example")?;
    let draft: AccountPatch = serde_json::from_str(
        r#"{"name": "Acme", "queue_event_webhook": {"url": "https://hooks.acme.example/queue#rc=2&rp=5xx"}}"#,
    )?;
    let acme = accounts.create(&admin, draft).await?;

    // One for the whole program: numbers that rise from event to event.
    let sequence = EventSequence::new();
    let requests = WebhookRequests::new();
    let joined = QueueChange::joined(clock.now());
    let event = QueueEvent::new("support", 3, joined, CallInfo::of("4b0bed24-d6bd-4295-9617-ad0453c5e87b"))
        .with_id(MessageId::generate(&*random)?)
        .with_sequence(sequence.next(clock.now()));
    show("the first attempt", &requests.queue_event(&acme, &event, clock.now())?);

    // The same id, and a new time.
    clock.advance(Duration::from_secs(2));
    show("the second attempt", &requests.queue_event(&acme, &event, clock.now())?);

    // For a day, each call carries a signature of either secret.
    let rotated = accounts
        .rotate_webhook_secret(&admin, acme.sid(), acme.revision(), SecretRotation::default())
        .await?;
    show("while the secret is rotated", &requests.queue_event(&rotated, &event, clock.now())?);
    let once_more = SecretRotation::default();
    match accounts.rotate_webhook_secret(&admin, acme.sid(), rotated.revision(), once_more).await {
        Err(AccountsError::Invalid(problems)) => println!("rotating once more is refused: {problems}\n"),
        other => println!("rotating once more: {other:?}\n"),
    }
    clock.advance(SecretRotation::DEFAULT_OVERLAP);
    show("a day later", &requests.queue_event(&rotated, &event, clock.now())?);
    Ok(())
}

fn show(what: &str, request: &WebhookRequest) {
    println!("{what}:\n{} {}", request.method(), request.url());
    for (name, value) in request.headers() {
        println!("{name}: {value}");
    }
    println!("{}\n", String::from_utf8_lossy(request.body()));
}

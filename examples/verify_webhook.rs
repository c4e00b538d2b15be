//! A web application that verifies the calls of its gateway, and a gateway that calls it over HTTP.
//!
//! ```text
//! cargo run --features http_v1 --example verify_webhook
//! ```

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use gateway_accounts::webhooks::{
    CallInfo, Content, MessageId, QueueChange, QueueEvent, Verifier, WebhookRequest, WebhookRequests,
};
use gateway_accounts::{
    Account, AccountPatch, Accounts, Actor, Clock, MemoryStore, OsRandom, SecretRotation, SystemClock,
    Timestamp, UrlPolicy, WebhookSecret,
};
use std::collections::HashSet;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

// The application.

struct Application {
    /// The secrets that it accepts: the new one, and the one before while the secret is rotated.
    verifier: Verifier,
    /// Where it is called, as the gateway has it. What a proxy in front of it makes of that does not matter.
    own_url: String,
    /// The ids of the messages that it has seen. A real one would forget them after twice the tolerance.
    seen: Mutex<HashSet<MessageId>>,
}

async fn queue_event(
    State(application): State<Arc<Application>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let url = format!("{}{uri}", application.own_url);
    // The bytes that came in, before anything parses them.
    let content = if method == Method::GET { Content::get(&url) } else { Content::Body(&body) };
    let verified = match application.verifier.verify(&headers, &content, SystemClock.now()) {
        Ok(verified) => verified,
        Err(error) => return (StatusCode::UNAUTHORIZED, error.to_string()),
    };
    let mut seen = application.seen.lock().unwrap_or_else(PoisonError::into_inner);
    if !verified.id().is_some_and(|id| seen.insert(id.clone())) {
        return (StatusCode::OK, "seen before".to_owned());
    }
    match QueueEvent::parse(&body) {
        Ok(event) => (StatusCode::OK, format!("{} has {} waiting", event.queue, event.length)),
        Err(_) if method == Method::GET => (StatusCode::OK, "in the query".to_owned()),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
    }
}

/// Serves an application with these secrets; where.
async fn serve(secrets: &[&WebhookSecret]) -> Result<String, Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let own_url = format!("http://{}", listener.local_addr()?);
    let application = Arc::new(Application {
        verifier: Verifier::new(secrets.iter().copied()),
        own_url: own_url.clone(),
        seen: Mutex::default(),
    });
    let router = Router::new().fallback(queue_event).with_state(application);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(own_url)
}

// The gateway.

struct Gateway {
    accounts: Accounts,
    admin: Actor,
    client: reqwest::Client,
}

impl Gateway {
    fn event(&self) -> Result<QueueEvent, Box<dyn Error>> {
        let joined = QueueChange::joined(SystemClock.now());
        let event =
            QueueEvent::new("support", 3, joined, CallInfo::of("4b0bed24-d6bd-4295-9617-ad0453c5e87b"));
        Ok(event.with_id(MessageId::generate(&OsRandom)?))
    }

    fn describe(
        &self,
        account: &Account,
        event: &QueueEvent,
        at: Timestamp,
    ) -> Result<WebhookRequest, Box<dyn Error>> {
        Ok(WebhookRequests::new().queue_event(account, event, at)?)
    }

    async fn call(&self, what: &str, request: WebhookRequest) -> Result<(), Box<dyn Error>> {
        self.send(what, request.into_http()?).await
    }

    async fn send(&self, what: &str, request: axum::http::Request<Vec<u8>>) -> Result<(), Box<dyn Error>> {
        let answer = self.client.execute(request.try_into()?).await?;
        println!("{what}: {} {}", answer.status().as_u16(), answer.text().await?);
        Ok(())
    }

    /// The account, called there from now on.
    async fn at(&self, account: &Account, url: &str, method: &str) -> Result<Arc<Account>, Box<dyn Error>> {
        let webhook = serde_json::json!({"queue_event_webhook": {"url": url, "method": method}});
        let patch: AccountPatch = serde_json::from_value(webhook)?;
        Ok(self.accounts.edit(&self.admin, account.sid(), account.revision(), patch).await?)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Loopback is for the development policy alone.
    let accounts = Accounts::new(MemoryStore::new()).with_url_policy(UrlPolicy::development());
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
    let gateway = Gateway { accounts, admin: Actor::admin("jane@operator.example")?, client };
    let acme = gateway.accounts.create(&gateway.admin, AccountPatch::new().name("Acme")).await?;
    let old_secret = acme.webhook_secret().clone();
    let url = serve(&[&old_secret]).await?;
    let acme = gateway.at(&acme, &format!("{url}/queue"), "POST").await?;

    let (event, now) = (gateway.event()?, SystemClock.now());
    gateway.call("as it is", gateway.describe(&acme, &event, now)?).await?;
    gateway.call("tried again", gateway.describe(&acme, &event, SystemClock.now())?).await?;

    let mut tampered = gateway.describe(&acme, &gateway.event()?, now)?.into_http()?;
    tampered.body_mut().push(b' ');
    gateway.send("with another body", tampered).await?;
    let mut unsigned = gateway.describe(&acme, &gateway.event()?, now)?.into_http()?;
    unsigned.headers_mut().clear();
    gateway.send("without its headers", unsigned).await?;
    let mut half = gateway.describe(&acme, &gateway.event()?, now)?.into_http()?;
    half.headers_mut().remove("webhook-id");
    gateway.send("without its id", half).await?;
    let long_ago = Timestamp::from_millis(now.as_millis() - 3_600_000);
    let recorded = gateway.describe(&acme, &gateway.event()?, long_ago)?.into_http()?;
    let answer = gateway.client.execute(recorded.try_into()?).await?;
    println!("recorded an hour ago: {}", answer.status().as_u16());

    // While the secret is rotated, who has the old one accepts the calls, and so does who has the new one.
    let how = SecretRotation::default().with_overlap(Duration::from_secs(3600));
    let acme =
        gateway.accounts.rotate_webhook_secret(&gateway.admin, acme.sid(), acme.revision(), how).await?;
    gateway.call("rotating, the old secret", gateway.describe(&acme, &gateway.event()?, now)?).await?;
    let renewed = serve(&[acme.webhook_secret()]).await?;
    let elsewhere = gateway.at(&acme, &format!("{renewed}/queue"), "POST").await?;
    gateway.call("rotating, the new secret", gateway.describe(&elsewhere, &gateway.event()?, now)?).await?;
    let desk = &gateway.accounts;
    let acme = desk.finish_webhook_secret_rotation(&gateway.admin, acme.sid(), elsewhere.revision()).await?;
    gateway.call("rotated, the new secret", gateway.describe(&acme, &gateway.event()?, now)?).await?;
    let back = gateway.at(&acme, &format!("{url}/queue"), "POST").await?;
    gateway.call("rotated, the old secret", gateway.describe(&back, &gateway.event()?, now)?).await?;

    // A GET has no body; its method and URL are signed.
    let by_get = gateway.at(&back, &format!("{renewed}/queue?tenant=7"), "GET").await?;
    gateway.call("by GET", gateway.describe(&by_get, &gateway.event()?, now)?).await?;
    let mut tampered = gateway.describe(&by_get, &gateway.event()?, now)?.into_http()?;
    *tampered.uri_mut() = tampered.uri().to_string().replace("tenant=7", "tenant=8").parse()?;
    gateway.send("by GET, with another query", tampered).await
}

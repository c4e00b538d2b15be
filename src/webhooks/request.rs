//! A webhook call, described for whatever client makes it.

use super::payload::{self, QueueEvent, RegistrationRequest};
use super::signature::{Content, Dialects, MessageId, Signer};
use crate::model::account::Account;
use crate::model::field::Field;
use crate::model::timestamp::Timestamp;
use crate::model::webhook::{RetryPolicy, Webhook, WebhookMethod};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use std::fmt;
use zeroize::Zeroizing;

/// Describes the calls of webhooks: each is a [`WebhookRequest`], as this says how they are signed.
///
/// ```
/// use gateway_accounts::webhooks::{WebhookRequests, MessageId, RegistrationRequest};
/// use gateway_accounts::*;
/// # futures_lite::future::block_on(async {
/// # let accounts = Accounts::new(MemoryStore::new());
/// # let admin = Actor::admin("jane")?;
/// # let draft = r#"{"name": "Acme", "registration_webhook":
/// #     {"url": "https://hooks.acme.example/register#rc=2&rp=5xx", "username": "gateway", "password": "s3cret"}}"#;
/// # let acme = accounts.create(&admin, serde_json::from_str(draft)?).await?;
/// let asked = RegistrationRequest::new("jane", "acme.example", "nonce", "sip:acme.example", "digest");
/// let (id, now) = (MessageId::generate(&OsRandom)?, SystemClock.now());
/// let request = WebhookRequests::new().registration(&acme, &asked, &id, now)?;
///
/// assert_eq!((request.method(), request.url()), (WebhookMethod::Post, "https://hooks.acme.example/register"));
/// let names: Vec<_> = request.headers().map(|(name, _)| name).collect();
/// assert_eq!(
///     names,
///     ["content-type", "authorization", "Jambonz-Signature", "webhook-id", "webhook-timestamp", "webhook-signature"],
/// );
/// assert!(request.body().starts_with(b"{"));
/// // If that fails, once more: the same id, and a new time.
/// assert!(request.retry().is_some_and(|retry| retry.count() == 2));
/// let again = WebhookRequests::new().registration(&acme, &asked, &id, SystemClock.now())?;
/// # let _ = again;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
///
/// Whoever makes the call:
///
/// - asks [`UrlPolicy::check`](crate::UrlPolicy::check) first, and
///   [`UrlPolicy::check_resolved`](crate::UrlPolicy::check_resolved) with each address that the host is resolved to;
/// - sends the body as it is, since it is signed byte for byte, and follows no redirects;
/// - counts 200, 202 and 204 as taken, as jambonz does, and of a registration 200 alone, with a
///   [`RegistrationReply`](super::RegistrationReply) in it; and tries again as the webhook's [`RetryPolicy`] says;
/// - asks first whether the account is in service ([`Status::in_service`](crate::Status::in_service)): a description is made of
///   a suspended one's webhooks too.
#[derive(Debug, Clone, Copy)]
pub struct WebhookRequests {
    dialects: Dialects,
    get_as_jambonz: bool,
}

/// Why there is no call to describe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The account has no such webhook.
    #[error("the account has no {field}")]
    NoWebhook {
        /// Which one.
        field: Field,
    },
    /// An event without an id, by which who receives it could tell it from others: see
    /// [`QueueEvent::with_id`].
    #[error("the event has no id")]
    NoEventId,
    /// A GET whose payload makes its URL longer than [`WebhookRequest::MAX_URL_LEN`].
    #[error("the URL would have {bytes} bytes; such payloads need a webhook that is called by POST")]
    UrlTooLong {
        /// How long it would be.
        bytes: usize,
    },
}

impl Default for WebhookRequests {
    fn default() -> Self {
        Self::new()
    }
}

impl WebhookRequests {
    /// Signs in both dialects.
    #[must_use]
    pub const fn new() -> Self {
        Self { dialects: Dialects::Both, get_as_jambonz: false }
    }

    /// The same, signing in these dialects.
    #[must_use]
    pub const fn with_dialects(mut self, dialects: Dialects) -> Self {
        self.dialects = dialects;
        self
    }

    /// The same, signing a GET in jambonz's dialect also as jambonz does, which protects nothing but the time: see
    /// [`Content::Get`]. For applications that were there before and look for that; off unless told otherwise.
    #[must_use]
    pub const fn with_get_as_jambonz(mut self, asked_for: bool) -> Self {
        self.get_as_jambonz = asked_for;
        self
    }

    /// Asks the account's registration webhook. `id` is one for each question, the same at each attempt; `at` is the time of the
    /// attempt.
    ///
    /// # Errors
    /// [`RequestError`] when there is no such webhook, or its URL is too long.
    pub fn registration(
        &self,
        account: &Account,
        asked: &RegistrationRequest,
        id: &MessageId,
        at: Timestamp,
    ) -> Result<WebhookRequest, RequestError> {
        let field = Field::RegistrationWebhook;
        let hook = account.registration_webhook().ok_or(RequestError::NoWebhook { field })?;
        let signed_by_jambonz = || Content::JAMBONZ_REGISTRATION.to_vec();
        self.describe(account, hook, id, at, asked, &["headers"], signed_by_jambonz)
    }

    /// Tells the account's queue event webhook. The id of the message is that of the event; `at` is the time of the attempt.
    ///
    /// # Errors
    /// [`RequestError`] when there is no such webhook, the event has no id, or the URL is too long.
    pub fn queue_event(
        &self,
        account: &Account,
        event: &QueueEvent,
        at: Timestamp,
    ) -> Result<WebhookRequest, RequestError> {
        let field = Field::QueueEventWebhook;
        let hook = account.queue_event_webhook().ok_or(RequestError::NoWebhook { field })?;
        let id = event.event_id.as_ref().ok_or(RequestError::NoEventId)?;
        self.describe(account, hook, id, at, event, &[], || json(event))
    }

    #[expect(clippy::too_many_arguments, reason = "each is what a call consists of")]
    fn describe(
        &self,
        account: &Account,
        hook: &Webhook,
        id: &MessageId,
        at: Timestamp,
        payload: &impl Serialize,
        not_in_a_query: &[&str],
        signed_by_jambonz: impl FnOnce() -> Vec<u8>,
    ) -> Result<WebhookRequest, RequestError> {
        let mut headers = Vec::with_capacity(6);
        let mut url = hook.url().to_url();
        let (body, signed_by_jambonz) = match hook.method() {
            WebhookMethod::Post => {
                headers.push(("content-type", Zeroizing::new("application/json".to_owned())));
                (json(payload), None)
            }
            WebhookMethod::Get => {
                let pairs = payload::pairs(payload);
                let pairs = pairs.iter().filter(|(name, _)| !not_in_a_query.contains(&name.as_str()));
                url.query_pairs_mut().extend_pairs(pairs);
                let bytes = url.as_str().len();
                if bytes > WebhookRequest::MAX_URL_LEN {
                    return Err(RequestError::UrlTooLong { bytes });
                }
                (Vec::new(), self.get_as_jambonz.then(signed_by_jambonz))
            }
        };
        if let Some(credentials) = hook.credentials() {
            let pair =
                Zeroizing::new(format!("{}:{}", credentials.username(), credentials.reveal_password()));
            let mut value = Zeroizing::new(String::with_capacity(6 + pair.len().div_ceil(3) * 4));
            value.push_str("Basic ");
            BASE64_STANDARD.encode_string(pair.as_bytes(), &mut value);
            headers.push((AUTHORIZATION, value));
        }
        let content = match hook.method() {
            WebhookMethod::Post => Content::Body(&body),
            WebhookMethod::Get => {
                Content::Get { url: url.as_str(), as_jambonz: signed_by_jambonz.as_deref() }
            }
        };
        let signed = Signer::of(account).sign(self.dialects, id, at, &content);
        headers.extend(signed.iter().map(|(name, value)| (name, Zeroizing::new(value.to_owned()))));
        Ok(WebhookRequest {
            method: hook.method(),
            url: url.into(),
            headers,
            body,
            retry: hook.url().retry(),
        })
    }
}

fn json(payload: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(payload).expect("payloads are texts, numbers, and JSON values by names")
}

const AUTHORIZATION: &str = "authorization";

/// A webhook call, ready for any HTTP client. `Debug` shows neither the values of headers nor the query or the body.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookRequest {
    method: WebhookMethod,
    url: String,
    headers: Vec<(&'static str, Zeroizing<String>)>,
    body: Vec<u8>,
    retry: Option<RetryPolicy>,
}

impl WebhookRequest {
    /// The longest URL, in bytes, the payload of a GET included. Common servers take 8 KiB to 16 KiB.
    pub const MAX_URL_LEN: usize = 16 * 1024;

    /// GET or POST.
    #[must_use]
    pub fn method(&self) -> WebhookMethod {
        self.method
    }

    /// The URL to call, with the payload in its query if it is a GET. Call this very text: a GET's is signed.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The headers by name and value: `content-type` of a POST, `authorization` if the webhook has credentials (RFC 7617, in
    /// UTF-8), and those of [`SignatureHeaders`](super::SignatureHeaders). All are visible ASCII characters and spaces.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The body: JSON of a POST, nothing of a GET.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body, to be sent.
    #[must_use]
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// How often, and after what, a failed call is tried again.
    #[must_use]
    pub fn retry(&self) -> Option<RetryPolicy> {
        self.retry
    }

    /// The same, for a client that uses the crate `http` (feature `http_v1`). `authorization` is marked as sensitive.
    ///
    /// # Errors
    /// When the URL is none to that crate, which takes no quotes or braces in a host, for instance.
    #[cfg(feature = "http_v1")]
    pub fn into_http(self) -> Result<http::Request<Vec<u8>>, http::Error> {
        let headers = self.headers().map(|(name, value)| {
            let mut value =
                http::HeaderValue::from_str(value).expect("values are visible ASCII characters and spaces");
            value.set_sensitive(name == AUTHORIZATION);
            (http::HeaderName::from_bytes(name.as_bytes()).expect("the names are tokens"), value)
        });
        let headers: http::HeaderMap = headers.collect();
        let uri: http::Uri = self.url.parse()?;
        let mut request = http::Request::new(self.body);
        *request.method_mut() = match self.method {
            WebhookMethod::Get => http::Method::GET,
            WebhookMethod::Post => http::Method::POST,
        };
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

impl fmt::Debug for WebhookRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.split('?').next().unwrap_or_default();
        f.debug_struct("WebhookRequest")
            .field("method", &self.method)
            .field("url", &url)
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("retry", &self.retry)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::tests::full;
    use crate::model::webhook::{WebhookCredentials, WebhookUrl};
    use crate::webhooks::{CallInfo, QueueChange, Verifier};
    use proptest::prelude::*;

    fn now() -> Timestamp {
        Timestamp::default()
    }

    /// The full account with both webhooks at this address.
    fn account(url: &str, method: WebhookMethod, credentials: Option<(&str, &str)>) -> Account {
        let credentials =
            credentials.map(|(user, password)| WebhookCredentials::new(user, password).unwrap());
        let hook =
            Webhook::new(WebhookUrl::parse(url).unwrap()).with_method(method).with_credentials(credentials);
        Account {
            registration_webhook: Some(Box::new(hook.clone())),
            queue_event_webhook: Some(Box::new(hook)),
            ..full()
        }
    }

    fn id() -> MessageId {
        MessageId::parse("msg_1").unwrap()
    }

    fn asked() -> RegistrationRequest {
        let mut asked = RegistrationRequest::new("jané", "acme.example", "n", "sip:acme.example", "r+/=");
        asked.headers = Some(serde_json::Map::from_iter([("via".to_owned(), "x".into())]));
        asked.other.insert("list".into(), serde_json::json!([1, "&"]));
        asked
    }

    fn event() -> QueueEvent {
        QueueEvent::new("support", 1, QueueChange::joined(now()), CallInfo::of("c"))
            .with_id(id())
            .with_sequence(7)
    }

    #[track_caller]
    fn verify(account: &Account, request: &WebhookRequest) {
        let content = match request.method() {
            WebhookMethod::Get => Content::get(request.url()),
            WebhookMethod::Post => Content::Body(request.body()),
        };
        for secret in account.live_webhook_secrets(now()) {
            let verified = Verifier::new([secret]).verify(request.headers(), &content, now()).unwrap();
            assert_eq!((verified.dialects(), verified.id()), (Dialects::Both, Some(&id())));
        }
    }

    #[test]
    fn by_post() {
        let account = account("https://hooks.example/r?a=1#rc=2&rp=5xx", WebhookMethod::Post, None);
        let request = WebhookRequests::new().registration(&account, &asked(), &id(), now()).unwrap();
        assert_eq!((request.method(), request.url()), (WebhookMethod::Post, "https://hooks.example/r?a=1"));
        assert_eq!(RegistrationRequest::parse(request.body()).unwrap(), asked());
        assert_eq!(request.headers().next(), Some(("content-type", "application/json")));
        assert_eq!(request.headers().count(), 5);
        assert_eq!(request.retry().map(|retry| retry.count()), Some(2));
        verify(&account, &request);

        let request = WebhookRequests::new().queue_event(&account, &event(), now()).unwrap();
        assert_eq!(QueueEvent::parse(request.body()).unwrap(), event());
        verify(&account, &request);
    }

    #[test]
    fn by_get() {
        let account = account("https://hooks.example/r?a=1", WebhookMethod::Get, Some(("gate", "pä:ss")));
        let request = WebhookRequests::new().registration(&account, &asked(), &id(), now()).unwrap();
        let url = url::Url::parse(request.url()).unwrap();
        let pairs: Vec<_> = url.query_pairs().collect();
        let mut sorted = pairs.clone();
        sorted.sort();
        let expected = [
            ("a", "1"),
            ("algorithm", "MD5"),
            ("expires", ""),
            ("list", "[1,\"&\"]"),
            ("method", "REGISTER"),
            ("nonce", "n"),
            ("realm", "acme.example"),
            ("response", "r+/="),
            ("scheme", "digest"),
            ("uri", "sip:acme.example"),
            ("username", "jané"),
        ];
        assert!(sorted.iter().map(|(name, value)| (&**name, &**value)).eq(expected), "{sorted:?}");
        assert!(request.body().is_empty());
        let basic = BASE64_STANDARD.encode("gate:pä:ss");
        assert_eq!(request.headers().next(), Some(("authorization", format!("Basic {basic}").as_str())));
        verify(&account, &request);
        let request = WebhookRequests::new().queue_event(&account, &event(), now()).unwrap();
        assert!(
            request.url().contains("sequence=7") && request.url().contains("event_id=msg_1"),
            "{request:?}"
        );
        verify(&account, &request);
    }

    #[test]
    fn a_get_signed_as_jambonz_does_only_when_asked_for() {
        let account = account("https://hooks.example/r", WebhookMethod::Get, None);
        let body = serde_json::to_vec(&event()).unwrap();
        for asked_for in [false, true] {
            let requests =
                WebhookRequests::new().with_get_as_jambonz(asked_for).with_dialects(Dialects::Jambonz);
            for (request, signed_by_jambonz) in [
                (requests.registration(&account, &asked(), &id(), now()), Content::JAMBONZ_REGISTRATION),
                (requests.queue_event(&account, &event(), now()), &body),
            ] {
                let request = request.unwrap();
                let verifier = Verifier::new([account.webhook_secret()]);
                let as_jambonz = verifier.verify(request.headers(), &Content::Body(signed_by_jambonz), now());
                assert_eq!(as_jambonz.is_ok(), asked_for);
                assert!(verifier.verify(request.headers(), &Content::get(request.url()), now()).is_ok());
            }
        }
    }

    #[test]
    fn what_can_not_be_called() {
        let without = Account { registration_webhook: None, queue_event_webhook: None, ..full() };
        let requests = WebhookRequests::new();
        let field = Field::RegistrationWebhook;
        let got = requests.registration(&without, &asked(), &id(), now());
        assert_eq!(got, Err(RequestError::NoWebhook { field }));
        assert_eq!(got.unwrap_err().to_string(), "the account has no registration_webhook");
        let field = Field::QueueEventWebhook;
        assert_eq!(requests.queue_event(&without, &event(), now()), Err(RequestError::NoWebhook { field }));
        let anonymous = QueueEvent { event_id: None, ..event() };
        assert_eq!(requests.queue_event(&full(), &anonymous, now()), Err(RequestError::NoEventId));
        let account = account("https://hooks.example/r", WebhookMethod::Get, None);
        let mut long = asked();
        long.nonce = "é".repeat(WebhookRequest::MAX_URL_LEN);
        let got = requests.registration(&account, &long, &id(), now());
        assert!(matches!(got, Err(RequestError::UrlTooLong { bytes: 98_304.. })), "{got:?}");
    }

    #[test]
    fn nothing_secret_is_printed() {
        let account =
            account("https://hooks.example/r?token=hunter3", WebhookMethod::Post, Some(("jane", "hunter2")));
        let mut asked = asked();
        asked.response = "hunter4".into();
        let request = WebhookRequests::new().registration(&account, &asked, &id(), now()).unwrap();
        let printed = format!("{request:?} {request:#?}");
        let basic = BASE64_STANDARD.encode("jane:hunter2");
        assert!(
            !printed.contains("hunter") && !printed.contains(&basic) && !printed.contains("v1"),
            "{printed}"
        );
    }

    #[cfg(feature = "http_v1")]
    #[test]
    fn for_the_crate_http() {
        let account =
            account("https://hooks.example/r?a='1'&b={}|^`", WebhookMethod::Post, Some(("jane", "x")));
        let described = WebhookRequests::new().registration(&account, &asked(), &id(), now()).unwrap();
        let request = described.clone().into_http().unwrap();
        assert_eq!(
            (request.method(), request.uri().to_string()),
            (&http::Method::POST, described.url().to_owned())
        );
        assert_eq!(request.body(), described.body());
        assert_eq!(request.headers().len(), described.headers().count());
        for (name, value) in described.headers() {
            assert_eq!(request.headers()[name], value);
            assert_eq!(request.headers()[name].is_sensitive(), name == "authorization");
        }
        let verifier = Verifier::new([account.webhook_secret()]);
        assert!(verifier.verify(request.headers(), &Content::Body(request.body()), now()).is_ok());
    }

    proptest! {
        #[test]
        fn no_webhook_and_no_payload_panics(
            url in "https://[a-z{}\"'`!é]{1,9}\\.example/[ -~é]{0,20}(\\?[ -~é]{0,20})?",
            text in ".{0,30}",
            get in any::<bool>(),
        ) {
            let Ok(url) = WebhookUrl::parse(&url) else { return Ok(()) };
            let method = if get { WebhookMethod::Get } else { WebhookMethod::Post };
            let account = account(&url.to_string(), method, None);
            let mut asked = asked();
            asked.username.clone_from(&text);
            asked.other.insert(text.clone(), text.clone().into());
            let request = WebhookRequests::new().registration(&account, &asked, &id(), now()).unwrap();
            verify(&account, &request);
            #[cfg(feature = "http_v1")]
            if let Ok(http) = request.clone().into_http() {
                prop_assert_eq!(http.uri().to_string(), request.url());
            }
        }
    }
}

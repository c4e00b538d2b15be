//! The other side of a registration webhook: a web application that says which devices may register, without a web server
//! around it (`verify_webhook` has one).
//!
//! ```text
//! cargo run --features webhooks --example registration_webhook
//! ```

use gateway_accounts::webhooks::{
    Content, Dialects, DigestAlgorithm, DigestCredentials, DigestError, DigestPassword, MessageId,
    NonceCounts, RegistrationReply, RegistrationRequest, SignatureHeaders, Signer, Verifier,
};
use gateway_accounts::{Timestamp, WebhookSecret};
use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

const REALM: &str = "acme.example";

struct Application {
    verifier: Verifier,
    /// What is kept of the devices' passwords.
    devices: HashMap<&'static str, DigestPassword>,
    /// Checked in place of the password of a device that there is not, so that both take as long.
    nobody: DigestPassword,
    seen: NonceCounts,
}

impl Application {
    /// The status and the body of the answer.
    fn answer(&mut self, headers: &SignatureHeaders, body: &[u8], now: Timestamp) -> (u16, String) {
        if let Err(error) = self.verifier.verify(headers.iter(), &Content::Body(body), now) {
            return (401, error.to_string());
        }
        match self.decide(body, now) {
            Ok(reply) => (200, serde_json::to_string(&reply).unwrap_or_default()),
            Err(error) => {
                let why = error.source().map_or_else(String::new, |source| format!(": {source}"));
                (400, format!("{error}{why}"))
            }
        }
    }

    fn decide(&mut self, body: &[u8], now: Timestamp) -> Result<RegistrationReply, Box<dyn Error>> {
        let request = RegistrationRequest::parse(body)?;
        let credentials = DigestCredentials::of(&request)?;
        let password = self.devices.get(credentials.username()).unwrap_or(&self.nobody);
        let checked = match credentials.check(REALM, password, &request.method) {
            Ok(checked) => checked,
            Err(DigestError::Realm) => return Ok(RegistrationReply::fail("not our realm")),
            Err(_) => return Ok(RegistrationReply::fail("unknown device or wrong password")),
        };
        if self.seen.admit(&checked, now).is_err() {
            return Ok(RegistrationReply::fail("replayed"));
        }
        Ok(RegistrationReply::ok().with_expires(request.expires.unwrap_or(3600).min(1800)))
    }
}

/// What a device makes of a challenge, and the gateway of that.
fn register(device: &str, password: &str, realm: &str, nc: u32) -> RegistrationRequest {
    let (nonce, uri, cnonce, nc) =
        ("b7c9036dbf3054aea9404c7286aee9703dc8f84c", "sip:acme.example", "0a4f113b", format!("{nc:08x}"));
    let md5 = |a: &str, b: &str, c: &str| DigestPassword::ha1_of(DigestAlgorithm::Md5, a, b, c);
    let ha1 = md5(device, realm, password);
    let ha2 = md5("REGISTER", "sip", "acme.example");
    let response = md5(&ha1, &format!("{nonce}:{nc}:{cnonce}:auth"), &ha2);
    let mut request = RegistrationRequest::new(device, realm, nonce, uri, &response);
    request.source_address = Some("192.0.2.7".to_owned());
    request.source_port = Some(5060);
    request.expires = Some(3600);
    (request.qop, request.nc, request.cnonce) = (Some("auth".into()), Some(nc), Some(cnonce.into()));
    request
}

fn main() -> Result<(), Box<dyn Error>> {
    let secret = WebhookSecret::import("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
    let now = Timestamp::parse("2026-11-23T20:00:00Z")?;
    let kept = DigestPassword::ha1_of(DigestAlgorithm::Md5, "jane", REALM, "s3cret");
    let mut application = Application {
        verifier: Verifier::new([&secret]),
        devices: HashMap::from([
            ("jane", DigestPassword::from_ha1(DigestAlgorithm::Md5, &kept)?),
            ("desk-phone", DigestPassword::clear("t0psecret")),
        ]),
        nobody: DigestPassword::clear("nobody knows"),
        seen: NonceCounts::new(100_000, Duration::from_secs(3600)),
    };
    let signer = Signer::new(&secret);
    let id = MessageId::parse("msg_1")?;
    let mut ask = |what: &str, body: &[u8]| {
        let headers = signer.sign(Dialects::Both, &id, now, &Content::Body(body));
        let (status, answer) = application.answer(&headers, body, now);
        println!("{what}: {status} {answer}");
    };
    let json = |request: &RegistrationRequest| serde_json::to_vec(request);
    ask("the right password", &json(&register("jane", "s3cret", REALM, 1))?);
    ask("the same once more", &json(&register("jane", "s3cret", REALM, 1))?);
    ask("the next of the nonce", &json(&register("jane", "s3cret", REALM, 2))?);
    ask("another device", &json(&register("desk-phone", "t0psecret", REALM, 1))?);
    ask("a wrong password", &json(&register("jane", "secret", REALM, 3))?);
    ask("an unknown device", &json(&register("bob", "s3cret", REALM, 1))?);
    ask("another realm", &json(&register("jane", "s3cret", "globex.example", 1))?);
    let mut invite = register("jane", "s3cret", REALM, 4);
    invite.method = "INVITE".to_owned();
    ask("a digest of another method", &json(&invite)?);
    let mut without_cnonce = register("jane", "s3cret", REALM, 4);
    without_cnonce.cnonce = None;
    ask("without its cnonce", &json(&without_cnonce)?);
    ask("no digest", br#"{"username": "jane"}"#);
    ask("no JSON", b"username=jane");

    let body = json(&register("jane", "s3cret", REALM, 5))?;
    let other = Signer::new(&WebhookSecret::import("wh_secret_of_somebody_else")?);
    let headers = other.sign(Dialects::Both, &id, now, &Content::Body(&body));
    let (status, answer) = application.answer(&headers, &body, now);
    println!("from somebody else: {status} {answer}");
    Ok(())
}

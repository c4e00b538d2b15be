//! Our side: `peer sign` prints requests that we signed, each with what a client is to say of it, `peer verify` reads requests
//! that a client signed, and `peer crate` does both with the crate `standardwebhooks`.

use gateway_accounts::webhooks::{Content, Dialects, MessageId, SignatureHeaders, Signer, Verifier};
use gateway_accounts::{Clock, SystemClock, Timestamp, WebhookSecret};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

/// A request, and whether it is to be accepted.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// What the receiver was given: the secret, and the same as Standard Webhooks has it.
    secret: String,
    standard_secret: String,
    headers: BTreeMap<String, String>,
    body: String,
    accepted: bool,
}

/// A secret as it was generated, one as jambonz has it, and one that nobody signs with.
const SECRETS: [&str; 3] = [
    "whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH5WbX5kEWLlc=",
    "wh_secret_cJqgtMDPzDhhnjmaJH6Mtk",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
];

const BODY: &str = r#"{"event":"join","queue":"Support – Tier 2","length":3,"customer_data":{"vip":true,"notes":["ü","\"quoted\"\n"]}}"#;

fn secret(text: &str) -> WebhookSecret {
    WebhookSecret::import(text).expect("a short text is a secret")
}

fn signed(signer: &Signer, at: Timestamp, body: &str) -> BTreeMap<String, String> {
    let id = MessageId::parse("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk").expect("it has letters and digits");
    let headers = signer.sign(Dialects::Both, &id, at, &Content::Body(body.as_bytes()));
    headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What we sign.
fn cases(now: Timestamp) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |name: String, given: &str, headers: BTreeMap<String, String>, body: &str, accepted| {
        let standard_secret = secret(given).standard_webhooks_form();
        let (secret, body) = (given.to_owned(), body.to_owned());
        cases.push(Case { name, secret, standard_secret, headers, body, accepted });
    };
    let hour = Duration::from_secs(3600);
    let back = Timestamp::from_millis(now.as_millis() - 3_600_000);
    let [generated, imported, other] = SECRETS;
    for (which, text) in [("a generated secret", generated), ("an imported secret", imported)] {
        let signer = Signer::new(&secret(text));
        let headers = signed(&signer, now, BODY);
        let mut change = |what: &str, edit: &dyn Fn(&mut BTreeMap<String, String>)| {
            let mut headers = headers.clone();
            edit(&mut headers);
            case(format!("{which}, {what}"), text, headers, BODY, false);
        };
        let swap = |name: &'static str, from: &'static str, to: &'static str| {
            move |headers: &mut BTreeMap<String, String>| {
                let value = headers.get_mut(name).expect("both dialects are there");
                let changed = value.replacen(from, to, 1);
                assert_ne!(*value, changed, "{name}");
                *value = changed;
            }
        };
        let signature = |headers: &mut BTreeMap<String, String>| {
            for (name, at) in
                [(SignatureHeaders::WEBHOOK_SIGNATURE, 10), (SignatureHeaders::JAMBONZ_SIGNATURE, 25)]
            {
                let value = headers.get_mut(name).expect("both dialects are there");
                let to = if value.as_bytes()[at] == b'a' { "b" } else { "a" };
                value.replace_range(at..=at, to);
            }
        };
        let time = |headers: &mut BTreeMap<String, String>| {
            let seconds = now.as_millis() / 1000;
            let (from, to) = (seconds.to_string(), (seconds - 1).to_string());
            for name in [SignatureHeaders::WEBHOOK_TIMESTAMP, SignatureHeaders::JAMBONZ_SIGNATURE] {
                let value = headers.get_mut(name).expect("both dialects are there");
                *value = value.replacen(&from, &to, 1);
            }
        };
        change("another signature", &signature);
        change("another time", &time);
        change("another version", &|headers| {
            swap(SignatureHeaders::WEBHOOK_SIGNATURE, "v1,", "v9,")(headers);
            swap(SignatureHeaders::JAMBONZ_SIGNATURE, "v1=", "v9=")(headers);
        });
        case(format!("{which}, as it is"), text, headers.clone(), BODY, true);
        case(format!("{which}, another body"), text, headers.clone(), &BODY.replace('3', "4"), false);
        case(format!("{which}, another secret"), other, headers, BODY, false);
        case(format!("{which}, an hour old"), text, signed(&signer, back, BODY), BODY, false);
        let early = signed(&signer, now.after(Duration::from_secs(240)), BODY);
        case(format!("{which}, four minutes early"), text, early, BODY, true);
    }
    // While a rotation is under way, whoever has one of the two secrets accepts; afterwards, who has the new one.
    for (new, former) in [(generated, imported), (imported, generated)] {
        let rotating = Signer::new(&secret(new)).with_former(&secret(former), now.after(hour));
        let headers = signed(&rotating, now, BODY);
        for (text, accepted) in [(new, true), (former, true), (other, false)] {
            case(format!("rotating from {former} to {new}, {text}"), text, headers.clone(), BODY, accepted);
            let body = BODY.replace('3', "4");
            case(
                format!("rotating from {former} to {new}, {text}, another body"),
                text,
                headers.clone(),
                &body,
                false,
            );
        }
        let rotated = Signer::new(&secret(new)).with_former(&secret(former), back);
        for (text, accepted) in [(new, true), (former, false)] {
            case(
                format!("rotated from {former} to {new}, {text}"),
                text,
                signed(&rotated, now, BODY),
                BODY,
                accepted,
            );
        }
    }
    cases
}

/// What a client signed.
fn verify(cases: &[Case], now: Timestamp) -> Result<usize, String> {
    for case in cases {
        let accept = [secret(SECRETS[2]), secret(&case.secret)];
        let got =
            Verifier::new(&accept[1..]).verify(&case.headers, &Content::Body(case.body.as_bytes()), now);
        if got.is_ok() != case.accepted {
            return Err(format!("{}: {got:?}", case.name));
        }
        // One more secret changes nothing but which one it was.
        let with_another =
            Verifier::new(&accept).verify(&case.headers, &Content::Body(case.body.as_bytes()), now);
        if with_another.map(|verified| verified.secret() - 1) != got.map(|verified| verified.secret()) {
            return Err(format!("{}: not the same with another secret in front", case.name));
        }
    }
    Ok(cases.len())
}

/// The crate `standardwebhooks`, both ways.
fn with_crate(now: Timestamp) -> Result<usize, String> {
    let ours = cases(now);
    let client =
        |case: &Case| standardwebhooks::Webhook::new(&case.standard_secret).map_err(|e| e.to_string());
    for case in &ours {
        let mut headers = http::HeaderMap::new();
        for (name, value) in &case.headers {
            let name = name.parse::<http::HeaderName>().map_err(|e| e.to_string())?;
            headers.insert(name, value.parse().map_err(|_| format!("{value} is no header value"))?);
        }
        let got = client(case)?.verify(case.body.as_bytes(), &headers);
        if got.is_ok() != case.accepted {
            return Err(format!("{}: {got:?}", case.name));
        }
    }
    let seconds = now.as_millis() / 1000;
    let mut theirs = Vec::new();
    for text in &SECRETS[..2] {
        for (body, accepted) in [(BODY, true), ("{}", false)] {
            let standard_secret = secret(text).standard_webhooks_form();
            let client = standardwebhooks::Webhook::new(&standard_secret).map_err(|e| e.to_string())?;
            let signature = client.sign("msg_1", seconds, BODY.as_bytes()).map_err(|e| e.to_string())?;
            let headers = [
                ("webhook-id", "msg_1".to_owned()),
                ("webhook-timestamp", seconds.to_string()),
                ("webhook-signature", signature),
            ];
            let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let (name, secret, body) =
                (format!("the crate, {text}, {body}"), (*text).to_owned(), body.to_owned());
            theirs.push(Case { name, secret, standard_secret, headers, body, accepted });
        }
    }
    verify(&theirs, now).map(|count| count + ours.len())
}

fn main() -> ExitCode {
    let now = SystemClock.now();
    let done = match std::env::args().nth(1).as_deref() {
        Some("sign") => {
            serde_json::to_string(&cases(now)).map(|text| println!("{text}")).map_err(|e| e.to_string())
        }
        Some("verify") => serde_json::from_reader(std::io::stdin().lock())
            .map_err(|error| error.to_string())
            .and_then(|cases: Vec<Case>| verify(&cases, now))
            .map(|count| println!("{count} requests that the client signed: as expected")),
        Some("crate") => with_crate(now)
            .map(|count| println!("standardwebhooks, crate: {count} requests, both ways: as expected")),
        _ => Err("say what to do: sign, verify or crate".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

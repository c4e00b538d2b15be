//! Signing and verifying webhooks, and judging where they may be: how much more than a bare HMAC a signed request takes, how
//! long the crate of Standard Webhooks takes over what ours verifies, and what the policy for addresses adds to parsing one.

use crate::Options;
use crate::report::{Report, Spread};
use gateway_accounts::webhooks::{Content, Dialects, MessageId, SignatureHeaders, Signer, Verifier};
use gateway_accounts::{Clock, SystemClock, Timestamp, UrlPolicy, WebhookSecret, WebhookUrl};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::hint::black_box;
use std::time::Instant;
use url::Url;

const SIGN: &str = "sign_1k_vs_hmac";
const VERIFY: &str = "verify_1k_vs_standardwebhooks";
const POLICY: &str = "policy_check";

pub const ALL: [&str; 3] = [SIGN, VERIFY, POLICY];

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

pub fn all(options: &Options, report: &mut Report) {
    if options.wants(SIGN) {
        sign(options, report);
    }
    if options.wants(VERIFY) {
        verify(options, report);
    }
    if options.wants(POLICY) {
        policy(options, report);
    }
}

/// JSON of 1 KiB.
fn body() -> Vec<u8> {
    let text = "a".repeat(1024 - r#"{"text":""}"#.len());
    format!(r#"{{"text":"{text}"}}"#).into_bytes()
}

/// The time of one, in nanoseconds.
fn time(count: usize, mut one: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    (0..count).for_each(&mut one);
    start.elapsed().as_secs_f64() * 1e9 / count as f64
}

/// Repeats of each, one after the other, and each before any counts.
fn interleaved<const N: usize>(
    options: &Options,
    count: usize,
    mut each: [&mut dyn FnMut(usize); N],
) -> Vec<[f64; N]> {
    let count = if options.quick { count / 100 } else { count };
    let mut round = || each.each_mut().map(|one| time(count, |n| one(n)));
    round();
    (0..options.repeats).map(|_| round()).collect()
}

fn column<const N: usize>(rounds: &[[f64; N]], of: usize) -> Spread {
    Spread::of(rounds.iter().map(|round| round[of]))
}

fn sign(options: &Options, report: &mut Report) {
    let body = body();
    let id = MessageId::parse("msg_p5jXN8AQM9LWM0D4loKWxJek").expect("it has letters and digits");
    let signer = Signer::new(&WebhookSecret::import(SECRET).expect("it is short"));
    // Another second each time, as in life.
    let now = |n: usize| Timestamp::from_millis(1_795_466_263_000 + 1000 * n as i64);
    let mut bare = {
        let keyed = Hmac::<Sha256>::new_from_slice(&[7; 32]).expect("any length is a key");
        let mut message = b"msg_p5jXN8AQM9LWM0D4loKWxJek.1795466263.".to_vec();
        message.extend_from_slice(&body);
        move |_| {
            let mac: [u8; 32] =
                keyed.clone().chain_update(black_box(&message)).finalize().into_bytes().into();
            black_box(mac);
        }
    };
    let sign = |dialect| {
        let (signer, id, body) = (signer.clone(), id.clone(), body.clone());
        move |n| {
            black_box(signer.sign(dialect, black_box(&id), now(n), &Content::Body(black_box(&body))));
        }
    };
    let (mut standard, mut jambonz) = (sign(Dialects::StandardWebhooks), sign(Dialects::Jambonz));
    let rounds = interleaved(options, 200_000, [&mut bare, &mut standard, &mut jambonz]);
    report.ratio(SIGN, rounds.iter().map(|[bare, standard, _]| standard / bare), "Standard Webhooks");
    let jambonz = Spread::of(rounds.iter().map(|[bare, _, jambonz]| jambonz / bare));
    report.figure(&format!(
        "sign 1 KiB: bare {:.0} ns, Standard Webhooks {:.0} ns, jambonz {:.0} ns, which is {:.2} ({:.2} to {:.2}) of the bare one",
        column(&rounds, 0).median,
        column(&rounds, 1).median,
        column(&rounds, 2).median,
        jambonz.median,
        jambonz.low,
        jambonz.high
    ));
}

fn verify(options: &Options, report: &mut Report) {
    let body = body();
    let secret = WebhookSecret::import(SECRET).expect("it is short");
    let id = MessageId::parse("msg_p5jXN8AQM9LWM0D4loKWxJek").expect("it has letters and digits");
    // The crate asks the system for the time, so ours does too.
    let clock = SystemClock;
    let sign = || {
        Signer::new(&secret)
            .sign(Dialects::StandardWebhooks, &id, clock.now(), &Content::Body(&body))
            .to_header_map()
    };
    let headers = sign();
    let theirs = standardwebhooks::Webhook::new(SECRET).expect("it is base64");
    let ours = Verifier::new([&secret]);
    let mut tampered = body.clone();
    tampered[100] ^= 1;
    assert!(theirs.verify(&body, &headers).is_ok() && theirs.verify(&tampered, &headers).is_err());
    assert!(ours.verify(&headers, &Content::Body(&body), clock.now()).is_ok());
    assert!(ours.verify(&headers, &Content::Body(&tampered), clock.now()).is_err());
    assert!(headers.contains_key(SignatureHeaders::WEBHOOK_SIGNATURE));

    let mut by_theirs = |_| theirs.verify(black_box(&body), black_box(&headers)).expect("it is right");
    let mut by_ours = |_| {
        let verified = ours.verify(black_box(&headers), &Content::Body(black_box(&body)), clock.now());
        black_box(verified.expect("it is right"));
    };
    let rounds = interleaved(options, 50_000, [&mut by_theirs, &mut by_ours]);
    report.ratio(VERIFY, rounds.iter().map(|[theirs, ours]| theirs / ours), "");
    report.figure(&format!(
        "verify 1 KiB: standardwebhooks {:.0} ns, ours {:.0} ns",
        column(&rounds, 0).median,
        column(&rounds, 1).median
    ));
}

fn policy(options: &Options, report: &mut Report) {
    const ADDRESSES: [&str; 6] = [
        "https://hooks.acme.example/register",
        "https://auth.customer-17.eu-west.provider.example/sip/register?tenant=7",
        "https://hooks.acme.example:8443/queue-events",
        "https://93.184.215.14/register",
        "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/register",
        "https://10.1.2.3/register",
    ];
    let policy = UrlPolicy::production();
    let urls = ADDRESSES.map(|text| WebhookUrl::parse(text).expect("it is a URL"));
    assert_eq!(urls.iter().filter(|url| policy.check(url).is_ok()).count(), ADDRESSES.len() - 1);
    let mut parse = |n: usize| {
        black_box(Url::parse(black_box(ADDRESSES[n % ADDRESSES.len()])).expect("it is a URL"));
    };
    let mut check = |n: usize| {
        let _ = black_box(policy.check(black_box(&urls[n % ADDRESSES.len()])));
    };
    let rounds = interleaved(options, 600_000, [&mut parse, &mut check]);
    report.ratio(POLICY, rounds.iter().map(|[parse, check]| check / parse), "");
    report.figure(&format!(
        "a webhook's address: parsed in {:.0} ns, checked in {:.0} ns",
        column(&rounds, 0).median,
        column(&rounds, 1).median
    ));
}

use super::*;
use crate::model::record::tests::full;
use crate::model::timestamp::Timestamp;
use crate::model::webhook_secret::WebhookSecret;
use proptest::prelude::*;
use std::time::Duration;

const ID: &str = "webhook-id";
const TIME: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

const NOW: i64 = 1_795_466_263_042;

fn secret(text: &str) -> WebhookSecret {
    WebhookSecret::import(text).unwrap()
}

fn id(text: &str) -> MessageId {
    MessageId::parse(text).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

/// What the libraries of Standard Webhooks have in their own tests.
#[test]
fn published_vectors_of_standard_webhooks() {
    for (key, message, seconds, body, expected) in [
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        (
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
    ] {
        let (secret, id, content) = (secret(key), id(message), Content::Body(body.as_bytes()));
        let signed = Signer::new(&secret).sign(Dialects::StandardWebhooks, &id, at(seconds), &content);
        let expected = [
            ("webhook-id", message.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", expected.to_owned()),
        ];
        assert!(signed.iter().eq(expected.iter().map(|(name, value)| (*name, value.as_str()))), "{signed:?}");
        let verified = Verifier::new([&secret]).verify(expected, &content, at(seconds)).unwrap();
        assert_eq!((verified.secret(), verified.id()), (0, Some(&id)));
    }
}

/// What the same libraries' tests accept and refuse, of one message.
#[test]
fn published_cases_of_standard_webhooks() {
    use VerifyError as E;
    const SECONDS: i64 = 1_614_265_330;
    const RIGHT: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const OTHER: &str = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";
    let not_32_bytes =
        || E::Malformed { header: SIGNATURE, reason: "has a v1 that is not 32 bytes in base64" };
    let several = format!("{OTHER} {} {RIGHT} {OTHER}", OTHER.replace("v1", "v2"));
    let [id, time] = ["msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330"].map(Some);
    for (what, id, time, signature, now, expected) in [
        ("a valid signature", id, time, Some(RIGHT), SECONDS, Ok(())),
        ("several signatures", id, time, Some(several.as_str()), SECONDS, Ok(())),
        ("missing id", None, time, Some(RIGHT), SECONDS, Err(E::Missing { header: ID })),
        ("missing timestamp", id, None, Some(RIGHT), SECONDS, Err(E::Missing { header: TIME })),
        ("missing signature", id, time, None, SECONDS, Err(E::Missing { header: SIGNATURE })),
        (
            "invalid timestamp",
            id,
            Some("hello"),
            Some(RIGHT),
            SECONDS,
            Err(E::Malformed { header: TIME, reason: "has a time that is not whole seconds since 1970" }),
        ),
        ("another signature", id, time, Some(OTHER), SECONDS, Err(E::NoMatch)),
        ("one character changed", id, time, Some(&RIGHT.replace("1OE=", "1OA=")), SECONDS, Err(E::NoMatch)),
        ("a partial signature", id, time, Some("v1,"), SECONDS, Err(not_32_bytes())),
        ("no signature", id, time, Some("v1,dawfeoifkpqwoekfpqoekf"), SECONDS, Err(not_32_bytes())),
        ("an old timestamp", id, time, Some(RIGHT), SECONDS + 301, Err(E::TooOld { seconds: 301 })),
        ("a new timestamp", id, time, Some(RIGHT), SECONDS - 301, Err(E::TooNew { seconds: 301 })),
    ] {
        let headers = [ID, TIME, SIGNATURE].into_iter().zip([id, time, signature]);
        let headers = headers.filter_map(|(name, value)| Some((name, value?)));
        let content = Content::Body(br#"{"test": 2432232314}"#);
        let verifier = Verifier::new([&secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]);
        assert_eq!(verifier.verify(headers, &content, at(now)).map(|_| ()), expected, "{what}");
    }
}

/// Computed with Node's `crypto` as jambonz's feature server and its client do:
/// `createHmac('sha256', secret).update(`${t}.${body}`).digest('hex')`.
#[test]
fn as_jambonz_signs() {
    for (key, seconds, content, expected) in [
        (
            "wh_secret_cJqgtMDPzDhhnjmaJH6Mtk",
            1_795_466_263,
            Content::Body(br#"{"event":"join"}"#),
            JAMBONZ_BODY,
        ),
        ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", 0, Content::Body(b""), JAMBONZ_EMPTY),
        (
            "wh_secret_cJqgtMDPzDhhnjmaJH6Mtk",
            1_795_466_263,
            Content::Get {
                url: "https://hooks.example/r?a=1",
                as_jambonz: Some(Content::JAMBONZ_REGISTRATION),
            },
            JAMBONZ_GET,
        ),
    ] {
        let signed = Signer::new(&secret(key)).sign(Dialects::Jambonz, &id("m"), at(seconds), &content);
        let header = format!("t={seconds},{expected}");
        assert!(signed.iter().eq([("Jambonz-Signature", header.as_str())]), "{signed:?}");
    }
}

const JAMBONZ_BODY: &str = "v1=e1ccddf88405ea10dc0b6dfc22e2de1303338d757d8310ea2d119b95ec21eb06";
const JAMBONZ_EMPTY: &str = "v1=23d3f5ab624a51c3966e43e4033f61251e66300478c2f19e94f3237e5f08954f";
const JAMBONZ_GET: &str = "v1=8d83b5e346d95a6b96fb7611e287038e6fcdb51e4a1eac70512f6a74ce86376f,v1=d5c977c2f1150c55b3d0929822a14e81ce6223aa3c782641fcfc2215a619338c";

fn both(secrets: &[&WebhookSecret], content: &Content<'_>) -> Vec<(&'static str, String)> {
    let mut signer = Signer::new(secrets[0]);
    if let [_, former] = secrets {
        signer = signer.with_former(former, Timestamp::from_millis(NOW + 1));
    }
    let signed = signer.sign(Dialects::Both, &id("msg_1"), Timestamp::from_millis(NOW), content);
    signed.iter().map(|(name, value)| (name, value.to_owned())).collect()
}

fn verify(
    secrets: &[&WebhookSecret],
    headers: &[(&'static str, String)],
    content: &Content<'_>,
) -> Result<Verified, VerifyError> {
    let headers = headers.iter().map(|(name, value)| (name, value));
    Verifier::new(secrets.iter().copied()).verify(headers, content, Timestamp::from_millis(NOW))
}

#[test]
fn accepted_with_which_secret() {
    let [new, old, other] = ["new", "old", "other"].map(secret);
    let content = Content::Body(b"\xff\x00 any bytes");
    for (signed, accepted, expected) in [
        (vec![&new], vec![&new], Ok(0)),
        (vec![&new], vec![&old, &new], Ok(1)),
        (vec![&new, &old], vec![&old], Ok(0)),
        (vec![&new, &old], vec![&new], Ok(0)),
        (vec![&new, &old], vec![&new, &old], Ok(0)),
        (vec![&new, &old], vec![&old, &new], Ok(0)),
        (vec![&new, &old], vec![&other, &old], Ok(1)),
        (vec![&new, &old], vec![&other], Err(VerifyError::NoMatch)),
        (vec![&new], vec![], Err(VerifyError::NoMatch)),
    ] {
        let headers = both(&signed, &content);
        let got = verify(&accepted, &headers, &content);
        assert_eq!(got.map(|verified| verified.secret()), expected);
        for one in [&headers[..1], &headers[1..]] {
            assert_eq!(verify(&accepted, one, &content).map(|verified| verified.secret()), expected);
        }
    }
}

#[test]
fn the_former_secret_signs_until_its_time_is_over() {
    let [new, old] = ["new", "old"].map(secret);
    let signer = Signer::new(&new).with_former(&old, Timestamp::from_millis(NOW));
    let content = Content::Body(b"");
    for (millis, signatures) in [(0, 2), (NOW - 1, 2), (NOW, 1), (NOW + 1, 1)] {
        let signed = signer.sign(Dialects::Both, &id("m"), Timestamp::from_millis(millis), &content);
        let count = |name, version| signed.get(name).unwrap().matches(version).count();
        assert_eq!(count("jambonz-signature", "v1="), signatures, "{millis}");
        assert_eq!(count("WEBHOOK-SIGNATURE", "v1,"), signatures, "{millis}");
    }
}

#[test]
fn an_account_signs_with_its_live_secrets() {
    let account = full();
    let former = account.former_webhook_secret().unwrap();
    let content = Content::Body(b"x");
    for (millis, signatures) in [(0, 2), (former.until().as_millis() - 1, 2), (former.until().as_millis(), 1)]
    {
        let now = Timestamp::from_millis(millis);
        let signed = Signer::of(&account).sign(Dialects::Both, &id("m"), now, &content);
        assert_eq!(signed.get("webhook-signature").unwrap().matches("v1,").count(), signatures);
        for (secret, accepts) in [(account.webhook_secret(), true), (former.secret(), signatures == 2)] {
            assert_eq!(Verifier::new([secret]).verify(signed.iter(), &content, now).is_ok(), accepts);
        }
    }
}

#[test]
fn a_retry_keeps_the_id_and_gets_a_new_time() {
    let signer = Signer::new(&secret("s"));
    let [first, second] = [7, 8].map(|s| signer.sign(Dialects::Both, &id("m"), at(s), &Content::Body(b"x")));
    assert_eq!(first.get("webhook-id"), second.get("webhook-id"));
    for name in ["webhook-timestamp", "webhook-signature", "jambonz-signature"] {
        assert_ne!(first.get(name), second.get(name));
    }
}

#[test]
fn tolerance_both_ways() {
    let secret = secret("s");
    let content = Content::Body(b"x");
    let signed = Signer::new(&secret).sign(Dialects::Both, &id("m"), at(1_000_000), &content);
    for (tolerance, now, expected) in [
        (300, 1_000_000, Ok(())),
        (300, 1_000_300, Ok(())),
        (300, 999_700, Ok(())),
        (300, 1_000_301, Err(VerifyError::TooOld { seconds: 301 })),
        (300, 999_699, Err(VerifyError::TooNew { seconds: 301 })),
        (0, 1_000_000, Ok(())),
        (0, 1_000_001, Err(VerifyError::TooOld { seconds: 1 })),
        (0, 999_999, Err(VerifyError::TooNew { seconds: 1 })),
        (300, 0, Err(VerifyError::TooNew { seconds: 1_000_000 })),
        (86_400, 1_086_400, Ok(())),
    ] {
        let verifier = Verifier::new([&secret]).with_tolerance(Duration::from_secs(tolerance)).unwrap();
        for headers in [&signed.iter().collect::<Vec<_>>()[..1], &signed.iter().collect::<Vec<_>>()[1..]] {
            let got = verifier.verify(headers.iter().copied(), &content, at(now));
            assert_eq!(
                got.map(|verified| assert_eq!(verified.at(), at(1_000_000))),
                expected,
                "{tolerance} {now}"
            );
        }
    }
    let verifier = Verifier::new([&secret]);
    assert_eq!(
        verifier.clone().with_tolerance(Duration::from_millis(86_400_001)).err(),
        Some(ToleranceError)
    );
    let exact = verifier.with_tolerance(Duration::from_millis(999)).unwrap();
    assert_eq!(exact.verify(signed.iter(), &content, at(1_000_001)), Err(VerifyError::TooOld { seconds: 1 }));
}

#[test]
fn times_at_the_ends_overflow_nothing() {
    let secret = secret("s");
    for text in ["999999999999", "0", "253370764799"] {
        for now in [0, i64::MAX] {
            let headers = [
                ("webhook-id", "m"),
                ("webhook-timestamp", text),
                ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            ];
            let got =
                Verifier::new([&secret]).verify(headers, &Content::Body(b""), Timestamp::from_millis(now));
            assert!(got.is_err(), "{text} {now}");
        }
    }
}

/// What is done to headers that would be accepted.
type Change = fn(&mut Vec<(&'static str, String)>);

#[test]
fn changed_headers_are_refused() {
    use VerifyError as E;
    const J: &str = "Jambonz-Signature";
    let time = "has a time that is not whole seconds since 1970";
    let secret = secret("s");
    let content = Content::Body(b"x");
    let changes: &[(&str, Change, VerifyError)] = &[
        ("no header", |h| h.clear(), E::Unsigned),
        ("others", |h| *h = vec![("x-signature", "v1=".into())], E::Unsigned),
        ("no id", |h| drop(h.remove(1)), E::Missing { header: ID }),
        ("no time", |h| drop(h.remove(2)), E::Missing { header: TIME }),
        ("no signature", |h| drop(h.remove(3)), E::Missing { header: SIGNATURE }),
        ("id twice", |h| h.push((ID, "msg_1".into())), E::Duplicate { header: ID }),
        ("time twice", |h| h.push(("Webhook-Timestamp", "7".into())), E::Duplicate { header: TIME }),
        ("signature twice", |h| h.push((SIGNATURE, h[3].1.clone())), E::Duplicate { header: SIGNATURE }),
        ("jambonz twice", |h| h.push((J, h[0].1.clone())), E::Duplicate { header: J }),
        ("another id", |h| h[1].1 = "msg_2".into(), E::NoMatch),
        (
            "no message id",
            |h| h[1].1 = "msg.1".into(),
            E::Malformed { header: ID, reason: "is not the id of a message" },
        ),
        ("empty id", |h| h[1].1.clear(), E::Malformed { header: ID, reason: "is not the id of a message" }),
        ("another time", |h| h[2].1 = "1795466262".into(), E::NoMatch),
        ("no time", |h| h[2].1 = "NaN".into(), E::Malformed { header: TIME, reason: time }),
        ("a minus", |h| h[2].1.insert(0, '-'), E::Malformed { header: TIME, reason: time }),
        ("a zero in front", |h| h[2].1.insert(0, '0'), E::Malformed { header: TIME, reason: time }),
        ("another jambonz time", |h| h[0].1 = h[0].1.replace("t=1795466263", "t=1795466262"), E::NoMatch),
        ("a plus", |h| h[0].1 = h[0].1.replace("t=", "t=+"), E::Malformed { header: J, reason: time }),
        ("two times", |h| h[0].1.push_str(",t=1"), E::Malformed { header: J, reason: "has its t twice" }),
        (
            "half a header",
            |h| h[0].1.truncate(20),
            E::Malformed { header: J, reason: "has a v1 that is not 64 lower-case hexadecimal digits" },
        ),
        (
            "another version",
            |h| h[3].1 = h[3].1.replace("v1", "v2"),
            E::Malformed { header: SIGNATURE, reason: "has no v1" },
        ),
    ];
    for (what, change, expected) in changes {
        let mut headers = both(&[&secret], &content);
        assert!(verify(&[&secret], &headers, &content).is_ok());
        change(&mut headers);
        assert_eq!(verify(&[&secret], &headers, &content), Err(expected.clone()), "{what}");
    }
}

#[test]
fn dialects_that_contradict_each_other() {
    let [one, other] = ["one", "other"].map(secret);
    let content = Content::Body(b"x");
    let sign = |secret, dialects, seconds| {
        let signed = Signer::new(secret).sign(dialects, &id("m"), at(seconds), &content);
        signed.iter().map(|(name, value)| (name, value.to_owned())).collect::<Vec<_>>()
    };
    for (jambonz, standard, seconds, expected) in [
        (&one, &one, 7, Ok(Dialects::Both)),
        (&one, &one, 8, Err(VerifyError::Conflict)),
        (&one, &other, 7, Err(VerifyError::Conflict)),
    ] {
        let mut headers = sign(jambonz, Dialects::Jambonz, 7);
        headers.extend(sign(standard, Dialects::StandardWebhooks, seconds));
        let received = headers.iter().map(|(name, value)| (name, value));
        let got = Verifier::new([&one, &other]).verify(received, &content, at(7));
        assert_eq!(got.map(|verified| verified.dialects()), expected);
    }
    // Who asks for one dialect is not troubled by the other.
    let mut headers = both(&[&one], &content);
    headers[0].1 = "rubbish".into();
    let received = || headers.iter().map(|(name, value)| (name, value));
    let verifier = Verifier::new([&one]).with_dialects(Dialects::StandardWebhooks);
    assert!(verifier.verify(received(), &content, Timestamp::from_millis(NOW)).is_ok());
    let verifier = Verifier::new([&one]).with_dialects(Dialects::Jambonz);
    assert!(verifier.verify(received(), &content, Timestamp::from_millis(NOW)).is_err());
    let received = || headers.iter().skip(1).map(|(name, value)| (name, value));
    assert_eq!(
        verifier.verify(received(), &content, Timestamp::from_millis(NOW)),
        Err(VerifyError::Unsigned)
    );
}

#[test]
fn a_get_is_bound_to_method_and_url() {
    let secret = secret("s");
    const URL: &str = "https://hooks.example/r?username=jane";
    let signed_for = |as_jambonz| both(&[&secret], &Content::Get { url: URL, as_jambonz });
    let plain = signed_for(None);
    for (content, expected) in [
        (Content::get(URL), true),
        (Content::get("https://hooks.example/r?username=bob"), false),
        (Content::get("https://other.example/r?username=jane"), false),
        (Content::Body(b"https://hooks.example/r?username=jane"), false),
        // A body that reads so is one, and the URL of a POST is not signed; so a GET and a POST to the same address are
        // alike if their contents are. No JSON begins with GET.
        (Content::Body(b"GET https://hooks.example/r?username=jane"), true),
        (Content::Body(b""), false),
    ] {
        assert_eq!(verify(&[&secret], &plain, &content).is_ok(), expected, "{content:?}");
    }
    // With jambonz's own form: for whoever looks for it, and for whoever does not.
    let compatible = signed_for(Some(Content::JAMBONZ_REGISTRATION));
    for content in [
        Content::get(URL),
        Content::Get { url: URL, as_jambonz: Some(Content::JAMBONZ_REGISTRATION) },
        Content::Get { url: URL, as_jambonz: Some(b"{}") },
    ] {
        assert!(verify(&[&secret], &compatible, &content).is_ok(), "{content:?}");
    }
    let only_jambonz = &compatible[..1];
    assert!(verify(&[&secret], only_jambonz, &Content::Body(Content::JAMBONZ_REGISTRATION)).is_ok());
    let other =
        Content::Get { url: "https://other.example/", as_jambonz: Some(Content::JAMBONZ_REGISTRATION) };
    assert!(verify(&[&secret], only_jambonz, &other).is_ok());
    assert_eq!(verify(&[&secret], &compatible, &other), Err(VerifyError::NoMatch));
}

#[test]
fn no_secret_is_printed() {
    let secret = secret("wh_secret_hunter2");
    let verifier = Verifier::new([&secret]);
    let printed = format!("{:?} {verifier:?}", Signer::new(&secret));
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn very_long_headers_are_read_in_one_go() {
    let secret = secret("s");
    let content = Content::Body(b"x");
    let good = both(&[&secret], &content);
    let signature = good[0].1.split_once(',').unwrap().1;
    let wrong = format!("v1={}", "0".repeat(64));
    let many = format!("t=1795466263,{}", vec![wrong; 950].join(","));
    let with_the_right_one = format!("{many},{signature}");
    for (value, expected) in [
        (with_the_right_one, true),
        (many, false),
        ("v1=".repeat(21_000), false),
        ("=".repeat(65_536), false),
        (",".repeat(65_536), false),
        (format!("t={}", "9".repeat(65_534)), false),
    ] {
        assert!(value.len() <= 65_536);
        let got = verify(&[&secret], &[("Jambonz-Signature", value)], &content);
        assert_eq!(got.is_ok(), expected);
    }
}

proptest! {
    #[test]
    fn what_is_signed_is_accepted_and_nothing_else(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        key in "[ -~]{1,80}",
        seconds in 0_i64..2_000_000_000,
        flip in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let secret = secret(&key);
        let content = Content::Body(&body);
        let signed = Signer::new(&secret).sign(Dialects::Both, &id("msg_1"), at(seconds), &content);
        let verifier = Verifier::new([&secret]);
        let verified = verifier.verify(signed.iter(), &content, at(seconds)).unwrap();
        prop_assert_eq!((verified.dialects(), verified.at()), (Dialects::Both, at(seconds)));

        // One bit of the body, or of a header, is another.
        if !body.is_empty() {
            let mut changed = body.clone();
            changed[flip.index(body.len())] ^= 1 << bit;
            prop_assert!(verifier.verify(signed.iter(), &Content::Body(&changed), at(seconds)).is_err());
        }
        let headers: Vec<_> = signed.iter().map(|(name, value)| (name, value.as_bytes().to_vec())).collect();
        let length: usize = headers.iter().map(|(_, value)| value.len()).sum();
        let mut place = flip.index(length);
        let mut changed = headers.clone();
        for (_, value) in &mut changed {
            if place < value.len() {
                value[place] ^= 1 << bit;
                break;
            }
            place -= value.len();
        }
        prop_assert!(verifier.verify(changed, &content, at(seconds)).is_err());
        let mut longer = body.clone();
        longer.push(b'x');
        prop_assert!(verifier.verify(headers, &Content::Body(&longer), at(seconds)).is_err());
    }

    #[test]
    fn no_header_panics_or_is_accepted(
        values in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                "(t=[0-9-]{0,14},?|v1=[0-9a-f]{60,66},?|v1,[A-Za-z0-9+/=]{42,46} ?){0,4}".prop_map(String::into_bytes),
            ],
            4,
        ),
        now in any::<i64>(),
    ) {
        let names = ["jambonz-signature", "webhook-id", "webhook-timestamp", "webhook-signature"];
        let secret = secret("s");
        let verifier = Verifier::new([&secret]).with_tolerance(Verifier::MAX_TOLERANCE).unwrap();
        for subset in 0..16_u8 {
            let headers = names.iter().zip(&values).enumerate().filter(|(i, _)| subset >> i & 1 == 1);
            let got = verifier.verify(headers.map(|(_, header)| header), &Content::Body(b"x"), Timestamp::from_millis(now));
            prop_assert!(got.is_err());
        }
    }
}

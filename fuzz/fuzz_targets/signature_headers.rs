//! Any headers and any body, verified; and what was signed, with one byte of it changed: `just fuzz signature_headers`.

#![no_main]

use gateway_accounts::webhooks::{Content, Dialects, MessageId, Signer, Verifier, VerifyError};
use gateway_accounts::{Timestamp, WebhookSecret};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const NAMES: [&str; 5] =
    ["Jambonz-Signature", "webhook-id", "webhook-timestamp", "webhook-signature", "content-type"];

static SECRETS: LazyLock<[WebhookSecret; 2]> = LazyLock::new(|| {
    ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "wh_secret_cJqgtMDPzDhhnjmaJH6Mtk"]
        .map(|text| WebhookSecret::import(text).expect("a short text is a secret"))
});

/// Headers by number and value, a body, a time, and what to change: which header, where, and how.
type Input = (Vec<(u8, Vec<u8>)>, Vec<u8>, u32, (u8, u16, u8));

fuzz_target!(|input: Input| {
    let (headers, body, seconds, (which, place, bits)) = input;
    let [secret, former] = &*SECRETS;
    let now = Timestamp::from_millis(i64::from(seconds) * 1000);
    let content = Content::Body(&body);
    let verifier =
        Verifier::new([secret, former]).with_tolerance(Verifier::MAX_TOLERANCE).expect("it is the greatest");

    // Nobody has the secret but us.
    let received = headers.iter().map(|(number, value)| (NAMES[usize::from(*number) % NAMES.len()], value));
    assert!(verifier.verify(received, &content, now).is_err());

    let id = MessageId::parse("msg_1").expect("it has letters and digits");
    let signer = Signer::new(secret).with_former(former, now.after(std::time::Duration::from_secs(1)));
    let signed = signer.sign(Dialects::Both, &id, now, &content);
    let mut headers: Vec<(&str, Vec<u8>)> =
        signed.iter().map(|(name, value)| (name, value.as_bytes().to_vec())).collect();
    let accepted = verifier.verify(headers.iter().map(|(name, value)| (*name, value)), &content, now);
    assert_eq!(accepted.map(|verified| verified.dialects()), Ok(Dialects::Both));

    // A header of which one byte is another is refused, unless the other secret's signature is left.
    let count = headers.len();
    let (name, value) = &mut headers[usize::from(which) % count];
    let place = usize::from(place) % value.len();
    value[place] ^= bits;
    let of_two_signatures = name.ends_with("ignature");
    let again = verifier.verify(headers.iter().map(|(name, value)| (*name, value)), &content, now);
    assert!(bits == 0 || of_two_signatures || again.is_err());

    // And so is another body, and a body that anything follows.
    let mut longer = body.clone();
    longer.push(bits);
    let intact = signed.iter();
    assert_eq!(verifier.verify(intact, &Content::Body(&longer), now), Err(VerifyError::NoMatch));
});

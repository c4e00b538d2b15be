//! The values of signature headers, read.

use super::keys::Signature;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// What is wrong with a header, in words that follow "the header ".
pub(super) type Fault = &'static str;

/// Unix seconds: up to twelve digits, without a sign, and without a zero in front. (JavaScript's `parseInt` and Python's
/// `float` read more, and not all the same.)
pub(super) fn seconds(text: &[u8]) -> Result<u64, Fault> {
    let well_formed = match text {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 12 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !well_formed {
        return Err("has a time that is not whole seconds since 1970");
    }
    Ok(text.iter().fold(0, |seconds, digit| seconds * 10 + u64::from(digit - b'0')))
}

/// `t=<seconds>,v1=<hex>`, with any number of `v1`. What other keys say is passed over, as it may be of another version.
#[derive(Debug)]
pub(super) struct JambonzSignature<'a> {
    pub(super) seconds_text: &'a [u8],
    pub(super) seconds: u64,
    pub(super) signatures: Vec<Signature>,
}

impl<'a> JambonzSignature<'a> {
    pub(super) fn read(value: &'a [u8]) -> Result<Self, Fault> {
        let mut time = None;
        let mut signatures = Vec::with_capacity(1);
        for part in value.split(|b| *b == b',') {
            let equals = part.iter().position(|b| *b == b'=').ok_or("has a part without a =")?;
            match (&part[..equals], &part[equals + 1..]) {
                (b"t", _) if time.is_some() => return Err("has its t twice"),
                (b"t", text) => time = Some((text, seconds(text)?)),
                (b"v1", text) => signatures.push(from_hex(text)?),
                _ => {}
            }
        }
        let (seconds_text, seconds) = time.ok_or("has no t")?;
        some(signatures).map(|signatures| Self { seconds_text, seconds, signatures })
    }
}

/// `v1,<base64>`, any number of them with one space between. Other versions are passed over: `v1a` is of a public key.
pub(super) fn standard_webhooks_signatures(value: &[u8]) -> Result<Vec<Signature>, Fault> {
    let mut signatures = Vec::with_capacity(1);
    for part in value.split(|b| *b == b' ') {
        let comma = part.iter().position(|b| *b == b',').ok_or("has a part without a comma")?;
        if part[..comma] == *b"v1" {
            signatures.push(from_base64(&part[comma + 1..])?);
        }
    }
    some(signatures)
}

fn some(signatures: Vec<Signature>) -> Result<Vec<Signature>, Fault> {
    if signatures.is_empty() { Err("has no v1") } else { Ok(signatures) }
}

fn from_hex(text: &[u8]) -> Result<Signature, Fault> {
    let mut signature = Signature::default();
    match base16ct::lower::decode(text, &mut signature) {
        Ok(bytes) if bytes.len() == size_of::<Signature>() => Ok(signature),
        _ => Err("has a v1 that is not 64 lower-case hexadecimal digits"),
    }
}

fn from_base64(text: &[u8]) -> Result<Signature, Fault> {
    const FAULT: Fault = "has a v1 that is not 32 bytes in base64";
    /// Of 32 bytes, with padding.
    const LEN: usize = 44;
    if text.len() != LEN {
        return Err(FAULT);
    }
    // The decoder wants room for three bytes of every four characters.
    let mut bytes = [0; LEN / 4 * 3];
    match BASE64_STANDARD.decode_slice(text, &mut bytes) {
        Ok(32) => bytes[..32].try_into().map_err(|_| FAULT),
        _ => Err(FAULT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_accepted_and_refused() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1", Some(1)),
            ("1649367553", Some(1_649_367_553)),
            ("999999999999", Some(999_999_999_999)),
            ("1000000000000", None),
            ("9223372036854775808", None),
            ("-9223372036854775808", None),
            ("99999999999999999999999999", None),
            ("", None),
            ("01", None),
            ("00", None),
            ("-1", None),
            ("+1", None),
            (" 1", None),
            ("1 ", None),
            ("1.0", None),
            ("1e9", None),
            ("0x10", None),
            ("1_000", None),
            ("NaN", None),
            ("Infinity", None),
            ("abc", None),
            ("１６", None),
            ("1649367553\0", None),
        ] {
            assert_eq!(seconds(text.as_bytes()).ok(), expected, "{text:?}");
        }
        assert!(seconds(b"16\xff").is_err());
    }

    #[test]
    fn jambonz_accepted_and_refused() {
        let a = "a1".repeat(32);
        let b = "0f".repeat(32);
        for (text, expected) in [
            (format!("t=7,v1={a}"), Ok(1)),
            (format!("v1={a},t=7"), Ok(1)),
            (format!("t=7,v1={a},v1={b}"), Ok(2)),
            (format!("t=7,v1={a},v1={a}"), Ok(2)),
            (format!("t=7,v0=x,v1={a},v2==="), Ok(1)),
            (format!("t=7,T=8,v1={a}"), Ok(1)),
            (format!("t=7,t=7,v1={a}"), Err("has its t twice")),
            (format!("t=7,v1={a},t=8"), Err("has its t twice")),
            (format!("v1={a}"), Err("has no t")),
            ("t=7".into(), Err("has no v1")),
            (format!("t=7, v1={a}"), Err("has no v1")),
            (format!("t=,v1={a}"), Err("has a time that is not whole seconds since 1970")),
            (format!("t=7,v1={a},"), Err("has a part without a =")),
            (String::new(), Err("has a part without a =")),
            (format!("t=7,v1={}", &a[1..]), Err("has a v1 that is not 64 lower-case hexadecimal digits")),
            (format!("t=7,v1={a}00"), Err("has a v1 that is not 64 lower-case hexadecimal digits")),
            (format!("t=7,v1={}", &a[..62]), Err("has a v1 that is not 64 lower-case hexadecimal digits")),
            (
                format!("t=7,v1={}", a.to_uppercase()),
                Err("has a v1 that is not 64 lower-case hexadecimal digits"),
            ),
            (format!("t=7,v1={a},v1="), Err("has a v1 that is not 64 lower-case hexadecimal digits")),
        ] {
            let got = JambonzSignature::read(text.as_bytes()).map(|header| header.signatures.len());
            assert_eq!(got, expected, "{text:?}");
        }
    }

    #[test]
    fn standard_webhooks_accepted_and_refused() {
        const FAULT: Fault = "has a v1 that is not 32 bytes in base64";
        let a = "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        for (text, expected) in [
            (format!("v1,{a}"), Ok(1)),
            (format!("v1,{a} v1,{a}"), Ok(2)),
            (format!("v1a,x v1,{a} v2,"), Ok(1)),
            (String::new(), Err("has a part without a comma")),
            (format!("v1,{a} "), Err("has a part without a comma")),
            (format!("v1,{a}  v1,{a}"), Err("has a part without a comma")),
            ("v1".into(), Err("has a part without a comma")),
            ("v1a,x".into(), Err("has no v1")),
            (format!("V1,{a}"), Err("has no v1")),
            ("v1,".into(), Err(FAULT)),
            (format!("v1,{}", &a[..43]), Err(FAULT)),
            (format!("v1,{}", a.replace('/', "_")), Err(FAULT)),
            // The last character of a canonical one has two bits that are zero.
            (format!("v1,{}F=", &a[..42]), Err(FAULT)),
            (format!("v1,{}==", &a[..42]), Err(FAULT)),
            (format!("v1,{}A", &a[..43]), Err(FAULT)),
            (format!("v1,{a},"), Err(FAULT)),
        ] {
            let got = standard_webhooks_signatures(text.as_bytes()).map(|signatures| signatures.len());
            assert_eq!(got, expected, "{text:?}");
        }
    }
}

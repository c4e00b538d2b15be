use super::*;
use crate::model::timestamp::Timestamp;
use crate::webhooks::digest::{NonceCounts, ReplayError};
use proptest::prelude::*;
use std::time::Duration;

const MUFASA: &str = r#"Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41""#;

fn parse(text: &str) -> Result<DigestCredentials, DigestCredentialsError> {
    DigestCredentials::parse(text.as_bytes())
}

/// The examples of RFC 2617 section 3.5 and RFC 7616 section 3.9.1; the others were computed with Python's hashlib.
#[test]
fn published_vectors() {
    let common = r#"username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#;
    for (header, realm, method, password, ha1) in [
        (MUFASA.to_owned(), "testrealm@host.com", "GET", "Circle Of Life", "939e7578ed9e3c518a452acee763bce9"),
        (
            format!(r#"Digest {common}, algorithm=MD5, response="8ca523f5e9506fed4657c9700eebdbec""#),
            "http-auth@example.org",
            "GET",
            "Circle of Life",
            "3d78807defe7de2157e2b0b6573a855f",
        ),
        (
            format!(
                r#"Digest {common}, algorithm=SHA-256, response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1""#
            ),
            "http-auth@example.org",
            "GET",
            "Circle of Life",
            "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232",
        ),
        (
            r#"Digest username="jané", realm="acme.example", nonce="n", uri="sip:acme.example", response="RFC2069_MD5""#
                .replace("RFC2069_MD5", RFC2069_MD5),
            "ACME.example",
            "REGISTER",
            "pão",
            RFC2069_HA1,
        ),
    ] {
        let credentials = parse(&header).unwrap();
        let algorithm = credentials.algorithm();
        let kept = DigestPassword::from_ha1(algorithm, ha1).unwrap();
        assert_eq!(
            DigestPassword::ha1_of(algorithm, credentials.username(), credentials.realm(), password),
            ha1
        );
        for password in [DigestPassword::clear(password), kept] {
            assert!(credentials.check(realm, &password, method).is_ok(), "{header}");
            assert_eq!(credentials.check(realm, &password, "PUT").err(), Some(DigestError::WrongPassword));
            assert_eq!(credentials.check("other.example", &password, method).err(), Some(DigestError::Realm));
        }
        let wrong = DigestPassword::clear(&format!("{password} "));
        assert_eq!(credentials.check(realm, &wrong, method).err(), Some(DigestError::WrongPassword));
        let other = [DigestAlgorithm::Md5, DigestAlgorithm::Sha256].into_iter().find(|a| *a != algorithm).unwrap();
        let other = DigestPassword::from_ha1(other, &"0".repeat(2 * other.len())).unwrap();
        assert_eq!(credentials.check(realm, &other, method).err(), Some(DigestError::Algorithm { algorithm }));
    }
}

const RFC2069_MD5: &str = "dbcd1ebfd60c68f27e115d0d4dc7582e";
const RFC2069_HA1: &str = "319c67d5979b34be14c6eab02cdf34da";

#[test]
fn headers_accepted_and_refused() {
    use DigestCredentialsError as E;
    let missing = |parameter| Err(E::Missing { parameter });
    let malformed = |parameter, reason| Err(E::Malformed { parameter, reason });
    let no_digest = || malformed("response", "is not a digest of the algorithm in hexadecimal");
    let no_count = || malformed("nc", "is not a count from 1 in eight hexadecimal digits");
    let swap = |from: &str, to: &str| {
        assert!(MUFASA.contains(from), "{from}");
        MUFASA.replace(from, to)
    };
    for (header, expected) in [
        (MUFASA.to_owned(), Ok(())),
        (MUFASA.to_uppercase().replace("QOP=AUTH", "QOP=auth"), Ok(())),
        (format!("  {MUFASA} \t"), Ok(())),
        (swap(", ", ","), Ok(())),
        (swap(", ", " \r\n\t, "), Ok(())),
        (swap("=", " = "), Ok(())),
        (swap("qop=auth", "qop=\"auth\""), Ok(())),
        (swap("nc=00000001", "nc=\"0000000A\""), Ok(())),
        (swap("\"Mufasa\"", "Mufasa"), Ok(())),
        (swap("\"Mufasa\"", r#""Mu\"fa\\sa, = \é""#), Ok(())),
        (swap("qop=auth", "qop=\"\""), Ok(())),
        (swap("qop=auth, ", ""), Ok(())),
        (swap("opaque", "algorithm=md5, x-new=\"y\", opaque"), Ok(())),
        (swap("opaque", "opaque=\"x\", opaque"), Ok(())),
        (swap("opaque", "userhash=false, opaque"), Ok(())),
        (swap("realm=\"testrealm@host.com\"", "realm=\"\""), Ok(())),
        (String::new(), Err(E::Form { position: 0 })),
        ("Digest".into(), Err(E::Form { position: 0 })),
        ("Digest ".into(), Err(E::Form { position: 7 })),
        ("Basic amFuZTpodW50ZXIy".into(), Err(E::Form { position: 0 })),
        (swap("Digest ", "Digest,"), Err(E::Form { position: 0 })),
        (swap("Digest ", "Digest , "), Err(E::Form { position: 7 })),
        (format!("{MUFASA},"), Err(E::Form { position: MUFASA.len() + 1 })),
        (format!("{MUFASA}, x"), Err(E::Form { position: MUFASA.len() + 3 })),
        (format!("{MUFASA} x=1"), Err(E::Form { position: MUFASA.len() + 1 })),
        (format!("{MUFASA}, x=\"1"), Err(E::Form { position: MUFASA.len() + 6 })),
        (format!("{MUFASA}, x=\"1\\"), Err(E::Form { position: MUFASA.len() + 7 })),
        (format!("{MUFASA}, x="), Err(E::Form { position: MUFASA.len() + 4 })),
        (swap("uri=\"/dir/index.html\"", "uri=/dir"), Err(E::Form { position: 102 })),
        (swap("username=\"Mufasa\", ", ""), missing("username")),
        (swap("realm=\"testrealm@host.com\", ", ""), missing("realm")),
        (swap("nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", ", ""), missing("nonce")),
        (swap("uri=\"/dir/index.html\", ", ""), missing("uri")),
        (swap("response=\"6629fae49393a05397450978507c4ef1\", ", ""), missing("response")),
        (swap("nc=00000001, ", ""), missing("nc")),
        (swap("cnonce=\"0a4f113b\", ", ""), missing("cnonce")),
        (swap("opaque", "Username=\"x\", opaque"), Err(E::Duplicate { parameter: "username" })),
        (swap("opaque", "response=\"x\", opaque"), Err(E::Duplicate { parameter: "response" })),
        (swap("opaque", "nc=00000001, opaque"), Err(E::Duplicate { parameter: "nc" })),
        (swap("Mufasa", ""), malformed("username", "is empty")),
        (swap("dcd98b71", "dcd98b7:"), malformed("nonce", "has a colon")),
        (swap("0a4f113b", "0a:4f"), Ok(())),
        (swap("6629fae49393a05397450978507c4ef1", "6629fae49393a05397450978507c4ef"), no_digest()),
        (swap("6629fae49393a05397450978507c4ef1", "6629fae49393a05397450978507c4efg"), no_digest()),
        (swap("6629fae49393a05397450978507c4ef1", "6629fae49393a05397450978507c4ef11"), no_digest()),
        (swap("opaque", "algorithm=SHA-256, opaque"), no_digest()),
        (swap("nc=00000001", "nc=1"), no_count()),
        (swap("nc=00000001", "nc=00000000"), no_count()),
        (swap("nc=00000001", "nc=+0000001"), no_count()),
        (swap("nc=00000001", "nc=0000000g"), no_count()),
        (swap("nc=00000001", "nc=000000001"), no_count()),
        (swap("qop=auth", "qop=auth-int"), Err(E::Unsupported { parameter: "qop" })),
        (swap("qop=auth", "qop=AUTH"), Err(E::Unsupported { parameter: "qop" })),
        (swap("opaque", "algorithm=MD5-sess, opaque"), Err(E::Unsupported { parameter: "algorithm" })),
        (swap("opaque", "algorithm=SHA-512-256, opaque"), Err(E::Unsupported { parameter: "algorithm" })),
        (swap("opaque", "userhash=true, opaque"), Err(E::Unsupported { parameter: "userhash" })),
        (
            swap("username=\"Mufasa\"", "username*=\"UTF-8''J\""),
            Err(E::Unsupported { parameter: "username*" }),
        ),
    ] {
        assert_eq!(parse(&header).map(|_| ()), expected, "{header}");
    }
    let latin_1 = MUFASA.replace("Mufasa", "J\u{1}").replace('\u{1}', "?").into_bytes();
    let latin_1: Vec<u8> = latin_1.into_iter().map(|byte| if byte == b'?' { 0xe9 } else { byte }).collect();
    assert_eq!(DigestCredentials::parse(&latin_1).map(|_| ()), malformed("username", "is not UTF-8"));
}

#[test]
fn what_is_quoted_is_taken_as_it_is_meant() {
    for (written, meant) in [
        (r#""a,b""#, "a,b"),
        (r#""a\"b""#, "a\"b"),
        (r#""a\\b""#, "a\\b"),
        (r#""a\b""#, "ab"),
        (r#"" a = b ""#, " a = b "),
        ("token!", "token!"),
        (r#""jané""#, "jané"),
    ] {
        let credentials = parse(&MUFASA.replace("\"Mufasa\"", written)).unwrap();
        assert_eq!(credentials.username(), meant, "{written}");
    }
}

#[test]
fn of_a_registration_request() {
    use DigestCredentialsError as E;
    let with = |change: fn(&mut RegistrationRequest)| {
        let mut request = RegistrationRequest::new(
            "Mufasa",
            "testrealm@host.com",
            "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            "/dir/index.html",
            "6629fae49393a05397450978507c4ef1",
        );
        (request.qop, request.nc, request.cnonce) =
            (Some("auth".into()), Some("00000001".into()), Some("0a4f113b".into()));
        change(&mut request);
        DigestCredentials::of(&request)
    };
    assert_eq!(with(|_| {}), parse(MUFASA));
    assert_eq!(with(|r| r.algorithm.clear()), parse(MUFASA));
    assert_eq!(with(|r| r.scheme = "Digest".into()), parse(MUFASA));
    for (change, expected) in [
        (
            (|r| r.scheme = "basic".into()) as fn(&mut RegistrationRequest),
            E::Unsupported { parameter: "scheme" },
        ),
        (|r| r.nc = None, E::Missing { parameter: "nc" }),
        (|r| r.qop = Some("auth-int".into()), E::Unsupported { parameter: "qop" }),
        (|r| r.username.clear(), E::Malformed { parameter: "username", reason: "is empty" }),
        (
            |r| r.response = "x".into(),
            E::Malformed { parameter: "response", reason: "is not a digest of the algorithm in hexadecimal" },
        ),
    ] {
        assert_eq!(with(change), Err(expected));
    }
}

/// Every field that the digest covers.
#[test]
fn what_was_changed_is_refused() {
    let password = DigestPassword::clear("Circle Of Life");
    for (from, to) in [
        ("Mufasa", "Simba"),
        ("dcd98b", "dcd98c"),
        ("/dir/index.html", "/dir/index.htm"),
        ("nc=00000001", "nc=00000002"),
        ("0a4f113b", "0a4f113c"),
        ("qop=auth, ", ""),
        ("6629fae4", "6629fae5"),
    ] {
        let credentials = parse(&MUFASA.replace(from, to)).unwrap();
        let got = credentials.check("testrealm@host.com", &password, "GET");
        assert_eq!(got.err(), Some(DigestError::WrongPassword), "{from}");
    }
}

/// Credentials that are right, of this user, nonce and count.
fn answer(username: &str, nonce: &str, nc: Option<u32>, password: &str) -> DigestCredentials {
    let algorithm = DigestAlgorithm::Sha256;
    let mut credentials = DigestCredentials {
        username: username.into(),
        realm: "acme.example".into(),
        nonce: nonce.into(),
        uri: "sip:acme.example".into(),
        algorithm,
        response: algorithm.digest(&[]),
        auth: nc.map(|count| Auth { nc: format!("{count:08x}"), count, cnonce: "c".into() }),
    };
    let ha1 = DigestPassword::ha1_of(algorithm, username, "acme.example", password);
    let ha2 = algorithm.digest(&[b"REGISTER", b"sip:acme.example"]).hex();
    let text = match &credentials.auth {
        Some(auth) => format!("{ha1}:{nonce}:{}:c:auth:{}", auth.nc, *ha2),
        None => format!("{ha1}:{nonce}:{}", *ha2),
    };
    credentials.response = algorithm.digest(&[text.as_bytes()]);
    credentials
}

#[test]
fn replays_are_told() {
    const SECOND: i64 = 1000;
    let password = DigestPassword::clear("secret");
    let mut seen = NonceCounts::new(3, Duration::from_secs(10));
    for (what, username, nonce, nc, at, expected) in [
        ("the first", "jane", "a", Some(1), 0, Ok(())),
        ("once more", "jane", "a", Some(1), 0, Err(ReplayError)),
        ("the next", "jane", "a", Some(2), 1, Ok(())),
        ("with a gap", "jane", "a", Some(9), 1, Ok(())),
        ("overtaken", "jane", "a", Some(8), 1, Err(ReplayError)),
        ("another nonce", "jane", "b", Some(1), 2, Ok(())),
        ("somebody else's", "bob", "a", Some(1), 2, Ok(())),
        ("the clock stepped back", "jane", "a", Some(9), 0, Err(ReplayError)),
        ("one too many, so that the oldest goes", "jane", "c", None, 3, Ok(())),
        ("a nonce without a count, once more", "jane", "c", None, 3, Err(ReplayError)),
        ("and with one", "jane", "c", Some(1), 3, Err(ReplayError)),
        ("still known", "jane", "b", Some(1), 12, Err(ReplayError)),
        ("forgotten", "jane", "b", Some(1), 13, Ok(())),
    ] {
        let credentials = answer(username, nonce, nc, "secret");
        let checked = credentials.check("acme.example", &password, "REGISTER").unwrap();
        assert_eq!(seen.admit(&checked, Timestamp::from_millis(at * SECOND)), expected, "{what}");
        assert!(seen.len() <= 3 && !seen.is_empty());
    }
}

/// Of a recorded request with a count, the middle of what is hashed could once be shown as the nonce of one without: the
/// digest is the same, and the nonce a new one.
#[test]
fn no_replay_passes_for_other_credentials() {
    let stripped = MUFASA
        .replace("b0c093\"", "b0c093:00000001:0a4f113b:auth\"")
        .replace("qop=auth, nc=00000001, cnonce=\"0a4f113b\", ", "");
    let colon = DigestCredentialsError::Malformed { parameter: "nonce", reason: "has a colon" };
    assert_eq!(parse(&stripped), Err(colon));
}

/// Where the digest of name, realm and password is kept, how the name is written proves nothing; who looks devices up
/// without regard to case must not take each way of writing it for another device.
#[test]
fn a_replay_under_another_spelling_of_the_name_is_told() {
    let kept = DigestPassword::from_ha1(DigestAlgorithm::Md5, "939e7578ed9e3c518a452acee763bce9").unwrap();
    let mut seen = NonceCounts::new(10, Duration::from_secs(10));
    let mut admit = |header: &str| {
        let credentials = parse(header).unwrap();
        let checked = credentials.check("testrealm@host.com", &kept, "GET").unwrap();
        seen.admit(&checked, Timestamp::default())
    };
    assert_eq!(admit(MUFASA), Ok(()));
    assert_eq!(admit(&MUFASA.replace("Mufasa", "MUFASA")), Err(ReplayError));
    assert_eq!(admit(&MUFASA.replace("testrealm", "TESTREALM")), Err(ReplayError));
}

#[test]
fn nothing_secret_is_printed() {
    let credentials = parse(MUFASA).unwrap();
    let password = DigestPassword::clear("hunter2");
    let kept = DigestPassword::from_ha1(DigestAlgorithm::Md5, "939e7578ed9e3c518a452acee763bce9").unwrap();
    let checked = credentials.check("testrealm@host.com", &kept, "GET");
    assert!(checked.is_ok());
    let printed = format!("{credentials:?} {password:?} {kept:?} {checked:?}");
    assert!(
        !printed.contains("6629fae4") && !printed.contains("hunter2") && !printed.contains("939e"),
        "{printed}"
    );
    assert_eq!(
        DigestPassword::from_ha1(DigestAlgorithm::Sha256, "hunter2").unwrap_err().to_string(),
        "must have 64 hexadecimal digits"
    );
}

#[test]
fn very_long_headers_are_read_in_one_go() {
    for header in [
        format!("Digest {}", "x=\"y\", ".repeat(9_000)),
        format!("Digest x=\"{}", "\\\"".repeat(32_000)),
        format!("Digest{}", " ".repeat(65_000)),
        format!("Digest {}", "=".repeat(65_000)),
        format!("{}, x=\"{}\"", MUFASA, "\\\\".repeat(32_000)),
        "D".repeat(65_536),
    ] {
        let accepted = header.starts_with(MUFASA);
        assert_eq!(parse(&header).is_ok(), accepted);
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        texts in proptest::collection::vec("[^:]{1,20}", 4),
        realm in "[a-z.]{0,9}",
        nc in proptest::option::of(1_u32..),
        password in ".{0,12}",
    ) {
        let algorithm = DigestAlgorithm::Md5;
        let ha1 = DigestPassword::ha1_of(algorithm, &texts[0], &realm, &password);
        let ha2 = algorithm.digest(&[b"INVITE", texts[2].as_bytes()]).hex();
        let (tail, input) = match nc {
            Some(nc) => (
                format!(", qop=auth, nc={nc:08x}, cnonce={}", quoted(&texts[3])),
                format!("{ha1}:{}:{nc:08x}:{}:auth:{}", texts[1], texts[3], *ha2),
            ),
            None => (String::new(), format!("{ha1}:{}:{}", texts[1], *ha2)),
        };
        let response = algorithm.digest(&[input.as_bytes()]).hex();
        let header = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{}\"{tail}",
            quoted(&texts[0]), quoted(&realm), quoted(&texts[1]), quoted(&texts[2]), *response,
        );
        let credentials = parse(&header).unwrap();
        prop_assert_eq!((credentials.username(), credentials.nonce()), (&*texts[0], &*texts[1]));
        prop_assert!(credentials.check(&realm, &DigestPassword::clear(&password), "INVITE").is_ok());
        let other = DigestPassword::clear(&format!("{password}x"));
        prop_assert!(credentials.check(&realm, &other, "INVITE").is_err());
    }

    #[test]
    fn no_header_panics_or_is_accepted(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        text in "Digest (username|realm|nonce|uri|response|qop|nc|cnonce)=(\"[a-z\\\\\"]{0,4}\"|[0-9a-f]{0,33}|auth)(, (username|realm|nonce|uri|response|qop|nc|cnonce)=(\"[a-z\\\\\"]{0,4}\"|[0-9a-f]{32}|auth)){0,9}",
    ) {
        for header in [&bytes, text.as_bytes()] {
            if let Ok(credentials) = DigestCredentials::parse(header) {
                let realm = credentials.realm().to_owned();
                prop_assert!(credentials.check(&realm, &DigestPassword::clear("secret"), "REGISTER").is_err());
            }
        }
    }
}

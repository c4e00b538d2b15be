//! Any bytes as the header of digest credentials: `just fuzz digest_header`.

#![no_main]

use gateway_accounts::Timestamp;
use gateway_accounts::webhooks::{DigestCredentials, DigestPassword, NonceCounts, RegistrationRequest};
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

fuzz_target!(|bytes: &[u8]| {
    let with_scheme = [b"Digest ", bytes].concat();
    for value in [bytes, &with_scheme] {
        let Ok(credentials) = DigestCredentials::parse(value) else { continue };
        let (username, realm) = (credentials.username(), credentials.realm());
        assert!(!username.is_empty() && !credentials.nonce().is_empty() && !credentials.uri().is_empty());
        assert_ne!(credentials.nonce_count(), Some(0));

        // Nobody has the password.
        for method in ["REGISTER", "INVITE"] {
            assert!(credentials.check(realm, &DigestPassword::clear("hunter2"), method).is_err());
        }
        // Written anew, with the digest that the password makes, it reads, means the same, and is right once.
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let algorithm = credentials.algorithm();
        let hash = |parts: &[&str]| {
            let [first, second, rest @ ..] = parts else { unreachable!() };
            DigestPassword::ha1_of(algorithm, first, second, &rest.join(":"))
        };
        let (uri, nonce) = (credentials.uri(), credentials.nonce());
        let nc = credentials.nonce_count().map_or(1, |count| count);
        let ha1 = hash(&[username, realm, "hunter2"]);
        let ha2 = match uri.split_once(':') {
            Some((scheme, rest)) => hash(&["REGISTER", scheme, rest]),
            None => continue,
        };
        let response = hash(&[&ha1, nonce, &format!("{nc:08x}"), "c", "auth", &ha2]);
        let anew = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\", algorithm={algorithm}, qop=auth, \
             nc={nc:08x}, cnonce=\"c\"",
            quoted(username),
            quoted(realm),
            quoted(nonce),
            quoted(uri)
        );
        let again = DigestCredentials::parse(anew.as_bytes()).expect("it is written by the rules");
        assert_eq!(
            (again.username(), again.realm(), again.nonce(), again.uri()),
            (username, realm, nonce, uri)
        );
        let password = DigestPassword::clear("hunter2");
        let checked = again.check(realm, &password, "REGISTER").expect("it is right");
        let mut seen = NonceCounts::new(1, Duration::from_secs(1));
        assert!(seen.admit(&checked, Timestamp::default()).is_ok());
        assert!(seen.admit(&checked, Timestamp::default()).is_err());
    }
    if let Ok(request) = RegistrationRequest::parse(bytes) {
        let text = serde_json::to_vec(&request).expect("it is JSON");
        assert_eq!(RegistrationRequest::parse(&text).expect("it was written"), request);
        let _ = DigestCredentials::of(&request);
    }
});

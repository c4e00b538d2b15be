//! Any bytes, read as an API key: `just fuzz token`.

#![no_main]

use gateway_accounts::{KeyToken, ParsedToken, TokenError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = str::from_utf8(bytes) else { return };
    match ParsedToken::parse(text) {
        Ok(token) => {
            assert!(token.id().as_str().bytes().all(|byte| byte.is_ascii_alphanumeric()));
            assert!(!token.secret().is_empty());
            match KeyToken::imported(text) {
                Ok(imported) => assert_eq!((imported.id(), imported.reveal()), (token.id(), token.secret())),
                Err(_) => assert_eq!(text.len(), KeyToken::LEN),
            }
        }
        Err(TokenError::Truncated) => {
            assert!(text.len() < KeyToken::LEN && text.starts_with(KeyToken::PREFIX));
        }
        Err(TokenError::Mistyped) => {
            let start = &text.as_bytes()[..KeyToken::PREFIX.len()];
            assert!(start.eq_ignore_ascii_case(KeyToken::PREFIX.as_bytes()));
        }
        Err(_) => assert!(!text.starts_with(KeyToken::PREFIX)),
    }
});

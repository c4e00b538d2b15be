use super::world::{World, other, tiny};
use super::*;
use crate::keys::token::{KeyToken, TokenError};
use crate::model::timestamp::Timestamp;
use crate::random::SeededRandom;
use futures_lite::future::{block_on, poll_once};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Both kinds of stores.
fn worlds() -> [World; 2] {
    [World::new(true), World::new(false)]
}

#[track_caller]
fn assert_refused(answer: Result<Authenticated, AuthError>, code: &str) {
    match answer {
        Ok(known) => panic!("let in: {known:?}"),
        Err(error) => assert_eq!(error.code(), code),
    }
}

#[test]
fn who_shows_a_key_acts_for_its_owner() {
    for world in worlds() {
        let token = world.key();
        for _ in 0..2 {
            let known = world.show(token.reveal()).unwrap();
            assert_eq!(known.actor().scope(), Scope::Account(World::sid()));
            assert_eq!(known.actor().subject().as_str(), format!("key:{}", token.id()));
            assert_eq!(known.key_id(), token.id());
            assert_eq!(known.key(), &world.stored(&token));
            assert_eq!(known.account().unwrap().sid(), World::sid());
        }
        let token = KeyToken::generate(&world.random).unwrap();
        world.add(&token, Scope::Admin, tiny());
        let known = world.show(token.reveal()).unwrap();
        assert_eq!((known.actor().scope(), known.account()), (Scope::Admin, None));
    }
}

#[test]
fn an_imported_key_in_any_case() {
    for world in worlds() {
        let token = KeyToken::imported("38700987-c7a4-4685-a5bb-af378f9734de").unwrap();
        world.add(&token, Scope::Account(World::sid()), tiny());
        let (answer, jobs) = world.show_counting(&token.reveal().to_uppercase());
        assert_eq!((answer.unwrap().key_id(), jobs.len()), (token.id(), 1));
        // It is recognized in lower case, too.
        let (answer, jobs) = world.show_counting(token.reveal());
        assert_eq!((answer.unwrap().key_id(), jobs.len()), (token.id(), 0));
        assert_refused(world.show("38700987-c7a4-4685-a5bb-af378f9734df"), "unknown");
    }
}

/// The same id, another secret, a right checksum.
fn same_id_other_secret(world: &World, token: &KeyToken) -> String {
    let other = KeyToken::generate(&world.random).unwrap();
    let text = format!("{}{}", &token.reveal()[..21], &other.reveal()[21..54]);
    let mut sum = u128::from(crc32fast::hash(text.as_bytes()));
    let mut digits = Vec::new();
    for _ in 0..6 {
        digits.push(char::from(
            b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[(sum % 62) as usize],
        ));
        sum /= 62;
    }
    text + &digits.iter().rev().collect::<String>()
}

#[test]
fn bad_texts_are_refused_before_anything_is_hashed() {
    for world in worlds() {
        let token = world.key();
        for (text, error) in [
            ("", TokenError::NotAKey),
            ("Bearer x", TokenError::NotAKey),
            (&token.reveal()[..59], TokenError::Truncated),
            (&token.reveal().to_lowercase(), TokenError::Mistyped),
            (&format!("gak_{}", "x".repeat(1 << 20)), TokenError::Mistyped),
        ] {
            let (answer, jobs) = world.show_counting(text);
            assert!(matches!(answer, Err(AuthError::Malformed(found)) if found == error));
            assert!(jobs.is_empty());
            assert!(world.authenticator.authenticate_cached(text).unwrap().is_err());
        }
    }
}

#[test]
fn an_unknown_id_costs_as_many_hashes_as_a_wrong_secret() {
    for world in worlds() {
        let token = world.key();
        let (answer, jobs) = world.show_counting(&same_id_other_secret(&world, &token));
        assert_refused(answer, "wrong_secret");
        assert_eq!(jobs, [For::Key(token.id())]);
        let (answer, jobs) = world.show_counting(KeyToken::generate(&world.random).unwrap().reveal());
        assert_refused(answer, "unknown");
        assert_eq!(jobs, [For::Nobody]);
        let (answer, jobs) = world.show_counting(token.reveal());
        assert!(answer.is_ok());
        assert_eq!(jobs, [For::Key(token.id())]);
    }
}

/// Each time from both: what is recognized, and what is not yet.
#[test]
fn what_is_committed_decides_at_once() {
    for live in [true, false] {
        for recognized in [true, false] {
            type Change = fn(&World, &KeyToken);
            let changes: [(&str, Change, Option<Change>); 5] = [
                ("unknown", |world, token| world.revoke(token), None),
                ("unknown", |world, _| world.delete_account(), None),
                (
                    "disabled",
                    |world, token| world.disable(token, true),
                    Some(|world, token| world.disable(token, false)),
                ),
                ("suspended", |world, _| world.suspend(), Some(|world, _| world.resume())),
                (
                    "expired",
                    |world, _| world.expire(),
                    Some(|world, _| world.clock.set(Timestamp::from_millis(1_800_000_000_001))),
                ),
            ];
            for (code, change, back) in changes {
                let world = World::new(live);
                let token = world.key();
                if recognized {
                    world.show(token.reveal()).unwrap();
                }
                change(&world, &token);
                let (answer, jobs) = world.show_counting(token.reveal());
                assert_refused(answer, code);
                // Who has shown the right secret before is told so without hashing, while the key exists.
                assert_eq!(jobs.len(), usize::from(!recognized || code == "unknown"), "{code}");
                // Who has not, learns nothing of the state.
                let wrong = if code == "unknown" { "unknown" } else { "wrong_secret" };
                assert_refused(world.show(&same_id_other_secret(&world, &token)), wrong);
                if let Some(back) = back {
                    back(&world, &token);
                    assert!(world.show(token.reveal()).is_ok(), "{code}");
                }
            }
        }
    }
}

#[test]
fn it_is_recognized_without_waiting_whatever_else_is_committed() {
    let world = World::new(true);
    let token = world.key();
    assert!(world.authenticator.authenticate_cached(token.reveal()).is_none());
    world.show(token.reveal()).unwrap();
    world.key();
    assert!(world.authenticator.authenticate_cached(token.reveal()).unwrap().is_ok());
    // What changed of it is seen.
    world.commit(Write::Key(KeyWrite::Use { id: token.id(), at: Timestamp::from_millis(7) }));
    let known = world.authenticator.authenticate_cached(token.reveal()).unwrap().unwrap();
    assert_eq!(known.key(), &world.stored(&token));
    // A clone made before is what it was; another authenticator recognizes nothing.
    let another = world.authenticator.clone().with_cache_size(10);
    assert!(another.authenticate_cached(token.reveal()).is_none());
    assert!(World::new(false).authenticator.authenticate_cached(token.reveal()).is_none());
}

#[test]
fn a_key_whose_secret_was_replaced_needs_the_new_one() {
    for world in worlds() {
        let token = world.key();
        world.show(token.reveal()).unwrap();
        world.replace_secret(&token);
        let (answer, jobs) = world.show_counting(token.reveal());
        assert_refused(answer, "wrong_secret");
        assert_eq!(jobs.len(), 1);
    }
}

#[test]
fn a_hash_that_does_not_read_is_an_error_of_its_own() {
    for world in worlds() {
        let token = world.key();
        let hash = crate::model::api_key::KeyHash::parse("$argon2id$v=19$m=4294967295,t=1,p=1$AAAA$AAAA");
        let broken = ApiKey { hash: hash.unwrap(), ..ApiKey::clone(&world.stored(&token)) };
        world.commit(Write::Key(KeyWrite::Replace(Arc::new(broken))));
        let (answer, jobs) = world.show_counting(token.reveal());
        assert_refused(answer, "hash");
        assert!(jobs.is_empty());
    }
}

#[test]
fn all_who_show_the_same_token_share_one_check() {
    for world in worlds() {
        let right = world.key();
        let wrong = same_id_other_secret(&world, &right);
        let nobody = KeyToken::generate(&world.random).unwrap();
        for (token, code) in
            [(right.reveal(), None), (&wrong, Some("wrong_secret")), (nobody.reveal(), Some("unknown"))]
        {
            let mut callers: Vec<_> =
                (0..20).map(|_| Box::pin(world.authenticator.authenticate(token))).collect();
            for _ in 0..10 {
                for caller in &mut callers {
                    assert!(block_on(poll_once(caller.as_mut())).is_none());
                }
            }
            assert_eq!(world.pool.waiting(), 1);
            // Whoever came first does not wait any more; the others still do.
            drop(callers.remove(0));
            world.pool.run_next();
            assert_eq!(world.authenticator.shared.flights.len(), 0);
            for caller in callers {
                match (block_on(caller), code) {
                    (Ok(_), None) => {}
                    (Err(error), Some(code)) => assert_eq!(error.code(), code),
                    (answer, _) => panic!("{answer:?}"),
                }
            }
        }
    }
}

#[test]
fn who_gives_up_leaves_nothing_behind() {
    for world in worlds() {
        let token = world.key();
        for _ in 0..50 {
            let mut caller = Box::pin(world.authenticator.authenticate(token.reveal()));
            (0..10).for_each(|_| assert!(block_on(poll_once(caller.as_mut())).is_none()));
            drop(caller);
            // The place is free when the job's turn comes.
            while world.pool.run_next().is_some() {}
            assert_eq!(world.authenticator.shared.flights.len(), 0);
        }
        assert!(world.show(token.reveal()).is_ok());
    }
}

#[test]
fn who_finds_the_pool_full_is_told_so_and_those_who_are_recognized_are_not_kept_out() {
    for world in worlds() {
        let token = world.key();
        world.show(token.reveal()).unwrap();
        let wrong: Vec<_> = (0..5).map(|_| same_id_other_secret(&world, &token)).collect();
        let mut callers: Vec<_> =
            wrong.iter().map(|wrong| Box::pin(world.authenticator.authenticate(wrong))).collect();
        let answers: Vec<_> = callers
            .iter_mut()
            .map(|caller| (0..10).find_map(|_| block_on(poll_once(caller.as_mut()))))
            .collect();
        assert!(answers[..4].iter().all(Option::is_none));
        let Some(Err(error)) = &answers[4] else { panic!("{answers:?}") };
        assert!(error.is_retryable() && error.code() == "busy");
        assert!(world.show(token.reveal()).is_ok());
        // Made up ids get half of the places, and then no more.
        let made_up: Vec<_> = (0..60).map(|_| KeyToken::generate(&world.random).unwrap()).collect();
        let mut callers: Vec<_> =
            made_up.iter().map(|token| Box::pin(world.authenticator.authenticate(token.reveal()))).collect();
        let busy = callers
            .iter_mut()
            .filter_map(|caller| (0..10).find_map(|_| block_on(poll_once(caller.as_mut()))))
            .filter(|answer| matches!(answer, Err(AuthError::Busy)));
        assert_eq!(busy.count(), 10);
        assert!(world.show(world.key().reveal()).is_ok());
    }
}

#[test]
fn uses_are_written_once_a_minute() {
    for world in worlds() {
        let token = world.key();
        let start = world.clock.now();
        let at = |secs| start.after(Duration::from_secs(secs));
        let use_at = |secs| {
            world.clock.set(at(secs));
            world.show(token.reveal()).unwrap();
        };
        let flush = || {
            block_on(world.authenticator.flush()).unwrap();
            world.stored(&token).last_used
        };
        assert_eq!(flush(), None);
        use_at(1);
        assert_eq!(flush(), Some(at(1)));
        let seq = world.store.live().unwrap().seq();
        for secs in 2..50 {
            use_at(secs);
            assert_eq!(flush(), Some(at(1)));
        }
        assert_eq!(world.store.live().unwrap().seq(), seq, "nothing was committed");
        // No other use is needed for the last one to be written.
        world.clock.set(at(61));
        assert_eq!(flush(), Some(at(49)));
        assert_eq!(world.store.live().unwrap().seq(), seq.next());
        use_at(70);
        block_on(world.authenticator.flush_all()).unwrap();
        assert_eq!(world.stored(&token).last_used, Some(at(70)));
        // A clock that was set back writes nothing older, and does no harm.
        use_at(5);
        block_on(world.authenticator.flush_all()).unwrap();
        assert_eq!(world.stored(&token).last_used, Some(at(70)));
        assert_eq!(world.stored(&token).revision, crate::model::account::Revision::FIRST);
    }
}

#[test]
fn no_use_is_lost_when_it_is_forgotten_or_a_commit_fails_or_is_given_up() {
    for mut world in worlds() {
        world.authenticator = world.authenticator.with_cache_size(1);
        let tokens: Vec<_> = (0..200).map(|_| world.key()).collect();
        for token in &tokens {
            world.clock.advance(Duration::from_millis(1));
            world.show(token.reveal()).unwrap();
        }
        assert!(world.authenticator.shared.recognized.len() < 200);
        world.commits_fail.store(true, Ordering::SeqCst);
        for _ in 0..2 {
            assert!(block_on(world.authenticator.flush()).unwrap_err().is_retryable());
        }
        assert!(world.stored(&tokens[0]).last_used.is_none());
        // One is used again, and then noted twice if it was forgotten.
        world.clock.advance(Duration::from_millis(1));
        world.show(tokens[0].reveal()).unwrap();
        world.commits_fail.store(false, Ordering::SeqCst);
        let mut given_up = pin!(world.authenticator.flush());
        let _ = block_on(poll_once(given_up.as_mut()));
        let seq = world.store.live().unwrap().seq();
        block_on(world.authenticator.flush()).unwrap();
        assert_eq!(world.store.live().unwrap().seq(), seq, "it was one commit");
        let last: Vec<_> = tokens.iter().map(|token| world.stored(token).last_used.unwrap()).collect();
        assert!(last[1..].is_sorted_by(|a, b| a < b));
        assert_eq!(last[0], world.clock.now());
    }
}

#[test]
fn a_key_that_was_revoked_meanwhile_is_no_obstacle() {
    for world in worlds() {
        let (gone, stays) = (world.key(), world.key());
        world.show(gone.reveal()).unwrap();
        world.show(stays.reveal()).unwrap();
        world.revoke(&gone);
        block_on(world.authenticator.flush()).unwrap();
        assert_eq!(world.stored(&stays).last_used, Some(world.clock.now()));
    }
}

#[test]
fn a_hash_with_other_parameters_is_replaced_on_the_next_use() {
    for world in worlds() {
        let token = KeyToken::generate(&world.random).unwrap();
        world.add(&token, Scope::Account(World::sid()), other());
        let old = world.stored(&token);
        world.show(token.reveal()).unwrap();
        assert_eq!(world.pool.run_next(), Some(For::Making));
        // Nobody else has it made again meanwhile.
        world.show(token.reveal()).unwrap();
        assert_eq!(world.pool.run_next(), None);
        world.commits_fail.store(true, Ordering::SeqCst);
        assert!(block_on(world.authenticator.flush()).is_err());
        world.commits_fail.store(false, Ordering::SeqCst);
        block_on(world.authenticator.flush()).unwrap();
        let new = world.stored(&token);
        assert_eq!(StoredHash::parse(&new.hash).unwrap().params, tiny());
        assert_eq!(new.revision, old.revision.next());
        // It opens with the same secret, and there is nothing more to do.
        let (answer, jobs) = world.show_counting(token.reveal());
        assert!(answer.is_ok());
        assert_eq!(jobs, [For::Key(token.id())]);
        assert_eq!(world.pool.run_next(), None);
        block_on(world.authenticator.flush_all()).unwrap();
        assert_eq!(world.stored(&token).revision, new.revision);
    }
}

#[test]
fn a_better_hash_is_not_written_over_another_change_of_the_secret() {
    for world in worlds() {
        let token = KeyToken::generate(&world.random).unwrap();
        world.add(&token, Scope::Account(World::sid()), other());
        world.show(token.reveal()).unwrap();
        world.pool.run_next();
        let others = world.stored(&world.key()).hash.clone();
        let changed = ApiKey { hash: others.clone(), ..ApiKey::clone(&world.stored(&token)) };
        world.commit(Write::Key(KeyWrite::Replace(Arc::new(changed))));
        block_on(world.authenticator.flush_all()).unwrap();
        assert_eq!(world.stored(&token).hash, others);
        // A change of something else is kept.
        let token = KeyToken::generate(&world.random).unwrap();
        world.add(&token, Scope::Account(World::sid()), other());
        world.show(token.reveal()).unwrap();
        world.pool.run_next();
        world.disable(&token, true);
        block_on(world.authenticator.flush_all()).unwrap();
        assert!(world.stored(&token).disabled);
        assert_eq!(StoredHash::parse(&world.stored(&token).hash).unwrap().params, tiny());
    }
}

#[test]
fn a_random_source_that_fails_is_told_and_may_come_back() {
    use crate::random::RandomError;
    use std::sync::Mutex;
    #[derive(Debug)]
    struct Late(Mutex<usize>, SeededRandom);
    impl Random for Late {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
            let mut failures = self.0.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                return Err(RandomError::new("not yet"));
            }
            self.1.fill(bytes)
        }
    }
    let mut world = World::new(true);
    world.authenticator = world.authenticator.with_random(Late(Mutex::new(2), SeededRandom::new(1)));
    let token = world.key();
    assert_refused(world.show(token.reveal()), "random");
    assert_refused(world.show(token.reveal()), "random");
    assert!(world.show(token.reveal()).is_ok());
}

#[test]
fn debug_shows_no_secret() {
    let world = World::new(true);
    let token = world.key();
    let known = world.show(token.reveal()).unwrap();
    let hash = world.stored(&token).hash.reveal().to_owned();
    for shown in [format!("{known:?}"), format!("{:?}", world.authenticator)] {
        assert!(!shown.contains(token.parsed().secret()) && !shown.contains(&hash), "{shown}");
    }
}

/// The measure is what anybody who recognizes tokens has to do: a keyed hash of the token, and a look-up.
#[test]
#[ignore = "measures: run it alone, in release"]
fn how_long_a_recognized_key_takes() {
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::Sha256;
    use std::collections::HashMap;
    use std::hint::black_box;
    use std::time::Instant;
    for keys in [1_000, 10_000] {
        let mut world = World::new(true);
        world.authenticator =
            world.authenticator.with_clock(crate::clock::SystemClock).with_cache_size(2 * keys);
        let tokens: Vec<_> = (0..keys).map(|_| world.key()).collect();
        let keyed = Hmac::<Sha256>::new(&Default::default());
        let digest = |token: &KeyToken| -> [u8; 32] {
            keyed.clone().chain_update(token.reveal()).finalize().into_bytes().into()
        };
        let table: HashMap<[u8; 32], Arc<ApiKey>> =
            tokens.iter().map(|token| (digest(token), world.stored(token))).collect();
        // They do not expire by the system's clock.
        for token in &tokens {
            let key = ApiKey { expires: None, ..ApiKey::clone(&world.stored(token)) };
            world.commit(Write::Key(KeyWrite::Replace(Arc::new(key))));
        }
        for token in &tokens {
            world.show(token.reveal()).unwrap();
        }
        let best = |mut one: Box<dyn FnMut(&KeyToken) + '_>| {
            let mut round = || {
                let start = Instant::now();
                for nth in 0..200_000 {
                    one(&tokens[nth * 7919 % keys]);
                }
                start.elapsed() / 200_000
            };
            (0..7).map(|_| round()).min().unwrap()
        };
        let least = best(Box::new(|token| {
            black_box(table.get(&digest(token)).map(Arc::clone));
        }));
        let ours = best(Box::new(|token| {
            black_box(world.authenticator.authenticate_cached(token.reveal()).unwrap().unwrap());
        }));
        let ratio = ours.as_secs_f64() / least.as_secs_f64();
        println!("{keys} keys: {ours:?}, {ratio:.2} times the {least:?} of a hash and a look-up");
    }
}

#[cfg(feature = "testkit")]
fn no_text_at_random_is_let_in(texts: usize) {
    use crate::keys::token::tests::mutated;
    let seed = crate::testkit::seed::Seed::from_environment();
    let mut numbers = seed.numbers(1);
    let world = World::new(true);
    let tokens =
        [world.key(), world.key(), KeyToken::imported("38700987-c7a4-4685-a5bb-af378f9734de").unwrap()];
    world.add(&tokens[2], Scope::Admin, tiny());
    for token in &tokens {
        world.show(token.reveal()).unwrap();
    }
    for nth in 0..texts {
        let token = &tokens[nth % 3];
        let text = mutated(token.reveal(), &mut numbers);
        if let Ok(known) = world.show(&text) {
            assert_eq!(text.to_lowercase(), token.reveal().to_lowercase());
            assert!(text == token.reveal() || known.key_id() == tokens[2].id(), "{text:?}");
        }
    }
}

#[cfg(feature = "testkit")]
#[test]
fn texts_at_random() {
    no_text_at_random_is_let_in(200_000);
}

#[cfg(feature = "testkit")]
#[test]
#[ignore = "takes minutes without --release; 200,000 of each kind run always"]
fn ten_million_texts_at_random() {
    no_text_at_random_is_let_in(10_000_000);
}

//! Connections that are lost, and servers that can't be reached.

use crate::postgres::{Server, StopMode, Trap, server};
use crate::world::{block_on, connect, create, options};
use gateway_accounts::{
    AccountStore, CommitError, Conflict, Directory, Feed, PostgresStoreOptions, Seq, StoreErrorKind, testkit,
};
use std::time::Duration;
use tokio_postgres::NoTls;

/// The text that only the statement of a commit has.
const COMMIT: &str = "commit_batches";

#[test]
fn a_commit_whose_connection_was_lost_is_made_once() {
    let Some(server) = server() else { return };
    for trap in [Trap::request(), Trap::answer()] {
        let schema = server.fresh_schema();
        let proxy = server.proxy();
        let store = connect(options(&schema), &server.url_at(proxy.address()));
        block_on(store.commit(create(1))).unwrap();
        proxy.set(trap.clone().to(COMMIT));
        let sprung = proxy.sprung();
        let second = block_on(store.commit(create(2))).unwrap();
        assert_eq!(proxy.sprung(), sprung + 1, "{trap:?}");
        assert_eq!(second.seq, Seq::new(2), "{trap:?}");
        assert_eq!(second.events.len(), 1);
        // A second time it would have been a conflict of its own.
        let Feed::Changes(changes) = block_on(store.changes(Seq::START, 10)).unwrap() else {
            panic!("trimmed")
        };
        assert_eq!(changes.len(), 2, "{trap:?}");
        assert_eq!(changes[1], second);
        assert!(matches!(
            block_on(store.commit(create(2))),
            Err(CommitError::Conflict(Conflict::Taken { .. }))
        ));
    }
}

#[test]
fn a_conflict_whose_answer_was_lost_is_told_all_the_same() {
    let Some(server) = server() else { return };
    let (schema, proxy) = (server.fresh_schema(), server.proxy());
    let store = connect(options(&schema), &server.url_at(proxy.address()));
    block_on(store.commit(create(1))).unwrap();
    proxy.set(Trap::answer().to(COMMIT));
    let again = block_on(store.commit(create(1)));
    assert!(matches!(again, Err(CommitError::Conflict(Conflict::Taken { .. }))), "{again:?}");
}

#[test]
fn what_can_not_be_found_out_is_unknown() {
    let Some(server) = server() else { return };
    let (schema, proxy) = (server.fresh_schema(), server.proxy());
    let short = options(&schema)
        .commit_timeout(Duration::from_millis(300))
        .connect_timeout(Duration::from_millis(200));
    let store = connect(short, &server.url_at(proxy.address()));
    block_on(store.commit(create(1))).unwrap();
    // Its answer is lost, and nobody can be asked.
    proxy.set(Trap::answer().to(COMMIT));
    let kind = |outcome: Result<_, CommitError>| match outcome {
        Err(CommitError::Store(error)) => (error.kind(), error.is_retryable()),
        other => panic!("{other:?}"),
    };
    proxy.refuse();
    assert_eq!(kind(block_on(store.commit(create(2))).map(drop)), (StoreErrorKind::Unknown, false));
    // Nothing of this one was sent.
    assert_eq!(kind(block_on(store.commit(create(3))).map(drop)), (StoreErrorKind::Unavailable, true));
    let read = block_on(store.by_sid(testkit::sid(1))).unwrap_err();
    assert_eq!((read.kind(), read.is_retryable()), (StoreErrorKind::Unavailable, true), "{read}");
    // The store goes on.
    proxy.heal();
    let there = block_on(store.by_sid(testkit::sid(2))).unwrap();
    assert!(there.is_some());
    assert_eq!(block_on(store.commit(create(3))).unwrap().seq, Seq::new(3));
}

#[test]
fn a_commit_that_nobody_waits_for_is_made() {
    let Some(server) = server() else { return };
    let (schema, proxy) = (server.fresh_schema(), server.proxy());
    let store = connect(options(&schema), &server.url_at(proxy.address()));
    proxy.set(Trap::answer().to(COMMIT));
    block_on(async {
        let commit = tokio::time::timeout(Duration::ZERO, store.commit(create(1)));
        assert!(commit.await.is_err());
        assert_eq!(store.wait_past(Seq::START).await.unwrap(), Seq::new(1));
    });
}

#[test]
fn a_server_that_was_started_again_is_gone_on_with() {
    let Some(server) = Server::private() else { return };
    let schema = server.fresh_schema();
    let store = connect(options(&schema), &server.url());
    let directory = block_on(Directory::follow(store.clone())).unwrap();
    let mut seq = 0_u64;
    for mode in [StopMode::Fast, StopMode::Immediate] {
        block_on(store.commit(create(seq + 100))).unwrap();
        let waiting = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                (0..20).map(|n| block_on(store.commit(create(seq + n))).map(drop)).collect::<Vec<_>>()
            });
            server.restart(mode);
            waiting.join().unwrap()
        });
        for commit in waiting {
            commit.unwrap();
        }
        seq += 21;
        let Feed::Changes(changes) = block_on(store.changes(Seq::START, 100)).unwrap() else {
            panic!("trimmed")
        };
        assert_eq!(changes.len() as u64, seq, "{mode:?}");
        block_on(directory.wait_past(Seq::new(seq - 1))).unwrap();
    }
    drop(schema);
}

#[test]
fn each_way_not_to_reach_a_server_is_told() {
    let Some(server) = server() else { return };
    let schema = server.fresh_schema();
    let _store = connect(options(&schema), &server.url());
    let nobody = crate::postgres::free_port();
    let config = |change: fn(&mut tokio_postgres::Config)| {
        let mut config: tokio_postgres::Config = server.url().parse().unwrap();
        change(&mut config);
        config
    };
    let proxy = server.proxy();
    proxy.block();
    let silent = server.url_at(proxy.address()).parse().unwrap();
    for (what, config, kind, says) in [
        (
            "no such database",
            config(|c| _ = c.dbname("nowhere")),
            StoreErrorKind::Refused,
            "no such database",
        ),
        (
            "nobody listens",
            format!("postgres://127.0.0.1:{nobody}/postgres?user=postgres").parse().unwrap(),
            StoreErrorKind::Unavailable,
            "connection to the database failed",
        ),
        ("silence", silent, StoreErrorKind::Unavailable, "in time"),
        (
            "no such host",
            "postgres://nowhere.invalid/postgres?user=postgres".parse().unwrap(),
            StoreErrorKind::Unavailable,
            "database",
        ),
    ] {
        let options = options(&schema).connect_timeout(Duration::from_millis(500));
        let error = block_on(options.connect(config, NoTls)).unwrap_err();
        assert_eq!(error.kind(), kind, "{what}: {error}");
        assert!(error.to_string().contains(says), "{what}: {error}");
    }
    // Not within a runtime.
    let outside = testkit::block_on(PostgresStoreOptions::new().connect(Default::default(), NoTls));
    assert_eq!(outside.unwrap_err().kind(), StoreErrorKind::Failed);
}

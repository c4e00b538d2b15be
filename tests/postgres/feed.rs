//! Numbers are given when a transaction commits: nobody who follows the feed passes over a commit that comes late.

use crate::postgres::server;
use crate::world::{block_on, client, connect, create, options};
use gateway_accounts::{AccountStore, Feed, Seq, testkit};
use std::time::Duration;
use tokio_postgres::Client;

/// Whether another transaction keeps this process of the server waiting.
async fn is_waiting(client: &Client, process: i32) -> bool {
    let waits = "SELECT cardinality(pg_blocking_pids($1)) > 0";
    client.query_one(waits, &[&process]).await.unwrap().get(0)
}

/// Two transactions that overlap: the first takes its number, the second begins and wants to commit before the first does. What
/// a follower has read after each step.
async fn follow_overlapping(
    url: &str,
    write: impl AsyncFn(&Client),
    read_after: impl AsyncFn(i64) -> Vec<i64>,
) -> Vec<i64> {
    let (first, second) = (client(url).await, client(url).await);
    let mut seen: Vec<i64> = Vec::new();
    first.batch_execute("BEGIN").await.unwrap();
    write(&first).await;
    let pid: i32 = second.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let writing = async {
        second.batch_execute("BEGIN").await.unwrap();
        write(&second).await;
        second.batch_execute("COMMIT").await.unwrap();
    };
    let watch = client(url).await;
    let mut writing = std::pin::pin!(writing);
    // The second commits, or is seen to wait for the first.
    let is_done = loop {
        tokio::select! {
            () = &mut writing => break true,
            waits = is_waiting(&watch, pid) => {
                if waits {
                    break false;
                }
            }
        }
    };
    seen.extend(read_after(seen.last().copied().unwrap_or(0)).await);
    first.batch_execute("COMMIT").await.unwrap();
    if !is_done {
        tokio::time::timeout(Duration::from_secs(20), writing).await.unwrap();
    }
    seen.extend(read_after(seen.last().copied().unwrap_or(0)).await);
    seen
}

#[test]
fn a_commit_that_comes_late_is_not_passed_over() {
    let Some(server) = server() else { return };
    let schema = server.fresh_schema();
    let store = connect(options(&schema), &server.url());
    let actor = serde_json::to_string(&testkit::admin()).unwrap();
    let commit = format!(
        "SELECT * FROM {}.commit_batches(false, 'x', ARRAY[gen_random_uuid()], ARRAY[0], \
         ARRAY['{actor}'], ARRAY[]::integer[], ARRAY[]::smallint[], ARRAY[]::uuid[], ARRAY[]::text[], \
         ARRAY[]::bigint[], ARRAY[]::bigint[], ARRAY[]::text[], ARRAY[]::text[], ARRAY[]::uuid[], ARRAY[]::text[], \
         ARRAY[]::text[], ARRAY[]::text[], ARRAY[]::text[], ARRAY[]::bigint[], ARRAY[]::bigint[])",
        schema.name()
    );
    let seen = block_on(follow_overlapping(
        &server.url(),
        async |client| {
            client.query(&commit, &[]).await.unwrap();
        },
        async |after| match store.changes(Seq::new(after.unsigned_abs()), 10).await.unwrap() {
            Feed::Changes(changes) => {
                changes.iter().map(|change| i64::try_from(change.seq.get()).unwrap()).collect()
            }
            Feed::Trimmed { .. } => panic!("nothing was trimmed"),
        },
    ));
    assert_eq!(seen, [1, 2]);
    assert_eq!(block_on(store.commit(create(1))).unwrap().seq, Seq::new(3));
}

/// The same steps find out a table that numbers its rows by a sequence.
#[test]
fn a_sequence_would_pass_one_over() {
    let Some(server) = server() else { return };
    let schema = server.fresh_schema();
    let (name, url) = (schema.name(), server.url());
    let seen = block_on(async {
        let reader = client(&url).await;
        let table = format!("CREATE SCHEMA {name}; CREATE TABLE {name}.changes (seq bigserial PRIMARY KEY)");
        reader.batch_execute(&table).await.unwrap();
        follow_overlapping(
            &url,
            async |client| {
                client.batch_execute(&format!("INSERT INTO {name}.changes DEFAULT VALUES")).await.unwrap();
            },
            async |after| {
                let read = format!("SELECT seq FROM {name}.changes WHERE seq > $1 ORDER BY seq");
                reader.query(&read, &[&after]).await.unwrap().iter().map(|row| row.get(0)).collect()
            },
        )
        .await
    });
    assert_eq!(seen, [2], "the first, which came late, was never seen");
}

#[test]
fn the_oldest_commits_are_forgotten_after_ten_minutes() {
    let Some(server) = server() else { return };
    let schema = server.fresh_schema();
    let store = connect(options(&schema).history(5), &server.url());
    block_on(async {
        for n in 0..20 {
            store.commit(create(n)).await.unwrap();
        }
        let client = client(&server.url()).await;
        let trim = format!("SELECT {}.trim_history(5)", schema.name());
        client.batch_execute(&trim).await.unwrap();
        assert!(
            matches!(store.changes(Seq::START, 100).await.unwrap(), Feed::Changes(all) if all.len() == 20)
        );
        // An hour goes by.
        let age = format!("UPDATE {}.changes SET stored = stored - interval '1 hour'", schema.name());
        client.batch_execute(&age).await.unwrap();
        client.batch_execute(&trim).await.unwrap();
        assert_eq!(store.changes(Seq::START, 100).await.unwrap(), Feed::Trimmed { oldest: Seq::new(16) });
        assert!(
            matches!(store.changes(Seq::new(15), 100).await.unwrap(), Feed::Changes(all) if all.len() == 5)
        );
        assert_eq!(store.snapshot().await.unwrap().len(), 20);
    });
}

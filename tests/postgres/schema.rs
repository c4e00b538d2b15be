//! The tables: made once, by whoever has the right, in a schema of their own.

use crate::postgres::server;
use crate::world::{block_on, client, connect, create, options};
use gateway_accounts::{AccountStore, CommitError, PostgresStoreOptions, Seq, StoreErrorKind, testkit};
use tokio_postgres::NoTls;

#[test]
fn however_many_start_together_the_tables_are_made_once() {
    let Some(server) = server() else { return };
    for _ in 0..5 {
        let schema = server.fresh_schema();
        let connected = block_on(async {
            let tasks: Vec<_> = (0..8)
                .map(|_| tokio::spawn(options(&schema).connect(server.url().parse().unwrap(), NoTls)))
                .collect();
            let mut stores = Vec::new();
            for task in tasks {
                stores.push(task.await.unwrap().unwrap());
            }
            stores
        });
        for (n, store) in connected.iter().enumerate() {
            let seq = block_on(store.commit(create(n as u64))).unwrap().seq;
            assert_eq!(seq, Seq::new(n as u64 + 1));
        }
    }
}

#[test]
fn nothing_else_in_the_database_is_touched() {
    let Some(server) = server() else { return };
    let (schema, url) = (server.fresh_schema(), server.url());
    let others = "SELECT nspname::text, relname::text FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace \
                  WHERE nspname = 'public' ORDER BY 1, 2";
    block_on(async {
        let client = client(&url).await;
        let before: Vec<(String, String)> =
            client.query(others, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
        let store = options(&schema).connect(url.parse().unwrap(), NoTls).await.unwrap();
        store.commit(create(1)).await.unwrap();
        let after: Vec<(String, String)> =
            client.query(others, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(after, before);
    });
}

#[test]
fn a_newer_version_and_foreign_tables_are_refused() {
    let Some(server) = server() else { return };
    let url = server.url();
    let kind = |schema: &crate::postgres::Schema| {
        let error = block_on(options(schema).connect(url.parse().unwrap(), NoTls)).unwrap_err();
        (error.kind(), error.to_string())
    };
    let run = |sql: String| block_on(async { client(&url).await.batch_execute(&sql).await.unwrap() });
    let schema = server.fresh_schema();
    drop(connect(options(&schema), &url));
    run(format!("INSERT INTO {}.migrations (version) VALUES (99)", schema.name()));
    let (newer, says) = kind(&schema);
    assert_eq!(newer, StoreErrorKind::NewerVersion);
    assert!(says.contains("99"), "{says}");

    let schema = server.fresh_schema();
    run(format!("CREATE SCHEMA {name}; CREATE TABLE {name}.accounts (id integer)", name = schema.name()));
    let (foreign, says) = kind(&schema);
    assert_eq!(foreign, StoreErrorKind::Foreign, "{says}");
    assert!(says.contains(schema.name()), "{says}");
}

#[test]
fn who_has_not_the_right_makes_no_tables() {
    let Some(server) = server() else { return };
    let (schema, url) = (server.fresh_schema(), server.url());
    let name = schema.name();
    let role = format!("{name}_reader");
    let run = |sql: String| block_on(async { client(&url).await.batch_execute(&sql).await.unwrap() });
    run(format!("CREATE ROLE {role} LOGIN PASSWORD 'reader'"));
    let mut config: tokio_postgres::Config = url.parse().unwrap();
    config.user(&role).password("reader");
    let error = |options: PostgresStoreOptions| block_on(options.connect(config.clone(), NoTls)).unwrap_err();
    // It may not, and is not asked to.
    let refused = error(options(&schema));
    assert_eq!(refused.kind(), StoreErrorKind::Refused, "{refused}");
    let refused = error(options(&schema).without_migrations());
    assert_eq!(refused.kind(), StoreErrorKind::Refused, "{refused}");
    assert!(refused.to_string().contains(name), "{refused}");
    // Once others have made them, it may read, as far as it may.
    let store = connect(options(&schema), &url);
    block_on(store.commit(create(1))).unwrap();
    run(format!(
        "GRANT USAGE ON SCHEMA {name} TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {role}"
    ));
    let reader = block_on(options(&schema).connect(config.clone(), NoTls)).unwrap();
    assert_eq!(block_on(reader.snapshot()).unwrap().len(), 1);
    match block_on(reader.commit(create(2))) {
        Err(CommitError::Store(error)) => assert_eq!(error.kind(), StoreErrorKind::Refused, "{error}"),
        other => panic!("{other:?}"),
    }
    reader.close();
    drop(reader);
    run(format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[cfg(feature = "sealing")]
mod sealed {
    use super::*;
    use gateway_accounts::{Keyring, SealingKey};

    fn key(id: &str, byte: u8) -> SealingKey {
        SealingKey::new(id, [byte; 32]).unwrap()
    }

    #[test]
    fn secrets_are_sealed_once_for_all() {
        let Some(server) = server() else { return };
        let (schema, url) = (server.fresh_schema(), server.url());
        let open = |options: PostgresStoreOptions| block_on(options.connect(url.parse().unwrap(), NoTls));
        let clear = connect(options(&schema), &url);
        let acme = testkit::account(1);
        block_on(clear.commit(create(1))).unwrap();
        let secret = acme.webhook_secret().reveal().to_owned();
        let dump = || {
            block_on(async {
                let client = client(&url).await;
                let rows = format!(
                    "SELECT concat(record, boxes) FROM {name}.accounts UNION ALL \
                     SELECT concat(before_record, after_record, after_boxes) FROM {name}.events",
                    name = schema.name()
                );
                let rows = client.query(&rows, &[]).await.unwrap();
                rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n")
            })
        };
        assert!(dump().contains(&secret));

        let sealed = open(options(&schema).sealed_with(Keyring::new(key("one", 1)))).unwrap();
        assert!(!dump().contains(&secret));
        let there = block_on(sealed.by_sid(acme.sid())).unwrap().unwrap();
        assert_eq!(there.webhook_secret().reveal(), secret);
        // Who was there before can't write in clear.
        match block_on(clear.commit(create(2))) {
            Err(CommitError::Store(error)) => assert_eq!(error.kind(), StoreErrorKind::Sealed, "{error}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(open(options(&schema)).unwrap_err().kind(), StoreErrorKind::Sealed);
        block_on(sealed.commit(create(2))).unwrap();
        assert!(!dump().contains(testkit::account(2).webhook_secret().reveal()));

        // Another key, with the former one; then without it.
        let ring = Keyring::new(key("two", 2)).with_former(key("one", 1)).unwrap();
        let both = open(options(&schema).sealed_with(ring)).unwrap();
        assert_eq!(block_on(both.snapshot()).unwrap().len(), 2);
        let only_two = open(options(&schema).sealed_with(Keyring::new(key("two", 2)))).unwrap();
        assert_eq!(block_on(only_two.snapshot()).unwrap_err().kind(), StoreErrorKind::Sealed);
        assert_eq!(block_on(both.reseal()).unwrap(), 2);
        assert_eq!(block_on(only_two.snapshot()).unwrap().len(), 2);
        assert!(block_on(only_two.changes(Seq::START, 10)).is_ok());
    }
}

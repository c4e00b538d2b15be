//! Stores in a real PostgreSQL.

use crate::postgres::{Schema, Server, server};
use gateway_accounts::testkit::{self, Backend};
use gateway_accounts::{Batch, Directory, PostgresStore, PostgresStoreOptions, Write};
use std::future::Future;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

/// The runtime of all stores.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

pub(crate) fn options(schema: &Schema) -> PostgresStoreOptions {
    PostgresStoreOptions::new().schema(schema).unwrap().connections(6).commit_timeout(Duration::from_secs(20))
}

pub(crate) fn connect(options: PostgresStoreOptions, url: &str) -> PostgresStore {
    block_on(options.connect(url.parse().unwrap(), NoTls)).unwrap()
}

/// A plain client.
pub(crate) async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A batch that creates the account of this number.
pub(crate) fn create(n: u64) -> Batch {
    testkit::batch([Write::Create(testkit::account(n).into())])
}

/// A backend of the conformance suite.
pub(crate) struct Postgres(pub(crate) &'static Server);

impl Postgres {
    /// `None` if there is no server.
    #[track_caller]
    pub(crate) fn find() -> Option<Self> {
        server().map(Self)
    }
}

impl Backend for Postgres {
    type Store = PostgresStore;
    type Place = Schema;

    fn create(&self) -> (Schema, PostgresStore) {
        let schema = self.0.fresh_schema();
        let store = connect(options(&schema), &self.0.url());
        (schema, store)
    }

    fn reopen(&self, schema: &Schema, store: PostgresStore) -> Option<PostgresStore> {
        store.close();
        Some(connect(options(schema), &self.0.url()))
    }
}

/// As [`Postgres`], through a directory.
pub(crate) struct Followed(pub(crate) Postgres);

impl Backend for Followed {
    type Store = Directory;
    type Place = Schema;

    fn create(&self) -> (Schema, Directory) {
        let (schema, store) = self.0.create();
        (schema, block_on(Directory::follow(store)).unwrap())
    }

    fn reopen(&self, schema: &Schema, directory: Directory) -> Option<Directory> {
        drop(directory);
        let store = connect(options(schema), &self.0.0.url());
        Some(block_on(Directory::follow(store)).unwrap())
    }
}

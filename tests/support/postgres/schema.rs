//! Names of schemas.

use super::blocking::wait_for;
use super::port::random;
use std::fmt;
use std::ops::Deref;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio_postgres::{Config, NoTls};

/// How long dropping one may take: somebody may still hold a lock on it.
const AT_MOST: Duration = Duration::from_secs(5);

/// The name of a schema that no other test has, of this run or another. It needs no quotes in SQL.
///
/// When this is dropped the schema is too, with all that is in it, if the server can be reached within a few seconds.
pub(crate) struct Schema {
    name: String,
    url: String,
}

impl Schema {
    pub(super) fn new(url: String) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let nth = COUNT.fetch_add(1, Ordering::Relaxed);
        Self { name: format!("test_{}_{nth}_{:016x}", process::id(), random(nth)), url }
    }

    /// The name: letters, digits and underscores, at most 63 bytes.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Deref for Schema {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let drop_it = async {
            let mut config: Config = self.url.parse().ok()?;
            let (client, connection) = config.connect_timeout(AT_MOST).connect(NoTls).await.ok()?;
            tokio::spawn(connection);
            let name = &self.name;
            let order = format!(
                "SET client_min_messages = warning; SET lock_timeout = 2000; DROP SCHEMA IF EXISTS {name} CASCADE"
            );
            client.batch_execute(&order).await.ok()
        };
        let _ = wait_for(async { tokio::time::timeout(AT_MOST, drop_it).await });
    }
}

//! The file store and its rivals, behind one trait.

pub mod append;
mod fjall;
mod group;
mod ours;
mod redb;
mod sqlite;

use async_trait::async_trait;
use gateway_accounts::{Account, SipRealm};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Its SID, name or realm is that of another account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken;

/// Something that keeps accounts. What fails otherwise than by [`Taken`] ends the benchmark.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Adds an account, and returns when it is on the disk.
    async fn create(&self, account: &Arc<Account>) -> Result<(), Taken>;

    /// Looks these realms up, one after the other, and gives how many were found. Each look-up sees what was
    /// created before it. Ours gives the account; from a peer, the bytes of its JSON are had, and not decoded.
    async fn look_up(&self, realms: &[SipRealm]) -> usize;

    /// How many accounts there are.
    async fn count(&self) -> u64;

    /// Waits until it is closed, so that it can be opened again when it has been dropped.
    async fn close(&self) {}
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Append,
    Ours,
    Sqlite,
    Redb,
    Fjall,
}

impl Kind {
    /// Those that keep accounts; [`Kind::Append`] only writes.
    pub const STORES: [Self; 4] = [Self::Ours, Self::Sqlite, Self::Redb, Self::Fjall];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Append => "append + fdatasync",
            Self::Ours => "FileStore",
            Self::Sqlite => "SQLite",
            Self::Redb => "redb",
            Self::Fjall => "fjall",
        }
    }

    /// Opens what is in this folder, or makes it, for so many concurrent callers. Each commits in its only caller's
    /// task, and otherwise on a thread that commits together whatever waits; for each that is the faster.
    pub async fn open(self, folder: &Path, callers: usize) -> Box<dyn Engine> {
        let grouped = callers > 1;
        match self {
            Self::Append => unreachable!("it keeps no accounts"),
            Self::Ours => Box::new(ours::Ours::open(folder, !grouped).await),
            Self::Sqlite => Box::new(sqlite::Sqlite::open(folder, grouped)),
            Self::Redb => Box::new(redb::Redb::open(folder, grouped)),
            Self::Fjall => Box::new(fjall::Fjall::open(folder, grouped)),
        }
    }

    /// Adds these accounts, so many in each commit, and gives how long that took, with encoding them, until they
    /// were on the disk; or why it can't be done.
    pub async fn load(
        self,
        folder: &Path,
        accounts: &[Arc<Account>],
        commit: usize,
    ) -> Result<Duration, String> {
        match self {
            Self::Append => unreachable!("it keeps no accounts"),
            Self::Ours => ours::load(folder, accounts, commit).await,
            Self::Sqlite => Ok(sqlite::load(folder, accounts, commit)),
            Self::Redb => Ok(redb::load(folder, accounts, commit)),
            Self::Fjall => Ok(fjall::load(folder, accounts)),
        }
    }
}

pub use ours::{FILE, Ours};
pub use redb::look_up_in_one_transaction as redb_look_up_in_one_transaction;
pub use sqlite::SYNCS_WITH as SQLITE_SYNCS_WITH;

//! Where PostgreSQL's programs are.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What [`Programs::find`] did not find.
pub(crate) const NOT_FOUND: &str =
    "initdb, pg_ctl and postgres are neither in PATH nor in /usr/lib/postgresql/*/bin";

/// Where Debian keeps the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The folder of the programs of one version.
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// Those in `PATH` or else the newest that Debian's packages have installed.
    pub(crate) fn find() -> Option<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let in_path = env::split_paths(&path).filter(|folder| folder.is_absolute());
        in_path.chain(installed_versions(Path::new(VERSIONS))).find(|folder| has_all(folder)).map(Self)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }
}

fn has_all(folder: &Path) -> bool {
    ["initdb", "pg_ctl", "postgres"].iter().all(|program| folder.join(program).is_file())
}

/// Newest first: 15 comes before 9.6.
fn installed_versions(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let number = |folder: &PathBuf| {
        let version = folder.file_name()?.to_str()?;
        version.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u32>>>()
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut versions: Vec<_> =
        entries.filter_map(|folder| Some((Reverse(number(&folder)?), folder))).collect();
    versions.sort();
    versions.into_iter().map(|(_, folder)| folder.join("bin"))
}

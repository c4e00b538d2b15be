//! The file store against other ways of keeping the same accounts, durably: the same records, synced before they
//! are acknowledged, asked for by the same callers. And the checking of API keys, the signing of webhooks and the admission of
//! sessions, against what they can't do without.
//!
//! ```sh
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- --store
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- keys
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- webhooks
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- admission
//! ```
//!
//! The first prints a line for each ratio (median, lowest and highest of interleaved repeats, and its goal), then the absolute
//! figures, and draws `docs/store.svg`. It takes about ten minutes, and needs 8 GB of memory and of disk. The second
//! takes about three minutes, the others half a minute; they draw nothing. The last starts a `redis-server` of its own, if there
//! is one.
//!
//! - `--only <name>` measures one ratio, and draws nothing.
//! - `--quick` runs everything with next to no accounts, to see that it works; its figures mean nothing.
//! - `--repeats <n>` of each side, 5 unless told.
//! - `--dir <folder>`: where the data goes, in a folder that is removed afterwards; it must be on a real disk. The
//!   build's target folder, unless told.
//! - `--plot <file>`: where the plot goes.

mod accounts;
mod admission;
mod compare;
mod engines;
mod keys;
mod measure;
mod own;
mod plot;
mod report;
mod webhooks;

use engines::Kind;
use report::{GOALS, Report};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

pub struct Options {
    store: bool,
    keys: bool,
    webhooks: bool,
    admission: bool,
    pub only: Option<String>,
    pub quick: bool,
    pub repeats: usize,
    folder: Option<PathBuf>,
    plot: Option<PathBuf>,
}

impl Options {
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == name)
    }

    /// How long a repeat takes that is to take so long.
    pub fn time(&self, full: Duration) -> Duration {
        if self.quick { full / 20 } else { full }
    }

    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            store: false,
            keys: false,
            webhooks: false,
            admission: false,
            only: None,
            quick: false,
            repeats: 5,
            folder: None,
            plot: None,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match &*word {
                "--store" | "store" => options.store = true,
                "--keys" | "keys" => options.keys = true,
                "--webhooks" | "webhooks" => options.webhooks = true,
                "--admission" | "admission" => options.admission = true,
                "--quick" => options.quick = true,
                "--only" => {
                    let name = value()?;
                    if !GOALS.iter().any(|(known, _)| *known == name) {
                        let known: Vec<&str> = GOALS.iter().map(|(name, _)| *name).collect();
                        return Err(format!("there is no {name}, but {}", known.join(", ")));
                    }
                    options.keys = name.starts_with("auth_");
                    options.webhooks = webhooks::ALL.contains(&&*name);
                    options.admission = admission::ALL.contains(&&*name);
                    options.store = !options.keys && !options.webhooks && !options.admission;
                    options.only = Some(name);
                }
                "--repeats" => {
                    options.repeats = value()?.parse().map_err(|_| "--repeats needs a number")?;
                }
                "--dir" => options.folder = Some(value()?.into()),
                "--plot" => options.plot = Some(value()?.into()),
                _ => return Err(format!("{word} is not an option")),
            }
        }
        if options.quick && !options.keys && !options.webhooks && !options.admission {
            options.store = true;
        }
        let is_any = options.store || options.keys || options.webhooks || options.admission;
        if !is_any || options.repeats == 0 {
            return Err("say what to run: --store, keys, webhooks, admission, --only <name>, or --quick; and one repeat at least"
                .into());
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build();
    let runtime = runtime.expect("the system starts threads");
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, folder] = &*words
        && flag == own::MEMORY_OF
    {
        runtime.block_on(own::print_memory(Path::new(folder)));
        return ExitCode::SUCCESS;
    }
    if let [flag, count, unit] = &*words
        && flag == admission::MEMORY_OF
    {
        admission::print_memory(count.parse().expect("it is told by this program"), unit);
        return ExitCode::SUCCESS;
    }
    match Options::read(words.into_iter()).and_then(|options| runtime.block_on(run(&options))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), String> {
    if options.keys {
        let mut report = Report::default();
        keys::all(options, &mut report).await;
        report.print();
    }
    if options.webhooks {
        let mut report = Report::default();
        webhooks::all(options, &mut report);
        report.print();
    }
    if options.admission {
        let mut report = Report::default();
        admission::all(options, &mut report);
        report.print();
    }
    if options.store { run_store(options).await } else { Ok(()) }
}

async fn run_store(options: &Options) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let parent = options.folder.as_deref().or(program.parent()).ok_or("this program is in no folder")?;
    if let Some(kind @ ("tmpfs" | "ramfs")) = own::file_system(parent).as_deref() {
        return Err(format!(
            "{} is in memory ({kind}), where syncing costs nothing; give --dir",
            parent.display()
        ));
    }
    let folder =
        tempfile::Builder::new().prefix("peers-").tempdir_in(parent).map_err(|error| error.to_string())?;
    let folder = folder.path();

    for kind in Kind::STORES {
        measure::verify(folder, kind).await;
    }
    eprintln!("each store refuses a SID, a name and a realm that is taken");
    let mut report = Report::default();
    report.figure(&format!("SQLite {}, built with: {}", rusqlite::version(), engines::SQLITE_SYNCS_WITH));
    let mut panels = compare::concurrency(folder, options, &mut report).await;
    let count: u64 = if options.quick { 10_000 } else { 1_000_000 };
    let grows = ["read_realm_vs_sqlite", "read_realm_vs_redb"].into_iter().any(|name| options.wants(name));
    if grows || options.wants("bulk_1m_vs_sqlite") {
        eprintln!("making {count} accounts");
        let pool = accounts::accounts(0, count);
        if grows {
            panels.extend(compare::growth(folder, options, &pool, &mut report).await);
        }
        compare::bulk(folder, options, &pool, &mut report).await;
    }
    compare::own_file(folder, options, count, &mut report).await;
    report.print();

    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/store.svg");
    let plot = options.plot.clone().or_else(|| (!options.quick).then_some(default));
    if let (Some(path), None) = (plot, &options.only) {
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| {
            std::fs::write(&path, plot::svg("The file store and other stores of the same accounts", &panels))
        });
        written.map_err(|error| format!("{}: {error}", path.display()))?;
        println!("plot: {}", path.display());
    }
    Ok(())
}

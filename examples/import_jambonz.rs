//! Moves the accounts of a jambonz server into a store, and their API keys, and prints what could not come over as it
//! was.
//!
//! ```text
//! cargo run --features jambonz --example import_jambonz -- [FOLDER or DUMP.SQL] [STORE]
//! ```
//!
//! The folder holds the answers of the REST API, in files named as those in `tests/data/jambonz`, which is where it
//! reads from when nothing is said. `STORE` is the file that the accounts go to; when nothing is said, one in a
//! temporary folder, gone afterwards. What the store has already is not overwritten: such an account is reported as
//! not imported, so that a move can be repeated once the rest is repaired. What does come in, comes in with one commit. The report goes to standard output, so
//! that it can be kept.

use futures_lite::future::block_on;
use gateway_accounts::Error::Refused;
use gateway_accounts::jambonz::{ByAccount, Documents, KnownApplications, Options};
use gateway_accounts::{
    Accounts, Actor, ApiKeys, Clock, FileStore, ImportPhase, ImportProgress, Scope, SystemClock, UrlPolicy,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde::de::DeserializeOwned;
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    // Each error tells what happened in its layer; why, its source tells.
    eprintln!("{error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let source = arguments
        .next()
        .unwrap_or_else(|| [env!("CARGO_MANIFEST_DIR"), "tests", "data", "jambonz"].iter().collect());
    let temporary = tempfile::tempdir()?;
    let target = arguments.next().unwrap_or_else(|| temporary.path().join("accounts.jsonl"));

    let documents = read(&source)?;
    // The same policy in both places: here so that the account comes without the webhook, there so that a rule that
    // the front desk applies is applied to everybody.
    let policy = UrlPolicy::production();
    let options = Options::new().with_url_policy(policy.clone()).with_now(SystemClock.now());
    let mut imported = documents.import(&options);

    block_on(async {
        let accounts = Accounts::new(FileStore::open(&target).await?)
            .with_applications(KnownApplications::new(&documents.applications))
            .with_url_policy(policy);
        let admin = Actor::new(Scope::Admin, "import".parse()?);
        let bar = ProgressBar::new(imported.accounts.len() as u64)
            .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} accounts, {msg}")?);
        // In one commit; what is refused is reported and left out, and the others are tried again.
        loop {
            let shown = bar.clone();
            let progress = move |progress: ImportProgress| {
                shown.set_message(if progress.phase == ImportPhase::Checking {
                    "checking"
                } else {
                    "writing"
                });
                shown.set_position(progress.done as u64);
            };
            match accounts.import_all(&admin, imported.accounts.iter().cloned(), progress).await {
                Ok(_) => break,
                Err(Refused(refusals)) => imported.refuse_all(&refusals),
                Err(error) => return Err(error.into()),
            }
        }
        bar.finish_and_clear();
        // They work as they are, and are stored as hashes.
        ApiKeys::new(&accounts).import(&admin, std::mem::take(&mut imported.keys)).await?;
        Ok::<(), Box<dyn Error>>(())
    })?;

    let mut output = std::io::stdout().lock();
    writeln!(output, "{}{}", imported.report, imported.report.summary())?;
    Ok(())
}

fn read(source: &Path) -> Result<Documents, Box<dyn Error>> {
    if source.is_file() {
        return Ok(Documents::from_dump(&text(source)?)?);
    }
    Ok(Documents {
        service_providers: json(&source.join("service_providers.json"))?,
        accounts: json(&source.join("accounts.json"))?,
        applications: json(&source.join("applications.json"))?,
        limits: json::<ByAccount<_>>(&source.join("limits.json"))?.0,
        api_keys: json::<ByAccount<_>>(&source.join("api_keys.json"))?.0,
    })
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, Box<dyn Error>> {
    serde_json::from_str(&text(path)?).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn text(path: &Path) -> Result<String, Box<dyn Error>> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

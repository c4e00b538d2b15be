//! The comparisons: repeats of each side in turns, so that what else the machine does meets all alike.

use crate::accounts::accounts;
use crate::engines::{Engine, Kind, redb_look_up_in_one_transaction};
use crate::measure::{REPEAT, Run, create_all, create_in, size};
use crate::own;
use crate::plot::{Panel, Series};
use crate::report::{Report, Spread};
use crate::{Options, accounts::next};
use gateway_accounts::{Account, SipRealm};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

const LEVELS: [usize; 5] = [1, 4, 16, 64, 256];

/// Ratios of creates: the name, how many callers, against what.
const CREATES: [(&str, usize, Kind); 5] = [
    ("create_1_vs_fdatasync", 1, Kind::Append),
    ("create_1_vs_sqlite", 1, Kind::Sqlite),
    ("create_64_vs_sqlite", 64, Kind::Sqlite),
    ("create_64_vs_redb", 64, Kind::Redb),
    ("create_64_vs_fjall", 64, Kind::Fjall),
];
const P99: &str = "p99_64_vs_sqlite";

/// Creates at each number of callers, in a new store each time. Gives the plots, if all was measured.
pub async fn concurrency(folder: &Path, options: &Options, report: &mut Report) -> Vec<Panel> {
    let mut rate: BTreeMap<Kind, Vec<(f64, f64)>> = BTreeMap::new();
    let mut p99 = rate.clone();
    for callers in LEVELS {
        let mut kinds: Vec<Kind> = match options.only {
            None if [1, 64].contains(&callers) => vec![Kind::Append],
            _ => Vec::new(),
        };
        match options.only {
            None => kinds.extend(Kind::STORES),
            Some(_) => {
                let wanted =
                    CREATES.into_iter().filter(|(name, of, _)| *of == callers && options.wants(name));
                kinds.extend(wanted.map(|(.., kind)| kind));
                if callers == 64 && options.wants(P99) {
                    kinds.push(Kind::Sqlite);
                }
                if !kinds.is_empty() {
                    kinds.push(Kind::Ours);
                }
            }
        }
        let mut sizes: Vec<(Kind, Arc<[Arc<Account>]>)> = Vec::new();
        for kind in kinds {
            let count = size(folder, kind, callers, options.time(REPEAT)).await;
            sizes.push((kind, accounts(0, count as u64).into()));
        }
        let compared = CREATES.iter().any(|(_, of, _)| *of == callers);
        let repeats = if compared { options.repeats } else { options.repeats.min(3) };
        let mut runs: BTreeMap<Kind, Vec<Run>> = BTreeMap::new();
        for repeat in 0..repeats {
            for (kind, accounts) in &sizes {
                eprintln!("{callers} callers, {}, repeat {} of {repeats}", kind.name(), repeat + 1);
                let run = create_in(folder, *kind, callers, Arc::clone(accounts)).await;
                runs.entry(*kind).or_default().push(run);
            }
        }
        for (name, of, theirs) in CREATES {
            if of == callers && options.wants(name) {
                let pairs = runs[&Kind::Ours].iter().zip(&runs[&theirs]);
                report.ratio(name, pairs.map(|(ours, theirs)| ours.per_second() / theirs.per_second()), "");
            }
        }
        if callers == 64 && options.wants(P99) {
            let pairs = runs[&Kind::Ours].iter().zip(&runs[&Kind::Sqlite]);
            report.ratio(P99, pairs.map(|(ours, theirs)| theirs.percentile(99) / ours.percentile(99)), "");
        }
        for (kind, runs) in &runs {
            let Spread { low, median, high } = Spread::of(runs.iter().map(Run::per_second));
            let half = Spread::of(runs.iter().map(|run| run.percentile(50))).median;
            let most = Spread::of(runs.iter().map(|run| run.percentile(99))).median;
            report.figure(&format!(
                "create, {callers:3} callers, {:18} {median:8.0}/s ({low:.0} to {high:.0}), p50 {half:.0} µs, p99 \
                 {most:.0} µs",
                kind.name()
            ));
            rate.entry(*kind).or_default().push((callers as f64, median));
            p99.entry(*kind).or_default().push((callers as f64, most / 1e3));
        }
    }
    vec![
        panel("Durable creates a second", "concurrent callers", rate),
        panel("Latency of a create, 99th percentile, ms", "concurrent callers", p99),
    ]
}

fn panel(title: &'static str, x: &'static str, series: BTreeMap<Kind, Vec<(f64, f64)>>) -> Panel {
    let mut series: Vec<(Kind, Vec<(f64, f64)>)> = series.into_iter().collect();
    // The reference comes last.
    series.sort_by_key(|(kind, _)| (*kind == Kind::Append, *kind));
    Panel {
        title,
        x,
        series: series.into_iter().map(|(kind, points)| Series { name: kind.name(), points }).collect(),
    }
}

const READS: [(&str, Kind); 2] = [("read_realm_vs_sqlite", Kind::Sqlite), ("read_realm_vs_redb", Kind::Redb)];

/// How many callers create while a store grows.
const GROWTH_CALLERS: usize = 64;

/// Creates and look-ups as the number of accounts grows; the ratios of look-ups are of the greatest.
pub async fn growth(
    folder: &Path,
    options: &Options,
    pool: &[Arc<Account>],
    report: &mut Report,
) -> Vec<Panel> {
    let kinds: Vec<Kind> = match options.only {
        None => Kind::STORES.to_vec(),
        Some(_) => {
            let wanted = READS.into_iter().filter(|(name, _)| options.wants(name));
            std::iter::once(Kind::Ours).chain(wanted.map(|(_, kind)| kind)).collect()
        }
    };
    let sizes = match options.only {
        None => vec![pool.len() / 100, pool.len() / 10, pool.len()],
        Some(_) => vec![pool.len()],
    };
    let folders: Vec<_> =
        kinds.iter().map(|_| tempfile::tempdir_in(folder).expect("it can be written to")).collect();
    let mut creates: BTreeMap<Kind, Vec<(f64, f64)>> = BTreeMap::new();
    let mut reads = creates.clone();
    // Those that are created by the way have numbers that no other has.
    let mut extra = vec![0_u64; kinds.len()];
    let mut loaded = 0;
    for size in sizes {
        for (kind, folder) in kinds.iter().zip(&folders) {
            eprintln!("loading {} to {size} accounts", kind.name());
            let start = Instant::now();
            kind.load(folder.path(), &pool[loaded..size], 100_000).await.expect("it can be loaded");
            eprintln!("  took {:.1} s", start.elapsed().as_secs_f64());
        }
        loaded = size;
        let mut random = 42;
        let mut realm = || {
            let account = &pool[next(&mut random) as usize % size];
            account.sip_realm().cloned().expect("all have one")
        };
        let look_ups = if options.quick { 1_000 } else { 200_000 };
        let wanted: Vec<SipRealm> = (0..look_ups).map(|_| realm()).collect();
        let mut engines: Vec<Arc<dyn Engine>> = Vec::new();
        for (kind, folder) in kinds.iter().zip(&folders) {
            let engine = kind.open(folder.path(), GROWTH_CALLERS).await;
            assert_eq!(engine.look_up(&wanted).await, wanted.len(), "{}", kind.name());
            engines.push(engine.into());
        }
        let last = size == pool.len();
        let repeats = if last { options.repeats } else { options.repeats.min(3) };
        let mut times: BTreeMap<Kind, Vec<f64>> = BTreeMap::new();
        for repeat in 0..repeats {
            eprintln!("look-ups among {size}, repeat {} of {repeats}", repeat + 1);
            for (kind, engine) in kinds.iter().zip(&engines) {
                let start = Instant::now();
                assert_eq!(engine.look_up(&wanted).await, wanted.len());
                times
                    .entry(*kind)
                    .or_default()
                    .push(start.elapsed().as_secs_f64() * 1e9 / wanted.len() as f64);
            }
        }
        for (kind, times) in &times {
            let Spread { low, median, high } = Spread::of(times.iter().copied());
            report.figure(&format!(
                "look-up by realm, {size:7} accounts, {:9} {median:6.0} ns ({low:.0} to {high:.0})",
                kind.name()
            ));
            reads.entry(*kind).or_default().push((size as f64, median / 1e3));
        }
        for (name, theirs) in READS {
            if last && options.wants(name) {
                let pairs = times[&Kind::Ours].iter().zip(&times[&theirs]);
                report.ratio(name, pairs.map(|(ours, theirs)| theirs / ours), &at(size));
            }
        }
        if options.only.is_none() {
            let mut rates: BTreeMap<Kind, Vec<f64>> = BTreeMap::new();
            let mut sizes: Vec<u64> = vec![GROWTH_CALLERS as u64; kinds.len()];
            // The first round is for finding out how many take how long.
            for round in 0..=repeats.min(3) {
                eprintln!("creates on top of {size}, repeat {round} of {}", repeats.min(3));
                for (n, (kind, engine)) in kinds.iter().zip(&engines).enumerate() {
                    let first = pool.len() as u64 + extra[n];
                    extra[n] += sizes[n];
                    let some = accounts(first, first + sizes[n]);
                    let run = create_all(engine, GROWTH_CALLERS, some.into()).await;
                    if round == 0 {
                        let time = options.time(REPEAT / 2).as_secs_f64();
                        sizes[n] = ((run.per_second() * time) as u64).clamp(GROWTH_CALLERS as u64, 50_000);
                    } else {
                        rates.entry(*kind).or_default().push(run.per_second());
                    }
                }
            }
            for (kind, rates) in &rates {
                let Spread { low, median, high } = Spread::of(rates.iter().copied());
                report.figure(&format!(
                    "create, {GROWTH_CALLERS} callers, on top of {size:7} accounts, {:9} {median:6.0}/s ({low:.0} to \
                     {high:.0})",
                    kind.name()
                ));
                creates.entry(*kind).or_default().push((size as f64, median));
            }
        }
        for (n, (kind, engine)) in kinds.iter().zip(engines).enumerate() {
            assert_eq!(engine.count().await, size as u64 + extra[n], "{}", kind.name());
            engine.close().await;
        }
        if last && let Some(n) = kinds.iter().position(|kind| *kind == Kind::Redb) {
            let time = redb_look_up_in_one_transaction(folders[n].path(), &wanted);
            report.figure(&format!(
                "look-up by realm, {size:7} accounts, redb, all in one read transaction: {:.0} ns",
                time.as_secs_f64() * 1e9 / wanted.len() as f64
            ));
        }
    }
    vec![
        panel("Durable creates a second, 64 callers", "accounts that are there already", creates),
        panel("Look-up by realm, µs", "accounts that are there", reads),
    ]
}

/// A note when a ratio is of another number of accounts than its name says.
fn at(size: usize) -> String {
    if size == 1_000_000 { String::new() } else { format!("of {size} accounts") }
}

const BULK: &str = "bulk_1m_vs_sqlite";

/// All accounts in one commit, in a new store.
pub async fn bulk(folder: &Path, options: &Options, pool: &[Arc<Account>], report: &mut Report) {
    if !options.wants(BULK) {
        return;
    }
    let mut pool = pool;
    let mut note = at(pool.len());
    let load = async |kind: Kind, pool: &[Arc<Account>]| {
        let folder = tempfile::tempdir_in(folder).expect("it can be written to");
        let time = kind.load(folder.path(), pool, pool.len()).await?;
        let engine = kind.open(folder.path(), 1).await;
        assert_eq!(engine.count().await, pool.len() as u64, "{}", kind.name());
        engine.close().await;
        eprintln!("{} accounts in one commit, {}: {:.2} s", pool.len(), kind.name(), time.as_secs_f64());
        Ok::<_, String>(time.as_secs_f64())
    };
    if let Err(error) = load(Kind::Ours, pool).await {
        pool = &pool[..pool.len() / 10];
        note = format!("{}, since of {} {error}", at(pool.len()), pool.len() * 10);
    }
    let mut pairs = Vec::new();
    for _ in 0..options.repeats {
        let ours = load(Kind::Ours, pool).await.expect("a tenth is not too much");
        pairs.push((ours, load(Kind::Sqlite, pool).await.expect("nothing is too much")));
    }
    report.ratio(BULK, pairs.iter().map(|(ours, theirs)| theirs / ours), &note);
    let (ours, theirs) =
        (Spread::of(pairs.iter().map(|pair| pair.0)), Spread::of(pairs.iter().map(|pair| pair.1)));
    report.figure(&format!(
        "{} accounts in one commit: FileStore {:.2} s ({:.2} to {:.2}), SQLite {:.2} s ({:.2} to {:.2})",
        pool.len(),
        ours.median,
        ours.low,
        ours.high,
        theirs.median,
        theirs.low,
        theirs.high
    ));
}

const OPEN: &str = "open_1m_vs_decode";
const MEMORY: &str = "memory_1m_vs_json";
const COMPACTION: &str = "compaction_p99";
const COMPACTION_CALLERS: usize = 8;

/// What only our file has.
pub async fn own_file(folder: &Path, options: &Options, count: u64, report: &mut Report) {
    if ![OPEN, MEMORY, COMPACTION].into_iter().any(|name| options.wants(name)) {
        return;
    }
    let folder = tempfile::tempdir_in(folder).expect("it can be written to");
    let folder = folder.path();
    eprintln!("writing a file of {count} accounts");
    let json = own::write_file(folder, count).await;
    let note = at(count as usize);
    if options.wants(OPEN) {
        let mut pairs: Vec<(Duration, Duration)> = Vec::new();
        for repeat in 0..options.repeats {
            eprintln!("opening it, repeat {} of {}", repeat + 1, options.repeats);
            pairs.push((own::open(folder, count).await, own::decode(folder, count)));
        }
        let seconds = pairs.iter().map(|(open, decode)| (open.as_secs_f64(), decode.as_secs_f64()));
        report.ratio(OPEN, seconds.clone().map(|(open, decode)| open / decode), &note);
        let (open, decode) =
            (Spread::of(seconds.clone().map(|pair| pair.0)), Spread::of(seconds.map(|pair| pair.1)));
        report.figure(&format!(
            "opening a file of {count} accounts: {:.2} s ({:.2} to {:.2}); decoding it on one thread {:.2} s ({:.2} to \
             {:.2})",
            open.median, open.low, open.high, decode.median, decode.low, decode.high
        ));
    }
    if options.wants(MEMORY) {
        let grown: Vec<f64> = (0..options.repeats.min(3)).map(|_| own::memory(folder) as f64).collect();
        report.ratio(MEMORY, grown.iter().map(|bytes| bytes / json as f64), &note);
        report.figure(&format!(
            "memory of {count} accounts after opening: {:.0} bytes each, whose JSON has {:.0}",
            Spread::of(grown).median / count as f64,
            json as f64 / count as f64
        ));
    }
    if options.wants(COMPACTION) {
        let numbers = Arc::new(AtomicU64::new(count));
        let mut pairs = Vec::new();
        for repeat in 0..options.repeats {
            eprintln!("compacting it, repeat {} of {}", repeat + 1, options.repeats);
            match own::while_compacting(folder, COMPACTION_CALLERS, &numbers).await {
                Ok(pair) => pairs.push(pair),
                Err(why) => return report.not_measured(COMPACTION, why),
            }
        }
        report.ratio(
            COMPACTION,
            pairs.iter().map(|(with, without)| with.percentile(99) / without.percentile(99)),
            &note,
        );
        for (what, run) in [("during", &pairs[0].0), ("without", &pairs[0].1)] {
            report.figure(&format!(
                "create, {COMPACTION_CALLERS} callers, {what} a compaction of {count} accounts, first repeat: {:.0}/s, \
                 p99 {:.0} µs",
                run.per_second(),
                run.percentile(99)
            ));
        }
    }
}

//! An evening of calls, from six to ten, against three accounts: one with licensed sessions and room for overage, one with
//! minutes, and one that is suspended at eight.
//!
//! ```sh
//! cargo run --example admission --features admission -- admission.svg
//! ```
//!
//! It prints what came of the calls, and draws the first account's sessions against its limits. The evening is the same each
//! time: the calls are drawn from a seed, and time is told.

use futures_lite::future::block_on;
use gateway_accounts::admission::{
    Admission, AdmissionOptions, Direction, Moment, Permit, Refused, SessionId, SignalKind,
};
use gateway_accounts::{
    Account, AccountPatch, Accounts, Actor, Limit, ManualClock, MemoryStore, SeededRandom, Timestamp, Unit,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

const SECONDS: u64 = 4 * 3600;

/// A call that is running, and when it will be hung up.
struct Call {
    permit: Permit,
    ends: u64,
}

/// What came of one account's calls.
#[derive(Default)]
struct Evening {
    admitted: u32,
    overage: u32,
    cut_short: u32,
    busiest: u32,
    /// By the SIP response that was sent.
    refused: BTreeMap<String, u32>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let clock = Arc::new(ManualClock::new(Timestamp::parse("2026-11-26T18:00:00Z")?));
    let store = MemoryStore::new();
    let accounts =
        Accounts::new(store.clone()).with_clock(Arc::clone(&clock)).with_random(SeededRandom::new(1));
    let admin = Actor::admin("jane@operator.example")?;
    let create = |name: &str, unit, licensed| {
        let draft = AccountPatch::new().name(name).unit(unit).licensed_sessions(Limit::AtMost(licensed));
        block_on(accounts.create(&admin, draft))
    };
    let customers = [
        create("Acme", Unit::sessions(30), 20)?,
        create("Globex", Unit::minutes(600), 20)?,
        create("Initech", Unit::sessions(30), 30)?,
    ];

    let admission = AdmissionOptions::new()
        .clock(Arc::clone(&clock))
        .signal_interval(Duration::from_secs(15 * 60))
        .start(store);
    let mut signals = admission.subscribe(1000);
    let mut dice = StdRng::seed_from_u64(7);
    let mut calls: Vec<Call> = Vec::new();
    let mut evenings: [Evening; 3] = Default::default();
    let mut plotted = Vec::new();

    for second in 0..SECONDS {
        let now = Moment::by(&*clock);
        if second == 2 * 3600 {
            let initech = &customers[2];
            let reason = "payment overdue".parse()?;
            block_on(accounts.suspend(&admin, initech.sid(), initech.revision(), reason))?;
        }
        // Who is done hangs up. Who has no minutes left, is told so a few seconds before, and then cut off.
        for call in std::mem::take(&mut calls) {
            let minutes = call.permit.renew(now)?.minutes;
            let is_over = minutes
                .and_then(|minutes| minutes.must_end_by)
                .is_some_and(|end| end.running() <= now.running());
            if is_over {
                let customer = customers.iter().position(|customer| customer.sid() == call.permit.account());
                evenings[customer.unwrap_or_default()].cut_short += 1;
            }
            if is_over || call.ends <= second {
                call.permit.release(now);
            } else {
                calls.push(call);
            }
        }
        for (customer, evening) in customers.iter().zip(&mut evenings) {
            // The evening swells and ebbs.
            let hour = second as f64 / 3600.0;
            let per_minute = 9.0 * (-(hour - 2.0) * (hour - 2.0)).exp();
            if dice.random_bool(per_minute / 60.0) {
                let name = format!("{}-{second}@pbx.example.com", customer.name().as_str().to_lowercase());
                let ends = second + dice.random_range(20..420);
                match admission.admit(customer.sid(), SessionId::parse(&name)?, Direction::Inbound, now) {
                    Ok(permit) => {
                        evening.admitted += 1;
                        evening.overage += u32::from(permit.admitted().overage);
                        calls.push(Call { permit, ends });
                    }
                    Err(refused) => note(evening, &refused),
                }
            }
            evening.busiest = evening.busiest.max(admission.running(customer.sid()));
        }
        plotted.push(admission.running(customers[0].sid()));
        clock.advance(Duration::from_secs(1));
    }

    report(&admission, &customers, &evenings, Moment::by(&*clock));
    println!("\nsignals");
    while let Some(signal) = signals.try_next() {
        let customer = customers.iter().find(|customer| customer.sid() == signal.account);
        let name = customer.map_or("?", |customer| customer.name().as_str());
        println!("  {} {name:<8} {}", &signal.at.to_string()[11..16], describe(&signal.kind));
    }
    if let Some(path) = std::env::args().nth(1) {
        std::fs::write(&path, plot(&plotted, 20, 30)?)?;
        println!("\nplot: {path}");
    }
    Ok(())
}

fn note(evening: &mut Evening, refused: &Refused) {
    *evening.refused.entry(refused.sip_response().to_string()).or_default() += 1;
}

fn report(admission: &Admission, customers: &[Arc<Account>], evenings: &[Evening], now: Moment) {
    for (customer, evening) in customers.iter().zip(evenings) {
        let (licensed, unit) = (customer.licensed_sessions(), customer.unit());
        println!("{}: {unit}, {licensed} licensed", customer.name());
        println!(
            "  {} admitted, {} of them as overage; {} at the busiest",
            evening.admitted, evening.overage, evening.busiest
        );
        for (response, count) in &evening.refused {
            println!("  {count} refused with {response}");
        }
        if let Some(minutes) = admission.usage(customer.sid(), now).and_then(|usage| usage.minutes) {
            println!("  {} minutes used, {} calls cut short", minutes.used_seconds / 60, evening.cut_short);
        }
    }
}

fn describe(kind: &SignalKind) -> String {
    match kind {
        SignalKind::SessionsNearMaximum { active, maximum } => format!("{active} of {maximum} sessions"),
        SignalKind::SessionsAtMaximum { maximum, .. } => format!("all {maximum} sessions"),
        SignalKind::OverageBegan { licensed, .. } => format!("more than the {licensed} licensed sessions"),
        SignalKind::MinutesNearMaximum { charged_seconds, maximum, .. } => {
            format!("{} of {maximum} minutes", charged_seconds / 60)
        }
        SignalKind::MinutesUsedUp { maximum, .. } => format!("all {maximum} minutes"),
        SignalKind::Refused { refused, times } => {
            format!("{times} refused, the last with {}", refused.sip_response())
        }
        other => format!("{other:?}"),
    }
}

/// A picture of the sessions by the minute, at their highest in each, with the two limits.
fn plot(running: &[u32], licensed: u32, maximum: u32) -> Result<String, std::fmt::Error> {
    const WIDTH: f64 = 720.0;
    const HEIGHT: f64 = 240.0;
    const LEFT: f64 = 44.0;
    let minutes: Vec<u32> =
        running.chunks(60).map(|minute| minute.iter().copied().max().unwrap_or(0)).collect();
    let x = |minute: usize| LEFT + minute as f64 * WIDTH / minutes.len() as f64;
    let y = |sessions: u32| 20.0 + HEIGHT * (1.0 - f64::from(sessions) / f64::from(maximum + 5));
    let (bottom, right) = (y(0), x(minutes.len()));
    let mut svg = String::new();
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 860 300\" font-family=\"sans-serif\" font-size=\"12\">"
    )?;
    writeln!(svg, "<title>Sessions of an account during an evening</title>")?;
    writeln!(svg, "<rect width=\"860\" height=\"300\" fill=\"#fff\"/>")?;
    let mut path = format!("M{LEFT:.1} {bottom:.1}");
    for (minute, sessions) in minutes.iter().enumerate() {
        write!(path, " L{:.1} {:.1} L{:.1} {:.1}", x(minute), y(*sessions), x(minute + 1), y(*sessions))?;
    }
    writeln!(svg, "<path d=\"{path} L{right:.1} {bottom:.1} Z\" fill=\"#2f6fb2\" fill-opacity=\"0.75\"/>")?;
    for (limit, label, colour) in [(licensed, "licensed", "#b26a00"), (maximum, "maximum", "#b3261e")] {
        let y = y(limit);
        writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{right:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{colour}\" stroke-dasharray=\"6 4\"/>"
        )?;
        writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{label} {limit}</text>",
            right + 8.0,
            y + 4.0
        )?;
    }
    for hour in 0..=4 {
        let x = x(minutes.len() * hour / 4);
        writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}:00</text>",
            bottom + 18.0,
            18 + hour
        )?;
    }
    for sessions in [0, 10, 20, 30] {
        writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{sessions}</text>",
            LEFT - 6.0,
            y(sessions) + 4.0
        )?;
    }
    writeln!(
        svg,
        "<line x1=\"{LEFT}\" x2=\"{right:.1}\" y1=\"{bottom:.1}\" y2=\"{bottom:.1}\" stroke=\"#444\"/>"
    )?;
    svg.push_str("</svg>\n");
    Ok(svg)
}

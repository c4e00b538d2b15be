//! The goals, and the figures beside them.

use std::fmt::Write as _;

#[derive(Clone, Copy)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

use Goal::{AtLeast, AtMost};

/// What is compared, and the goal for the median. A goal that is missed is printed as missed; it is not moved.
pub const GOALS: [(&str, Goal); 24] = [
    ("create_1_vs_fdatasync", AtLeast(0.9)),
    ("create_1_vs_sqlite", AtLeast(1.3)),
    ("create_64_vs_sqlite", AtLeast(6.0)),
    ("create_64_vs_redb", AtLeast(6.0)),
    ("create_64_vs_fjall", AtLeast(2.5)),
    ("p99_64_vs_sqlite", AtLeast(10.0)),
    ("read_realm_vs_sqlite", AtLeast(20.0)),
    ("read_realm_vs_redb", AtLeast(10.0)),
    ("bulk_1m_vs_sqlite", AtLeast(8.0)),
    ("open_1m_vs_decode", AtMost(1.0)),
    ("memory_1m_vs_json", AtMost(2.0)),
    ("compaction_p99", AtMost(3.0)),
    ("auth_hot_vs_digest", AtMost(1.5)),
    ("auth_hot_vs_argon2", AtLeast(40_000.0)),
    ("auth_cold_per_core", AtLeast(2_000.0)),
    ("auth_hot_under_flood", AtMost(3.0)),
    ("auth_hot_100k_vs_100", AtMost(2.0)),
    ("sign_1k_vs_hmac", AtMost(1.3)),
    ("verify_1k_vs_standardwebhooks", AtLeast(1.3)),
    ("policy_check", AtMost(0.5)),
    ("admit_release_vs_counter", AtMost(4.0)),
    ("admit_release_2t", AtLeast(0.7)),
    ("admit_release_vs_redis", AtLeast(300.0)),
    ("sessions_1m", AtMost(200.0)),
];

/// The lowest, the median and the highest.
#[derive(Clone, Copy)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self { low: values[0], median: values[values.len() / 2], high: values[values.len() - 1] }
    }
}

/// What is printed at the end: the ratios, then the absolute figures.
#[derive(Default)]
pub struct Report {
    ratios: String,
    figures: String,
}

impl Report {
    /// A ratio of each repeat; `note` says under which reservation, if any.
    pub fn ratio(&mut self, name: &str, values: impl IntoIterator<Item = f64>, note: &str) {
        let Spread { low, median, high } = Spread::of(values);
        let (_, goal) = GOALS.iter().find(|(known, _)| *known == name).expect("each ratio has a goal");
        let (goal, met) = match goal {
            AtLeast(goal) => (format!(">= {goal}"), median >= *goal),
            AtMost(goal) => (format!("<= {goal}"), median <= *goal),
        };
        let missed = if met { "" } else { ", missed" };
        let note = if note.is_empty() { String::new() } else { format!("; {note}") };
        let line = format!("ratio {name} {median:.2} {low:.2}..{high:.2} (goal {goal}{missed}{note})");
        eprintln!("{line}");
        let _ = writeln!(self.ratios, "{line}");
    }

    /// A ratio that could not be measured.
    pub fn not_measured(&mut self, name: &str, why: &str) {
        let _ = writeln!(self.ratios, "ratio {name} not measured: {why}");
    }

    pub fn figure(&mut self, line: &str) {
        eprintln!("{line}");
        let _ = writeln!(self.figures, "{line}");
    }

    pub fn print(&self) {
        println!("{}\n{}", self.ratios, self.figures.trim_end());
    }
}

# `just ci` is what continuous integration runs; `just check` is the same for any toolchain.

features := "file testkit jambonz sealing keys admission webhooks http_v1 postgres"

default: check

# All checks, none of them passed over for want of a PostgreSQL, and that the toolchain is the one Cargo.toml promises.
ci:
    GATEWAY_ACCOUNTS_POSTGRES_REQUIRED=1 {{just_executable()}} rust-version check interleavings 3 interop fuzz

check: format clippy test doc examples licences

format:
    cargo fmt --all --check

# Without features, with each alone, and with all.
clippy:
    cargo clippy --all-targets --no-default-features -- -D warnings
    for feature in {{features}}; do \
        cargo clippy --all-targets --no-default-features --features $feature -- -D warnings || exit 1; \
    done
    cargo clippy --all-targets --all-features -- -D warnings

# The library's own tests without features too, then everything with all of them, doc tests included. Tests that need a
# PostgreSQL start their own if its programs are installed, and say that they were not run if they are not.
test:
    cargo test --no-default-features --lib
    cargo test --all-features

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features

# Each example prints what is recorded.
examples: (expect "quickstart" "examples/output/quickstart.txt") (expect "import_jambonz" "tests/data/jambonz/report.txt") (expect "custom_store" "examples/output/custom_store.txt") (expect "api_keys" "examples/output/api_keys.txt") (expect "admission" "examples/output/admission.txt") (expect "move_store" "examples/output/move_store.txt") \
    (expect "sign_webhook" "examples/output/sign_webhook.txt") (expect "verify_webhook" "examples/output/verify_webhook.txt") \
    (expect "registration_webhook" "examples/output/registration_webhook.txt")

expect example output:
    cargo run --quiet --all-features --example {{example}} 2>/dev/null | diff -u {{output}} -

# What is linked into a program that uses this crate may be used under MIT or Apache-2.0 terms, or freer ones.
licences:
    ! cargo tree --all-features --edges normal,build --prefix none --format '{l}: {p}' | sort -u | \
        grep -vE '^(MIT|MIT OR Apache-2.0|Apache-2.0 OR MIT|MIT/Apache-2.0|Apache-2.0/MIT|Unlicense OR MIT|Unlicense/MIT|MIT OR Zlib OR Apache-2.0|Zlib|BSD-3-Clause|Unicode-3.0|BSL-1.0|Apache-2.0 OR BSL-1.0 OR MIT|\(MIT OR Apache-2.0\) AND Unicode-3.0|Zlib OR Apache-2.0 OR MIT|Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT|BSD-2-Clause OR Apache-2.0 OR MIT): '

# The oldest toolchain that is promised is the one that the checks run on.
rust-version:
    grep -q "^rust-version = \"$(rustc --version | grep -oE '1\.[0-9]+' | head -1)\"" Cargo.toml

# Every order of the steps of three threads that admit, end and renew sessions, as loom goes through them; or those in which
# a thread is interrupted so many times at most.
interleavings preemptions="100":
    LOOM_MAX_PREEMPTIONS={{preemptions}} RUSTFLAGS="--cfg gateway_accounts_loom" cargo test --features admission --lib --target-dir target/interleavings \
        admission::interleavings

# A day of two million calls, with crashes: takes minutes. An hour of it is among the tests.
day:
    cargo test --release --features admission,file,testkit --test admission -- --ignored

# Published clients verify what we sign, and we what they sign. Needs Node.js and Python.
interop:
    tests/interop/run

# Each fuzz target, or those that are named, for a minute each, two at a time. Needs cargo-fuzz and a C++ compiler.
fuzz *targets="digest_header signature_headers token url_policy":
    cargo fuzz build --sanitizer none
    echo {{targets}} | xargs --max-args 1 --max-procs 2 fuzz/run

# Recipes for `just`. `just ci` is what CI runs.

# What there is
default:
    @just --list --unsorted

# Everything that CI checks
ci:
    .ci/run

# Unit, integration and documentation tests
test *arguments:
    cargo test --workspace {{arguments}}

# What can be wrong without running anything
lint: format-check clippy docs arrows deny

# Write the code as rustfmt would
format:
    cargo fmt --all

# Whether rustfmt would change anything
format-check:
    cargo fmt --all --check

# The lints of Cargo.toml and clippy.toml, as errors
clippy:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# The documentation, with broken links as errors
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Which crate may name which
arrows:
    scripts/check-arrows.sh

# What may be in the tree of dependencies
deny:
    cargo deny --locked check bans licenses sources

# Known vulnerabilities; downloads their database
advisories:
    cargo deny --locked check advisories

# Real servers, real clients and a browser; without arguments all suites
interop *suites:
    tests/interop/run.sh {{suites}}

# Kill Wharf between two stores, 200 times, and compare them
kill cycles="200":
    KILL_CYCLES={{cycles}} tests/interop/run.sh kill

# The benches, or one of them
bench *arguments:
    cargo bench {{arguments}}

# A page to drop a file on, and a store behind it
demo *arguments:
    cargo run --release -- demo {{arguments}}

# Whatever scripts generate, anew from its sources
regenerate:
    scripts/generate_s3_data.py

# Fuzz one target for a while: endpoint, xml, canonical or chunked
fuzz target seconds="60":
    cargo +nightly fuzz run --fuzz-dir fuzz {{target}} -- -max_total_time={{seconds}}

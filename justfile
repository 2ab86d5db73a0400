# Recipes for daily work; `just` lists them. Whoever has no `just` runs the lines by hand.

default:
    @just --list

# What CI runs, and what has to pass before a change lands.
check:
    tests/run

# Tests only; `just test NAME` for those with NAME in their path.
test *ARGS:
    cargo test --workspace --locked {{ARGS}}

# The tests of MariaDB on MySQL in its place.
mysql *ARGS:
    tests/mysql {{ARGS}}

# The main job on two SQLite files; arguments go to the command (`just demo --dir /tmp/books`).
demo *ARGS:
    cargo run --release --locked --bin daybook -- demo {{ARGS}}

# Advisories, licences, bans and sources of all dependencies (needs cargo-deny and the network).
deny:
    cargo deny check

# Puts all code in form.
format:
    cargo fmt --all

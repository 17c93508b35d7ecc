//! The shell on a pseudo-terminal: what is typed, and what then stands on the screen.
//!
//! Every test waits for what it expects to see; how long that may take is bounded once, in [`terminal`].

mod editing;
mod progress;
mod results;
mod stopping;
mod terminal;

use terminal::{Terminal, started};

/// A hundred thousand numbers, from which endless queries are made.
const NUMBERS: &str = "CREATE TEMP TABLE n AS FROM UNNEST(GENERATE_SERIES(1, 100000)) AS n";

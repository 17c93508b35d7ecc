//! Every query that can be read can be planned over a small catalog, or there are errors whose places lie in it.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tidemill::Engine;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let engine = Engine::in_memory().expect("an engine");
    let tables = "
        CREATE TABLE t AS SELECT 1 AS k, 2.5 AS v, 'a' AS s, DATE '2024-01-31' AS d, [1, 2] AS l;
        CREATE TABLE u AS SELECT 1 AS k, 'b' AS w;
        CREATE VIEW w AS FROM t |> WHERE v > 1";
    engine.execute(tables, ()).expect("tables");
    engine
});

fuzz_target!(|text: &str| {
    // EXPLAIN binds, optimizes and lowers; nothing runs and nothing is stored.
    let Ok(statements) = ENGINE.statements(text) else {
        return;
    };
    for statement in &statements {
        let Err(error) = ENGINE.query(&format!("EXPLAIN {}", statement.text()), ()) else {
            continue;
        };
        for error in error.all() {
            assert_ne!(error.code(), "TM0999", "{error}");
        }
    }
});

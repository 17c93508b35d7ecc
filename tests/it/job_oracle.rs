//! Jobs that leave out what is unchanged give what jobs that run everything give: over random scripts and random changes of inputs,
//! text, parameters and outputs between their runs.

use std::path::Path;

use proptest::prelude::*;
use tidemill::{Engine, RunReport, Script, params};

/// What every job begins with: names of all sorts, so that any statement of [`POOL`] may follow.
const START: &str = "DECLARE PARAMETER @p INT64;
DECLARE x INT64 DEFAULT 1;
FROM '$/in1.csv' |> SELECT n + 1 AS n |> EXPORT DATA OPTIONS (uri = '$/a.csv', overwrite = TRUE);
CREATE VIEW v AS FROM '$/a.csv' |> WHERE n > 0;
CREATE TEMP TABLE t AS FROM '$/in2.csv' |> WHERE n > @p;
CREATE OR REPLACE TABLE d AS FROM '$/in1.csv';
";

const POOL: [&str; 12] = [
    "INSERT INTO t FROM '$/in1.csv';",
    "INSERT INTO d FROM '$/in2.csv';",
    "INSERT INTO d FROM '$/a.csv';",
    "DELETE FROM d WHERE n > @p + 3;",
    "SET x = x + 1;",
    "SET x = (SELECT MAX(n) FROM '$/in2.csv');",
    "FROM '$/in2.csv' |> SELECT n - 1 AS n |> EXPORT DATA OPTIONS (uri = '$/a.csv', overwrite = TRUE);",
    "FROM t |> AGGREGATE SUM(n) AS n |> EXPORT DATA OPTIONS (uri = '$/b.csv', overwrite = TRUE);",
    "FROM d |> AGGREGATE SUM(n) AS n, COUNT(*) AS c |> EXPORT DATA OPTIONS (uri = '$/c.csv', overwrite = TRUE);",
    "FROM v |> AGGREGATE SUM(n) + x AS n |> EXPORT DATA OPTIONS (uri = '$/e.csv', overwrite = TRUE);",
    "SELECT x AS n |> EXPORT DATA OPTIONS (uri = '$/f.csv', overwrite = TRUE);",
    "IF @p > 2 THEN SET x = 7; INSERT INTO d SELECT 100 AS n; END IF;",
];

const OUTPUTS: [&str; 6] = ["a.csv", "b.csv", "c.csv", "e.csv", "f.csv", "d.rows"];

#[derive(Debug, Clone)]
enum Change {
    Nothing,
    Input(bool, Vec<i64>),
    Parameter(i64),
    Lose(usize),
    Exchange(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        1 => Just(Change::Nothing),
        3 => (any::<bool>(), prop::collection::vec(0..9_i64, 1..4)).prop_map(|(first, rows)| Change::Input(first, rows)),
        2 => (0..5_i64).prop_map(Change::Parameter),
        2 => (0..OUTPUTS.len() - 1).prop_map(Change::Lose),
        2 => (any::<prop::sample::Index>(), 0..POOL.len()).prop_map(|(at, with)| Change::Exchange(at.index(64), with)),
    ]
}

fn write(folder: &Path, name: &str, rows: &[i64]) {
    let rows: String = rows.iter().map(|row| format!("{row}\n")).collect();
    std::fs::write(folder.join(name), format!("n\n{rows}")).expect("a file");
}

fn run(folder: &Path, statements: &[usize], p: i64, remember: bool) -> RunReport {
    let pool = statements.iter().map(|at| POOL[*at]).collect::<Vec<_>>();
    let text = format!("{START}{}", pool.join("\n"));
    let text = text.replace('$', &folder.display().to_string());
    let engine = Engine::builder()
        .threads(1)
        .open(folder.join("db"))
        .expect("an engine");
    let mut script = Script::new(text).named("job.tide");
    if remember {
        script = script.state(folder.join("state"));
    }
    let report = engine.run_script(script, params! { p: p });
    let rows = engine.query("FROM d |> ORDER BY n", ()).expect("the table");
    let rows: Vec<(i64,)> = rows.typed().collect::<Result<_, _>>().expect("rows");
    std::fs::write(folder.join("d.rows"), format!("{rows:?}")).expect("a file");
    report
}

/// What runs in a folder left there.
fn left(folder: &Path) -> Vec<Option<String>> {
    let read = |name: &&str| std::fs::read_to_string(folder.join(name)).ok();
    OUTPUTS.iter().map(read).collect()
}

fn check(mut statements: Vec<usize>, changes: Vec<Change>) {
    let (mut p, mut inputs) = (1, [vec![1, 2, 3], vec![2, 5]]);
    let kept = tempfile::tempdir().expect("a folder");
    for change in [Change::Nothing].into_iter().chain(changes) {
        match &change {
            Change::Nothing => {}
            Change::Input(first, rows) => inputs[usize::from(*first)].clone_from(rows),
            Change::Parameter(value) => p = *value,
            Change::Lose(output) => drop(std::fs::remove_file(kept.path().join(OUTPUTS[*output]))),
            Change::Exchange(at, with) => {
                let at = at % statements.len();
                statements[at] = *with;
            }
        }
        let fresh = tempfile::tempdir().expect("a folder");
        for (number, rows) in inputs.iter().enumerate() {
            let name = format!("in{}.csv", number + 1);
            write(fresh.path(), &name, rows);
            if matches!(&change, Change::Input(first, _) if usize::from(*first) == number)
                || !kept.path().join(&name).exists()
            {
                write(kept.path(), &name, rows);
            }
        }
        if run(fresh.path(), &statements, p, false)
            .into_result()
            .is_err()
        {
            return;
        }
        let some = run(kept.path(), &statements, p, true)
            .into_result()
            .expect("the job runs");
        let expected = left(fresh.path());
        for ((name, expected), found) in OUTPUTS.iter().zip(&expected).zip(left(kept.path())) {
            // A file that no step writes any more may be left from before.
            if expected.is_some() {
                let steps: Vec<_> = some
                    .steps
                    .iter()
                    .map(|step| (&step.statement, step.status, &step.reason))
                    .collect();
                assert_eq!(&found, expected, "{name} after {change:?}: {steps:#?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn leaving_out_changes_no_result(
        statements in prop::collection::vec(0..POOL.len(), 2..7),
        changes in prop::collection::vec(change(), 1..5),
    ) {
        check(statements, changes);
    }
}

//! No escape codes on a pipe, none where NO_COLOR says so, for every subcommand.

use super::Place;

/// What each subcommand is tried with: something that works and, where it can, something that fails.
const TRIED: &[&[&str]] = &[
    &["--help"],
    &["-h"],
    &["--version"],
    &["--nonsense"],
    &["FROM 'sales.csv'"],
    &["FROM 'sales.csv'", "--format", "table"],
    &["FROM 'sales.csv'", "--format", "markdown"],
    &["FROM 'sales.csv'", "--plot", "bar"],
    &["FROM 'sales.csv' |> CALL PLOT('line', x => day, y => qty)"],
    &["FROM 'sales.csv'", "--explain", "tree"],
    &["FROM 'sales.csv' |> SELECT qyt"],
    &["DESCRIBE FROM 'sales.csv'", "--format", "table"],
    &["SHOW FUNCTIONS", "--format", "table"],
    &["FROM 'sales.csv'", "--progress", "json", "--timing"],
    &["run", "job.tide"],
    &["run", "job.tide", "--dry-run"],
    &["run", "bad.tide"],
    &["bench", "-n", "2", "FROM 'sales.csv'"],
    &["check", "job.tide"],
    &["check", "bad.tide"],
    &["doctor", "--db", "db"],
    &["errors"],
    &["errors", "TM0201"],
    &["fmt", "--check", "loose.tide"],
    &["parse", "job.tide"],
    &["parse", "bad.tide"],
    &["peek", "sales.csv"],
    &["peek", "sales.csv", "--format", "json"],
    &["peek", "none.csv"],
    &["schema", "sales.csv"],
    &["lsp", "--help"],
    &["config"],
    &["completions", "bash"],
    &["completions", "tcsh"],
    &["man"],
];

fn place() -> Place {
    let place = Place::new();
    place
        .file("sales.csv", "day,qty\n2026-01-05,1\n2026-01-06,\n")
        .file("job.tide", "FROM 'sales.csv' |> ORDER BY qty;")
        .file("bad.tide", "FROM 'sales.csv' |> WHERE qyt > 1;")
        .file("loose.tide", "from   'sales.csv'");
    place.answer(["--db", "db", "CREATE TABLE t AS SELECT 1 AS a"]);
    place
}

#[test]
fn a_pipe_gets_no_escape_code_from_any_subcommand() {
    let place = place();
    for environment in [
        &[][..],
        &[("NO_COLOR", "1"), ("CLICOLOR", "1")],
        &[("CI", "true"), ("TERM", "xterm-256color")],
    ] {
        for args in TRIED {
            let mut command = place.command(*args);
            command.envs(environment.iter().copied());
            let output = command.output().expect("the program starts");
            assert!(
                !output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b),
                "{args:?} with {environment:?}: {}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            assert!(
                !output.stdout.is_empty() || !output.stderr.is_empty() || args.contains(&"check"),
                "{args:?} said nothing"
            );
        }
    }
}

#[test]
fn every_subcommand_is_tried() {
    let help = super::answer(["-h"]);
    let (_, after) = help.split_once("Commands:\n").expect("a list of commands");
    let (list, _) = after.split_once("\n\n").expect("the end of the list");
    for line in list.lines().filter(|line| !line.starts_with("     ")) {
        let name = line.split_whitespace().next().expect("a name");
        let is_tried = TRIED.iter().any(|args| args.first() == Some(&name));
        assert!(is_tried, "`{name}` is not tried");
    }
}

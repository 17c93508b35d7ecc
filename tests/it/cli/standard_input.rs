//! Standard input as data: every format, compressed or not.

use std::io::Write;
use std::process::Stdio;

use super::files::GZIPPED;
use super::{Place, piped};

const SUM: &str = "FROM stdin |> AGGREGATE COUNT(*) AS n, SUM(id) AS s";

fn answer(place: &Place, args: &[&str], input: &[u8]) -> String {
    let ended = piped(place, args, input);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    ended.text()
}

#[test]
fn text_is_known_by_its_contents() {
    let place = Place::new();
    let inputs: [&[u8]; 5] = [
        b"id,name\n1,x\n2,y\n",
        b"id;name\n1;x\n2;y\n",
        b"{\"id\": 1}\n{\"id\": 2}\n",
        b"[{\"id\": 1}, {\"id\": 2}]",
        &GZIPPED,
    ];
    for input in inputs {
        assert_eq!(answer(&place, &[SUM], input), "n,s\n2,3\n", "{input:?}");
    }
}

#[test]
fn what_is_written_in_a_format_is_read_from_a_pipe() {
    let place = Place::new();
    let numbers = "FROM UNNEST(GENERATE_SERIES(1, 5000)) AS id |> SELECT id";
    for format in ["csv", "tsv", "json", "ndjson", "arrow", "parquet"] {
        let written = place.run(["--format", format, numbers]);
        assert_eq!(written.code, Some(0), "{}", written.err);
        let sum = answer(&place, &[SUM], &written.out);
        assert_eq!(sum, "n,s\n5000,12502500\n", "{format}");
    }
    assert_eq!(place.names(), Vec::<String>::new());
}

#[test]
fn a_path_means_it_too_and_it_can_be_read_twice() {
    let place = Place::new();
    let input = b"id|name\n1|x\n2|y\n";
    for from in [
        "read_csv('-', delim => '|')",
        "'-'",
        "'/dev/stdin'",
        "Stdin",
    ] {
        let query = format!("FROM {from} |> SELECT name, _file_name");
        assert_eq!(
            answer(&place, &[&query], input),
            "name,_file_name\nx,stdin\ny,stdin\n",
            "{from}"
        );
    }
    let twice = "FROM stdin |> JOIN stdin AS other USING (id) |> AGGREGATE COUNT(*) AS n; FROM stdin |> AGGREGATE COUNT(*) AS n";
    assert_eq!(answer(&place, &[twice], input), "n\n2\n\nn\n2\n");
    // A table of that name comes first.
    let own = "CREATE TABLE stdin AS SELECT 7 AS id; FROM stdin";
    assert_eq!(answer(&place, &[own], b""), "id\n7\n");
}

#[test]
fn a_script_and_data_cannot_both_come_from_it() {
    let place = Place::new();
    piped(&place, &["-"], b"FROM stdin").fails(3, &["TM0701", "it holds the script"]);
    piped(&place, &[], b"FROM stdin").fails(3, &["it holds the script"]);
}

#[test]
fn errors_name_it_with_the_line() {
    let place = Place::new();
    piped(&place, &["FROM stdin"], b"a,b\n1,2\n3\n")
        .fails(3, &["(stdin, line 3)", "read_csv('-', bad_rows => 'skip')"]);
    piped(&place, &["FROM stdin"], b"").fails(3, &["TM0715"]);
    // A device, as a pipe, gives its bytes once or without end.
    piped(&place, &["FROM read_csv('/dev/zero')"], b"")
        .fails(3, &["TM0703", "a pipe or a device", "as `stdin`"]);
    piped(
        &place,
        &["FROM stdin", "--spill-limit", "1KB"],
        &[b'x'; 5000],
    )
    .fails(4, &["TM0511", "standard input is longer than"]);
    let mut damaged = GZIPPED.to_vec();
    damaged.truncate(30);
    piped(&place, &["FROM stdin"], &damaged).fails(3, &["TM0705", "stdin"]);
}

#[test]
fn an_interrupt_ends_it_while_no_byte_comes() {
    let place = Place::new();
    let mut child = place
        .command(["FROM (VALUES (1)) AS t (a); FROM stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("standard input");
    input.write_all(b"a,b\n").expect("it is read");
    // The first statement's answer says that the second is under way.
    let mut out = child.stdout.take().expect("standard output");
    let mut first = [0; 4];
    std::io::Read::read_exact(&mut out, &mut first).expect("the first answer");
    let interrupt = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.expect("kill runs").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    drop(input);
}

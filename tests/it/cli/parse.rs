//! `tidemill parse`: the tree of a text, or what is wrong with it.

use serde_json::{Value, json};

use super::{Place, piped, run};

fn tree(answer: &str) -> Value {
    serde_json::from_str(answer).expect("JSON")
}

#[test]
fn a_tree_comes_from_a_text_a_file_or_standard_input() {
    let place = Place::new();
    place.file("q.tide", "FROM t\n|> LIMIT 1;\nSELECT 'é' AS a");
    let of_file = place.answer(["parse", "--json", "q.tide"]);
    let whole = tree(&of_file);
    assert_eq!(whole["version"], 1);
    assert_eq!(whole["statements"][0]["of"]["pipes"][0]["node"], "limit");
    let span = json!({"start": 19, "end": 35, "line": 3, "column": 1});
    assert_eq!(whole["statements"][1]["span"], span);
    let text = place.read("q.tide");
    assert_eq!(place.answer(["parse", "--json", "-c", &text]), of_file);
    assert_eq!(
        piped(&place, &["parse", "--json", "-"], text.as_bytes()).text(),
        of_file
    );
    assert_eq!(
        piped(&place, &["parse", "--json"], text.as_bytes()).text(),
        of_file
    );
    assert_eq!(of_file.lines().count(), 4, "a statement on each line");
}

#[test]
fn what_does_not_parse_has_its_place() {
    let place = Place::new();
    place.file("bad.tide", "FROM t\n|> FILTER a;\nSELECT");
    place
        .run(["parse", "--json", "bad.tide"])
        .fails(2, &["bad.tide:2:4", "bad.tide:3:1", "error[TM0102]"]);
    run(["parse", "--json", "nowhere.tide"]).fails(3, &["TM0703", "nowhere.tide"]);
    run(["parse", "--json", "-c", "SELECT 1", "x.tide"]).fails(2, &["--command"]);
}

#[test]
fn double_quotes_hold_what_the_flag_says() {
    let literal = |kind: &str| {
        let answer = super::answer([
            "parse",
            "--json",
            "--double-quotes",
            kind,
            "-c",
            "SELECT \"a\"",
        ]);
        let select = &tree(&answer)["statements"][0]["of"]["body"]["of"]["set"]["of"];
        select["items"][0]["of"]["expr"]["node"].clone()
    };
    assert_eq!(literal("string"), "literal");
    assert_eq!(literal("identifier"), "path");
}

#[test]
fn a_word_that_names_a_subcommand_is_one_only_in_front() {
    assert_eq!(super::answer(["SELECT 1 AS parse"]), "parse\n1\n");
    run(["--timing", "parse", "--json", "-c", "SELECT 1"])
        .fails(2, &["--json", "tidemill COMMAND [OPTIONS]"]);
    run(["parser"]).fails(2, &["TM0102", "query:1:1"]);
    run(["help"]).fails(2, &["query:1:1"]);
}

#[test]
fn without_json_the_canonical_text_is_written() {
    let text = "select ((a)) b, \"c d\" from t -- why";
    assert_eq!(
        super::answer(["parse", "-c", text]),
        "SELECT a AS b, `c d` FROM t;\n"
    );
}

/// What programs in other languages rely on. A change here that is more than a new member needs a new version.
#[test]
fn the_json_of_a_tree_is_stable() {
    let place = Place::new();
    place.file(
        "q.tide",
        "FROM t AS u\n|> WHERE a.b + 1 > 'x';\nSET y = -2;\n",
    );
    let golden = r#"{"version": 1, "statements": [
{"node":"query","of":{"with":null,"body":{"node":"from","of":[{"table":{"node":"table","of":{"parts":[{"text":"t","quoted":false,"span":{"start":5,"end":6,"line":1,"column":6}}],"span":{"start":5,"end":6,"line":1,"column":6}},"alias":{"name":{"text":"u","quoted":false,"span":{"start":10,"end":11,"line":1,"column":11}},"columns":[]},"with_offset":null,"hints":[],"sample":null,"pivot":null,"matching":null,"span":{"start":5,"end":11,"line":1,"column":6}},"joins":[]}]},"pipes":[{"node":"where","of":{"node":"binary","of":{"op":">","left":{"node":"binary","of":{"op":"+","left":{"node":"path","of":{"parts":[{"text":"a","quoted":false,"span":{"start":21,"end":22,"line":2,"column":10}},{"text":"b","quoted":false,"span":{"start":23,"end":24,"line":2,"column":12}}],"span":{"start":21,"end":24,"line":2,"column":10}},"span":{"start":21,"end":24,"line":2,"column":10}},"right":{"node":"literal","of":{"node":"integer","of":"1"},"span":{"start":27,"end":28,"line":2,"column":16}}},"span":{"start":21,"end":28,"line":2,"column":10}},"right":{"node":"literal","of":{"node":"string","of":"x"},"span":{"start":31,"end":34,"line":2,"column":20}}},"span":{"start":21,"end":34,"line":2,"column":10}},"span":{"start":12,"end":34,"line":2,"column":1},"keyword":{"start":15,"end":20,"line":2,"column":4}}],"span":{"start":0,"end":34,"line":1,"column":1}},"hints":[],"span":{"start":0,"end":34,"line":1,"column":1}},
{"node":"set_variables","of":{"names":[{"text":"y","quoted":false,"span":{"start":40,"end":41,"line":3,"column":5}}],"values":[{"node":"unary","of":{"op":"-","operand":{"node":"literal","of":{"node":"integer","of":"2"},"span":{"start":45,"end":46,"line":3,"column":10}}},"span":{"start":44,"end":46,"line":3,"column":9}}]},"hints":[],"span":{"start":36,"end":46,"line":3,"column":1}}
]}
"#;
    assert_eq!(place.answer(["parse", "--json", "q.tide"]), golden);
}

//! What the layout looks like, rule by rule.

use tidemill::Syntax;

/// Asserts that `text` is laid out as `expected`, in lines of 40 characters.
fn looks(text: &str, expected: &str) {
    let formatted = Syntax::new().width(40).format(text);
    let formatted = formatted.unwrap_or_else(|errors| panic!("{text}\n{}", errors[0]));
    assert_eq!(formatted, expected, "\n{text}\n--- became\n{formatted}");
}

#[test]
fn each_pipe_begins_a_line() {
    looks(
        "from t|>where a>1 |> select a,b as c;",
        "FROM t\n|> WHERE a > 1\n|> SELECT a, b AS c;\n",
    );
}

//! What the layout looks like, rule by rule, in lines of 40 characters.

use tidemill::Syntax;

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

#[test]
fn only_keywords_and_types_change_their_case() {
    looks(
        "select Sum(a)::int64, Offset, date, extract(year from d), interval 1 day, if(x, null, \"C d\") from T",
        "SELECT\n    Sum(a)::INT64,\n    Offset,\n    date,\n    EXTRACT(YEAR FROM d),\n    INTERVAL 1 DAY,\n    if(x, NULL, \"C d\")\nFROM T\n",
    );
}

#[test]
fn a_long_list_has_an_item_on_each_line() {
    looks(
        "from t |> select a_long_name, another_long_name, b |> drop a, b",
        "FROM t\n|> SELECT\n    a_long_name,\n    another_long_name,\n    b\n|> DROP a, b\n",
    );
}

#[test]
fn group_by_stands_below_its_aggregates() {
    looks(
        "from t |> aggregate sum(x) as s, count(*) group by region |> aggregate group by region",
        "FROM t\n|> AGGREGATE sum(x) AS s, count(*)\n   GROUP BY region\n|> AGGREGATE GROUP BY region\n",
    );
}

#[test]
fn queries_and_subpipes_stand_inside_their_parentheses() {
    looks(
        "from t |> where x in (from u |> select y) |> tee (|> limit 1), (|> where a |> limit 2) |> union all (from v)",
        "FROM t\n|> WHERE x IN (\n  FROM u\n  |> SELECT y\n)\n|> TEE (\n  |> LIMIT 1\n), (\n  |> WHERE a\n  |> LIMIT 2\n)\n|> UNION ALL (FROM v)\n",
    );
}

#[test]
fn a_long_condition_breaks_at_its_weakest_operators() {
    looks(
        "from t |> where first_column = 1 and second_column = 2 + 3 and (a or b)",
        "FROM t\n|> WHERE first_column = 1\n    AND second_column = 2 + 3\n    AND (a OR b)\n",
    );
}

#[test]
fn a_select_that_does_not_fit_has_a_clause_on_each_line() {
    looks(
        "select a, b from t where a > 1 order by a limit 5 |> where b",
        "SELECT a, b\nFROM t\nWHERE a > 1\nORDER BY a\nLIMIT 5\n|> WHERE b\n",
    );
}

#[test]
fn comments_stay_beside_their_neighbours() {
    looks(
        "-- head\nfrom t -- the table\n -- about the filter\n|> where a /* why */ > 1\n|> select a -- first\n, b -- second\n; -- end\n\n\n-- last",
        "-- head\nFROM t -- the table\n-- about the filter\n|> WHERE a /* why */ > 1\n|> SELECT\n    a, -- first\n    b; -- second\n-- end\n\n-- last\n",
    );
}

#[test]
fn one_empty_line_between_statements_is_kept() {
    looks(
        "\n\nset x = 1;\nset y = 2;\n\n\n\nset z = 3;;\n",
        "SET x = 1;\nSET y = 2;\n\nSET z = 3;\n",
    );
}

#[test]
fn statements_of_a_block_stand_inside_it() {
    looks(
        "if a then set x=1; -- one\n-- two\nelseif b then else select 1; end if;",
        "IF a THEN\n  SET x = 1; -- one\n  -- two\nELSEIF b THEN\nELSE\n  SELECT 1;\nEND IF;\n",
    );
}

#[test]
fn what_may_not_touch_does_not() {
    looks(
        "select - -1, 1 .x, x::array<int64>>=[1], f (a) [ 1 ] . b :: int64",
        "SELECT\n    - -1,\n    1 .x,\n    x::ARRAY<INT64> >= [1],\n    f(a)[1].b::INT64\n",
    );
}

#[test]
fn changes_of_tables_break_at_their_clauses() {
    looks(
        "update t as a set x=a.x+1,y='a longer text, so that it needs lines of its own' where x>1",
        "UPDATE t AS a\nSET\n    x = a.x + 1,\n    y = 'a longer text, so that it needs lines of its own'\nWHERE x > 1\n",
    );
    looks(
        "merge into t using s on t.id=s.id when matched and s.gone then delete \
         when not matched by source then update set x=0 when not matched then insert (id,x) values (s.id,s.x)",
        "MERGE INTO t USING s ON t.id = s.id\nWHEN MATCHED AND s.gone THEN DELETE\n\
         WHEN NOT MATCHED BY SOURCE THEN UPDATE SET\n    x = 0\n\
         WHEN NOT MATCHED THEN INSERT (\n    id,\n    x\n) VALUES (s.id, s.x)\n",
    );
    looks(
        "insert overwrite t partition (day=3) from s; show shards t; alter table t shards 16; show replicas t; alter table t add replica '/r/t' weight 2 sync; alter table t drop replica '/r/t'; alter table t repair; explain route format json from t",
        "INSERT OVERWRITE t PARTITION (day = 3)\nFROM s;\nSHOW SHARDS t;\nALTER TABLE t SHARDS 16;\nSHOW REPLICAS t;\nALTER TABLE t ADD REPLICA '/r/t' WEIGHT 2 SYNC;\nALTER TABLE t DROP REPLICA '/r/t';\nALTER TABLE t REPAIR;\nEXPLAIN ROUTE FORMAT JSON FROM t\n",
    );
}

#[test]
fn the_way_of_reading_quotes_stays_the_first_line() {
    looks(
        "#!double_quotes=string\nselect \"it's\" a",
        "#!double_quotes=string\nSELECT \"it's\" a\n",
    );
    looks(
        "\n#!double_quotes=string\nselect \"A\"",
        "\n#!double_quotes=string\nSELECT \"A\"\n",
    );
    looks(
        "set @@double_quotes = 'string'; select \"a -- b\"",
        "SET @@double_quotes = 'string';\nSELECT \"a -- b\"\n",
    );
}

#[test]
fn nothing_stays_nothing() {
    looks("", "");
    looks(" \n; ;\n", "");
    looks("/* only this */", "/* only this */\n");
}

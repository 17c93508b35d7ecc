//! The list. An entry: the code and who acts next, then what is wrong, how it comes about, what to do, and a text that gives it.
//! `data` is what `data.csv` (or the name in the text) holds; `run` runs before, `no example` says that no text alone gives it.

use super::{Code, ErrorKind};

codes! {
    TM0101 [Input]
        "a text, a quoted name or a comment is not closed"
        "The script ends before the quote or comment does; often a quote inside of a text is written once."
        "Close it. A quote inside of a text is written twice: `'it''s'`."
        example "SELECT 'it";
    TM0102 [Input, Limit]
        "the text does not follow the grammar"
        "A word is missing, is too much, or stands in a place where it cannot stand; a clause of SQL is written without its pipe."
        "The label at the place says what must stand there; where the correction is known it is offered as a fix."
        example "SELECT 1 AS a WERE a = 1";
    TM0103 [Input]
        "there is not the statement that is needed"
        "The text is empty, holds a character that means nothing, or has several statements where exactly one is meant."
        "Give one statement, or as many as the place takes."
        example "IF TRUE SELECT 1 AS a; END IF";
    TM0104 [Input]
        "an escape in a text is not known"
        "A backslash in E'…' begins an escape."
        "Write \\\\ for a backslash, or '…', in which backslashes are themselves."
        example "SELECT E'C:\\data' AS path";
    TM0105 [Input]
        "a number runs into a word"
        "A name begins with a digit, or a blank is missing."
        "Put a blank or an operator between; quote a name that begins with a digit: `2nd`."
        example "SELECT 12abc AS a";
    TM0106 [Input]
        "two set operations have no order among them"
        "UNION, INTERSECT and EXCEPT stand beside one another without parentheses."
        "Put one of the two in parentheses, or write it as a pipe step."
        example "SELECT 1 AS a UNION ALL SELECT 2 AS a INTERSECT DISTINCT SELECT 1 AS a";
    TM0107 [Input]
        "comparisons do not chain"
        "`a < b < c` would compare a BOOL with c."
        "Write `a < b AND b < c`, or put one comparison in parentheses."
        example "SELECT 1 < 2 < 3 AS a";
    TM0108 [Input, Limit]
        "brackets do not match, or the text is too long"
        "A bracket is not closed, closes nothing, or is closed by one of another kind; a script may be 16 MiB long, a text for DataFusion's SQL 1 MiB."
        "Close the bracket where the label says it was opened; split a longer text."
        example "SELECT (1 + 2 AS a";
    TM0109 [Input, Limit]
        "something is nested too deep"
        "Parentheses, CASE, lambdas, types or function bodies inside one another beyond the bound that keeps every text harmless; a function that calls itself."
        "Break the expression up: name its parts in an EXTEND before."
        no example;
    TM0110 [Input, Limit]
        "something is too many"
        "Names, items, columns, tables, grouping sets, partitions or pattern symbols beyond their bound."
        "Use fewer; keep the rows of what is read again and again with CREATE TEMP TABLE."
        no example;
    TM0201 [Input]
        "there is no column of this name here"
        "A letter is wrong, or a step before left the column out: after SELECT and AGGREGATE only what they list is there."
        "The message lists the columns of this step; move the step before the one that drops the column, or keep the column there."
        example "FROM (VALUES (1)) AS t (region) |> WHERE regoin = 1";
    TM0202 [Input]
        "a name means two columns"
        "A join gives two columns of this name, or a list gives it twice."
        "Write the table's alias before it, or give one of them another name with RENAME."
        example "FROM (VALUES (1)) AS a (x) |> JOIN (VALUES (1)) AS b (x) ON TRUE |> SELECT x";
    TM0203 [Input]
        "there is no table or view of this name"
        "A letter is wrong, the table was not created in this session or database, or a file's path is written without quotes."
        "The message names the nearest tables; a file is named in single quotes."
        example "FROM nowhere";
    TM0204 [Input]
        "there is no function of this name"
        "A letter is wrong, or other systems call it otherwise."
        "SHOW FUNCTIONS lists all of them; CREATE FUNCTION defines one, and a program registers closures."
        example "SELECT UPER('a') AS a";
    TM0206 [Input]
        "a name could be several that differ only in case"
        "Names match without regard to case unless that is not clear."
        "Write the name in backticks with its exact case."
        run "CREATE TEMP TABLE Twin AS SELECT 1 AS a; CREATE TEMP TABLE tWIN AS SELECT 1 AS a"
        example "FROM twin";
    TM0207 [Input]
        "two tables have the same alias"
        "A join of a table with itself needs another name for one of the two."
        "Give one another name with AS."
        example "FROM (VALUES (1)) AS t (x) |> JOIN (VALUES (1)) AS t (y) ON x = y";
    TM0208 [Input]
        "there is no window of this name"
        "A WINDOW list belongs to one operator; or the window names itself."
        "Name the window in the operator that uses it."
        example "FROM (VALUES (1)) AS t (x) |> EXTEND SUM(x) OVER w AS s";
    TM0301 [Input]
        "something is said twice"
        "A column is set, an item named or a symbol declared a second time in one operator."
        "Leave one of the two out."
        example "FROM (VALUES (1)) AS t (x) |> SET x = 1, x = 2";
    TM0302 [Input]
        "numbers of columns differ"
        "Inputs of a set operation, a list of names or the values of an INSERT do not have as many columns as the other side."
        "Give each the same number, or match columns BY NAME."
        example "SELECT 1 AS a UNION ALL SELECT 1 AS a, 2 AS b";
    TM0303 [Input]
        "columns cannot be matched by name"
        "An input lacks a column that the other has, or a column has no name."
        "Name columns with AS; FULL … BY NAME fills what is missing with NULL, INNER … BY NAME leaves it out."
        example "SELECT 1 AS a UNION ALL BY NAME SELECT 1 AS b";
    TM0304 [Input]
        "no columns are left"
        "Every column was dropped, or the inputs have none in common."
        "Keep at least one."
        example "FROM (VALUES (1)) AS t (x) |> DROP x";
    TM0305 [Input]
        "stored columns need names, each once"
        "CREATE TABLE, EXPORT DATA and views keep names, so that every column must have one of its own."
        "Name columns with AS or RENAME."
        example "CREATE TABLE t AS SELECT 1 AS a, 2 AS a";
    TM0306 [Data, Input]
        "files or batches of one table do not fit together"
        "The same column has types in them that have none in common."
        "Read them apart and cast, or name the types: `read_csv(…, types => STRUCT<…>)`."
        no example;
    TM0307 [Input]
        "the table has no such version"
        "AS OF names a version or time that is not there yet, or that VACUUM took away."
        "The message says which versions there are."
        run "CREATE TABLE t AS SELECT 1 AS a"
        example "FROM t FOR VERSION AS OF 9";
    TM0311 [Input]
        "an aggregate function stands where none can"
        "SUM(x) needs the rows of a group; SELECT, EXTEND and WHERE see one row at a time."
        "`|> AGGREGATE SUM(x)` for one row, `SUM(x) OVER ()` for a value on every row."
        example "FROM (VALUES (1)) AS t (x) |> SELECT SUM(x)";
    TM0312 [Input]
        "a column stands outside of an aggregate function"
        "An item of AGGREGATE is computed for a group of rows, in which the column has many values."
        "Aggregate it, or group by it and compute with it in an EXTEND after the AGGREGATE."
        example "FROM (VALUES (1)) AS t (x) |> AGGREGATE SUM(x) + x AS s";
    TM0313 [Input]
        "there is nothing to aggregate"
        "AGGREGATE or HAVING has neither an aggregate function nor GROUP BY."
        "For the number of rows: `|> AGGREGATE COUNT(*)`."
        example "FROM (VALUES (1)) AS t (x) |> AGGREGATE GROUP BY ()";
    TM0314 [Input]
        "rows cannot be grouped by this"
        "GROUP BY takes columns and expressions: a number would be a constant here and not a position."
        "Name the column."
        example "FROM (VALUES (1)) AS t (x) |> AGGREGATE COUNT(*) GROUP BY 1";
    TM0315 [Input]
        "this is not possible here"
        "A window function, a subquery, a statement or a step stands where the language has no meaning for it."
        "The message says what is; often it is computed in an EXTEND before."
        example "FROM (VALUES (1)) AS t (x) |> AGGREGATE SUM(ROW_NUMBER() OVER ()) AS s";
    TM0317 [Input]
        "a column, position or layout is not one that can be used"
        "ORDER BY names a position that is not there, or a table's partitions and shards do not allow what is asked."
        "The message says what there is."
        example "SELECT 1 AS a ORDER BY 2";
    TM0318 [Input]
        "a column is neither grouped nor aggregated, or cannot be added"
        "With GROUP BY every column of SELECT must be one of the keys or in an aggregate function; a NOT NULL column cannot be added to rows that lack it."
        "Add it to GROUP BY, or wrap it: `ANY_VALUE(x)`."
        example "SELECT a, b FROM (VALUES (1, 2)) AS t (a, b) GROUP BY a";
    TM0319 [Input]
        "the table takes no rows"
        "It is a view, is read from files, or is not kept in the database."
        "Write files with EXPORT DATA; create the table with CREATE TABLE."
        example "CREATE VIEW v AS SELECT 1 AS a; INSERT INTO v SELECT 2";
    TM0320 [Input]
        "the window's frame has no meaning"
        "It ends before it starts, counts distances over values that have none, or changes what the window that it names says."
        "Count rows with ROWS, equal values with GROUPS."
        example "FROM (VALUES ('a')) AS t (k) |> EXTEND COUNT(*) OVER (ORDER BY k RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) AS n";
    TM0321 [Input]
        "the grouping sets cannot be written so"
        "Inside ROLLUP, CUBE and GROUPING SETS only columns stand, and no order."
        "Compute expressions in an EXTEND before, and add `|> ORDER BY`."
        example "FROM (VALUES (1)) AS t (x) |> AGGREGATE COUNT(*) AS n GROUP BY ROLLUP (x * 2)";
    TM0322 [Input]
        "after SELECT DISTINCT only columns of its list can be sorted by"
        "Rows that were made one may differ in other columns."
        "Add the column to the list, or sort in a step of its own."
        example "SELECT DISTINCT a FROM (VALUES (1, 2)) AS t (a, b) ORDER BY b";
    TM0323 [Input]
        "the join and its condition do not fit"
        "JOIN without ON or USING, CROSS JOIN with one, or LATERAL on the right of RIGHT or FULL JOIN."
        "Write ON …, or CROSS JOIN for every pair of rows."
        example "FROM (VALUES (1)) AS a (x) |> JOIN (VALUES (1)) AS b (y)";
    TM0324 [Input]
        "the recursion does not read itself exactly once"
        "The query that goes on needs the rows that were added last, once."
        "Name them: RECURSIVE UNION ALL ( … ) AS r, and read r once in FROM or JOIN."
        example "SELECT 1 AS n |> RECURSIVE UNION ALL (SELECT 1) AS r";
    TM0325 [Input]
        "nothing can follow, or this cannot stand inside"
        "FORK, INSERT, EXPORT DATA and CREATE TABLE end the outermost query of a statement."
        "To go on with the same rows write `|> TEE ( … )` before."
        example "FROM (VALUES (1)) AS t (x) |> FORK (|> WHERE x = 1) |> WHERE x = 1";
    TM0326 [Input]
        "a symbol of MATCH_RECOGNIZE is used wrongly"
        "PATTERN and DEFINE do not name the same symbols, or a condition looks at a row that it cannot see."
        "Define each symbol of the pattern; see other rows with PREV(x) and NEXT(x)."
        example "FROM (VALUES (1)) AS t (id) |> MATCH_RECOGNIZE (ORDER BY id MEASURES COUNT(*) AS n PATTERN (a b) DEFINE a AS TRUE)";
    TM0327 [Input]
        "a clause of MERGE cannot stand here"
        "Its rows cannot have this action, or an earlier clause takes all of them."
        "Put clauses with conditions first."
        run "CREATE TABLE t AS SELECT 1 AS a"
        example "MERGE INTO t USING (SELECT 1 AS b) AS s ON a = b WHEN MATCHED THEN INSERT *";
    TM0328 [Input]
        "changes cannot be told over a change of columns"
        "The table's columns changed between the two versions."
        "Ask for the changes before and after it apart."
        no example;
    TM0329 [Input]
        "which rows are changed may not depend on chance"
        "The condition has a function such as RANDOM, whose second computation gives other rows."
        "Compute the rows first: CREATE TEMP TABLE chosen AS …."
        run "CREATE TABLE t AS SELECT 1 AS a"
        example "DELETE FROM t WHERE RANDOM() < 0.5";
    TM0330 [Input]
        "DEFAULT is used wrongly"
        "The word stands in place of a value that is not stored, or a column's default is not one expression of constants and functions."
        "Write DEFAULT as a whole value of INSERT … VALUES, MERGE or UPDATE; compute other values in the query."
        run "CREATE TABLE t (a INT64 DEFAULT 1)"
        example "INSERT INTO t VALUES (DEFAULT + 1)";
    TM0401 [Input]
        "a condition must be a BOOL"
        "WHERE, ON, HAVING or IF has a value of another type."
        "Compare it with something: `x > 0`, `x IS NOT NULL`."
        example "FROM (VALUES (1)) AS t (x) |> WHERE x";
    TM0402 [Input]
        "the function is called with arguments that it does not take"
        "Too few or too many, of a wrong type, or with a name that it does not know."
        "The message shows how it is called; SHOW FUNCTIONS has an example."
        example "SELECT UPPER(1, 2) AS a";
    TM0403 [Input]
        "values of these types do not go together"
        "Branches of CASE, sides of a comparison or set operation, or a stored value have no type in common."
        "Cast them to one type."
        example "SELECT [1, 'a'] AS a";
    TM0404 [Input]
        "the value is not one of those that are possible here"
        "A number of rows, a share, a frame or an option is outside of its range."
        "The message says which values are possible."
        example "FROM (VALUES (1)) AS t (x) |> LIMIT -1";
    TM0405 [Input]
        "there is no such type"
        "A letter is wrong, another system's name is meant, or a DECIMAL has digits out of range."
        "The message lists the types; INT8 is TINYINT or INT64."
        example "SELECT CAST(1 AS INTEGR) AS a";
    TM0406 [Input]
        "this type cannot become that one"
        "No value of the one has a meaning in the other."
        "Take a part of the value that has, or convert through STRING."
        example "SELECT CAST([1] AS INT64) AS a";
    TM0407 [Input]
        "a literal or parameter is needed here"
        "The value must be known before rows are read, so no column can give it."
        "Write a literal, @parameter or variable."
        example "FROM (VALUES (1)) AS t (x) |> LIMIT x";
    TM0500 [Data]
        "an assertion does not hold"
        "ASSERT met a row or a condition that its author excluded."
        "The message shows the first row; ASSERT … ON VIOLATION WARN or DROP goes on."
        example "ASSERT 1 > 2 AS 'numbers are in order'";
    TM0501 [Run]
        "a value cannot be converted"
        "CAST met a text that is no number or time of the type, or a pattern is not valid."
        "TRY_CAST gives NULL where the value does not fit."
        example "SELECT CAST('x' AS INT64) AS a";
    TM0502 [Run]
        "a number is too large for its type, or is divided by zero"
        "Nothing wraps around and nothing becomes infinite by itself: the sum or product does not fit."
        "Cast an operand to a wider type; guard a divisor with `NULLIF(x, 0)`."
        example "SELECT 9223372036854775807 + x AS a FROM (VALUES (1)) AS t (x)";
    TM0503 [Run]
        "a subquery used as a value gave more than one row"
        "A value is one row and one column."
        "Add `|> LIMIT 1`, aggregate, or use ARRAY(…) or IN (…)."
        example "SELECT (FROM (VALUES (1), (2)) AS t (x)) AS a";
    TM0504 [Run]
        "the recursion does not end"
        "Its rounds still give rows at the bound, 10,000 unless set otherwise."
        "Add a condition that ends it, such as `WHERE depth < 100`."
        no example;
    TM0505 [Unavailable]
        "no copy of a segment can be read"
        "The table's own file and those of its replicas are missing, damaged, or do not answer."
        "`ALTER TABLE … REPAIR` makes copies again from those that are whole; or run the query again later."
        no example;
    TM0506 [Limit]
        "the memory limit is reached"
        "An operator that cannot write out more of what it holds needs more than there is."
        "Raise the memory limit (--memory-limit), or let the query need less: fewer columns, a filter earlier."
        no example;
    TM0507 [Cancelled]
        "the query was cancelled"
        "Ctrl-C, QueryHandle::cancel or Engine::cancel_all."
        "Nothing half is left; run it again."
        no example;
    TM0508 [Run]
        "a function could not compute its value"
        "A value is outside of what the function is defined for."
        "The message says which; filter or clean the rows before."
        example "SELECT CHR(-1) AS a";
    TM0509 [Run]
        "a function of the program failed"
        "A closure registered with register_fn or register_aggregate gave an error or panicked."
        "The message carries its reason."
        no example;
    TM0510 [Run]
        "NULL in a column that takes none"
        "A row to be stored has NULL where the table says NOT NULL."
        "Filter the rows with WHERE, or replace NULL with `COALESCE`."
        run "CREATE TABLE t (a INT64 NOT NULL)"
        example "INSERT INTO t SELECT NULL";
    TM0511 [Limit]
        "the disk has no room for what does not fit into memory"
        "The bound of --spill-limit is reached, or the file system is full."
        "Free some space, raise the bound, or choose another directory with --spill-dir."
        no example;
    TM0512 [Timeout]
        "the query ran longer than its timeout"
        "--timeout, Builder::timeout or QueryHandle::set_timeout ended it."
        "Raise the timeout, or let the query do less."
        no example;
    TM0513 [Run]
        "a row of the table is matched by several rows of the source"
        "MERGE would change it twice."
        "Leave one row of the source for each: AGGREGATE it, or match on more columns."
        run "CREATE TABLE t AS SELECT 1 AS a"
        example "MERGE INTO t USING (VALUES (1), (1)) AS s (b) ON a = b WHEN MATCHED THEN UPDATE SET a = 2";
    TM0514 [Run]
        "the query said so itself"
        "A row reached ERROR('…')."
        "The message is the query's own."
        example "SELECT ERROR('too large') AS a";
    TM0601 [Input]
        "a parameter has no value, or nothing asks for one"
        "@name is used or declared and nobody gave it a value; or a job is given a value for a name that it does not have."
        "Pass it: --param name=…, params! { name: … }, or declare it with a DEFAULT."
        example "SELECT @least AS a";
    TM0602 [Input]
        "a module cannot be imported"
        "It imports itself, or holds other than functions, constants, views and imports."
        "Take what both need into a module of its own."
        no example;
    TM0603 [Input]
        "a setting or hint is not known, or cannot have this value"
        "A letter is wrong, or the value is out of its range."
        "The message lists what there is."
        example "SET @@no_such_setting = 1";
    TM0604 [Input]
        "rows and the program's type do not fit"
        "A struct's fields are not named as the columns, or NULL comes where the type has no Option."
        "Name the fields as the query's columns, and use Option for columns with NULL."
        no example;
    TM0605 [Run]
        "not exactly one row"
        "Rows::one was asked for and the query gave none, or several."
        "Add `|> LIMIT 1` or an AGGREGATE, or read the rows with Rows::typed."
        no example;
    TM0606 [Input]
        "a variable or constant is not declared, or the name cannot be one"
        "A letter is wrong, DECLARE is missing, or a constant is set."
        "Write DECLARE name DEFAULT … before; CREATE OR REPLACE CONSTANT changes a constant."
        example "SET total = 1";
    TM0701 [Io]
        "the operating system refused"
        "No permission, no such directory, no more threads or files."
        "The message carries its reason."
        no example;
    TM0702 [Input]
        "the name is taken"
        "A table, view, function or file of this name exists already."
        "Write CREATE OR REPLACE, IF NOT EXISTS, or overwrite = TRUE."
        example "CREATE TABLE t AS SELECT 1 AS a; CREATE TABLE t AS SELECT 1 AS a";
    TM0703 [Io]
        "there is no such file"
        "The path is wrong, or a pattern matches nothing; a relative path starts at the current directory."
        "The message names files that are called alike."
        example "FROM 'missing.csv'";
    TM0704 [Input, Io]
        "the file's format is not known, or the file changed while it was read"
        "Neither its contents nor its name tell what it is; or somebody wrote to it meanwhile."
        "Name the format: read_csv('…'), read_json('…'), read_parquet('…'); run again when nobody writes."
        data "data.xyz" "\u{1}\u{2}\u{3}"
        example "FROM 'data.xyz'";
    TM0705 [Input, Data]
        "a declared column is not in the file, or compressed data is damaged"
        "The list of columns names one that the file lacks; or a .gz or .zst file ends too early."
        "Write the names as the file has them; copy a damaged file again."
        no example;
    TM0706 [Input]
        "the reader has no such option"
        "A letter is wrong, or the format says by itself how it is read."
        "The message lists the options."
        data "data.csv" "a\n1\n"
        example "FROM read_csv('data.csv', delimitr => ';')";
    TM0707 [Input]
        "the option cannot have this value"
        "It is of a wrong type, or two options are the same character."
        "The message says what is possible."
        data "data.csv" "a\n1\n"
        example "FROM read_csv('data.csv', delim => 'ab')";
    TM0708 [Busy]
        "somebody else changed the name meanwhile"
        "Two statements created or dropped the same name at the same time."
        "Run the statement again."
        no example;
    TM0709 [Data]
        "lines end in a carriage return alone"
        "The file comes from a system of long ago."
        "Convert it first: `tr '\\r' '\\n' < old.csv > new.csv`."
        data "data.csv" "a,b\r1,2\r3,4\r"
        example "FROM 'data.csv'";
    TM0711 [Data]
        "a value does not have the column's type"
        "The type was told from the beginning of the file, and a later value contradicts it."
        "The hint gives the option that settles it, such as `types => STRUCT<id STRING>`."
        data "data.csv" "id\n1\nx\n"
        example "FROM read_csv('data.csv', types => STRUCT<id INT64>)";
    TM0712 [Data]
        "a record has more or fewer fields than the file has columns"
        "A separator is missing, is too much, or stands unquoted in a value: the row would be lost or wrong."
        "Mend the line that is named, or give the dialect: delim, quote, columns."
        data "data.csv" "a,b\n1,2\n3\n"
        example "FROM 'data.csv'";
    TM0713 [Data]
        "the text is not UTF-8"
        "The file is in another encoding, such as Latin-1 or UTF-16."
        "Convert it first with iconv."
        no example;
    TM0714 [Data]
        "a quote is never closed"
        "A value begins with a quote that has no end; or quotes mean nothing in this file."
        "Mend the line that is named, or turn quotes off."
        data "data.csv" "a,b\n1,2\n3,\"x\n"
        example "FROM 'data.csv'";
    TM0715 [Data]
        "the file is empty, so its columns are unknown"
        "There is neither a header nor a row."
        "Name the columns: `read_csv('…', columns => STRUCT<id INT64, name STRING>)`."
        data "data.csv" ""
        example "FROM 'data.csv'";
    TM0716 [Data]
        "text follows a closing quote"
        "A quote inside of quotes is written once."
        "Double it, or turn quotes off."
        data "data.csv" "a,b\n1,\"x\"z\n"
        example "FROM 'data.csv'";
    TM0717 [Data]
        "a record is too long"
        "One record is longer than a reader takes; a quote may not be closed."
        "Mend the line that is named."
        no example;
    TM0718 [Input]
        "a text file has no columns of this type"
        "Values of this type have no form in text that is read."
        "Read the column as STRING and convert it in the query."
        no example;
    TM0719 [Input, Data]
        "the header does not have this column"
        "An option names a column that the file does not have."
        "The message lists the header's names."
        data "data.csv" "a\n1\n"
        example "FROM read_csv('data.csv', types => STRUCT<nope INT64>)";
    TM0721 [Data]
        "a line is no valid JSON"
        "It is cut off, has more behind its object, or a key twice."
        "Mend the line that is named."
        data "data.json" "{\"a\":1}\n{\"a\":}\n"
        example "FROM 'data.json'";
    TM0722 [Data]
        "this is no file of JSON objects"
        "It holds numbers or texts where objects are needed."
        "Every line is one object, or the file is one array of objects."
        data "data.json" "1\n2\n"
        example "FROM read_json('data.json')";
    TM0723 [Data]
        "a key was not seen in the beginning of the file"
        "The columns are told from a sample, and a later object has more."
        "Name the columns: `read_json('…', columns => STRUCT<…>)`."
        no example;
    TM0731 [Data]
        "a Parquet file is damaged"
        "Its footer, a page or its statistics do not fit together."
        "Copy it again."
        data "data.parquet" "PAR1 and no more PAR1"
        example "FROM 'data.parquet'";
    TM0732 [Data]
        "an Arrow file is damaged"
        "Its blocks or its footer do not fit together."
        "Copy it again."
        data "data.arrow" "ARROW1 and no more"
        example "FROM 'data.arrow'";
    TM0733 [Data]
        "a value does not fit the table's column"
        "Files of one table store the column in different types, and this value has no place in the common one."
        "Read the files apart."
        no example;
    TM0740 [Busy]
        "another change of the table came first"
        "Two programs changed the same rows, or what one of them looked at."
        "Nothing was written: run the statement again."
        no example;
    TM0741 [Data]
        "the table needs what this program does not know"
        "Another program wrote it with a feature or type of the Delta protocol that is not supported."
        "Rewrite it without this feature, with the program that wrote it."
        no example;
    TM0742 [Data]
        "the table's log is damaged"
        "A file of the log is missing or cannot be read."
        "Restore this file from a copy."
        no example;
    TM0743 [Poisoned]
        "the database is closed for writing"
        "An earlier write could not be made durable, so what the disk holds is not known."
        "Look after the disk, then open the database again; reading goes on."
        no example;
    TM0744 [Input]
        "a durable table has no columns of this type"
        "The Delta format knows no such type."
        "Cast it, for example to STRING or DECIMAL(38, 9)."
        example "CREATE TABLE t AS SELECT INTERVAL 1 DAY AS a";
    TM0745 [Input]
        "the table takes new rows only"
        "Its setting delta.appendOnly is true."
        "INSERT, or change the setting."
        no example;
    TM0747 [Run, Input]
        "a value cannot be stored in this column or partition"
        "A time is finer than microseconds, or a partition would be called by an empty text."
        "Round or cast the column; use NULL for what has no name."
        example "CREATE TABLE t PARTITION BY a AS SELECT '' AS a, 1 AS b";
    TM0748 [Data]
        "a file of the table is missing or is not the one that was written"
        "VACUUM took it away from an old version, or somebody changed it."
        "Read a newer version, or restore the file from a copy."
        no example;
    TM0749 [Input]
        "partitions and shards need a database"
        "A table in memory has no layout."
        "Open the engine with a directory: --db, Engine::open; a TEMP table is kept in memory there too."
        example "CREATE TEMP TABLE t PARTITION BY a AS SELECT 1 AS a, 2 AS b";
    TM0750 [Limit]
        "too many rows wait to become part of the table"
        "An appender that works behind, or INSERTs of a table with ingest = 'buffered', are faster than rows can move into segments."
        "Append fewer rows at once, or raise bytes_max, which is the option buffer_bytes of a table."
        no example;
    TM0751 [Unavailable]
        "a SYNC replica did not take the new rows"
        "The table keeps a copy that must have every row before a change is seen, and its directory cannot be written."
        "Nothing was written: bring the replica back and run the statement again, or `ALTER TABLE … DROP REPLICA`."
        no example;
    TM0752 [Input, Limit]
        "the table's replicas cannot be changed so"
        "A replica is there already or is not there, its path is no directory, its weight is out of range, or there are too many."
        "The message lists the replicas that there are."
        run "CREATE TABLE t AS SELECT 1 AS a"
        example "ALTER TABLE t DROP REPLICA 'nowhere'";
    TM0753 [Busy]
        "another run of the job goes on"
        "Two runs of one job would write the same files; the first has the lock in the job's state directory."
        "Wait for its end. A run that was killed holds nothing."
        no example;
    TM0754 [Input]
        "a state directory is that of another job"
        "Two jobs with files of the same name were given the same --state."
        "Give each job a state directory of its own."
        no example;
    TM0755 [Busy]
        "the directory takes no commits of the table"
        "A replica was promoted, so that commits go to its directory; or this directory is a replica that was not."
        "Run the statement again: it goes to the directory that was promoted. To write in a replica: `ALTER TABLE … PROMOTE REPLICA`."
        no example;
    TM0761 [Input, Limit]
        "another machine refuses what is asked of it"
        "The address is wrong, needs a permission that was not given, or stands for more files than a query may have."
        "The message has what the machine answered. For s3:// the AWS_* variables say who asks, and where."
        no example;
    TM0762 [Unavailable]
        "another machine does not answer, or breaks off"
        "It cannot be reached, is overloaded, or stopped in the middle: it was asked several times."
        "Try again later; look whether the address is right and the network there."
        no example;
    TM0900 [Input]
        "this belongs to the language and is not built yet"
        "The text is right; a later version runs it."
        "Write it in another way; the hint says how where there is one."
        example "FROM (VALUES (1)) AS a (x) |> NATURAL JOIN (VALUES (1)) AS b (x)";
    TM0901 [Input]
        "a correlated subquery cannot be unnested"
        "It reads a column of the outer query in a way that no join can express."
        "Write it as a JOIN, or keep the rows first: CREATE TEMP TABLE … AS."
        example "FROM (VALUES (1)) AS t (id) |> SELECT (WITH RECURSIVE r AS (SELECT t.id AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT COUNT(*) FROM r) AS n";
    TM0902 [Input]
        "the query cannot be planned"
        "The planner found no way to run it."
        "Write it in smaller steps, and report it."
        no example;
    TM0903 [Input]
        "DataFusion's own SQL did not take the text"
        "Engine::sql speaks another dialect."
        "The message is DataFusion's; Engine::query speaks this language."
        no example;
    TM0999 [Bug]
        "a fault of this program"
        "A case that the code holds to be impossible."
        "Please report it with the query."
        no example;
    TW01 [Input]
        "an operator has a plainer name"
        "`SELECT *, …` does what EXTEND does."
        "Write `|> EXTEND`."
        no example;
    TW02 [Input]
        "a hint is not known and does nothing"
        "A letter is wrong."
        "The message names the nearest."
        example "FROM (VALUES (1)) AS t (x) |> JOIN @{stratgy = 'hash'} (VALUES (1)) AS u (y) ON x = y";
    TW03 [Input]
        "a new column hides another of its name"
        "EXTEND adds a column beside the one of the same name."
        "To change the column write `|> SET`."
        example "FROM (VALUES (1)) AS t (x) |> EXTEND 2 AS x";
    TW04 [Input]
        "what DESCRIBE tells"
        "A DESCRIBE step shows the table of the step before it and lets the rows pass."
        "Nothing is to be done."
        no example;
    TW05 [Run]
        "what LOG shows"
        "A LOG step shows rows and lets them pass."
        "Nothing is to be done."
        example "FROM (VALUES (1)) AS t (x) |> LOG";
    TW06 [Run]
        "an assertion did not hold for some rows"
        "ASSERT … ON VIOLATION WARN or DROP counted them."
        "Look at the first of them, which the message shows."
        example "FROM (VALUES (1), (2)) AS t (x) |> ASSERT x < 2 ON VIOLATION WARN";
    TW07 [Io, Data, Limit, Busy]
        "the table is changed, and what follows a change could not be done"
        "The commit stands; a checkpoint or its like failed."
        "The message carries its reason; the next commit tries again."
        no example;
    TW08 [Data]
        "rows of a file were not as its columns say, and were skipped, written elsewhere, or have NULL there"
        "A reader was told what to do with bad rows: `bad_rows => 'skip'`, `'null'` or `reject`."
        "Look at the first of them, which the message shows; without the option such a row is an error."
        no example;
}

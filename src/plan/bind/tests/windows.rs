//! Window functions, their frames and where they may stand.

use super::{fails, ordered, rows};

#[test]
fn windows_in_pipes() {
    assert_eq!(
        rows("FROM u |> EXTEND SUM(w) OVER () AS s |> SELECT w, s"),
        "10 100 | 20 100 | 30 100 | 40 100"
    );
    assert_eq!(
        ordered("FROM u |> SELECT w, SUM(w) OVER (ORDER BY w) AS run |> ORDER BY w"),
        "10 10 | 20 30 | 30 60 | 40 100"
    );
    assert_eq!(
        ordered(
            "FROM u |> SELECT w, SUM(w) OVER (ORDER BY w ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s |> ORDER BY w"
        ),
        "10 10 | 20 30 | 30 50 | 40 70"
    );
    assert_eq!(
        ordered(
            "FROM u |> SELECT w, COUNT(*) OVER (ORDER BY w RANGE BETWEEN 10 PRECEDING AND 10 FOLLOWING) AS n |> ORDER BY w"
        ),
        "10 2 | 20 3 | 30 3 | 40 2"
    );
    assert_eq!(
        rows(
            "FROM t |> EXTEND LAG(v) OVER win AS p WINDOW win AS (ORDER BY v) |> WHERE v = 2 |> SELECT p"
        ),
        "1"
    );
    assert_eq!(
        rows("FROM t |> SET v = RANK() OVER (PARTITION BY k ORDER BY v DESC) |> SELECT k, v"),
        "NULL 1 | a 1 | a 2 | b 1"
    );
    assert_eq!(
        rows("FROM u |> ORDER BY ROW_NUMBER() OVER (ORDER BY w DESC) |> LIMIT 1 |> SELECT w"),
        "40"
    );
    assert_eq!(
        rows("FROM u |> SELECT SUM(DISTINCT w) OVER () |> DISTINCT"),
        "100"
    );
}

#[test]
fn windows_in_select() {
    assert_eq!(
        rows("SELECT k, SUM(SUM(w)) OVER () FROM u GROUP BY k"),
        "NULL 100 | a 100 | c 100"
    );
    assert_eq!(
        rows("SELECT w FROM u QUALIFY ROW_NUMBER() OVER (ORDER BY w) = 2"),
        "20"
    );
    assert_eq!(
        rows("SELECT w, RANK() OVER (ORDER BY w) AS r FROM u QUALIFY r = 1"),
        "10 1"
    );
}

#[test]
fn windows_in_the_wrong_place() {
    assert_eq!(
        fails("FROM u |> SELECT ROW_NUMBER()"),
        "TM0315 at ROW_NUMBER()"
    );
    assert_eq!(
        fails("FROM u |> SELECT SUM(SUM(w) OVER ()) OVER ()"),
        "TM0315 at SUM(w) OVER ()"
    );
    assert_eq!(
        fails("FROM u |> SELECT SUM(w) OVER nothing"),
        "TM0208 at nothing"
    );
    assert_eq!(
        fails("SELECT k FROM u GROUP BY k HAVING RANK() OVER () = 1"),
        "TM0315 at RANK() OVER ()"
    );
    assert_eq!(
        fails("FROM u |> SELECT SUM(w) OVER (ORDER BY w ROWS BETWEEN CURRENT ROW AND 1 PRECEDING)")
            .split(' ')
            .next(),
        Some("TM0320")
    );
}

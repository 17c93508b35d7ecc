-- Small tables that the cases of this folder read. `e` is empty; `u` has keys twice, missing, NULL and unmatched.
CREATE TABLE t AS FROM (VALUES (1, 'a', 10), (2, 'b', 20), (3, 'a', 30), (4, NULL, 40), (5, 'b', NULL)) AS t(id, k, v);
CREATE TABLE u AS FROM (VALUES (1, 'one'), (2, 'two'), (2, 'zwei'), (6, 'six'), (NULL, 'none')) AS u(id, name);
CREATE TABLE e AS FROM t |> WHERE FALSE;

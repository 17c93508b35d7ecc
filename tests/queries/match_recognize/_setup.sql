-- Prices of two shares, day by day, and one day without a price.
CREATE TABLE ticks AS FROM (VALUES
  ('A', 1, 10), ('A', 2, 8), ('A', 3, 6), ('A', 4, 7), ('A', 5, 9), ('A', 6, 9), ('A', 7, 4), ('A', 8, 5),
  ('B', 1, 3), ('B', 2, 4), ('B', 3, 2), ('B', 4, NULL), ('B', 5, 5)
) AS t (share, day, price);
-- Rows that can be seen as a, b or c: each word holds the letters that hold.
CREATE TABLE letters AS FROM (VALUES (1, 'a'), (2, 'ab'), (3, 'b'), (4, 'abc'), (5, 'c'), (6, 'a')) AS t (id, may);

-- What a shop would have. `region` is in both tables.
CREATE TABLE orders AS FROM (VALUES
    (1, 1, 'north', 12.5, DATE '2026-01-05', ['gift']),
    (2, 2, 'south', 8.0, DATE '2026-01-06', ['gift', 'express'])
  ) AS orders (id, customer, region, price, day, tags);
CREATE TABLE customers AS FROM (VALUES (1, 'Ada', 'north'), (2, 'Bob', 'south')) AS customers (id, name, region);
CREATE VIEW big_orders AS FROM orders |> WHERE price > 10;
CREATE TABLE places AS SELECT STRUCT('Kiel' AS town, 24103 AS code) AS address;
CREATE TEMP FUNCTION with_tax(net FLOAT64) AS (net * 1.19);
CREATE TEMP TABLE FUNCTION first_rows(t ANY TABLE, n INT64) AS FROM t |> LIMIT n;

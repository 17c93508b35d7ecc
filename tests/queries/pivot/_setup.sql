-- Sales of two years; `q` has a NULL.
CREATE TABLE s AS FROM (VALUES ('Ulm', 2020, 'Q1', 10), ('Ulm', 2020, 'Q1', 5), ('Ulm', 2020, 'Q2', 20), ('Bonn', 2020, 'Q1', 7), ('Bonn', 2021, 'Q2', 8), ('Bonn', 2021, NULL, 9)) AS s(city, year, q, n);
CREATE TABLE w AS FROM (VALUES ('Ulm', 1, 2, 3), ('Bonn', 4, NULL, 6)) AS w(city, q1, q2, q3);

CREATE TABLE stock PARTITION BY place AS
FROM (VALUES (1, 'bolt', 10, 'north'), (2, 'nut', 20, 'north'), (3, 'screw', 30, 'south'), (4, NULL, 40, NULL)) AS v (id, name, amount, place);
CREATE TABLE delivery AS
FROM (VALUES (2, 'nut', 5), (3, 'screw', 6), (9, 'nail', 7)) AS v (id, name, amount);

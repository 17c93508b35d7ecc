"""Reads tables that Tidemill wrote with deltalake and with DuckDB, and writes some for Tidemill to read."""

import datetime
import glob
import os
import sys

import duckdb
import duckdb_extension_delta
import pyarrow
from deltalake import DeltaTable, write_deltalake

database = sys.argv[1]


def table(name, version=None):
    return DeltaTable(os.path.join(database, name), version=version)


def rows(name, version=None):
    return table(name, version).to_pyarrow_table()


plain = rows("plain")
assert plain.num_rows == 100, plain.num_rows
assert sum(plain["id"].to_pylist()) == 5050
assert sum(plain["u"].to_pylist()) == 5050
assert str(plain["dec"][0]) == "1.000", plain["dec"][0]
assert str(plain.schema.field("ts").type) == "timestamp[us, tz=UTC]"
assert rows("laid").num_rows == 111
assert table("laid").version() == 14
for version in range(13):
    assert rows("laid", version).num_rows == 100 + version, version
filtered = table("laid").to_pyarrow_table(filters=[("day", "=", 3)])
assert set(filtered["day"].to_pylist()) == {3}
assert str(rows("local").schema.field("w").type) == "timestamp[us]"

connection = duckdb.connect()
folder = duckdb_extension_delta.__path__[0]
extension = glob.glob(os.path.join(folder, "extensions", "*", "delta.duckdb_extension"))[0]
connection.execute(f"LOAD '{extension}'")
for name, wanted in [("plain", 100), ("laid", 111), ("local", 1)]:
    scan = f"delta_scan('{os.path.join(database, name)}')"
    found = connection.sql(f"SELECT count(*) FROM {scan}").fetchall()
    assert found == [(wanted,)], (name, found)

days = rows("days")
by_id = dict(zip(days["id"].to_pylist(), zip(days["v"].to_pylist(), days["ts_day"].to_pylist())))
# The hours of the first day have given way to one row.
assert days.num_rows == 100 - 23 + 1 + 1, days.num_rows
assert by_id[50] == (-50, datetime.date(2024, 3, 2)), by_id[50]
assert by_id[51][0] == 0 and by_id[1000] == (7, None) and by_id[60] is not None
assert set(days["id_bucket"].to_pylist()) <= {0, 1, 2, 3}
one_day = table("days").to_pyarrow_table(filters=[("ts_day", "=", datetime.date(2024, 2, 29))])
assert one_day.num_rows == 24, one_day.num_rows
scan = f"delta_scan('{os.path.join(database, 'days')}')"
found = connection.sql(f"SELECT count(*) FROM {scan} WHERE ts_day = DATE '2024-02-29'").fetchall()
assert found == [(24,)], found

defaults = rows("defaults")
assert defaults.to_pylist() == [{"id": 1, "kind": "it's new", "n": 2}], defaults.to_pylist()
said = {field.name: field.metadata for field in table("defaults").schema().fields}
assert said["kind"] == {"CURRENT_DEFAULT": "'it''s new'"}, said
scan = f"delta_scan('{os.path.join(database, 'defaults')}')"
assert connection.sql(f"SELECT id, kind, n FROM {scan}").fetchall() == [(1, "it's new", 2)]

more = {"id": pyarrow.array([5000, 5001]), "day": pyarrow.array([1, 2]), "name": ["p", "q"]}
write_deltalake(os.path.join(database, "laid"), pyarrow.table(more), mode="append")
table("laid").create_checkpoint()
theirs = pyarrow.table({"x": [1, 2, 3], "s": ["a", "b", "c"], "p": ["one", "one", None]})
write_deltalake(os.path.join(database, "theirs"), theirs, partition_by=["p"])

# A table with a replica is a table to everybody, and so is the replica.
copied = os.path.join(database, "copied")
mirror = os.path.join(os.path.dirname(os.path.abspath(database)), "copies", "copied")
for path in (copied, mirror):
    assert sum(DeltaTable(path).to_pyarrow_table()["id"].to_pylist()) == 5151, path
    found = connection.execute(f"SELECT sum(id) FROM delta_scan('{path}')").fetchone()[0]
    assert found == 5151, found
write_deltalake(copied, pyarrow.table({"id": pyarrow.array([102], pyarrow.int64())}), mode="append")
assert "tidemill.replicas" in DeltaTable(copied).metadata().configuration

//! The log under power loss, faults, damage and writers that meet. Contents are small; what is shown is that a version is there
//! whole or not at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use super::action::{Add, Commit, CommitInfo, Format, Metadata, Tags, Txn, hash};
use super::conflict::{Reads, nothing};
use super::layout::Layout;
use super::log::{TableLog, now};
use super::schema::{ARROW_SCHEMA, Columns};
use super::snapshot::{CHECKSUM_TAG, Snapshot, State};
use super::writer::TableWriter;
use super::{checkpoint, protocol};
use crate::error::Result;
use crate::store::Store;
use crate::store::sim::{Fault, FaultKind, SimDisk};

pub(super) fn columns() -> Columns {
    let fields = vec![
        Field::new("k", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
    ];
    Columns::new(Arc::new(Schema::new(fields))).unwrap()
}

pub(super) fn log(disk: &SimDisk) -> TableLog {
    let store = Store::new(Arc::new(disk.clone()));
    TableLog::new(store, PathBuf::from("/db/t"))
}

pub(super) fn rows(keys: std::ops::Range<i64>) -> RecordBatch {
    let texts: Vec<String> = keys.clone().map(|key| format!("row {key}")).collect();
    let columns: [(&str, ArrayRef); 2] = [
        ("k", Arc::new(Int64Array::from_iter_values(keys))),
        ("s", Arc::new(StringArray::from(texts))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn metadata(columns: &Columns, layout: &Layout) -> Metadata {
    let mut configuration = layout.settings(&columns.stored);
    configuration.extend(
        columns
            .arrow_types()
            .map(|types| (ARROW_SCHEMA.to_string(), Some(types))),
    );
    Metadata {
        id: "id".to_string(),
        name: None,
        description: None,
        format: Format {
            provider: "parquet".to_string(),
            options: Tags::new(),
        },
        schema_string: columns.schema_string(),
        partition_columns: Vec::new(),
        configuration,
        created_time: Some(now()),
    }
}

fn write(log: &TableLog, layout: &Layout, keys: std::ops::Range<i64>) -> Result<Vec<Add>> {
    let writer = TableWriter::new(log.clone(), columns(), layout.clone());
    writer.write(&rows(keys), 0)?;
    writer.finish()
}

pub(super) fn create(log: &TableLog) -> Result<Arc<Snapshot>> {
    log.store.make_directory(&log.directory)?;
    let adds = write(log, &Layout::default(), 0..3)?;
    log.create(Commit {
        protocol: Some(protocol::needed(&columns())),
        metadata: Some(metadata(&columns(), &Layout::default())),
        adds,
        ..Commit::default()
    })
}

pub(super) fn append(log: &TableLog, base: &Arc<Snapshot>, key: i64) -> Result<Arc<Snapshot>> {
    let adds = write(log, &base.layout, key..key + 1)?;
    let commit = Commit {
        adds,
        ..Commit::default()
    };
    log.append(base, commit, &nothing)
}

/// Takes the first segment away and puts another in its place.
fn rewrite(log: &TableLog, base: &Arc<Snapshot>, key: i64) -> Result<Arc<Snapshot>> {
    let adds = write(log, &base.layout, key..key + 1)?;
    let first = base.segments().next();
    let removes = first.map(|segment| segment.removed(true, now()));
    let commit = Commit {
        adds,
        removes: removes.into_iter().collect(),
        ..Commit::default()
    };
    log.append(base, commit, &nothing)
}

pub(super) fn latest(log: &TableLog) -> Option<Arc<Snapshot>> {
    log.latest().unwrap()
}

/// Every segment of every version is there, with the bytes that its checksum promises.
pub(super) fn check_whole(log: &TableLog, snapshot: &Snapshot) {
    let mut state = State::default();
    for version in 0..=snapshot.version {
        state.apply(&log.commit(version).unwrap());
        assert_eq!(log.at(version).unwrap().state, state, "version {version}");
    }
    for segment in snapshot.segments() {
        let path = log.directory.join(segment.file().unwrap());
        let bytes = log.store.read(&path).unwrap().expect("a segment");
        assert_eq!(bytes.len() as i64, segment.add.size);
        let checksum = format!("{:016x}", hash(&bytes));
        assert_eq!(segment.tag(CHECKSUM_TAG), Some(checksum.as_str()));
    }
}

/// Runs `script` with the power going off before each of its operations, and looks at every disk that may be left.
fn power_loss(
    start: &SimDisk,
    script: impl Fn(&TableLog) -> Result<u64>,
    check: impl Fn(&TableLog, Option<u64>),
) -> usize {
    let mut images = 0;
    for at in 0.. {
        let disk = start.copy().with_fault(Fault {
            at,
            kind: FaultKind::PowerLoss,
        });
        let acknowledged = script(&log(&disk)).ok();
        for image in (0..3).flat_map(|seed| disk.images(3 * at + seed)) {
            images += 1;
            let log = log(&image);
            check(&log, acknowledged);
            if let Some(snapshot) = latest(&log) {
                check_whole(&log, &snapshot);
                // Life goes on.
                let after = append(&log, &snapshot, 99).unwrap();
                assert_eq!(after.version, snapshot.version + 1);
            }
        }
        if disk.operations() <= at {
            return images;
        }
    }
    images
}

#[test]
fn power_loss_leaves_the_old_version_or_the_new() {
    let empty = SimDisk::new();
    let mut images = power_loss(
        &empty,
        |log| create(log).map(|snapshot| snapshot.version),
        |log, acknowledged| {
            let found = latest(log).map(|snapshot| snapshot.version);
            assert!(found == Some(0) || acknowledged.is_none());
        },
    );
    let table = SimDisk::new();
    create(&log(&table)).unwrap();
    type Script = fn(&TableLog, &Arc<Snapshot>) -> Result<Arc<Snapshot>>;
    let scripts: [Script; 4] = [
        // Another layout: settings, segments that go and segments that come.
        |log, base| {
            let adds = write(log, &base.layout, 0..3)?;
            let first = base.segments().next();
            let commit = Commit {
                metadata: Some(base.metadata.clone()),
                adds,
                removes: first
                    .map(|one| one.removed(false, now()))
                    .into_iter()
                    .collect(),
                ..Commit::default()
            };
            log.append(base, commit, &nothing)
        },
        |log, base| append(log, base, 10),
        |log, base| rewrite(log, base, 10),
        |log, base| {
            let commit = Commit {
                removes: base
                    .segments()
                    .map(|all| all.removed(true, now()))
                    .collect(),
                ..Commit::default()
            };
            log.append(base, commit, &nothing)
        },
    ];
    for script in scripts {
        images += power_loss(
            &table,
            |log| {
                let base = log.latest()?.unwrap();
                script(log, &base).map(|snapshot| snapshot.version)
            },
            |log, acknowledged| {
                let found = latest(log).expect("an acknowledged table").version;
                assert!(found == 1 || (found == 0 && acknowledged.is_none()));
            },
        );
    }
    println!("{images} images");
    assert!(images > 500, "{images}");
}

#[test]
fn power_loss_in_a_checkpoint_changes_nothing() {
    let disk = SimDisk::new();
    let mut snapshot = create(&log(&disk)).unwrap();
    for key in 10..14 {
        snapshot = append(&log(&disk), &snapshot, key).unwrap();
    }
    // A second checkpoint over a first.
    for _ in 0..2 {
        let images = power_loss(
            &disk,
            |log| checkpoint::write(log, &snapshot).map(|()| 0),
            |log, _| assert_eq!(latest(log).unwrap().state, snapshot.state),
        );
        assert!(images > 20, "{images}");
        checkpoint::write(&log(&disk), &snapshot).unwrap();
        snapshot = append(&log(&disk), &snapshot, 20).unwrap();
    }
}

#[test]
fn a_fault_is_an_error_and_the_table_stays() {
    let table = SimDisk::new();
    create(&log(&table)).unwrap();
    let kinds = [FaultKind::Once(std::io::ErrorKind::Other), FaultKind::Full];
    for kind in kinds {
        for at in 0.. {
            let disk = table.copy().with_fault(Fault { at, kind });
            let log = log(&disk);
            let base = log.latest();
            let done = base.and_then(|base| append(&log, &base.unwrap(), 10));
            let used = disk.operations();
            disk.repaired();
            // Another process, which does not know of the failed sync.
            let fresh = self::log(&disk);
            let snapshot = latest(&fresh).unwrap();
            check_whole(&fresh, &snapshot);
            match done {
                Ok(_) => assert_eq!(snapshot.version, 1),
                // The one case in which nobody can say: the commit stands and its directory was not synced.
                Err(error) if snapshot.version == 1 => assert_eq!(error.code(), "TM0743"),
                Err(error) => assert!(["TM0701", "TM0743"].contains(&error.code()), "{error}"),
            }
            append(&fresh, &snapshot, 11).unwrap();
            if used <= at {
                break;
            }
        }
    }
}

#[test]
fn every_changed_byte_of_the_log_is_found() {
    let disk = SimDisk::new();
    let mut snapshot = create(&log(&disk)).unwrap();
    for key in 10..13 {
        snapshot = append(&log(&disk), &snapshot, key).unwrap();
    }
    checkpoint::write(&log(&disk), &snapshot).unwrap();
    let files = disk.contents();
    let logs = files
        .iter()
        .filter(|(path, _)| path.starts_with("/db/t/_delta_log"));
    for (path, bytes) in logs {
        let commit = path.extension().is_some_and(|ending| ending == "json");
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << (place % 7);
            if commit {
                let found = Commit::decode(&changed, path);
                assert_eq!(found.unwrap_err().code(), "TM0742", "{path:?} {place}");
                continue;
            }
            if place % 17 > 0 {
                continue;
            }
            // A checkpoint that is damaged is passed over: the log says the same.
            let copy = disk.copy();
            copy.overwrite(path, changed);
            assert_eq!(
                latest(&log(&copy)).unwrap().state.segments,
                snapshot.state.segments
            );
        }
    }
}

#[test]
fn a_checkpoint_says_what_the_log_says() {
    let disk = SimDisk::new();
    let log = log(&disk);
    let mut snapshot = create(&log).unwrap();
    for key in 10..31 {
        snapshot = if key % 3 == 0 {
            rewrite(&log, &snapshot, key).unwrap()
        } else {
            append(&log, &snapshot, key).unwrap()
        };
        log.checkpoint_if_due(&snapshot).unwrap();
    }
    check_whole(&log, &snapshot);
    // The log before a checkpoint may be cleaned up.
    for version in 0..10 {
        let path = log.log_directory().join(format!("{version:020}.json"));
        assert!(log.store.remove(&path).unwrap());
    }
    let found = latest(&log).unwrap();
    assert_eq!(found.state.segments, snapshot.state.segments);
    assert_eq!(found.state.timestamp, snapshot.state.timestamp);
    let error = log.at(9).unwrap_err();
    assert_eq!(error.code(), "TM0307");
    assert!(error.to_string().contains("versions 10 to 21"), "{error}");
    assert_eq!(log.at(10).unwrap().version, 10);
}

#[test]
fn a_gap_in_the_log_is_found() {
    let disk = SimDisk::new();
    let log = log(&disk);
    let mut snapshot = create(&log).unwrap();
    for key in 10..13 {
        snapshot = append(&log, &snapshot, key).unwrap();
    }
    log.store
        .remove(&log.log_directory().join(format!("{:020}.json", 2)))
        .unwrap();
    let error = log.latest().unwrap_err();
    assert_eq!(error.code(), "TM0742");
    assert!(error.to_string().contains("missing"), "{error}");
}

/// What a writer does between reading a snapshot and committing over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Append,
    Rewrite,
    Truncate,
    Compact,
    Change,
    Again,
    /// MERGE that found no match: rows that are only added, because others are not there.
    Upsert,
}

impl Kind {
    fn reads(self) -> Reads<'static> {
        match self {
            Kind::Rewrite | Kind::Upsert => &|_| true,
            _ => &nothing,
        }
    }
}

const KINDS: [Kind; 7] = [
    Kind::Append,
    Kind::Rewrite,
    Kind::Truncate,
    Kind::Compact,
    Kind::Change,
    Kind::Again,
    Kind::Upsert,
];

fn prepared(log: &TableLog, base: &Arc<Snapshot>, kind: Kind, key: i64) -> Commit {
    let first = || base.segments().take(1);
    let all = || base.segments();
    let adds = || write(log, &base.layout, key..key + 1).unwrap();
    match kind {
        Kind::Append => Commit {
            adds: adds(),
            ..Commit::default()
        },
        Kind::Rewrite => Commit {
            adds: adds(),
            removes: first().map(|one| one.removed(true, now())).collect(),
            ..Commit::default()
        },
        Kind::Truncate => Commit {
            removes: all().map(|one| one.removed(true, now())).collect(),
            ..Commit::default()
        },
        Kind::Compact => {
            let mut adds = write(log, &base.layout, 0..3).unwrap();
            adds.iter_mut().for_each(|add| add.data_change = false);
            Commit {
                adds,
                removes: first().map(|one| one.removed(false, now())).collect(),
                ..Commit::default()
            }
        }
        Kind::Change => Commit {
            metadata: Some(base.metadata.clone()),
            ..Commit::default()
        },
        Kind::Upsert => Commit {
            adds: adds(),
            info: CommitInfo {
                is_blind_append: Some(false),
                ..CommitInfo::default()
            },
            ..Commit::default()
        },
        Kind::Again => Commit {
            adds: adds(),
            txns: vec![Txn {
                app_id: "job".to_string(),
                version: 1,
                last_updated: None,
            }],
            ..Commit::default()
        },
    }
}

/// Which second commit stands after which first.
fn goes(first: Kind, second: Kind) -> bool {
    use Kind::{Again, Append, Change, Compact, Rewrite, Truncate, Upsert};
    match (first, second) {
        (Change, _) | (_, Change) => false,
        (Again, Again) => false,
        (Append | Again, _) | (_, Append | Again) => true,
        (Rewrite | Upsert, Rewrite | Upsert) => false,
        (Upsert, _) | (_, Upsert) => true,
        (Rewrite | Truncate | Compact, Rewrite | Truncate | Compact) => false,
    }
}

/// Both read, both write their segments, then they commit one after the other: every order of the three phases of two writers
/// in which the second read before the first committed comes to this.
#[test]
fn two_writers_that_meet_both_stand_or_the_second_is_told() {
    for first in KINDS {
        for second in KINDS {
            let disk = SimDisk::new();
            let log = log(&disk);
            let base = create(&log).unwrap();
            let one = prepared(&log, &base, first, 10);
            let two = prepared(&log, &base, second, 20);
            let after_one = log.append(&base, one.clone(), &nothing).unwrap();
            let result = log.append(&base, two.clone(), second.reads());
            let snapshot = latest(&log).unwrap();
            check_whole(&log, &snapshot);
            match result {
                Ok(after) => {
                    assert!(goes(first, second), "{first:?} then {second:?}");
                    assert_eq!(after.state, snapshot.state);
                    assert_eq!(snapshot.version, 2);
                    for add in one.adds.iter().chain(&two.adds) {
                        let taken = two.removes.iter().any(|remove| remove.path == add.path);
                        assert!(taken || snapshot.state.segments.contains_key(&add.path));
                    }
                }
                Err(error) => {
                    assert!(!goes(first, second), "{first:?} then {second:?}: {error}");
                    assert_eq!(error.code(), "TM0740");
                    assert_eq!(snapshot.state, after_one.state);
                }
            }
            // Whoever read after the other committed meets nobody.
            let last = prepared(&log, &snapshot, first, 30);
            if first != Kind::Again {
                log.append(&snapshot, last, &nothing).unwrap();
            }
        }
    }
}

#[test]
fn threads_that_append_lose_nothing() {
    let disk = SimDisk::new();
    create(&log(&disk)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let disk = &disk;
            scope.spawn(move || {
                let log = log(disk);
                let mut known = latest(&log).unwrap();
                for round in 0..10 {
                    let key = 100 + thread * 100 + round;
                    known = append(&log, &known, key).unwrap();
                }
            });
        }
    });
    let log = log(&disk);
    let snapshot = latest(&log).unwrap();
    assert_eq!(snapshot.version, 40);
    assert_eq!(snapshot.state.segments.len(), 41);
    let times: Vec<i64> = log
        .history()
        .unwrap()
        .iter()
        .map(|entry| entry.timestamp)
        .collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
    check_whole(&log, &snapshot);
    assert_eq!(log.at_time(times[7]).unwrap().version, 7);
    assert_eq!(log.at_time(times[0] - 1).unwrap_err().code(), "TM0307");
}

#[test]
fn a_table_that_needs_more_than_we_know_is_refused_by_name() {
    let base = metadata(&columns(), &Layout::default());
    let with = |reader, writer, features: &[&str]| super::action::Protocol {
        min_reader_version: reader,
        min_writer_version: writer,
        reader_features: Some(features.iter().map(ToString::to_string).collect()),
        writer_features: Some(features.iter().map(ToString::to_string).collect()),
    };
    let said = |result: Result<()>| result.unwrap_err().message().to_string();
    let vectors = with(3, 7, &["timestampNtz", "deletionVectors"]);
    assert!(said(protocol::check_read(&vectors, &base)).contains("deletionVectors"));
    let feed = with(1, 7, &["changeDataFeed"]);
    protocol::check_read(&feed, &base).unwrap();
    assert!(said(protocol::check_write(&feed, &base)).contains("changeDataFeed"));
    let old = with(1, 3, &[]);
    assert!(said(protocol::check_write(&old, &base)).contains("checkConstraints"));
    protocol::check_write(&with(1, 2, &[]), &base).unwrap();
    let mut mapped = base.clone();
    let mode = Some("name".to_string());
    mapped
        .configuration
        .insert("delta.columnMapping.mode".to_string(), mode);
    assert!(said(protocol::check_read(&with(2, 5, &[]), &mapped)).contains("columnMapping"));
    protocol::check_read(&with(2, 5, &[]), &base).unwrap();
    let mut frozen = base;
    let yes = Some("true".to_string());
    frozen
        .configuration
        .insert("delta.appendOnly".to_string(), yes);
    assert_eq!(
        protocol::check_remove(&frozen).unwrap_err().code(),
        "TM0745"
    );
}

#[test]
fn types_come_back_and_what_does_not_fit_is_said() {
    let nested = DataType::Struct(
        vec![
            Field::new("a", DataType::UInt8, true),
            Field::new("b", DataType::Utf8, false),
        ]
        .into(),
    );
    let kinds = [
        DataType::Boolean,
        DataType::Int8,
        DataType::UInt64,
        DataType::Float16,
        DataType::Decimal128(38, 9),
        DataType::Date32,
        DataType::Time64(TimeUnit::Nanosecond),
        DataType::Timestamp(TimeUnit::Nanosecond, Some("Europe/Berlin".into())),
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Duration(TimeUnit::Second),
        DataType::Binary,
        DataType::new_list(DataType::Utf8, true),
        DataType::new_list(nested.clone(), true),
        nested,
    ];
    for kind in kinds {
        let field = Field::new("c", kind.clone(), true);
        let columns = Columns::new(Arc::new(Schema::new(vec![field]))).unwrap();
        let again = Columns::of(&columns.schema_string(), columns.arrow_types().as_deref());
        assert_eq!(again.unwrap(), columns, "{kind}");
        let seen = columns.seen.field(0).data_type();
        assert_eq!(crate::file::type_name(seen), crate::file::type_name(&kind));
    }
    let refused = |kind: DataType| {
        let fields = vec![Field::new("c", kind, true)];
        Columns::new(Arc::new(Schema::new(fields)))
            .unwrap_err()
            .code()
    };
    let interval = DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano);
    assert_eq!(refused(interval), "TM0744");
    assert_eq!(refused(DataType::Decimal256(76, 0)), "TM0744");
    let field = Field::new("c", DataType::Timestamp(TimeUnit::Nanosecond, None), true);
    let columns = Columns::new(Arc::new(Schema::new(vec![field]))).unwrap();
    let store = |nanoseconds| {
        let values = arrow::array::TimestampNanosecondArray::from(vec![nanoseconds]);
        let values: ArrayRef = Arc::new(values);
        columns.store(&RecordBatch::try_from_iter([("c", values)]).unwrap())
    };
    assert_eq!(store(1_000).unwrap().num_rows(), 1);
    assert_eq!(store(1_001).unwrap_err().code(), "TM0747");
}

#[test]
fn a_path_that_leaves_the_table_is_refused() {
    for path in [
        "../x",
        "/etc/passwd",
        "a/%2e%2e/b",
        "s3://b/x",
        "file:///x",
        "a//../b",
    ] {
        let add: Add = serde_json::from_str(&format!(r#"{{"path":"{path}","size":1}}"#)).unwrap();
        let segment = super::snapshot::Segment::new(add);
        assert_eq!(segment.file().unwrap_err().code(), "TM0741", "{path}");
    }
    let add: Add = serde_json::from_str(r#"{"path":"a%20b/c.parquet","size":1}"#).unwrap();
    let segment = super::snapshot::Segment::new(add);
    assert_eq!(segment.file().unwrap(), Path::new("a b/c.parquet"));
}

#[test]
fn a_table_is_dropped_whole_or_not_at_all() {
    use super::database::Database;
    let open =
        |disk: &SimDisk| Database::open(Store::new(Arc::new(disk.clone())), Path::new("/db"));
    let start = SimDisk::new();
    create(&log(&start)).unwrap();
    for at in 0.. {
        let disk = start.copy().with_fault(Fault {
            at,
            kind: FaultKind::PowerLoss,
        });
        let dropped = open(&disk).and_then(|database| {
            let table = database.find("t")?.unwrap();
            database.drop_table(&table)
        });
        for image in disk.images(at) {
            let database = open(&image).unwrap();
            match database.find("T").unwrap() {
                Some(table) => {
                    assert!(dropped.is_err(), "dropped and there");
                    check_whole(&table.log, &table.snapshot);
                }
                None => assert_eq!(database.names().unwrap(), Vec::<String>::new()),
            }
            let hidden = |path: &PathBuf| path.to_string_lossy().contains("dropped");
            assert!(!image.contents().keys().any(hidden));
        }
        if disk.operations() <= at {
            break;
        }
    }
}

#[test]
fn a_table_that_was_made_again_is_another() {
    use super::database::Database;
    let disk = SimDisk::new();
    let open = || Database::open(Store::new(Arc::new(disk.clone())), Path::new("/db")).unwrap();
    let (one, other) = (open(), open());
    let first = create(&log(&disk)).unwrap();
    append(&log(&disk), &first, 10).unwrap();
    assert_eq!(one.find("t").unwrap().unwrap().snapshot.version, 1);
    let table = other.find("t").unwrap().unwrap();
    other.drop_table(&table).unwrap();
    assert!(one.find("t").unwrap().is_none());
    let again = create(&log(&disk)).unwrap();
    let found = one.find("t").unwrap().unwrap();
    assert_eq!(found.snapshot.state, again.state);
}

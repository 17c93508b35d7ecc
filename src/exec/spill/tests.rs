use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, StringViewArray};
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;

use super::*;
use crate::exec::memory::{Budget, QueryMemory};

fn batch(from: i64, rows: i64) -> RecordBatch {
    let text: StringViewArray = (from..from + rows)
        .map(|row| Some(format!("a text that is longer than a view holds: {row}")))
        .collect();
    RecordBatch::try_from_iter([
        (
            "n",
            Arc::new(Int64Array::from_iter_values(from..from + rows)) as ArrayRef,
        ),
        ("s", Arc::new(text) as ArrayRef),
    ])
    .unwrap()
}

/// A query that writes below `folder`.
fn query(folder: &Path, limit: Option<u64>) -> (Arc<Disk>, Arc<RunContext>, Arc<Share>) {
    let disk = Disk::new(Some(folder.to_path_buf()), limit);
    let context = Arc::into_inner(RunContext::for_tests(2, 100)).unwrap();
    let context = Arc::new(RunContext {
        spill: SpillSpace::new(&disk),
        ..context
    });
    let share = QueryMemory::new(&Budget::new(Some(1 << 20))).share("sort");
    (disk, context, share)
}

fn names(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn what_is_written_is_read_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, context, share) = query(folder.path(), None);
    let mut writer = context.spill(&batch(0, 1).schema(), &share).unwrap();
    let batches = [batch(0, 100), batch(100, 0), batch(100, 50)];
    for batch in &batches {
        writer.write(batch.clone()).unwrap();
    }
    let file = writer.finish().unwrap();
    assert_eq!(file.rows(), 150);
    // A directory and its lock.
    assert_eq!(names(folder.path()), 2);
    for _ in 0..2 {
        let read: Vec<RecordBatch> = file
            .read(&context.cancel)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(read, batches);
    }
    assert!(disk.used() > 0);
    assert_eq!(disk.used(), share.spilled());
    assert_eq!(disk.used(), context.spill.written());
    drop(file);
    assert_eq!((disk.used(), disk.files()), (0, 1));
    drop(context);
    assert_eq!(names(folder.path()), 0);
}

#[test]
fn a_slice_takes_only_its_own_text_along() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, context, share) = query(folder.path(), None);
    let large = batch(0, 20_000);
    let mut writer = context.spill(&large.schema(), &share).unwrap();
    writer.write(large.slice(5, 10)).unwrap();
    let file = writer.finish().unwrap();
    assert!(disk.used() < 5_000, "{}", disk.used());
    let read = file.read(&context.cancel).unwrap().next().unwrap().unwrap();
    assert_eq!(read, large.slice(5, 10));
}

#[test]
fn the_disk_limit_is_kept_and_names_the_operator() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, context, share) = query(folder.path(), Some(200_000));
    let mut writer = context.spill(&batch(0, 1).schema(), &share).unwrap();
    let error = (0..1000)
        .find_map(|n| writer.write(batch(n * 1000, 1000)).err())
        .unwrap();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Limit, "TM0511"));
    assert!(error.message().contains("195.3 KiB"), "{error}");
    assert!(error.message().contains("sort"), "{error}");
    drop(writer);
    assert_eq!(disk.used(), 0);
    drop(context);
    assert_eq!(names(folder.path()), 0);
}

#[test]
fn a_missing_folder_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let (_, context, share) = query(&folder.path().join("absent"), None);
    let error = context.spill(&batch(0, 1).schema(), &share).unwrap_err();
    assert_eq!(error.code(), "TM0701");
    assert!(error.message().contains("absent"), "{error}");
}

#[test]
fn a_cancelled_query_neither_writes_nor_reads() {
    let folder = tempfile::tempdir().unwrap();
    let (_, context, share) = query(folder.path(), None);
    let mut writer = context.spill(&batch(0, 1).schema(), &share).unwrap();
    writer.write(batch(0, 10)).unwrap();
    let mut other = context.spill(&batch(0, 1).schema(), &share).unwrap();
    let file = writer.finish().unwrap();
    context.cancel.cancel();
    assert_eq!(other.write(batch(0, 10)).unwrap_err().code(), "TM0507");
    let error = file.read(&context.cancel).unwrap().next().unwrap();
    assert_eq!(error.unwrap_err().code(), "TM0507");
}

#[test]
fn directories_without_an_owner_are_removed_and_others_left() {
    let folder = tempfile::tempdir().unwrap();
    let (_, context, share) = query(folder.path(), None);
    let mut writer = context.spill(&batch(0, 1).schema(), &share).unwrap();
    writer.write(batch(0, 10)).unwrap();
    let file = writer.finish().unwrap();
    // What a killed process leaves: a lock that nobody holds, and a directory.
    let gone = folder.path().join("tidemill-spill-gone");
    std::fs::create_dir(&gone).unwrap();
    std::fs::write(gone.join("0.arrow"), "rows").unwrap();
    std::fs::write(folder.path().join("tidemill-spill-gone.lock"), "").unwrap();
    // Nobody's business.
    std::fs::create_dir(folder.path().join("tidemill-spill-notes")).unwrap();
    std::fs::write(folder.path().join("other.lock"), "").unwrap();
    remove_abandoned(folder.path());
    assert!(!gone.exists());
    assert_eq!(names(folder.path()), 4);
    assert_eq!(file.read(&context.cancel).unwrap().count(), 1);
}

#[test]
fn scattered_rows_meet_by_key_and_every_level_parts_them_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, context, share) = query(folder.path(), None);
    let rows = batch(0, 5_000);
    let mut files = vec![rows.clone()];
    for level in 0..2 {
        let scattered = Scattered::new(rows.schema(), level, &share);
        let mut splitter = scattered.splitter();
        for batch in &files {
            scattered
                .add(&mut splitter, batch, &batch.columns()[..1], &context)
                .unwrap();
        }
        let parts = scattered.finish(&context).unwrap();
        let filled = parts.iter().flatten().count();
        assert!(filled > PARTS / 2, "level {level}: {filled} files");
        let largest = parts.into_iter().flatten().max_by_key(SpillFile::rows);
        let largest = largest.unwrap();
        let read = largest.read(&context.cancel).unwrap();
        files = read.map(Result::unwrap).collect();
    }
    let seen: usize = files.iter().map(RecordBatch::num_rows).sum();
    assert!(seen < 100, "{seen}");
    let first = files[0].column(0).as_primitive::<Int64Type>().value(0);
    assert!((0..5_000).contains(&first));
    drop(context);
    assert_eq!(disk.used(), 0);
}

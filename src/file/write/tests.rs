//! Whole or not at all.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use super::{Compression, WriteRequest, publish, write};
use crate::error::Error;
use crate::file::format::Format;

fn request(path: &Path, format: Format) -> WriteRequest {
    WriteRequest {
        path: path.display().to_string(),
        format,
        compression: Compression::None,
        overwrite: false,
        partition_by: Vec::new(),
        header: true,
        delimiter: b',',
        null: String::new(),
    }
}

fn batch() -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a,b"), None, Some("")]));
    RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap()
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn nothing_is_there_before_it_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    let pending = write(
        &request(&path, Format::Csv),
        &batch().schema(),
        std::iter::once(Ok(batch())),
    );
    assert!(!path.exists());
    publish(vec![pending.unwrap()], || Ok(())).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, "id,name\n1,\"a,b\"\n2,\n3,\"\"\n");
    assert_eq!(names_in(folder.path()), ["x.csv"]);
}

#[test]
fn a_failure_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    for partitions in [vec![], vec![0]] {
        let mut request = request(&path, Format::Parquet);
        request.partition_by = partitions;
        let batches = [Ok(batch()), Err(Error::run("TM0502", "too large"))];
        let error = write(&request, &batch().schema(), batches.into_iter()).unwrap_err();
        assert_eq!(error.code(), "TM0502");
        assert!(names_in(folder.path()).is_empty());
    }
}

#[test]
fn what_was_there_comes_back_when_a_later_step_fails() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old.csv");
    std::fs::write(&old, "old").unwrap();
    let new = folder.path().join("new.csv");
    let mut overwrite = request(&old, Format::Csv);
    overwrite.overwrite = true;
    let pending = [overwrite, request(&new, Format::Csv)]
        .map(|request| write(&request, &batch().schema(), std::iter::once(Ok(batch()))).unwrap());
    let failed = publish(pending.into(), || Err(Error::run("TM0502", "no")));
    assert_eq!(failed.unwrap_err().code(), "TM0502");
    assert_eq!(std::fs::read_to_string(&old).unwrap(), "old");
    assert_eq!(names_in(folder.path()), ["old.csv"]);
}

#[test]
fn values_become_folders() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let mut request = request(&path, Format::Ndjson);
    request.partition_by = vec![1];
    let pending = write(&request, &batch().schema(), std::iter::once(Ok(batch())));
    publish(vec![pending.unwrap()], || Ok(())).unwrap();
    let folders = names_in(&path);
    assert_eq!(
        folders,
        ["name=", "name=__HIVE_DEFAULT_PARTITION__", "name=a,b"]
    );
    let text = std::fs::read_to_string(path.join("name=a,b/part-0.ndjson")).unwrap();
    assert_eq!(text, "{\"id\":1}\n");
    let again = write(&request, &batch().schema(), std::iter::empty()).unwrap_err();
    assert_eq!(again.code(), "TM0702");
}

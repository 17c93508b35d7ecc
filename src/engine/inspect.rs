//! What files are, found without reading more of them than opening needs.

use std::path::PathBuf;

use arrow::datatypes::SchemaRef;

use super::register::FileSource;
use super::{Engine, query};
use crate::catalog::files;
use crate::error::Result;

/// What a file is: its format, how it is read, its columns.
///
/// ```
/// use tidemill::{Engine, FileSource};
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("x.csv");
/// std::fs::write(&path, "id;name\n1;one\n")?;
/// let infos = Engine::in_memory()?.inspect(&FileSource::new(&path))?;
/// assert_eq!(infos[0].format, "csv");
/// assert!(infos[0].options.contains(&("delim".to_string(), "';'".to_string())));
/// assert_eq!(infos[0].columns.field(1).name(), "name");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FileInfo {
    /// The file.
    pub path: PathBuf,
    /// `csv`, `tsv`, `ndjson`, `parquet` or `arrow`.
    pub format: String,
    /// What a text is packed with: `gzip` or `zstd`.
    pub compression: Option<&'static str>,
    /// Bytes on disk.
    pub bytes: u64,
    /// Its rows, where the format says so without reading it.
    pub rows: Option<u64>,
    /// Its columns: of CSV and JSON as they were found from a sample.
    pub columns: SchemaRef,
    /// How it is read, as names and values of the options of `read_csv`: what was found, and what was given.
    pub options: Vec<(String, String)>,
}

impl Engine {
    /// What the files of a source are, one by one.
    ///
    /// # Errors
    /// As a query that names the path in FROM.
    pub fn inspect(&self, source: &FileSource) -> Result<Vec<FileInfo>> {
        let kept = query::kept(self, &source.path)?;
        let found = files::found(
            &source.path,
            &kept,
            source.format.as_deref(),
            &source.options,
            source.columns.as_ref(),
            &self.catalog().session().settings.bad_rows,
        )?;
        let info = |file: files::FoundFile| FileInfo {
            path: file.path,
            format: file.format.to_string(),
            compression: file.data.compression(),
            bytes: file.data.byte_count(),
            rows: file.data.row_count(),
            columns: file.data.schema().clone(),
            options: file
                .data
                .reading()
                .into_iter()
                .map(|(name, value)| (name.to_string(), value))
                .collect(),
        };
        Ok(found.into_iter().map(info).collect())
    }
}

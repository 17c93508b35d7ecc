//! A table of a path: one file, the files a pattern matches, or those below a directory.
//!
//! [`paths`] finds the files, [`merge`] makes one set of columns of theirs, [`statistics`] tells the planner how many rows to
//! expect.

mod merge;
mod paths;
mod statistics;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{ColumnStatistics, DFSchema, ScalarValue, Statistics};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::scan::{Planned, Predicate, TableScanExec};
use crate::error::{Error, ErrorKind, FilePlace, Result};
use crate::file::csv::{CsvFile, CsvOptions, OptionValue};
use crate::file::format::{FORMATS, Format};
use crate::file::ipc::IpcFile;
use crate::file::ndjson::NdjsonFile;
use crate::file::parquet::ParquetFile;
use crate::file::source::Source;
use crate::file::table::ScanFile;
use crate::file::{BadRows, DataFile, Pruned, remote};

/// Marks a column that no `*` includes.
pub(crate) const PSEUDO: &str = "tidemill.pseudo";

/// Files of one set of columns.
#[derive(Debug, Clone)]
pub(crate) struct FileTable(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    path: String,
    schema: SchemaRef,
    files: Vec<ScanFile>,
    /// What is known of each column, once it is asked for.
    columns: Vec<OnceLock<ColumnStatistics>>,
    shards: Option<Shards>,
    /// What was left out before there were files.
    pruned: Vec<Pruned>,
}

/// Where the rows of files lie whose table is cut by the hash of a key.
#[derive(Debug, Clone)]
pub(crate) struct Shards {
    /// The key's columns.
    pub(crate) key: Vec<usize>,
    pub(crate) count: u64,
    /// The shard of each file.
    pub(crate) of_files: Vec<u64>,
}

/// A file that was opened.
#[derive(Debug)]
pub(crate) struct FoundFile {
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    pub(crate) data: Arc<dyn DataFile>,
}

/// Where bytes lie that do not come from a path of this machine.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Those of standard input, if the path means it.
    pub(crate) input: Option<PathBuf>,
    /// Those of other machines that give files only as a whole, each with so many bytes at most.
    pub(crate) folder: PathBuf,
    pub(crate) limit: Option<u64>,
}

/// The table that a path stands for. `format` is asked of every
/// file's contents and name when it is not given; `columns` are the table's columns when they are declared.
pub(crate) fn open(
    path: &str,
    kept: &Kept,
    format: Option<&str>,
    options: &[(String, ScalarValue)],
    columns: Option<SchemaRef>,
    bad_rows: &BadRows,
) -> Result<Arc<FileTable>> {
    let files = found(path, kept, format, options, columns.as_ref(), bad_rows)?;
    let files = files.into_iter().map(|file| (file.path, file.data));
    let (schema, files) = merge::merge(files.collect(), columns)?;
    Ok(Arc::new(FileTable::of_files(
        path.to_string(),
        schema,
        files,
    )))
}

/// The files that a path stands for.
pub(crate) fn found(
    path: &str,
    kept: &Kept,
    format: Option<&str>,
    options: &[(String, ScalarValue)],
    columns: Option<&SchemaRef>,
    bad_rows: &BadRows,
) -> Result<Vec<FoundFile>> {
    let named = format.map(named_format).transpose()?;
    let open = |file: &Source, format: Format| -> Result<FoundFile> {
        Ok(FoundFile {
            path: file.shown().to_path_buf(),
            format,
            data: open_file(file, format, options, columns, bad_rows)?,
        })
    };
    if let Some(file) = &kept.input {
        let file = Source::from(file);
        let format = named.map_or_else(|| Format::of_contents(&file), Ok)?;
        return Ok(vec![open(&file, format)?]);
    }
    let files = match remote::sources(path, &kept.folder, kept.limit)? {
        Some(sources) => sources,
        None => paths::expand(path)?.iter().map(Source::from).collect(),
    };
    let files = files.iter().map(|file| {
        let format = named.map_or_else(|| Format::of_file(file), Ok)?;
        open(file, format)
    });
    files.collect()
}

fn named_format(name: &str) -> Result<Format> {
    Format::of_name(name).ok_or_else(|| {
        let message = format!("there is no file format named `{name}`");
        Error::new(ErrorKind::Input, "TM0704", message).available(FORMATS)
    })
}

fn open_file(
    file: &Source,
    format: Format,
    options: &[(String, ScalarValue)],
    columns: Option<&SchemaRef>,
    bad_rows: &BadRows,
) -> Result<Arc<dyn DataFile>> {
    if matches!(format, Format::Csv | Format::Tsv) {
        let mut options = CsvOptions::from_pairs(&plain_values(options)?)?;
        if format == Format::Tsv {
            options.delimiter.get_or_insert(b'\t');
        }
        let bad_rows = options.bad_rows.get_or_insert_with(|| bad_rows.clone());
        check_target(bad_rows)?;
        return Ok(Arc::new(CsvFile::open(file, options, columns.cloned())?));
    }
    let mut bad_rows = bad_rows.clone();
    let mut options = options.iter();
    if format == Format::Ndjson
        && let Some((name, value)) = options.as_slice().first()
        && name.eq_ignore_ascii_case("bad_rows")
    {
        let text = value.try_as_str().flatten().unwrap_or_default();
        bad_rows = text.parse()?;
        options.next();
    }
    if let Some((name, _)) = options.next() {
        let message = format!("files of format {format} have no option named `{name}`");
        return Err(Error::new(ErrorKind::Input, "TM0706", message)
            .hint("leave it out: such a file says itself how it is to be read"));
    }
    if format == Format::Ndjson {
        check_target(&bad_rows)?;
    }
    Ok(match format {
        Format::Ndjson => Arc::new(NdjsonFile::open(file, columns.cloned(), bad_rows)?),
        Format::Parquet => Arc::new(ParquetFile::open(file)?),
        Format::Arrow | Format::Csv | Format::Tsv => Arc::new(IpcFile::open(file)?),
    })
}

/// Rejected rows are written when a query ends: that there is no such directory is said when it begins.
fn check_target(bad_rows: &BadRows) -> Result<()> {
    let BadRows::Reject(target) = bad_rows else {
        return Ok(());
    };
    let folder = target
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_none_or(Path::is_dir) && !target.is_dir() {
        return Ok(());
    }
    let message = "no file for rejected rows can be made here";
    Err(Error::new(ErrorKind::Io, "TM0701", message)
        .in_file(FilePlace {
            path: target.clone(),
            ..FilePlace::default()
        })
        .hint("make its directory first"))
}

/// Options as the file floor knows them.
fn plain_values(options: &[(String, ScalarValue)]) -> Result<Vec<(String, OptionValue)>> {
    let plain = |(name, value): &(String, ScalarValue)| {
        let value = match value {
            ScalarValue::Boolean(Some(value)) => OptionValue::Bool(*value),
            ScalarValue::Utf8(Some(text))
            | ScalarValue::LargeUtf8(Some(text))
            | ScalarValue::Utf8View(Some(text)) => OptionValue::Text(text.clone()),
            ScalarValue::Struct(types) => OptionValue::Columns(
                types
                    .fields()
                    .iter()
                    .map(|field| (field.name().clone(), field.data_type().clone()))
                    .collect(),
            ),
            other => match other.cast_to(&DataType::Int64) {
                Ok(ScalarValue::Int64(Some(number))) => OptionValue::Int(number),
                _ => {
                    let message = format!("the option `{name}` cannot have the value {other}");
                    return Err(Error::new(ErrorKind::Input, "TM0706", message)
                        .hint("give a text, a number, TRUE or FALSE"));
                }
            },
        };
        Ok((name.clone(), value))
    };
    options.iter().map(plain).collect()
}

impl FileTable {
    /// Files that are open; `path` is what the user calls them.
    pub(in crate::catalog) fn of_files(
        path: String,
        schema: SchemaRef,
        files: Vec<ScanFile>,
    ) -> Self {
        FileTable(Arc::new(Parts {
            path,
            columns: schema.fields().iter().map(|_| OnceLock::new()).collect(),
            schema,
            files,
            shards: None,
            pruned: Vec::new(),
        }))
    }

    /// Whether it is the same table, opened once.
    pub(crate) fn is(&self, other: &FileTable) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The same files, of which it is known in which shard the rows of each lie.
    pub(in crate::catalog) fn with_shards(self, shards: Shards) -> Self {
        FileTable(Arc::new(Parts {
            path: self.0.path.clone(),
            schema: Arc::clone(&self.0.schema),
            columns: self.0.columns.clone(),
            files: self.0.files.clone(),
            shards: Some(shards),
            pruned: self.0.pruned.clone(),
        }))
    }

    /// The same files, which are what was left of more.
    pub(in crate::catalog) fn with_pruned(self, pruned: Vec<Pruned>) -> Self {
        FileTable(Arc::new(Parts {
            path: self.0.path.clone(),
            schema: Arc::clone(&self.0.schema),
            columns: self.0.columns.clone(),
            files: self.0.files.clone(),
            shards: self.0.shards.clone(),
            pruned,
        }))
    }

    pub(crate) fn pruned(&self) -> &[Pruned] {
        &self.0.pruned
    }

    pub(crate) fn shards(&self) -> Option<&Shards> {
        self.0.shards.as_ref()
    }

    /// The files of some shards alone.
    pub(crate) fn of_shards(&self, wanted: &Range<u64>) -> Self {
        let shards = self.0.shards.iter().flat_map(|shards| &shards.of_files);
        let files = self.0.files.iter().zip(shards);
        let files = files.filter(|(_, shard)| wanted.contains(shard));
        let files = files.map(|(file, _)| file.clone()).collect();
        let path = format!(
            "{}, shards {} to {}",
            self.0.path,
            wanted.start,
            wanted.end - 1
        );
        FileTable::of_files(path, Arc::clone(&self.0.schema), files)
            .with_pruned(self.0.pruned.clone())
    }

    /// The path as the user wrote it.
    pub(crate) fn path(&self) -> &str {
        &self.0.path
    }

    pub(crate) fn columns(&self) -> &SchemaRef {
        &self.0.schema
    }

    pub(crate) fn files(&self) -> &[ScanFile] {
        &self.0.files
    }

    pub(in crate::catalog) fn plan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let all = || (0..self.0.schema.fields().len()).collect();
        let projection = projection.cloned().unwrap_or_else(all);
        let predicate = match conjunction(filters.iter().cloned()) {
            None => None,
            Some(filter) => {
                let schema = DFSchema::try_from(Arc::clone(&self.0.schema))?;
                let text = filter.human_display().to_string();
                let condition = state.create_physical_expr(filter, &schema)?;
                Some(Predicate { condition, text })
            }
        };
        let table = Arc::new(self.clone());
        Ok(Arc::new(TableScanExec::new(table, projection, predicate)))
    }

    /// What is known without reading: of these columns, in this order.
    pub(crate) fn statistics_of(&self, columns: &[usize]) -> Statistics {
        let known = |column: usize| {
            let slot = self.0.columns.get(column)?;
            Some(
                slot.get_or_init(|| statistics::column(self, column))
                    .clone(),
            )
        };
        Statistics {
            num_rows: statistics::rows(self),
            total_byte_size: statistics::bytes(self, columns),
            column_statistics: columns
                .iter()
                .map(|column| known(*column).unwrap_or_else(ColumnStatistics::new_unknown))
                .collect(),
        }
    }
}

impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn scan<'table, 'state, 'projection, 'filters, 'future>(
        &'table self,
        state: &'state dyn Session,
        projection: Option<&'projection Vec<usize>>,
        filters: &'filters [Expr],
        _limit: Option<usize>,
    ) -> Planned<'future>
    where
        'table: 'future,
        'state: 'future,
        'projection: 'future,
        'filters: 'future,
    {
        Box::pin(std::future::ready(self.plan(state, projection, filters)))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        Ok(filters.iter().map(pushdown).collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        let all: Vec<usize> = (0..self.0.schema.fields().len()).collect();
        Some(self.statistics_of(&all))
    }
}

/// A scan answers what depends on the row alone, for every row.
pub(super) fn pushdown(filter: &&Expr) -> TableProviderFilterPushDown {
    if of_row_alone(filter) {
        TableProviderFilterPushDown::Exact
    } else {
        TableProviderFilterPushDown::Unsupported
    }
}

/// The condition's answer depends on the row and nothing else.
fn of_row_alone(filter: &Expr) -> bool {
    use datafusion::common::tree_node::TreeNode;
    let other = filter.exists(|part| {
        Ok(matches!(
            part,
            Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::Placeholder(_)
        ))
    });
    matches!(other, Ok(false)) && !filter.is_volatile()
}

#[cfg(test)]
mod tests;

//! EXPORT DATA: where rows go as files, and how.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use super::relation::Relation;
use super::statement::check_names;
use super::{Binder, Step, WriteTarget, names};
use crate::error::{Error, Result, Span};
use crate::file::format::{FORMATS, Format};
use crate::file::on_this_machine;
use crate::file::write::{Compression, WriteRequest};
use crate::lang::ast::{ExprKind, OptionSetting};

/// Every option that EXPORT DATA takes.
const OPTIONS: &[&str] = &[
    "uri",
    "format",
    "compression",
    "overwrite",
    "partition_by",
    "header",
    "delim",
    "null",
];

impl Binder<'_> {
    pub(super) fn export(
        &self,
        relation: Relation,
        options: &[OptionSetting],
        place: Span,
    ) -> Result<Step> {
        let find = |name: &str| {
            let mut options = options.iter();
            options.find(|option| option_name(option).eq_ignore_ascii_case(name))
        };
        check_options(options)?;
        let Some(uri) = find("uri") else {
            return Err(Error::input("TM0301", "EXPORT DATA needs a path", place)
                .hint("write EXPORT DATA OPTIONS (uri = 'out.parquet')"));
        };
        let path = self.text_option(uri)?;
        on_this_machine(&path).map_err(|error| error.at(uri.value.span))?;
        let format = match find("format") {
            Some(option) => {
                let name = self.text_option(option)?;
                Format::of_name(&name).ok_or_else(|| {
                    let message = format!("`{name}` is no format that can be written");
                    Error::input("TM0703", message, option.value.span).available(FORMATS)
                })?
            }
            None => Format::of_ending(std::path::Path::new(&path)).ok_or_else(|| {
                let packed = [".bz2", ".xz", ".lz4"]
                    .iter()
                    .find(|ending| path.ends_with(**ending));
                let message = match packed {
                    Some(ending) => format!("files ending in {ending} are not written"),
                    None => "the path does not say the format".to_string(),
                };
                Error::input("TM0703", message, uri.value.span).hint(match packed {
                    Some(_) => "CSV and JSON are packed as .gz or .zst",
                    None => "write format = 'parquet'",
                })
            })?,
        };
        if matches!(format, Format::Csv | Format::Tsv) {
            refuse_nested(&relation, place)?;
        } else {
            check_names(&relation.scope.columns, place)?;
        }
        if format == Format::Parquet {
            refuse_intervals(&relation, place)?;
        }
        let partition_by = match find("partition_by") {
            Some(option) => self.partition_columns(&relation, option)?,
            None => Vec::new(),
        };
        let flag = |name: &str, otherwise: bool| match find(name) {
            None => Ok(otherwise),
            Some(option) => match self.option(option)? {
                ScalarValue::Boolean(Some(value)) => Ok(value),
                _ => Err(wrong_value(option, "TRUE or FALSE")),
            },
        };
        let request = WriteRequest {
            compression: self.compression(find("compression"), format, &path)?,
            overwrite: flag("overwrite", false)?,
            header: flag("header", true)?,
            delimiter: self.delimiter(find("delim"), format)?,
            null: find("null").map_or(Ok(String::new()), |option| self.text_option(option))?,
            path,
            format,
            partition_by,
        };
        Ok(Step::Write {
            target: WriteTarget::Export(request),
            query: self.output(relation)?,
            place: uri.value.span,
        })
    }

    fn text_option(&self, option: &OptionSetting) -> Result<String> {
        let value = self.option(option)?;
        let text = value.try_as_str().flatten().map(str::to_string);
        text.ok_or_else(|| wrong_value(option, "a text"))
    }

    fn compression(
        &self,
        option: Option<&OptionSetting>,
        format: Format,
        path: &str,
    ) -> Result<Compression> {
        let Some(option) = option else {
            return Ok(match format {
                Format::Parquet => Compression::Zstd,
                Format::Arrow => Compression::None,
                _ if path.ends_with(".gz") => Compression::Gzip,
                _ if path.ends_with(".zst") => Compression::Zstd,
                _ => Compression::None,
            });
        };
        let name = self.text_option(option)?;
        let found = Compression::of_name(&name);
        let found = found.filter(|found| Compression::of_format(format).contains(found));
        found.ok_or_else(|| {
            let message = format!("{format} cannot be compressed with `{name}`");
            let known = Compression::of_format(format).iter();
            let known: Vec<String> = known
                .map(|known| format!("{known:?}").to_lowercase())
                .collect();
            Error::input("TM0703", message, option.value.span).available(known.join(", "))
        })
    }

    fn delimiter(&self, option: Option<&OptionSetting>, format: Format) -> Result<u8> {
        let Some(option) = option else {
            return Ok(if format == Format::Tsv { b'\t' } else { b',' });
        };
        match self.text_option(option)?.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
            _ => Err(wrong_value(option, "one character")),
        }
    }

    /// The columns of `partition_by = ['a', 'b']`, or of one text.
    fn partition_columns(&self, relation: &Relation, option: &OptionSetting) -> Result<Vec<usize>> {
        let items = match option.value.kind.as_ref() {
            ExprKind::Array { items, .. } => items.iter().collect(),
            _ => vec![&option.value],
        };
        let columns = &relation.scope.columns;
        let mut positions = Vec::with_capacity(items.len());
        for item in items {
            let value = self.constant_value(item, "partition_by")?;
            let Some(name) = value.try_as_str().flatten() else {
                return Err(wrong_value(option, "an array of column names"));
            };
            let Some(position) = columns.iter().position(|column| column.is_called(name)) else {
                let message = format!("no column named `{name}` to partition by");
                return Err(Error::input("TM0201", message, item.span)
                    .available(relation.scope.list(false)));
            };
            if positions.contains(&position) {
                let message = format!("`{name}` stands twice in partition_by");
                return Err(Error::input("TM0301", message, item.span));
            }
            positions.push(position);
        }
        if positions.len() == columns.len() {
            let message = "a file needs a column that is not in partition_by";
            return Err(Error::input("TM0304", message, option.value.span));
        }
        Ok(positions)
    }
}

/// The option as it is called here: other systems have other words for some.
fn option_name(option: &OptionSetting) -> &str {
    let name = option.name.text.as_str();
    let same = [
        ("path", "uri"),
        ("field_delimiter", "delim"),
        ("delimiter", "delim"),
    ];
    let found = same
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map_or(name, |(_, own)| own)
}

fn check_options(options: &[OptionSetting]) -> Result<()> {
    for (index, option) in options.iter().enumerate() {
        let name = option_name(option);
        if !OPTIONS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            let message = format!("EXPORT DATA has no option `{name}`");
            let error = Error::input("TM0703", message, option.name.span);
            return Err(match names::nearest(name, OPTIONS.iter().copied()) {
                Some(near) => error.did_you_mean(near),
                None => error.available(OPTIONS.join(", ")),
            });
        }
        let before = &options[..index];
        if before
            .iter()
            .any(|other| option_name(other).eq_ignore_ascii_case(name))
        {
            let message = format!("the option `{name}` is given twice");
            return Err(Error::input("TM0703", message, option.name.span));
        }
    }
    Ok(())
}

fn refuse_nested(relation: &Relation, place: Span) -> Result<()> {
    let columns = &relation.scope.columns;
    match columns.iter().find(|column| column.data_type.is_nested()) {
        None => Ok(()),
        Some(column) => {
            let message = format!(
                "CSV has no place for {}, the type of `{}`",
                super::types::type_name(&column.data_type),
                column.display()
            );
            Err(Error::input("TM0403", message, place)
                .hint("write ndjson, parquet or arrow, or take the values apart before"))
        }
    }
}

fn refuse_intervals(relation: &Relation, place: Span) -> Result<()> {
    let columns = &relation.scope.columns;
    match columns
        .iter()
        .find(|column| has_interval(&column.data_type))
    {
        None => Ok(()),
        Some(column) => {
            let message = format!("Parquet has no INTERVAL as `{}` is", column.display());
            Err(Error::input("TM0403", message, place)
                .hint("write arrow, or CAST the intervals to STRING before"))
        }
    }
}

fn has_interval(data_type: &DataType) -> bool {
    match data_type {
        DataType::Interval(_) => true,
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => has_interval(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_interval(field.data_type())),
        _ => false,
    }
}

fn wrong_value(option: &OptionSetting, wanted: &str) -> Error {
    let message = format!("the option `{}` takes {wanted}", option.name.text);
    Error::input("TM0703", message, option.value.span)
}

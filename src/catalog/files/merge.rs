//! One set of columns for several files: by name, widened where no value is lost, and what the path says of each.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::{PSEUDO, paths};
use crate::error::{Error, ErrorKind, Result};
use crate::file::DataFile;
use crate::file::table::{Origin, ScanFile};
use crate::file::type_name;
use crate::file::types::common_type;

/// The name of the column that tells each row's file.
const FILE_NAME: &str = "_file_name";

/// A column on its way into the table.
struct Merged {
    field: Field,
    /// The file that gave it its type.
    path: PathBuf,
}

type Opened = (PathBuf, Arc<dyn DataFile>);

/// The table's columns, and for each file where they come from. Declared columns are taken as they are.
pub(super) fn merge(
    files: Vec<Opened>,
    declared: Option<SchemaRef>,
) -> Result<(SchemaRef, Vec<ScanFile>)> {
    let names: Vec<Vec<String>> = files.iter().map(|(_, data)| unique_names(data)).collect();
    let files = match declared {
        Some(_) => files,
        None => told_by_others(files, &names),
    };
    let mut fields: Vec<Field> = match &declared {
        Some(declared) => {
            check_declared(declared, &names)?;
            declared
                .fields()
                .iter()
                .map(|field| plain(field, true))
                .collect()
        }
        None => stored_columns(&files, &names)?,
    };
    let keys: Vec<_> = files
        .iter()
        .map(|(path, _)| paths::partition_values(path))
        .collect();
    fields.extend(partition_columns(&fields, &keys));
    if fields.iter().all(|field| field.name() != FILE_NAME) {
        let pseudo = HashMap::from([(PSEUDO.to_string(), "1".to_string())]);
        let name = Field::new(FILE_NAME, DataType::Utf8View, false);
        fields.push(name.with_metadata(pseudo));
    }
    let parts = files.into_iter().zip(names).zip(keys);
    let parts = parts.map(|(((path, data), names), keys)| {
        let origin = |field: &Field| origin(field, &path, &names, &keys);
        Ok(ScanFile {
            origins: fields.iter().map(origin).collect::<Result<_>>()?,
            path: path.display().to_string(),
            data,
        })
    });
    let parts = parts.collect::<Result<Vec<ScanFile>>>()?;
    Ok((Arc::new(Schema::new(fields)), parts))
}

/// The names of a file's columns; of equal ones, the second is `x_2`.
fn unique_names(data: &Arc<dyn DataFile>) -> Vec<String> {
    let mut taken = HashSet::new();
    let names = data.schema().fields().iter().map(|field| {
        let name = field.name();
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let mut free = std::iter::once(name.clone())
            .chain(numbered)
            .skip_while(|name| taken.contains(name));
        let name = free.next().unwrap_or_default();
        taken.insert(name.clone());
        name
    });
    names.collect()
}

/// The files, with the types that others know for columns of which one has seen no value.
fn told_by_others(files: Vec<Opened>, names: &[Vec<String>]) -> Vec<Opened> {
    let mut known: HashMap<&str, DataType> = HashMap::new();
    for ((_, data), names) in files.iter().zip(names) {
        let fields = names.iter().zip(data.schema().fields()).enumerate();
        for (at, (name, field)) in fields {
            if data.is_unknown(at) {
                continue;
            }
            let here = field.data_type();
            let common = match known.get(name.as_str()) {
                None => here.clone(),
                // What contradicts is told when the columns are put together.
                Some(before) => common_type(before, here).unwrap_or_else(|| before.clone()),
            };
            known.insert(name, common);
        }
    }
    let told = |((path, data), names): (Opened, &Vec<String>)| {
        let told = names
            .iter()
            .enumerate()
            .filter(|(at, _)| data.is_unknown(*at));
        let told = told.filter_map(|(at, name)| Some((at, known.get(name.as_str())?.clone())));
        let told: Vec<(usize, DataType)> = told.collect();
        let retyped = (!told.is_empty()).then(|| data.with_types(&told)).flatten();
        (path, retyped.unwrap_or(data))
    };
    files.into_iter().zip(names).map(told).collect()
}

fn plain(field: &Field, nullable: bool) -> Field {
    Field::new(field.name(), field.data_type().clone(), nullable)
}

fn check_declared(declared: &Schema, names: &[Vec<String>]) -> Result<()> {
    for field in declared.fields() {
        if !names.iter().flatten().any(|name| name == field.name()) {
            let message = format!("no file has a column named `{}`", field.name());
            let first = names.first().map(|names| names.join(", "));
            return Err(Error::new(ErrorKind::Input, "TM0705", message)
                .available(first.unwrap_or_default())
                .hint("write the names in the list of columns as the file has them"));
        }
    }
    Ok(())
}

/// The columns of all files, in the order in which they first appear.
fn stored_columns(files: &[Opened], names: &[Vec<String>]) -> Result<Vec<Field>> {
    let mut merged: Vec<Merged> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for ((path, data), names) in files.iter().zip(names) {
        for (name, field) in names.iter().zip(data.schema().fields()) {
            // Another file may lack the column.
            let field = plain(field, field.is_nullable() || files.len() > 1).with_name(name);
            match known.get(name).and_then(|at| merged.get_mut(*at)) {
                Some(column) => column.widen(&field, path)?,
                None => {
                    known.insert(name.clone(), merged.len());
                    merged.push(Merged {
                        field,
                        path: path.clone(),
                    });
                }
            }
        }
    }
    Ok(merged.into_iter().map(|column| column.field).collect())
}

impl Merged {
    fn widen(&mut self, other: &Field, path: &Path) -> Result<()> {
        let (one, two) = (self.field.data_type(), other.data_type());
        let Some(common) = common_type(one, two) else {
            return Err(Error::new(
                ErrorKind::Data,
                "TM0306",
                format!(
                    "column `{}` is {} in {} and {} in {}",
                    other.name(),
                    type_name(one),
                    self.path.display(),
                    type_name(two),
                    path.display()
                ),
            )
            .hint("read the files apart and cast the column, or declare the table's columns"));
        };
        if common != *one {
            self.field = self.field.clone().with_data_type(common);
            self.path = path.to_path_buf();
        }
        Ok(())
    }
}

type Keys = Vec<(String, Option<String>)>;

/// The columns that paths name and files do not store. All values decide the type: INT64, DATE or STRING.
fn partition_columns(stored: &[Field], keys: &[Keys]) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for (name, _) in keys.iter().flatten() {
        if stored
            .iter()
            .chain(&fields)
            .any(|field| field.name() == name)
        {
            continue;
        }
        let values: Vec<&str> = keys
            .iter()
            .flatten()
            .filter(|(other, _)| other == name)
            .filter_map(|(_, value)| value.as_deref())
            .collect();
        let every = |kind: &DataType| {
            let texts: ArrayRef = Arc::new(StringViewArray::from(values.clone()));
            cast(&texts, kind).is_ok_and(|cast| cast.null_count() == 0)
        };
        let kind = if values.is_empty() {
            DataType::Utf8View
        } else if values.iter().all(|value| !value.starts_with('+')) && every(&DataType::Int64) {
            DataType::Int64
        } else if values.iter().all(|value| value.len() == 10) && every(&DataType::Date32) {
            DataType::Date32
        } else {
            DataType::Utf8View
        };
        fields.push(Field::new(name, kind, true));
    }
    fields
}

fn origin(field: &Field, path: &Path, names: &[String], keys: &Keys) -> Result<Origin> {
    if field.metadata().contains_key(PSEUDO) {
        let name = path.display().to_string();
        return Ok(Origin::Constant(Arc::new(StringViewArray::from(vec![
            name,
        ]))));
    }
    if let Some(position) = names.iter().position(|name| name == field.name()) {
        return Ok(Origin::Stored(position));
    }
    let value = keys.iter().rev().find(|(key, _)| key == field.name());
    let Some((_, Some(value))) = value else {
        return Ok(Origin::Missing);
    };
    let text: ArrayRef = Arc::new(StringViewArray::from(vec![value.as_str()]));
    Ok(Origin::Constant(cast(&text, field.data_type())?))
}

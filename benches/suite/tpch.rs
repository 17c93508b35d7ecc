//! The 22 queries over Parquet files.

use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tidemill::arrow::array::RecordBatch;
use tidemill::{Engine, Explain};
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow,
    SupplierArrow,
};

use crate::measure::{measure, print, print_head};
use crate::{Flags, Form};

const TABLES: [&str; 8] = [
    "lineitem", "orders", "customer", "part", "partsupp", "supplier", "nation", "region",
];
const ROW_GROUP_ROWS: usize = 122_880;

/// The folder of the files, which are made where they are not.
pub(crate) fn made(flags: &Flags) -> Result<PathBuf, Box<dyn Error>> {
    let folder = match &flags.data {
        Some(folder) => folder.clone(),
        None => PathBuf::from(format!("target/bench/tpch-sf{}", flags.scale)),
    };
    make(&folder, flags.scale)?;
    Ok(folder)
}

pub(crate) fn run(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let folder = made(flags)?;
    let mut builder = Engine::builder().threads(flags.threads);
    if let Some(limit) = flags.memory_limit {
        builder = builder.memory_limit(limit);
    }
    let engine = builder.in_memory()?;
    for table in TABLES {
        let path = folder.join(format!("{table}.parquet"));
        let path = path.to_string_lossy().replace('\'', "''");
        engine.execute(
            &format!("CREATE EXTERNAL TABLE {table} STORED AS PARQUET LOCATION '{path}'"),
            (),
        )?;
    }
    print_head();
    for number in 1..=22 {
        let name = format!("q{number}");
        if !flags.names.is_empty() && !flags.names.contains(&name) {
            continue;
        }
        for (form, ending) in [(Form::Pipe, "pipe"), (Form::Sql, "sql")] {
            if flags.form.is_some_and(|only| only != form) {
                continue;
            }
            let text = fs::read_to_string(format!("tests/tpch/q{number:02}.{ending}"))?;
            let figures = measure(flags.runs, || {
                engine.query(&text, ())?.collect_batches().map(drop)
            })?;
            print(&format!("{name} {ending}"), &figures);
            if flags.profile {
                println!("{}", engine.explain(&text, Explain::Analyze)?);
            }
        }
    }
    Ok(())
}

/// Writes the tables that are not there, each under a name of its own until it is whole.
fn make(folder: &Path, scale: f64) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    for table in TABLES {
        let path = folder.join(format!("{table}.parquet"));
        if path.exists() {
            continue;
        }
        eprintln!("making {}", path.display());
        let part = path.with_extension("part");
        write(batches(table, scale), &part)?;
        fs::rename(part, path)?;
    }
    Ok(())
}

fn write(
    batches: Box<dyn Iterator<Item = RecordBatch>>,
    path: &Path,
) -> Result<(), Box<dyn Error>> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .build();
    let mut batches = batches.peekable();
    let schema = batches.peek().ok_or("a table without rows")?.schema();
    let mut writer = ArrowWriter::try_new(File::create(path)?, schema, Some(properties))?;
    for batch in batches {
        writer.write(&batch)?;
    }
    writer.close()?;
    Ok(())
}

fn batches(table: &str, scale: f64) -> Box<dyn Iterator<Item = RecordBatch>> {
    match table {
        "lineitem" => Box::new(LineItemArrow::new(LineItemGenerator::new(scale, 1, 1))),
        "orders" => Box::new(OrderArrow::new(OrderGenerator::new(scale, 1, 1))),
        "customer" => Box::new(CustomerArrow::new(CustomerGenerator::new(scale, 1, 1))),
        "part" => Box::new(PartArrow::new(PartGenerator::new(scale, 1, 1))),
        "partsupp" => Box::new(PartSuppArrow::new(PartSuppGenerator::new(scale, 1, 1))),
        "supplier" => Box::new(SupplierArrow::new(SupplierGenerator::new(scale, 1, 1))),
        "nation" => Box::new(NationArrow::new(NationGenerator::new(scale, 1, 1))),
        _ => Box::new(RegionArrow::new(RegionGenerator::new(scale, 1, 1))),
    }
}

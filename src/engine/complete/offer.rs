//! Gathers what can be written at a place, the likeliest first.

use std::collections::BTreeSet;
use std::path::Path;

use super::words::{BEHIND_OPERANDS, OPERANDS, STATEMENTS, TYPES};
use super::{Completion, CompletionKind, unknown_parameters};
use crate::catalog::SETTINGS;
use crate::engine::Engine;
use crate::file::type_name;
use crate::lang;
use crate::lang::cursor::{Cursor, Place};
use crate::lang::outline::{DefinitionKind, definitions};
use crate::plan::Parameters;
use crate::plan::bind::around::{NamedColumn, NamedTable, Names, Surroundings};

/// Paths that are offered at most.
const PATHS_MAX: usize = 200;

/// Gathers what can be written.
pub(super) struct Offer<'a> {
    engine: &'a Engine,
    text: &'a str,
    cursor: Cursor,
    parameters: Parameters,
    items: Vec<Completion>,
}

impl<'a> Offer<'a> {
    pub(super) fn new(engine: &'a Engine, text: &'a str, cursor: Cursor) -> Self {
        Offer {
            engine,
            text,
            cursor,
            parameters: unknown_parameters(),
            items: Vec::new(),
        }
    }

    pub(super) fn items(mut self) -> Vec<Completion> {
        match self.cursor.place.clone() {
            Place::Nothing => {}
            Place::Statement => self.keywords(STATEMENTS),
            Place::Query => self.keywords(&["FROM", "SELECT", "WITH", "VALUES"]),
            Place::Operator => {
                for operator in lang::pipe_operators() {
                    self.add(operator, CompletionKind::Operator, String::new());
                }
            }
            Place::Table => self.tables(),
            Place::TableFunction => self.table_functions(true),
            Place::Path => self.paths(),
            Place::Member(path) => self.members(&path),
            Place::Parameter => self.parameters(),
            Place::Setting => {
                for setting in SETTINGS {
                    let text = format!("@@{}", setting.name);
                    let values = setting.values.to_string();
                    self.offer(
                        &text,
                        setting.name,
                        CompletionKind::Setting,
                        values,
                        setting.about,
                    );
                }
            }
            Place::Type => {
                for name in TYPES {
                    self.add(name, CompletionKind::Type, String::new());
                }
            }
            Place::Column => {
                let names = self.names();
                self.columns(&names.columns);
            }
            Place::Expression(clause) => self.expression(&clause),
            Place::Behind(clause) => self.behind(&clause),
        }
        let mut seen = BTreeSet::new();
        self.items
            .retain(|item| seen.insert((item.kind, item.text.clone())));
        self.items
    }

    fn surroundings(&self) -> Surroundings<'_> {
        self.engine.surroundings(&self.parameters)
    }

    fn names(&self) -> Names {
        self.surroundings().names(&self.cursor.levels)
    }

    /// Adds what begins with what is typed.
    fn add(&mut self, text: &str, kind: CompletionKind, detail: String) {
        self.offer(text, text, kind, detail, "");
    }

    fn offer(&mut self, text: &str, name: &str, kind: CompletionKind, detail: String, about: &str) {
        let typed = self.cursor.typed.len();
        let begins = name.get(..typed);
        if begins.is_some_and(|begin| begin.eq_ignore_ascii_case(&self.cursor.typed)) {
            self.items.push(Completion {
                text: text.to_string(),
                kind,
                detail,
                about: about.to_string(),
            });
        }
    }

    fn keywords(&mut self, words: &[&str]) {
        for word in words {
            self.add(word, CompletionKind::Keyword, String::new());
        }
    }

    fn columns(&mut self, columns: &[NamedColumn]) {
        for column in columns.iter().filter(|column| !column.is_anonymous) {
            let name = written(&column.name);
            let detail = type_name(&column.data_type);
            self.offer(&name, &column.name, CompletionKind::Column, detail, "");
        }
    }

    fn expression(&mut self, clause: &str) {
        let names = self.names();
        let surroundings = self.engine.surroundings(&self.parameters);
        let fits: Vec<bool> = match &self.cursor.call {
            Some((function, 0)) => {
                let function = function.to_lowercase();
                let columns = names.columns.iter();
                columns
                    .map(|column| surroundings.takes(&function, &column.data_type))
                    .collect()
            }
            _ => vec![true; names.columns.len()],
        };
        for wanted in [true, false] {
            let columns = names.columns.iter().zip(&fits);
            let columns = columns.filter(|(_, fits)| **fits == wanted);
            let columns: Vec<NamedColumn> = columns.map(|(column, _)| column.clone()).collect();
            self.columns(&columns);
        }
        self.columns(&names.pseudo);
        for range in &names.ranges {
            self.offer(
                &written(&range.name),
                &range.name,
                CompletionKind::RangeVariable,
                columns_text(&range.columns),
                "",
            );
        }
        self.columns(&names.outer);
        let session = self.engine.catalog().session();
        for value in session.values() {
            let detail = type_name(&value.value.data_type());
            self.add(&value.name, CompletionKind::Variable, detail);
        }
        self.functions(clause);
        self.keywords(OPERANDS);
        if self.cursor.call.is_some() {
            self.keywords(&["DISTINCT"]);
        }
    }

    /// In AGGREGATE its functions come first; where there can be none they are left out.
    fn functions(&mut self, clause: &str) {
        let all = self.surroundings().functions();
        let aggregates_first = matches!(clause, "AGGREGATE" | "HAVING" | "PIVOT");
        let none = matches!(
            clause,
            "WHERE" | "EXTEND" | "SET" | "LIMIT" | "ON" | "ASSERT"
        );
        let (aggregates, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(_, row)| row[0] == "aggregate");
        let groups = match (aggregates_first, none) {
            (true, _) => [aggregates, others],
            (false, true) => [others, Vec::new()],
            (false, false) => [others, aggregates],
        };
        for (name, [kind, form, about]) in groups.into_iter().flatten() {
            if kind == "table" {
                continue;
            }
            let own = self.engine.catalog().session().function(&name).is_some();
            let text = if own { name } else { name.to_uppercase() };
            self.offer(&text, &text, CompletionKind::Function, form, &about);
        }
    }

    fn tables(&mut self) {
        let names = self.names();
        for NamedTable { name, columns } in &names.tables {
            let detail = columns_text(columns);
            self.offer(&written(name), name, CompletionKind::Table, detail, "");
        }
        for name in self.engine.catalog().names() {
            if names.tables.iter().any(|table| table.name == name) {
                continue;
            }
            let columns = self.surroundings().columns_of(&name).unwrap_or_default();
            let detail = columns_text(&columns);
            self.offer(&written(&name), &name, CompletionKind::Table, detail, "");
        }
        self.table_functions(false);
        self.keywords(&["UNNEST", "LATERAL"]);
    }

    /// Those of the language but PLOT read files and take no table.
    fn table_functions(&mut self, takes_table: bool) {
        for (name, [kind, form, about]) in self.surroundings().functions() {
            let session = self.engine.catalog().session();
            let is_plot = name.eq_ignore_ascii_case("plot");
            let fits = match takes_table {
                true => is_plot || session.table_function(&name).is_some(),
                false => !is_plot,
            };
            if kind == "table" && fits {
                self.offer(&name, &name, CompletionKind::TableFunction, form, &about);
            }
        }
    }

    /// Columns of a range variable, fields of a struct, what a module holds.
    fn members(&mut self, path: &[String]) {
        let names = self.names();
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        let is = |name: &str| name.eq_ignore_ascii_case(first);
        if let Some(range) = names.ranges.iter().find(|range| is(&range.name)) {
            match rest.split_first() {
                None => self.columns(&range.columns),
                Some((column, fields)) => self.fields(&range.columns, column, fields),
            }
        }
        self.fields(&names.columns, first, rest);
        let module = format!("{}.", path.join("."));
        let (session, catalog) = (self.engine.catalog().session(), self.engine.catalog());
        let functions = session.functions().into_iter().map(|one| &one.name);
        let tables = session.table_functions().into_iter().map(|one| &one.name);
        let values = session.values().iter().map(|one| &one.name);
        let mut all: Vec<(CompletionKind, String)> = Vec::new();
        all.extend(functions.map(|name| (CompletionKind::Function, name.clone())));
        all.extend(tables.map(|name| (CompletionKind::TableFunction, name.clone())));
        all.extend(values.map(|name| (CompletionKind::Variable, name.clone())));
        let views = catalog.names().into_iter();
        all.extend(views.map(|name| (CompletionKind::Table, name)));
        for (kind, name) in all {
            let inside = name.get(..module.len());
            if inside.is_some_and(|start| start.eq_ignore_ascii_case(&module)) {
                self.add(&name[module.len()..], kind, String::new());
            }
        }
    }

    /// The fields of a column, or of the field that a path inside of it leads to.
    fn fields(&mut self, columns: &[NamedColumn], name: &str, path: &[String]) {
        let mut named = columns.iter();
        let column = named.find(|column| column.name.eq_ignore_ascii_case(name));
        let mut data_type = column.map(|column| column.data_type.clone());
        for part in path {
            data_type = data_type.and_then(|outer| {
                let fields = fields_of(&outer);
                let field = fields
                    .iter()
                    .find(|field| field.name.eq_ignore_ascii_case(part));
                field.map(|field| field.data_type.clone())
            });
        }
        let fields = data_type.map(|data_type| fields_of(&data_type));
        self.columns(&fields.unwrap_or_default());
    }

    /// Parameters that are declared or that the text names.
    fn parameters(&mut self) {
        let session = self.engine.catalog().session();
        for definition in definitions(self.text, self.engine.lang_options()) {
            if definition.kind == DefinitionKind::Parameter {
                let declared = session.parameter(&definition.name);
                let detail = declared.map_or(String::new(), |one| type_name(&one.data_type));
                let text = format!("@{}", definition.name);
                self.offer(
                    &text,
                    &definition.name,
                    CompletionKind::Parameter,
                    detail,
                    "",
                );
            }
        }
        let own = self.cursor.replace;
        let before = self.text.get(..own.start).unwrap_or_default();
        let after = self.text.get(own.end..).unwrap_or_default();
        for part in [before, after] {
            for name in lang::parameter_names(part, self.engine.lang_options()) {
                let positional = name.starts_with(|c: char| c.is_ascii_digit());
                let known = self.items.iter().any(|item| item.text[1..] == *name);
                if !positional && !known {
                    let text = format!("@{name}");
                    self.offer(&text, &name, CompletionKind::Parameter, String::new(), "");
                }
            }
        }
    }

    /// Files and directories that go on from what is typed. The quotes belong to the text that is replaced.
    fn paths(&mut self) {
        let typed = self.cursor.typed.clone();
        let (folder, begin) = match typed.rfind('/') {
            Some(slash) => typed.split_at(slash + 1),
            None => ("", typed.as_str()),
        };
        let place = if folder.is_empty() { "." } else { folder };
        let Ok(entries) = std::fs::read_dir(Path::new(place)) else {
            return;
        };
        let mut found = Vec::new();
        for entry in entries.flatten().take(10_000) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_folder = entry.path().is_dir();
            let wanted = is_folder || is_data(&name);
            if wanted && name.starts_with(begin) && !name.starts_with('.') {
                found.push((name, is_folder));
            }
        }
        found.sort();
        for (name, is_folder) in found.into_iter().take(PATHS_MAX) {
            let (end, detail) = if is_folder {
                ("/", "directory")
            } else {
                ("", "file")
            };
            let path = format!("{folder}{name}{end}").replace('\'', "''");
            self.items.push(Completion {
                text: format!("'{path}'"),
                kind: CompletionKind::Path,
                detail: detail.to_string(),
                about: String::new(),
            });
        }
    }

    /// Words that go on from an expression or a table.
    fn behind(&mut self, clause: &str) {
        let words: &[&str] = match clause {
            "FROM" | "JOIN" => &["AS", "JOIN", "LEFT JOIN", "CROSS JOIN", "ON", "USING"],
            "AGGREGATE" => &["AS", "GROUP BY", "ASC", "DESC"],
            "ORDER" => &["ASC", "DESC", "NULLS FIRST", "NULLS LAST"],
            "SELECT" => &["AS", "FROM", "EXCEPT", "REPLACE"],
            "LIMIT" => &["OFFSET"],
            "INSERT" | "DESCRIBE" | "SUMMARIZE" | "CALL" | "USING" => &["AS"],
            _ => &["AS"],
        };
        self.keywords(words);
        if !matches!(
            clause,
            "FROM" | "JOIN" | "INSERT" | "DESCRIBE" | "SUMMARIZE" | "CALL" | "LIMIT"
        ) {
            self.keywords(BEHIND_OPERANDS);
        }
        if matches!(clause, "FROM" | "WHERE" | "GROUP" | "HAVING" | "ON") {
            self.keywords(&["WHERE", "GROUP BY", "HAVING", "ORDER BY", "LIMIT"]);
        }
        self.add("|>", CompletionKind::Operator, String::new());
    }
}

/// A name as it must be written: in backticks where it is no plain word.
fn written(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    match plain && starts && !lang::is_reserved_word(name) {
        true => name.to_string(),
        false => format!("`{}`", name.replace('`', "``")),
    }
}

/// `id INT64, name STRING`, cut to a readable length.
pub(in crate::engine) fn columns_text(columns: &[NamedColumn]) -> String {
    const SHOWN: usize = 20;
    let shown = columns.iter().take(SHOWN);
    let mut shown: Vec<String> = shown
        .map(|column| format!("{} {}", column.name, type_name(&column.data_type)))
        .collect();
    if columns.len() > SHOWN {
        shown.push(format!("… {} more", columns.len() - SHOWN));
    }
    shown.join(", ")
}

fn fields_of(data_type: &arrow::datatypes::DataType) -> Vec<NamedColumn> {
    let arrow::datatypes::DataType::Struct(fields) = data_type else {
        return Vec::new();
    };
    let fields = fields.iter().map(|field| NamedColumn {
        name: field.name().clone(),
        is_anonymous: false,
        data_type: field.data_type().clone(),
    });
    fields.collect()
}

/// Whether a file's name says that it holds rows.
fn is_data(name: &str) -> bool {
    let endings = [
        ".csv", ".tsv", ".txt", ".json", ".ndjson", ".jsonl", ".parquet", ".pq", ".arrow", ".ipc",
        ".feather", ".tide", ".gz", ".zst",
    ];
    let name = name.to_ascii_lowercase();
    endings.iter().any(|ending| name.ends_with(ending))
}

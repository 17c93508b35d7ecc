//! What can be named at a place of a text that is being written. Nothing here fails: what cannot be bound is left out.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::type_coercion::functions::{UDFCoercionExt, fields_with_udf};

use super::relation::Relation;
use super::scope::{Scope, ScopeColumn};
use super::stage::{Env, Outer};
use super::{Binder, Files};
use crate::catalog::{Catalog, Entry};
use crate::lang::ast::{self, PipeOp, With};
use crate::lang::cursor::{Level, LevelKind};
use crate::plan::Parameters;

/// A column that can be named.
#[derive(Debug, Clone)]
pub(crate) struct NamedColumn {
    /// The source text of an anonymous one.
    pub(crate) name: String,
    pub(crate) is_anonymous: bool,
    pub(crate) data_type: DataType,
}

/// A table and its columns.
#[derive(Debug, Clone)]
pub(crate) struct NamedTable {
    pub(crate) name: String,
    pub(crate) columns: Vec<NamedColumn>,
}

/// What can be named at a place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// Whether the query at the place has a table yet.
    pub(crate) has_table: bool,
    pub(crate) columns: Vec<NamedColumn>,
    /// Readable by name, absent from `*`.
    pub(crate) pseudo: Vec<NamedColumn>,
    /// Range variables.
    pub(crate) ranges: Vec<NamedTable>,
    /// Columns of the queries around it, from the nearest on.
    pub(crate) outer: Vec<NamedColumn>,
    /// Tables of WITH.
    pub(crate) tables: Vec<NamedTable>,
}

/// Where names are looked for.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) files: &'a dyn Files,
    pub(crate) parameters: &'a Parameters,
}

impl Surroundings<'_> {
    /// What can be named inside of these queries.
    pub(crate) fn names(self, levels: &[Level]) -> Names {
        let binder = Binder::new("", self.catalog, self.files, self.parameters);
        let mut names = Names::default();
        binder.descend(levels, None, &mut Env::default(), &mut names);
        names
    }

    /// The columns of a table of the catalog.
    pub(crate) fn columns_of(self, name: &str) -> Option<Vec<NamedColumn>> {
        let entry = self.catalog.find(name).ok().flatten()?;
        let columns = |fields: &mut dyn Iterator<Item = (String, DataType)>| {
            fields
                .map(|(name, data_type)| NamedColumn {
                    name,
                    is_anonymous: false,
                    data_type,
                })
                .collect()
        };
        Some(match entry {
            Entry::Table(table) => {
                let schema = table.schema();
                let fields = schema
                    .fields()
                    .iter()
                    .filter(|field| field.metadata().is_empty());
                columns(&mut fields.map(|field| (field.name().clone(), field.data_type().clone())))
            }
            Entry::View(view) => {
                let fields = view.plan.schema().fields().iter().zip(&view.names);
                columns(&mut fields.map(|(field, name)| (name.clone(), field.data_type().clone())))
            }
        })
    }

    /// Every function: name, kind, signature and a sentence.
    pub(crate) fn functions(self) -> Vec<(String, [String; 3])> {
        let binder = Binder::new("", self.catalog, self.files, self.parameters);
        let told = |(name, row): (String, super::function_rows::Row)| {
            (name, [row.kind.to_string(), row.signature, row.about])
        };
        binder.function_rows().into_iter().map(told).collect()
    }

    /// Whether a function takes a value of this type as its first argument, as far as that is known.
    pub(crate) fn takes(self, function: &str, data_type: &DataType) -> bool {
        let functions = self.catalog.functions();
        let fits = |others: usize, udf: &dyn Fn(&[Arc<Field>]) -> bool| {
            let first = Arc::new(Field::new("a", data_type.clone(), true));
            let other = Arc::new(Field::new("b", DataType::Null, true));
            let fields: Vec<Arc<Field>> = std::iter::once(first)
                .chain(std::iter::repeat_n(other, others))
                .collect();
            udf(&fields)
        };
        if let Some(udf) = functions.aggregate(function) {
            return (0..3).any(|others| fits(others, &|fields| unchanged(fields, udf.as_ref())));
        }
        if let Some(udf) = functions.scalar(function) {
            let udf: &ScalarUDF = &udf;
            return (0..4).any(|others| fits(others, &|fields| unchanged(fields, udf)));
        }
        true
    }
}

/// Whether the function takes the first argument as it is, or as another type of its kind.
fn unchanged<F: UDFCoercionExt>(fields: &[Arc<Field>], function: &F) -> bool {
    let kind = |data_type: &DataType| match data_type {
        data_type if data_type.is_string() => 1,
        data_type if data_type.is_numeric() => 2,
        data_type if data_type.is_temporal() => 3,
        data_type if data_type.is_nested() => 4,
        DataType::Boolean => 5,
        _ => 6,
    };
    let Ok(taken) = fields_with_udf(fields, function) else {
        return false;
    };
    let (Some(given), Some(taken)) = (fields.first(), taken.first()) else {
        return false;
    };
    kind(given.data_type()) == kind(taken.data_type())
}

impl Binder<'_> {
    /// Binds the queries from the outermost in and says what can be named in the last.
    fn descend(
        &self,
        levels: &[Level],
        input: Option<Relation>,
        env: &mut Env<'_>,
        names: &mut Names,
    ) {
        let Some((level, inner)) = levels.split_first() else {
            return;
        };
        *self.macro_text.borrow_mut() = Some(Arc::from(level.text.as_str()));
        let relation = match (&level.query, level.kind) {
            (None, _) => None,
            (Some(query), LevelKind::Query) => {
                if let Some(with) = &query.with {
                    self.with_what_binds(with, env);
                }
                let body = self.body(&query.body, env).ok();
                body.and_then(|body| self.what_binds(body, &query.pipes, env))
            }
            (Some(query), LevelKind::Subpipe) => {
                input.and_then(|input| self.what_binds(input, &query.pipes, env))
            }
        };
        let Some(next) = inner.first() else {
            self.say(relation.as_ref(), env, names);
            return;
        };
        if next.kind == LevelKind::Subpipe {
            return self.descend(inner, relation, env, names);
        }
        let scope = relation.map_or_else(Scope::default, |relation| relation.scope);
        let around = Outer {
            scope: &scope,
            outer: env.outer,
        };
        let mut inside = Env {
            ctes: env.ctes.clone(),
            outer: Some(&around),
            arguments: env.arguments.clone(),
            recursion: env.recursion.clone(),
        };
        self.descend(inner, None, &mut inside, names);
    }

    fn with_what_binds(&self, with: &With, env: &mut Env<'_>) {
        for table in &with.tables {
            let one = With {
                recursive: with.recursive,
                tables: vec![table.clone()],
            };
            if let Ok(with_table) = self.with(&one, env) {
                env.ctes = with_table.ctes;
            }
        }
    }

    /// The table after those operators that can be bound.
    fn what_binds(
        &self,
        relation: Relation,
        pipes: &[ast::Pipe],
        env: &mut Env<'_>,
    ) -> Option<Relation> {
        let mut last = Some(relation);
        for pipe in pipes {
            let relation = last?;
            if let PipeOp::With(with) = &pipe.op {
                self.with_what_binds(with, env);
                last = Some(relation);
                continue;
            }
            last = match self.through(relation.clone(), pipe, env) {
                Ok(next) => next,
                Err(_) => Some(relation),
            };
        }
        last
    }

    fn say(&self, relation: Option<&Relation>, env: &Env, names: &mut Names) {
        if let Some(relation) = relation {
            let scope = &relation.scope;
            names.has_table = true;
            names.columns = scope.columns.iter().map(named).collect();
            names.pseudo = scope.pseudo.iter().map(named).collect();
            let ranges = scope.ranges.iter().map(|range| NamedTable {
                name: range.name.to_string(),
                columns: range.columns.iter().map(named).collect(),
            });
            names.ranges = ranges.collect();
        }
        let mut outer = env.outer;
        while let Some(around) = outer {
            names.outer.extend(around.scope.columns.iter().map(named));
            let ranges = around.scope.ranges.iter().map(|range| NamedTable {
                name: range.name.to_string(),
                columns: range.columns.iter().map(named).collect(),
            });
            names.ranges.extend(ranges);
            outer = around.outer;
        }
        let tables = std::iter::successors(env.ctes.as_deref(), |cte| cte.before.as_deref());
        for table in tables {
            let known = names.tables.iter();
            let mut known = known.map(|known| known.name.as_str());
            if !known.any(|known| known.eq_ignore_ascii_case(&table.name)) {
                names.tables.push(NamedTable {
                    name: table.name.clone(),
                    columns: table.columns().iter().map(named).collect(),
                });
            }
        }
    }
}

fn named(column: &ScopeColumn) -> NamedColumn {
    NamedColumn {
        name: column.display().to_string(),
        is_anonymous: column.name.is_none(),
        data_type: column.data_type.clone(),
    }
}

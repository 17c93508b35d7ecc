//! UNION, INTERSECT and EXCEPT, by position and by name.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::NullEquality;
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionDefinition};
use datafusion::logical_expr::type_coercion::binary::type_union_coercion;
use datafusion::logical_expr::{
    Distinct, Expr, Join, JoinConstraint, JoinType, LogicalPlan, Union, Window,
};

use super::from::null_of;
use super::relation::{Finished, PlanTypes, Relation, project};
use super::scope::{Scope, ScopeColumn};
use super::types::type_name;
use super::unify::{mixes_text_and_number, mixes_time_and_number};
use super::{Binder, shared};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{ColumnMatch, Ident, NameMatch, SetKind, SetOperator};

/// A column of the result: its name and where each input has it.
struct Matched {
    name: Option<Arc<str>>,
    text: Arc<str>,
    sources: Vec<Option<usize>>,
}

impl Binder<'_> {
    /// `places` are those of the operators before the second input, the third and so on; the last stands for all that follow.
    pub(super) fn set_operation(
        &self,
        operator: &SetOperator,
        relations: Vec<Relation>,
        places: &[Span],
        keyword: Span,
    ) -> Result<Relation> {
        let before = relations.first().map(|relation| relation.scope.clone());
        let before = before.unwrap_or_default();
        let mut inputs = Vec::with_capacity(relations.len());
        for mut relation in relations {
            relation.forget_order();
            inputs.push(self.finish(relation, false)?);
        }
        let matched = match &operator.columns {
            ColumnMatch::Position => by_position(&inputs, places)?,
            ColumnMatch::Name { mode, on } => {
                by_name(&inputs, *mode, on.as_deref(), operator.span)?
            }
        };
        let (plans, columns) = self.align(inputs, &matched, places)?;
        let plan = match operator.kind {
            SetKind::Union => union(plans, operator.all)?,
            SetKind::Intersect => self.fold(plans, &columns, JoinType::LeftSemi, operator.all)?,
            SetKind::Except => self.fold(plans, &columns, JoinType::LeftAnti, operator.all)?,
        };
        let types = PlanTypes::of(&plan);
        let columns = columns.into_iter();
        let columns = columns.map(|column| types.give(column)).collect();
        let scope = Scope::new(columns).after(&before, keyword);
        Ok(Relation::new(plan, scope))
    }

    /// The inputs with the same columns of the same types, all under the same ids.
    fn align(
        &self,
        inputs: Vec<Finished>,
        matched: &[Matched],
        places: &[Span],
    ) -> Result<(Vec<LogicalPlan>, Vec<ScopeColumn>)> {
        let mut columns = Vec::with_capacity(matched.len());
        for column in matched {
            columns.push(ScopeColumn {
                name: column.name.clone(),
                id: self.fresh(column.name.as_deref().unwrap_or("expr")),
                data_type: common_type(&inputs, column, places)?,
                nullable: true,
                text: Arc::clone(&column.text),
                constant: None,
                unknown: is_unknown(&inputs, column),
            });
        }
        let mut plans = Vec::with_capacity(inputs.len());
        for (index, input) in inputs.into_iter().enumerate() {
            let mut exprs = Vec::with_capacity(columns.len());
            for (column, matched) in columns.iter().zip(matched) {
                let expr = match matched.sources[index] {
                    Some(source) => cast(&input.columns[source], &column.data_type)?,
                    None => null_of(&column.data_type)?,
                };
                exprs.push(expr.alias(column.id.as_ref()));
            }
            plans.push(project(input.plan, exprs)?);
        }
        Ok((plans, columns))
    }

    /// INTERSECT and EXCEPT, from left to right. With ALL the first copy of a row meets the first, the second the second.
    fn fold(
        &self,
        plans: Vec<LogicalPlan>,
        columns: &[ScopeColumn],
        kind: JoinType,
        all: bool,
    ) -> Result<LogicalPlan> {
        let mut plans = plans.into_iter();
        let mut left = plans
            .next()
            .ok_or_else(|| Error::bug("a set operation without inputs"))?;
        for right in plans {
            let (right, renamed) = self.renew(right, columns)?;
            let mut on: Vec<(Expr, Expr)> = columns
                .iter()
                .zip(&renamed)
                .map(|(own, other)| (own.expr(), other.expr()))
                .collect();
            let right = if all {
                let (numbered, own_number) = self.numbered(left, columns)?;
                left = numbered;
                let (right, number) = self.numbered(right, &renamed)?;
                on.push((own_number, number));
                right
            } else {
                left = LogicalPlan::Distinct(Distinct::All(shared(left)));
                right
            };
            left = LogicalPlan::Join(Join::try_new(
                shared(left),
                shared(right),
                on,
                None,
                kind,
                JoinConstraint::On,
                NullEquality::NullEqualsNull,
                false,
            )?);
            if all {
                left = project(left, columns.iter().map(ScopeColumn::expr).collect())?;
            }
        }
        Ok(left)
    }

    /// The plan with a column that counts equal rows from 1.
    pub(super) fn numbered(
        &self,
        plan: LogicalPlan,
        columns: &[ScopeColumn],
    ) -> Result<(LogicalPlan, Expr)> {
        let row_number = self.catalog.functions().window("row_number");
        let row_number = row_number.ok_or_else(|| Error::bug("row_number is missing"))?;
        let definition = WindowFunctionDefinition::WindowUDF(row_number);
        let mut function = WindowFunction::new(definition, Vec::new());
        function.params.partition_by = columns.iter().map(ScopeColumn::expr).collect();
        let id = self.fresh("copy");
        let expr = Expr::WindowFunction(Box::new(function)).alias(id.as_ref());
        let plan = LogicalPlan::Window(Window::try_new(vec![expr], shared(plan))?);
        let number = datafusion::common::Column::new_unqualified(id.as_ref());
        Ok((plan, Expr::Column(number)))
    }
}

/// One node, however many inputs.
pub(super) fn union(mut plans: Vec<LogicalPlan>, all: bool) -> Result<LogicalPlan> {
    let plan = if plans.len() == 1 {
        plans.remove(0)
    } else {
        let inputs = plans.into_iter().map(Arc::new).collect();
        LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?)
    };
    if all {
        return Ok(plan);
    }
    Ok(LogicalPlan::Distinct(Distinct::All(shared(plan))))
}

pub(super) fn cast(column: &ScopeColumn, data_type: &DataType) -> Result<Expr> {
    if column.data_type == *data_type {
        return Ok(column.expr());
    }
    if column.data_type == DataType::Null {
        return null_of(data_type);
    }
    let cast = datafusion::logical_expr::Cast::new(Box::new(column.expr()), data_type.clone());
    Ok(Expr::Cast(cast))
}

fn operator_before(input: usize, places: &[Span]) -> Span {
    let place = places.get(input.saturating_sub(1)).or(places.last());
    place.copied().unwrap_or_default()
}

fn by_position(inputs: &[Finished], places: &[Span]) -> Result<Vec<Matched>> {
    let Some(first) = inputs.first() else {
        return Err(Error::bug("a set operation without inputs"));
    };
    for (index, input) in inputs.iter().enumerate() {
        if input.columns.len() != first.columns.len() {
            return Err(Error::input(
                "TM0302",
                format!(
                    "the inputs have {} and {} columns",
                    first.columns.len(),
                    input.columns.len()
                ),
                operator_before(index, places),
            )
            .hint("SELECT the same number of columns, or match them BY NAME"));
        }
    }
    Ok(first
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| Matched {
            name: column.name.clone(),
            text: Arc::clone(&column.text),
            sources: vec![Some(index); inputs.len()],
        })
        .collect())
}

fn by_name(
    inputs: &[Finished],
    mode: NameMatch,
    on: Option<&[Ident]>,
    span: Span,
) -> Result<Vec<Matched>> {
    for input in inputs {
        check_names(input, span)?;
    }
    let Some(first) = inputs.first() else {
        return Err(Error::bug("a set operation without inputs"));
    };
    let mut names: Vec<Arc<str>> = match on {
        Some(on) => on.iter().map(|name| name.text.as_str().into()).collect(),
        None => first
            .columns
            .iter()
            .filter_map(|column| column.name.clone())
            .collect(),
    };
    if on.is_none() && mode == NameMatch::Full {
        for column in inputs.iter().flat_map(|input| &input.columns) {
            if !names.iter().any(|name| column.is_called(name)) {
                names.extend(column.name.clone());
            }
        }
    }
    if on.is_none() && mode == NameMatch::Inner {
        names.retain(|name| inputs.iter().all(|input| position(input, name).is_some()));
    }
    if on.is_none() && mode == NameMatch::Strict {
        check_same_set(inputs, &names, span)?;
    }
    let required = mode == NameMatch::Strict || mode == NameMatch::Inner;
    let mut matched = Vec::with_capacity(names.len());
    for name in names {
        let sources: Vec<Option<usize>> =
            inputs.iter().map(|input| position(input, &name)).collect();
        let missing = sources.iter().any(Option::is_none);
        let nowhere = sources.iter().all(Option::is_none);
        if nowhere || (required && missing) {
            return Err(Error::input(
                "TM0303",
                format!("not every input has a column named `{name}`"),
                span,
            )
            .hint(
                "FULL … BY NAME fills missing columns with NULL, INNER … BY NAME leaves them out",
            ));
        }
        let own = sources[0].map(|index| first.columns[index].name.clone());
        matched.push(Matched {
            name: own.flatten().or_else(|| Some(Arc::clone(&name))),
            text: name,
            sources,
        });
    }
    if matched.is_empty() {
        return Err(Error::input(
            "TM0304",
            "the inputs have no column in common",
            span,
        ));
    }
    Ok(matched)
}

/// Whether a source of the column could not be bound.
fn is_unknown(inputs: &[Finished], column: &Matched) -> bool {
    let mut sources = inputs.iter().zip(&column.sources);
    sources.any(|(input, source)| source.is_some_and(|source| input.columns[source].unknown))
}

fn position(input: &Finished, name: &str) -> Option<usize> {
    input
        .columns
        .iter()
        .position(|column| column.is_called(name))
}

/// Matching by name needs names, each once.
fn check_names(input: &Finished, span: Span) -> Result<()> {
    for (index, column) in input.columns.iter().enumerate() {
        let Some(name) = &column.name else {
            return Err(Error::input(
                "TM0303",
                format!("`{}` has no name to be matched by", column.text),
                span,
            )
            .hint("give it one with AS"));
        };
        if input.columns[..index]
            .iter()
            .any(|other| other.is_called(name))
        {
            return Err(Error::input(
                "TM0303",
                format!("two columns of one input are called `{name}`"),
                span,
            ));
        }
    }
    Ok(())
}

fn check_same_set(inputs: &[Finished], names: &[Arc<str>], span: Span) -> Result<()> {
    for column in inputs.iter().flat_map(|input| &input.columns) {
        if !names.iter().any(|name| column.is_called(name)) {
            return Err(Error::input(
                "TM0303",
                format!(
                    "only some of the inputs have a column named `{}`",
                    column.display()
                ),
                span,
            )
            .hint(
                "FULL … BY NAME fills missing columns with NULL, INNER … BY NAME leaves them out",
            ));
        }
    }
    Ok(())
}

fn common_type(inputs: &[Finished], matched: &Matched, places: &[Span]) -> Result<DataType> {
    let mut common = DataType::Null;
    for (index, (input, source)) in inputs.iter().zip(&matched.sources).enumerate() {
        let Some(source) = source else { continue };
        let data_type = &input.columns[*source].data_type;
        if common == *data_type || *data_type == DataType::Null {
            continue;
        }
        if common == DataType::Null {
            common = data_type.clone();
            continue;
        }
        let mixed =
            mixes_time_and_number(&common, data_type) || mixes_text_and_number(&common, data_type);
        let wider = type_union_coercion(&common, data_type).filter(|_| !mixed);
        common = wider.ok_or_else(|| {
            let message = format!(
                "column `{}` is {} in one input and {} in another",
                matched.name.as_deref().unwrap_or(&matched.text),
                type_name(&common),
                type_name(data_type)
            );
            Error::input("TM0403", message, operator_before(index, places)).hint("cast one of them")
        })?;
    }
    Ok(common)
}

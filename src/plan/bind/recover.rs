//! Going on after an error, so that one run tells all that is wrong with a statement.
//!
//! An expression that cannot be bound becomes a value of no known type, a table that cannot be bound one of no known columns, and
//! binding goes on at the next expression or operator. What goes wrong with such a value or table is not said: why it is unknown
//! was said already. Nothing that holds one ever runs, for the statement ends in the errors that were kept.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::Field;
use datafusion::common::DFSchema;
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};

use super::flow::every_column;
use super::query::one_row;
use super::relation::{NewColumn, Relation};
use super::scope::Scope;
use super::typed::Typed;
use super::{Binder, planned};
use crate::error::{Error, ErrorKind, Result, Span};
use crate::lang::ast::{Ident, Pipe, PipeOp};

/// Errors of one statement after which binding stops: each may cost a look through every name there is.
const MAX_KEPT: usize = 100;

/// What went wrong so far.
#[derive(Default)]
pub(super) struct Faults {
    kept: RefCell<Vec<Error>>,
    /// How often something unknown was made or met.
    met: Cell<usize>,
    /// More than zero inside of what is bound as a whole or not at all.
    whole: Cell<usize>,
}

/// A moment; see [`Binder::moment`].
#[derive(Clone, Copy)]
pub(super) struct Moment(usize);

impl Binder<'_> {
    /// Now, to ask later whether something unknown was met since.
    pub(super) fn moment(&self) -> Moment {
        Moment(self.faults.met.get())
    }

    pub(super) fn met_unknown_since(&self, moment: Moment) -> bool {
        self.faults.met.get() > moment.0
    }

    /// Something unknown was made or read: errors that follow from it are silent.
    pub(super) fn meet_unknown(&self) {
        self.faults.met.set(self.faults.met.get() + 1);
    }

    /// Keeps an error, unless it follows from what was unknown since `moment`. Gives it back where binding cannot go on.
    pub(super) fn keep(&self, error: Error, moment: Moment) -> Result<()> {
        let follows = self.met_unknown_since(moment);
        let local = match error.kind() {
            ErrorKind::Input | ErrorKind::Run | ErrorKind::Data | ErrorKind::Io => true,
            // What is impossible otherwise.
            ErrorKind::Bug => follows,
            _ => false,
        };
        // Places in the text of a function mean nothing: its errors are about the call, as a whole.
        let in_function = self.macro_text.borrow().is_some();
        let full = self.faults.kept.borrow().len() >= MAX_KEPT;
        if !local || in_function || full || self.faults.whole.get() > 0 {
            return Err(error);
        }
        if !follows {
            self.faults.kept.borrow_mut().push(planned(error));
        }
        self.meet_unknown();
        Ok(())
    }

    /// Binds as a whole or not at all: the caller looks at the error.
    pub(super) fn whole<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let depth = &self.faults.whole;
        depth.set(depth.get() + 1);
        let result = work();
        depth.set(depth.get() - 1);
        result
    }

    /// The value, or one that is unknown.
    pub(super) fn value_or_unknown(
        &self,
        span: Span,
        work: impl FnOnce() -> Result<Typed>,
    ) -> Result<Typed> {
        let moment = self.moment();
        match work() {
            Ok(mut value) => {
                value.unknown |= self.met_unknown_since(moment);
                Ok(value)
            }
            Err(error) => {
                self.keep(error, moment)?;
                Ok(Typed::unknown(span))
            }
        }
    }

    /// The table that was bound since `moment`, or one that is unknown.
    pub(super) fn table_or_unknown(
        &self,
        moment: Moment,
        bound: Result<Relation>,
    ) -> Result<Relation> {
        match bound {
            Ok(relation) => Ok(relation),
            Err(error) => {
                self.keep(error, moment)?;
                self.any_table()
            }
        }
    }

    /// A table that may have any column.
    pub(super) fn any_table(&self) -> Result<Relation> {
        let mut relation = one_row();
        let further = NewColumn {
            name: None,
            text: "…".into(),
            value: Typed::unknown(Span::default()),
        };
        let columns = self.add_columns(&mut relation, vec![further])?;
        relation.scope = Scope::new(columns);
        Ok(relation)
    }

    /// The table after an operator that could not be bound to the names before it.
    pub(super) fn table_after(
        &self,
        error: Error,
        before: Scope,
        pipe: &Pipe,
        moment: Moment,
    ) -> Result<Relation> {
        if before.has_unknown_columns() && error.code().starts_with("TM02") {
            self.meet_unknown();
        }
        self.keep(error, moment)?;
        let mut fields: Vec<Field> = Vec::new();
        for column in every_column(&before) {
            if !fields
                .iter()
                .any(|field| *field.name() == *column.id.as_ref())
            {
                let data_type = column.data_type.clone();
                fields.push(Field::new(column.id.as_ref(), data_type, true));
            }
        }
        let schema = DFSchema::from_unqualified_fields(fields.into(), HashMap::new())?;
        let plan = LogicalPlan::EmptyRelation(EmptyRelation {
            produce_one_row: false,
            schema: Arc::new(schema),
        });
        let mut relation = Relation::new(plan, before);
        if !keeps_columns(&pipe.op) {
            let further = NewColumn {
                name: None,
                text: "…".into(),
                value: Typed::unknown(pipe.keyword),
            };
            let further = self.add_columns(&mut relation, vec![further])?;
            relation.scope.columns.extend(further);
        }
        Ok(relation)
    }

    /// Keeps an error about a name, which follows where there may be columns that are not known.
    pub(super) fn keep_name(
        &self,
        error: Error,
        name: &Ident,
        scope: &Scope,
        moment: Moment,
    ) -> Result<()> {
        if self.may_be_unknown(std::slice::from_ref(name), scope) {
            self.meet_unknown();
        }
        self.keep(error, moment)
    }

    /// Whether these names could be columns that are not known.
    pub(super) fn may_be_unknown(&self, parts: &[Ident], scope: &Scope) -> bool {
        let of_range = match parts {
            [first, _, ..] => scope.range(first),
            _ => None,
        };
        match of_range {
            Some(range) => range
                .columns
                .iter()
                .any(super::scope::ScopeColumn::is_further),
            None => scope.has_unknown_columns(),
        }
    }

    /// The end of a statement: what was bound, or everything that is wrong with it, in the order of the text.
    pub(super) fn outcome<T>(&self, result: Result<T>) -> Result<T> {
        let mut errors = self.faults.kept.take();
        match result {
            Ok(bound) if errors.is_empty() => return Ok(bound),
            // What comes after an unknown value or table follows from it; a limit does not.
            Err(error) if errors.is_empty() || error.kind() == ErrorKind::Limit => {
                errors.push(planned(error));
            }
            _ => {}
        }
        errors.sort_by_key(|error| error.span().map(|span| span.start));
        // What stands once in the text can be bound more than once.
        errors.dedup_by(|next, error| {
            (next.code(), next.span(), next.message())
                == (error.code(), error.span(), error.message())
        });
        Err(Error::together(errors))
    }
}

/// Operators after which the columns are those before them.
fn keeps_columns(op: &PipeOp) -> bool {
    matches!(
        op,
        PipeOp::Where(_)
            | PipeOp::Drop(_)
            | PipeOp::Distinct
            | PipeOp::OrderBy(_)
            | PipeOp::Limit(_)
            | PipeOp::Sample(_)
            | PipeOp::Assert { .. }
            | PipeOp::As(_)
    )
}

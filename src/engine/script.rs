//! Statements that change the session or choose what runs: variables, parameters, settings, IF, ASSERT. What they define is made
//! in [`define`](super::define), what they import in [`import`](super::import).

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use super::import::import;
use super::planning::on_planner_stack;
use super::query::{answer, run_statement};
use super::{Engine, Outcome, Summary, dry};
use crate::catalog::{DeclaredParameter, SessionValue, Setting};
use crate::error::{Error, Result, Span};
use crate::lang;
use crate::lang::ast::{self, Ident, StatementKind};
use crate::plan::bind::{bind_values, declared_type, unknown_setting};
use crate::plan::{BoundQuery, Parameters};

/// What a statement is run with.
#[derive(Clone, Copy)]
pub(super) struct Script<'a> {
    pub(super) engine: &'a Engine,
    pub(super) text: &'a Arc<str>,
    pub(super) parameters: &'a Parameters,
}

/// Runs a statement that is no query and stores no rows; `None` for every other.
pub(super) fn run(
    engine: &Engine,
    statement: &ast::Statement,
    text: &Arc<str>,
    parameters: &Parameters,
) -> Result<Option<Outcome>> {
    let script = Script {
        engine,
        text,
        parameters,
    };
    match &statement.kind {
        StatementKind::If {
            branches,
            otherwise,
        } => return script.choose(branches, otherwise).map(Some),
        StatementKind::Declare(declare) => script.declare(declare)?,
        StatementKind::DeclareParameter(declare) => script.declare_parameter(declare)?,
        StatementKind::SetVariables { names, values } => script.set(names, values)?,
        StatementKind::SetSetting { name, value } => script.set_setting(name, value)?,
        StatementKind::Assert { condition, message } => {
            script.assert(condition, message.as_ref())?;
        }
        StatementKind::CreateConstant(create) => script.create_constant(create)?,
        StatementKind::CreateFunction(create) => script.create_function(create)?,
        StatementKind::CreateTableFunction(create) => script.create_table_function(create)?,
        StatementKind::Drop(drop) => script.drop(drop)?,
        StatementKind::Import { path, name } => {
            let mut importing = Vec::new();
            import(engine, path, name.as_ref(), parameters, &mut importing)?;
        }
        _ => return Ok(None),
    }
    Ok(Some(Outcome::Done(Summary::new(0))))
}

/// Whether a condition of IF can be one.
pub(super) fn check_condition(
    engine: &Engine,
    condition: &ast::Expr,
    text: &Arc<str>,
    parameters: &Parameters,
) -> Result<()> {
    let script = Script {
        engine,
        text,
        parameters,
    };
    script.holds(condition).map(|_| ())
}

impl Script<'_> {
    fn choose(
        self,
        branches: &[(ast::Expr, Vec<ast::Statement>)],
        otherwise: &[ast::Statement],
    ) -> Result<Outcome> {
        let mut chosen = otherwise;
        for (condition, statements) in branches {
            if self.holds(condition)? {
                chosen = statements;
                break;
            }
        }
        let mut outcomes = Vec::new();
        for (index, statement) in chosen.iter().enumerate() {
            let outcome = run_statement(self.engine, statement, self.text, self.parameters)?;
            // A statement is over before the next one begins.
            outcomes.push(match index + 1 == chosen.len() {
                true => outcome,
                false => outcome.in_memory()?,
            });
        }
        Ok(Outcome::several(outcomes))
    }

    fn holds(self, condition: &ast::Expr) -> Result<bool> {
        let value = self.value(condition, None)?;
        if !matches!(value, ScalarValue::Boolean(_) | ScalarValue::Null) {
            let message = "a condition is a BOOL";
            return Err(Error::input("TM0401", message, condition.span)
                .hint("compare it with something: `x > 0`, `x IS NOT NULL`"));
        }
        Ok(value == ScalarValue::Boolean(Some(true)))
    }

    pub(super) fn value(
        self,
        expr: &ast::Expr,
        data_type: Option<DataType>,
    ) -> Result<ScalarValue> {
        let mut values = self.values(&[(expr, data_type)])?;
        values
            .pop()
            .ok_or_else(|| Error::bug("a value without a column"))
    }

    fn values(self, exprs: &[(&ast::Expr, Option<DataType>)]) -> Result<Vec<ScalarValue>> {
        let catalog = self.engine.catalog();
        let query: BoundQuery = on_planner_stack(|| {
            bind_values(exprs, self.text, catalog, self.engine, self.parameters)
        })?;
        let is_known = self.engine.see_values(&query)?;
        if self.engine.is_dry() && !is_known {
            return dry::known_values(&query);
        }
        if let Some(values) = dry::literals(&query) {
            return Ok(values);
        }
        let place = exprs.first().map_or(Span::default(), |(expr, _)| expr.span);
        let batches = answer(self.engine, &query)
            .and_then(|rows| rows.collect::<Result<Vec<_>>>())
            .map_err(|error| error.at(place))?;
        let batch = batches.iter().find(|batch| batch.num_rows() == 1);
        let batch = batch.ok_or_else(|| Error::bug("a value without a row"))?;
        let columns = batch.columns().iter();
        columns
            .map(|column| Ok(ScalarValue::try_from_array(column, 0)?))
            .collect()
    }

    fn declare(self, declare: &ast::Declare) -> Result<()> {
        let written = declare.data_type.as_ref().map(declared_type).transpose()?;
        let value = match (&declare.default, &written) {
            (Some(default), _) => self.value(default, written)?,
            (None, Some(data_type)) => ScalarValue::try_from(data_type)?,
            (None, None) => ScalarValue::Null,
        };
        for (place, name) in declare.names.iter().enumerate() {
            self.refuse_constant(name)?;
            let same = |other: &Ident| other.text.eq_ignore_ascii_case(&name.text);
            if declare.names[..place].iter().any(same) {
                let message = format!("`{}` is declared twice", name.text);
                return Err(Error::input("TM0301", message, name.span));
            }
        }
        self.engine.catalog().change_session(|session| {
            for name in &declare.names {
                session.set_value(SessionValue {
                    name: name.text.clone(),
                    value: value.clone(),
                    is_constant: false,
                });
            }
        });
        Ok(())
    }

    fn refuse_constant(self, name: &Ident) -> Result<()> {
        let session = self.engine.catalog().session();
        match session.value(&name.text) {
            Some(value) if value.is_constant => {
                let message = format!("`{}` is a constant", name.text);
                Err(Error::input("TM0606", message, name.span)
                    .hint("DECLARE makes a variable, CREATE OR REPLACE CONSTANT another constant"))
            }
            _ => Ok(()),
        }
    }

    fn declare_parameter(self, declare: &ast::DeclareParameter) -> Result<()> {
        let data_type = declared_type(&declare.data_type)?;
        let default = declare.default.as_ref();
        let default = default
            .map(|default| self.value(default, Some(data_type.clone())))
            .transpose()?;
        let name = &declare.name;
        let parameter = DeclaredParameter {
            name: name.text.clone(),
            data_type,
            default,
        };
        let passed = self.parameters.named.iter();
        let passed = passed
            .clone()
            .find(|(passed, _)| passed.eq_ignore_ascii_case(&name.text));
        match passed {
            Some((_, value)) => {
                crate::plan::bind::as_declared(value, &parameter, name.span)?;
            }
            None if parameter.default.is_none() && !self.parameters.absent_are_null => {
                let message = format!("the parameter @{} needs a value", name.text);
                return Err(Error::input("TM0601", message, name.span).hint(format!(
                    "pass it: --param {}=…, or give it a DEFAULT",
                    name.text
                )));
            }
            None => {}
        }
        let catalog = self.engine.catalog();
        catalog.change_session(|session| session.declare_parameter(parameter));
        Ok(())
    }

    /// All values are computed before the first variable changes.
    fn set(self, names: &[Ident], exprs: &[ast::Expr]) -> Result<()> {
        let session = self.engine.catalog().session();
        let mut wanted = Vec::with_capacity(exprs.len());
        for (name, expr) in names.iter().zip(exprs) {
            self.refuse_constant(name)?;
            let Some(variable) = session.value(&name.text) else {
                let message = format!("no variable named `{}` is declared", name.text);
                let error = Error::input("TM0606", message, name.span);
                let known = session.values().iter().filter(|value| !value.is_constant);
                let near = lang::nearest(&name.text, known.map(|value| value.name.as_str()));
                return Err(match near {
                    Some(near) => error.did_you_mean(near),
                    None => error.hint(format!("write DECLARE {} DEFAULT … before", name.text)),
                });
            };
            let data_type = variable.value.data_type();
            let untyped = data_type == DataType::Null;
            wanted.push((expr, (!untyped).then_some(data_type)));
        }
        let values = self.values(&wanted)?;
        self.engine.catalog().change_session(|session| {
            for (name, value) in names.iter().zip(values) {
                let declared = session.value(&name.text);
                let name = declared.map_or(name.text.clone(), |declared| declared.name.clone());
                session.set_value(SessionValue {
                    name,
                    value,
                    is_constant: false,
                });
            }
        });
        Ok(())
    }

    fn set_setting(self, name: &Ident, value: &ast::Expr) -> Result<()> {
        let Some(setting) = Setting::find(&name.text) else {
            return Err(unknown_setting(name));
        };
        let word = match value.kind.as_ref() {
            // `SET @@int_division = truncate`
            ast::ExprKind::Path(path) => match path.parts.as_slice() {
                [word] => Some(ScalarValue::from(word.text.as_str())),
                _ => None,
            },
            _ => None,
        };
        let scalar = match word {
            Some(word) => word,
            None => self.value(value, None)?,
        };
        let mut fits = false;
        self.engine.catalog().change_session(|session| {
            fits = setting.set(&mut session.settings, &scalar);
        });
        if fits {
            return Ok(());
        }
        let shown = match scalar.data_type() {
            DataType::Interval(_) => "this INTERVAL".to_string(),
            _ => scalar.to_string(),
        };
        let message = format!("@@{} cannot be {shown}", setting.name);
        Err(Error::input("TM0603", message, value.span).available(setting.values))
    }

    fn assert(self, condition: &ast::Expr, message: Option<&ast::StringLiteral>) -> Result<()> {
        if self.holds(condition)? || self.engine.is_dry() {
            return Ok(());
        }
        let written = self.text.get(condition.span.start..condition.span.end);
        let message = match message {
            Some(message) => message.value.as_str(),
            None => written.unwrap_or_default(),
        };
        Err(Error::failed_assert(message).at(condition.span))
    }
}

//! A text looked at as a whole: what is wrong with it and what its statements would give, without reading a row.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::planning::on_planner_stack;
use super::query::run_statement;
use super::{Engine, Outcome, ParamMap, Params, script};
use crate::error::{Error, Span};
use crate::lang;
use crate::lang::ast::{self, PipeOp, StatementKind};
use crate::lang::outline::{Definition, DefinitionKind, definitions};
use crate::plan::Parameters;

/// What [`Engine::check`] found.
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// let checked = engine.check("SELECT 1 AS a; SELECT b", ());
/// assert!(!checked.is_ok());
/// assert_eq!(checked.statements.len(), 1);
/// assert_eq!(checked.errors[0].message(), "no column named `b` here");
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
#[must_use]
pub struct Checked {
    /// What keeps statements from running, in the order of the text.
    pub errors: Vec<Error>,
    /// What their author should know; they run all the same.
    pub warnings: Vec<Error>,
    /// The statements without an error.
    pub statements: Vec<CheckedStatement>,
}

/// A statement that could run.
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// let checked = engine.check("SELECT @n + 1 AS m", ());
/// assert_eq!(checked.statements[0].parameters, ["n"]);
/// assert_eq!(checked.statements[0].results[0].field(0).name(), "m");
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckedStatement {
    /// Where it stands in the text.
    pub span: Span,
    /// The columns of its results, in order.
    pub results: Vec<SchemaRef>,
    /// The names of its parameters without `@`, in order of first sight; a `?` is named by its number, from 1.
    pub parameters: Vec<String>,
}

impl Checked {
    /// Nothing is wrong.
    pub fn is_ok(&self) -> bool {
        self.errors.is_empty()
    }
}

impl Engine {
    /// Looks at every statement of a text: names, types, files' columns. Nothing runs, no row is read and nothing is changed; a
    /// table or view that an earlier statement would create is known to the later ones.
    ///
    /// A declared parameter must fit its type if it is given. One that is not given counts as a NULL. Both branches of an IF are
    /// looked at.
    ///
    /// ```
    /// use tidemill::Engine;
    /// let engine = Engine::in_memory()?;
    /// let checked = engine.check("CREATE TABLE t AS SELECT 1 AS x; FROM t |> WHERE y > 0; FROM t |> SELECT x + 1 AS z", ());
    /// assert_eq!(checked.errors[0].code(), "TM0201");
    /// assert_eq!(checked.statements.len(), 2);
    /// assert_eq!(checked.statements[1].results[0].field(0).name(), "z");
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn check(&self, text: &str, params: impl Params) -> Checked {
        let mut map = ParamMap::new();
        params.bind(&mut map);
        Checker::new(self, text, map.parameters()).check()
    }
}

/// Goes through the statements of a text.
pub(super) struct Checker {
    engine: Engine,
    text: Arc<str>,
    parameters: Parameters,
    definitions: Vec<Definition>,
    checked: Checked,
    /// Definitions of statements that have an error: what follows from their absence is not said again.
    failed: BTreeSet<String>,
}

impl Checker {
    pub(super) fn new(engine: &Engine, text: &str, parameters: &Parameters) -> Self {
        Checker {
            engine: engine.dry(),
            text: Arc::from(text),
            parameters: Parameters {
                absent_are_null: true,
                ..parameters.clone()
            },
            definitions: definitions(text, engine.lang_options()),
            checked: Checked::default(),
            failed: BTreeSet::new(),
        }
    }

    /// An engine that knows what the statements would leave behind.
    pub(super) fn names(mut self) -> Engine {
        let options = self.engine.lang_options();
        let text = lang::without_questions(&self.text, options);
        let parsed = on_planner_stack(|| Ok(lang::parse_all(&text, options)));
        let engine = self.engine.clone();
        if let Ok((parsed, _)) = parsed {
            for statement in parsed.script.statements.iter().filter(|one| defines(one)) {
                self.statement(&engine, statement);
            }
        }
        engine
    }

    /// What is found in all statements.
    fn check(mut self) -> Checked {
        let options = self.engine.lang_options();
        let parsed = on_planner_stack(|| Ok(lang::parse_all(&self.text, options)));
        let (script, errors) = match parsed {
            Ok((parsed, errors)) => (parsed.script, errors),
            Err(error) => {
                self.checked.errors.push(error);
                return self.checked;
            }
        };
        self.checked.errors = errors;
        self.unparsed_fail(&script.statements);
        let engine = self.engine.clone();
        for statement in &script.statements {
            self.statement(&engine, statement);
        }
        let place = |error: &Error| error.span().map_or(0, |span| span.start);
        self.checked.errors.sort_by_key(place);
        self.checked
    }

    /// What stands in no statement that was parsed is not defined.
    fn unparsed_fail(&mut self, statements: &[ast::Statement]) {
        let lost = self.definitions.iter().filter(|definition| {
            let mut statements = statements.iter();
            !statements.any(|statement| holds(statement.span, definition.span))
        });
        let lost = lost.map(|definition| definition.name.to_lowercase());
        self.failed.extend(lost);
    }

    fn statement(&mut self, engine: &Engine, statement: &ast::Statement) {
        if let StatementKind::If {
            branches,
            otherwise,
        } = &statement.kind
        {
            return self.branches(engine, branches, otherwise);
        }
        match run_statement(engine, statement, &self.text, &self.parameters) {
            Ok(outcome) => {
                let mut results = Vec::new();
                self.note(&outcome, &mut results);
                let span = statement.span;
                let written = self.text.get(span.start..span.end).unwrap_or_default();
                self.checked.statements.push(CheckedStatement {
                    span,
                    results,
                    parameters: lang::parameter_names(written, engine.lang_options()),
                });
            }
            Err(error) => self.fail(error, statement.span),
        }
    }

    /// Every branch from the same beginning; afterwards what any of them defined is known.
    fn branches(
        &mut self,
        engine: &Engine,
        branches: &[(ast::Expr, Vec<ast::Statement>)],
        otherwise: &[ast::Statement],
    ) {
        for (condition, _) in branches {
            let checked = script::check_condition(engine, condition, &self.text, &self.parameters);
            if let Err(error) = checked {
                self.fail(error, condition.span);
            }
        }
        let bodies = branches.iter().map(|(_, statements)| statements.as_slice());
        let ends: Vec<Engine> = bodies
            .chain([otherwise])
            .map(|statements| {
                let own = engine.dry();
                for statement in statements {
                    self.statement(&own, statement);
                }
                own
            })
            .collect();
        for end in ends {
            engine.catalog().add_missing(end.catalog());
        }
    }

    fn note(&mut self, outcome: &Outcome, results: &mut Vec<SchemaRef>) {
        match outcome {
            Outcome::Rows(rows) => {
                results.push(Arc::clone(rows.schema()));
                self.checked.warnings.extend_from_slice(rows.warnings());
            }
            Outcome::Done(summary) => {
                self.checked.warnings.extend_from_slice(&summary.warnings);
            }
            Outcome::Several(outcomes) => {
                for outcome in outcomes {
                    self.note(outcome, results);
                }
            }
        }
    }

    fn fail(&mut self, error: Error, statement: Span) {
        let own = self.definitions.iter();
        let own: Vec<&Definition> = own
            .filter(|one| one.kind != DefinitionKind::CommonTable && holds(statement, one.span))
            .collect();
        let place = match own.as_slice() {
            [only] if error.code() == "TM0702" => only.span,
            _ => self.first_word(statement),
        };
        let names: Vec<String> = own.iter().map(|one| one.name.to_lowercase()).collect();
        let error = error.at(place);
        if error.code() != "TM0702" {
            self.failed.extend(names);
        }
        if !self.follows(&error) {
            self.checked.errors.push(error);
        }
    }

    /// Whether the error is about a name that a statement with an error of its own defines, or about a parameter without a value.
    fn follows(&self, error: &Error) -> bool {
        let span = error.span().unwrap_or_default();
        let written = self.text.get(span.start..span.end).unwrap_or_default();
        if written.starts_with('@') || written == "?" {
            return error.code() != "TM0601" && self.is_absent(written);
        }
        let about_a_name = matches!(error.code(), "TM0201" | "TM0203" | "TM0204" | "TM0606");
        let unquoted = written.trim_matches(['`', '"']).to_lowercase();
        let first = unquoted.split('.').next().unwrap_or_default();
        about_a_name && (self.failed.contains(&unquoted) || self.failed.contains(first))
    }

    fn is_absent(&self, parameter: &str) -> bool {
        match parameter.strip_prefix('@') {
            Some(name) => {
                let mut named = self.parameters.named.iter();
                !named.any(|(known, _)| known.eq_ignore_ascii_case(name))
            }
            None => self.parameters.positional.is_empty(),
        }
    }

    fn first_word(&self, statement: Span) -> Span {
        let text = self.text.get(statement.start..).unwrap_or_default();
        let length = text
            .find(|c: char| !c.is_alphanumeric())
            .unwrap_or(text.len());
        Span::new(statement.start, statement.start + length)
    }
}

/// Whether a statement can leave a name behind, or change what a name stands for.
fn defines(statement: &ast::Statement) -> bool {
    match &statement.kind {
        StatementKind::Query(query) => {
            let ends_otherwise = |pipe: &ast::Pipe| {
                matches!(
                    pipe.op,
                    PipeOp::If { .. } | PipeOp::Tee(_) | PipeOp::Fork(_) | PipeOp::CreateTable(_)
                )
            };
            query.pipes.iter().any(ends_otherwise)
        }
        StatementKind::Explain(_) | StatementKind::Assert { .. } | StatementKind::Insert(_) => {
            false
        }
        _ => true,
    }
}

fn holds(outer: Span, inner: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

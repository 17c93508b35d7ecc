//! Statements that change the session or choose what runs: variables, parameters, functions, IF, ASSERT, IMPORT, DROP.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use super::query::{FilesOnDisk, answer, on_planner_stack, run_statement};
use super::{Engine, Outcome, Summary};
use crate::catalog::{DeclaredParameter, Macro, SessionValue, Setting};
use crate::error::{Error, ErrorKind, Result, Span};
use crate::lang;
use crate::lang::ast::{self, DropKind, Ident, StatementKind};
use crate::plan::bind::{bind_values, check_function, declared_type, unknown_setting};
use crate::plan::{BoundQuery, Parameters};

/// What a statement is run with.
#[derive(Clone, Copy)]
struct Script<'a> {
    engine: &'a Engine,
    text: &'a Arc<str>,
    parameters: &'a Parameters,
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

    fn value(self, expr: &ast::Expr, data_type: Option<DataType>) -> Result<ScalarValue> {
        let mut values = self.values(&[(expr, data_type)])?;
        values
            .pop()
            .ok_or_else(|| Error::bug("a value without a column"))
    }

    fn values(self, exprs: &[(&ast::Expr, Option<DataType>)]) -> Result<Vec<ScalarValue>> {
        let catalog = self.engine.catalog();
        let query: BoundQuery = on_planner_stack(|| {
            bind_values(exprs, self.text, catalog, &FilesOnDisk, self.parameters)
        })?;
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
        for name in &declare.names {
            self.refuse_constant(name)?;
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
            None if parameter.default.is_none() => {
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
        let message = format!("@@{} cannot be {scalar}", setting.name);
        Err(Error::input("TM0603", message, value.span).available(setting.values))
    }

    fn assert(self, condition: &ast::Expr, message: Option<&ast::StringLiteral>) -> Result<()> {
        if self.holds(condition)? {
            return Ok(());
        }
        let written = self.text.get(condition.span.start..condition.span.end);
        let message = match message {
            Some(message) => message.value.as_str(),
            None => written.unwrap_or_default(),
        };
        let message = format!("Assert failed: {message}");
        Err(Error::run("TM0500", message).at(condition.span))
    }

    /// The whole name of what a statement creates: behind that of its module.
    fn whole_name(self, path: &ast::Path) -> Result<String> {
        let [name] = path.parts.as_slice() else {
            let what = "a name with dots";
            return Err(Error::not_implemented(what, path.span));
        };
        Ok(match &self.parameters.module {
            None => name.text.clone(),
            Some(module) => format!("{module}.{}", name.text),
        })
    }

    fn create_constant(self, create: &ast::CreateConstant) -> Result<()> {
        let name = self.whole_name(&create.name)?;
        let session = self.engine.catalog().session();
        let exists = session.value(&name).is_some();
        if !self.goes_on(
            &name,
            exists,
            create.or_replace,
            create.if_not_exists,
            &create.name,
        )? {
            return Ok(());
        }
        let value = self.value(&create.value, None)?;
        self.engine.catalog().change_session(|session| {
            session.set_value(SessionValue {
                name,
                value,
                is_constant: true,
            });
        });
        Ok(())
    }

    /// Whether to create what may be there already.
    fn goes_on(
        self,
        name: &str,
        exists: bool,
        or_replace: bool,
        if_not_exists: bool,
        place: &ast::Path,
    ) -> Result<bool> {
        match (exists, or_replace, if_not_exists) {
            (false, ..) | (true, true, _) => Ok(true),
            (true, false, true) => Ok(false),
            (true, false, false) => {
                let message = format!("`{name}` exists already");
                Err(Error::input("TM0702", message, place.span)
                    .hint("write CREATE OR REPLACE, or IF NOT EXISTS"))
            }
        }
    }

    fn create_function(self, create: &ast::CreateFunction) -> Result<()> {
        let name = self.whole_name(&create.name)?;
        let catalog = self.engine.catalog();
        let known = catalog.functions().names();
        if known.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            let message = format!("`{name}` is a function of the language");
            return Err(
                Error::input("TM0702", message, create.name.span).hint("give yours another name")
            );
        }
        let exists = catalog.session().function(&name).is_some();
        if !self.goes_on(
            &name,
            exists,
            create.or_replace,
            create.if_not_exists,
            &create.name,
        )? {
            return Ok(());
        }
        let function = Macro {
            name,
            params: create.params.clone(),
            returns: create.returns.clone(),
            body: create.body.clone(),
            text: Arc::clone(self.text),
            module: self.parameters.module.clone(),
        };
        let own_name = |error: Error| match error.message()
            == format!("no function named `{}`", function.name)
        {
            true => error.hint("a function cannot call itself"),
            false => error,
        };
        on_planner_stack(|| check_function(&function, catalog, &FilesOnDisk)).map_err(own_name)?;
        catalog.change_session(|session| session.add_function(function));
        Ok(())
    }

    fn create_table_function(self, create: &ast::CreateTableFunction) -> Result<()> {
        let name = self.whole_name(&create.name)?;
        let catalog = self.engine.catalog();
        let exists = catalog.session().table_function(&name).is_some();
        if !self.goes_on(
            &name,
            exists,
            create.or_replace,
            create.if_not_exists,
            &create.name,
        )? {
            return Ok(());
        }
        let function = Macro {
            name,
            params: create.params.clone(),
            returns: None,
            body: create.body.clone(),
            text: Arc::clone(self.text),
            module: self.parameters.module.clone(),
        };
        catalog.change_session(|session| session.add_table_function(function));
        Ok(())
    }

    fn drop(self, drop: &ast::Drop) -> Result<()> {
        let parts: Vec<&str> = drop
            .name
            .parts
            .iter()
            .map(|part| part.text.as_str())
            .collect();
        let name = parts.join(".");
        let catalog = self.engine.catalog();
        let mut dropped = false;
        let kind = match drop.kind {
            DropKind::Table | DropKind::View => {
                let view = drop.kind == DropKind::View;
                let removed = catalog.remove(&name, view);
                let removed = removed.map_err(|error| error.at(drop.name.span))?;
                dropped = removed.is_some();
                if let Some(name) = removed {
                    self.engine.forget(&name);
                }
                if let Some(database) = catalog.database()
                    && !view
                    && !dropped
                    && let Some(table) = database.find(&name)?
                {
                    database.drop_table(&table)?;
                    dropped = true;
                }
                if view { "view" } else { "table" }
            }
            DropKind::Function => {
                catalog.change_session(|session| dropped = session.drop_function(&name));
                "function"
            }
            DropKind::TableFunction => {
                catalog.change_session(|session| dropped = session.drop_table_function(&name));
                "table function"
            }
            DropKind::Constant => {
                catalog.change_session(|session| dropped = session.drop_constant(&name));
                "constant"
            }
        };
        if dropped || drop.if_exists {
            return Ok(());
        }
        let code = match drop.kind {
            DropKind::Table | DropKind::View => "TM0203",
            DropKind::Function | DropKind::TableFunction => "TM0204",
            DropKind::Constant => "TM0606",
        };
        let message = format!("no {kind} named `{name}`");
        let error = Error::input(code, message, drop.name.span);
        let known = match drop.kind {
            DropKind::Table | DropKind::View => catalog.names(),
            _ => Vec::new(),
        };
        Err(
            match lang::nearest(&name, known.iter().map(String::as_str)) {
                Some(near) => error.did_you_mean(near),
                None => error.hint("write IF EXISTS where it may be missing"),
            },
        )
    }
}

/// Runs the statements of a module, whose names come behind the module's own.
fn import(
    engine: &Engine,
    path: &ast::StringLiteral,
    name: Option<&Ident>,
    parameters: &Parameters,
    importing: &mut Vec<PathBuf>,
) -> Result<()> {
    let beside = importing.last().and_then(|file| file.parent());
    let file = match beside {
        Some(folder) => folder.join(&path.value),
        None => PathBuf::from(&path.value),
    };
    let unreadable = |error: std::io::Error| {
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_string(),
            kind => kind.to_string(),
        };
        let message = format!("the module {} cannot be read: {reason}", path.value);
        Error::new(ErrorKind::Io, "TM0703", message)
            .at(path.span)
            .hint("paths are relative to the module around it, or to the directory the program runs in")
    };
    let whole = file.canonicalize().map_err(unreadable)?;
    if importing.contains(&whole) {
        let message = format!("the module {} imports itself", path.value);
        return Err(Error::input("TM0602", message, path.span)
            .hint("take what both need into a module of its own"));
    }
    let text: Arc<str> = std::fs::read_to_string(&whole).map_err(unreadable)?.into();
    let own = match name {
        Some(name) => name.text.clone(),
        None => stem(&whole),
    };
    let module = match &parameters.module {
        Some(around) => format!("{around}.{own}"),
        None => own,
    };
    let parameters = Parameters {
        module: Some(module),
        ..parameters.clone()
    };
    let what = format!("the module {}", path.value);
    let options = lang::Options::default();
    let script = on_planner_stack(|| Ok(lang::parse_with(&text, options)))?;
    let script = script.map_err(|errors| Error::together(errors).inside(&what, path.span))?;
    importing.push(whole);
    for statement in &script.statements {
        let done = match &statement.kind {
            StatementKind::Import { path, name } => {
                import(engine, path, name.as_ref(), &parameters, importing)
            }
            StatementKind::CreateFunction(_)
            | StatementKind::CreateTableFunction(_)
            | StatementKind::CreateConstant(_)
            | StatementKind::CreateView(_) => {
                run_statement(engine, statement, &text, &parameters).map(drop)
            }
            _ => Err(Error::input(
                "TM0602",
                "a module holds functions, constants, views and imports alone",
                statement.span,
            )),
        };
        done.map_err(|error| error.inside(&what, path.span))?;
    }
    importing.pop();
    Ok(())
}

fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

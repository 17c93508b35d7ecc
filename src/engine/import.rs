//! IMPORT: what the files of other scripts define, under the module's name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Engine;
use super::planning::on_planner_stack;
use super::query::run_statement;
use crate::error::{Error, ErrorKind, Result};
use crate::lang;
use crate::lang::ast::{self, Ident, StatementKind};
use crate::plan::Parameters;

/// Runs the statements of a module, whose names come behind the module's own.
pub(super) fn import(
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

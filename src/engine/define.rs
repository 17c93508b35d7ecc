//! CREATE FUNCTION, TABLE FUNCTION and CONSTANT, and DROP of anything.

use std::sync::Arc;

use super::planning::on_planner_stack;
use super::query::FilesOnDisk;
use super::script::Script;
use crate::catalog::{Macro, SessionValue};
use crate::error::{Error, Result};
use crate::lang;
use crate::lang::ast::{self, DropKind, FunctionParam, TypeName};
use crate::plan::bind::{check_function, check_table_function};

impl Script<'_> {
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

    pub(super) fn create_constant(self, create: &ast::CreateConstant) -> Result<()> {
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

    pub(super) fn create_function(self, create: &ast::CreateFunction) -> Result<()> {
        let name = self.whole_name(&create.name)?;
        let catalog = self.engine.catalog();
        let exists = catalog.session().function(&name).is_some();
        let may_be = (create.or_replace, create.if_not_exists);
        if !self.takes_name(&name, exists, may_be, &create.name)? {
            return Ok(());
        }
        let function = self.written(name, &create.params, create.returns.as_ref(), &create.body);
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

    pub(super) fn create_table_function(self, create: &ast::CreateTableFunction) -> Result<()> {
        let name = self.whole_name(&create.name)?;
        let catalog = self.engine.catalog();
        let exists = catalog.session().table_function(&name).is_some();
        let may_be = (create.or_replace, create.if_not_exists);
        if !self.takes_name(&name, exists, may_be, &create.name)? {
            return Ok(());
        }
        let function = self.written(name, &create.params, None, &create.body);
        on_planner_stack(|| {
            check_table_function(&function, catalog, &FilesOnDisk, self.parameters)
        })?;
        catalog.change_session(|session| session.add_table_function(function));
        Ok(())
    }

    /// Whether a function is created under a name that the language leaves free.
    fn takes_name(
        self,
        name: &str,
        exists: bool,
        (or_replace, if_not_exists): (bool, bool),
        place: &ast::Path,
    ) -> Result<bool> {
        let known = self.engine.catalog().functions().names();
        if known.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            let message = format!("`{name}` is a function of the language");
            return Err(Error::input("TM0702", message, place.span).hint("give yours another name"));
        }
        self.goes_on(name, exists, or_replace, if_not_exists, place)
    }

    /// A function as this text has it.
    fn written<Body: Clone>(
        self,
        name: String,
        params: &[FunctionParam],
        returns: Option<&TypeName>,
        body: &Body,
    ) -> Macro<Body> {
        Macro {
            name,
            params: params.to_vec(),
            returns: returns.cloned(),
            body: body.clone(),
            text: Arc::clone(self.text),
            module: self.parameters.module.clone(),
        }
    }

    pub(super) fn drop(self, drop: &ast::Drop) -> Result<()> {
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
                    && let Some(table) = catalog.find_kept(&name)?
                {
                    match self.engine.is_dry() {
                        true => catalog.hide(&table.name),
                        false => database.drop_table(&table)?,
                    }
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

//! Pipe operators that make whole tables of tables: samples, pivots, calls, branches, and what ends a query.

use super::pipe::bounded;
use super::{Node, Reader, Rule, has, mismatch, only, parts};
use crate::error::{Error, Result};
use crate::lang::ast::{
    NamedExpr, OnViolation, OptionSetting, Path, Pipe, PipeOp, Pivot, PivotKind, RecursiveBody,
    SetKind, TableSample, UnpivotSource,
};

impl<'t> Reader<'_, 't> {
    pub(super) fn further_operator(&mut self, node: Node<'t>) -> Result<PipeOp> {
        Ok(match node.as_rule() {
            Rule::call_table => self.call_table(node)?,
            Rule::tablesample => PipeOp::Sample(self.table_sample(node)?),
            Rule::pivot => PipeOp::Pivot(self.pivot(node)?),
            Rule::match_recognize => PipeOp::Match(Box::new(self.match_recognize(node)?)),
            Rule::recursive_union => self.recursive_union(node)?,
            Rule::assert_rows => self.assert_rows(node)?,
            Rule::describe_table => PipeOp::Describe,
            Rule::static_describe => PipeOp::StaticDescribe,
            Rule::log => {
                let subpipe = parts(node).next();
                PipeOp::Log(subpipe.map(|pipes| self.subpipe(pipes)).transpose()?)
            }
            Rule::choose => self.choose(node)?,
            Rule::tee => PipeOp::Tee(self.subpipes(node)?),
            Rule::fork => PipeOp::Fork(self.subpipes(node)?),
            Rule::create_here => PipeOp::CreateTable(self.table_target(node)?.0),
            Rule::insert_here => PipeOp::Insert(self.insert_target(node)?.0),
            Rule::export => match parts(node).next() {
                Some(options) => PipeOp::Export(self.options(options)?),
                None => PipeOp::Export(Vec::new()),
            },
            Rule::window_pipe => PipeOp::Window(self.window_items(node)?),
            _ => return Err(mismatch()),
        })
    }

    fn call_table(&mut self, node: Node<'t>) -> Result<PipeOp> {
        let (mut function, mut args, mut alias) = (None, Vec::new(), None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::path => function = Some(self.path(part)?),
                Rule::reserved_function => function = Some(self.reserved_path(&part)),
                Rule::function_arguments => args = self.function_arguments(part)?,
                Rule::alias => alias = Some(self.alias(part)?),
                _ => return Err(mismatch()),
            }
        }
        let function: Path = function.ok_or_else(mismatch)?;
        Ok(PipeOp::Call {
            function,
            args,
            alias,
        })
    }

    pub(super) fn table_sample(&mut self, node: Node<'t>) -> Result<TableSample> {
        let span = self.span(&node);
        let percent = has(&node, Rule::kw_percent);
        let mut inner = parts(node);
        let method = self.word(&inner.next().ok_or_else(mismatch)?);
        let size = self.expr(inner.next().ok_or_else(mismatch)?)?;
        let seed = inner.next().map(|seed| self.expr(seed)).transpose()?;
        Ok(TableSample {
            method,
            size,
            percent,
            seed,
            span,
        })
    }

    pub(super) fn pivot(&mut self, node: Node<'t>) -> Result<Pivot> {
        let span = self.span(&node);
        let mut inner = parts(node);
        let body = inner.next().ok_or_else(mismatch)?;
        let alias = inner.next().map(|alias| self.alias(alias)).transpose()?;
        let kind = match body.as_rule() {
            Rule::pivot_rows => self.pivot_columns(body)?,
            _ => self.unpivot(body)?,
        };
        Ok(Pivot { kind, alias, span })
    }

    fn pivot_columns(&mut self, node: Node<'t>) -> Result<PivotKind> {
        let span = self.span(&node);
        let (mut aggregates, mut key, mut values) = (Vec::new(), None, Vec::new());
        for part in parts(node) {
            match part.as_rule() {
                Rule::pivot_item => aggregates.push(self.named_expr(part)?),
                Rule::arithmetic => key = Some(self.expr(part)?),
                Rule::pivot_values => {
                    let items = parts(part).map(|item| self.named_expr(item));
                    values = items.collect::<Result<_>>()?;
                }
                _ => return Err(mismatch()),
            }
        }
        bounded(
            values.len().saturating_mul(aggregates.len()),
            "a PIVOT makes",
            span,
        )?;
        Ok(PivotKind::Columns {
            aggregates,
            key: key.ok_or_else(mismatch)?,
            values,
        })
    }

    fn named_expr(&mut self, node: Node<'t>) -> Result<NamedExpr> {
        let mut inner = parts(node);
        let expr = self.expr(inner.next().ok_or_else(mismatch)?)?;
        let alias = inner.next().map(|alias| self.alias(alias)).transpose()?;
        Ok(NamedExpr { expr, alias })
    }

    fn unpivot(&mut self, node: Node<'t>) -> Result<PivotKind> {
        let span = self.span(&node);
        let include_nulls = has(&node, Rule::kw_include);
        let (mut values, mut name, mut sources) = (Vec::new(), None, Vec::new());
        for part in parts(node) {
            match part.as_rule() {
                Rule::unpivot_names => values = self.one_or_more_names(part)?,
                Rule::ident => name = Some(self.ident(&part)),
                Rule::unpivot_item => sources.push(self.unpivot_source(part)?),
                _ => return Err(mismatch()),
            }
        }
        bounded(sources.len(), "UNPIVOT takes", span)?;
        Ok(PivotKind::Rows {
            include_nulls,
            values,
            name: name.ok_or_else(mismatch)?,
            sources,
        })
    }

    fn unpivot_source(&mut self, node: Node<'t>) -> Result<UnpivotSource> {
        let span = self.span(&node);
        let mut inner = parts(node);
        let columns = self.one_or_more_names(inner.next().ok_or_else(mismatch)?)?;
        let label = inner.next().map(|label| self.primary(label)).transpose()?;
        Ok(UnpivotSource {
            columns,
            label,
            span,
        })
    }

    fn one_or_more_names(&mut self, node: Node<'t>) -> Result<Vec<crate::lang::ast::Ident>> {
        let part = only(node)?;
        match part.as_rule() {
            Rule::name_list => self.names(part),
            _ => Ok(vec![self.ident(&part)]),
        }
    }

    fn recursive_union(&mut self, node: Node<'t>) -> Result<PipeOp> {
        let (mut operator, mut body, mut alias) = (None, None, None);
        for part in parts(node) {
            let span = self.span(&part);
            match part.as_rule() {
                Rule::set_operator => {
                    let chosen = has(&part, Rule::kw_all) || has(&part, Rule::kw_distinct);
                    let read = self.set_operator(part)?;
                    if read.kind != SetKind::Union {
                        let message = "only UNION can be recursive";
                        return Err(Error::input("TM0102", message, span)
                            .label("write RECURSIVE UNION ALL or DISTINCT"));
                    }
                    if !chosen {
                        let message = "a set operation in a pipe needs ALL or DISTINCT";
                        return Err(
                            Error::input("TM0102", message, span).label("write which of the two")
                        );
                    }
                    operator = Some(read);
                }
                Rule::subpipe => body = Some(RecursiveBody::Pipes(self.subpipe(part)?)),
                Rule::query => body = Some(RecursiveBody::Query(Box::new(self.query(part)?))),
                _ => alias = Some(self.ident(&part)),
            }
        }
        Ok(PipeOp::RecursiveUnion {
            operator: operator.ok_or_else(mismatch)?,
            body: body.ok_or_else(mismatch)?,
            alias,
        })
    }

    fn assert_rows(&mut self, node: Node<'t>) -> Result<PipeOp> {
        let span = self.span(&node);
        let (mut exprs, mut on_violation) = (Vec::new(), OnViolation::Fail);
        for part in parts(node) {
            if part.as_rule() != Rule::on_violation {
                exprs.push(self.expr(part)?);
                continue;
            }
            let word = only(part)?;
            on_violation = match self.written(&word).to_ascii_uppercase().as_str() {
                "FAIL" => OnViolation::Fail,
                "DROP" => OnViolation::Drop,
                "WARN" => OnViolation::Warn,
                _ => {
                    let message = "ON VIOLATION is followed by FAIL, DROP or WARN";
                    return Err(Error::input("TM0102", message, self.span(&word)));
                }
            };
        }
        bounded(exprs.len(), "an ASSERT list holds", span)?;
        let mut exprs = exprs.into_iter();
        Ok(PipeOp::Assert {
            condition: exprs.next().ok_or_else(mismatch)?,
            payload: exprs.collect(),
            on_violation,
        })
    }

    fn choose(&mut self, node: Node<'t>) -> Result<PipeOp> {
        let (mut branches, mut otherwise) = (Vec::new(), None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::choice => {
                    let mut inner = parts(part);
                    let condition = self.expr(inner.next().ok_or_else(mismatch)?)?;
                    let pipes = self.subpipe(inner.next().ok_or_else(mismatch)?)?;
                    branches.push((condition, pipes));
                }
                Rule::subpipe => otherwise = Some(self.subpipe(part)?),
                _ => return Err(mismatch()),
            }
        }
        Ok(PipeOp::If {
            branches,
            otherwise,
        })
    }

    fn subpipes(&mut self, node: Node<'t>) -> Result<Vec<Vec<Pipe>>> {
        let span = self.span(&node);
        let subpipes: Vec<_> = parts(node)
            .map(|part| self.subpipe(part))
            .collect::<Result<_>>()?;
        super::query::bounded_branches(subpipes.len(), span)?;
        Ok(subpipes)
    }

    fn window_items(&mut self, node: Node<'t>) -> Result<Vec<crate::lang::ast::SelectItem>> {
        let span = self.span(&node);
        let items: Vec<_> = parts(node)
            .map(|item| self.select_item(item))
            .collect::<Result<_>>()?;
        bounded(items.len(), "a WINDOW list holds", span)?;
        Ok(items)
    }

    /// `@{name = value, …}`
    pub(super) fn hint(&mut self, node: Node<'t>) -> Result<Vec<OptionSetting>> {
        parts(node)
            .map(|entry| {
                let mut names = Vec::new();
                let mut value = None;
                for part in parts(entry) {
                    match part.as_rule() {
                        Rule::free_name => names.push(self.ident(&part)),
                        _ => value = Some(self.expr(part)?),
                    }
                }
                // `engine.name`: a hint for one engine among others.
                let name = names.pop().ok_or_else(mismatch)?;
                Ok(OptionSetting {
                    name,
                    value: value.ok_or_else(mismatch)?,
                })
            })
            .collect()
    }
}

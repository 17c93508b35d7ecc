//! What names and positions of the list mean in other clauses of its SELECT.

use super::nested::inferred_name;
use super::order::position;
use super::scope::Scope;
use crate::error::{Error, Result};
use crate::lang::ast::{self, ExprKind, Select, SelectItem};

/// The item of the list that a position or an alias in GROUP BY means; columns of the input win over aliases.
pub(super) fn listed_expression(
    expr: &ast::Expr,
    select: &Select,
    scope: &Scope,
) -> Result<Option<ast::Expr>> {
    if let Some(position) = position(expr) {
        let index: usize = position.parse().unwrap_or(0);
        let item = index
            .checked_sub(1)
            .and_then(|index| select.items.get(index));
        return match item {
            Some(SelectItem::Expr { expr, .. }) => Ok(Some(expr.clone())),
            _ => Err(Error::input(
                "TM0317",
                format!("there is no item {position} in the list"),
                expr.span,
            )),
        };
    }
    Ok(aliased(expr, select, scope).cloned())
}

/// The item that a bare name means as an alias, if it is no column.
fn aliased<'s>(expr: &ast::Expr, select: &'s Select, scope: &Scope) -> Option<&'s ast::Expr> {
    let ExprKind::Path(path) = expr.kind.as_ref() else {
        return None;
    };
    let [name] = path.parts.as_slice() else {
        return None;
    };
    if !matches!(scope.column(name), Ok(None)) {
        return None;
    }
    select.items.iter().find_map(|item| match item {
        SelectItem::Expr {
            expr,
            alias: Some(alias),
        } if alias.text.eq_ignore_ascii_case(&name.text) => Some(expr),
        SelectItem::Expr { expr, alias: None } => {
            let own = inferred_name(expr)?;
            own.text.eq_ignore_ascii_case(&name.text).then_some(expr)
        }
        _ => None,
    })
}

/// A condition of HAVING or QUALIFY with the list's aliases in it replaced by what they stand for.
pub(super) fn with_aliases(condition: &ast::Expr, select: &Select, scope: &Scope) -> ast::Expr {
    if let Some(meant) = aliased(condition, select, scope) {
        return meant.clone();
    }
    let mut condition = condition.clone();
    let replace = |expr: &mut ast::Expr| *expr = with_aliases(expr, select, scope);
    match condition.kind.as_mut() {
        ExprKind::Unary { operand, .. } | ExprKind::Is { operand, .. } => replace(operand),
        ExprKind::Binary { left, right, .. } | ExprKind::IsDistinctFrom { left, right, .. } => {
            replace(left);
            replace(right);
        }
        ExprKind::And(operands) | ExprKind::Or(operands) => operands.iter_mut().for_each(replace),
        ExprKind::Between {
            operand, low, high, ..
        } => {
            replace(operand);
            replace(low);
            replace(high);
        }
        ExprKind::InList { operand, list, .. } => {
            replace(operand);
            list.iter_mut().for_each(replace);
        }
        ExprKind::Like {
            operand, pattern, ..
        } => {
            replace(operand);
            replace(pattern);
        }
        _ => {}
    }
    condition
}

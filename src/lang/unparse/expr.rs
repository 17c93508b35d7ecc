//! Expressions. An operand that binds weaker than its place allows stands in parentheses.

use super::words::Words;
use crate::lang::ast::{
    Argument, ArgumentValue, BinaryOp, Call, Expr, ExprKind, Frame, FrameBound, FrameUnit, IsTest,
    Limit, Literal, OrderItem, Over, Parameter, SortOrder, UnaryOp, WindowSpec,
};

/// How tightly an expression binds, from OR to a value. What stands between is [`strength`] of an operator.
const OR: u8 = 0;
const AND: u8 = 1;
const NOT: u8 = 2;
const COMPARISON: u8 = 3;
const CHAIN: u8 = 4;
const SIGN: u8 = 10;
const SUFFIX: u8 = 11;
const VALUE: u8 = 12;

/// How an operator is written, and how tightly it binds.
fn operator(op: BinaryOp) -> (&'static str, u8) {
    match op {
        BinaryOp::Equal => ("=", COMPARISON),
        BinaryOp::NotEqual => ("<>", COMPARISON),
        BinaryOp::Less => ("<", COMPARISON),
        BinaryOp::LessEqual => ("<=", COMPARISON),
        BinaryOp::Greater => (">", COMPARISON),
        BinaryOp::GreaterEqual => (">=", COMPARISON),
        BinaryOp::NullSafeEqual => ("<=>", COMPARISON),
        BinaryOp::BitOr => ("|", CHAIN),
        BinaryOp::BitXor => ("^", CHAIN + 1),
        BinaryOp::BitAnd => ("&", CHAIN + 2),
        BinaryOp::ShiftLeft => ("<<", CHAIN + 3),
        BinaryOp::ShiftRight => (">>", CHAIN + 3),
        BinaryOp::Add => ("+", CHAIN + 4),
        BinaryOp::Subtract => ("-", CHAIN + 4),
        BinaryOp::Multiply => ("*", CHAIN + 5),
        BinaryOp::Divide => ("/", CHAIN + 5),
        BinaryOp::Modulo => ("%", CHAIN + 5),
        BinaryOp::Concat => ("||", CHAIN + 5),
    }
}

fn binding(kind: &ExprKind) -> u8 {
    match kind {
        ExprKind::Or(_) => OR,
        ExprKind::And(_) => AND,
        ExprKind::Unary {
            op: UnaryOp::Not, ..
        } => NOT,
        ExprKind::Binary { op, .. } => operator(*op).1,
        ExprKind::Is { .. }
        | ExprKind::IsDistinctFrom { .. }
        | ExprKind::Between { .. }
        | ExprKind::Like { .. }
        | ExprKind::InList { .. }
        | ExprKind::InQuery { .. }
        | ExprKind::InArray { .. }
        | ExprKind::Quantified { .. } => COMPARISON,
        ExprKind::Unary { .. } => SIGN,
        ExprKind::Cast { try_: false, .. }
        | ExprKind::Field { .. }
        | ExprKind::Subscript { .. } => SUFFIX,
        // What follows could be its value's or its part.
        ExprKind::Interval { .. } => SIGN,
        _ => VALUE,
    }
}

/// An interval, perhaps behind signs.
fn is_signed_interval(expr: &Expr) -> bool {
    let mut inner = expr;
    while let ExprKind::Unary { operand, .. } = inner.kind.as_ref() {
        inner = operand;
    }
    matches!(*inner.kind, ExprKind::Interval { .. })
}

impl Words {
    pub fn expr(&mut self, expr: &Expr) {
        self.operand(expr, OR);
    }

    pub fn exprs(&mut self, exprs: &[Expr]) {
        self.list(exprs, Self::expr);
    }

    /// An expression where nothing binds weaker than arithmetic.
    pub fn arithmetic(&mut self, expr: &Expr) {
        self.operand(expr, CHAIN);
    }

    fn operand(&mut self, expr: &Expr, least: u8) {
        if binding(&expr.kind) < least {
            self.parenthesised(|words| words.bare(expr));
        } else {
            self.bare(expr);
        }
    }

    fn bare(&mut self, expr: &Expr) {
        match expr.kind.as_ref() {
            ExprKind::Or(terms) => self.joined(terms, "OR", AND),
            ExprKind::And(terms) => self.joined(terms, "AND", NOT),
            ExprKind::Unary { .. } => self.unary(expr),
            ExprKind::Binary { .. } => self.chain(expr),
            ExprKind::Cast { .. } | ExprKind::Field { .. } | ExprKind::Subscript { .. } => {
                self.suffixes(expr);
            }
            ExprKind::Call(call) => self.call(call),
            kind @ (ExprKind::Is { .. }
            | ExprKind::IsDistinctFrom { .. }
            | ExprKind::Between { .. }
            | ExprKind::Like { .. }
            | ExprKind::InList { .. }
            | ExprKind::InQuery { .. }
            | ExprKind::InArray { .. }
            | ExprKind::Quantified { .. }) => self.predicate(kind),
            kind @ (ExprKind::Literal(_)
            | ExprKind::Parameter(_)
            | ExprKind::Setting(_)
            | ExprKind::Path(_)
            | ExprKind::Case { .. }
            | ExprKind::Extract { .. }
            | ExprKind::Exists(_)
            | ExprKind::Subquery(_)
            | ExprKind::ArrayQuery(_)
            | ExprKind::Array { .. }
            | ExprKind::Struct { .. }
            | ExprKind::Interval { .. }) => self.value(kind),
        }
    }

    fn joined(&mut self, terms: &[Expr], word: &str, least: u8) {
        for (index, term) in terms.iter().enumerate() {
            self.put_if(index > 0, word);
            self.operand(term, least);
        }
    }

    /// Signs and NOTs before one operand, in a loop: there may be very many.
    fn unary(&mut self, expr: &Expr) {
        let mut inner = expr;
        let outermost = binding(&expr.kind);
        while let ExprKind::Unary { op, operand } = inner.kind.as_ref() {
            if binding(&inner.kind) < outermost {
                break;
            }
            self.put(match op {
                UnaryOp::Not => "NOT",
                UnaryOp::Minus => "-",
                UnaryOp::Plus => "+",
                UnaryOp::BitNot => "~",
            });
            inner = operand;
            if outermost == NOT && binding(&inner.kind) != NOT {
                break;
            }
        }
        // INTERVAL binds as a sign does, and may follow one.
        self.operand(inner, if outermost == NOT { NOT } else { SIGN });
    }

    /// `a + b - c` groups left: a loop down its left side.
    fn chain(&mut self, expr: &Expr) {
        let (mut first, mut rest) = (expr, Vec::new());
        let mut least = OR;
        while let ExprKind::Binary { op, left, right } = first.kind.as_ref() {
            let (written, strength) = operator(*op);
            if strength < least {
                break;
            }
            let (left_least, right_least) = match strength {
                COMPARISON => (CHAIN, CHAIN),
                _ => (strength, strength + 1),
            };
            rest.push((written, right, right_least));
            (first, least) = (left, left_least);
        }
        self.operand(first, least);
        for (written, right, least) in rest.into_iter().rev() {
            self.put(written);
            self.operand(right, least);
        }
    }

    /// `a[1].b::STRING` in a loop.
    fn suffixes(&mut self, expr: &Expr) {
        let (mut base, mut suffixes) = (expr, Vec::new());
        loop {
            let inner = match base.kind.as_ref() {
                ExprKind::Field { base, .. } | ExprKind::Subscript { base, .. } => base,
                ExprKind::Cast {
                    operand,
                    try_: false,
                    ..
                } => operand,
                _ => break,
            };
            suffixes.push(base);
            base = inner;
        }
        let field = suffixes
            .last()
            .is_some_and(|first| matches!(*first.kind, ExprKind::Field { .. }));
        match base.kind.as_ref() {
            // `a.b` would be one path.
            ExprKind::Path(path) if field => self.parenthesised(|words| words.path(path)),
            ExprKind::Cast { .. } => self.bare_value(base),
            _ => self.operand(base, SUFFIX),
        }
        for suffix in suffixes.into_iter().rev() {
            match suffix.kind.as_ref() {
                ExprKind::Field { name, .. } => {
                    self.put(".");
                    self.free_name(name);
                }
                ExprKind::Subscript { index, .. } => {
                    self.put("[");
                    self.expr(index);
                    self.put("]");
                }
                ExprKind::Cast { data_type, .. } => {
                    self.put("::");
                    self.type_name(data_type);
                }
                _ => {}
            }
        }
    }

    fn bare_value(&mut self, expr: &Expr) {
        if let ExprKind::Cast {
            operand, data_type, ..
        } = expr.kind.as_ref()
        {
            self.put("TRY_CAST (");
            self.expr(operand);
            self.put("AS");
            self.type_name(data_type);
            self.put(")");
        }
    }

    /// IS, IN, LIKE, BETWEEN and comparisons with queries; nothing else comes here.
    fn predicate(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Is {
                operand,
                test,
                negated,
            } => {
                self.arithmetic(operand);
                self.put("IS");
                self.put_if(*negated, "NOT");
                self.put(match test {
                    IsTest::Null => "NULL",
                    IsTest::True => "TRUE",
                    IsTest::False => "FALSE",
                });
            }
            ExprKind::IsDistinctFrom {
                left,
                right,
                negated,
            } => {
                self.arithmetic(left);
                self.put("IS");
                self.put_if(*negated, "NOT");
                self.put("DISTINCT FROM");
                self.arithmetic(right);
            }
            ExprKind::Between {
                operand,
                low,
                high,
                negated,
            } => {
                self.negatable(operand, *negated, "BETWEEN");
                self.arithmetic(low);
                self.put("AND");
                self.arithmetic(high);
            }
            ExprKind::Like {
                operand,
                pattern,
                escape,
                ignore_case,
                negated,
            } => {
                let word = if *ignore_case { "ILIKE" } else { "LIKE" };
                self.negatable(operand, *negated, word);
                self.arithmetic(pattern);
                if let Some(escape) = escape {
                    self.put("ESCAPE");
                    self.string(escape);
                }
            }
            ExprKind::InList {
                operand,
                list,
                negated,
            } => {
                self.negatable(operand, *negated, "IN");
                self.parenthesised(|words| words.exprs(list));
            }
            ExprKind::InQuery {
                operand,
                query,
                negated,
            } => {
                self.negatable(operand, *negated, "IN");
                self.parenthesised(|words| words.query(query));
            }
            ExprKind::InArray {
                operand,
                array,
                negated,
            } => {
                self.negatable(operand, *negated, "IN");
                match array.kind.as_ref() {
                    ExprKind::Parameter(parameter) => self.parameter(parameter),
                    _ => {
                        self.put("UNNEST (");
                        self.expr(array);
                        self.put(")");
                    }
                }
            }
            ExprKind::Quantified {
                operand,
                op,
                all,
                query,
            } => {
                self.arithmetic(operand);
                self.put(operator(*op).0);
                self.put(if *all { "ALL" } else { "ANY" });
                self.parenthesised(|words| words.query(query));
            }
            _ => {}
        }
    }

    fn negatable(&mut self, operand: &Expr, negated: bool, word: &str) {
        self.arithmetic(operand);
        self.put_if(negated, "NOT");
        self.put(word);
    }

    /// Expressions without operators; nothing else comes here.
    fn value(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Literal(literal) => self.literal(literal),
            ExprKind::Parameter(parameter) => self.parameter(parameter),
            ExprKind::Setting(name) => self.put(&format!("@@{}", name.text)),
            ExprKind::Path(path) => self.path(path),
            ExprKind::Case {
                operand,
                branches,
                otherwise,
            } => self.case(operand.as_ref(), branches, otherwise.as_ref()),
            ExprKind::Extract { part, operand } => {
                self.put("EXTRACT (");
                self.free_name(part);
                self.put("FROM");
                self.expr(operand);
                self.put(")");
            }
            ExprKind::Exists(query) => {
                self.put("EXISTS");
                self.parenthesised(|words| words.query(query));
            }
            ExprKind::Subquery(query) => self.parenthesised(|words| words.query(query)),
            ExprKind::ArrayQuery(query) => {
                self.put("ARRAY");
                self.parenthesised(|words| words.query(query));
            }
            ExprKind::Array {
                element_type,
                items,
            } => {
                if let Some(element) = element_type {
                    self.put("ARRAY <");
                    self.type_name(element);
                    self.put(">");
                }
                self.put("[");
                self.exprs(items);
                self.put("]");
            }
            ExprKind::Struct { .. } => self.structure(kind, true),
            ExprKind::Interval { value, part } => {
                self.put("INTERVAL");
                if is_signed_interval(value) {
                    self.parenthesised(|words| words.expr(value));
                } else {
                    self.operand(value, SIGN);
                }
                if let Some(part) = part {
                    self.put(&part.text);
                }
            }
            _ => {}
        }
    }

    /// A STRUCT; where a tuple would be something else its items stand after the word.
    pub fn structure(&mut self, kind: &ExprKind, as_tuple: bool) {
        let ExprKind::Struct { fields, types } = kind else {
            return;
        };
        let unnamed = fields.iter().all(|(_, name)| name.is_none());
        if as_tuple && types.is_empty() && unnamed && fields.len() > 1 {
            return self
                .parenthesised(|words| words.list(fields, |words, (value, _)| words.expr(value)));
        }
        self.put("STRUCT");
        if !types.is_empty() {
            self.put("<");
            self.fields(types);
            self.put(">");
            if fields.is_empty() {
                return;
            }
        }
        self.parenthesised(|words| {
            words.list(fields, |words, (value, name)| {
                words.expr(value);
                words.alias(name.as_ref());
            });
        });
    }

    /// A body in the parentheses that belong to CREATE FUNCTION.
    pub fn function_body(&mut self, body: &Expr) {
        match body.kind.as_ref() {
            ExprKind::Subquery(query) => self.parenthesised(|words| words.query(query)),
            _ => self.parenthesised(|words| words.expr(body)),
        }
    }

    /// A text or a signed number.
    pub fn label(&mut self, label: &Expr) {
        match label.kind.as_ref() {
            ExprKind::Unary { operand, .. } => match operand.kind.as_ref() {
                ExprKind::Literal(
                    Literal::Integer(digits) | Literal::Decimal(digits) | Literal::Float(digits),
                ) => self.put(&format!("-{digits}")),
                _ => self.expr(label),
            },
            _ => self.expr(label),
        }
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        branches: &[(Expr, Expr)],
        otherwise: Option<&Expr>,
    ) {
        self.put("CASE");
        if let Some(operand) = operand {
            self.expr(operand);
        }
        for (condition, value) in branches {
            self.put("WHEN");
            self.expr(condition);
            self.put("THEN");
            self.expr(value);
        }
        if let Some(otherwise) = otherwise {
            self.put("ELSE");
            self.expr(otherwise);
        }
        self.put("END");
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Null => self.put("NULL"),
            Literal::Bool(value) => self.put(if *value { "TRUE" } else { "FALSE" }),
            Literal::Integer(digits) | Literal::Decimal(digits) | Literal::Float(digits) => {
                self.put(digits);
            }
            Literal::String(text) => self.text(text),
            Literal::Bytes(bytes) => self.bytes(bytes),
            Literal::Typed { type_name, text } => {
                self.put(type_name);
                self.text(text);
            }
        }
    }

    fn parameter(&mut self, parameter: &Parameter) {
        match parameter {
            Parameter::Named(name) => self.put(&format!("@{name}")),
            Parameter::Positional(_) => self.put("?"),
        }
    }

    fn call(&mut self, call: &Call) {
        self.function(&call.function);
        self.put("(");
        self.put_if(call.distinct, "DISTINCT");
        self.list(&call.args, Self::argument);
        match call.ignore_nulls {
            Some(true) => self.put("IGNORE NULLS"),
            Some(false) => self.put("RESPECT NULLS"),
            None => {}
        }
        self.order_by(&call.order_by);
        if let Some(limit) = &call.limit {
            self.limit(limit);
        }
        self.put(")");
        if !call.within_group.is_empty() {
            self.put("WITHIN GROUP");
            self.parenthesised(|words| words.order_by(&call.within_group));
        }
        if let Some(filter) = &call.filter {
            self.put("FILTER ( WHERE");
            self.expr(filter);
            self.put(")");
        }
        match &call.over {
            Some(Over::Name(name)) => {
                self.put("OVER");
                self.name(name);
            }
            Some(Over::Spec(spec)) => {
                self.put("OVER");
                self.window(spec);
            }
            None => {}
        }
    }

    pub fn arguments(&mut self, args: &[Argument]) {
        self.parenthesised(|words| words.list(args, Self::argument));
    }

    fn argument(&mut self, argument: &Argument) {
        if let Some(name) = &argument.name {
            self.free_name(name);
            self.put("=>");
        }
        match &argument.value {
            ArgumentValue::Expr(expr) => self.expr(expr),
            ArgumentValue::Star(_) => self.put("*"),
            ArgumentValue::Table(path) => {
                self.put("TABLE");
                self.path(path);
            }
            ArgumentValue::InputTable(_) => self.put("INPUT TABLE"),
            ArgumentValue::Lambda { params, body } => {
                match params.as_slice() {
                    [param] => self.name(param),
                    _ => self.parenthesised(|words| words.names(params)),
                }
                self.put("->");
                self.expr(body);
            }
        }
    }

    pub fn window(&mut self, spec: &WindowSpec) {
        self.parenthesised(|words| {
            if let Some(base) = &spec.base {
                words.name(base);
            }
            if !spec.partition_by.is_empty() {
                words.put("PARTITION BY");
                words.exprs(&spec.partition_by);
            }
            words.order_by(&spec.order_by);
            if let Some(frame) = &spec.frame {
                words.frame(frame);
            }
        });
    }

    fn frame(&mut self, frame: &Frame) {
        self.put(match frame.unit {
            FrameUnit::Rows => "ROWS",
            FrameUnit::Range => "RANGE",
            FrameUnit::Groups => "GROUPS",
        });
        self.put_if(frame.end.is_some(), "BETWEEN");
        self.bound(&frame.start);
        if let Some(end) = &frame.end {
            self.put("AND");
            self.bound(end);
        }
    }

    fn bound(&mut self, bound: &FrameBound) {
        match bound {
            FrameBound::UnboundedPreceding => self.put("UNBOUNDED PRECEDING"),
            FrameBound::UnboundedFollowing => self.put("UNBOUNDED FOLLOWING"),
            FrameBound::CurrentRow => self.put("CURRENT ROW"),
            FrameBound::Preceding(expr) => {
                self.arithmetic(expr);
                self.put("PRECEDING");
            }
            FrameBound::Following(expr) => {
                self.arithmetic(expr);
                self.put("FOLLOWING");
            }
        }
    }

    /// With its words, or nothing.
    pub fn order_by(&mut self, items: &[OrderItem]) {
        if items.is_empty() {
            return;
        }
        self.put("ORDER BY");
        self.list(items, |words, item| {
            words.expr(&item.expr);
            words.sort(Some(&item.order));
        });
    }

    pub fn sort(&mut self, order: Option<&SortOrder>) {
        let Some(order) = order else {
            return;
        };
        match order.descending {
            Some(true) => self.put("DESC"),
            Some(false) => self.put("ASC"),
            None => {}
        }
        match order.nulls_first {
            Some(true) => self.put("NULLS FIRST"),
            Some(false) => self.put("NULLS LAST"),
            None => {}
        }
    }

    pub fn limit(&mut self, limit: &Limit) {
        match (&limit.limit, &limit.offset) {
            (Some(count), _) => {
                self.put("LIMIT");
                self.expr(count);
            }
            (None, None) => self.put("LIMIT ALL"),
            (None, Some(_)) => {}
        }
        if let Some(offset) = &limit.offset {
            self.put("OFFSET");
            self.expr(offset);
        }
    }
}

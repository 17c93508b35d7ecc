//! Calls and the windows they look through.

use super::words::Words;
use crate::lang::ast::{
    Argument, ArgumentValue, Call, Frame, FrameBound, FrameUnit, Over, WindowSpec,
};

impl Words {
    pub fn call(&mut self, call: &Call) {
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
}

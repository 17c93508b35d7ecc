//! Texts that nobody wrote: every choice is a number, so that a failure shrinks.

pub struct Program {
    choices: Vec<u16>,
    at: usize,
    out: String,
}

/// The text that `choices` make: statements, each with its semicolon.
pub fn write(choices: Vec<u16>) -> String {
    let mut program = Program {
        choices,
        at: 0,
        out: String::new(),
    };
    while program.at < program.choices.len() {
        program.statement();
        program.put(";");
    }
    program.out
}

impl Program {
    fn pick(&mut self, below: u16) -> u16 {
        let choice = self.choices.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        choice % below
    }

    /// Nothing long begins once the choices are used up.
    fn may(&mut self, one_in: u16) -> bool {
        self.at < self.choices.len() && self.pick(one_in) == 0
    }

    fn put(&mut self, text: &str) {
        let blanks = [" ", "\n", "  ", "\t"];
        let blank = blanks[usize::from(self.choices.get(self.at / 2).copied().unwrap_or(0) % 4)];
        self.out += blank;
        self.out += text;
    }

    fn one_of(&mut self, texts: &[&str]) {
        let text = texts[usize::from(self.pick(texts.len() as u16))];
        self.put(text);
    }

    fn name(&mut self) {
        self.one_of(&[
            "a", "B", "c_1", "`d e`", "\"f\"", "offset", "first", "`g``h`", "day", "date",
        ]);
    }

    fn list(&mut self, item: fn(&mut Self, u16), depth: u16) {
        item(self, depth);
        while self.may(3) {
            self.put(",");
            item(self, depth);
        }
    }

    fn statement(&mut self) {
        match self.pick(9) {
            0 => {
                self.put("create or replace temp table x as");
                self.query(2);
            }
            1 => {
                self.put("declare y int64 default");
                self.expr(2);
            }
            2 => {
                self.put("if");
                self.expr(1);
                self.put("then set x =");
                self.expr(2);
                self.put("; else");
                self.query(1);
                self.put("; end if");
            }
            3 => {
                self.put("create temp function f(a any type, b decimal(10, 2)) as (");
                self.expr(2);
                self.put(")");
            }
            4 => {
                self.put("explain insert into t (a, `b c`)");
                self.query(2);
            }
            5 => {
                self.put("@{timeout_ms = 5}");
                self.query(3);
            }
            _ => self.query(3),
        }
    }

    fn query(&mut self, depth: u16) {
        if depth > 0 && self.may(5) {
            self.put("with u as (");
            self.query(depth - 1);
            self.put(")");
        }
        match self.pick(4) {
            0 => self.select(depth),
            1 if depth > 0 => {
                self.select(depth - 1);
                self.put("union all");
                self.select(depth - 1);
                self.put("order by a limit 3");
            }
            2 if depth > 0 => {
                self.put("(");
                self.query(depth - 1);
                self.put(") except distinct (");
                self.query(depth - 1);
                self.put(")");
            }
            _ => {
                self.put("from");
                self.list(Self::table, depth);
            }
        }
        while depth > 0 && self.may(2) {
            self.pipe(depth - 1);
        }
    }

    fn select(&mut self, depth: u16) {
        self.put("select");
        self.list(Self::item, depth);
        if self.may(2) {
            self.put("from");
            self.list(Self::table, depth);
            if self.may(2) {
                self.put("where");
                self.expr(depth);
            }
            if self.may(3) {
                self.put("group by");
                self.list(Self::expr, 0);
            }
        }
    }

    fn item(&mut self, depth: u16) {
        self.expr(depth);
        if self.may(2) {
            self.one_of(&["as", ""]);
            self.name();
        }
    }

    fn table(&mut self, depth: u16) {
        match self.pick(5) {
            0 if depth > 0 => {
                self.put("(");
                self.query(depth - 1);
                self.put(") as s");
            }
            1 => self.put("unnest([1, 2]) as x with offset"),
            2 => self.put("read_csv('a.csv', header => true) r(a, b)"),
            3 => self.put("'dir/*.parquet'"),
            _ => self.put("t as u"),
        }
        if self.may(3) {
            self.one_of(&["join", "left outer join", "cross join"]);
            self.put("v");
            if self.may(2) {
                self.put("on");
                self.expr(0);
            }
        }
    }

    fn pipe(&mut self, depth: u16) {
        self.put("|>");
        match self.pick(14) {
            0 => {
                self.put("select");
                self.list(Self::item, depth);
            }
            1 => {
                self.put("extend");
                self.list(Self::item, depth);
            }
            2 => {
                self.put("aggregate count(*) as n, sum(a) desc group");
                self.one_of(&["by", "and order by"]);
                self.list(Self::expr, 0);
            }
            3 => self.put("join v using (a, b)"),
            4 => {
                self.put("order by");
                self.list(Self::expr, depth);
                self.one_of(&["", "desc", "nulls first"]);
            }
            5 => self.put("limit 5 offset 2"),
            6 => {
                self.put("union all (");
                self.query(depth.saturating_sub(1));
                self.put(")");
            }
            7 => {
                self.put("fork (|> where");
                self.expr(depth);
                self.put("), ()");
            }
            8 => self.put("rename a as `b c`, d e"),
            9 => {
                self.put("set a =");
                self.expr(depth);
                self.put(", b = 1,");
            }
            10 => self.put("pivot (sum(x) as s for q in ('a' as b, 1)) p"),
            11 => self.put("unpivot include nulls (v for n in (a 'x', b as -1))"),
            12 => {
                self.put("assert");
                self.list(Self::expr, depth);
                self.put("on violation warn");
            }
            _ => {
                self.put("where");
                self.expr(depth);
            }
        }
    }

    fn expr(&mut self, depth: u16) {
        if depth == 0 {
            return self.value();
        }
        let inner = depth - 1;
        match self.pick(16) {
            0 => {
                self.paren(inner);
                self.one_of(&["and", "or"]);
                self.paren(inner);
                self.one_of(&["and", "or"]);
                self.value();
            }
            1 => {
                self.paren(inner);
                self.one_of(&["+", "-", "*", "/", "%", "||", "|", "&", "^", "<<", ">>"]);
                self.paren(inner);
                self.one_of(&["+", "-", "*", "/"]);
                self.value();
            }
            2 => {
                self.paren(inner);
                self.one_of(&["=", "==", "<>", "!=", "<", ">=", "<=>"]);
                self.paren(inner);
            }
            3 => {
                self.put("not");
                self.paren(inner);
            }
            4 => {
                self.one_of(&["-", "+", "~", "- -"]);
                self.paren(inner);
            }
            5 => {
                self.paren(inner);
                self.one_of(&[
                    "is null",
                    "is not true",
                    "in (1, 2)",
                    "not in (a, 'b')",
                    "in unnest(a)",
                ]);
            }
            6 => {
                self.paren(inner);
                self.put("between");
                self.paren(inner);
                self.put("and");
                self.value();
            }
            7 => {
                self.put("case when");
                self.expr(inner);
                self.put("then");
                self.expr(inner);
                self.put("else");
                self.expr(inner);
                self.put("end");
            }
            8 => {
                self.paren(inner);
                self.one_of(&[".x", "[1]", "::array<array<int64>>", "::struct<a int64>"]);
                self.one_of(&["", "[a]", ".select", "::string"]);
            }
            9 => {
                self.put("f(");
                self.list(Self::expr, inner);
                self.put(", n => x -> ");
                self.expr(inner);
                self.put(")");
            }
            10 => {
                self.one_of(&["", "exists", "array"]);
                self.put("(");
                self.query(inner);
                self.put(")");
            }
            11 => {
                self.put("(");
                self.list(Self::expr, inner);
                self.put(")");
            }
            12 => {
                self.put("interval");
                self.paren(0);
                self.one_of(&["day", "hours", ""]);
            }
            13 => {
                self.put("sum(a) over (w partition by");
                self.expr(inner);
                self.put("order by b rows between 1 preceding and current row)");
            }
            14 => {
                self.paren(inner);
                self.one_of(&[
                    "like 'a%' escape '!'",
                    "= any (select 1)",
                    "is distinct from a",
                    "not ilike b || c",
                ]);
            }
            _ => self.value(),
        }
    }

    /// An expression in parentheses, or a value without.
    fn paren(&mut self, depth: u16) {
        if self.may(3) {
            return self.value();
        }
        self.put("(");
        self.expr(depth);
        self.put(")");
    }

    fn value(&mut self) {
        match self.pick(5) {
            0 => self.name(),
            1 => self.put("t.`a b`.where"),
            2 => self.one_of(&["1", "0xFF", "1.5", ".5", "1e-3", "null", "true", "@p"]),
            3 => self.one_of(&[
                "'it''s'",
                "''",
                "''''",
                "'''a\n'b'''",
                "r'\\d'",
                "E'\\n\\''",
                "'x\ty\\'",
                "b'\\xff'",
                "'a' 'b'",
                "date '2024-01-01'",
                "numeric '1'",
            ]),
            _ => self.one_of(&[
                "[1, 2]",
                "array<int64>[]",
                "struct(1 as a)",
                "(1, 2)",
                "count(distinct a)",
                "extract(year from d)",
                "cast(a as decimal(10, 2))",
                "try_cast(a as map<string, int64>)",
                "struct<int64>(1)",
                "now()",
            ]),
        }
    }
}

//! Words, names, texts and lists.

use crate::lang::ast::{Ident, Path, StringLiteral, TypeKind, TypeName};
use crate::lang::parse::is_plain_name;

#[derive(Default)]
pub(super) struct Words {
    out: String,
}

impl Words {
    pub fn finish(self) -> String {
        self.out
    }

    /// Adds tokens.
    pub fn put(&mut self, tokens: &str) {
        if !self.out.is_empty() {
            self.out.push(' ');
        }
        self.out += tokens;
    }

    pub fn put_if(&mut self, condition: bool, tokens: &str) {
        if condition {
            self.put(tokens);
        }
    }

    /// Items with commas between.
    pub fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        for (index, each) in items.iter().enumerate() {
            self.put_if(index > 0, ",");
            item(self, each);
        }
    }

    pub fn parenthesised(&mut self, inside: impl FnOnce(&mut Self)) {
        self.put("(");
        inside(self);
        self.put(")");
    }

    /// A name where a clause could begin as well.
    pub fn name(&mut self, name: &Ident) {
        if name.quoted || !is_plain_name(&name.text) {
            self.put(&quoted(&name.text));
        } else {
            self.put(&name.text);
        }
    }

    /// A name where only a name can be: an unquoted one may be a reserved word.
    pub fn free_name(&mut self, name: &Ident) {
        if name.quoted {
            self.put(&quoted(&name.text));
        } else {
            self.put(&name.text);
        }
    }

    pub fn names(&mut self, names: &[Ident]) {
        self.list(names, Self::name);
    }

    /// `(a, b)`, or nothing.
    pub fn name_list(&mut self, names: &[Ident]) {
        if !names.is_empty() {
            self.parenthesised(|words| words.names(names));
        }
    }

    pub fn alias(&mut self, alias: Option<&Ident>) {
        if let Some(alias) = alias {
            self.put("AS");
            self.name(alias);
        }
    }

    pub fn path(&mut self, path: &Path) {
        for (index, part) in path.parts.iter().enumerate() {
            if index == 0 {
                self.name(part);
            } else {
                self.put(".");
                self.free_name(part);
            }
        }
    }

    /// A function's name: some reserved words are functions.
    pub fn function(&mut self, path: &Path) {
        match path.parts.as_slice() {
            [word] if !word.quoted => self.put(&word.text),
            _ => self.path(path),
        }
    }

    pub fn text(&mut self, text: &str) {
        self.put(&text_literal(text));
    }

    pub fn string(&mut self, literal: &StringLiteral) {
        self.text(&literal.value);
    }

    /// `b'…'`
    pub fn bytes(&mut self, bytes: &[u8]) {
        let mut written = String::from("b'");
        for byte in bytes {
            match byte {
                b'\'' | b'\\' => written.extend(['\\', char::from(*byte)]),
                b' '..=b'~' => written.push(char::from(*byte)),
                _ => written += &format!("\\x{byte:02x}"),
            }
        }
        written.push('\'');
        self.put(&written);
    }

    pub fn type_name(&mut self, data_type: &TypeName) {
        match &data_type.kind {
            TypeKind::Named { name, args } => {
                self.put(name);
                if !args.is_empty() {
                    self.parenthesised(|words| {
                        words.list(args, |words, arg| words.put(&arg.to_string()));
                    });
                }
            }
            TypeKind::Array(element) => {
                self.put("ARRAY <");
                self.type_name(element);
                self.put(">");
            }
            TypeKind::Struct(fields) => {
                self.put("STRUCT <");
                self.fields(fields);
                self.put(">");
            }
            TypeKind::Map(key, value) => {
                self.put("MAP <");
                self.type_name(key);
                self.put(",");
                self.type_name(value);
                self.put(">");
            }
        }
    }

    pub fn fields(&mut self, fields: &[(Option<Ident>, TypeName)]) {
        self.list(fields, |words, (name, data_type)| {
            if let Some(name) = name {
                words.name(name);
            }
            words.type_name(data_type);
        });
    }
}

/// In backticks, which quote names in every way of reading a text.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// `'…'` where nothing in it can be mistaken, `r'…'` with backslashes, `E'…'` with control characters.
fn text_literal(text: &str) -> String {
    let opens_three = text.starts_with('\'');
    if opens_three || text.chars().any(char::is_control) {
        return escaped(text);
    }
    let doubled = text.replace('\'', "''");
    if text.contains('\\') {
        format!("r'{doubled}'")
    } else {
        format!("'{doubled}'")
    }
}

fn escaped(text: &str) -> String {
    let mut written = String::from("E'");
    for c in text.chars() {
        match c {
            '\n' => written += "\\n",
            '\t' => written += "\\t",
            '\r' => written += "\\r",
            '\\' => written += "\\\\",
            '\'' => written += "\\'",
            c if c.is_control() => written += &format!("\\U{:08x}", u32::from(c)),
            c => written.push(c),
        }
    }
    written.push('\'');
    written
}

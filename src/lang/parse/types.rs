//! Types as written.

use super::{Node, Reader, Rule, mismatch, only, parts};
use crate::error::{Error, Result};
use crate::lang::ast::{TypeKind, TypeName};

impl<'t> Reader<'_, 't> {
    pub(super) fn type_name(&mut self, node: Node<'t>) -> Result<TypeName> {
        let span = self.span(&node);
        let form = only(node)?;
        let rule = form.as_rule();
        let kind = match rule {
            Rule::named_type => self.named_type(form)?,
            Rule::array_type => TypeKind::Array(Box::new(self.type_name(only(form)?)?)),
            Rule::struct_type => {
                let fields = parts(form).map(|field| self.struct_field(field));
                TypeKind::Struct(fields.collect::<Result<_>>()?)
            }
            Rule::map_type => {
                let mut inner = parts(form).filter(|part| part.as_rule() == Rule::type_name);
                let key = self.type_name(inner.next().ok_or_else(mismatch)?)?;
                let value = self.type_name(inner.next().ok_or_else(mismatch)?)?;
                TypeKind::Map(Box::new(key), Box::new(value))
            }
            _ => return Err(mismatch()),
        };
        Ok(TypeName { kind, span })
    }

    fn named_type(&mut self, node: Node<'t>) -> Result<TypeKind> {
        let mut inner = parts(node);
        let word = inner.next().ok_or_else(mismatch)?;
        let name = self.written(&word).to_ascii_uppercase();
        let args = inner.map(|number| {
            let written = self.written(&number).trim_end();
            written.parse().map_err(|_| {
                let message = format!("`{written}` is not a length, precision or scale");
                Error::input("TM0402", message, self.span(&number))
            })
        });
        Ok(TypeKind::Named {
            name,
            args: args.collect::<Result<_>>()?,
        })
    }
}

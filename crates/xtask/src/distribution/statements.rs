//! Reads the SQL statements of the service from the macros of sqlx.

use std::{fs, io};

use syn::{
    Expr, ExprLit, ItemFn, Lit, Macro, Token,
    parse::Parser,
    punctuated::Punctuated,
    visit::{self, Visit},
};

use crate::{macro_arguments::visit_arguments, modules::ModuleTree};

/// The module with all SQL statements.
const STORAGE: &str = "storage";

/// A statement, with the path of its function below `storage`.
pub(super) struct Source {
    pub(super) function: String,
    pub(super) text: String,
}

/// Every statement of the service, by file and in order.
///
/// # Errors
/// When the file of a `query_file!` cannot be read.
pub(super) fn read(tree: &ModuleTree) -> io::Result<Vec<Source>> {
    let mut visitor = Queries::default();
    for (path, module) in tree.iter().filter(|(path, _)| path.first().is_some_and(|a| a == STORAGE))
    {
        visitor.module = path.iter().skip(1).map(|name| format!("{name}::")).collect();
        for item in &module.items {
            visitor.visit_item(item);
        }
    }
    visitor.error.map_or(Ok(visitor.found), Err)
}

#[derive(Default)]
struct Queries {
    module: String,
    function: String,
    found: Vec<Source>,
    error: Option<io::Error>,
}

impl Queries {
    fn statement(&mut self, call: &Macro) {
        let Some(name) = call.path.segments.last().map(|last| last.ident.to_string()) else {
            return;
        };
        let Some(text) = first_text(call) else { return };
        // A macro of the service passes the name of a file on.
        let is_file = name.starts_with("query_file") || text.ends_with(".sql");
        if !is_file && !name.starts_with("query") {
            return;
        }
        let text = if is_file {
            match fs::read_to_string(&text) {
                Ok(text) => text,
                Err(error) => {
                    self.error = Some(io::Error::other(format!("{text}: {error}")));
                    return;
                }
            }
        } else {
            text
        };
        let function = format!("{}{}", self.module, self.function);
        self.found.push(Source { function, text });
    }
}

impl<'ast> Visit<'ast> for Queries {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.function = function.sig.ident.to_string();
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.function = function.sig.ident.to_string();
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.statement(call);
        visit_arguments(self, call);
    }
}

/// The first argument of a call that is a text.
fn first_text(call: &Macro) -> Option<String> {
    let arguments = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(call.tokens.clone());
    arguments.ok()?.into_iter().find_map(|argument| match argument {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    })
}

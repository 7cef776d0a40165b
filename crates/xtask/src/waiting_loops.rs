//! Finds loops of tests that wait for a condition up to a limit, and continue when it is reached.
//!
//! The test then asserts more than the loop waited for, and on a busy machine it fails without saying
//! why.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use syn::{
    BinOp, Block, Expr, Ident, Macro,
    visit::{self, Visit},
};

use crate::macro_arguments::visit_arguments;

/// One message for each such loop in the Rust files below a folder; none without the folder.
///
/// # Errors
/// When a file cannot be read or is not Rust.
pub(crate) fn with_a_limit(folder: &Path) -> io::Result<Vec<String>> {
    let mut problems = Vec::new();
    for file in rust_files(folder)? {
        let text = fs::read_to_string(&file)?;
        // Parsing all tests takes seconds, and most of them do not sleep.
        if !text.contains("sleep(") {
            continue;
        }
        let parsed = syn::parse_file(&text)
            .map_err(|error| io::Error::other(format!("{}: {error}", file.display())))?;
        let mut loops = Loops { function: String::new(), found: Vec::new() };
        loops.visit_file(&parsed);
        problems.extend(loops.found.into_iter().map(|function| {
            format!(
                "{}: a loop of {function} sleeps, and may end without its condition: wait for \
                 exactly what you assert, with assert_becomes, wait_for or wait_until of \
                 tests/api/support/waiting.rs",
                file.display()
            )
        }));
    }
    Ok(problems)
}

/// The Rust files below a folder, in the order of their paths.
fn rust_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders: Vec<_> = folder.exists().then(|| folder.to_owned()).into_iter().collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            } else if path.is_dir() && !path.ends_with("node_modules") {
                folders.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Collects the functions of such loops.
struct Loops {
    function: String,
    found: Vec<String>,
}

impl Loops {
    /// `is_limited`: the condition of the loop has a limit.
    fn check(&mut self, body: &Block, is_limited: bool) {
        let mut content = Body::default();
        content.visit_block(body);
        if content.sleeps && (content.breaks || is_limited) {
            self.found.push(self.function.clone());
        }
    }
}

impl<'ast> Visit<'ast> for Loops {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.function = function.sig.ident.to_string();
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.function = function.sig.ident.to_string();
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_expr_for_loop(&mut self, found: &'ast syn::ExprForLoop) {
        self.check(&found.body, false);
        visit::visit_expr_for_loop(self, found);
    }

    fn visit_expr_loop(&mut self, found: &'ast syn::ExprLoop) {
        self.check(&found.body, false);
        visit::visit_expr_loop(self, found);
    }

    fn visit_expr_while(&mut self, found: &'ast syn::ExprWhile) {
        self.check(&found.body, has_limit(&found.cond));
        visit::visit_expr_while(self, found);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        visit_arguments(self, call);
    }
}

/// What the body of a loop contains.
#[derive(Default)]
struct Body {
    sleeps: bool,
    breaks: bool,
    /// The number of loops around the current expression, within the body.
    depth: usize,
}

impl<'ast> Visit<'ast> for Body {
    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        self.sleeps |= path.path.segments.last().is_some_and(|name| name.ident == "sleep");
    }

    fn visit_expr_break(&mut self, found: &'ast syn::ExprBreak) {
        // A loop with a value ends only when it has the value.
        let has_value = found.expr.is_some();
        self.breaks |= !has_value && (self.depth == 0 || found.label.is_some());
        visit::visit_expr_break(self, found);
    }

    fn visit_expr_for_loop(&mut self, inner: &'ast syn::ExprForLoop) {
        self.depth += 1;
        visit::visit_expr_for_loop(self, inner);
        self.depth -= 1;
    }

    fn visit_expr_loop(&mut self, inner: &'ast syn::ExprLoop) {
        self.depth += 1;
        visit::visit_expr_loop(self, inner);
        self.depth -= 1;
    }

    fn visit_expr_while(&mut self, inner: &'ast syn::ExprWhile) {
        self.depth += 1;
        visit::visit_expr_while(self, inner);
        self.depth -= 1;
    }

    /// A closure and an asynchronous block may run elsewhere.
    fn visit_expr_closure(&mut self, _: &'ast syn::ExprClosure) {}

    fn visit_expr_async(&mut self, _: &'ast syn::ExprAsync) {}

    fn visit_macro(&mut self, call: &'ast Macro) {
        visit_arguments(self, call);
    }
}

/// True for a condition that is true until a limit, and also names what the loop waits for.
fn has_limit(condition: &Expr) -> bool {
    let operands = operands(condition);
    let limits = operands.iter().filter(|operand| is_about_time(operand)).count();
    limits > 0 && limits < operands.len()
}

/// The operands of `&&`.
fn operands(condition: &Expr) -> Vec<&Expr> {
    match condition {
        Expr::Binary(binary) if matches!(binary.op, BinOp::And(_)) => {
            [operands(&binary.left), operands(&binary.right)].concat()
        }
        Expr::Paren(inner) => operands(&inner.expr),
        _ => vec![condition],
    }
}

fn is_about_time(expression: &Expr) -> bool {
    struct Names(bool);
    impl<'ast> Visit<'ast> for Names {
        fn visit_ident(&mut self, name: &'ast Ident) {
            self.0 |= ["elapsed", "now"].iter().any(|time| name == time);
        }
    }
    let mut names = Names(false);
    names.visit_expr(expression);
    names.0
}

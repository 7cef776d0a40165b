//! Finds fields of log events that are not in the table of log fields.
//!
//! The log would write them as labels, which only fields of libraries are.

use std::collections::BTreeSet;

use syn::{
    Expr, ExprLit, Ident, Lit, LitStr, Macro, Token, braced,
    ext::IdentExt,
    parse::{ParseStream, Parser},
    token,
    visit::{self, Visit},
};

use crate::{
    macro_arguments::{skip, visit_arguments},
    modules::ModuleTree,
};

/// The module of the table, whose macro `fields!` has the names in the code before `=>`.
const TABLE: [&str; 2] = ["telemetry", "log_fields"];

/// The macros that write events and spans to the log, without their paths.
const LOGGING: &[&str] = &[
    "alarm",
    "anchor",
    "debug",
    "debug_span",
    "error",
    "error_span",
    "info",
    "info_span",
    "trace",
    "trace_span",
    "ticket_alarm",
    "warn",
    "warn_span",
];

/// The target of events that become spans of traces; the log does not have them.
const TRACES: &str = "TRACES";

/// One message for each file and field that is not in the table.
pub(crate) fn not_in_table(tree: &ModuleTree) -> Vec<String> {
    let table = table(tree);
    let mut problems = Vec::new();
    for module in tree.values() {
        let mut events = Events { fields: BTreeSet::new(), unreadable: Vec::new() };
        for item in &module.items {
            events.visit_item(item);
        }
        let file = module.file.display().to_string();
        problems.extend(events.fields.difference(&table).map(|name| {
            format!(
                "{file} logs the field `{name}`, which is not in the table of \
                 src/telemetry/log_fields.rs"
            )
        }));
        problems.extend(events.unreadable.iter().map(|error| format!("{file}: {error}")));
    }
    problems
}

/// The names in the code of the fields in the table.
fn table(tree: &ModuleTree) -> BTreeSet<String> {
    let mut table = Table { names: BTreeSet::new() };
    let module = tree.get(&TABLE.map(str::to_owned)[..]);
    for item in module.into_iter().flat_map(|module| &module.items) {
        table.visit_item(item);
    }
    table.names
}

/// Collects the names of the table.
struct Table {
    names: BTreeSet<String>,
}

impl<'ast> Visit<'ast> for Table {
    fn visit_macro(&mut self, call: &'ast Macro) {
        if call.path.is_ident("fields") {
            self.names.extend(rows.parse2(call.tokens.clone()).unwrap_or_default());
        }
    }
}

/// The first texts of rows that end with semicolons.
fn rows(input: ParseStream<'_>) -> syn::Result<Vec<String>> {
    let mut names = Vec::new();
    while !input.is_empty() {
        names.push(input.parse::<LitStr>()?.value());
        while input.parse::<Option<Token![;]>>()?.is_none() {
            skip(input)?;
        }
    }
    Ok(names)
}

/// Collects the fields of events and spans.
struct Events {
    fields: BTreeSet<String>,
    unreadable: Vec<String>,
}

impl Events {
    /// Reads a call of a macro, and those in its arguments.
    fn read(&mut self, call: &Macro) {
        let Some(segment) = call.path.segments.last() else { return };
        let (name, tokens) = (segment.ident.to_string(), call.tokens.clone());
        if LOGGING.contains(&name.as_str()) {
            let is_span = name.ends_with("_span");
            let arguments = |input: ParseStream<'_>| fields(input, is_span);
            match arguments.parse2(tokens) {
                Ok(fields) => self.fields.extend(fields),
                Err(error) => self.unreadable.push(format!("cannot read {name}!: {error}")),
            }
        } else if name != "macro_rules" {
            visit_arguments(self, call);
        }
    }
}

impl<'ast> Visit<'ast> for Events {
    fn visit_macro(&mut self, call: &'ast Macro) {
        self.read(call);
    }

    /// `Span::record` sets a field later.
    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "record"
            && let Some(Expr::Lit(ExprLit { lit: Lit::Str(name), .. })) = call.args.first()
        {
            self.fields.insert(name.value());
        }
        visit::visit_expr_method_call(self, call);
    }
}

/// The names of the fields of an event or a span.
fn fields(input: ParseStream<'_>, is_span: bool) -> syn::Result<Vec<String>> {
    let mut names = Vec::new();
    while !input.is_empty() {
        if input.peek(token::Brace) {
            let content;
            braced!(content in input);
            names.extend(fields(&content, is_span)?);
        } else if input.peek2(Token![:]) && !input.peek2(Token![::]) {
            // Such as `target: REQUESTS`.
            input.call(Ident::parse_any)?;
            input.parse::<Token![:]>()?;
            if is_traces(&input.parse()?) {
                skip_all(input)?;
                return Ok(Vec::new());
            }
        } else if input.peek(LitStr) && !input.peek2(Token![=]) {
            // The name of a span precedes its fields, and the text of an event ends them.
            skip(input)?;
            if !is_span {
                skip_all(input)?;
            }
        } else {
            names.push(field(input)?);
        }
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(names)
}

/// The name of a field, such as `user.id = %id`, `?state` or `error`.
fn field(input: ParseStream<'_>) -> syn::Result<String> {
    skip_sigil(input)?;
    let name = if input.peek(LitStr) { input.parse::<LitStr>()?.value() } else { dotted(input)? };
    if input.parse::<Option<Token![=]>>()?.is_some() {
        skip_sigil(input)?;
        input.parse::<Expr>()?;
    }
    Ok(name)
}

/// Skips `%` or `?`, which choose the form of a value.
fn skip_sigil(input: ParseStream<'_>) -> syn::Result<()> {
    if input.peek(Token![%]) || input.peek(Token![?]) { skip(input) } else { Ok(()) }
}

/// Identifiers with dots between them, without `r#`.
fn dotted(input: ParseStream<'_>) -> syn::Result<String> {
    let mut name = input.call(Ident::parse_any)?.unraw().to_string();
    while input.parse::<Option<Token![.]>>()?.is_some() {
        name.push('.');
        name.push_str(&input.call(Ident::parse_any)?.unraw().to_string());
    }
    Ok(name)
}

fn is_traces(target: &Expr) -> bool {
    matches!(
        target,
        Expr::Path(path) if path.path.segments.last().is_some_and(|name| name.ident == TRACES)
    )
}

/// Skips all tokens.
fn skip_all(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() {
        skip(input)?;
    }
    Ok(())
}

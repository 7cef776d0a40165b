//! Checks that every statement of a request runs on one shard of a distributed PostgreSQL
//! (docs/explanation/scaling.md).

mod exceptions;
mod forms;
mod shards;
mod statements;
mod tables;

use std::{collections::BTreeSet, io};

use sqlparser::{ast::Statement, dialect::PostgreSqlDialect, parser::Parser};

use self::{
    exceptions::{Reason, exception},
    forms::Forms,
    shards::{is_on_one_shard, local_table, table_uses},
    statements::Source,
    tables::TABLES,
};
use crate::{
    macro_arguments::visit_arguments,
    modules::{Module, ModuleTree},
};

pub(crate) use self::tables::definition;

/// One message for each statement that would not run on one shard, and for each outdated exception.
///
/// # Errors
/// When a file with SQL cannot be read.
pub(crate) fn across_shards(tree: &ModuleTree) -> io::Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut excused = BTreeSet::new();
    for source in statements::read(tree)? {
        let found = problems_of(&source);
        match exception(&source.function) {
            Some(_) if found.is_empty() => {}
            Some(reason) => {
                excused.insert(source.function.clone());
                let message = format!("{}: row locks across shards", source.function);
                let is_refused = |problem: &String| problem.starts_with(&message);
                problems.extend(
                    found
                        .into_iter()
                        .filter(|problem| reason == Reason::SeveralShards && is_refused(problem)),
                );
            }
            None => problems.extend(found),
        }
    }
    problems.extend(exceptions::outdated(tree, &excused));
    problems.extend(constraint_names(tree));
    Ok(problems)
}

/// One message for each pattern that reads the name of a violated constraint: a distributed database
/// reports the name of the shard's constraint.
fn constraint_names(tree: &ModuleTree) -> Vec<String> {
    struct Patterns(bool);
    impl<'ast> syn::visit::Visit<'ast> for Patterns {
        fn visit_pat_tuple_struct(&mut self, pattern: &'ast syn::PatTupleStruct) {
            let is_constraint =
                pattern.path.segments.last().is_some_and(|last| last.ident == "Constraint");
            let is_read = pattern.elems.iter().any(|inner| !matches!(inner, syn::Pat::Wild(_)));
            self.0 |= is_constraint && is_read;
            syn::visit::visit_pat_tuple_struct(self, pattern);
        }

        fn visit_macro(&mut self, call: &'ast syn::Macro) {
            visit_arguments(self, call);
        }
    }
    let reads_name = |module: &&Module| {
        let mut patterns = Patterns(false);
        module.items.iter().for_each(|item| syn::visit::Visit::visit_item(&mut patterns, item));
        patterns.0
    };
    let message = |module: &Module| {
        format!(
            "{} reads the name of a violated constraint; use ON CONFLICT DO NOTHING and the number \
             of rows",
            module.file.display()
        )
    };
    tree.values().filter(reads_name).map(message).collect()
}

fn problems_of(source: &Source) -> Vec<String> {
    let problem = |text: &str| format!("{}: {text}", source.function);
    let statement = match parse(&source.text) {
        Ok(Some(statement)) => statement,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![problem(&format!("cannot read the statement: {error}"))],
    };
    let uses = table_uses(&statement);
    let forms = Forms::of(&statement);
    let mut problems = Vec::new();
    if uses.is_empty() {
        return problems;
    }
    if !is_on_one_shard(&uses) {
        let tables: BTreeSet<_> = uses.iter().map(|used| used.table.as_str()).collect();
        let tables: Vec<_> = tables.into_iter().collect();
        if forms.locks_rows {
            problems.push(problem("row locks across shards; lock by the distribution column"));
        }
        problems.push(problem(&format!(
            "runs on several shards ({}); compare each distribution column with one parameter, or \
             give the reason in crates/xtask/src/distribution/exceptions.rs",
            tables.join(", ")
        )));
    }
    let rules = [
        (forms.has_empty_select, "empty select list; write SELECT 1"),
        (forms.adds_interval_in_upsert, "adds an interval in DO UPDATE SET; compute the moment"),
        (forms.assigns_slice, "assigns an array slice; wrap it in coalesce"),
        (forms.names_constraint, "names a constraint in ON CONFLICT; name the columns"),
        (forms.inserts_in_cte, "inserts in a CTE; use a statement of its own"),
        (forms.calls_volatile_in_cte, "calls a volatile function in a CTE; call it beforehand"),
    ];
    problems.extend(rules.into_iter().filter(|(is, _)| *is).map(|(_, text)| problem(text)));
    if let Some(table) = local_table(&statement) {
        problems.push(problem(&format!(
            "reads the local table {table} beside distributed tables; use a statement of its own"
        )));
    }
    if let Some(table) = forms.changed_reference {
        problems.push(problem(&format!(
            "changes the reference table {table} beside distributed tables; use a statement of its own"
        )));
    }
    problems
}

/// Parses a statement; `None` for one that names no table of the service.
fn parse(text: &str) -> Result<Option<Statement>, String> {
    // The parser knows only the two usual kinds of row locks.
    let text =
        text.replace("FOR NO KEY UPDATE", "FOR UPDATE").replace("FOR KEY SHARE", "FOR SHARE");
    let words = |letter: char| !letter.is_alphanumeric() && letter != '_';
    let has_table = text.split(words).any(|word| TABLES.iter().any(|(table, _)| *table == word));
    match Parser::parse_sql(&PostgreSqlDialect {}, &text) {
        Ok(statements) => Ok(statements.into_iter().next()),
        Err(_) if !has_table || text.contains("DO $$") => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

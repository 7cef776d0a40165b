//! Finds forms of statements that a distributed PostgreSQL refuses, or runs without the intended effect.

use std::ops::ControlFlow;

use sqlparser::ast::{
    AccessExpr, Assignment, BinaryOperator, DataType, Expr, Insert, OnConflictAction, OnInsert,
    Query, Select, SetExpr, Statement, Subscript, TableObject, Visit, Visitor,
};

use super::tables::{Placement, placement};

/// What a statement contains.
#[derive(Default)]
pub(super) struct Forms {
    /// `SELECT FROM`: refused in a CTE.
    pub(super) has_empty_select: bool,
    /// A moment and an interval are added in `DO UPDATE SET`, which is not immutable.
    pub(super) adds_interval_in_upsert: bool,
    /// `SET column = (…)[1:16]`: ends the coordinator's process.
    pub(super) assigns_slice: bool,
    /// The name of a constraint in `ON CONFLICT`.
    pub(super) names_constraint: bool,
    /// Row locks.
    pub(super) locks_rows: bool,
    /// A CTE inserts rows into a distributed table: never sent to one shard.
    pub(super) inserts_in_cte: bool,
    /// A CTE calls a function that is volatile: refused.
    pub(super) calls_volatile_in_cte: bool,
    /// A reference table that is changed.
    pub(super) changed_reference: Option<String>,
}

impl Forms {
    pub(super) fn of(statement: &Statement) -> Self {
        let mut forms = Self::default();
        let _ = statement.visit(&mut forms);
        forms
    }

    fn assignments(&mut self, assignments: &[Assignment]) {
        self.assigns_slice |= assignments.iter().any(|assignment| is_slice(&assignment.value));
    }

    fn insert(&mut self, insert: &Insert) {
        let Some(OnInsert::OnConflict(conflict)) = &insert.on else { return };
        self.names_constraint |= matches!(
            conflict.conflict_target,
            Some(sqlparser::ast::ConflictTarget::OnConstraint(_))
        );
        if let OnConflictAction::DoUpdate(update) = &conflict.action {
            self.assignments(&update.assignments);
            let mut sums = IntervalSums(false);
            let _ = update.assignments.visit(&mut sums);
            self.adds_interval_in_upsert |= sums.0;
        }
    }

    fn change(&mut self, table: &str) {
        if placement(table) == Some(Placement::Reference) {
            self.changed_reference = Some(table.to_owned());
        }
    }
}

impl Visitor for Forms {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.has_empty_select |= select.projection.is_empty();
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.locks_rows |= !query.locks.is_empty();
        for part in query.with.iter().flat_map(|with| &with.cte_tables) {
            let mut calls = VolatileCalls(false);
            let _ = part.visit(&mut calls);
            self.calls_volatile_in_cte |= calls.0;
            if let SetExpr::Insert(Statement::Insert(insert)) = &*part.query.body {
                let placement = placement(&name_of(&insert.table));
                self.inserts_in_cte |= matches!(placement, Some(Placement::Distributed { .. }));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        match statement {
            Statement::Insert(insert) => {
                self.insert(insert);
                self.change(&name_of(&insert.table));
            }
            Statement::Update(update) => {
                self.assignments(&update.assignments);
                if let sqlparser::ast::TableFactor::Table { name, .. } = &update.table.relation {
                    self.change(&name.to_string());
                }
            }
            Statement::Delete(delete) => {
                let (sqlparser::ast::FromTable::WithFromKeyword(tables)
                | sqlparser::ast::FromTable::WithoutKeyword(tables)) = &delete.from;
                for table in tables {
                    if let sqlparser::ast::TableFactor::Table { name, .. } = &table.relation {
                        self.change(&name.to_string());
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn name_of(table: &TableObject) -> String {
    match table {
        TableObject::TableName(name) => name.to_string(),
        _ => String::new(),
    }
}

/// True for a slice of an array, and for one in parentheses or a cast.
fn is_slice(value: &Expr) -> bool {
    match value {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => is_slice(inner),
        Expr::CompoundFieldAccess { access_chain, .. } => access_chain
            .iter()
            .any(|access| matches!(access, AccessExpr::Subscript(Subscript::Slice { .. }))),
        _ => false,
    }
}

/// Functions of the service's statements that are volatile.
const VOLATILE: &[&str] =
    &["clock_timestamp", "gen_random_uuid", "nextval", "random", "set_config", "setval"];

/// Finds calls of volatile functions.
struct VolatileCalls(bool);

impl Visitor for VolatileCalls {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if let Expr::Function(call) = expression {
            let name = call.name.to_string().to_ascii_lowercase();
            self.0 |= VOLATILE.contains(&name.as_str());
        }
        ControlFlow::Continue(())
    }
}

/// Finds sums and differences with an interval.
struct IntervalSums(bool);

impl Visitor for IntervalSums {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if let Expr::BinaryOp { left, op: BinaryOperator::Plus | BinaryOperator::Minus, right } =
            expression
        {
            self.0 |= is_interval(left) || is_interval(right);
        }
        ControlFlow::Continue(())
    }
}

fn is_interval(value: &Expr) -> bool {
    match value {
        Expr::Interval(_) => true,
        Expr::Nested(inner) => is_interval(inner),
        Expr::Cast { data_type, .. } => matches!(data_type, DataType::Interval { .. }),
        Expr::TypedString(text) => matches!(text.data_type, DataType::Interval { .. }),
        Expr::Function(call) => call.name.to_string().eq_ignore_ascii_case("make_interval"),
        Expr::BinaryOp { left, op: BinaryOperator::Multiply, right } => {
            is_interval(left) || is_interval(right)
        }
        _ => false,
    }
}

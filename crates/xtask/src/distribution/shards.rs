//! Finds the shard that each table of a statement is read or written on.
//!
//! A table of a statement is on one shard when its distribution column is equal to a parameter. Columns
//! and parameters that a condition declares equal are in one set. Only conditions that hold for every
//! row count: parts of a WHERE or of the ON of an inner join that AND connects, and the ON of an outer
//! join for the table that it joins.

use std::{collections::BTreeSet, ops::ControlFlow};

use sqlparser::ast::{
    BinaryOperator, Delete, Expr, FromTable, Insert, Join, JoinConstraint, JoinOperator, Query,
    Select, SelectItem, SetExpr, Statement, TableFactor, TableObject, TableWithJoins, Update,
    UpdateTableFromKind, Value, Visitor,
};

use super::tables::{Group, Placement, placement};

/// A distributed table in a statement, with the parameters that its distribution column is equal to.
#[derive(Debug)]
pub(super) struct TableUse {
    pub(super) table: String,
    pub(super) group: Group,
    pub(super) parameters: BTreeSet<String>,
}

/// The distributed tables of a statement, with one entry for each mention.
pub(super) fn table_uses(statement: &Statement) -> Vec<TableUse> {
    let mut visitor = Scopes::default();
    let _ = sqlparser::ast::Visit::visit(statement, &mut visitor);
    let Scopes { equal, uses, .. } = visitor;
    uses.into_iter()
        .map(|(table, group, node)| TableUse {
            table,
            group,
            parameters: equal
                .iter()
                .filter(|set| set.contains(&node))
                .flatten()
                .filter(|name| name.starts_with('$'))
                .cloned()
                .collect(),
        })
        .collect()
}

/// A table of a statement that is only on the server to which the service connects.
pub(super) fn local_table(statement: &Statement) -> Option<String> {
    let found = sqlparser::ast::visit_relations(statement, |name| {
        let name = name.to_string();
        if placement(&name) == Some(Placement::Local) {
            ControlFlow::Break(name)
        } else {
            ControlFlow::Continue(())
        }
    });
    found.break_value()
}

/// True when all tables of a statement are on the shard of one parameter.
pub(super) fn is_on_one_shard(uses: &[TableUse]) -> bool {
    let Some(first) = uses.first() else { return true };
    let is_together =
        first.group == Group::User || uses.iter().all(|used| used.table == first.table);
    let is_at = |parameter: &String| uses.iter().all(|used| used.parameters.contains(parameter));
    is_together
        && uses.iter().all(|used| used.group == first.group)
        && first.parameters.iter().any(is_at)
}

/// The names that a query can use: each with its table, and its number in the statement.
#[derive(Clone, Default)]
struct Scope {
    names: Vec<(String, Option<String>, usize)>,
}

#[derive(Default)]
struct Scopes {
    /// The queries around the current place, from the outermost one.
    stack: Vec<Scope>,
    /// Sets of equal columns and parameters.
    equal: Vec<BTreeSet<String>>,
    /// Table, group, and node of the distribution column.
    uses: Vec<(String, Group, String)>,
    count: usize,
}

impl Scopes {
    /// Adds a table under a name, unless it is a function or the result of another part.
    fn name(&mut self, scope: &mut Scope, table: Option<&str>, name: &str) {
        self.count += 1;
        let number = self.count;
        if let Some(table) = table
            && let Some(Placement::Distributed { column, group }) = placement(table)
        {
            self.uses.push((table.to_owned(), group, node(number, column)));
        }
        scope.names.push((name.to_owned(), table.map(str::to_owned), number));
    }

    fn factor(&mut self, scope: &mut Scope, factor: &TableFactor) {
        match factor {
            TableFactor::Table { name, alias, args, .. } => {
                let table = name.to_string();
                let known = alias.as_ref().map_or(table.as_str(), |alias| &alias.name.value);
                self.name(scope, args.is_none().then_some(table.as_str()), known);
            }
            TableFactor::Derived { alias: Some(alias), .. } => {
                self.name(scope, None, &alias.name.value);
            }
            TableFactor::NestedJoin { table_with_joins, .. } => {
                self.tables(scope, std::slice::from_ref(table_with_joins));
            }
            _ => {}
        }
    }

    fn tables(&mut self, scope: &mut Scope, tables: &[TableWithJoins]) {
        for table in tables {
            self.factor(scope, &table.relation);
            for Join { relation, join_operator, .. } in &table.joins {
                let before = scope.names.len();
                self.factor(scope, relation);
                self.join(scope, join_operator, before);
            }
        }
    }

    /// `before`: the number of names on the left side of the join.
    fn join(&mut self, scope: &Scope, operator: &JoinOperator, before: usize) {
        let (constraint, is_outer) = match operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::CrossJoin(constraint) => (constraint, false),
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                (constraint, true)
            }
            _ => return,
        };
        match constraint {
            JoinConstraint::On(condition) => {
                let right = Scope { names: scope.names[before..].to_vec() };
                for (left, other) in equalities(condition) {
                    let is_right = [left, other].iter().any(|side| {
                        self.resolve(std::slice::from_ref(&right), side)
                            .is_some_and(|node| !node.starts_with('$'))
                    });
                    if !is_outer || is_right {
                        self.declare_equal(scope, left, other);
                    }
                }
            }
            JoinConstraint::Using(columns) => {
                for column in columns {
                    let column = column.to_string();
                    let nodes = scope.names.iter().map(|(_, _, number)| node(*number, &column));
                    self.unite(nodes.collect());
                }
            }
            JoinConstraint::UsingAlias(..) | JoinConstraint::Natural | JoinConstraint::None => {}
        }
    }

    fn condition(&mut self, scope: &Scope, condition: Option<&Expr>) {
        for (left, right) in condition.map(equalities).unwrap_or_default() {
            self.declare_equal(scope, left, right);
        }
    }

    fn declare_equal(&mut self, scope: &Scope, left: &Expr, right: &Expr) {
        let scopes = [self.stack.as_slice(), std::slice::from_ref(scope)].concat();
        let nodes = (self.resolve(&scopes, left), self.resolve(&scopes, right));
        if let (Some(left), Some(right)) = nodes {
            self.unite([left, right].into());
        }
    }

    fn unite(&mut self, nodes: BTreeSet<String>) {
        let (joined, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.equal).into_iter().partition(|set| !set.is_disjoint(&nodes));
        self.equal = rest;
        self.equal.push(joined.into_iter().flatten().chain(nodes).collect());
    }

    /// The node of a column or parameter; `None` for another expression.
    fn resolve(&self, scopes: &[Scope], expression: &Expr) -> Option<String> {
        match expression {
            Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => self.resolve(scopes, inner),
            Expr::Value(value) => match &value.value {
                Value::Placeholder(name) => Some(name.clone()),
                _ => None,
            },
            Expr::Identifier(column) => scopes.iter().rev().find_map(|scope| {
                let has_column = |table: &Option<String>| {
                    matches!(
                        table.as_deref().and_then(placement),
                        Some(Placement::Distributed { column: own, .. }) if own == column.value
                    )
                };
                let found = scope.names.iter().find(|(_, table, _)| has_column(table));
                found.map(|(_, _, number)| node(*number, &column.value))
            }),
            Expr::CompoundIdentifier(parts) => {
                let [name, column] = parts.as_slice() else { return None };
                let is_named = |(own, _, _): &&(String, Option<String>, usize)| *own == name.value;
                let found = scopes.iter().rev().find_map(|scope| scope.names.iter().find(is_named));
                found.map(|(_, _, number)| node(*number, &column.value))
            }
            _ => None,
        }
    }

    fn select(&mut self, select: &Select) -> Scope {
        let mut scope = Scope::default();
        self.tables(&mut scope, &select.from);
        self.condition(&scope, select.selection.as_ref());
        scope
    }

    fn body(&mut self, body: &SetExpr, scope: &mut Scope) {
        match body {
            SetExpr::Select(select) => scope.names.extend(self.select(select).names),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left, scope);
                self.body(right, scope);
            }
            _ => {}
        }
    }

    fn insert(&mut self, insert: &Insert) -> Scope {
        let mut scope = Scope::default();
        let TableObject::TableName(table) = &insert.table else { return scope };
        let table = table.to_string();
        let known = insert.table_alias.as_ref().map_or(table.clone(), |a| a.alias.value.clone());
        self.name(&mut scope, Some(&table), &known);
        let Some(Placement::Distributed { column, .. }) = placement(&table) else { return scope };
        let position = insert.columns.iter().position(|name| name.to_string() == column);
        for value in position.map(|position| values_at(insert, position)).unwrap_or_default() {
            if let Some(value) = self.resolve(&[], value) {
                self.unite([node(self.count, column), value].into());
            }
        }
        scope
    }

    fn update(&mut self, update: &Update) -> Scope {
        let mut scope = Scope::default();
        self.tables(&mut scope, std::slice::from_ref(&update.table));
        if let Some(
            UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables),
        ) = &update.from
        {
            self.tables(&mut scope, tables);
        }
        self.condition(&scope, update.selection.as_ref());
        scope
    }

    fn delete(&mut self, delete: &Delete) -> Scope {
        let mut scope = Scope::default();
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
        self.tables(&mut scope, tables);
        self.tables(&mut scope, delete.using.as_deref().unwrap_or_default());
        self.condition(&scope, delete.selection.as_ref());
        scope
    }
}

impl Visitor for Scopes {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let mut scope = Scope::default();
        self.body(&query.body, &mut scope);
        self.stack.push(scope);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.stack.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        let scope = match statement {
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            _ => Scope::default(),
        };
        self.stack.push(scope);
        ControlFlow::Continue(())
    }

    fn post_visit_statement(&mut self, _: &Statement) -> ControlFlow<()> {
        self.stack.pop();
        ControlFlow::Continue(())
    }
}

fn node(number: usize, column: &str) -> String {
    format!("{number}.{column}")
}

/// The two sides of each equality that a condition requires.
fn equalities(condition: &Expr) -> Vec<(&Expr, &Expr)> {
    match condition {
        Expr::Nested(inner) => equalities(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            [equalities(left), equalities(right)].concat()
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => vec![(left, right)],
        _ => Vec::new(),
    }
}

/// The values that an INSERT gives to the column at a position; none when they are not all the same.
fn values_at(insert: &Insert, position: usize) -> Vec<&Expr> {
    let values: Vec<_> = match insert.source.as_deref().map(|source| &*source.body) {
        Some(SetExpr::Values(values)) => {
            values.rows.iter().filter_map(|row| row.content.get(position)).collect()
        }
        Some(SetExpr::Select(select)) => match select.projection.get(position) {
            Some(
                SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. },
            ) => {
                vec![value]
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    let is_same = values.windows(2).all(|pair| matches!(pair, [a, b] if a == b));
    if is_same { values } else { Vec::new() }
}

//! The service from outside: the real application or the real binary, on a real PostgreSQL.

mod agents;
mod audit;
mod authentication;
mod commands;
mod concurrency;
mod constraints;
mod deployment;
mod health;
mod limits;
mod logs;
mod routes;
mod sealing;
mod support;
mod tickets;
mod tokens;

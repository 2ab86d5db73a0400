//! One binary for all tests that need more than one crate, so that each server starts once per run.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod application;
mod asks;
mod audit;
mod bad_input;
mod balancer;
mod cancel;
mod check;
mod classic;
mod cli;
mod client_servers;
mod club;
mod constraints;
mod crash;
mod demo;
mod exact_views;
mod examples;
mod expressions;
mod fold;
mod install_mariadb;
mod journal_mariadb;
mod journal_postgres;
mod journal_servers;
mod large_transaction;
mod law;
mod ledger_mariadb;
mod ledger_postgres;
mod ledger_servers;
mod main_job;
mod mapping;
mod notices;
mod operating;
mod process;
mod proxy;
mod rehearse;
mod reshape;
mod schema_views;
mod servers;
mod shop;
mod site_add;
mod sql_mariadb;
mod structure;
mod tidy;
mod type_matrix;
mod upgrade;

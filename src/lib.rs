//! Ocelot: a declarative build-graph engine.

pub mod action;
pub mod base;
pub mod ci;
pub mod cli;
pub mod engine;
pub mod event;
pub mod exec;
pub mod graph;
pub mod init;
pub mod layer;
pub mod outside;
pub mod project;
pub mod report;
pub mod sched;
pub mod spec;
pub mod store;

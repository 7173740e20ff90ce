//! Ocelot: a declarative build-graph engine.

pub mod action;
pub mod base;
pub mod engine;
pub mod event;
pub mod exec;
pub mod graph;
pub mod outside;
pub mod sched;
pub mod spec;
pub mod store;

//! Adapters by description, from the outside: what descriptions say is what is read, answered and sent.

mod answers;
#[path = "../../../fuzz/checks/described/mod.rs"]
mod checks;
mod commands;
#[allow(dead_code)]
mod device;
mod edges;
mod fields;
mod framings;
mod gbt32960;
mod nesting;
mod random;

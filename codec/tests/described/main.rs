//! Adapters by description, from the outside: what descriptions say is what is read, answered and sent.

#[allow(dead_code)]
mod device;
mod gbt32960;

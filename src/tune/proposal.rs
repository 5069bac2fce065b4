//! The part of a configuration that fits this host: which CPUs, how many shards, and what to try for latency.

use super::cpu::{allowance, second_threads, whole};
use super::{Host, Plan};
use crate::cores;
use std::fmt::Write;

/// TOML, with comments that say why.
pub fn text(host: &Host, plan: &Plan) -> String {
    let mut cpus = plan.allowed.clone();
    let mut text = String::from("[node]\n");
    let seconds = second_threads(host, &cpus).unwrap_or_default();
    if !seconds.is_empty() {
        cpus.retain(|cpu| !seconds.contains(cpu));
        let _ = writeln!(
            text,
            "# One shard a physical core; CPUs {} are their second threads.",
            cores::write(&seconds)
        );
    }
    if let Some(Some(quota)) = allowance(host)
        && whole(quota) < cpus.len()
    {
        cpus.truncate(whole(quota));
        let _ = writeln!(text, "# The control group has {quota:.1} CPUs.");
    }
    let _ = writeln!(
        text,
        "cores = \"{}\"\nshards = {}",
        cores::write(&cpus),
        cpus.len()
    );
    let _ = write!(
        text,
        "\n[shard]\n\
         # Each spins so long before it sleeps; \"50us\" where latency counts more than CPU (see `hits` in --stats).\n\
         spin = {}\n\
         # More of them when --stats shows `dry` although all are given.\n\
         buffers = {}\n",
        match plan.core.spin_us {
            0 => "0".to_owned(),
            spin_us => format!("\"{spin_us}us\""),
        },
        plan.core.buffers
    );
    text
}

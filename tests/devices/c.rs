//! The C client's own tests, with sanitizers, and the compilers that its makers may have.

use crate::broker::pasted::has;
use crate::console::{c_build, make};
use crate::root;
use std::process::Command;

#[test]
fn the_scripted_and_random_tests_pass_with_sanitizers() {
    if !has(&["cc", "make"]) {
        return;
    }
    let text = make(&["test"]);
    let checks = text
        .split_once("ok, ")
        .and_then(|(_, rest)| rest.split_once(" checks"))
        .and_then(|(count, _)| count.parse::<u64>().ok());
    assert!(checks.is_some_and(|checks| checks > 1_000_000), "{text}");
}

/// Cortex-M0, RISC-V, MSP430 and AVR: the last two with an int of 16 bits.
#[test]
fn it_compiles_for_small_machines_without_a_warning() {
    if has(&["clang", "make"]) {
        make(&["targets"]);
        assert!(c_build().join("avr.o").exists() && c_build().join("msp430.o").exists());
    }
}

#[test]
fn it_compiles_for_32_bits() {
    if !has(&["cc"]) {
        return;
    }
    let warnings = [
        "-std=c99",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
        "-Wconversion",
    ];
    let mut command = Command::new("cc");
    command
        .args(["-m32", "-ffreestanding", "-fsyntax-only"])
        .args(warnings);
    let output = command.arg(root().join("devices/c/ringwire_device.c")).output();
    let output = output.expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

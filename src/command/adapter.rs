//! Flags of `ringwire adapter`: which protocol, which bytes, which files of vectors.

use super::Options;
use clap::{Args, Subcommand};
use std::path::PathBuf;

pub const ABOUT: &str = "\
NAME is a protocol that is built in, shipped, or in a table [adapter.NAME] of the configuration; FILE is a description.
  ringwire adapter list
  ringwire adapter decode gt06 78 78 0d 01 01 23 45 67 89 01 23 45 00 01 8c dd 0d 0a
  ringwire adapter decode tracker.toml --text '#L#353451044508750;secret\\r\\n'
  ringwire adapter test tracker.toml

`test` runs the vectors that stand beside a description: of tracker.toml those in tracker.vectors.toml. Vectors may also be for
what is built in, as adapters/jt808.vectors.toml. See docs/adapters.md.

Exit codes: 0 as expected; 1 bytes that cannot be read, or a vector that does not hold; 2 a mistake in a file or on the
command line.";

/// `ringwire adapter`.
#[derive(Debug, Subcommand)]
pub enum Adapter {
    /// Prints the protocols that are known: built in, shipped, and configured
    List(Options),
    /// Shows step by step how a protocol reads bytes
    Decode(Decode),
    /// Prints every key of a description, as Markdown
    Keys,
    /// Runs vectors: bytes in, events and bytes out as expected
    Test(Test),
}

/// `ringwire adapter decode`.
#[derive(Args, Debug)]
pub struct Decode {
    /// A protocol's name, or the file of its description
    #[arg(value_name = "NAME|FILE")]
    pub what: String,
    /// Bytes of a device, in hex, with or without spaces
    #[arg(value_name = "HEX", required = true)]
    pub bytes: Vec<String>,
    /// The bytes are text, with \r, \n, \t, \xNN and \\
    #[arg(long)]
    pub text: bool,
    /// Also shows what becomes of this message for the device, once it is connected; repeatable
    #[arg(long, value_name = "PAYLOAD")]
    pub down: Vec<String>,
    #[command(flatten)]
    pub options: Options,
}

/// `ringwire adapter test`.
#[derive(Args, Debug)]
pub struct Test {
    /// Descriptions with vectors beside them, or files of vectors
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

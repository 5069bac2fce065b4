//! The blocks of `devices/README.md`, pasted against a broker.

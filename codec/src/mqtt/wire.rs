//! Primitives of the wire: integers, variable byte integers, strings, binary data (5.0 section 1.5).

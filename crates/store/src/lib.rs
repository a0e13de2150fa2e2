//! One durable SQLite writer, and the state of a workspace on it.

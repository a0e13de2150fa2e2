//! The local Molecule AI platform.

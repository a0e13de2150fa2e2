//! Wire types of the Molecule AI platform.

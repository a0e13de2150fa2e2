//! Runs an agent outside the Molecule AI platform as a first-class workspace.

//! What the platform and the host promise on the wire. The project was built from a table of conformance cases; a test that
//! proves one begins with its id: `p42_p44_...` proves P42 and P44 of the platform, `c13_...` proves C13 of the host. The cases
//! of the plugins, C34 to C40, are with these (`plugins::conformance`).

mod client;
mod clocks;
mod complete;
mod contract;
mod direct;
mod lifecycle;
mod messages;
mod platform;
mod platforms;
mod smaller;

//! A component of a contract that is newer than any host: it exports callbacks of 0.2.0, and calls what a host of
//! 0.2.0 would offer.

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package molecule:agent@0.2.0;

            interface foresight {
                foresee: func() -> string;
            }

            interface describe {
                describe: func() -> string;
            }

            world agent {
                import foresight;
                export describe;
            }
        ",
    });
}

struct Newer;

impl bindings::exports::molecule::agent::describe::Guest for Newer {
    fn describe() -> String {
        bindings::molecule::agent::foresight::foresee()
    }
}

bindings::export!(Newer with_types_in bindings);

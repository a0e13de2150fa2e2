//! A component of another world: it has no `describe`, so it is no agent.

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package example:greeter@1.0.0;

            interface greet {
                greet: func(name: string) -> string;
            }

            world greeter {
                export greet;
            }
        ",
    });
}

struct Greeter;

impl bindings::exports::example::greeter::greet::Guest for Greeter {
    fn greet(name: String) -> String {
        format!("Hello, {name}")
    }
}

bindings::export!(Greeter with_types_in bindings);

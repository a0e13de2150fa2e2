//! From an [`Agent`] to the exports of a component.

use std::rc::Rc;

use crate::bindings::exports::molecule::agent as exports;
use crate::{Agent, Card, Error, Message, Outcome, Start, StopReason};

/// Exports an agent: makes this crate a component that a host can run.
///
/// ```
/// use molecule_guest::{Agent, Card};
///
/// #[derive(Default)]
/// struct Quiet;
///
/// impl Agent for Quiet {
///     fn describe() -> Card {
///         Card::new("quiet")
///     }
/// }
///
/// molecule_guest::export!(Quiet);
/// # fn main() {}
/// ```
///
/// Stands once in a crate of type `cdylib`. Where the target is not WebAssembly it only checks that the type is an
/// [`Agent`](crate::Agent), so that the same crate can be tested natively.
#[macro_export]
macro_rules! export {
    ($agent:ty) => {
        const _: () = {
            struct Exported;

            ::std::thread_local! {
                static AGENT: ::std::rc::Rc<$agent> = ::std::default::Default::default();
            }

            impl $crate::__private::Exported for Exported {
                type Agent = $agent;

                fn agent() -> ::std::rc::Rc<$agent> {
                    AGENT.with(::std::rc::Rc::clone)
                }
            }

            #[cfg(target_family = "wasm")]
    $crate::__private::export_agent!(Exported with_types_in $crate::bindings);
            #[cfg(not(target_family = "wasm"))]
            $crate::__private::check::<Exported>();
        };
    };
}

/// Where the one agent of a component is. Implemented by [`export!`](crate::export!).
pub trait Exported: 'static {
    /// The agent's type.
    type Agent: Agent;

    /// The agent, made when it is first asked for.
    fn agent() -> Rc<Self::Agent>;
}

/// Stands in for the exports where there are none: whoever names the agent uses it, so that the compiler does not take
/// it for dead code.
#[cfg(not(target_family = "wasm"))]
pub const fn check<E: Exported>() {}

impl<E: Exported> exports::describe::Guest for E {
    fn describe() -> Card {
        E::Agent::describe()
    }
}

impl<E: Exported> exports::on_start::Guest for E {
    async fn on_start(start: Start) -> Result<(), Error> {
        E::agent().on_start(start).await.map_err(|error| Error::of_callback(&error))
    }
}

impl<E: Exported> exports::on_message::Guest for E {
    async fn on_message(message: Message) -> Result<Outcome, Error> {
        E::agent().on_message(message).await.map_err(|error| Error::of_callback(&error))
    }
}

impl<E: Exported> exports::on_tick::Guest for E {
    async fn on_tick() -> Result<(), Error> {
        E::agent().on_tick().await.map_err(|error| Error::of_callback(&error))
    }
}

impl<E: Exported> exports::on_pause::Guest for E {
    async fn on_pause() {
        E::agent().on_pause().await;
    }
}

impl<E: Exported> exports::on_resume::Guest for E {
    async fn on_resume() {
        E::agent().on_resume().await;
    }
}

impl<E: Exported> exports::on_stop::Guest for E {
    async fn on_stop(reason: StopReason) {
        E::agent().on_stop(reason).await;
    }
}

//! A purchase, and how far it has come: a list of those that are open, and the checkpoints of each.

use molecule_guest::{Error, memory};
use serde::{Deserialize, Serialize};

/// The value that lists the open purchases.
const OPEN: &str = "purchases";

/// Something that is to be bought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Purchase {
    /// That of the message that wants it.
    pub id: String,
    pub what: String,
    pub price: u32,
}

/// How far it has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    New,
    /// A person was asked.
    Asked {
        question: String,
    },
    /// It may be bought.
    Allowed,
}

impl Purchase {
    /// Opens a purchase, or the one that a message had opened when its handler died.
    pub async fn open(id: &str, what: &str, price: u32) -> Result<Self, Error> {
        let purchase = Self { id: id.to_owned(), what: what.to_owned(), price };
        memory::update(OPEN, |open: &mut Vec<Self>| {
            if !open.contains(&purchase) {
                open.push(purchase.clone());
            }
        })
        .await?;
        Ok(purchase)
    }

    /// Those that are open.
    pub async fn all() -> Result<Vec<Self>, Error> {
        Ok(memory::get_json(OPEN).await?.unwrap_or_default())
    }

    /// How far it has come.
    pub async fn state(&self) -> Result<State, Error> {
        memory::checkpoints(self.workflow()).await?.last().map_or(Ok(State::New), |latest| latest.parse())
    }

    /// Says how far it has come.
    pub async fn save(&self, state: &State) -> Result<(), Error> {
        let (step, index) = match state {
            State::New => ("new", 0),
            State::Asked { .. } => ("asked", 1),
            State::Allowed => ("allowed", 2),
        };
        memory::save_checkpoint(self.workflow(), step, index).json(state).await
    }

    /// Nothing more is to be done.
    pub async fn close(&self) -> Result<(), Error> {
        memory::update(OPEN, |open: &mut Vec<Self>| open.retain(|other| other.id != self.id)).await?;
        memory::clear_checkpoints(self.workflow()).await
    }

    fn workflow(&self) -> String {
        format!("purchase-{}", self.id)
    }
}

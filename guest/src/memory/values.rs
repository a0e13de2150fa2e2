//! Values by key.

use std::pin::Pin;
use std::time::Duration;

use crate::Error;
use crate::imports::memory as host;

/// The value of a key, if there is one.
///
/// # Errors
///
/// [`Error::Denied`] without `--allow-memory`, or the platform cannot be reached.
pub async fn get(key: impl Into<String>) -> Result<Option<Entry>, Error> {
    host::get(key.into()).await
}

/// Sets a value, given as the text of its JSON; gives its version.
///
/// It is set when this is awaited; before that it can be given [conditions](Set::if_version).
///
/// ```
/// # use molecule_guest::{Result, memory};
/// # async fn example() -> Result<()> {
/// let version = memory::set("mood", r#"{"good":true}"#).await?;
/// memory::set("mood", r#"{"good":false}"#).if_version(version).await?;
/// # Ok(())
/// # }
/// ```
pub fn set(key: impl Into<String>, json: impl Into<String>) -> Set {
    let options = host::SetOptions { ttl_seconds: None, if_version: None };
    Set { key: key.into(), value: Ok(json.into()), options }
}

/// A [value](set()) that has not been set yet. Awaiting it sets it.
///
/// # Errors
///
/// Awaiting fails with [`Error::Conflict`] where the value has another version than the one it is to replace,
/// [`Error::Invalid`] where the value is not JSON, [`Error::Denied`] without `--allow-memory`.
#[derive(Debug)]
#[must_use = "a value is set when this is awaited"]
pub struct Set {
    key: String,
    value: Result<String, Error>,
    options: host::SetOptions,
}

impl Set {
    /// How long it stays, in whole seconds, one at least; for ever where not said.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        let seconds = u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX);
        self.options.ttl_seconds = Some(seconds.max(1));
        self
    }

    /// Only over this [version](Entry::version).
    pub fn if_version(mut self, version: u32) -> Self {
        self.options.if_version = Some(version);
        self
    }

    /// Only where there is none.
    pub fn if_absent(self) -> Self {
        self.if_version(0)
    }
}

impl IntoFuture for Set {
    type Output = Result<u32, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { host::set(self.key, self.value?, self.options).await })
    }
}

/// Removes a value, if there is one.
///
/// # Errors
///
/// [`Error::Denied`] without `--allow-memory`, or the platform cannot be reached.
pub async fn delete(key: impl Into<String>) -> Result<(), Error> {
    host::delete(key.into()).await
}

/// All values.
///
/// # Errors
///
/// [`Error::Denied`] without `--allow-memory`, or the platform cannot be reached.
pub async fn list() -> Result<Vec<Entry>, Error> {
    host::list().await
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// The value, as the text of its JSON.
    pub value: String,
    /// Grows with every change.
    pub version: u32,
    /// When it goes, RFC 3339; never where absent.
    pub expires_at: Option<String>,
    /// When it was changed last, RFC 3339.
    pub updated_at: Option<String>,
}

#[cfg(feature = "json")]
mod json {
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::{Entry, Set, get, set};
    use crate::Error;

    /// How often [`update`] tries.
    const TRIES: u32 = 5;

    impl Entry {
        /// Reads the value.
        ///
        /// # Errors
        ///
        /// [`Error::Invalid`] where it is of another shape.
        pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
            serde_json::from_str(&self.value).map_err(|error| {
                Error::Invalid(format!("the value of {:?} is of another shape: {error}", self.key))
            })
        }
    }

    /// Sets a value of any type of serde; gives its version. As [`set`].
    ///
    /// ```
    /// # use molecule_guest::{Result, memory};
    /// # async fn example() -> Result<()> {
    /// memory::set_json("seen", &vec!["ada", "bob"]).await?;
    /// let seen: Option<Vec<String>> = memory::get_json("seen").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_json(key: impl Into<String>, value: &impl Serialize) -> Set {
        let json = serde_json::to_string(value)
            .map_err(|error| Error::Invalid(format!("the value cannot be written as JSON: {error}")));
        Set { value: json, ..set(key, "") }
    }

    /// The value of a key, if there is one.
    ///
    /// # Errors
    ///
    /// As [`get`] and [`Entry::parse`].
    pub async fn get_json<T: DeserializeOwned>(key: impl Into<String>) -> Result<Option<T>, Error> {
        get(key).await?.map(|entry| entry.parse()).transpose()
    }

    /// Changes a value: reads it (or takes its default), changes it, and sets it over the version that was read; again
    /// where somebody else was faster, 5 times at most. Gives the value as it was set.
    ///
    /// ```
    /// # use molecule_guest::{Result, memory};
    /// async fn count_a_visit() -> Result<u64> {
    ///     Ok(memory::update("visits", |visits: &mut u64| *visits += 1).await?)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`get_json`] and [`Set`], and [`Error::Conflict`] where somebody else was faster each time.
    pub async fn update<T: DeserializeOwned + Serialize + Default>(
        key: impl Into<String>,
        mut change: impl FnMut(&mut T),
    ) -> Result<T, Error> {
        let key = key.into();
        let mut tries = 1;
        loop {
            let entry = get(key.as_str()).await?;
            let version = entry.as_ref().map_or(0, |entry| entry.version);
            let mut value = entry.map(|entry| entry.parse::<T>()).transpose()?.unwrap_or_default();
            change(&mut value);
            match set_json(key.as_str(), &value).if_version(version).await {
                Ok(_) => return Ok(value),
                Err(Error::Conflict(_)) if tries < TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(feature = "json")]
pub use json::{get_json, set_json, update};

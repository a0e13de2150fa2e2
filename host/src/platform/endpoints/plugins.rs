//! Plugins, as the platform keeps them.

use std::fmt;

use http::header::CONTENT_LENGTH;
use molecule_protocol::plugins::{PluginInfo, PluginSources};
use url::Url;

use super::super::client::Client;
use super::super::error::{PlatformError, PlatformFault, one_line};
use super::super::request::Call;
use super::super::retry::Repeat;
use super::super::transport::BodyStream;

/// An archive on its way.
pub struct PluginDownload {
    /// Its bytes, as they come.
    pub body: BodyStream,
    /// Bytes that the platform says it has.
    pub length: Option<u64>,
    /// The source, as the platform understood it.
    pub source: Option<String>,
}

impl fmt::Debug for PluginDownload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginDownload")
            .field("length", &self.length)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// `GET /workspaces/:own/plugins/:name/download`: the archive of a plugin, of at most so many bytes. 330 s to the first
    /// of them, since the platform may have to fetch and pack it, and 60 s for each that follows; repeated twice.
    ///
    /// # Errors
    /// Before the first byte; what goes wrong later is an item of the body.
    pub async fn plugin(
        &self,
        name: &str,
        source: &str,
        bytes: usize,
    ) -> Result<PluginDownload, PlatformError> {
        let mut url = self.own(&["plugins", name, "download"]);
        // A source of the platform's own needs no word. A `#` becomes `%23`.
        if source.strip_prefix("local://") != Some(name) {
            url.query_pairs_mut().append_pair("source", source);
        }
        let call = Call::get(url).repeated(Repeat::Download).within(330).up_to(bytes).streamed();
        let mut answer = self.exchange(call).await?;
        let Some(body) = answer.rest.take() else { return Err(answer.refusal()) };
        let page = |it: &str| it.starts_with("text/html") || it.starts_with("application/json");
        if let Some(content) = answer.content_type().filter(|it| page(it)).map(one_line) {
            let status = answer.status.as_u16();
            return Err(answer.asked.failed(PlatformFault::NotAnArchive { status, content }));
        }
        let header = |name| answer.headers.get(name).and_then(|value| value.to_str().ok());
        Ok(PluginDownload {
            length: header(CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok()),
            source: header("x-plugin-source").map(str::to_owned),
            body,
        })
    }

    /// `GET /workspaces/:own/plugins/available`: what the platform itself keeps, each with a word on whether it is made for
    /// what the workspace runs on. From a platform that does not say, `GET /plugins`, without that word. 10 s; repeated.
    ///
    /// # Errors
    /// Whatever keeps the platform from answering.
    pub async fn available_plugins(&self) -> Result<Vec<PluginInfo>, PlatformError> {
        let list = async |url: Url| {
            let answer = self.exchange(Call::get(url)).await?;
            answer.read(|body| PluginInfo::read_list(body).ok_or_else(|| "not a list of plugins".to_owned()))
        };
        match list(self.own(&["plugins", "available"])).await {
            Err(PlatformError { fault: PlatformFault::RouteMissing, .. }) => {
                list(self.identity().platform.segments(["plugins"])).await
            }
            listed => listed,
        }
    }

    /// `GET /plugins/sources`: the schemes of the sources that the platform can fetch from. 10 s; repeated.
    ///
    /// # Errors
    /// Whatever keeps the platform from answering.
    pub async fn plugin_sources(&self) -> Result<Vec<String>, PlatformError> {
        let call = Call::get(self.identity().platform.segments(["plugins", "sources"]));
        Ok(self.exchange(call).await?.json::<PluginSources>()?.schemes)
    }

    /// `POST /workspaces/:own/plugins`: has the platform install a plugin into a container of its own, if it runs one; for
    /// whoever counts installs there. 330 s; once.
    ///
    /// # Errors
    /// Nearly always: of a workspace outside the platform there is no container.
    pub async fn report_plugin(&self, source: &str) -> Result<(), PlatformError> {
        let own = self.identity().workspace.to_string();
        let body = serde_json::json!({ "source": source });
        let call = self.post(&["workspaces", &own, "plugins"], Repeat::Once, &body)?.within(330);
        self.exchange(call).await?.success().map(drop)
    }
}

//! Where a local platform, its workspace and the agent's messages are kept.

use std::path::{Path, PathBuf};

use molecule_host::state_dir::StateDir;
use molecule_protocol::WorkspaceId;
use tempfile::TempDir;

use super::LocalError;
use super::user::User;

/// A state folder, and the local platform's database in it.
#[derive(Debug)]
pub(super) struct Home {
    state: StateDir,
    /// Removed with everything in it when this is dropped.
    temporary: Option<TempDir>,
}

impl Home {
    /// The folder that was given, or a temporary one.
    pub(super) fn open(kept: Option<PathBuf>) -> Result<Self, LocalError> {
        match kept {
            Some(path) => Ok(Self { state: StateDir::open(path)?, temporary: None }),
            None => {
                let folder = tempfile::Builder::new()
                    .prefix("molecule-dev-")
                    .tempdir()
                    .map_err(LocalError::Temporary)?;
                Ok(Self { state: StateDir::open(folder.path())?, temporary: Some(folder) })
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.state.path()
    }

    /// Where compiled components are kept if they shall outlive this folder: with those of agents that are run in
    /// earnest.
    pub(super) fn shared_compiled(&self) -> Option<PathBuf> {
        self.temporary.as_ref().and(StateDir::default_path()).map(|path| path.join("aot"))
    }

    pub(super) fn platform_database(&self) -> PathBuf {
        self.path().join("platform.db")
    }

    /// The workspace of that name, as it was left the last time, or a new one. Its token lies in its folder then, where
    /// the host looks for it.
    ///
    /// Of several of that name, the one counts whose token is here: names are not unique, and somebody may have made
    /// another one on the platform's page.
    pub(super) async fn workspace(&self, user: &User, name: &str) -> Result<WorkspaceId, LocalError> {
        let name = workspace_name(name);
        for id in user.workspaces_named(&name).await? {
            if self.token_path(id).is_file() {
                return Ok(id);
            }
        }
        let (id, token) = user.create_workspace(&name).await?;
        self.state.workspace(id)?.token_file().write(&token)?;
        Ok(id)
    }

    /// Without making the folder of a workspace that is none of ours.
    fn token_path(&self, id: WorkspaceId) -> PathBuf {
        self.path().join(id.to_string()).join(".auth_token")
    }
}

/// The agent's name, as far as the platform takes it for a workspace.
fn workspace_name(name: &str) -> String {
    const LONGEST: usize = 255;
    let mut name: String =
        name.chars().map(|it| if it.is_control() || "{}[]|>*&!".contains(it) { '-' } else { it }).collect();
    while name.len() > LONGEST {
        name.pop();
    }
    match name.trim() {
        "" => "agent".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use molecule_platform::{Config, Platform};

    use super::*;

    #[test]
    fn any_card_s_name_becomes_one_that_the_platform_takes() {
        for (name, expected) in
            [("echo", "echo"), ("[a]\n{b}!", "-a---b--"), (" ", "agent"), ("", "agent"), ("grüß", "grüß")]
        {
            assert_eq!(workspace_name(name), expected);
        }
        let long = workspace_name(&"ü".repeat(200));
        assert_eq!(long.len(), 254);
    }

    #[tokio::test]
    async fn a_kept_folder_gives_the_same_workspace_again_and_another_name_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut found = Vec::new();
        for name in ["echo", "echo", "other"] {
            let home = Home::open(Some(path.clone())).unwrap();
            let config = Config { db: Some(home.platform_database()), ..Config::default() };
            let platform = Platform::start(config).await.unwrap();
            let user = User::new(platform.url.clone()).unwrap();
            found.push(home.workspace(&user, name).await.unwrap());
            platform.shutdown().await;
        }
        assert_eq!(found[0], found[1]);
        assert_ne!(found[0], found[2]);
        let token = StateDir::open(&path).unwrap().workspace(found[0]).unwrap().token_file().read().unwrap();
        assert!(token.is_some());
    }

    #[test]
    fn a_temporary_folder_is_gone_afterwards() {
        let home = Home::open(None).unwrap();
        let path = home.path().to_owned();
        assert!(path.is_dir());
        drop(home);
        assert!(!path.exists());
    }
}

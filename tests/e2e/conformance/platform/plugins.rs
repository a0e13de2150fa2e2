//! Archives of plugins that are folders.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use flate2::read::GzDecoder;
use molecule_platform::{Config, Platform, StartError};
use serde_json::{Value, json};
use tar::EntryType;
use tempfile::TempDir;

use super::world::{ADMIN, Agent, World};

/// A strict platform with an agent, and the folders that it serves plugins from.
pub(super) struct Shop {
    pub(super) world: World,
    pub(super) agent: Agent,
    /// `plugins`, `github`, and `outside`, which is in neither.
    pub(super) folders: TempDir,
}

impl Shop {
    pub(super) async fn open() -> Self {
        Self::patient(Duration::from_secs(300)).await
    }

    async fn patient(plugin_fetch_timeout: Duration) -> Self {
        let folders = tempfile::tempdir().unwrap();
        for folder in ["plugins", "github", "outside"] {
            fs::create_dir(folders.path().join(folder)).unwrap();
        }
        let config = Config {
            plugins_dir: Some(folders.path().join("plugins")),
            github_base: Some(folders.path().join("github")),
            plugin_fetch_timeout,
            ..World::strictly()
        };
        let world = World::start(config).await;
        let agent = world.agent("a").await;
        Self { world, agent, folders }
    }

    /// Writes a file below the folders, and the folders it is in.
    pub(super) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.folders.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(super) fn path(&self, path: &str) -> std::path::PathBuf {
        self.folders.path().join(path)
    }

    /// Where a plugin is downloaded; the source as it is, or none if it is empty.
    pub(super) fn url(&self, name: &str, source: &str) -> String {
        let query =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("source", source).finish();
        let path = format!("/workspaces/{}/plugins/{name}/download", self.agent.id);
        if source.is_empty() { path } else { format!("{path}?{query}") }
    }

    pub(super) async fn download(&self, name: &str, source: &str) -> reqwest::Response {
        self.world.get(&self.url(name, source)).token(&self.agent.token).open().await
    }

    /// What is in the archive of a plugin that is there.
    pub(super) async fn unpacked(&self, name: &str, source: &str) -> Vec<Packed> {
        let response = self.download(name, source).await;
        assert_eq!(response.status(), 200);
        unpack(&response.bytes().await.unwrap())
    }

    /// The body of a refusal.
    pub(super) async fn refused(&self, name: &str, source: &str, status: u16) -> Value {
        self.world.get(&self.url(name, source)).token(&self.agent.token).expect(status).await
    }

    /// Asserts that a source of `scheme` is refused under the word for fetching.
    pub(super) async fn not_fetched(&self, name: &str, source: &str, status: u16) {
        let refused = self.refused(name, source, status).await;
        let scheme = source.split_once(':').map_or("local", |(scheme, _)| scheme);
        assert_eq!(refused["error"], format!("failed to fetch plugin from {scheme}"), "{source}: {refused}");
        let source = if source.is_empty() { format!("local://{name}") } else { source.to_owned() };
        assert_eq!(refused["source"], source);
    }
}

/// An entry of an archive.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) path: String,
    pub(super) kind: EntryType,
    pub(super) mode: u32,
    pub(super) content: String,
}

pub(super) fn unpack(archive: &[u8]) -> Vec<Packed> {
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    let read = |entry: std::io::Result<tar::Entry<'_, GzDecoder<&[u8]>>>| {
        let mut entry = entry.unwrap();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        Packed {
            path: String::from_utf8(entry.path_bytes().into_owned()).unwrap(),
            kind: entry.header().entry_type(),
            mode: entry.header().mode().unwrap(),
            content,
        }
    };
    archive.entries().unwrap().map(read).collect()
}

pub(super) fn paths(packed: &[Packed]) -> Vec<&str> {
    packed.iter().map(|entry| entry.path.as_str()).collect()
}

pub(super) fn content<'a>(packed: &'a [Packed], path: &str) -> &'a str {
    let entry = packed.iter().find(|entry| entry.path == path);
    &entry.unwrap_or_else(|| panic!("no {path} in {packed:?}")).content
}

#[tokio::test]
async fn p97_a_plugin_is_a_gzipped_tar_with_its_files_at_the_top_and_says_what_it_is() {
    let shop = Shop::open().await;
    shop.write("plugins/words/plugin.yaml", "name: words");
    shop.write("plugins/words/rules/kind.md", "- be kind");
    let response = shop.download("words", "").await;
    assert_eq!(response.status(), 200);
    let headers = response.headers().clone();
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/gzip");
    assert_eq!(header("content-disposition"), r#"attachment; filename="words.tar.gz""#);
    assert_eq!(header("x-plugin-name"), "words");
    assert_eq!(header("x-plugin-source"), "local://words");
    let archive = response.bytes().await.unwrap();
    assert_eq!(header("content-length"), archive.len().to_string());
    assert_eq!(archive[..2], [0x1f, 0x8b]);
    let packed = unpack(&archive);
    assert_eq!(paths(&packed), ["plugin.yaml", "rules", "rules/kind.md"]);
    let kinds: Vec<_> = packed.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [EntryType::Regular, EntryType::Directory, EntryType::Regular]);
    assert_eq!(content(&packed, "rules/kind.md"), "- be kind");

    let named = shop.download("words", " local://words ").await;
    assert_eq!(named.headers()["x-plugin-source"], "local://words");
    assert_eq!(named.bytes().await.unwrap(), archive, "the same files give the same bytes");
}

#[tokio::test]
async fn entries_are_depth_first_and_siblings_in_the_order_of_their_bytes() {
    let shop = Shop::open().await;
    for path in
        ["plugin.yaml", "B", "a/z", "a/b/c", "a.txt", "a-", ".hidden/.x", ".git/config", "é", "empty/x"]
    {
        shop.write(&format!("plugins/p/{path}"), "");
    }
    fs::remove_file(shop.path("plugins/p/empty/x")).unwrap();
    // As the platform does, and not as git or `tar` would: a folder stands before `a-` and `a.txt`. Of folders, what git
    // keeps is packed like the rest.
    let wanted = [
        ".git",
        ".git/config",
        ".hidden",
        ".hidden/.x",
        "B",
        "a",
        "a/b",
        "a/b/c",
        "a/z",
        "a-",
        "a.txt",
        "empty",
        "plugin.yaml",
        "é",
    ];
    assert_eq!(paths(&shop.unpacked("p", "").await), wanted);
}

#[tokio::test]
async fn a_path_longer_than_a_header_of_tar_arrives_whole() {
    let shop = Shop::open().await;
    let long = format!("{}/{}", vec!["deep"; 30].join("/"), "n".repeat(200));
    shop.write(&format!("plugins/p/{long}"), "far");
    assert_eq!(content(&shop.unpacked("p", "").await, &long), "far");
}

#[cfg(unix)]
#[tokio::test]
async fn p97_links_to_files_become_copies_and_other_links_are_left_out() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let shop = Shop::open().await;
    shop.write("plugins/p/real/file", "content");
    shop.write("plugins/other/file", "of another plugin");
    shop.write("outside/secret", "not for agents");
    let at = |path: &str| shop.path("plugins/p").join(path);
    fs::set_permissions(at("real/file"), fs::Permissions::from_mode(0o750)).unwrap();
    for (target, link) in [
        (Path::new("real/file"), "link"),
        (&at("link"), "link-to-link"),
        (Path::new("../other/file"), "link-to-another"),
        (Path::new("real"), "link-to-folder"),
        (Path::new("nothing"), "link-to-nothing"),
        (Path::new("circle"), "circle"),
        (&shop.path("outside/secret"), "link-out"),
        (Path::new("../../outside/secret"), "link-out-by-dots"),
        (Path::new("/dev/null"), "link-to-device"),
    ] {
        symlink(target, at(link)).unwrap();
    }
    let packed = shop.unpacked("p", "").await;
    assert_eq!(paths(&packed), ["link", "link-to-another", "link-to-link", "real", "real/file"]);
    for entry in &packed {
        assert!([EntryType::Regular, EntryType::Directory].contains(&entry.kind), "{entry:?}");
    }
    assert_eq!(content(&packed, "link"), "content");
    assert_eq!(content(&packed, "link-to-another"), "of another plugin");
    let file = packed.iter().find(|entry| entry.path == "real/file").unwrap();
    assert_eq!((file.mode, packed[0].mode), (0o750, 0o750));
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_neither_file_nor_folder_is_left_out_and_not_waited_for() {
    let shop = Shop::open().await;
    shop.write("plugins/p/file", "");
    let _socket = std::os::unix::net::UnixListener::bind(shop.path("plugins/p/socket")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(shop.path("plugins/p/fifo")).status().unwrap();
    assert!(made.success());
    assert_eq!(paths(&shop.unpacked("p", "").await), ["file"]);
}

#[tokio::test]
async fn only_the_workspace_itself_gets_a_plugin() {
    let shop = Shop::open().await;
    shop.write("plugins/p/file", "");
    let other = shop.world.agent("b").await;
    let url = shop.url("p", "");
    assert_eq!(shop.world.get(&url).refused(401).await, "missing workspace auth token");
    assert_eq!(shop.world.get(&url).token(&other.token).refused(401).await, "invalid workspace auth token");
    assert_eq!(shop.world.get(&url).token(ADMIN).refused(401).await, "invalid workspace auth token");
}

#[tokio::test]
async fn a_plugin_that_is_not_there_is_a_404() {
    let shop = Shop::open().await;
    shop.write("plugins/file", "no folder");
    shop.not_fetched("nothing", "", 404).await;
    shop.not_fetched("file", "", 404).await;

    let world = World::strict().await;
    let agent = world.agent("a").await;
    let url = format!("/workspaces/{}/plugins/p/download", agent.id);
    let refused = world.get(&url).token(&agent.token).expect(404).await;
    assert_eq!(refused["error"], "failed to fetch plugin from local");
    assert!(refused["detail"].as_str().unwrap().contains("--plugins-dir"), "{refused}");
}

#[tokio::test]
async fn names_and_sources_that_make_no_sense_are_refused_with_the_word_for_each() {
    let shop = Shop::open().await;
    shop.write("plugins/p/file", "");
    shop.write("plugins/a..b/file", "");
    for name in ["..%2Fp", "a..b", "..", "%2e%2e", "a%5Cb", "%2Fetc"] {
        // As it is: clients would resolve the dots.
        let said = raw(&shop, &shop.url(name, "")).await;
        assert!(said.starts_with("HTTP/1.1 400") && said.contains("invalid plugin name"), "{name}: {said}");
    }
    for source in ["p", "local:p", "local://", "://p"] {
        assert_eq!(shop.refused("p", source, 400).await["error"], "invalid plugin source", "{source}");
    }
    for source in ["file:///etc", "https://example.com/p", "LOCAL://p"] {
        let wanted =
            json!({ "error": "failed to resolve plugin source", "available_schemes": ["github", "local"] });
        assert_eq!(shop.refused("p", source, 400).await, wanted, "{source}");
    }
    for source in
        ["local://P", "local://.", "local://..", "local://../github", "local:///etc", "local://p/../p"]
    {
        shop.not_fetched("p", source, 502).await;
    }
    let wanted = json!({ "resolved_name": "p", "requested_name": "q", "error": "plugin name does not match its source" });
    assert_eq!(shop.refused("q", "local://p", 400).await, wanted);
    let refused = shop.refused("q", "local://a..b", 400).await;
    assert_eq!(
        (&refused["error"], &refused["source"]),
        (&json!("resolver returned invalid plugin name"), &json!("local://a..b"))
    );
}

/// The answer to a request for `path`, to the letter.
pub(super) async fn raw(shop: &Shop, path: &str) -> String {
    use std::io::Write as _;

    let (addr, token, path) = (shop.world.platform.addr, shop.agent.token.clone(), path.to_owned());
    let ask = move || {
        let mut stream = std::net::TcpStream::connect(addr).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::task::spawn_blocking(ask).await.unwrap()
}

#[tokio::test]
async fn p99_a_plugin_over_the_size_cap_is_refused() {
    let shop = Shop::open().await;
    shop.write("plugins/p/a", "x");
    // A hole: it takes no room on the disk.
    fs::File::create(shop.path("plugins/p/b")).unwrap().set_len(100 * 1024 * 1024).unwrap();
    let refused = shop.refused("p", "", 413).await;
    assert_eq!(
        (&refused["error"], &refused["source"]),
        (&json!("staged plugin exceeds size limit"), &json!("local://p"))
    );
}

/// The sum of these files as `manifest.json` has it, made by Python's hashlib from `a.b`, `a/b` and `plugin.yaml` below.
const SUM: &str = "8ca97e669e56e600ff562794488e2411b0d0956253c38e4b73e794f7be319118";

#[tokio::test]
async fn p99_a_manifest_json_must_hold_if_it_has_a_sum() {
    let shop = Shop::open().await;
    // In the order of the sum `a.b` comes first, in that of the archive `a/b`.
    for (path, content) in [("a/b", "one"), ("a.b", "two"), ("plugin.yaml", "name: p")] {
        shop.write(&format!("plugins/p/{path}"), content);
    }
    for good in [
        json!({ "sha256": SUM }).to_string(),
        json!({ "sha256": SUM.to_uppercase() }).to_string(),
        json!({ "sha256": null }).to_string(),
        json!({ "version": 1 }).to_string(),
    ] {
        shop.write("plugins/p/manifest.json", &good);
        assert_eq!(content(&shop.unpacked("p", "").await, "manifest.json"), good);
    }
    for bad in [
        json!({ "sha256": SUM.replace('0', "1") }).to_string(),
        json!({ "sha256": "" }).to_string(),
        json!({ "sha256": 1 }).to_string(),
        "not json".to_owned(),
    ] {
        shop.write("plugins/p/manifest.json", &bad);
        let refused = shop.refused("p", "", 422).await;
        assert_eq!(refused["error"], "plugin manifest integrity check failed", "{bad}");
        assert_eq!(refused["source"], "local://p");
    }
}

#[tokio::test]
async fn a_fetch_that_takes_too_long_is_given_up() {
    let shop = Shop::patient(Duration::ZERO).await;
    shop.write("plugins/p/file", "");
    shop.not_fetched("p", "", 504).await;
}

#[tokio::test]
async fn a_plugin_that_does_not_fit_one_chunk_of_a_body_arrives_whole() {
    let shop = Shop::open().await;
    // Does not compress.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b'a' + (state % 26) as u8
    });
    let noise: String = noise.take(512 * 1024).map(char::from).collect();
    shop.write("plugins/p/noise", &noise);
    let packed = shop.unpacked("p", "").await;
    assert!(content(&packed, "noise") == noise);
}

#[tokio::test]
async fn a_folder_of_plugins_that_is_not_there_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let plugins_dir = Some(folder.path().join("nothing"));
    let refused = Platform::start(Config { plugins_dir, ..Config::default() }).await.unwrap_err();
    assert!(matches!(refused, StartError::Folder { flag: "--plugins-dir", .. }), "{refused}");
}

//! Plugins in git repositories below a folder that stands in for GitHub.

use std::fs;
use std::path::Path;

use gix_hash::ObjectId;
use gix_object::{Kind as Object, Write as _};
use molecule_platform::testing::{Ref, publish};
use serde_json::json;

use super::plugins::{Shop, content, paths, raw};

/// The repository `acme/words`, of two versions of one folder: `v1` and `v2`, which is `main`.
fn publish_words(shop: &Shop) -> String {
    let github = shop.path("github");
    shop.write("outside/words/plugin.yaml", "version: 1");
    let first = publish(&github, "acme/words", &shop.path("outside/words"), &[Ref::Tag("v1")]).unwrap();
    shop.write("outside/words/plugin.yaml", "version: 2");
    let refs = [Ref::Branch("main"), Ref::AnnotatedTag("v2"), Ref::Branch("feature/x")];
    publish(&github, "acme/words", &shop.path("outside/words"), &refs).unwrap();
    first
}

#[tokio::test]
async fn p97_a_plugin_in_a_repository_is_pinned_by_tag_or_branch() {
    let shop = Shop::open().await;
    let first = publish_words(&shop);
    for (reference, version) in [("v1", 1), ("v2", 2), ("main", 2), ("feature/x", 2)] {
        let source = format!("github://acme/words#{reference}");
        let response = shop.download("words", &source).await;
        assert_eq!(response.status(), 200, "{source}");
        assert_eq!(response.headers()["x-plugin-source"], source);
        assert_eq!(response.headers()["x-plugin-name"], "words");
        let packed = shop.unpacked("words", &source).await;
        assert_eq!(paths(&packed), ["plugin.yaml"]);
        assert_eq!(content(&packed, "plugin.yaml"), format!("version: {version}"));
    }
    // No ref, though the library would take it for one where the full name is not found.
    shop.write("github/acme/words.git/tags/refs/heads/v9", format!("{first}\n"));
    shop.not_fetched("words", "github://acme/words#v9", 404).await;
    // The id of a commit is no name of a ref, and neither are other ways to say one.
    for reference in
        [first.as_str(), "HEAD", "v3", "refs/tags/v1", "tags/v1", "v1^{}", "main~0", "-v1", "feature"]
    {
        shop.not_fetched("words", &format!("github://acme/words#{reference}"), 404).await;
    }
    shop.not_fetched("words", "github://acme/nothing#v1", 404).await;
    shop.not_fetched("words", "github://nobody/words#v1", 404).await;
}

#[tokio::test]
async fn a_repository_without_a_ref_is_unpinned_and_one_of_another_name_another_plugin() {
    let shop = Shop::open().await;
    publish_words(&shop);
    for source in ["github://acme/words", "github://acme/words#", "github://../../etc"] {
        let refused = shop.refused("words", source, 422).await;
        assert_eq!(refused["source"], source);
        assert!(refused["error"].as_str().unwrap().contains("pinned"), "{refused}");
    }
    let refused = shop.refused("other", "github://acme/words#v1", 400).await;
    assert_eq!((&refused["resolved_name"], &refused["requested_name"]), (&json!("words"), &json!("other")));
    publish(&shop.path("github"), "acme/a..b", &shop.path("outside/words"), &[Ref::Tag("v1")]).unwrap();
    let refused = shop.refused("words", "github://acme/a..b#v1", 400).await;
    assert_eq!(refused["error"], "resolver returned invalid plugin name");
}

#[tokio::test]
async fn a_branch_goes_before_a_tag_of_the_same_name() {
    let shop = Shop::open().await;
    let github = shop.path("github");
    for (version, reference) in [("tag", Ref::Tag("x")), ("branch", Ref::Branch("x"))] {
        shop.write("outside/words/version", version);
        publish(&github, "acme/words", &shop.path("outside/words"), &[reference]).unwrap();
    }
    assert_eq!(content(&shop.unpacked("words", "github://acme/words#x").await, "version"), "branch");
}

#[tokio::test]
async fn a_repository_as_git_leaves_it_is_read_packed_and_with_a_working_tree() {
    let shop = Shop::open().await;
    // Made by `git gc`: packed refs, and one file kept as what has changed in another.
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("packed");
    for git_dir in ["github/acme/bare.git", "github/acme/plain", "github/acme/tree/.git"] {
        shop.write(&format!("{git_dir}/HEAD"), "ref: refs/heads/main\n");
        fs::create_dir_all(shop.path(git_dir).join("refs")).unwrap();
        for entry in packed.read_dir().unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let folder = if name == "packed-refs" { "" } else { "objects/pack/" };
            shop.write(&format!("{git_dir}/{folder}{name}"), fs::read(packed.join(&name)).unwrap());
        }
    }
    shop.write("github/acme/tree/not-committed", "");
    for name in ["bare", "plain", "tree"] {
        for (reference, line) in [("v1", "200"), ("v2", "changed"), ("main", "changed")] {
            let found = shop.unpacked(name, &format!("github://acme/{name}#{reference}")).await;
            assert_eq!(paths(&found), ["plugin.yaml", "skills", "skills/count", "skills/count/SKILL.md"]);
            let skill = content(&found, "skills/count/SKILL.md");
            assert_eq!(
                (skill.lines().count(), skill.lines().nth(199)),
                (400, Some(line)),
                "{name} {reference}"
            );
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_repository_is_packed_in_the_order_of_folders_with_modes_and_copies_of_linked_files() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let shop = Shop::open().await;
    for path in ["a/z", "a.txt", "a-", "B", ".hidden", "sub/deep/run.sh"] {
        shop.write(&format!("outside/p/{path}"), path);
    }
    let at = |path: &str| shop.path("outside/p").join(path);
    fs::set_permissions(at("sub/deep/run.sh"), fs::Permissions::from_mode(0o700)).unwrap();
    for (target, link) in [
        ("../a.txt", "sub/up"),
        ("./sub//up", "through"),
        ("folder/deep/run.sh", "through-folder"),
        ("sub", "folder"),
        ("nothing", "broken"),
        ("circle", "circle"),
        ("../B", "out"),
        ("../../../../outside/secret", "far-out"),
        ("/B", "absolute"),
        ("a.txt/..", "file-as-folder"),
        (".git/config", "into-git"),
    ] {
        symlink(target, at(link)).unwrap();
    }
    shop.write("outside/secret", "not for agents");
    publish(&shop.path("github"), "acme/p", &shop.path("outside/p"), &[Ref::Tag("v1")]).unwrap();
    let packed = shop.unpacked("p", "github://acme/p#v1").await;
    let wanted = [
        ".hidden",
        "B",
        "a",
        "a/z",
        "a-",
        "a.txt",
        "sub",
        "sub/deep",
        "sub/deep/run.sh",
        "sub/up",
        "through",
        "through-folder",
    ];
    assert_eq!(paths(&packed), wanted);
    assert_eq!((content(&packed, "sub/up"), content(&packed, "through")), ("a.txt", "a.txt"));
    assert_eq!(content(&packed, "through-folder"), "sub/deep/run.sh");
    let mode = |path: &str| packed.iter().find(|entry| entry.path == path).unwrap().mode;
    assert_eq!((mode("sub/deep/run.sh"), mode("through-folder"), mode("B")), (0o755, 0o755, 0o644));
}

#[tokio::test]
async fn no_name_of_a_repository_leads_out_of_the_folder() {
    let shop = Shop::open().await;
    publish_words(&shop);
    // One beside the folder, and the folder's own, which are no repositories of anybody's.
    let words = shop.path("outside/words");
    publish(&shop.path("outside"), "own/secret", &words, &[Ref::Tag("v1")]).unwrap();
    publish(shop.folders.path(), "github/secret", &words, &[Ref::Tag("v1")]).unwrap();
    let absolute = shop.path("outside/own/secret.git");
    for (name, spec) in [
        ("secret", "../outside/own/secret"),
        ("secret", "acme/../../outside/own/secret"),
        ("secret", "own/../../outside/own/secret"),
        ("outside", "../outside"),
        ("secret", absolute.to_str().unwrap()),
        ("secret", "/secret"),
        ("secret", "./secret"),
        (".git", "acme/.git"),
        ("words.git", "acme/words.git"),
        ("words", "acme/words.git"),
        ("words.GIT", "acme/words.GIT"),
        ("objects", "acme/words.git/objects"),
        ("words", "acme%2Fwords"),
        ("words", "acme\\words"),
        ("words", "acme/words\0"),
        ("words", "words"),
        ("acme", "acme/"),
    ] {
        shop.not_fetched(name, &format!("github://{spec}#v1"), 502).await;
    }
    for reference in
        ["../tags/v1", "../../v1", "v1/../v1", "/v1", "v\n1", "v1\0", ".", "..", "v1.lock", "a b"]
    {
        shop.not_fetched("words", &format!("github://acme/words#{reference}"), 404).await;
    }
    // The dots in the path itself, which clients would resolve.
    let said = raw(&shop, &shop.url("../..", "github://acme/words#v1")).await;
    assert!(said.starts_with("HTTP/1.1 404"), "{said}");
}

#[cfg(unix)]
#[tokio::test]
async fn no_link_on_the_disk_leads_out_of_the_folders() {
    use std::os::unix::fs::symlink;

    let shop = Shop::open().await;
    let words = shop.path("outside/words");
    shop.write("outside/words/file", "not for agents");
    publish(&shop.path("outside"), "own/words", &words, &[Ref::Tag("v1")]).unwrap();
    let git = shop.path("outside/own/words.git");
    let link = |target: &Path, at: &str| {
        fs::create_dir_all(shop.path(at).parent().unwrap()).unwrap();
        symlink(target, shop.path(at)).unwrap();
    };
    // An owner, a repository, its `.git`, and parts of it.
    link(&shop.path("outside/own"), "github/own");
    link(&git, "github/acme/words");
    link(&git, "github/inner/words/.git");
    shop.write("github/file/words/.git", format!("gitdir: {}\n", git.display()));
    for (owner, linked) in [("objects", "objects"), ("refs", "refs")] {
        publish(&shop.path("github"), &format!("{owner}/words"), &words, &[Ref::Tag("v1")]).unwrap();
        let part = format!("github/{owner}/words.git/{linked}");
        fs::remove_dir_all(shop.path(&part)).unwrap();
        link(&git.join(linked), &part);
    }
    // One that borrows what it has from another.
    publish(&shop.path("github"), "borrows/words", &words, &[Ref::Tag("v1")]).unwrap();
    let objects = "github/borrows/words.git/objects";
    fs::remove_dir_all(shop.path(objects)).unwrap();
    shop.write(&format!("{objects}/info/alternates"), format!("{}\n", git.join("objects").display()));
    for owner in ["own", "acme", "inner", "file", "objects", "refs", "borrows"] {
        shop.not_fetched("words", &format!("github://{owner}/words#v1"), 502).await;
    }
    // A plugin that is a folder.
    link(&words, "plugins/words");
    shop.not_fetched("words", "", 502).await;
    assert_eq!(shop.world.get("/plugins").expect(200).await, json!([]));
    // What stays within the folder is followed.
    shop.write("plugins/real/file", "for agents");
    link(&shop.path("plugins/real"), "plugins/alias");
    assert_eq!(content(&shop.unpacked("alias", "").await, "file"), "for agents");
}

#[tokio::test]
async fn a_repository_that_is_broken_is_a_502_and_says_so_without_a_path() {
    let shop = Shop::open().await;
    publish_words(&shop);
    let objects = shop.path("github/acme/words.git/objects");
    for entry in objects.read_dir().unwrap() {
        for object in entry.unwrap().path().read_dir().unwrap() {
            let object = object.unwrap().path();
            fs::remove_file(&object).unwrap();
            fs::write(&object, "nonsense").unwrap();
        }
    }
    shop.not_fetched("words", "github://acme/words#v1", 502).await;
    let refused = shop.refused("words", "github://acme/words#v1", 502).await;
    assert!(!refused.to_string().contains(shop.folders.path().to_str().unwrap()), "{refused}");
}

#[tokio::test]
async fn p99_the_caps_and_sums_hold_for_repositories_too() {
    let shop = Shop::open().await;
    shop.write("outside/p/manifest.json", r#"{"sha256":"00"}"#);
    publish(&shop.path("github"), "acme/p", &shop.path("outside/p"), &[Ref::Tag("v1")]).unwrap();
    let refused = shop.refused("p", "github://acme/p#v1", 422).await;
    assert_eq!(refused["error"], "plugin manifest integrity check failed");
    // One megabyte a hundred times, and one file a million times: the repositories are small.
    let git = Git::new(&shop);
    for (name, content, times, levels) in
        [("bytes", vec![b'x'; 1024 * 1024], 11, 2), ("files", vec![], 10, 6)]
    {
        let mut entry = (Object::Blob, git.write(Object::Blob, &content));
        for _ in 0..levels {
            let names: Vec<_> = (0..times).map(|number| format!("n{number:02}")).collect();
            let siblings: Vec<_> = names.iter().map(|name| (name.as_bytes(), entry.0, entry.1)).collect();
            entry = (Object::Tree, git.tree(&siblings));
        }
        git.tag(name, entry.1);
        let refused = shop.refused("p", &format!("github://acme/p#{name}"), 413).await;
        assert_eq!(refused["error"], "staged plugin exceeds size limit", "{refused}");
    }
}

#[tokio::test]
async fn names_that_git_itself_would_not_write_do_not_get_into_an_archive() {
    let shop = Shop::open().await;
    shop.write("outside/p/file", "");
    publish(&shop.path("github"), "acme/p", &shop.path("outside/p"), &[Ref::Branch("main")]).unwrap();
    let git = Git::new(&shop);
    let blob = git.write(Object::Blob, b"x");
    let names: [&[u8]; 6] = [b"..", b".", b"a/b", b"../x", b"/x", b"\xff"];
    for (number, name) in names.into_iter().enumerate() {
        let inner = git.tree(&[(name, Object::Blob, blob)]);
        git.tag(&format!("bad{number}"), git.tree(&[(b"a", Object::Tree, inner)]));
        shop.not_fetched("p", &format!("github://acme/p#bad{number}"), 502).await;
    }
    let hooks = git.tree(&[(b"config", Object::Blob, blob)]);
    git.tag("git", git.tree(&[(b".GIT", Object::Tree, hooks), (b"file", Object::Blob, blob)]));
    assert_eq!(paths(&shop.unpacked("p", "github://acme/p#git").await), ["file"]);
    fs::write(shop.path("github/acme/p.git/refs/tags/blob"), format!("{blob}\n")).unwrap();
    shop.not_fetched("p", "github://acme/p#blob", 502).await;
}

/// Writes what `git` would not to the repository `acme/p`.
struct Git {
    path: std::path::PathBuf,
    objects: gix_odb::loose::Store,
}

impl Git {
    fn new(shop: &Shop) -> Self {
        let path = shop.path("github/acme/p.git");
        Self { objects: gix_odb::loose::Store::at(path.join("objects"), gix_hash::Kind::Sha1), path }
    }

    fn write(&self, kind: Object, content: &[u8]) -> ObjectId {
        self.objects.write_buf(kind, content).unwrap()
    }

    fn tree(&self, entries: &[(&[u8], Object, ObjectId)]) -> ObjectId {
        let mut tree = Vec::new();
        for (name, kind, id) in entries {
            let mode = if *kind == Object::Tree { "40000" } else { "100644" };
            tree.extend([mode.as_bytes(), b" ", name, b"\0", id.as_slice()].concat());
        }
        self.write(Object::Tree, &tree)
    }

    /// Tags a commit of that tree.
    fn tag(&self, name: &str, tree: ObjectId) {
        let commit = format!("tree {tree}\nauthor a <a> 1 +0000\ncommitter a <a> 1 +0000\n\nx\n");
        let commit = self.write(Object::Commit, commit.as_bytes());
        fs::write(self.path.join("refs/tags").join(name), format!("{commit}\n")).unwrap();
    }
}

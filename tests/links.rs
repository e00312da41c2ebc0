//! Does every relative link of the texts lead somewhere? Reads all `*.md` of the crate; what is at
//! `https://` is not asked. (Links between items of the code are rustdoc's to check.)

use std::path::{Path, PathBuf};

/// Folders that are not the crate's own text.
const SKIPPED: [&str; 3] = [".git", "node_modules", "target"];

/// All texts below a folder.
fn texts(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let (path, name) = (entry.path(), entry.file_name());
        let is_skipped = SKIPPED.iter().any(|skipped| name == *skipped);
        if entry.file_type().expect("a type").is_dir() && !is_skipped {
            texts(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The lines that are not code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// The targets of a text's links and images: `[..](target)`, `[..]: target`, `src="target"`,
/// `srcset="target"` and `href="target"`.
fn targets(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in prose(text) {
        for (open, close) in [
            ("](", ')'),
            ("src=\"", '"'),
            ("srcset=\"", '"'),
            ("href=\"", '"'),
        ] {
            let links = line.split(open).skip(1);
            found.extend(links.filter_map(|link| link.split(close).next()));
        }
        if let Some((_, target)) = line.split_once("]: ").filter(|_| line.starts_with('[')) {
            found.push(target);
        }
    }
    found
}

/// Of a link, the file that it names beside the text; `None` for one that is elsewhere, in the same
/// text, or an item of Rust.
fn file(target: &str) -> Option<&str> {
    let file = target.split(['#', ' ']).next().unwrap_or_default();
    let is_elsewhere = file.contains(':') || file.starts_with('/') || file == "crate";
    (!file.is_empty() && !is_elsewhere).then_some(file)
}

#[test]
fn every_relative_link_leads_to_a_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    texts(root, &mut found);
    let mut checked = 0;
    let mut dead = Vec::new();
    for path in &found {
        let text = std::fs::read_to_string(path).expect("a text");
        for file in targets(&text).into_iter().filter_map(file) {
            checked += 1;
            let folder = path.parent().expect("a folder");
            if !folder.join(file).exists() {
                dead.push(format!("{}: {file}", path.display()));
            }
        }
    }
    assert!(found.iter().any(|path| path.ends_with("README.md")));
    assert!(checked > 3, "{checked} links in {found:?}");
    assert!(dead.is_empty(), "\n{}", dead.join("\n"));
}

#[test]
fn every_example_is_named_in_their_readme() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let text = std::fs::read_to_string(folder.join("README.md")).expect("a text");
    let named: Vec<_> = targets(&text).into_iter().filter_map(file).collect();
    for entry in std::fs::read_dir(&folder).expect("a folder") {
        let name = entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("UTF-8");
        let is_program = folder.join(&name).join("main.rs").exists();
        let program = if is_program {
            format!("{name}/main.rs")
        } else {
            name
        };
        if Path::new(&program)
            .extension()
            .is_some_and(|kind| kind == "rs")
        {
            assert!(named.contains(&program.as_str()), "{program} is not named");
        }
    }
}

#[test]
fn links_are_found_in_every_form() {
    let text = "a [b](c.md) and ![d](e/f.svg#g \"h\")\n<img src=\"i.svg\"> [j](https://k)\n\
                [l]: ../m\n```\n[n](o.md)\n```\n[p](#q) [r](crate::s) [u](crate#v)\n\
                <source srcset=\"t.svg\">";
    let files: Vec<_> = targets(text).into_iter().filter_map(file).collect();
    assert_eq!(files, ["c.md", "e/f.svg", "i.svg", "../m", "t.svg"]);
}

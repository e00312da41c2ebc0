//! What does the compiler see? The crate's sources as tokens, without comments, literals and test
//! code. No parser: what the rules ask for is words, paths and where braces close.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A source file, its text also as tokens without comments, literals and test code.
pub(crate) struct Source {
    /// From the crate's root, such as `src/codec/mod.rs`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) all: Vec<Token>,
    /// Without what is compiled for tests only.
    pub(crate) shipped: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    /// A word, or one other character; `"` for a literal.
    pub(crate) text: String,
    pub(crate) line: usize,
    /// How many inline modules are around it.
    pub(crate) inline: usize,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let all = tokens(text);
        let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
        let shipped = if is_test || !path.starts_with("src/") {
            Vec::new()
        } else {
            without_tests(&all)
        };
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            all,
            shipped,
        }
    }

    /// The module that the file is, such as `["codec", "inflate"]`; empty for the crate's root.
    pub(crate) fn module(&self) -> Vec<&str> {
        let name = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let mut parts: Vec<_> = name.split('/').collect();
        if matches!(parts.last(), Some(&("mod" | "lib"))) {
            parts.pop();
        }
        parts
    }

    pub(crate) fn finding(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// The crate's sources. Files of modules that are declared for tests only count as test code.
pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "examples", "benches"] {
        collect(&root.join(folder), &mut files);
    }
    let read = |file: &PathBuf| {
        let path = file
            .strip_prefix(root)
            .expect("below the root")
            .to_string_lossy();
        let text = fs::read_to_string(file).expect("a readable source");
        Source::new(&path.replace('\\', "/"), &text)
    };
    let mut sources: Vec<_> = files.iter().map(read).collect();
    exclude_test_modules(&mut sources);
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    // A crate need not have examples or benches.
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    paths.sort();
    for path in paths {
        if path.join("Cargo.toml").exists() {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Empties the shipped part of files behind a `#[cfg(test)] mod name;`.
pub(crate) fn exclude_test_modules(sources: &mut [Source]) {
    let mut excluded = Vec::new();
    for source in &*sources {
        for (index, _) in test_items(&source.all) {
            let mut words = source.all[index..].iter().map(|token| token.text.as_str());
            if let Some("mod") = words.find(|word| ["mod", "{", ";"].contains(word)) {
                let name = words.next().unwrap_or_default();
                let module = source.module().join("/");
                excluded.push(format!("src/{module}/{name}").replace("//", "/"));
            }
        }
    }
    for source in sources {
        let below = |module: &String| {
            let rest = source.path.strip_prefix(module);
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        if excluded.iter().any(below) {
            source.shipped.clear();
        }
    }
}

/// Words and marks, without comments and with each literal as one mark.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let end = skipped(&chars, at);
        let literal = end > at && chars[at] != '/' && !chars[at].is_whitespace();
        if literal {
            push(&mut found, "\"", line);
        }
        if end > at {
            line += chars[at..end].iter().filter(|unit| **unit == '\n').count();
            at = end;
            continue;
        }
        let is_word = |unit: &char| unit.is_alphanumeric() || *unit == '_';
        let length = chars[at..]
            .iter()
            .take_while(|unit| is_word(unit))
            .count()
            .max(1);
        push(
            &mut found,
            &chars[at..at + length].iter().collect::<String>(),
            line,
        );
        at += length;
    }
    mark_inline_modules(&mut found);
    found
}

fn push(found: &mut Vec<Token>, text: &str, line: usize) {
    found.push(Token {
        text: text.to_owned(),
        line,
        inline: 0,
    });
}

/// Where whitespace, a comment or a literal that starts at `at` ends; `at` where there is none.
fn skipped(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let starts = |text: &str| {
        text.chars()
            .eq(rest.iter().copied().take(text.chars().count()))
    };
    let after_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    if rest[0].is_whitespace() {
        return at + 1;
    }
    if starts("//") {
        return at
            + rest
                .iter()
                .position(|unit| *unit == '\n')
                .unwrap_or(rest.len());
    }
    if starts("/*") {
        return at + block_comment(rest);
    }
    if !after_word {
        for prefix in ["r", "br", "cr"] {
            let hashes = rest
                .iter()
                .skip(prefix.len())
                .take_while(|unit| **unit == '#')
                .count();
            let quote = prefix.len() + hashes;
            if starts(prefix) && rest.get(quote) == Some(&'"') {
                return at + raw_string(rest, quote, hashes);
            }
        }
    }
    match rest[0] {
        '"' => at + quoted(rest, '"'),
        '\'' if rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'') => at + quoted(rest, '\''),
        _ => at,
    }
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn raw_string(rest: &[char], quote: usize, hashes: usize) -> usize {
    let is_end = |at: &usize| {
        rest[*at] == '"'
            && rest[*at + 1..]
                .iter()
                .take(hashes)
                .filter(|c| **c == '#')
                .count()
                == hashes
    };
    (quote + 1..rest.len())
        .find(is_end)
        .map_or(rest.len(), |end| end + 1 + hashes)
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match (rest[at], rest.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 1),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 1),
            _ => {}
        }
        at += 1;
        if depth == 0 {
            break;
        }
    }
    at
}

fn mark_inline_modules(found: &mut [Token]) {
    let (mut depth, mut modules) = (0, Vec::new());
    for index in 0..found.len() {
        match found[index].text.as_str() {
            "{" => {
                if index >= 2 && found[index - 2].text == "mod" {
                    modules.push(depth);
                }
                depth += 1;
            }
            "}" => {
                depth -= 1;
                if modules.last() == Some(&depth) {
                    modules.pop();
                }
            }
            _ => {}
        }
        found[index].inline = modules.len();
    }
}

/// From the `#` of each `#[cfg(test)]`, `#[cfg(all(test, ..))]` or `#[cfg(any(test, fuzzing))]` to
/// behind the item it is on. What only tests and the fuzzer compile is in no user's build.
fn test_items(all: &[Token]) -> Vec<(usize, usize)> {
    let attributes: [&[&str]; 4] = [
        &["#", "[", "cfg", "(", "test", ")"],
        &["#", "[", "cfg", "(", "all", "(", "test", ","],
        &[
            "#", "[", "cfg", "(", "any", "(", "test", ",", "fuzzing", ")", ")",
        ],
        &[
            "#", "[", "cfg", "(", "all", "(", "any", "(", "test", ",", "fuzzing", ")", ",",
        ],
    ];
    let mut items = Vec::new();
    for start in 0..all.len() {
        let mut words = all[start..].iter().map(|token| token.text.as_str());
        let is = |attribute: &&[&str]| {
            words
                .clone()
                .take(attribute.len())
                .eq(attribute.iter().copied())
        };
        if attributes.iter().any(is) {
            let body = start + words.position(|word| word == "]").unwrap_or(0) + 1;
            let end = all[body..]
                .iter()
                .position(|token| ["{", ";"].contains(&&*token.text));
            let end = end.map_or(all.len(), |end| body + end);
            let is_use = all[body..end].iter().any(|token| token.text == "use");
            let mut behind = closing(all, end) + 1;
            if is_use {
                let rest = all[end..].iter().position(|token| token.text == ";");
                behind = rest.map_or(all.len(), |rest| end + rest + 1);
            }
            items.push((start, behind.min(all.len())));
        }
    }
    items
}

fn without_tests(all: &[Token]) -> Vec<Token> {
    let items = test_items(all);
    let kept = |index: usize| !items.iter().any(|(from, to)| (*from..*to).contains(&index));
    let tokens = all.iter().enumerate();
    tokens
        .filter(|(index, _)| kept(*index))
        .map(|(_, token)| token.clone())
        .collect()
}

/// The brace that closes the one at `open`; `open` itself where that is no brace.
pub(crate) fn closing(all: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (index, token) in all.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    all.len()
}

/// All paths that start at one of the words `roots`, with groups resolved: their line, how many
/// inline modules are around them, and their segments.
pub(crate) fn paths<'a>(all: &'a [Token], roots: &[&str]) -> Vec<(usize, usize, Vec<&'a str>)> {
    let mut found = Vec::new();
    for (index, token) in all.iter().enumerate() {
        let inner = index >= 2 && all[index - 1].text == ":" && all[index - 2].text == ":";
        if roots.contains(&&*token.text) && is_separator(all, index + 1) && !inner {
            tree(all, index, &mut Vec::new(), &mut |at, path| {
                found.push((all[at].line, token.inline, path.to_vec()));
            });
        }
    }
    found
}

/// Reads a path or the tree of a `use`; gives where it ends.
fn tree<'a>(
    all: &'a [Token],
    mut at: usize,
    prefix: &mut Vec<&'a str>,
    each: &mut impl FnMut(usize, &[&'a str]),
) -> usize {
    let depth = prefix.len();
    while let Some(token) = all.get(at) {
        if token.text == "{" {
            let end = closing(all, at);
            at += 1;
            while at < end {
                // A step over `,` or `as name`, which `tree` does not read.
                let next = tree(all, at, prefix, each);
                at = next.max(at + 1);
            }
            break;
        }
        if token
            .text
            .starts_with(|first: char| first.is_alphabetic() || first == '_')
        {
            prefix.push(&token.text);
            at += 1;
            if is_separator(all, at) {
                at += 2;
                continue;
            }
            if all.get(at).is_some_and(|next| next.text == "as") {
                at += 2;
            }
        }
        if prefix.len() > depth {
            each(at.min(all.len()) - 1, prefix);
        }
        break;
    }
    prefix.truncate(depth);
    at
}

fn is_separator(all: &[Token], at: usize) -> bool {
    matches!(all.get(at..at + 2), Some([a, b]) if a.text == ":" && b.text == ":")
}

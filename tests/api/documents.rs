//! Citations and links: each one names a file and a heading of this repository. Guides quote
//! messages that exist.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Component, Path, PathBuf},
};

/// Folders that hold no text of this repository.
const SKIPPED: [&str; 8] =
    [".git", ".venv", "__pycache__", "corpus", "data", "node_modules", "secrets", "target"];

/// Documents that are not part of this repository, without their extension.
const OUTSIDE: [&str; 6] =
    ["protocol", "design", "house-style", "yardsticks", "language", "distribution"];

/// Every text file, by its path from the root.
fn texts() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pending = vec![root.to_owned()];
    let mut found = Vec::new();
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
            pending.extend(entries.filter(|path| !SKIPPED.iter().any(|name| path.ends_with(name))));
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.push((path.strip_prefix(root).unwrap().to_owned(), text));
        }
    }
    assert!(found.len() > 100, "only {} files were found", found.len());
    found
}

/// The anchor that GitHub gives a heading.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The anchors of a Markdown document. A repeated heading has a number behind it.
fn anchors(text: &str) -> BTreeSet<String> {
    let (mut counts, mut anchors, mut is_code) = (HashMap::new(), BTreeSet::new(), false);
    for line in text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        let heading = line.trim_start_matches('#');
        if is_code || heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let slug = slug(heading);
        let count = counts.entry(slug.clone()).and_modify(|count| *count += 1).or_insert(0);
        anchors.insert(if *count == 0 { slug } else { format!("{slug}-{count}") });
    }
    anchors
}

/// Citations such as `docs/….md#heading`, with or without a heading.
fn citations(text: &str) -> impl Iterator<Item = &str> {
    let is_of_path = |c: char| c.is_ascii_alphanumeric() || "_-./#".contains(c);
    let words = text.split(move |c| !is_of_path(c)).map(|word| word.trim_end_matches('.'));
    words.filter(|word| word.starts_with("docs/") && word.contains(".md"))
}

/// Targets of Markdown links to files of this repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    targets.filter(|target| !target.contains([':', ' ', '\n']))
}

/// `path` without `.` and `..`; `None` if it leaves the repository.
fn normalize(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => normal.pop().then_some(())?,
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => normal.push(part),
        }
    }
    Some(normal)
}

/// True when `target`, as seen from `folder`, is a file or a heading of the repository.
fn exists(file: &Path, folder: &Path, target: &str) -> bool {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { Some(file.into()) } else { normalize(&folder.join(path)) };
    let Some(path) = path else { return false };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if anchor.is_empty() {
        return path.exists();
    }
    fs::read_to_string(path).is_ok_and(|text| anchors(&text).contains(anchor))
}

/// Asserts that `find` finds nothing in any text.
fn assert_none(find: impl Fn(&Path, &str) -> Vec<String>) {
    let mut problems = Vec::new();
    for (file, text) in texts() {
        problems
            .extend(find(&file, &text).iter().map(|found| format!("{}: {found}", file.display())));
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn citations_name_a_document_and_its_heading() {
    assert_none(|file, text| {
        let broken = citations(text).filter(|target| !exists(file, Path::new(""), target));
        broken.map(str::to_owned).collect()
    });
}

#[test]
fn links_name_a_file_and_its_heading() {
    let is_document = |path: &Path| path.extension().is_some_and(|extension| extension == "md");
    assert_none(|file, text| {
        // In source code, only links to documents are links for certain.
        let links = links(text).filter(|link| is_document(file) || link.contains(".md"));
        let broken = links.filter(|link| !exists(file, file.parent().unwrap(), link));
        broken.map(str::to_owned).collect()
    });
}

#[test]
fn no_text_mentions_a_document_outside_the_repository() {
    let texts = texts();
    let is_here = |name: &str| texts.iter().any(|(file, _)| file.ends_with(name));
    let names: Vec<_> = OUTSIDE.iter().map(|stem| format!("{stem}.md")).collect();
    assert_none(|_, text| {
        let words = text.split(|c: char| !c.is_alphanumeric() && !"_-.".contains(c));
        let words = words.map(|word| word.trim_end_matches('.'));
        let outside = words.filter(|word| names.iter().any(|name| name == word) && !is_here(word));
        outside.chain(text.matches(concat!("..", "/shared"))).map(str::to_owned).collect()
    });
}

/// The first headings of tables of messages.
const OF_MESSAGES: [&str; 3] = ["Message", "Message in the log", "Reason"];

/// The messages in the first columns of the tables of a guide.
fn quoted_messages(guide: &str) -> Vec<&str> {
    let (mut messages, mut is_of_messages) = (Vec::new(), false);
    for line in guide.lines() {
        let Some((cell, _)) = line.strip_prefix("| ").and_then(|row| row.split_once(" | ")) else {
            is_of_messages &= line.starts_with('|');
            continue;
        };
        is_of_messages |= OF_MESSAGES.contains(&cell);
        // The service does not write messages of Docker.
        if is_of_messages && !cell.contains("from Docker") {
            messages.extend(cell.split('`').skip(1).step_by(2));
        }
    }
    messages
}

/// The texts of a quoted message between its placeholders.
fn fixed_parts(message: &str) -> Vec<String> {
    let is_placeholder = |word: &&str| {
        let word = word.trim_end_matches([',', ';']);
        ["ADDRESS", "FILE", "ID", "KIND"].contains(&word) || word.parse::<u32>().is_ok()
    };
    let mut parts = Vec::new();
    // The code has the name of a setting apart from its problem.
    for segment in message.replace(": ", "…").split('…') {
        let words: Vec<_> = segment.split_whitespace().collect();
        parts.extend(words.split(is_placeholder).map(|words| words.join(" ")));
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// The sources without comments. A literal that continues on the next line is on one line.
fn joined_sources() -> String {
    let is_source = |file: &Path| {
        (file.starts_with("src") || file.starts_with("crates"))
            && file.extension().is_some_and(|extension| extension == "rs")
    };
    let mut joined = String::new();
    for (_, text) in texts().iter().filter(|(file, _)| is_source(file)) {
        let mut is_continued = false;
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let line = if is_continued { line.trim_start() } else { line };
            let start = line.strip_suffix('\\');
            is_continued = start.is_some();
            joined.push_str(start.unwrap_or(line));
            joined.push_str(if is_continued { "" } else { "\n" });
        }
    }
    joined
}

/// True when the sources have every part of a quoted message.
fn is_in(message: &str, sources: &str) -> bool {
    fixed_parts(message).iter().all(|part| sources.contains(part.as_str()))
}

#[test]
fn guides_quote_messages_that_exist() {
    let sources = joined_sources();
    let guide = fs::read_to_string("docs/how-to/troubleshoot.md").unwrap();
    assert!(quoted_messages(&guide).len() > 40, "{:?}", quoted_messages(&guide));
    assert!(!is_in("key ID was retired; the keyring is an older one", &sources));
    assert_none(|file, text| {
        let messages = if file.starts_with("docs/how-to") { quoted_messages(text) } else { vec![] };
        let unknown = messages.into_iter().filter(|message| !is_in(message, &sources));
        unknown.map(str::to_owned).collect()
    });
}

/// The blocks of a document that no test runs although a comment names one: the test has neither the
/// heading of the section, whose lines it would follow, nor each line of the block.
fn blocks_that_their_test_does_not_run(document: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for section in document.split("\n## ") {
        let heading = section.lines().next().unwrap_or_default();
        for comment in section.split("<!-- not run: ").skip(1) {
            let Some((path, rest)) = comment.split_once(" runs it") else { continue };
            if path.contains(char::is_whitespace) {
                continue;
            }
            let test = fs::read_to_string(path).unwrap_or_default();
            let block = rest.split("```").nth(1).unwrap_or_default();
            let follows = test.contains(&format!("follow '{heading}'"));
            if !follows && !block.lines().skip(1).all(|line| test.contains(line)) {
                problems.push(format!("{path} does not run the lines below: {heading}"));
            }
        }
    }
    problems
}

#[test]
fn tests_run_the_lines_that_comments_say_they_run() {
    let comment = "<!-- not run: tests/api/commands/drain.rs runs it -->";
    let text = format!("\n## Drain an instance\n{comment}\n```sh\nanother line\n```\n");
    assert_eq!(blocks_that_their_test_does_not_run(&text).len(), 1);
    assert_none(|file, text| {
        let is_document = file.extension().is_some_and(|extension| extension == "md");
        if is_document { blocks_that_their_test_does_not_run(text) } else { vec![] }
    });
}

/// The status, error type and code of each row in the table of a section.
fn error_codes(document: &str, heading: &str) -> BTreeSet<[String; 3]> {
    let text = fs::read_to_string(document).unwrap();
    let (_, section) = text.split_once(&format!("\n{heading}\n")).unwrap();
    let rows = section.lines().take_while(|line| !line.starts_with('#'));
    let cells = rows.filter_map(|row| {
        let mut cells = row.strip_prefix("| ")?.split(" | ").map(|cell| cell.trim_matches('`'));
        let cells = [cells.next()?, cells.next()?, cells.next()?];
        cells[0].parse::<u16>().is_ok().then(|| cells.map(str::to_owned))
    });
    cells.collect()
}

#[test]
fn the_wire_contract_has_every_code_of_the_reference_and_no_other() {
    let reference = error_codes("docs/reference/errors.md", "## Codes");
    assert!(reference.len() > 30, "only {} codes were found", reference.len());
    let contract = error_codes("docs/reference/wire-contract.md", "### Statuses and codes");
    let differences: Vec<_> = reference.symmetric_difference(&contract).collect();
    assert!(differences.is_empty(), "{differences:?}");
}

/// What prints a secret in a line of a document. The last two print names, addresses and hashes.
const SECRET_SOURCES: [&str; 7] = [
    "openssl rand",
    "/dev/urandom",
    "bao token create",
    "--stdout",
    "answers.toml)",
    "pg_dump ",
    "dumpdata ",
];

/// The ends of the settings that name a secret file.
const SECRET_SETTINGS: [&str; 6] =
    ["headers_file", "key_file", "password_file", "pin_file", "token_file", "url_file"];

/// The file that a line of a shell writes; empty without one.
fn written_file(line: &str) -> &str {
    let target = line.rsplit_once('>').or_else(|| line.rsplit_once(" --file="));
    let target = target.map_or("", |(_, target)| target.trim_start());
    let file = target.split([' ', ')', ';']).next().unwrap_or_default();
    let is_file = file.starts_with(|first: char| first.is_alphanumeric() || first == '/');
    if is_file && !file.starts_with("/dev/") { file } else { "" }
}

/// The files of a document that only their owner may read: those of settings, and those whose mode a
/// line changes.
fn secret_files(text: &str) -> BTreeSet<&str> {
    let files = text.lines().filter_map(|line| {
        if let Some(rest) = line.trim_start().strip_prefix("chmod ") {
            return rest.split_once("400 ").map(|(_, file)| file);
        }
        let (setting, file) = line.split_once(" = ")?;
        SECRET_SETTINGS.iter().any(|end| setting.ends_with(end)).then(|| file.trim_matches('"'))
    });
    files.collect()
}

/// The lines of a document that write a secret to a file which others can read, even if only until
/// the next line changes its mode.
fn lines_that_write_readable_secrets(text: &str) -> Vec<&str> {
    let secret_files = secret_files(text);
    let is_readable = |line: &&str| {
        let file = written_file(line);
        let is_secret = SECRET_SOURCES.iter().any(|source| line.contains(source));
        !file.is_empty() && !line.contains("umask") && (is_secret || secret_files.contains(file))
    };
    text.lines().filter(is_readable).collect()
}

#[test]
fn lines_of_documents_write_secrets_that_only_their_owner_reads() {
    for text in [
        "openssl rand -hex 32 > secret",
        "echo 'a password' >secret\nchmod 0400 secret",
        "echo 'a password' > secret\n\n[directory]\npassword_file = \"secret\"",
        "pg_dump --format=custom --file=keeper.dump \"$OWNER_URL\"",
    ] {
        assert_eq!(lines_that_write_readable_secrets(text), [text.lines().next().unwrap()]);
    }
    let text = "(umask 377; echo 'a password' >secret)\npassword_file = \"secret\"\necho 1 > other";
    assert!(lines_that_write_readable_secrets(text).is_empty());
    assert_none(|file, text| {
        let is_document = file.extension().is_some_and(|extension| extension == "md");
        let found = if is_document { lines_that_write_readable_secrets(text) } else { vec![] };
        found.into_iter().map(str::to_owned).collect()
    });
}

#[test]
fn no_section_of_the_changelog_has_an_entry_twice() {
    let text = fs::read_to_string("CHANGELOG.md").unwrap();
    let mut repeated = Vec::new();
    for section in text.split("\n### ") {
        let mut seen = BTreeSet::new();
        let entries = section.lines().filter(|line| line.starts_with("- "));
        repeated.extend(entries.filter(|line| !seen.insert(*line)));
    }
    assert!(repeated.is_empty(), "{repeated:?}");
}

#[test]
fn anchors_are_those_of_github() {
    for (heading, expected) in [
        ("Limits", "limits"),
        ("D25: Limits of `POST /x`", "d25-limits-of-post-x"),
        ("$select, twice", "select-twice"),
    ] {
        assert_eq!(slug(heading), expected);
    }
    let text = "# A\n```sh\n# no heading\n```\n## B b\n#no\n## A\n";
    assert_eq!(anchors(text), ["a", "a-1", "b-b"].map(String::from).into());
}

//! The settings file: its path and its text, which are read together.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::problem::{Problem, Problems};
use crate::{
    bounded_file,
    domain::encoding::{self, EncodingError},
};

/// A settings file that was read.
pub(super) struct SettingsFile {
    pub(super) path: PathBuf,
    /// Can contain secrets.
    pub(super) text: String,
}

impl SettingsFile {
    /// Reads exactly this file. `config` would also read a file with another extension, and replace
    /// bytes that are not UTF-8.
    ///
    /// # Errors
    /// When it cannot be read, is no regular file, or is not UTF-8.
    pub(super) fn read(path: &Path) -> Result<Self, Problems> {
        match read_text(path) {
            Ok(text) => Ok(Self { path: path.to_owned(), text }),
            Err(reason) => Err(Problems(vec![Problem::new(path.display().to_string(), reason)])),
        }
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    let unreadable = |error: io::Error| {
        if error.kind() == io::ErrorKind::FileTooLarge {
            return error.to_string();
        }
        format!("cannot read the file: {error}; check that it exists and its permissions")
    };
    // The settings are read more than once, which a pipe does not allow.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("is a folder, a pipe or a device; name a regular file".to_owned());
    }
    let bytes = bounded_file::read(path).map_err(unreadable)?;
    let text = encoding::require_no_other_encoding(&bytes).and_then(|()| encoding::text(&bytes));
    text.map(str::to_owned).map_err(|error| encoding_problem(error, &bytes))
}

/// The reason why a file is refused, with the line but without its text.
fn encoding_problem(error: EncodingError, bytes: &[u8]) -> String {
    match error {
        EncodingError::OtherEncoding(_) => error.to_string(),
        EncodingError::NotUtf8 => {
            let valid = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
            let line = 1 + valid.matches('\n').count();
            format!("line {line} is not UTF-8; save the file as UTF-8")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, fs};

    use crate::configuration::Settings;

    /// Reads a settings file with this content; returns the problems.
    fn problems_of(content: &[u8]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keeper.toml");
        fs::write(&path, content).unwrap();
        Settings::read(Some(&path), HashMap::new()).err().map(|problems| problems.to_string())
    }

    #[test]
    fn a_file_that_is_not_utf_8_is_refused() {
        let problems = problems_of(b"[passwords]\ncontext_words = ['marker\xfc']\n").unwrap();
        assert!(problems.contains("keeper.toml: line 2 is not UTF-8"), "{problems}");
        assert!(!problems.contains("marker"), "{problems}");
        let text = "[passwords]\ncontext_words = ['marker\u{fc}']\n";
        assert_eq!(problems_of(text.as_bytes()), None);
        assert_eq!(problems_of(format!("\u{feff}{text}").as_bytes()), None);
        for (mark, encoding) in [("\u{feff}", "UTF-16"), ("", "UTF-16LE")] {
            let units = format!("{mark}{text}");
            let bytes: Vec<_> = units.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let problems = problems_of(&bytes).unwrap();
            assert!(problems.contains(&format!("is {encoding}; ")), "{problems}");
            assert!(problems.contains("iconv"), "{problems}");
        }
    }

    #[test]
    fn only_the_named_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["keeper.toml", "keeper.conf.toml"] {
            fs::write(folder.path().join(name), "[hashing]\niterations = 3\n").unwrap();
        }
        let read = |name: &str| Settings::read(Some(&folder.path().join(name)), HashMap::new());
        assert_eq!(read("keeper.toml").unwrap().hash_parameters().iterations, 3);
        for name in ["keeper", "keeper.conf"] {
            let problems = read(name).unwrap_err().to_string();
            assert!(problems.contains(&format!("{name}: cannot read the file: ")), "{problems}");
        }
        let problems = read("").unwrap_err().to_string();
        assert!(problems.contains("name a regular file"), "{problems}");
    }
}

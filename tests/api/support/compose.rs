//! Reads `docker-compose.yml`, so that tests can run its services without containers.

use std::{collections::BTreeMap, fs, path::Path};

use yaml_rust2::{Yaml, YamlLoader};

/// The parsed file.
pub(crate) struct Compose(Yaml);

/// A service of the file.
pub(crate) struct Service<'file> {
    yaml: &'file Yaml,
    file: &'file Yaml,
}

impl Compose {
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string("docker-compose.yml").unwrap();
        Self(YamlLoader::load_from_str(&text).unwrap().remove(0))
    }

    pub(crate) fn yaml(&self) -> &Yaml {
        &self.0
    }

    pub(crate) fn service(&self, name: &str) -> Service<'_> {
        let yaml = &self.0["services"][name];
        assert!(!yaml.is_badvalue(), "the service {name} is missing");
        Service { yaml, file: &self.0 }
    }
}

impl<'file> Service<'file> {
    /// A member of the service, or of the mappings that `<<` merges into it.
    pub(crate) fn member(&self, name: &str) -> &'file Yaml {
        let mut yaml = self.yaml;
        while yaml[name].is_badvalue() && !yaml["<<"].is_badvalue() {
            yaml = &yaml["<<"];
        }
        &yaml[name]
    }

    /// A member that is a list of strings.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        texts(self.member(name))
    }

    /// A list of strings inside a member.
    pub(crate) fn texts_of(&self, name: &str, inner: &str) -> Vec<String> {
        texts(&self.member(name)[inner])
    }

    /// The environment, with `${NAME:-default}` replaced by its default.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        let environment = self.member("environment").as_hash().unwrap();
        let text = |yaml: &Yaml| yaml.as_str().unwrap().to_owned();
        environment.iter().map(|(name, value)| (text(name), with_default(&text(value)))).collect()
    }

    /// The mounted files: the path in the container, and the path on this machine.
    pub(crate) fn mounts(&self) -> Vec<(String, String)> {
        let volumes = self.texts("volumes");
        let files = volumes.iter().filter(|mount| mount.starts_with("./"));
        let mount = |mount: &String| {
            let (file, rest) = mount.split_once(':').unwrap();
            (rest.strip_suffix(":ro").unwrap().to_owned(), file.to_owned())
        };
        files.map(mount).collect()
    }

    /// The secrets: the path in the container, and the path of the file in `folder`.
    pub(crate) fn secrets(&self, folder: &Path) -> Vec<(String, String)> {
        let names = self.texts("secrets").into_iter();
        let secret = |name: String| {
            let file = self.file["secrets"][name.as_str()]["file"].as_str().unwrap();
            let file = folder.join(file.strip_prefix("secrets/").unwrap());
            (format!("/run/secrets/{name}"), file.to_str().unwrap().to_owned())
        };
        names.map(secret).collect()
    }
}

/// The strings of a list.
pub(crate) fn texts(list: &Yaml) -> Vec<String> {
    list.as_vec().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Replaces `${NAME:-default}` by its default.
fn with_default(text: &str) -> String {
    let inside = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    inside.map_or(text, |inside| inside.split_once(":-").unwrap().1).to_owned()
}

/// Replaces paths in the container by paths on this machine.
pub(crate) fn with_local_paths(text: &str, files: &[(String, String)]) -> String {
    let replaced = files
        .iter()
        .fold(text.to_owned(), |text, (container, local)| text.replace(container, local));
    assert!(!replaced.contains("/run/secrets/"), "{text}: the service does not mount this secret");
    replaced
}

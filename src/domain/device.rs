//! The device of a client, as the header `User-Agent` describes it.

use std::{fmt, sync::Arc};

use super::text::{is_hidden_in_text, is_xml};

/// The maximum length, in characters.
pub(crate) const MAXIMUM_DEVICE: usize = 200;

/// The maximum length of the name of a program that is not in [`PROGRAMS`], in characters.
const MAXIMUM_PROGRAM: usize = 40;

/// Marks of programs and their names. Browsers also name the browsers that they are compatible
/// with, so the order matters.
const PROGRAMS: [(&str, &str); 11] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Marks of systems and their names. Android names Linux as well, and iPhones name macOS.
const SYSTEMS: [(&str, &str); 9] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
    ("X11", "Unix"),
];

/// The text that a client sends about itself: 1 to 200 characters that every format can contain. It
/// is a claim of the client, so it decides nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device(Arc<str>);

impl Device {
    /// The device that a header describes, without control and bidirectional characters; `None` when
    /// nothing is left. Longer texts are cut off.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let visible = header.chars().filter(|&one| is_xml(one) && !is_hidden_in_text(one));
        let text: String = visible.take(MAXIMUM_DEVICE).collect();
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.into()))
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The program and the system, for people.
    pub(crate) fn name(&self) -> DeviceName<'_> {
        let find = |marks: &[(&str, &'static str)]| {
            marks.iter().find(|(mark, _)| self.0.contains(mark)).map(|(_, name)| *name)
        };
        let program = find(&PROGRAMS).or_else(|| self.first_product());
        DeviceName { program, system: find(&SYSTEMS) }
    }

    /// The name of the first product, such as `curl` in `curl/8.5.0`. Browsers call themselves
    /// Mozilla, which says nothing.
    fn first_product(&self) -> Option<&str> {
        let product = self.0.split(['/', ' ', '(']).next()?;
        let is_name = !product.is_empty()
            && product != "Mozilla"
            && product.chars().count() <= MAXIMUM_PROGRAM;
        is_name.then_some(product)
    }
}

/// The program and the system of a device, as far as they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceName<'device> {
    pub(crate) program: Option<&'device str>,
    pub(crate) system: Option<&'static str>,
}

impl fmt::Display for DeviceName<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.program, self.system) {
            (Some(program), Some(system)) => write!(formatter, "{program} on {system}"),
            (Some(known), None) | (None, Some(known)) => formatter.write_str(known),
            (None, None) => formatter.write_str("unknown device"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_device_has_program_and_system() {
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (header, expected) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
                "Firefox on Linux",
            ),
            (
                &format!(
                    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) {webkit} Chrome/131.0 Safari/537.36"
                ),
                "Chrome on Windows",
            ),
            (
                &format!(
                    "Mozilla/5.0 (Windows NT 10.0) {webkit} Chrome/131.0 Safari/537.36 Edg/131.0"
                ),
                "Edge on Windows",
            ),
            (
                &format!(
                    "Mozilla/5.0 (X11; CrOS x86_64 1) {webkit} Chrome/131.0 Safari/537.36 OPR/1"
                ),
                "Opera on ChromeOS",
            ),
            (
                &format!(
                    "Mozilla/5.0 (Linux; Android 10; K) {webkit} Chrome/131.0 Mobile Safari/537.36"
                ),
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 (KHTML) Version/18.1 Safari/605.1",
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605 CriOS/131 Mobile Safari/604",
                "Chrome on iPhone",
            ),
            ("curl/8.5.0", "curl"),
            ("SO-TS-WebApi/1.0", "SO-TS-WebApi"),
            ("Mozilla/4.0", "unknown device"),
            (&format!("{}/1 (Linux)", "x".repeat(41)), "Linux"),
        ] {
            assert_eq!(Device::parse(header).unwrap().name().to_string(), expected, "{header}");
        }
    }

    #[test]
    fn a_device_has_at_most_200_visible_characters() {
        assert_eq!(Device::parse(&"å".repeat(201)).unwrap().as_str(), "å".repeat(200));
        let hidden = "\u{202e}a\r\n\u{1b}[31mb\0\u{7f}\u{fffe}\u{feff} ";
        assert_eq!(Device::parse(hidden).unwrap().as_str(), "a[31mb");
        for empty in ["", " ", "\0\u{1b}", "\u{202e}"] {
            assert_eq!(Device::parse(empty), None);
        }
        let cut = Device::parse(&format!("{}  {}", "a".repeat(199), "b".repeat(9))).unwrap();
        assert_eq!(cut.as_str(), "a".repeat(199));
        assert_eq!(Device::parse(cut.as_str()), Some(cut));
    }
}

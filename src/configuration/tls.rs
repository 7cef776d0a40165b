//! Settings of TLS: the certificates of a listener.

use std::path::PathBuf;

use serde::Deserialize;

use super::{problem::Problem, reader::Reader};

/// The section `http.tls` or `operations.tls`.
#[derive(Debug, Clone)]
pub(crate) struct TlsSettings {
    /// `http.tls` or `operations.tls`.
    pub(crate) section: &'static str,
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    /// More certificates, for other server names.
    pub(crate) additional: Vec<AdditionalCertificate>,
    /// The authorities of client certificates. `None`: clients need no certificate.
    pub(crate) client_ca_file: Option<PathBuf>,
}

/// One entry of `http.tls.additional`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdditionalCertificate {
    pub(crate) certificate_file: PathBuf,
    pub(crate) key_file: PathBuf,
}

impl TlsSettings {
    /// Reads the section of the API.
    pub(super) fn take_http(reader: &mut Reader) -> Self {
        Self {
            section: "http.tls",
            certificate_file: reader.optional("http.tls.certificate_file"),
            key_file: reader.secret_file("http.tls.key_file"),
            additional: reader.get("http.tls.additional"),
            client_ca_file: None,
        }
    }

    /// Reads the section of the operations listener.
    pub(super) fn take_operations(reader: &mut Reader) -> Self {
        Self {
            section: "operations.tls",
            certificate_file: reader.optional("operations.tls.certificate_file"),
            key_file: reader.secret_file("operations.tls.key_file"),
            additional: Vec::new(),
            client_ca_file: reader.optional("operations.tls.client_ca_file"),
        }
    }

    /// True when the listener uses TLS.
    pub(crate) fn is_enabled(&self) -> bool {
        self.certificate_file.is_some()
    }

    /// The files of every certificate, as (certificate, key).
    pub(crate) fn certificates(&self) -> Vec<(PathBuf, PathBuf)> {
        let first = self.certificate_file.clone().zip(self.key_file.clone());
        let additional = self.additional.iter();
        let additional =
            additional.map(|entry| (entry.certificate_file.clone(), entry.key_file.clone()));
        first.into_iter().chain(additional).collect()
    }

    /// Problems of the combination of settings.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut reject = |member: &str, reason: String| {
            problems.push(Problem::new(format!("{}.{member}", self.section), reason));
        };
        match (&self.certificate_file, &self.key_file) {
            (Some(_), None) => {
                reject("key_file", format!("is required with {}.certificate_file", self.section));
            }
            (None, Some(_)) => {
                reject("certificate_file", format!("is required with {}.key_file", self.section));
            }
            (None, None) | (Some(_), Some(_)) => {}
        }
        for (member, is_set) in [
            ("additional", !self.additional.is_empty()),
            ("client_ca_file", self.client_ca_file.is_some()),
        ] {
            if is_set && self.certificate_file.is_none() && self.key_file.is_none() {
                let section = self.section;
                reject(
                    member,
                    format!("requires {section}.certificate_file and {section}.key_file"),
                );
            }
        }
        problems
    }
}

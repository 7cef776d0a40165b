//! Certificates of tests, and clients that trust them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use reqwest::{Certificate, Client, ClientBuilder};
use time::OffsetDateTime;
use tokio_rustls::rustls::{ALL_VERSIONS, ClientConfig, RootCertStore, SupportedProtocolVersion};

use super::client_builder;

/// A certificate authority.
pub(crate) struct TestAuthority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, in PEM.
#[derive(Clone)]
pub(crate) struct TestCertificate {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) der: Vec<u8>,
}

impl TestAuthority {
    pub(crate) fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(parameters, key).unwrap())
    }

    /// The certificate of the authority, in PEM.
    pub(crate) fn certificate(&self) -> String {
        self.0.pem()
    }

    /// A certificate for names.
    pub(crate) fn issue(&self, names: &[&str]) -> TestCertificate {
        self.issue_with(names, |_| {})
    }

    /// A certificate for names with other parameters.
    pub(crate) fn issue_with(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> TestCertificate {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut parameters);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        TestCertificate {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
        }
    }

    /// A certificate that has expired.
    pub(crate) fn issue_expired(&self, names: &[&str]) -> TestCertificate {
        self.issue_with(names, |parameters| {
            let now = OffsetDateTime::now_utc();
            parameters.not_before = now - time::Duration::days(30);
            parameters.not_after = now - time::Duration::days(1);
        })
    }

    /// The TLS configuration of a client that trusts this authority.
    pub(crate) fn client_config(&self) -> ClientConfig {
        self.client_config_for(ALL_VERSIONS)
    }

    /// As [`Self::client_config`], with these versions of TLS.
    pub(crate) fn client_config_for(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_protocol_versions(versions);
        builder.with_root_certificates(roots).with_no_client_auth()
    }

    /// A client that trusts this authority.
    pub(crate) fn client(&self) -> Client {
        tls_client(self).build().unwrap()
    }
}

/// The builder of a client that trusts an authority.
pub(crate) fn tls_client(authority: &TestAuthority) -> ClientBuilder {
    let root = Certificate::from_pem(authority.certificate().as_bytes()).unwrap();
    client_builder().tls_info(true).tls_certs_only([root]).no_proxy()
}

impl TestCertificate {
    /// Writes `NAME.crt` and `NAME.key`, as a renewal does: each file is replaced as a whole.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let certificate = folder.join(format!("{name}.crt"));
        let key = folder.join(format!("{name}.key"));
        replace(&certificate, &self.certificate, 0o444);
        replace(&key, &self.key, 0o400);
        (certificate, key)
    }
}

/// Replaces a file.
pub(crate) fn replace(path: &Path, text: &str, mode: u32) {
    let temporary = path.with_extension("temporary");
    fs::write(&temporary, text).unwrap();
    fs::set_permissions(&temporary, PermissionsExt::from_mode(mode)).unwrap();
    fs::rename(&temporary, path).unwrap();
}

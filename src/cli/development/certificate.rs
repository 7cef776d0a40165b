//! The self-signed certificate of `dev --tls`, in the data folder.

use std::path::Path;

use time::Duration;

use super::data_folder::DataFolder;
use crate::{
    cli::output::{Failure, print_status},
    clock,
    configuration::{Settings, TlsSettings},
    security::tls::{CertificateFiles, write_self_signed},
    startup,
};

/// The names that clients of `dev` use.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The certificate is replaced when it expires sooner.
const REMAINING: Duration = Duration::days(7);

/// Makes `dev` serve HTTPS with the certificate of the data folder. Creates the certificate if it
/// is missing or expires soon.
pub(super) fn enable_tls(settings: &mut Settings, data: &DataFolder) -> Result<(), Failure> {
    let (certificate, key) = (data.certificate(), data.certificate_key());
    settings.http.tls = TlsSettings {
        certificate_file: Some(certificate.clone()),
        key_file: Some(key.clone()),
        additional: Vec::new(),
        ..settings.http.tls.clone()
    };
    settings.http.tls_terminated_by_proxy = false;
    let now = clock::now();
    let existing = startup::load_certificates(&settings.http.tls);
    let is_usable = existing.is_ok_and(|tls| tls.require_valid(now + REMAINING).is_ok());
    if !is_usable {
        write_self_signed(&CertificateFiles { certificate, key }, &NAMES, now)?;
    }
    explain(&data.certificate());
    Ok(())
}

fn explain(certificate: &Path) {
    print_status(format_args!(
        "TLS: self-signed certificate; trust it with `curl --cacert {}`",
        certificate.display()
    ));
}

//! TLS to Postgres: whenever it is used, the server's chain and host name are verified.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::passfile::private;

/// libpq's word for the certificate authorities of the operating system; here they are the default.
const SYSTEM: &str = "system";

/// Trusts the certificate authorities of this PEM file, or the system's; shows a certificate of this file, by the key
/// of the other one, to a server that asks for it.
pub fn connector(
    root: Option<&str>,
    own: Option<(&str, &str)>,
) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?
        .with_root_certificates(roots(root.unwrap_or(SYSTEM))?);
    let mut config = match own {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            private(key.as_ref(), true).map_err(|error| format!("sslkey: {error}"))?;
            let chain = certificates("sslcert", certificate.as_ref())?;
            let secret = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| format!("sslkey: {key}: {error}"))?;
            config
                .with_client_auth_cert(chain, secret)
                .map_err(|error| format!("sslcert, sslkey: {error}"))?
        }
    };
    // By this name Postgres 17 knows TLS that begins at once (sslnegotiation=direct).
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(MakeRustlsConnect::new(config))
}

fn roots(root: &str) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    if root == SYSTEM {
        // None at all is told by the first server that shows a certificate.
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(store);
    }
    for certificate in certificates("sslrootcert", root.as_ref())? {
        let added = store.add(certificate);
        added.map_err(|error| format!("sslrootcert: {root}: {error}"))?;
    }
    Ok(store)
}

fn certificates(name: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(file).and_then(|certificates| certificates.collect());
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(format!(
            "{name}: {}: expected certificates in PEM",
            file.display()
        )),
        Err(error) => Err(format!("{name}: {}: {error}", file.display())),
    }
}

/// The next step behind a refused certificate; none for another error.
pub fn advice(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    while let Some(error) = next {
        // An io::Error gives its inner error's source for its own.
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        let rustls = inner.map_or_else(
            || error.downcast_ref(),
            |inner| inner.downcast_ref::<rustls::Error>(),
        );
        if let Some(rustls::Error::InvalidCertificate(why)) = rustls {
            return Some(match why {
                CertificateError::UnknownIssuer => {
                    "no certificate authority that is trusted here has signed the server's certificate: name the one that has, \
                     by sslrootcert=FILE"
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => {
                    "connect by a name that the certificate has as subjectAltName, or give the server a certificate for this one"
                }
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "give the server a new certificate"
                }
                _ => {
                    "expected a server's certificate with a subjectAltName, signed by a certificate authority that \
                     sslrootcert=FILE names"
                }
            });
        }
        next = error.source();
    }
    None
}

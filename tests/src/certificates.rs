//! A certificate authority of one test, and certificates signed by it, as PEM files.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::secret_file;

/// A certificate authority.
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate's two files.
pub struct Certified {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key, in PKCS#8, which we alone can read.
    pub key: PathBuf,
}

impl Authority {
    /// A new one, whose certificate lies in the folder.
    pub fn new(folder: &Path) -> Result<Self, String> {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority of a test");
        let key = KeyPair::generate().map_err(|error| error.to_string())?;
        let certificate = params
            .self_signed(&key)
            .map_err(|error| error.to_string())?;
        let authority = Self {
            folder: folder.to_owned(),
            issuer: Issuer::new(params, key),
        };
        secret_file::write(&authority.certificate(), certificate.pem().as_bytes())?;
        Ok(authority)
    }

    /// Its own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// Signs a certificate with this common name, for these host names and addresses.
    pub fn certify(&self, name: &str, hosts: &[&str]) -> Result<Certified, String> {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let signed = || {
            let mut params = CertificateParams::new(hosts)?;
            params.distinguished_name.push(DnType::CommonName, name);
            let key = KeyPair::generate()?;
            Ok((params.signed_by(&key, &self.issuer)?, key))
        };
        let (certificate, key) = signed().map_err(|error: rcgen::Error| error.to_string())?;
        let certified = Certified {
            certificate: self.folder.join(format!("{name}.pem")),
            key: self.folder.join(format!("{name}.key")),
        };
        secret_file::write(&certified.certificate, certificate.pem().as_bytes())?;
        secret_file::write(&certified.key, key.serialize_pem().as_bytes())?;
        Ok(certified)
    }
}

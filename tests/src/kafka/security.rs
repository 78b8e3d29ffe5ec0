//! A broker's listeners with TLS and passwords, beside the plain one.

use std::fs;
use std::path::Path;

use crate::certificates::Authority;
use crate::postgres::free_port;
use crate::secret_file;

/// Whom the broker knows by password.
pub const USER: &str = "deed";
/// Its password.
pub const PASSWORD: &str = "brokers-secret";

/// A listener that wants to know more of its clients.
#[derive(Debug, Clone, Copy)]
pub enum Listener {
    /// TLS, from clients with a certificate of the same authority.
    Ssl,
    /// TLS and a password.
    SaslSsl,
    /// A password alone.
    SaslPlaintext,
}

/// What a broker's listeners are like.
#[derive(Debug, Clone)]
pub struct Security {
    ports: [u16; 3],
    properties: String,
}

impl Security {
    /// With a certificate of this authority, for 127.0.0.1; its files go into the folder.
    pub fn new(authority: &Authority, folder: &Path) -> Result<Self, String> {
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let broker = authority.certify("broker", &["127.0.0.1"])?;
        let keystore = folder.join("broker-keystore.pem");
        let pem = read(&broker.key)? + &read(&broker.certificate)?;
        secret_file::write(&keystore, pem.as_bytes())?;
        let module = "org.apache.kafka.common.security";
        let mut properties = format!(
            "\
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,SASL_PLAINTEXT:SASL_PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
",
            keystore = keystore.display(),
            truststore = authority.certificate().display(),
        );
        for listener in ["sasl_ssl", "sasl_plaintext"] {
            let login = format!("listener.name.{listener}");
            properties += &format!(
                "{login}.plain.sasl.jaas.config={module}.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";\n"
            );
            for mechanism in ["scram-sha-256", "scram-sha-512"] {
                properties += &format!(
                    "{login}.{mechanism}.sasl.jaas.config={module}.scram.ScramLoginModule required;\n"
                );
            }
        }
        Ok(Self {
            ports: [free_port()?, free_port()?, free_port()?],
            properties,
        })
    }

    pub(super) fn port(&self, listener: Listener) -> u16 {
        self.ports[listener as usize]
    }

    /// Behind the plain listener's.
    pub(super) fn listeners(&self) -> String {
        let [ssl, sasl_ssl, sasl_plaintext] = self.ports;
        format!(
            ",SSL://127.0.0.1:{ssl},SASL_SSL://127.0.0.1:{sasl_ssl},SASL_PLAINTEXT://127.0.0.1:{sasl_plaintext}"
        )
    }

    pub(super) fn properties(&self) -> &str {
        &self.properties
    }

    /// Arguments of the format tool: SCRAM's passwords are part of the cluster's data.
    pub(super) fn format_arguments() -> Vec<String> {
        let user = |mechanism| {
            let user = format!("{mechanism}=[name={USER},password={PASSWORD}]");
            ["--add-scram".to_owned(), user]
        };
        ["SCRAM-SHA-256", "SCRAM-SHA-512"]
            .into_iter()
            .flat_map(user)
            .collect()
    }
}

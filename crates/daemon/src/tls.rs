//! TLS under SIP: our certificate for those who come, and whose certificate we believe where we go (RFC 5922).

use crate::config::Config;
use anyhow::Context;
use axum_server::tls_rustls::RustlsConfig;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use terms::Transport;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

/// Where systems keep the roots they trust: Debian and its kin, Red Hat, Alpine and SUSE.
pub(crate) const SYSTEM_ROOTS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

/// The certificate of the HTTPS side, as it is at each handshake.
#[derive(Clone)]
pub struct Incoming {
    watched: RustlsConfig,
    made: Arc<Mutex<Option<Made>>>,
}

/// A configuration and what accepts by it.
type Made = (Arc<ServerConfig>, TlsAcceptor);

impl Incoming {
    pub fn new(watched: RustlsConfig) -> Incoming {
        Incoming { watched, made: Arc::default() }
    }

    /// For one handshake. Made anew only when the certificate was read again.
    pub fn acceptor(&self) -> TlsAcceptor {
        let now = self.watched.get_inner();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, acceptor)) = made.as_ref()
            && Arc::ptr_eq(of, &now)
        {
            return acceptor.clone();
        }
        let mut config = ServerConfig::clone(&now);
        // The web's protocol names are not ours, and a phone that names `sip/2` must not be sent away for it.
        config.alpn_protocols.clear();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        *made = Some((now, acceptor.clone()));
        acceptor
    }
}

/// What it takes to open TLS to a trunk.
pub struct Outgoing {
    /// `None` where no trunk is called over TLS: then no roots are read.
    connector: Option<TlsConnector>,
    /// The name a trunk's certificate must carry: its domain (RFC 5922 §7.1), its address where it has none.
    names: HashMap<SocketAddr, ServerName<'static>>,
}

impl Outgoing {
    pub fn new(config: &Config) -> anyhow::Result<Outgoing> {
        let mut names = HashMap::new();
        for trunk in &config.trunks {
            for one in trunk.addresses.iter().filter(|one| one.transport == Transport::Tls) {
                let name = match &trunk.domain {
                    Some(domain) => ServerName::try_from(domain.clone())
                        .with_context(|| format!("`{domain}` is no name a certificate can carry"))?,
                    None => ServerName::from(one.address.ip()),
                };
                names.insert(one.address, name);
            }
        }
        let connector = match names.is_empty() {
            true => None,
            false => {
                let roots = roots(config.trust.as_deref())?;
                let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
                Some(TlsConnector::from(Arc::new(client)))
            }
        };
        Ok(Outgoing { connector, names })
    }

    /// The handshake, with the peer's certificate verified.
    pub async fn connect(
        &self,
        peer: SocketAddr,
        stream: TcpStream,
    ) -> anyhow::Result<client::TlsStream<TcpStream>> {
        let connector = self.connector.as_ref().context("no trunk is configured for TLS")?;
        let name = self.names.get(&peer).cloned().unwrap_or_else(|| ServerName::from(peer.ip()));
        let wanted = name.to_str().into_owned();
        let verified = connector.connect(name, stream).await;
        verified.with_context(|| format!("verifying the certificate of {wanted} at {peer}"))
    }
}

/// The roots to verify with: this file's alone where one is named, otherwise the system's.
fn roots(file: Option<&Path>) -> anyhow::Result<RootCertStore> {
    let file = match file {
        Some(file) => file,
        None => SYSTEM_ROOTS
            .map(Path::new)
            .into_iter()
            .find(|file| file.exists())
            .context("this system has no list of trusted roots (Debian: apt-get install ca-certificates); or name a file: `trust` in [tls]")?,
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("reading the trusted roots in {}", file.display()))?;
    // Old roots that cannot be read are skipped, as everywhere.
    let (taken, _) = roots.add_parsable_certificates(certificates);
    anyhow::ensure!(taken > 0, "{} holds no certificate", file.display());
    Ok(roots)
}

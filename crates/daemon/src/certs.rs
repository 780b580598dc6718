//! Certificates: read from files and again when they change, or made for development.

use crate::config::Config;
use crate::expiry;
use anyhow::Context;
use auth::Standing;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What people are told the certificate is for.
const SERVED: &str = "these pages and of SIP over TLS";

/// Chooses the crypto of this process. Harmless to call again.
pub fn install_provider() {
    // An error means that a provider was chosen before, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The certificate chain and key to serve with; makes them where the configuration names none.
pub fn files(config: &Config) -> anyhow::Result<(PathBuf, PathBuf)> {
    if let Some(tls) = &config.tls {
        return Ok((tls.certificate.clone(), tls.key.clone()));
    }
    let certificate = config.data_dir.join("dev-cert.pem");
    let key = config.data_dir.join("dev-key.pem");
    if !(certificate.exists() && key.exists()) {
        let extra = config.listen.https.map(|a| a.ip()).filter(|ip| !ip.is_unspecified());
        make(&certificate, &key, extra.into_iter().chain(config.advertise))
            .context("making a development certificate")?;
        tracing::info!(file = %certificate.display(), "development certificate made");
    }
    Ok((certificate, key))
}

fn make(certificate: &Path, key: &Path, extra: impl Iterator<Item = IpAddr>) -> anyhow::Result<()> {
    let mut names = vec!["127.0.0.1".to_owned(), "::1".to_owned(), "localhost".to_owned()];
    if let Ok(host) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
        names.push(host.trim().to_owned());
    }
    names.extend(extra.map(|ip| ip.to_string()));
    names.retain(|name| !name.is_empty() && name.is_ascii());
    names.sort_unstable();
    names.dedup();
    let made = rcgen::generate_simple_self_signed(names)?;
    std::fs::write(certificate, made.cert.pem())?;
    // Only we may read the key. Writing a new file beside it and renaming leaves no moment with wider rights.
    let fresh = key.with_extension("new");
    let _ = std::fs::remove_file(&fresh);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    std::io::Write::write_all(&mut file, made.signing_key.serialize_pem().as_bytes())?;
    std::fs::rename(&fresh, key)?;
    Ok(())
}

/// Loads the files, and again whenever they change, for as long as the returned configuration is in use.
pub async fn watched(
    certificate: PathBuf,
    key: PathBuf,
    standing: Standing,
) -> anyhow::Result<axum_server::tls_rustls::RustlsConfig> {
    let tls = axum_server::tls_rustls::RustlsConfig::from_pem_file(&certificate, &key)
        .await
        .with_context(|| format!("reading {} and {}", certificate.display(), key.display()))?;
    tell(&standing, &certificate);
    let reloading = tls.clone();
    tokio::spawn(async move {
        let mut seen = changed(&certificate, &key);
        let mut complained = None;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = changed(&certificate, &key);
            if now == seen {
                continue;
            }
            match reloading.reload_from_pem_file(&certificate, &key).await {
                Ok(()) => {
                    tracing::info!("certificate read again");
                    tell(&standing, &certificate);
                    seen = now;
                }
                // Certificate and key are two files, so one may be newer for a moment: tried again, told once.
                Err(error) if complained != Some(now) => {
                    tracing::error!(%error, "changed certificate cannot be read, the old one stays");
                    complained = Some(now);
                }
                Err(_) => {}
            }
        }
    });
    Ok(tls)
}

/// When it ends, so that administrators hear of it before.
fn tell(standing: &Standing, certificate: &Path) {
    match expiry::of_file(certificate) {
        Some(until) => standing.certificate(SERVED, until),
        None => tracing::warn!(file = %certificate.display(), "the end of the certificate cannot be read"),
    }
}

/// When each file was written and how long it is.
type Seen = [Option<(SystemTime, u64)>; 2];

fn changed(certificate: &Path, key: &Path) -> Seen {
    [certificate, key]
        .map(|file| std::fs::metadata(file).ok().and_then(|m| Some((m.modified().ok()?, m.len()))))
}

//! The licence file in the data folder: read at start, and again when it changes.

use auth::Standing;
use auth::licence::{Installed, Trust};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A licence is shorter; the rest of a longer file is not read.
const BYTES_MAX: u64 = 64 * 1024;

/// Where the licence of a data folder is.
pub fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("licence")
}

/// What is installed in a data folder.
pub fn installed(data_dir: &Path, trust: Trust) -> Installed {
    let read = |file: std::fs::File| {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut std::io::Read::take(file, BYTES_MAX), &mut text).map(|_| text)
    };
    match std::fs::File::open(file(data_dir)).and_then(read) {
        Ok(text) => Installed::of(Some(&text), trust),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Installed::Community,
        Err(error) => Installed::Broken(auth::licence::LicenceError::Unreadable(error.to_string())),
    }
}

/// Tells how the licence stands, now and whenever its file changes.
pub(crate) fn watched(data_dir: PathBuf, trust: Trust, standing: Standing) {
    let mut seen = changed(&data_dir);
    tell(installed(&data_dir, trust), &standing);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = changed(&data_dir);
            if now != seen {
                seen = now;
                tell(installed(&data_dir, trust), &standing);
            }
        }
    });
}

fn tell(installed: Installed, standing: &Standing) {
    match &installed {
        Installed::Community => {}
        Installed::Licensed(licence) => {
            tracing::info!(customer = licence.customer, seats = licence.seats, until = %licence.until, "licence read");
        }
        Installed::Broken(error) => tracing::warn!(%error, "the installed licence does not count"),
    }
    standing.licence(installed);
}

fn changed(data_dir: &Path) -> Option<(SystemTime, u64)> {
    let found = std::fs::metadata(file(data_dir)).ok()?;
    Some((found.modified().ok()?, found.len()))
}

//! Random passwords and secrets.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use terms::Secret;

/// A secret of 128 bits in 22 characters that every phone's menu can take.
pub fn secret() -> anyhow::Result<Secret> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("the system has no randomness: {e}"))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

/// A password a person can type from paper.
pub fn password() -> anyhow::Result<Secret> {
    admin::made::password().ok_or_else(|| anyhow::anyhow!("the system has no randomness"))
}

/// The first line of standard input.
pub fn from_stdin(what: &str) -> anyhow::Result<Secret> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let line = line.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(!line.is_empty(), "no {what} came on standard input");
    Ok(Secret::new(line))
}

#[cfg(test)]
mod tests {
    #[test]
    fn secrets_are_long_and_never_the_same() {
        let (a, b) = (super::secret().unwrap(), super::secret().unwrap());
        assert!(a.expose().len() == 22 && a.expose() != b.expose());
        assert_eq!(super::password().unwrap().expose().len(), 19);
    }
}

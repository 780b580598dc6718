//! A password made for somebody who will change it at once.

use terms::Secret;

/// Letters and digits that nobody takes for another when they read them from paper.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Four groups of four, 80 bits; `None` where the system has no randomness to give.
pub fn password() -> Option<Secret> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    let letters: Vec<char> = bytes.iter().map(|b| LETTERS[usize::from(b % 32)] as char).collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    Some(Secret::new(groups.join("-")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn made_passwords_can_be_read_aloud_and_never_come_twice() {
        let (a, b) = (super::password().unwrap(), super::password().unwrap());
        assert_eq!(a.expose().len(), 19);
        assert_ne!(a.expose(), b.expose());
        assert!(a.expose().chars().all(|c| c == '-' || (c.is_ascii_alphanumeric() && !"lo01".contains(c))));
    }
}

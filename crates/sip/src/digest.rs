//! Digest, RFC 7616 and RFC 8760: challenge, check, answer.

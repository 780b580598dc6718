//! Where one message ends and the next begins on a stream (RFC 3261 §18.3).

-- A REGISTER in ten thousand touches a page of its own in the table of bindings; written as a log, a hundred of them share
-- a few pages. What the log says goes before the table; now and then it is folded in.
CREATE TABLE binding_log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    ops BLOB NOT NULL                         -- see crates/store/src/sqlite/binding_log.rs
);

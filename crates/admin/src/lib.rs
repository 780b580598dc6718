//! HTTP for administrators, engineers and supervisors: who may do what, and what it does.

//! What holds for clients, seen from outside.

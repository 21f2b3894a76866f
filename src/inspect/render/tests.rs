//! What is rendered of any trace is harmless and ends.

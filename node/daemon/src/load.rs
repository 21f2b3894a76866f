//! How many transfers a network makes final.

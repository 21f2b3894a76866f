//! What the client found, a sentence each, and whether all of it is as it should be.

use std::fmt::Display;

/// The sentences are printed as they come; failures are counted.
#[derive(Debug, Default)]
pub struct Report {
    successes: u32,
    failures: u32,
}

impl Report {
    /// What comes next.
    pub fn about(&mut self, title: &str) {
        println!("\n{title}");
    }

    /// Something that is proven, or refused as it should be.
    pub fn good(&mut self, sentence: impl Display) {
        self.successes += 1;
        println!("  ok     {sentence}");
    }

    /// Something that should not be.
    pub fn bad(&mut self, sentence: impl Display) {
        self.failures += 1;
        println!("  WRONG  {sentence}");
    }

    /// A remark.
    pub fn remark(&mut self, sentence: impl Display) {
        println!("         {sentence}");
    }

    /// The last sentence. `true` if all was well.
    pub fn end(&self) -> bool {
        let Self {
            successes,
            failures,
        } = self;
        println!();
        match failures {
            0 => println!("All {successes} checks are as they should be."),
            _ => println!("{failures} of {} checks are WRONG.", successes + failures),
        }
        *failures == 0
    }
}

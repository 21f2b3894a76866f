//! The command line.

use crostata_peer_cases::{ALL, Failure, Group, Kind};

/// What was asked for.
#[derive(Debug, Default)]
pub struct Arguments {
    /// To be our VM's side. What the parent gives to itself.
    pub child: bool,
    /// A JSON line per case instead of a table.
    pub json: bool,
    /// The programs instead of the comparison's cases.
    pub programs: bool,
    /// No peer.
    pub ours_only: bool,
    /// Only cases whose names contain this.
    pub filter: Option<String>,
}

impl Arguments {
    /// What makes the program be our VM's side.
    pub const CHILD: &str = "--child";

    const USAGE: &str = "usage: crostata-peer [--json] [--programs] [--ours] [NAME]";

    /// Reads them.
    pub fn read(arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut read = Self::default();
        for argument in arguments {
            match argument.as_str() {
                Self::CHILD => read.child = true,
                "--json" => read.json = true,
                "--programs" => read.programs = true,
                "--ours" => read.ours_only = true,
                name if !name.starts_with('-') && read.filter.is_none() => {
                    read.filter = Some(argument);
                }
                _ => return Err(Self::USAGE.into()),
            }
        }
        Ok(read)
    }

    /// The cases to run. A name that is a case's own means only that one.
    pub fn cases(&self) -> impl Iterator<Item = &'static Kind> {
        let filter = self.filter.as_deref().unwrap_or("");
        let exact = ALL.iter().any(|kind| kind.name == filter);
        ALL.iter().filter(move |kind| match exact {
            true => kind.name == filter,
            false => self.wants(kind.group) && kind.name.contains(filter),
        })
    }

    fn wants(&self, group: Group) -> bool {
        self.programs == (group == Group::Program)
    }
}

//! How ids and codes of other crates travel: as bytes and numbers.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A contract's id as its 32 bytes.
pub mod id {
    use super::*;
    use crostata_abi::ContractId;

    pub fn serialize<S: Serializer>(id: &ContractId, to: S) -> Result<S::Ok, S::Error> {
        id.to_bytes().serialize(to)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<ContractId, D::Error> {
        <[u8; 32]>::deserialize(from).map(ContractId::from_bytes)
    }
}

/// An id that there may be.
pub mod maybe_id {
    use super::*;
    use crostata_abi::ContractId;

    pub fn serialize<S: Serializer>(id: &Option<ContractId>, to: S) -> Result<S::Ok, S::Error> {
        id.map(ContractId::to_bytes).serialize(to)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Option<ContractId>, D::Error> {
        let bytes = Option::<[u8; 32]>::deserialize(from)?;
        Ok(bytes.map(ContractId::from_bytes))
    }
}

/// An outcome as its code.
pub mod outcome {
    use super::*;
    use crostata_proof::receipt::Outcome;
    use serde::de::Error;

    pub fn serialize<S: Serializer>(outcome: &Outcome, to: S) -> Result<S::Ok, S::Error> {
        (*outcome as u8).serialize(to)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Outcome, D::Error> {
        let code = u8::deserialize(from)?;
        let mut known = Outcome::ALL.into_iter();
        let found = known.find(|outcome| *outcome as u8 == code);
        found.ok_or_else(|| D::Error::custom(format!("{code} is the code of no outcome")))
    }
}

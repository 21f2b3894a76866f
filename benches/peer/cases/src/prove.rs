//! Proving one byte of a large memory among a thousand contracts, and verifying the proof.

use std::time::Instant;

use crate::Case;
use crate::contracts::{TARGET, World};
use crate::machine::{Failure, Machine};

/// Where the byte is: in the middle of the area that is filled.
const ADDRESS: u64 = (32 << 20) + 123;

/// Proofs, or verifications, in a round.
const TIMES: u32 = 200;

/// Nanoseconds to make a proof of the byte, with the session open and the contract loaded where a VM needs that.
pub struct Prove<M: Machine> {
    world: World<M>,
    prover: M::Prover,
    root: [u8; 32],
}

/// Nanoseconds to verify a proof of the byte.
pub struct Verify<M: Machine> {
    proof: M::Proof,
    root: [u8; 32],
}

/// Bytes of a proof of the byte, as it is sent.
pub struct Size<M: Machine>(Verify<M>);

impl<M: Machine> Prove<M> {
    pub fn prepare() -> Result<Box<dyn Case>, Failure> {
        let (world, prover, root) = Self::ready()?;
        Ok(Box::new(Self {
            world,
            prover,
            root,
        }))
    }

    fn ready() -> Result<(World<M>, M::Prover, [u8; 32]), Failure> {
        let world = World::<M>::filled_among_thousand()?;
        let mut prover = world.machine.prover(&world.base, TARGET)?;
        let root = M::root_of(&mut prover)?;
        Ok((world, prover, root))
    }
}

impl<M: Machine> Case for Prove<M> {
    fn check(&mut self) -> Result<Vec<u8>, Failure> {
        let machine = &self.world.machine;
        let proof = machine.prove_byte(&mut self.prover, TARGET, ADDRESS)?;
        Ok(vec![M::verify_byte(&proof, &self.root, TARGET, ADDRESS)?])
    }

    fn round(&mut self) -> Result<u64, Failure> {
        // Piecrust takes a hundred milliseconds for one.
        const TIMES: u32 = 3;
        let begin = Instant::now();
        for _ in 0..TIMES {
            let machine = &self.world.machine;
            machine.prove_byte(&mut self.prover, TARGET, ADDRESS)?;
        }
        Ok(begin.elapsed().as_nanos() as u64 / u64::from(TIMES))
    }
}

impl<M: Machine> Verify<M> {
    pub fn prepare() -> Result<Box<dyn Case>, Failure> {
        Ok(Box::new(Self::ready()?))
    }

    fn ready() -> Result<Self, Failure> {
        let (world, mut prover, root) = Prove::<M>::ready()?;
        let proof = world.machine.prove_byte(&mut prover, TARGET, ADDRESS)?;
        Ok(Self { proof, root })
    }

    fn verify(&self) -> Result<u8, Failure> {
        M::verify_byte(&self.proof, &self.root, TARGET, ADDRESS)
    }
}

impl<M: Machine> Case for Verify<M> {
    fn check(&mut self) -> Result<Vec<u8>, Failure> {
        Ok(vec![self.verify()?])
    }

    fn round(&mut self) -> Result<u64, Failure> {
        let begin = Instant::now();
        for _ in 0..TIMES {
            std::hint::black_box(self.verify()?);
        }
        Ok(begin.elapsed().as_nanos() as u64 / u64::from(TIMES))
    }
}

impl<M: Machine> Size<M> {
    pub fn prepare() -> Result<Box<dyn Case>, Failure> {
        Ok(Box::new(Self(Verify::ready()?)))
    }
}

impl<M: Machine> Case for Size<M> {
    fn check(&mut self) -> Result<Vec<u8>, Failure> {
        self.0.check()
    }

    fn round(&mut self) -> Result<u64, Failure> {
        Ok(M::proof_bytes(&self.0.proof)? as u64)
    }
}

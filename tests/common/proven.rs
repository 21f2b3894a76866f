//! Named values and keys of maps, proven and verified as a light client does.

use crostata::{ContractId, Root, VM, Value, ValuePath, ValueProof};

/// The proven value of a name, through the encoding.
pub fn value(vm: &VM, root: Root, contract: ContractId, name: &str) -> Value {
    let proof = vm.prove_value(root, contract, name).unwrap().encode();
    let proof = ValueProof::decode(&proof).unwrap();
    proof.verify(&root, &contract, name).unwrap().into_inner()
}

/// The proven value of a key, through the encoding.
pub fn entry(
    vm: &VM,
    root: Root,
    contract: ContractId,
    name: &str,
    key: impl Into<Value>,
) -> Option<Value> {
    let key = key.into();
    let path = ValuePath::key(name, key.clone());
    let proof = vm.prove_value(root, contract, path).unwrap().encode();
    let proof = ValueProof::decode(&proof).unwrap();
    let value = proof.verify_key(&root, &contract, name, &key).unwrap();
    value.into_inner()
}

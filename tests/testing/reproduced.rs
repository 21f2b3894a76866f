// Written by `the_reproduction_is_the_file_that_is_compiled` under CROSTATA_WRITE_VECTORS=1.
#[test]
#[should_panic(expected = "somebody took")]
fn nothing_is_ever_taken_fails() {
    let mut chain = Chain::new();
    let world = crate::lock::set_up_a_lock(&mut chain);
    let alice = chain.account("alice");
    let lock = chain.labelled("lock");
    let _ = chain.call_as::<_, ()>(&alice, lock, "open", &());
    let _ = chain.call_as::<_, ()>(&alice, lock, "put", &1000_u64);
    let _ = chain.call_as::<_, ()>(&alice, lock, "take", &());
    crate::lock::never_taken(&mut chain, &world);
}

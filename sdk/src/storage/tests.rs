//! P1: a map holds what a `BTreeMap` would, whatever is done to it; keys have the order of the values they stand for; and
//! memory and keys hold what the format says.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::cell::Cell;
use core::fmt::Debug;

use crostata_abi::ContractId;
use proptest::prelude::*;

use super::{Declared, Map, Stored, section, section_bytes};

/// Nodes with room for three keys, leaves for two entries: a small map is deep.
type Wide = [u8; 300];
type Deep = Map<Wide, [u8; 200]>;

fn wide(number: u16) -> Wide {
    let mut key = [7; 300];
    key[290..292].copy_from_slice(&number.to_be_bytes());
    key
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u16, u8),
    Update(u16, u8),
    Remove(u16),
    /// Removes all keys of a range: gives up whole nodes.
    RemoveRange(u16, u16),
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || 0u16..120;
    let step = prop_oneof![
        10 => (key(), any::<u8>()).prop_map(|(key, value)| Step::Insert(key, value)),
        2 => (key(), any::<u8>()).prop_map(|(key, value)| Step::Update(key, value)),
        6 => key().prop_map(Step::Remove),
        1 => (key(), 0u16..40).prop_map(|(start, len)| Step::RemoveRange(start, start + len)),
        1 => Just(Step::Clear),
    ];
    prop::collection::vec(step, 1..300)
}

fn apply(map: &mut Deep, model: &mut BTreeMap<Wide, [u8; 200]>, step: &Step) {
    match *step {
        Step::Insert(key, value) => {
            let (key, value) = (wide(key), [value; 200]);
            assert_eq!(map.insert(key, value), model.insert(key, value));
        }
        Step::Update(key, value) => {
            let key = wide(key);
            let changed = map.update(&key, |old| core::mem::replace(old, [value; 200]));
            assert_eq!(changed, model.get(&key).copied());
            model.entry(key).and_modify(|old| *old = [value; 200]);
        }
        Step::Remove(key) => {
            let key = wide(key);
            assert_eq!(map.remove(&key), model.remove(&key));
        }
        Step::RemoveRange(start, end) => (start..end).for_each(|key| {
            assert_eq!(map.remove(&wide(key)), model.remove(&wide(key)));
        }),
        Step::Clear => {
            map.clear();
            model.clear();
        }
    }
}

fn assert_same<K, V>(map: &Map<K, V>, model: &BTreeMap<K, V>)
where
    K: Stored + Ord + Copy + Debug,
    V: Stored + Copy + PartialEq + Debug,
{
    map.check();
    assert_eq!(map.len(), model.len() as u64);
    assert!(
        map.iter()
            .eq(model.iter().map(|(key, value)| (*key, *value)))
    );
    let pair = |(key, value): (&K, &V)| (*key, *value);
    assert_eq!(map.first(), model.first_key_value().map(pair));
    assert_eq!(map.last(), model.last_key_value().map(pair));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_map_is_what_a_btree_map_is(steps in steps()) {
        let (mut map, mut model) = (Deep::new(), BTreeMap::new());
        for step in &steps {
            apply(&mut map, &mut model, step);
            map.check();
        }
        assert_same(&map, &model);
        for key in 0..200 {
            let key = wide(key);
            prop_assert_eq!(map.get(&key), model.get(&key).copied());
            prop_assert_eq!(map.contains_key(&key), model.contains_key(&key));
        }
    }

    #[test]
    fn keys_have_the_order_of_values(
        numbers in any::<[(u16, i64); 2]>(),
        more in any::<[(i8, u128, i128); 2]>(),
    ) {
        in_order(numbers.map(|(number, _)| number));
        in_order(numbers.map(|(_, number)| number));
        in_order(numbers.map(|(number, other)| [i64::from(number), other]));
        in_order(more.map(|(number, _, _)| number));
        in_order(more.map(|(_, number, _)| number));
        in_order(more.map(|(_, _, number)| number));
        let pairs = [0, 1].map(|at| Pair { high: numbers[at].1, low: more[at].0 });
        in_order(pairs);
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, crate::Stored)]
struct Pair {
    high: i64,
    low: i8,
}

fn in_order<T: Stored + Ord + Debug>(values: [T; 2]) {
    let keys = [0, 1].map(|at: usize| values[at].with_key(<[u8]>::to_vec));
    assert_eq!(keys[0].cmp(&keys[1]), values[0].cmp(&values[1]));
    for (value, key) in values.iter().zip(&keys) {
        assert_eq!(key.len(), const { T::TYPE.key_bytes() });
        assert_eq!(T::read_key(key), *value);
        let mut memory = vec![0; size_of::<T>()];
        value.write(&mut memory);
        assert_eq!(T::read(&memory), *value);
    }
}

/// P6: orders that are meant to do harm leave few levels and full nodes.
#[test]
fn hostile_orders_leave_a_map_shallow() {
    let orders: [fn(u64) -> u64; 5] = [
        |at| at,
        |at| u64::MAX - at,
        // From both ends to the middle, and from the middle to both ends.
        |at| if at % 2 == 0 { at } else { u64::MAX - at },
        |at| {
            if at % 2 == 0 {
                1 << 63 | at
            } else {
                (1 << 63) - at
            }
        },
        |at| at.reverse_bits(),
    ];
    for order in orders {
        let (mut map, mut model) = (Map::<u64, u64>::new(), BTreeMap::new());
        for at in 0..20_000 {
            assert_eq!(map.insert(order(at), at), model.insert(order(at), at));
        }
        assert_same(&map, &model);
        // All but one of 64 neighbours go.
        let keys: Vec<u64> = model.keys().copied().collect();
        for (_, key) in keys.iter().enumerate().filter(|(at, _)| at % 64 != 0) {
            assert_eq!(map.remove(key), model.remove(key));
        }
        assert_same(&map, &model);
        for key in keys {
            assert_eq!(map.remove(&key), model.remove(&key));
        }
        assert_same(&map, &model);
        assert!(map.is_empty());
    }
}

#[derive(Clone, Copy, PartialEq, Debug, crate::Stored)]
struct Terms {
    flag: bool,
    rate: u32,
    owner: ContractId,
}

#[derive(crate::Storage)]
struct Everything {
    total: u64,
    delta: Cell<i128>,
    terms: Terms,
    history: [u16; 3],
    #[allow(dead_code)]
    #[storage(skip)]
    hidden: Vec<u8>,
    balances: Map<ContractId, u64>,
}

/// The section is what `docs/format.md` says, to the byte.
#[test]
fn the_section_tells_names_types_and_offsets() {
    const TYPE: super::Type = Everything::TYPE;
    let found: [u8; section_bytes(&TYPE)] = section(&TYPE);
    let mut expected = vec![1, 14];
    expected.extend(b"crostata_state\x05\0");
    let mut field = |name: &str, offset: usize, value_type: &[u8]| {
        expected.push(name.len() as u8);
        expected.extend(name.as_bytes());
        expected.extend((offset as u32).to_le_bytes());
        expected.extend(value_type);
    };
    field("total", core::mem::offset_of!(Everything, total), &[2, 8]);
    field("delta", core::mem::offset_of!(Everything, delta), &[3, 16]);
    let mut terms = vec![5, 40, 0, 0, 0, 3, 0];
    for (name, offset, value_type) in [
        ("flag", core::mem::offset_of!(Terms, flag), &[1][..]),
        ("rate", core::mem::offset_of!(Terms, rate), &[2, 4]),
        (
            "owner",
            core::mem::offset_of!(Terms, owner),
            &[4, 32, 0, 0, 0, 2, 1],
        ),
    ] {
        terms.push(name.len() as u8);
        terms.extend(name.as_bytes());
        terms.extend((offset as u32).to_le_bytes());
        terms.extend(value_type);
    }
    field("terms", core::mem::offset_of!(Everything, terms), &terms);
    field(
        "history",
        core::mem::offset_of!(Everything, history),
        &[4, 3, 0, 0, 0, 2, 2],
    );
    field(
        "balances",
        core::mem::offset_of!(Everything, balances),
        &[6, 4, 32, 0, 0, 0, 2, 1, 2, 8],
    );
    assert_eq!(found.as_slice(), expected);
}

/// P1: a value in a map's node is what the contract's memory would hold, with zeros between the fields.
#[test]
fn structs_are_stored_as_memory_has_them() {
    let owner = ContractId::from_bytes([9; 32]);
    let terms = Terms {
        flag: true,
        rate: 0x0403_0201,
        owner,
    };
    let mut bytes = [0; size_of::<Terms>()];
    terms.write(&mut bytes);
    assert_eq!(bytes.iter().filter(|byte| **byte != 0).count(), 1 + 4 + 32);
    let rate = core::mem::offset_of!(Terms, rate);
    assert_eq!(bytes[rate..rate + 4], [1, 2, 3, 4]);
    assert_eq!(Terms::read(&bytes), terms);
    let mut map = Map::<u8, Terms>::new();
    map.insert(1, terms);
    assert_eq!(map.update(&1, |terms| terms.rate += 1), Some(()));
    assert_eq!(map.remove(&1).map(|terms| terms.rate), Some(0x0403_0202));
    assert_eq!(format!("{map:?}"), "{}");
}

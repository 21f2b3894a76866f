//! P1: a vector holds what a `Vec` would, a queue what a `VecDeque`, a set what a `BTreeSet`, whatever is done to them; and their
//! nodes are those of a map that has the same elements under their numbers, which is what proofs are made of.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use alloc::{format, vec};
use core::ops::Bound;

use proptest::prelude::*;

use super::{Declared, Map, Queue, Set, Stored, Vector, section, section_bytes};

/// Two to a leaf, so that some thousands have three levels.
type Large = [u8; 400];

fn large(number: u32) -> Large {
    let mut value = [3; 400];
    value[100..104].copy_from_slice(&number.to_le_bytes());
    value
}

#[derive(Clone, Debug)]
enum VectorStep {
    Push(u32),
    /// So many elements from this number on.
    Extend(u32, u16),
    Pop,
    PopMany(u16),
    Truncate(u32),
    Set(u32, u32),
    Update(u32, u32),
    SwapRemove(u32),
    Swap(u32, u32),
    Clear,
}

fn vector_steps() -> impl Strategy<Value = Vec<VectorStep>> {
    let any = || any::<u32>();
    let step = prop_oneof![
        4 => any().prop_map(VectorStep::Push),
        // 168 elements fill a node above the leaves.
        3 => (any(), prop_oneof![1u16..400, 160u16..180]).prop_map(|(from, len)| VectorStep::Extend(from, len)),
        4 => Just(VectorStep::Pop),
        2 => prop_oneof![1u16..400, 160u16..180].prop_map(VectorStep::PopMany),
        2 => any().prop_map(VectorStep::Truncate),
        3 => (any(), any()).prop_map(|(index, value)| VectorStep::Set(index, value)),
        2 => (any(), any()).prop_map(|(index, value)| VectorStep::Update(index, value)),
        3 => any().prop_map(VectorStep::SwapRemove),
        2 => (any(), any()).prop_map(|(one, other)| VectorStep::Swap(one, other)),
        1 => Just(VectorStep::Clear),
    ];
    prop::collection::vec(step, 1..60)
}

/// An index below the length.
fn within(index: u32, len: usize) -> Option<usize> {
    (index as usize).checked_rem(len)
}

fn apply_to_vector(vector: &mut Vector<Large>, model: &mut Vec<Large>, step: &VectorStep) {
    let len = model.len();
    match *step {
        VectorStep::Push(number) => {
            vector.push(large(number));
            model.push(large(number));
        }
        VectorStep::Extend(from, count) => {
            let values = || (0..u32::from(count)).map(|at| large(from.wrapping_add(at)));
            vector.extend(values());
            model.extend(values());
        }
        VectorStep::Pop => assert_eq!(vector.pop(), model.pop()),
        VectorStep::PopMany(count) => {
            (0..count).for_each(|_| assert_eq!(vector.pop(), model.pop()));
        }
        VectorStep::Truncate(kept) => {
            let kept = within(kept, len + 2).unwrap_or_default();
            vector.truncate(kept as u64);
            model.truncate(kept);
        }
        VectorStep::Clear => {
            vector.clear();
            model.clear();
        }
        _ => change_vector(vector, model, step),
    }
}

/// Steps that need an element.
fn change_vector(vector: &mut Vector<Large>, model: &mut Vec<Large>, step: &VectorStep) {
    let len = model.len();
    match *step {
        VectorStep::Set(index, value) => {
            if let Some(index) = within(index, len) {
                vector.set(index as u64, large(value));
                model[index] = large(value);
            }
        }
        VectorStep::Update(index, value) => {
            let index = within(index, len + 1).unwrap_or_default();
            let old = vector.update(index as u64, |old| core::mem::replace(old, large(value)));
            let expected = model.get_mut(index);
            assert_eq!(
                old,
                expected.map(|old| core::mem::replace(old, large(value)))
            );
        }
        VectorStep::SwapRemove(index) => {
            if let Some(index) = within(index, len) {
                assert_eq!(vector.swap_remove(index as u64), model.swap_remove(index));
            }
        }
        VectorStep::Swap(one, other) => {
            if let (Some(one), Some(other)) = (within(one, len), within(other, len)) {
                vector.swap(one as u64, other as u64);
                model.swap(one, other);
            }
        }
        _ => unreachable!("applied elsewhere"),
    }
}

fn assert_same_vector(vector: &Vector<Large>, model: &[Large]) {
    vector.check();
    assert_eq!(vector.len(), model.len() as u64);
    assert_eq!(
        (vector.first(), vector.last()),
        (model.first().copied(), model.last().copied())
    );
    assert!(vector.iter().eq(model.iter().copied()));
    assert!(vector.iter().rev().eq(model.iter().rev().copied()));
    assert!(
        vector
            .iter()
            .skip(5)
            .step_by(7)
            .eq(model.iter().copied().skip(5).step_by(7))
    );
    for index in [0, 1, 167, 168, 169, model.len()] {
        assert_eq!(vector.get(index as u64), model.get(index).copied());
    }
}

#[derive(Clone, Debug)]
enum QueueStep {
    Push(u16),
    Pop(u16),
    Clear,
}

fn queue_steps() -> impl Strategy<Value = Vec<QueueStep>> {
    let count = || prop_oneof![Just(1u16), 1u16..8, 1u16..300];
    let step = prop_oneof![
        10 => count().prop_map(QueueStep::Push),
        10 => count().prop_map(QueueStep::Pop),
        1 => Just(QueueStep::Clear),
    ];
    prop::collection::vec(step, 1..80)
}

fn apply_to_queue(queue: &mut Queue<Large>, model: &mut VecDeque<Large>, step: &QueueStep) {
    match *step {
        QueueStep::Push(count) => (0..count).for_each(|_| {
            let number = queue.numbers().end;
            assert_eq!(queue.push_back(large(number as u32)), number);
            model.push_back(large(number as u32));
        }),
        QueueStep::Pop(count) => (0..count).for_each(|_| {
            assert_eq!(queue.pop_front(), model.pop_front());
        }),
        QueueStep::Clear => {
            queue.clear();
            model.clear();
        }
    }
    assert_eq!(
        (queue.front(), queue.back()),
        (model.front().copied(), model.back().copied())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_vector_is_what_a_vec_is(steps in vector_steps()) {
        let (mut vector, mut model) = (Vector::new(), Vec::new());
        for step in &steps {
            apply_to_vector(&mut vector, &mut model, step);
            prop_assert_eq!(vector.len(), model.len() as u64);
        }
        assert_same_vector(&vector, &model);
    }

    #[test]
    fn a_queue_is_what_a_deque_is(steps in queue_steps()) {
        let (mut queue, mut model) = (Queue::new(), VecDeque::new());
        for step in &steps {
            apply_to_queue(&mut queue, &mut model, step);
            queue.check();
        }
        prop_assert_eq!(queue.len(), model.len() as u64);
        prop_assert!(queue.iter().eq(model.iter().copied()));
        for (number, value) in queue.numbers().zip(&model) {
            prop_assert_eq!(queue.get(number), Some(*value));
        }
        prop_assert_eq!(queue.get(queue.numbers().end), None);
        prop_assert_eq!(queue.numbers().start.checked_sub(1).and_then(|gone| queue.get(gone)), None);
    }

    #[test]
    fn a_set_is_what_a_btree_set_is(
        steps in prop::collection::vec((any::<bool>(), 0u16..700), 1..2_000),
        bounds in any::<[(u8, u16); 2]>(),
    ) {
        let (mut set, mut model) = (Set::<u16>::new(), BTreeSet::new());
        for (is_in, member) in steps {
            match is_in {
                true => prop_assert_eq!(set.insert(member), model.insert(member)),
                false => prop_assert_eq!(set.remove(&member), model.remove(&member)),
            }
        }
        set.check();
        prop_assert_eq!(set.len(), model.len() as u64);
        prop_assert!(set.iter().eq(model.iter().copied()));
        prop_assert_eq!((set.first(), set.last()), (model.first().copied(), model.last().copied()));
        prop_assert!((0..700).all(|member| set.contains(&member) == model.contains(&member)));
        let bounds = bounds.map(|(kind, at)| match kind % 3 {
            0 => Bound::Included(at % 720),
            1 => Bound::Excluded(at % 720),
            _ => Bound::Unbounded,
        });
        let found: Vec<u16> = set.range((bounds[0], bounds[1])).collect();
        let expected: Vec<u16> = model.iter().copied().filter(|member| is_within(bounds, *member)).collect();
        prop_assert_eq!(found, expected);
    }
}

/// What `BTreeSet::range` has, without its panics at bounds that are the wrong way round.
fn is_within([start, end]: [Bound<u16>; 2], member: u16) -> bool {
    let is_behind_start = match start {
        Bound::Included(start) => member >= start,
        Bound::Excluded(start) => member > start,
        Bound::Unbounded => true,
    };
    is_behind_start
        && match end {
            Bound::Included(end) => member <= end,
            Bound::Excluded(end) => member < end,
            Bound::Unbounded => true,
        }
}

/// Three levels over the leaves: 84 x 84 leaves of two, and back.
#[test]
fn a_large_vector_is_a_map_at_every_size() {
    let (mut vector, mut model) = (Vector::new(), Vec::new());
    for number in 0..15_000 {
        vector.push(large(number));
        model.push(large(number));
        if [1, 2, 3, 168, 169, 170, 14_112, 14_113].contains(&model.len()) {
            assert_same_vector(&vector, &model);
        }
    }
    for kept in [14_999, 14_113, 14_112, 400, 169, 168, 3, 2, 0] {
        vector.truncate(kept as u64);
        model.truncate(kept);
        assert_same_vector(&vector, &model);
        let mut more: Vec<Large> = (0..200).map(large).collect();
        vector.extend(more.iter().copied());
        model.append(&mut more);
        assert_same_vector(&vector, &model);
    }
}

/// P5: a vector that goes back and forth over a boundary takes no more memory.
#[test]
fn boundaries_take_no_memory() {
    let mut vector: Vector<Large> = (0..14_113).map(large).collect();
    let memory = vector.memory();
    for _ in 0..1_000 {
        vector.pop();
        assert_eq!(vector.memory(), memory);
        vector.push(large(8));
    }
    vector.truncate(100);
    assert_eq!(vector.memory(), memory);
    vector.extend((100..14_113).map(large));
    vector.truncate(0);
    assert_eq!(vector.memory(), memory);
    vector.check();
}

#[derive(Clone, Copy, PartialEq, Debug, crate::Stored)]
struct Padded {
    flag: bool,
    amount: u64,
}

/// P4: the same elements are the same bytes of leaves, also where others were before: nothing shows between the fields of structs.
#[test]
fn structs_are_elements() {
    let padded = |amount| Padded { flag: true, amount };
    let mut vector: Vector<Padded> = (0..100).map(padded).collect();
    assert_eq!(vector.update(99, |value| value.flag = false), Some(()));
    assert_eq!(vector.swap_remove(0).amount, 0);
    assert_eq!(
        vector.first(),
        Some(Padded {
            flag: false,
            amount: 99
        })
    );
    let mut queue = Queue::new();
    queue.extend((0..70).map(padded));
    assert_eq!(queue.iter().last(), Some(padded(69)));
    assert_eq!(format!("{:?}", Vector::from_iter([1u8, 2])), "[1, 2]");
}

#[test]
#[should_panic(expected = "the index is 3 but the length is 3")]
fn setting_what_is_not_there_panics_as_a_vec_does() {
    Vector::from_iter([1u64, 2, 3]).set(3, 4);
}

#[derive(crate::Storage)]
struct Everything {
    history: Vector<u64>,
    exits: Queue<[u8; 32]>,
    members: Set<u16>,
}

/// The section tells a vector and a queue as structs with a map, and a set as a map to `bool`.
#[test]
fn the_section_tells_what_is_in_them() {
    const TYPE: super::Type = Everything::TYPE;
    let found: [u8; section_bytes(&TYPE)] = section(&TYPE);
    let mut expected = vec![1, 14];
    expected.extend(b"crostata_state\x03\0");
    let mut field = |name: &str, offset: usize, value_type: &[u8]| {
        expected.push(name.len() as u8);
        expected.extend(name.as_bytes());
        expected.extend((offset as u32).to_le_bytes());
        expected.extend(value_type);
    };
    field("history", core::mem::offset_of!(Everything, history), &[5]);
    expected.extend((size_of::<Vector<u64>>() as u32).to_le_bytes());
    expected.extend(b"\x02\0\x08elements\0\0\0\0\x06\x02\x04\x02\x08\x03len\x10\0\0\0\x02\x08");
    let mut field = |name: &str, offset: usize, value_type: &[u8]| {
        expected.push(name.len() as u8);
        expected.extend(name.as_bytes());
        expected.extend((offset as u32).to_le_bytes());
        expected.extend(value_type);
    };
    field("exits", core::mem::offset_of!(Everything, exits), &[5]);
    expected.extend((size_of::<Queue<[u8; 32]>>() as u32).to_le_bytes());
    expected.extend(b"\x03\0\x08elements\0\0\0\0\x06\x02\x08\x04\x20\0\0\0\x02\x01");
    expected.extend(b"\x05first\x10\0\0\0\x02\x08\x03end\x18\0\0\0\x02\x08");
    expected.extend(b"\x07members");
    expected.extend((core::mem::offset_of!(Everything, members) as u32).to_le_bytes());
    expected.extend([6, 2, 2, 1]);
    assert_eq!(found.as_slice(), expected);
}

/// A map's ranges, of keys that are not in it too.
#[test]
fn ranges_of_maps() {
    let mut map = Map::<i32, u64>::new();
    (-5_000..5_000).for_each(|key| _ = map.insert(key * 2, key.unsigned_abs().into()));
    for (start, end) in [
        (-9_999, 9_999),
        (-7, 8),
        (0, 1),
        (9_998, 20_000),
        (5, 5),
        (5, -5),
    ] {
        let found = map.range(start..end).map(|(key, _)| key);
        assert!(found.eq((start..end.max(start)).filter(|key| key % 2 == 0 && *key < 10_000)));
    }
}

/// Types that can be elements are those that can be keys and values.
const _: () = {
    const fn is_declared<T: Declared>() {}
    const fn is_stored<T: Stored>() {}
    is_declared::<Vector<Padded>>();
    is_declared::<Queue<Padded>>();
    is_declared::<Set<Padded>>();
    is_stored::<Padded>();
};

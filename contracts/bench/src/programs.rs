//! Programs without state: arithmetic, hashing, trees, sorting, searching.
//!
//! Each gives a number that depends on all it did.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hint::black_box;

use sha2::{Digest, Sha256};

use crate::random::Random;

/// Numbers that `chase` and `binary_search` work on.
const TABLE_LEN: u32 = 1 << 16;

/// Each number is hidden from the optimiser, which would make a loop of one of the two calls.
pub fn fib(n: u32) -> u32 {
    match n {
        0 | 1 => n,
        _ => black_box(fib(n - 1)).wrapping_add(black_box(fib(n - 2))),
    }
}

pub fn sha256(blocks: u32, seed: u32) -> u32 {
    let mut block = [0; 64];
    block[..4].copy_from_slice(&seed.to_le_bytes());
    let mut hasher = Sha256::new();
    for number in 0..blocks {
        block[4..8].copy_from_slice(&number.to_le_bytes());
        hasher.update(block);
    }
    let digest = hasher.finalize();
    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
}

pub fn btree(keys: u32, seed: u32) -> u32 {
    let mut random = Random::new(seed);
    let mut tree = BTreeMap::new();
    for number in 0..keys {
        tree.insert(random.next(), number);
    }
    let mut again = Random::new(seed);
    let mut sum = 0u32;
    for number in 0..keys {
        let key = again.next();
        sum = sum.wrapping_add(tree.get(&key).copied().unwrap_or(0));
        if number % 2 == 0 {
            tree.remove(&key);
        }
    }
    sum.wrapping_add(tree.len() as u32)
}

pub fn sort(len: u32, seed: u32) -> u32 {
    let mut random = Random::new(seed);
    let mut numbers: Vec<u32> = (0..len).map(|_| random.next()).collect();
    quicksort(&mut numbers);
    let weighted = numbers.iter().zip(0u32..);
    weighted.fold(0, |sum, (number, at)| {
        sum.wrapping_add(number.wrapping_mul(at))
    })
}

fn quicksort(mut numbers: &mut [u32]) {
    while numbers.len() > 1 {
        let middle = partition(numbers);
        let (left, right) = numbers.split_at_mut(middle);
        // The shorter side by recursion, so that the stack stays short.
        let (short, long) = match left.len() < right.len() {
            true => (left, right),
            false => (right, left),
        };
        quicksort(short);
        numbers = long;
    }
}

/// Where the second part begins after Hoare's partition by the middle element. Both parts are shorter than the whole.
fn partition(numbers: &mut [u32]) -> usize {
    let pivot = numbers[(numbers.len() - 1) / 2];
    let (mut low, mut high) = (0, numbers.len() - 1);
    loop {
        while numbers[low] < pivot {
            low += 1;
        }
        while numbers[high] > pivot {
            high -= 1;
        }
        if low >= high {
            return high + 1;
        }
        numbers.swap(low, high);
        low += 1;
        high -= 1;
    }
}

pub fn chase(steps: u32, seed: u32) -> u32 {
    let next = cycle(seed);
    (0..steps).fold(0, |at, _| next[at as usize])
}

/// One cycle through all numbers of the table, by Sattolo's shuffle.
fn cycle(seed: u32) -> Vec<u32> {
    let mut random = Random::new(seed);
    let mut next: Vec<u32> = (0..TABLE_LEN).collect();
    for at in (1..TABLE_LEN).rev() {
        next.swap(at as usize, random.below(at) as usize);
    }
    next
}

pub fn binary_search(times: u32, seed: u32) -> u32 {
    let sorted: Vec<u32> = (0..TABLE_LEN).map(|number| number * 3).collect();
    let mut random = Random::new(seed);
    (0..times).fold(0u32, |sum, _| {
        let wanted = random.below(TABLE_LEN * 3);
        match sorted.binary_search(&wanted) {
            Ok(at) => sum.wrapping_add(at as u32),
            Err(at) => sum.wrapping_sub(at as u32),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quicksort_sorts() {
        for len in 0..200 {
            let mut random = Random::new(len);
            let mut numbers: Vec<u32> = (0..len).map(|_| random.below(50)).collect();
            let mut expected = numbers.clone();
            expected.sort_unstable();
            quicksort(&mut numbers);
            assert_eq!(numbers, expected);
        }
    }

    #[test]
    fn a_chase_comes_back_after_all_numbers() {
        assert_eq!(chase(TABLE_LEN, 7), 0);
        assert_ne!(chase(TABLE_LEN / 2, 7), 0);
    }
}

//! P2, P7: growing, taking growth back, and moving.

use super::*;

#[test]
fn growth_taken_back_is_zero_when_it_returns() {
    let region = over(&image());
    region.resize(2 * WASM_PAGE).unwrap();
    assert!(region.write(70_000, b"gone"));
    region.resize(WASM_PAGE).unwrap();
    assert!(!region.write(70_000, b"out"));
    region.resize(2 * WASM_PAGE).unwrap();
    assert_eq!(byte(&region, 70_000), 0);
}

#[test]
fn sizes_out_of_bounds_are_refused() {
    let region = over(&image());
    assert!(region.resize(0).is_err());
    assert!(region.resize(usize::MAX & !0xffff).is_err());
    assert!(region.resize(1 << 47).is_err());
    assert_eq!((region.size_bytes(), byte(&region, PAGE)), (WASM_PAGE, 7));
    assert!(Region::over(image(), PAGE).is_err());
    assert!(Region::zeroed(usize::MAX & !0xffff).is_err());
}

/// A memory that moves keeps image, writes, size and marks; its place is kept when growth is taken back.
#[test]
fn moving() {
    let image = image();
    let region = over(&image);
    write(&region, 2 * PAGE, &[5; 10]);
    region.set_mark(2, 3);
    let marks = region.marks_base();
    let mut before = region.base();
    for size in [4 * GIB + WASM_PAGE, 9 * GIB, 4096 * GIB] {
        region.resize(size).unwrap();
        assert_ne!(region.base(), before);
        before = region.base();
        assert_eq!((byte(&region, 2 * PAGE), byte(&region, PAGE)), (5, 7));
        write(&region, size - 1, &[size as u8 | 1]);
        region.set_mark((size / PAGE - 1) as u32, 3);
    }
    assert_eq!(byte(&region, 4 * GIB + WASM_PAGE - 1), 1);
    assert_eq!((region.mark(2), region.mark((1 << 30) - 1)), (3, 3));
    assert_eq!((region.marks_base(), region.mark(3)), (marks, 0));
    region.resize(WASM_PAGE).unwrap();
    assert_eq!(region.base(), before);
    region.resize(5 * GIB).unwrap();
    assert_eq!(region.base(), before);
    assert_eq!(byte(&region, 4 * GIB + WASM_PAGE - 1), 0);
}

/// P5: a thousand memories above 4 GiB live at once.
#[test]
fn a_thousand_wide_regions() {
    let regions: Vec<Region> = (0..1000)
        .map(|index| {
            let region = Region::zeroed(4 * GIB + WASM_PAGE).unwrap();
            write(&region, 4 * GIB, &[index as u8 | 1]);
            region.set_mark(1 << 20, 3);
            region
        })
        .collect();
    for (index, region) in regions.iter().enumerate() {
        assert_eq!(byte(region, 4 * GIB), index as u8 | 1);
    }
    drop(regions);
    let region = Region::zeroed(WASM_PAGE).unwrap();
    assert_eq!(region.mark(1 << 20), 0);
}

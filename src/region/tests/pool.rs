//! P1: what one session did to a region never shows in another.

use super::*;

/// Other tests use the pool too, and could have displaced the slot: one of many rounds must find it.
#[test]
fn a_warm_slot_comes_back_as_it_was() {
    let image = image();
    let found = (0..100).any(|round| {
        let used = use_and_drop(&image);
        let size = WASM_PAGE * (1 + round % 2);
        let region = Region::over(image.clone(), size).unwrap();
        assert_as_mapped(&region, size);
        region.base() == used
    });
    assert!(found);
}

fn use_and_drop(image: &Arc<Image>) -> *mut u8 {
    let region = over(image);
    write(&region, PAGE - 3, &[9; 6]);
    write(&region, 9 * PAGE, &[9; 2 * PAGE]);
    region.resize(2 * WASM_PAGE).unwrap();
    write(&region, WASM_PAGE - 1, &[9; 2]);
    region.set_mark(3, 2);
    region.base()
}

fn assert_as_mapped(region: &Region, size: usize) {
    assert_eq!(region.size_bytes(), size);
    let mut bytes = vec![0; size];
    assert!(region.read(0, &mut bytes));
    let others = bytes.iter().enumerate().filter(|(_, byte)| **byte != 0);
    assert!(others.eq((PAGE..2 * PAGE).map(|at| (at, &7))));
    assert_eq!(region.mark(3), 0);
    assert!(!region.write(size, &[1]));
}

/// Another image of the same size never gets the slot of this one as it is.
#[test]
fn a_warm_slot_serves_its_image_only() {
    let one = image();
    drop(over(&one));
    let other = image();
    other.fill(0, &[1]).unwrap();
    let region = over(&other);
    assert_eq!((byte(&region, 0), byte(&region, PAGE)), (1, 7));
    drop(one);
    let third = image();
    third.fill(0, &[3]).unwrap();
    assert_eq!(byte(&over(&third), 0), 3);
}

#[test]
fn sessions_that_wrote_much_leave_nothing() {
    let file = Arc::new(ImageFile::new().unwrap());
    let image = Arc::new(file.image(100 * PAGE as u64 * 16).unwrap());
    for round in 1..4 {
        let region = Region::over(image.clone(), image.len_bytes() as usize).unwrap();
        for page in 0..50 * round {
            assert_eq!(byte(&region, page * PAGE), 0);
            write(&region, page * PAGE, &[round as u8]);
        }
    }
}

/// A region that said what it wrote leaves zeros for the next one of its size, grown and marked as it may have been.
#[test]
fn renewed_regions_are_zeros_again() {
    let found = (0..100).any(|round| {
        let region = Region::renewed(2 * WASM_PAGE).unwrap();
        let used = region.base();
        for page in [1, 7, 31] {
            region.note_written(page);
            write(&region, page as usize * PAGE, &[9; PAGE]);
        }
        region.resize(3 * WASM_PAGE).unwrap();
        region.note_written(40);
        write(&region, 40 * PAGE, &[9]);
        region.set_mark(7, 2);
        drop(region);
        let size = WASM_PAGE * (2 - usize::from(round % 4 == 0));
        let region = Region::renewed(size).unwrap();
        let mut bytes = vec![1; size];
        assert!(region.read(0, &mut bytes));
        assert!(bytes.iter().all(|byte| *byte == 0));
        assert_eq!((region.size_bytes(), region.mark(7)), (size, 0));
        assert!(!region.write(size, &[1]));
        region.resize(3 * WASM_PAGE).unwrap();
        assert_eq!(byte(&region, 40 * PAGE), 0);
        round % 4 != 0 && region.base() == used
    });
    assert!(found);
}

/// Slots with many pages of their own are given back to the system, and so are too many slots.
#[test]
fn much_that_was_renewed_goes() {
    for _ in 0..2 {
        let regions: Vec<_> = (0..20)
            .map(|_| Region::renewed(3_000 * PAGE).unwrap())
            .collect();
        for (number, region) in regions.iter().enumerate() {
            let pages = if number % 5 == 0 { 2_100 } else { 20 };
            for page in 0..pages {
                assert_eq!(byte(region, page * PAGE), 0);
                region.note_written(page as u32);
                write(region, page * PAGE, &[7]);
            }
        }
    }
}

#[test]
fn zeroed_regions_are_zeros_again() {
    for round in 0..50 {
        let region = Region::zeroed(4 * WASM_PAGE).unwrap();
        assert_eq!((byte(&region, 0), byte(&region, 70_000)), (0, 0));
        assert_eq!(region.mark(round), 0);
        assert!(region.write(0, &[1]) && region.write(70_000, &[1]));
        region.set_mark(round, 3);
        region.set_mark(round + 1, 3);
    }
}

/// P7: a slot in which an image could not be mapped does not come back as one that holds it.
#[test]
fn a_slot_whose_mapping_failed_is_not_warm() {
    let file = Arc::new(ImageFile::new().unwrap());
    // Behind an image that is no multiple of a page nothing can be mapped.
    file.image(100).unwrap();
    let image = Arc::new(file.image(WASM_PAGE as u64).unwrap());
    assert!(Region::over(image.clone(), WASM_PAGE).is_err());
    assert!(Region::over(image, WASM_PAGE).is_err());
}

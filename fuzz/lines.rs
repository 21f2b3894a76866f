//! The source of `lines.wasm`: two functions with others put inline, for names and source lines.
#![no_std]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! { core::arch::wasm32::unreachable() }
static mut CELLS: [u32; 8] = [0; 8];
#[inline(always)]
fn checked(value: u32) -> u32 { if value > 90 { core::arch::wasm32::unreachable() } value * 3 }
#[inline(always)]
fn twice(value: u32) -> u32 { checked(value) + checked(value ^ 5) }
#[inline(never)]
fn store(at: usize, value: u32) { unsafe { CELLS[at & 7] = value } }
#[no_mangle]
pub extern "C" fn spend(value: u32) -> u32 { let sum = twice(value); store(sum as usize, value); sum }
#[no_mangle]
pub extern "C" fn keep(value: u32) -> u32 { store(1, twice(value)); value }

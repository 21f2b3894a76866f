//! The arithmetic of a pool, in integers. Every division is rounded so that the pool, which is everybody's who has shares, loses nothing.
//!
//! Amounts and shares fit into 64 bits, so that products of two fit into 128.

/// What the pool keeps of what is put in: 0.3 %.
const FEE_PER_MILLE: u64 = 3;

/// Shares that nobody gets, of the first that are made. With them a share can not be made worth so much that later ones round to nothing.
pub const LOCKED_SHARES: u64 = 1_000;

/// The fee on an input, rounded up.
pub const fn fee(input: u64) -> u64 {
    (input as u128 * FEE_PER_MILLE as u128).div_ceil(1_000) as u64 // not above the input
}

/// What a swap gives out, rounded down.
///
/// With the reserves `x` and `y`, and `n` of the input behind the fee, it is `y n / (x + n)`: the most that does not make `x y` smaller if there was
/// no fee. It is below `y`.
pub const fn output(input: u64, reserve_in: u64, reserve_out: u64) -> u64 {
    let net = (input - fee(input)) as u128;
    let under = reserve_in as u128 + net;
    match under {
        0 => 0,
        _ => (net * reserve_out as u128 / under) as u64,
    }
}

/// The shares of the first liquidity: the geometric mean of both amounts, rounded down, [`LOCKED_SHARES`] included.
pub const fn first_shares(amounts: [u64; 2]) -> u64 {
    (amounts[0] as u128 * amounts[1] as u128).isqrt() as u64
}

/// The shares that amounts buy, of which one may be more than is needed, rounded down.
///
/// None if they do not fit into 64 bits.
pub fn shares(amounts: [u64; 2], reserves: [u64; 2], all: u64) -> Option<u64> {
    let bought = |side: usize| {
        let product = u128::from(amounts[side]) * u128::from(all);
        product.checked_div(u128::from(reserves[side]))
    };
    u64::try_from(bought(0)?.min(bought(1)?)).ok()
}

/// What shares cost on one side, rounded up: not above the amount that bought them.
pub const fn cost(shares: u64, reserve: u64, all: u64) -> u64 {
    (shares as u128 * reserve as u128).div_ceil(all as u128) as u64
}

/// What shares are worth on one side, rounded down.
pub const fn worth(shares: u64, reserve: u64, all: u64) -> u64 {
    (shares as u128 * reserve as u128 / all as u128) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of all sizes, those at the ends of 64 bits among them.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }

        fn amount(&mut self) -> u64 {
            let bits = self.next() % 64;
            match self.next() % 16 {
                0 => u64::MAX,
                1 => 1,
                _ => (self.next() >> bits).max(1),
            }
        }
    }

    fn product([x, y]: [u64; 2]) -> u128 {
        u128::from(x) * u128::from(y)
    }

    /// `x y` is never smaller after a swap, and the whole of no side goes out.
    #[test]
    fn swaps_never_make_the_product_smaller() {
        let mut random = Random(1);
        let mut swaps = 0;
        for _ in 0..200_000 {
            let (input, x, y) = (random.amount(), random.amount(), random.amount());
            let out = output(input, x, y);
            assert!(out < y);
            if let Some(after) = x.checked_add(input) {
                assert!(
                    product([after, y - out]) >= product([x, y]),
                    "{input} {x} {y}"
                );
                swaps += 1;
            }
        }
        assert!(swaps > 50_000);
    }

    /// One more than what is given out would make the product smaller, were there no fee.
    #[test]
    fn swaps_give_all_that_they_can() {
        let mut random = Random(2);
        for _ in 0..100_000 {
            let [input, x, y] = [0; 3].map(|_| random.amount() >> 2);
            let net = input - fee(input);
            let out = output(input, x, y);
            if y > out {
                assert!(product([x + net, y - out - 1]) < product([x, y]) || net == 0 && x == 0);
            }
        }
    }

    #[test]
    fn the_fee_is_rounded_up() {
        let fees = [0, 1, 333, 334, 1_000, u64::MAX].map(fee);
        assert_eq!(fees, [0, 1, 1, 2, 3, 55_340_232_221_128_655]);
    }

    /// Who buys shares pays no more than offered, and no less than their part: no other share gets worth less.
    #[test]
    fn buying_shares_never_makes_others_worth_less() {
        let mut random = Random(3);
        let mut bought = 0;
        for _ in 0..200_000 {
            let reserves = [random.amount(), random.amount()];
            let all = first_shares(reserves).max(1) - random.next() % first_shares(reserves).max(1);
            let amounts = [random.amount(), random.amount()];
            let Some(got) = shares(amounts, reserves, all).filter(|got| *got > 0) else {
                continue;
            };
            for side in [0, 1] {
                let (reserve, paid) = (reserves[side], cost(got, reserves[side], all));
                assert!(paid <= amounts[side]);
                // (reserve + paid) / (all + got) >= reserve / all
                assert!(
                    u128::from(paid) * u128::from(all) >= u128::from(reserve) * u128::from(got)
                );
            }
            bought += 1;
        }
        assert!(bought > 20_000);
    }

    /// Who sells shares gets no more than their part, and all shares together get everything.
    #[test]
    fn selling_shares_never_makes_others_worth_less() {
        let mut random = Random(4);
        for _ in 0..200_000 {
            let (reserve, all) = (random.amount(), random.amount());
            let sold = random.next() % all + 1;
            let got = worth(sold, reserve, all);
            // (reserve - got) / (all - sold) >= reserve / all
            assert!(u128::from(got) * u128::from(all) <= u128::from(reserve) * u128::from(sold));
            assert_eq!(worth(all, reserve, all), reserve);
        }
    }

    #[test]
    fn a_swap_and_its_return_lose() {
        let mut random = Random(5);
        for _ in 0..100_000 {
            let [input, x, y] = [0; 3].map(|_| (random.amount() >> 1).max(1));
            let out = output(input, x, y);
            let back = output(out, y - out, x + input);
            assert!(back < input, "{input} {x} {y}");
        }
    }
}

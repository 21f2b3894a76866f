//! The account of a block's time: what lanes gained and lost, as measured.
//!
//! **Bounded loss.** Each step is booked with how long it took, and what it was *worth*: how long its transactions ran that stay, which is what they
//! would have taken one after another. Planning, waking threads, judging, bringing lanes up to date and everything that was thrown away took time and
//! was worth nothing. A step may risk what the account has: an allowance, a part of everything so far, and half of what lanes gained beyond what they
//! lost. Whoever makes blocks to be thrown away or carried around, and a machine whose processors are busy with something else, has them executed that
//! much slower than one after another. A step that loses more than was allowed, because a transaction ran longer than was expected or the machine did something else, is
//! missing from the account up to four milliseconds; what it lost beyond is not held against later steps.
//!
//! Gas would not do: prices are upper bounds of times, and what is cheap to compute for its price would be thrown away cheaply.

use crate::session::lanes::clock::Duration;

/// What may be lost in any block.
pub const ALLOWANCE: Duration = Duration::from_micros(250);

/// The part of what was executed that may be lost.
pub const PART: u32 = 32;

/// The part of what was gained that may be risked.
const PART_OF_GAIN: i64 = 2;

/// The most that is ever missing: a machine that does something else for a while takes longer whatever runs, and blocks go on.
const MISSING_MAX: Duration = Duration::from_millis(4);

/// What a transaction takes for its gas before anything was measured: a microsecond for 120,000.
const FIRST_RATE: Rate = Rate {
    took_ns: 10_000,
    gas: 1_200_000,
    count: 1,
};

/// What a rate is made of at most; older measurements count half each time that it is reached.
const RATE_NS_MAX: u64 = 4_000_000;

/// How long transactions run, and what they spend.
#[derive(Debug)]
struct Rate {
    took_ns: u64,
    gas: u64,
    count: u64,
}

/// The account of a block.
#[derive(Debug)]
pub struct Account {
    /// What everything so far would have taken one after another.
    worth: Duration,
    /// What was gained that may be risked, less what was lost; in nanoseconds.
    balance_ns: i64,
    rate: Rate,
    is_bounded: bool,
}

impl Account {
    /// An account in which nothing is booked. Without a bound there is always something to risk.
    pub fn new(is_bounded: bool) -> Self {
        Self {
            worth: Duration::ZERO,
            balance_ns: 0,
            rate: FIRST_RATE,
            is_bounded,
        }
    }

    /// What the next step may lose; `None` if whatever it is.
    pub fn allowed(&self) -> Option<Duration> {
        let allowed = Duration::from_nanos(self.there_ns().max(0).cast_unsigned());
        self.is_bounded.then_some(allowed)
    }

    /// What may be lost, less than nothing if more was.
    fn there_ns(&self) -> i64 {
        nanoseconds(ALLOWANCE + self.worth / PART).saturating_add(self.balance_ns)
    }

    /// How many transactions are expected to be executed until so much may be lost.
    pub fn wait(&self, until: Duration) -> u64 {
        let missing = nanoseconds(until).saturating_sub(self.there_ns());
        let time_ns = missing.max(0).cast_unsigned().saturating_mul(PART.into());
        let each_ns = self.rate.took_ns / self.rate.count.max(1);
        time_ns / each_ns.max(1)
    }

    /// Books a step: how long it took, and what it was worth.
    pub fn book(&mut self, took: Duration, worth: Duration) {
        let gain = nanoseconds(worth).saturating_sub(nanoseconds(took));
        let gain = if gain > 0 { gain / PART_OF_GAIN } else { gain };
        self.balance_ns = self.balance_ns.saturating_add(gain);
        self.worth = self.worth.saturating_add(worth);
        let missing = nanoseconds(MISSING_MAX)
            .saturating_add(self.there_ns())
            .min(0);
        self.balance_ns = self.balance_ns.saturating_sub(missing);
    }

    /// Learns how long some transactions ran, and what they spent.
    pub fn learn(&mut self, took: Duration, gas: u64, count: usize) {
        let rate = &mut self.rate;
        rate.took_ns = rate
            .took_ns
            .saturating_add(nanoseconds(took).cast_unsigned());
        rate.gas = rate.gas.saturating_add(gas);
        rate.count = rate.count.saturating_add(count as u64);
        while rate.took_ns > RATE_NS_MAX {
            rate.took_ns /= 2;
            rate.gas /= 2;
            rate.count /= 2;
        }
    }

    /// How long transactions are expected to run that spend so much gas.
    pub fn expected(&self, gas: u64) -> Duration {
        let took =
            u128::from(gas) * u128::from(self.rate.took_ns) / u128::from(self.rate.gas.max(1));
        Duration::from_nanos(u64::try_from(took).unwrap_or(u64::MAX))
    }

    /// The gas that is expected to run so long.
    pub fn gas_of(&self, took: Duration) -> u64 {
        let gas =
            took.as_nanos() * u128::from(self.rate.gas) / u128::from(self.rate.took_ns.max(1));
        u64::try_from(gas).unwrap_or(u64::MAX)
    }
}

/// At most 292 years.
fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// P6: whatever steps come to, as long as none loses more than it was allowed, a block takes hardly longer than one after another.
    #[test]
    fn what_is_lost_is_bounded() {
        for seed in 0..200 {
            let mut random = Random::spread(seed);
            let mut account = Account::new(true);
            let (mut took, mut worth) = (Duration::ZERO, Duration::ZERO);
            for _ in 0..2_000 {
                let allowed = account.allowed().unwrap();
                let kept = Duration::from_nanos(random.below(400_000));
                let step = match random.below(4) {
                    // A gain, nothing, or all that is allowed is lost.
                    0 => kept / 2,
                    1 => kept,
                    _ => kept + allowed,
                };
                account.book(step, kept);
                (took, worth) = (took + step, worth + kept);
                let most = worth + worth / PART + ALLOWANCE;
                assert!(took <= most, "seed {seed}: {took:?} of at most {most:?}");
            }
        }
    }

    /// What is lost is gone until enough was executed.
    #[test]
    fn what_is_lost_is_not_allowed_again() {
        let mut account = Account::new(true);
        account.book(ALLOWANCE * 3, Duration::ZERO);
        assert_eq!(account.allowed(), Some(Duration::ZERO));
        account.book(ALLOWANCE * PART, ALLOWANCE * PART);
        assert_eq!(account.allowed(), Some(Duration::ZERO));
        account.book(ALLOWANCE * PART * 2, ALLOWANCE * PART * 2);
        assert_eq!(account.allowed(), Some(ALLOWANCE));
        assert_eq!(Account::new(false).allowed(), None);
    }

    #[test]
    fn rates_follow_what_was_measured() {
        let mut account = Account::new(true);
        let gas = account.gas_of(Duration::from_micros(1));
        assert_eq!(gas, 120_000);
        for _ in 0..100 {
            account.learn(Duration::from_millis(1), 1_000_000, 10);
        }
        let expected = account.expected(10_000);
        let off = expected.abs_diff(Duration::from_micros(10));
        assert!(off < Duration::from_micros(1), "{expected:?}");
        let wait = account.wait(ALLOWANCE + Duration::from_micros(100));
        let off = wait.abs_diff(u64::from(PART));
        assert!(off <= 2, "{wait} of a tenth of a millisecond");
        assert_eq!(account.wait(ALLOWANCE), 0);
    }

    /// A machine that stands still for a second does not have blocks executed one after another for half a minute.
    #[test]
    fn what_is_missing_ends() {
        let mut account = Account::new(true);
        account.book(Duration::from_secs(1), Duration::ZERO);
        account.book(MISSING_MAX * PART, MISSING_MAX * PART);
        assert_eq!(account.allowed(), Some(Duration::ZERO));
        account.book(ALLOWANCE * PART, ALLOWANCE * PART);
        assert_eq!(account.allowed(), Some(ALLOWANCE));
    }
}

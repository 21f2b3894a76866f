//! A market on a chain of tests: three tokens, two pools, a router, and people; and everything that must always hold.

use std::ops::Deref;

use crostata::testing::{Account, Called, Chain, Encode};
use crostata::{ContractId, contract_bytecode};

/// What each token begins with, all of it its owner's.
pub const SUPPLY: u64 = 1 << 40;
/// What everybody begins with, of each token.
pub const PURSE: u64 = 1 << 30;
/// Shares of each pool that nobody has.
pub const LOCKED_SHARES: u64 = 1_000;
/// What Alice adds to each pool.
pub const LIQUIDITY: [[u64; 2]; 2] = [[1_000_000, 4_000_000], [4_000_000, 2_000_000]];
pub const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];
pub const POOLS: [&str; 2] = ["gold/salt", "salt/iron"];
/// The height of the chain.
pub const HEIGHT: u64 = 10;

/// Who and what is there.
pub struct Market {
    pub people: [Account; 3],
    /// Gold, salt and iron.
    pub tokens: [ContractId; 3],
    /// Gold and salt; salt and iron.
    pub pools: [ContractId; 2],
    pub router: ContractId,
    treasury: Account,
}

/// What a pool accounts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserves {
    pub first: u64,
    pub second: u64,
    pub shares: u64,
}

impl Reserves {
    pub fn product(&self) -> u128 {
        u128::from(self.first) * u128::from(self.second)
    }

    /// Those of the first liquidity.
    pub fn of_liquidity([first, second]: [u64; 2]) -> Self {
        Self {
            first,
            second,
            shares: (first * second).isqrt(),
        }
    }

    /// Whether a share is worth no less than it was: `x y / s^2`. Of numbers below 2^31, so that nothing overflows.
    pub fn shares_keep_their_worth(&self, before: &Self) -> bool {
        let square = |shares: u64| u128::from(shares) * u128::from(shares);
        self.product() * square(before.shares) >= before.product() * square(self.shares)
    }
}

impl Market {
    /// Everybody has a purse of each token, has allowed pools and router to move it, and the pools are empty.
    pub fn set_up(chain: &mut Chain) -> Self {
        chain.block().height(HEIGHT);
        let people = PEOPLE.map(|name| chain.account(name));
        let treasury = chain.account("treasury");
        let tokens = ["gold", "salt", "iron"].map(|name| {
            let deployment = chain.deploy(contract_bytecode!("token")).label(name);
            deployment.init(&(treasury.id(), SUPPLY)).send()
        });
        let pools = [(POOLS[0], 0, 1), (POOLS[1], 1, 2)].map(|(name, first, second)| {
            let deployment = chain.deploy(contract_bytecode!("pool")).label(name);
            deployment.init(&(tokens[first], tokens[second])).send()
        });
        let deployment = chain.deploy(contract_bytecode!("router"));
        let router = deployment.label("router").send();
        let market = Self {
            people,
            tokens,
            pools,
            router,
            treasury,
        };
        market.fill_purses(chain);
        market
    }

    /// The same with liquidity of Alice's: gold for four times as much salt, salt for half as much iron.
    pub fn set_up_with_liquidity(chain: &mut Chain) -> Self {
        let market = Self::set_up(chain);
        for (pool, amounts) in market.pools.iter().zip(LIQUIDITY) {
            let argument = (amounts[0], amounts[1], 0u64);
            let added =
                chain.call_as::<_, (u64, u64, u64)>(&market.people[0], *pool, "add", &argument);
            added.expect_success();
        }
        market
    }

    fn fill_purses(&self, chain: &mut Chain) {
        let spenders = [self.pools[0], self.pools[1], self.router];
        for token in self.tokens {
            for person in &self.people {
                let argument = (person.id(), PURSE);
                let given = chain.call_as::<_, ()>(&self.treasury, token, "transfer", &argument);
                given.expect_success();
                for spender in spenders {
                    let argument = (spender, u64::MAX);
                    let approved = chain.call_as::<_, ()>(person, token, "approve", &argument);
                    approved.expect_success();
                }
            }
        }
    }

    pub fn balance(&self, chain: &mut Chain, token: ContractId, account: ContractId) -> u64 {
        chain.call(token, "balance_of", &account).value()
    }

    pub fn reserves(&self, chain: &mut Chain, pool: ContractId) -> Reserves {
        let (first, second, shares): (u64, u64, u64) = chain.call(pool, "reserves", &()).value();
        Reserves {
            first,
            second,
            shares,
        }
    }

    /// Everybody who can have tokens.
    fn accounts(&self) -> Vec<ContractId> {
        let people = self.people.iter().chain([&self.treasury]).map(Account::id);
        people.chain(self.pools).chain([self.router]).collect()
    }

    /// Balances add up to supplies, and the router never keeps anything.
    pub fn check_tokens(&self, chain: &mut Chain) {
        let accounts = self.accounts();
        for token in self.tokens {
            let balances = accounts
                .iter()
                .map(|account| self.balance(chain, token, *account));
            let sum: u64 = balances.sum();
            let supply: u64 = chain.call(token, "supply", &()).value();
            assert_eq!(sum, supply, "balances add up to the supply");
            let left = self.balance(chain, token, self.router);
            assert_eq!(left, 0, "the router has nothing");
        }
    }

    /// Pools have what they account for, and shares add up.
    pub fn check_pools(&self, chain: &mut Chain) {
        for (number, pool) in self.pools.into_iter().enumerate() {
            let reserves = self.reserves(chain, pool);
            let [first, second] =
                [0, 1].map(|side| self.balance(chain, self.tokens[number + side], pool));
            assert!(
                first >= reserves.first && second >= reserves.second,
                "pools have their reserves"
            );
            let shares = self.people.iter().map(|one| {
                let shares = chain.call::<_, u64>(pool, "shares_of", &one.id());
                shares.value()
            });
            let locked = match reserves.shares {
                0 => 0,
                _ => LOCKED_SHARES,
            };
            assert_eq!(
                shares.sum::<u64>() + locked,
                reserves.shares,
                "shares add up"
            );
        }
    }
}

/// A market on a chain of its own.
pub struct Scene {
    pub chain: Chain,
    market: Market,
}

impl Deref for Scene {
    type Target = Market;

    fn deref(&self) -> &Market {
        &self.market
    }
}

impl Scene {
    pub fn empty() -> Self {
        let mut chain = Chain::new();
        let market = Market::set_up(&mut chain);
        Self { chain, market }
    }

    pub fn with_liquidity() -> Self {
        let mut chain = Chain::new();
        let market = Market::set_up_with_liquidity(&mut chain);
        Self { chain, market }
    }

    /// Has somebody call a function.
    pub fn act(
        &mut self,
        person: usize,
        contract: ContractId,
        function: &str,
        argument: &impl Encode,
    ) -> Called<Vec<u8>> {
        let person = self.market.people[person].clone();
        let argument = encoded(argument);
        self.chain
            .call_raw_as(&person, contract, function, argument)
    }

    /// Has somebody swap through the router, in time.
    pub fn route(
        &mut self,
        person: usize,
        route: &[ContractId],
        token: ContractId,
        amount: u64,
        output_min: u64,
    ) -> Called<(ContractId, u64)> {
        let to = self.people[person].id();
        let argument = (route.to_vec(), token, amount, output_min, to, HEIGHT);
        self.act(person, self.router, "swap", &argument).decoded()
    }

    pub fn balance(&mut self, token: ContractId, account: ContractId) -> u64 {
        self.market.balance(&mut self.chain, token, account)
    }

    pub fn reserves(&mut self, pool: ContractId) -> Reserves {
        self.market.reserves(&mut self.chain, pool)
    }

    pub fn all_reserves(&mut self) -> [Reserves; 2] {
        self.market.pools.map(|pool| self.reserves(pool))
    }

    /// What holds whatever was called.
    pub fn check(&mut self) {
        self.market.check_tokens(&mut self.chain);
        self.market.check_pools(&mut self.chain);
    }
}

fn encoded(argument: &impl Encode) -> Vec<u8> {
    crostata_abi::typed::encode(argument).unwrap()
}

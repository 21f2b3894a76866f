//! A market on a chain of tests: three tokens, two pools, a router, and people; and everything that must always hold.

use crostata::ContractId;
use crostata::contract_bytecode;
use crostata::testing::{Account, Called, Chain, Encode};

/// What each token begins with, all of it its owner's.
pub const SUPPLY: u64 = 1 << 40;
/// What everybody begins with, of each token.
pub const PURSE: u64 = 1 << 30;
/// Shares of each pool that nobody has.
pub const LOCKED_SHARES: u64 = 1_000;
/// The height of the chain.
pub const HEIGHT: u64 = 10;

pub struct Market {
    pub chain: Chain,
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

    /// Whether a share is worth no less than it was: `x y / s^2`. Of numbers below 2^31, so that nothing overflows.
    pub fn shares_keep_their_worth(&self, before: &Self) -> bool {
        let square = |shares: u64| u128::from(shares) * u128::from(shares);
        self.product() * square(before.shares) >= before.product() * square(self.shares)
    }
}

impl Market {
    /// Everybody has a purse of each token, has allowed pools and router to move it, and the pools are empty.
    pub fn new() -> Self {
        let mut chain = Chain::new();
        chain.block().height(HEIGHT);
        let people = ["alice", "bob", "carol"].map(|name| chain.account(name));
        let treasury = chain.account("treasury");
        let tokens = ["gold", "salt", "iron"].map(|name| {
            let code = contract_bytecode!("token");
            let deployment = chain.deploy(code).label(name);
            deployment.init(&(treasury.id(), SUPPLY)).send()
        });
        let pools = [("gold/salt", 0, 1), ("salt/iron", 1, 2)].map(|(name, first, second)| {
            let code = contract_bytecode!("pool");
            let deployment = chain.deploy(code).label(name);
            deployment.init(&(tokens[first], tokens[second])).send()
        });
        let router = chain
            .deploy(contract_bytecode!("router"))
            .label("router")
            .send();
        let mut market = Self {
            chain,
            people,
            tokens,
            pools,
            router,
            treasury,
        };
        market.fill_purses();
        market
    }

    /// The same with liquidity of Alice's: gold for four times as much salt, salt for half as much iron.
    pub fn with_liquidity() -> Self {
        let mut market = Self::new();
        for (pool, amounts) in [
            (0, (1_000_000u64, 4_000_000u64)),
            (1, (4_000_000, 2_000_000)),
        ] {
            let argument = (amounts.0, amounts.1, 0u64);
            market
                .act(0, market.pools[pool], "add", &argument)
                .expect_success();
        }
        market
    }

    fn fill_purses(&mut self) {
        let spenders = [self.pools[0], self.pools[1], self.router];
        for token in self.tokens {
            for person in self.people.clone() {
                let argument = (person.id(), PURSE);
                let treasury = &self.treasury;
                self.chain
                    .call_as::<_, ()>(treasury, token, "transfer", &argument)
                    .expect_success();
                for spender in spenders {
                    let argument = (spender, u64::MAX);
                    self.chain
                        .call_as::<_, ()>(&person, token, "approve", &argument)
                        .expect_success();
                }
            }
        }
    }

    /// Has somebody call a function.
    pub fn act(
        &mut self,
        person: usize,
        contract: ContractId,
        function: &str,
        argument: &impl Encode,
    ) -> Called<Vec<u8>> {
        let person = self.people[person].clone();
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
        self.chain.call(token, "balance_of", &account).value()
    }

    pub fn reserves(&mut self, pool: ContractId) -> Reserves {
        let (first, second, shares): (u64, u64, u64) =
            self.chain.call(pool, "reserves", &()).value();
        Reserves {
            first,
            second,
            shares,
        }
    }

    pub fn all_reserves(&mut self) -> [Reserves; 2] {
        self.pools.map(|pool| self.reserves(pool))
    }

    /// Everybody who can have tokens.
    fn accounts(&self) -> Vec<ContractId> {
        let people = self.people.iter().chain([&self.treasury]).map(Account::id);
        people.chain(self.pools).chain([self.router]).collect()
    }

    /// What holds whatever was called.
    pub fn check(&mut self) {
        let accounts = self.accounts();
        for token in self.tokens {
            let balances = accounts.iter().map(|account| self.balance(token, *account));
            let sum: u64 = balances.collect::<Vec<_>>().iter().sum();
            let supply: u64 = self.chain.call(token, "supply", &()).value();
            assert_eq!(sum, supply, "balances add up to the supply");
            assert_eq!(
                self.balance(token, self.router),
                0,
                "the router has nothing"
            );
        }
        for (number, pool) in self.pools.into_iter().enumerate() {
            let reserves = self.reserves(pool);
            let [first, second] = [0, 1].map(|side| self.balance(self.tokens[number + side], pool));
            assert!(
                first >= reserves.first && second >= reserves.second,
                "pools have their reserves"
            );
            let people = self.people.clone();
            let shares = people.map(|one| {
                self.chain
                    .call::<_, u64>(pool, "shares_of", &one.id())
                    .value()
            });
            let locked = if reserves.shares == 0 {
                0
            } else {
                LOCKED_SHARES
            };
            assert_eq!(
                shares.iter().sum::<u64>() + locked,
                reserves.shares,
                "shares add up"
            );
        }
    }
}

fn encoded(argument: &impl Encode) -> Vec<u8> {
    crostata_abi::typed::encode(argument).unwrap()
}

//! The price of a deployment.

use crostata::{Config, ContractData, Effort, Outcome, Protocol, Session, VM};

use crate::fixtures::{BACKENDS, LIMIT, WIDTHS, fresh, id, module, reverted, schedule, start_gas};

const INIT: &str = r#"
  (func (export "init") (param i32) (result i32) (local $left i32)
    (local.set $left (i32.const 1000))
    (loop $next
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $next (local.get $left)))
    (i32.const 5))"#;

fn deploy(session: &mut Session, number: u8, code: &[u8], limit: u64) -> crostata::DeployReceipt {
    let data = ContractData::builder().contract_id(id(number));
    session.deploy_with_receipt(code, data, limit).unwrap()
}

/// The price of code is known before, is not part of `init`'s gas, and is the same for code that is known already, by this
/// session or by another one.
#[test]
fn the_price_of_code_is_apart_and_the_same_each_time() {
    let vm = VM::ephemeral().unwrap();
    for width in WIDTHS {
        let code = module(width, INIT);
        let mut session = fresh(&vm);
        let price = session.deploy_price(&code);
        assert_eq!(price, session.deploy_price(&code), "a price is remembered");
        let first = deploy(&mut session, 1, &code, LIMIT);
        assert_eq!(first.code_gas, price);
        let of_length = Protocol::default().deploy_price(code.len(), &Effort::default());
        assert!(price > of_length, "compiling is paid");
        let again = deploy(&mut session, 2, &code, LIMIT);
        let elsewhere = deploy(&mut fresh(&vm), 2, &code, LIMIT);
        assert_eq!((again.code_gas, elsewhere.code_gas), (price, price));
        assert_eq!(again, elsewhere);
        let init = |receipt: crostata::DeployReceipt| receipt.init.unwrap();
        let (first, again) = (init(first), init(again));
        assert_eq!(first.data.len(), 5);
        assert_eq!(first.gas_spent, again.gas_spent);
        assert_eq!(first.digest, again.digest);
    }
}

/// `init` needs only its own gas: the least limit is one more than it spends, far under the price of the code.
#[test]
fn the_limit_is_for_init_only() {
    let vm = VM::ephemeral().unwrap();
    for width in WIDTHS {
        let code = module(width, INIT);
        let spent = deploy(&mut fresh(&vm), 1, &code, LIMIT)
            .init
            .unwrap()
            .gas_spent;
        let own = start_gas(&code) + schedule().page_read;
        assert!(spent > own && spent < own + 20_000, "{spent}");
        deploy(&mut fresh(&vm), 1, &code, spent + 1);
        let data = ContractData::builder().contract_id(id(1));
        let failed = reverted(fresh(&vm).deploy(&code, data, spent));
        assert_eq!(failed.failure.code, Outcome::OutOfGas);
    }
}

/// Without `init` a limit of zero is enough.
#[test]
fn without_init_no_gas_is_needed() {
    let vm = VM::ephemeral().unwrap();
    for width in WIDTHS {
        assert_eq!(deploy(&mut fresh(&vm), 1, &module(width, ""), 0).init, None);
    }
}

/// Code that is rejected has the price of its length; so has code that nothing can read.
#[test]
fn rejected_code_costs_by_its_length() {
    let vm = VM::ephemeral().unwrap();
    let session = fresh(&vm);
    let accepted = module(WIDTHS[0], INIT);
    let cut = &accepted[..accepted.len() - 1];
    for code in [cut, &vec![7; 1_000], &vec![0; 3 << 20]] {
        let of_length = Protocol::default().deploy_price(code.len(), &Effort::default());
        let asked = [(); 2].map(|()| session.deploy_price(code));
        assert_eq!(asked, [of_length; 2]);
    }
    assert!(session.deploy_price(&accepted) > session.deploy_price(vec![7; accepted.len()]));
}

/// The price is the protocol's: neither the backend nor what is cached is in it.
#[test]
fn the_price_of_code_is_the_same_on_each_backend() {
    let prices = BACKENDS.map(|backend| {
        let config = Config {
            backend,
            ..Config::default()
        };
        let vm = VM::ephemeral_with_config(config).unwrap();
        WIDTHS.map(|width| fresh(&vm).deploy_price(module(width, INIT)))
    });
    assert_eq!(prices[0], prices[1]);
}

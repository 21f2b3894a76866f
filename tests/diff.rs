//! What is different between two commits is what their contracts, records and pages say one by one, on whatever branches they are, after
//! a restart too; P5: it costs what is different.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{CELLS, Directory, LIMIT, code, deploy_cells, id, over, words};
use crostata::{
    Commit, ContractData, ContractDiff, ContractId, ContractRecord, PageIndex, ProofItem,
    SessionData, VM,
};

#[path = "common/random.rs"]
mod random;

use random::Random;

/// Contracts that there may be.
const CONTRACTS: u64 = 12;

/// Everything of a commit: records, and pages that are not zeros.
type Contents = BTreeMap<ContractId, (ContractRecord, BTreeMap<PageIndex, Vec<u8>>)>;

fn contents(vm: &VM, commit: Commit) -> Contents {
    let records = vm.contracts(commit).unwrap();
    let contract = |record: ContractRecord| {
        let contract = record.contract;
        let pages = vm.contract_pages(commit, contract).unwrap();
        let page = |page: PageIndex| {
            let proof = vm
                .prove(commit, &[ProofItem::page(contract, page)])
                .unwrap();
            let proven = proof.verify(&commit.root).unwrap();
            (page, proven.page(&contract, page).unwrap().to_vec())
        };
        (contract, (record, pages.into_iter().map(page).collect()))
    };
    records.map(|record| contract(record.unwrap())).collect()
}

fn brute(from: &Contents, to: &Contents) -> Vec<ContractDiff> {
    let ids: BTreeSet<_> = from.keys().chain(to.keys()).collect();
    let diff = |contract: &&ContractId| {
        let (one, other) = (from.get(contract), to.get(contract));
        let none = BTreeMap::new();
        let of = |side: Option<&(ContractRecord, BTreeMap<_, _>)>| {
            side.map_or(none.clone(), |(_, pages)| pages.clone())
        };
        let (one_pages, other_pages) = (of(one), of(other));
        let pages: BTreeSet<_> = one_pages.keys().chain(other_pages.keys()).collect();
        let differs = |page: &&&PageIndex| one_pages.get(page) != other_pages.get(page);
        ContractDiff {
            contract: **contract,
            before: one.map(|(record, _)| record.clone()),
            after: other.map(|(record, _)| record.clone()),
            pages: pages.iter().filter(differs).map(|page| **page).collect(),
        }
    };
    let all = ids.iter().map(diff);
    all.filter(|diff| diff.before != diff.after).collect()
}

/// Deploys, stores, zeroes, grows and migrates.
fn change(random: &mut Random, vm: &VM, base: Option<Commit>) -> Commit {
    let mut session = match base {
        Some(base) => over(vm, base),
        None => vm.session(SessionData::builder()).unwrap(),
    };
    for _ in 0..random.below(6) {
        let number = random.below(CONTRACTS);
        if session.contract_metadata(&id(number)).unwrap().is_none() {
            deploy_cells(&mut session, number);
            continue;
        }
        let address = (2 * 65_536 + 8 + 4_096 * random.below(10)) as u32;
        let argument = words(&[address, random.below(3) as u32]);
        match random.below(8) {
            0 => drop(
                session
                    .call_raw(id(number), "grow", words(&[1]), LIMIT)
                    .unwrap(),
            ),
            1 => {
                let renewed = code(&CELLS.replace("(memory.size)", "(i32.const 7)"));
                let owner = ContractData::builder().owner(vec![random.below(3) as u8]);
                session
                    .migrate(id(number), renewed, owner, LIMIT, |_, _| Ok(()))
                    .unwrap();
            }
            _ => drop(
                session
                    .call_raw(id(number), "store", argument, LIMIT)
                    .unwrap(),
            ),
        }
    }
    session.commit_with_tag([random.next() as u8; 32]).unwrap()
}

#[test]
fn a_diff_is_what_differs_one_by_one() {
    let directory = Directory::new();
    let mut random = Random::new(8);
    let mut commits: Vec<Commit> = Vec::new();
    let mut vm = directory.open();
    for round in 0..26 {
        let base = (round > 0).then(|| random.among(&commits));
        commits.push(change(&mut random, &vm, base));
        if round % 9 == 8 {
            drop(vm);
            vm = directory.open();
        }
    }
    let contents: Vec<_> = commits.iter().map(|one| contents(&vm, *one)).collect();
    let mut kinds = BTreeSet::new();
    for (from, before) in commits.iter().zip(&contents) {
        for (to, after) in commits.iter().zip(&contents) {
            let diff = vm.diff(from.id, to.id).unwrap();
            assert_eq!((diff.from, diff.to), (from.root, to.root));
            assert_eq!(diff.contracts, brute(before, after), "{from:?} to {to:?}");
            kinds.extend(diff.contracts.iter().map(|one| {
                let kinds = [one.is_added(), one.is_removed(), one.has_other_code()];
                (
                    kinds,
                    one.has_other_owner(),
                    one.has_other_size(),
                    one.pages.is_empty(),
                )
            }));
        }
    }
    assert!(kinds.len() >= 7, "{kinds:?}");
}

/// So it is of commits of two VMs, whose files have nothing in common.
#[test]
fn a_diff_with_another_vm_is_what_differs_one_by_one() {
    let mut random = Random::new(9);
    let mut of_vm = |rounds: usize| {
        let vm = VM::ephemeral().unwrap();
        let mut commits: Vec<Commit> = Vec::new();
        for _ in 0..rounds {
            let base = commits.last().copied();
            commits.push(change(&mut random, &vm, base));
        }
        let contents: Vec<_> = commits.iter().map(|one| contents(&vm, *one)).collect();
        (vm, commits, contents)
    };
    let (one, of_one, before) = of_vm(9);
    let (other, of_other, after) = of_vm(7);
    for (from, before) in of_one.iter().zip(&before) {
        for (to, after) in of_other.iter().zip(&after) {
            let diff = one.diff_with(from.id, &other, to.id).unwrap();
            assert_eq!(diff.contracts, brute(before, after), "{from:?} to {to:?}");
        }
    }
    assert!(
        one.diff_with(of_one[0], &other, of_one[0]).is_err(),
        "it is not the other's"
    );
}

/// Commits that are not retained are named in the error.
#[test]
fn unknown_commits_have_no_diff() {
    let vm = VM::ephemeral().unwrap();
    let commit = change(&mut Random::new(1), &vm, None);
    assert!(
        vm.diff(commit, [9; 32])
            .unwrap_err()
            .to_string()
            .contains("0909")
    );
    assert!(vm.diff([9; 32], commit).is_err());
}

//! Steps by a contract's schema: every method, with random arguments of its types.

use crostata_schema::{Field, Method, Schema, Type, Variant, shown};
use proptest::collection::vec;
use proptest::prelude::{Just, any};
use proptest::sample::select;
use proptest::strategy::{BoxedStrategy, Strategy, Union};
use serde_json::{Value, json};

use super::Action;
use super::step::{Step, StepCall};
use super::strategies::amounts;
use crate::chain::Code;

/// Items of a random list at most.
const ITEMS_MAX: usize = 8;

/// Types within types that are followed.
const DEPTH_MAX: usize = 8;

/// An action for each method.
#[track_caller]
pub fn actions(
    contract: &str,
    code: &Code,
    callers: &BoxedStrategy<Option<String>>,
) -> Vec<Action> {
    let schema = match Schema::of_code(&code.wasm) {
        Ok(Some(schema)) => schema,
        Ok(None) => panic!(
            "the code of `{contract}` has no schema: it was not written with `#[contract]`; say what to call with `.call(..)`"
        ),
        Err(error) => panic!("the schema of `{contract}` can not be read: {error}"),
    };
    let methods = schema.methods.into_iter();
    let methods = methods.filter(|method| method.name != "init");
    methods
        .filter_map(|method| action(contract, method, callers))
        .collect()
}

/// Calls of a method; none if it takes something of an unknown type.
fn action(
    contract: &str,
    method: Method,
    callers: &BoxedStrategy<Option<String>>,
) -> Option<Action> {
    // Whether there are values at all; with the ids that are known they are made later.
    arguments(&method, &Values::default())?;
    let (contract, callers) = (contract.to_owned(), callers.clone());
    Some(Box::new(move |names| {
        let ids = names.known.iter().map(|(id, _)| hex(id.as_bytes()));
        let values = Values { ids: ids.collect() };
        let arguments = arguments(&method, &values).unwrap_or_default();
        let (contract, method) = (contract.clone(), method.clone());
        let steps = (callers.clone(), arguments);
        let steps =
            steps.prop_map(move |(caller, values)| call(caller, &contract, &method, &values));
        steps.boxed()
    }))
}

fn call(caller: Option<String>, contract: &str, method: &Method, values: &[Value]) -> Step {
    let fields = method.arguments.iter().zip(values);
    let shown: Vec<String> = fields
        .map(|(field, value)| format!("{}: {}", field.name, shown(value, &field.value_type)))
        .collect();
    Step::Call(StepCall {
        caller,
        contract: contract.to_owned(),
        function: method.name.clone(),
        // What does not fit the argument buffer is left out: the contract says so.
        argument: method.encode(values).unwrap_or_default(),
        expression: None,
        shown: shown.join(", "),
    })
}

fn arguments(method: &Method, values: &Values) -> Option<Vec<BoxedStrategy<Value>>> {
    let types = method.arguments.iter().map(|field| &field.value_type);
    types.map(|value_type| values.of(value_type, 0)).collect()
}

/// Makes values, as JSON.
#[derive(Default)]
struct Values {
    /// Ids of what is on the chain: random ones would hit nothing.
    ids: Vec<Value>,
}

impl Values {
    /// Values of a type; none for one that nobody knows.
    fn of(&self, value_type: &Type, depth: usize) -> Option<BoxedStrategy<Value>> {
        if depth > DEPTH_MAX {
            return None;
        }
        let within = |value_type: &Type| self.of(value_type, depth + 1);
        Some(match value_type {
            Type::Unit => Just(Value::Null).boxed(),
            Type::Bool => any::<bool>().prop_map(Value::from).boxed(),
            Type::Int { signed, len_bytes } => integers(*signed, *len_bytes),
            Type::Char => any::<char>().prop_map(|one| json!(one.to_string())).boxed(),
            Type::String => "[a-z]{0,8}".prop_map(Value::from).boxed(),
            Type::Bytes => bytes(0..64),
            Type::FixedBytes(32) | Type::ContractId => self.identities(),
            Type::FixedBytes(len) => bytes(*len..len + 1),
            Type::Option(value) => self.option(value, depth)?,
            Type::Result(value, error) => {
                let (value, error) = (within(value)?, within(error)?);
                Union::new([tagged("Ok", value), tagged("Err", error)]).boxed()
            }
            Type::List(item) => vec(within(item)?, 0..ITEMS_MAX)
                .prop_map(Value::from)
                .boxed(),
            Type::Array(item, len) => vec(within(item)?, *len).prop_map(Value::from).boxed(),
            Type::Tuple(items) => self.array(items.iter(), depth)?,
            Type::Boxed(value) => within(value)?,
            Type::Struct { fields, .. } => self.record(fields, depth)?,
            Type::Enum { variants, .. } => self.variants(variants, depth)?,
            Type::Opaque { .. } => return None,
        })
    }

    /// Ids of what is on the chain, and now and then of nothing.
    fn identities(&self) -> BoxedStrategy<Value> {
        let random = bytes(32..33);
        match self.ids.is_empty() {
            true => random,
            false => Union::new_weighted(vec![(4, select(self.ids.clone()).boxed()), (1, random)])
                .boxed(),
        }
    }

    fn option(&self, value_type: &Type, depth: usize) -> Option<BoxedStrategy<Value>> {
        let value = self.of(value_type, depth + 1)?;
        let value = match value_type {
            // Their own values can be null.
            Type::Option(_) | Type::Unit => tagged("Some", value),
            _ => value,
        };
        Some(Union::new([Just(Value::Null).boxed(), value]).boxed())
    }

    fn array<'a>(
        &self,
        types: impl Iterator<Item = &'a Type>,
        depth: usize,
    ) -> Option<BoxedStrategy<Value>> {
        let items = types.map(|value_type| self.of(value_type, depth + 1));
        let items: Option<Vec<_>> = items.collect();
        Some(items?.prop_map(Value::from).boxed())
    }

    /// The fields of a struct or variant: nothing, the only value, an array, or an object.
    fn record(&self, fields: &[Field], depth: usize) -> Option<BoxedStrategy<Value>> {
        let types = fields.iter().map(|field| &field.value_type);
        match fields {
            [] => Some(Just(Value::Null).boxed()),
            [only] if only.name.is_empty() => self.of(&only.value_type, depth + 1),
            [first, ..] if first.name.is_empty() => self.array(types, depth),
            _ => {
                let names: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
                let values: Option<Vec<_>> = types.map(|of| self.of(of, depth + 1)).collect();
                let object = values?.prop_map(move |values| {
                    Value::Object(names.iter().cloned().zip(values).collect())
                });
                Some(object.boxed())
            }
        }
    }

    fn variants(&self, variants: &[Variant], depth: usize) -> Option<BoxedStrategy<Value>> {
        let made = variants
            .iter()
            .map(|variant| match variant.fields.is_empty() {
                true => Some(Just(json!(variant.name)).boxed()),
                false => Some(tagged(&variant.name, self.record(&variant.fields, depth)?)),
            });
        let made: Option<Vec<_>> = made.collect();
        let made = made.filter(|made| !made.is_empty())?;
        Some(Union::new(made).boxed())
    }
}

/// Integers as they break things.
fn integers(signed: bool, len_bytes: u8) -> BoxedStrategy<Value> {
    let bits = 8 * u32::from(len_bytes);
    match (signed, bits) {
        (false, 64) => amounts().prop_map(Value::from).boxed(),
        (false, 128) => any::<u128>()
            .prop_map(|number| json!(number.to_string()))
            .boxed(),
        (true, 128) => any::<i128>()
            .prop_map(|number| json!(number.to_string()))
            .boxed(),
        (false, _) => {
            let max = (1u64 << bits) - 1;
            let edges = Union::new([
                (0..=max.min(100)).boxed(),
                Just(max).boxed(),
                (0..=max).boxed(),
            ]);
            edges.prop_map(Value::from).boxed()
        }
        (true, _) => {
            let max = i64::MAX >> (64 - bits);
            let edges = Union::new([
                (-100..=100i64).boxed(),
                Just(max).boxed(),
                Just(-max - 1).boxed(),
                (-max - 1..=max).boxed(),
            ]);
            edges.prop_map(Value::from).boxed()
        }
    }
}

fn bytes(len: std::ops::Range<usize>) -> BoxedStrategy<Value> {
    vec(any::<u8>(), len).prop_map(|bytes| hex(&bytes)).boxed()
}

fn hex(bytes: &[u8]) -> Value {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Value::from(format!("0x{digits}"))
}

/// `{name: value}`.
fn tagged(name: &str, values: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let name = name.to_owned();
    let object = values.prop_map(move |value| json!({ name.clone(): value }));
    object.boxed()
}

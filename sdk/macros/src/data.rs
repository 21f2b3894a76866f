//! `#[data]`, `#[event]` and `#[error]`: values that contracts exchange.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, Data, DeriveInput, Error, Fields, Ident, LitStr, Path, Result, Token, Type, Variant,
};

use crate::lesson::lesson;
use crate::schema::{first_line, value_type};

/// What every value gets, unless its author derives it.
const DERIVED: [&str; 3] = ["Clone", "Debug", "PartialEq"];

/// Stops arguments of an attribute that takes none.
pub fn no_arguments(arguments: TokenStream, attribute: &str) -> Result<()> {
    match arguments.is_empty() {
        true => Ok(()),
        false => Err(lesson(
            &arguments,
            &format!("`#[{attribute}]` takes no arguments: what it does follows from the type"),
            &format!("#[crostata_sdk::{attribute}]"),
        )),
    }
}

/// The code of `#[data]`.
pub fn data(item: &DeriveInput) -> Result<TokenStream> {
    refuse_shapes(item)?;
    let derived = derived(item)?;
    let derives = DERIVED
        .iter()
        .filter(|name| !derived.contains(&(**name).to_owned()));
    let derives = derives
        .map(|name| syn::parse_str::<Path>(name))
        .collect::<Result<Vec<_>>>()?;
    let description = description(item);
    Ok(quote! {
        #[derive(#(#derives,)* ::crostata_sdk::rkyv::Archive, ::crostata_sdk::rkyv::Serialize, ::crostata_sdk::rkyv::Deserialize)]
        #[rkyv(crate = ::crostata_sdk::rkyv)]
        #item

        #description
    })
}

/// The arguments of `#[event]`.
pub struct Topic(Option<String>);

impl Parse for Topic {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.is_empty() {
            return Ok(Self(None));
        }
        let key: Ident = input.parse()?;
        if key != "topic" {
            return Err(lesson(
                &key,
                &format!(
                    "`{key}` is no argument of `#[event]`: only its topic can be given, which is else the name of the type"
                ),
                "#[crostata_sdk::event(topic = \"transfer\")]",
            ));
        }
        input.parse::<Token![=]>()?;
        Ok(Self(Some(input.parse::<LitStr>()?.value())))
    }
}

/// The code of `#[event]`.
pub fn event(topic: Topic, item: &DeriveInput) -> Result<TokenStream> {
    let data = data(item)?;
    let name = &item.ident;
    let topic = topic.0.unwrap_or_else(|| name.unraw().to_string());
    // At the name, so that a contract that does not list the event is told there.
    let emit = quote_spanned! {name.span()=>
        ::crostata_sdk::generated::emit::<#name>(self)
    };
    Ok(quote! {
        #[must_use = "an event happens when it is emitted: `.emit()`"]
        #data

        impl ::crostata_sdk::Event for #name {
            const TOPIC: &'static str = #topic;
        }

        impl #name {
            /// Emits the event. If the call fails, so does the event.
            pub fn emit(&self) {
                #emit
            }
        }
    })
}

/// The code of `#[error]`.
pub fn error(mut item: DeriveInput) -> Result<TokenStream> {
    let sources = sources(&item)?;
    let texts = texts(&item)?;
    strip_marks(&mut item);
    let data = data(&item)?;
    let name = &item.ident;
    let text = name.unraw().to_string();
    let conversions = conversions(name, &sources);
    Ok(quote! {
        #data

        impl ::crostata_sdk::error::Raise for #name {
            const NAME: &'static str = #text;

            fn text(&self) -> &'static str {
                #texts
            }
        }

        impl ::core::fmt::Display for #name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(::crostata_sdk::error::Raise::text(self))
            }
        }

        impl ::core::error::Error for #name {}

        #conversions
    })
}

/// A variant that is made of another error.
struct Source {
    variant: Ident,
    from: Type,
}

impl Source {
    /// Whether it is what a call fails with that raised no error.
    fn is_any_failure(&self) -> bool {
        matches!(&self.from, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "ContractError"))
    }
}

fn sources(item: &DeriveInput) -> Result<Vec<Source>> {
    let Data::Enum(data) = &item.data else {
        return Ok(Vec::new());
    };
    let marked = data
        .variants
        .iter()
        .filter(|variant| variant.attrs.iter().any(is_from));
    marked.map(source).collect()
}

fn is_from(attribute: &Attribute) -> bool {
    attribute.path().is_ident("from")
}

fn source(variant: &Variant) -> Result<Source> {
    match &variant.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Ok(Source {
            variant: variant.ident.clone(),
            from: fields.unnamed[0].ty.clone(),
        }),
        _ => Err(lesson(
            variant,
            "a variant that is made of another error has that as its only field, which has no name",
            &format!("#[from]\n{}(TokenError)", variant.ident),
        )),
    }
}

fn strip_marks(item: &mut DeriveInput) {
    if let Data::Enum(data) = &mut item.data {
        for variant in &mut data.variants {
            variant.attrs.retain(|attribute| !is_from(attribute));
        }
    }
}

/// What `?` makes of a failed call: the callee's error becomes the variant for it, and any other failure the variant for these, or else a panic.
fn conversions(name: &Ident, sources: &[Source]) -> TokenStream {
    let failed = match sources.iter().find(|source| source.is_any_failure()) {
        Some(Source { variant, .. }) => quote!(Self::#variant(failure)),
        None => quote!(::core::panic!("{failure}")),
    };
    let each = sources.iter().map(|source| {
        let Source { variant, from } = source;
        let call = (!source.is_any_failure()).then(|| {
            call_conversion(
                name,
                &quote!(#from),
                &quote!(Self::#variant(error)),
                &failed,
            )
        });
        quote! {
            impl ::core::convert::From<#from> for #name {
                fn from(error: #from) -> Self {
                    Self::#variant(error)
                }
            }
            #call
        }
    });
    let never = quote!(::core::convert::Infallible);
    let plain = call_conversion(name, &never, &quote!(match error {}), &failed);
    quote!(#(#each)* #plain)
}

fn call_conversion(
    name: &Ident,
    from: &TokenStream,
    contract: &TokenStream,
    failed: &TokenStream,
) -> TokenStream {
    quote! {
        impl ::core::convert::From<::crostata_sdk::CallError<#from>> for #name {
            fn from(error: ::crostata_sdk::CallError<#from>) -> Self {
                match error {
                    ::crostata_sdk::CallError::Contract(error) => #contract,
                    ::crostata_sdk::CallError::Failed(failure) => #failed,
                    ::crostata_sdk::CallError::Unreadable { function } => ::core::panic!("{function}"),
                }
            }
        }
    }
}

/// The texts of an error: the first line of documentation, or the name in words.
fn texts(item: &DeriveInput) -> Result<TokenStream> {
    match &item.data {
        Data::Enum(data) if data.variants.is_empty() => Err(lesson(
            &item.ident,
            "an error without variants can not happen: a method that never fails returns its value",
            "pub fn total_supply(&self) -> u64",
        )),
        Data::Enum(data) => {
            let arms = data.variants.iter().map(|variant| {
                let (name, text) = (&variant.ident, said(&variant.attrs, &variant.ident));
                quote!(Self::#name { .. } => #text)
            });
            Ok(quote!(match self { #(#arms),* }))
        }
        _ => {
            let text = said(&item.attrs, &item.ident);
            Ok(quote!(#text))
        }
    }
}

fn said(attributes: &[Attribute], name: &Ident) -> String {
    let docs = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"));
    let docs: Vec<_> = docs.cloned().collect();
    let line = first_line(&docs);
    match line.trim_end_matches('.') {
        "" => words(&name.unraw().to_string()),
        line => line.to_owned(),
    }
}

/// `TooSmall` as `too small`.
fn words(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn refuse_shapes(item: &DeriveInput) -> Result<()> {
    let name = &item.ident;
    if !item.generics.params.is_empty() {
        return Err(lesson(
            &item.generics,
            "a value that contracts exchange has one layout, which the schema describes: it can not be generic",
            &format!("struct {name} {{ value: u64 }}"),
        ));
    }
    match &item.data {
        Data::Struct(data) => refuse_fields(name, &data.fields),
        Data::Enum(data) => data.variants.iter().try_for_each(|variant| {
            if let Some((_, number)) = &variant.discriminant {
                return Err(lesson(
                    number,
                    "an archive numbers variants in their order: a number of its own would be another value to those who read it",
                    &variant.ident.to_string(),
                ));
            }
            refuse_fields(name, &variant.fields)
        }),
        Data::Union(_) => Err(lesson(
            name,
            "nobody can tell which field of a union is meant: a value that contracts exchange is a struct or an enum",
            &format!("enum {name} {{ .. }}"),
        )),
    }
}

fn refuse_fields(name: &Ident, fields: &Fields) -> Result<()> {
    for field in fields {
        if let Some(attribute) = field.attrs.iter().find(|one| one.path().is_ident("rkyv")) {
            return Err(lesson(
                attribute,
                "the schema describes the plain archive of each field: `#[rkyv(..)]` would change it without telling",
                "a field of another type; or derive rkyv's traits by hand instead of #[crostata_sdk::data]",
            ));
        }
        if let Type::Reference(reference) = &field.ty {
            return Err(lesson(
                reference,
                "a value that contracts exchange owns what is in it: what a reference points to would stay behind",
                &owned_field(field),
            ));
        }
        if mentions(&field.ty, name) {
            return Err(lesson(
                &field.ty,
                "a type that is in itself has no end: a schema, and tools that show values, would not come to one",
                &format!("nodes: Vec<{name}Node>, with indices in place of boxes"),
            ));
        }
    }
    Ok(())
}

/// The field with a type that owns.
fn owned_field(field: &syn::Field) -> String {
    let name = field.ident.as_ref().map(|name| format!("{name}: "));
    format!("{}String, or Vec<u8>", name.unwrap_or_default())
}

fn mentions(value_type: &Type, name: &Ident) -> bool {
    fn any(tokens: TokenStream, name: &Ident) -> bool {
        tokens.into_iter().any(|token| match token {
            proc_macro2::TokenTree::Ident(one) => one == *name || one == "Self",
            proc_macro2::TokenTree::Group(group) => any(group.stream(), name),
            _ => false,
        })
    }
    // A path to another type of the same name, `other::Name`, is not that.
    match value_type {
        Type::Path(path) if path.path.segments.len() > 1 => false,
        other => any(quote!(#other), name),
    }
}

/// The names of the traits that the author derives.
fn derived(item: &DeriveInput) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for attribute in item
        .attrs
        .iter()
        .filter(|one| one.path().is_ident("derive"))
    {
        attribute.parse_nested_meta(|meta| {
            let Some(last) = meta.path.segments.last() else {
                return Ok(());
            };
            match last.ident.to_string().as_str() {
                "Archive" | "Serialize" | "Deserialize" => Err(derives_it(&meta.path)),
                name => {
                    names.push(name.to_owned());
                    Ok(())
                }
            }
        })?;
    }
    match item.attrs.iter().find(|one| one.path().is_ident("rkyv")) {
        Some(attribute) => Err(derives_it(attribute)),
        None => Ok(names),
    }
}

fn derives_it(at: impl ToTokens) -> Error {
    lesson(
        at,
        "the attribute makes the type's archive and describes it: nothing of rkyv is written by hand",
        "#[crostata_sdk::data]\n#[derive(Eq)]",
    )
}

fn description(item: &DeriveInput) -> TokenStream {
    let name = &item.ident;
    let text = name.unraw().to_string();
    let content = match &item.data {
        Data::Struct(data) => {
            let fields = described_fields(&data.fields);
            quote!(Struct(#fields))
        }
        Data::Enum(data) => {
            let variants = data.variants.iter().map(|variant| {
                let name = variant.ident.unraw().to_string();
                let fields = described_fields(&variant.fields);
                quote!(::crostata_sdk::schema::Variant { name: #name, fields: #fields })
            });
            quote!(Enum(&[#(#variants),*]))
        }
        Data::Union(_) => return TokenStream::new(),
    };
    quote! {
        impl ::crostata_sdk::schema::Described for #name {
            const TYPE: ::crostata_sdk::schema::Type = {
                #[allow(unused_imports)]
                use ::crostata_sdk::generated::Unknown as _;
                ::crostata_sdk::schema::Type::Named(&::crostata_sdk::schema::Definition {
                    name: #text,
                    content: ::crostata_sdk::schema::Content::#content,
                })
            };
        }
    }
}

fn described_fields(fields: &Fields) -> TokenStream {
    let named = matches!(fields, Fields::Named(_));
    let each = fields.iter().map(|field| {
        let name = field.ident.as_ref().map(|name| name.unraw().to_string());
        let name = name.unwrap_or_default();
        let tokens = &field.ty;
        let value_type = value_type(&quote!(#tokens));
        quote!(::crostata_sdk::schema::Field { name: #name, value_type: #value_type })
    });
    quote!(::crostata_sdk::schema::Fields { named: #named, fields: &[#(#each),*] })
}

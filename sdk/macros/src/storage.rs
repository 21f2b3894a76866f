//! The derives `Storage` and `Stored`: types and places of a struct's fields, and their bytes.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Field, Fields, Ident, Result, Type};

/// A field that is declared.
struct Member<'a> {
    ident: &'a Ident,
    value_type: &'a Type,
}

/// The code of `#[derive(Storage)]`.
pub fn declared(item: &DeriveInput) -> Result<TokenStream> {
    let members = members(item, true)?;
    let name = &item.ident;
    let declaration = declaration(name, &members);
    Ok(quote! {
        #declaration

        impl #name {
            #[doc(hidden)]
            pub const DECLARES_STORAGE: bool = true;
        }
    })
}

/// The code of `#[derive(Stored)]`.
pub fn stored(item: &DeriveInput) -> Result<TokenStream> {
    let members = members(item, false)?;
    if members.is_empty() {
        let message = "a value without fields has no bytes to store";
        return Err(Error::new(item.ident.span(), message));
    }
    let name = &item.ident;
    let declaration = declaration(name, &members);
    let idents: Vec<_> = members.iter().map(|member| member.ident).collect();
    let types: Vec<_> = members.iter().map(|member| member.value_type).collect();
    let places = quote!(#({
        let start = ::core::mem::offset_of!(Self, #idents);
        start..start + ::core::mem::size_of::<#types>()
    }),*);
    let key_sizes = quote!(#(
        const { <#types as ::crostata_sdk::generated::Declared>::TYPE.key_bytes() }
    ),*);
    let indices: Vec<_> = (0..members.len()).collect();
    Ok(quote! {
        #declaration

        impl ::crostata_sdk::Stored for #name {
            fn write(&self, bytes: &mut [u8]) {
                let places = [#places];
                #(::crostata_sdk::Stored::write(&self.#idents, &mut bytes[places[#indices].clone()]);)*
            }

            fn read(bytes: &[u8]) -> Self {
                let places = [#places];
                Self {
                    #(#idents: ::crostata_sdk::Stored::read(&bytes[places[#indices].clone()]),)*
                }
            }

            fn write_key(&self, bytes: &mut [u8]) {
                let sizes = [#key_sizes];
                #(
                    let (part, bytes) = bytes.split_at_mut(sizes[#indices]);
                    ::crostata_sdk::Stored::write_key(&self.#idents, part);
                )*
                let _ = bytes;
            }

            fn read_key(bytes: &[u8]) -> Self {
                let sizes = [#key_sizes];
                #(
                    let (part, bytes) = bytes.split_at(sizes[#indices]);
                    let #idents = ::crostata_sdk::Stored::read_key(part);
                )*
                let _ = bytes;
                Self { #(#idents),* }
            }
        }
    })
}

fn declaration(name: &Ident, members: &[Member<'_>]) -> TokenStream {
    let idents = members.iter().map(|member| member.ident);
    let names = members
        .iter()
        .map(|member| member.ident.unraw().to_string());
    let types: Vec<_> = members.iter().map(|member| member.value_type).collect();
    quote! {
        impl ::crostata_sdk::generated::Declared for #name {
            const TYPE: ::crostata_sdk::generated::Type = {
                #(::crostata_sdk::generated::refuse_large::<#types>();)*
                ::crostata_sdk::generated::Type::Struct(
                    ::core::mem::size_of::<Self>(),
                    &[#(::crostata_sdk::generated::Field {
                        name: #names,
                        offset: ::core::mem::offset_of!(Self, #idents),
                        value_type: &<#types as ::crostata_sdk::generated::Declared>::TYPE,
                    }),*],
                )
            };
        }
    }
}

fn members(item: &DeriveInput, may_skip: bool) -> Result<Vec<Member<'_>>> {
    let fields = match &item.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => &fields.named,
            _ => {
                return Err(Error::new(
                    item.span(),
                    "fields are proven by their names: name them",
                ));
            }
        },
        _ => {
            return Err(Error::new(
                item.span(),
                "only structs have fields with names and places",
            ));
        }
    };
    if !item.generics.params.is_empty() {
        let message = "a generic struct has no certain layout: write one without parameters";
        return Err(Error::new(item.generics.span(), message));
    }
    let mut members = Vec::new();
    for field in fields {
        if !is_skipped(field, may_skip)? {
            members.extend(member(field)?);
        }
    }
    Ok(members)
}

fn member(field: &Field) -> Result<Option<Member<'_>>> {
    let Some(ident) = &field.ident else {
        return Ok(None);
    };
    if !ident.unraw().to_string().is_ascii() {
        let message = "the name of a declared field is of ASCII letters, digits and underscores";
        return Err(Error::new(ident.span(), message));
    }
    let value_type = &field.ty;
    Ok(Some(Member { ident, value_type }))
}

fn is_skipped(field: &Field, may_skip: bool) -> Result<bool> {
    let mut attributes = field
        .attrs
        .iter()
        .filter(|one| one.path().is_ident("storage"));
    let Some(attribute) = attributes.next() else {
        return Ok(false);
    };
    let argument: Ident = attribute.parse_args()?;
    if argument != "skip" || attributes.next().is_some() {
        let message = "the attribute of a declared field is `#[storage(skip)]`, once";
        return Err(Error::new(argument.span(), message));
    }
    if !may_skip {
        let message = "a value is stored with all its fields";
        return Err(Error::new(argument.span(), message));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(derive: fn(&DeriveInput) -> Result<TokenStream>, item: &str) -> String {
        let item = syn::parse_str(item).unwrap();
        derive(&item).unwrap_err().to_string()
    }

    #[test]
    fn fields_are_declared_unless_they_are_skipped() {
        let item = "struct S { r#type: u8, #[storage(skip)] scratch: String }";
        let code = declared(&syn::parse_str(item).unwrap())
            .unwrap()
            .to_string();
        assert!(code.contains("name : \"type\""), "{code}");
        assert!(!code.contains("scratch"), "{code}");
    }

    #[test]
    fn shapes_that_have_no_layout_are_named() {
        for (item, expected) in [
            ("struct S(u8);", "name them"),
            ("enum E { A }", "only structs"),
            ("struct S<T> { a: T }", "generic"),
            ("struct S { ä: u8 }", "ASCII"),
            ("struct S { #[storage(leave)] a: u8 }", "#[storage(skip)]"),
        ] {
            let message = error(declared, item);
            assert!(message.contains(expected), "{item}: {message}");
        }
        assert!(error(stored, "struct S { #[storage(skip)] a: u8 }").contains("all its fields"));
        assert!(error(stored, "struct S {}").contains("no bytes"));
    }
}

//! Public items of a library as text: each under the path by which others name it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use quote::{ToTokens as _, quote};
use syn::{Attribute, Fields, ImplItem, Item, ItemImpl, Type, Visibility};

use super::tree::{Place, Tree, attributes, imports, is_left_out, name_of};

/// Macro of `sextet-separator` that sets the fields of options.
const SETTERS: &str = "setters";

/// Returns the public items of the library in `folder`.
pub(super) fn of(folder: &Path) -> Result<String> {
    let tree = Tree::read(folder)?;
    let mut listing = Listing {
        tree: &tree,
        items: BTreeMap::new(),
    };
    listing.walk(&Vec::new(), "");

    let count = listing.items.len();
    let mut text = format!(
        "Public API, {count} items, written by `cargo xtask api`. Defaults of methods and private fields are left out.\n"
    );
    for (path, item) in listing.items {
        text.push_str(&format!("\n// {path}\n{}", item?));
    }
    Ok(text)
}

struct Listing<'t> {
    tree: &'t Tree,
    /// Text of every item by its public path.
    items: BTreeMap<String, Result<String>>,
}

impl Listing<'_> {
    /// Adds what the module at `place` makes public, which others name `public`.
    fn walk(&mut self, place: &Place, public: &str) {
        for item in self.tree.items(place) {
            if !is_public(item) {
                continue;
            }
            match item {
                Item::Use(item) => {
                    for import in imports(&item.tree) {
                        let path = join(public, &import.name);
                        match self.tree.resolve(place, &import.path) {
                            Some((place, name)) => self.add(&place, &name, path),
                            None => {
                                let text = format!("pub use {};\n", import.path.join("::"));
                                self.items.insert(path, Ok(text));
                            }
                        }
                    }
                }
                item => {
                    if let Some(name) = name_of(item) {
                        self.add(place, &name, join(public, &name));
                    }
                }
            }
        }
    }

    /// Adds the item `name` of the module at `place` under the path `public`.
    fn add(&mut self, place: &Place, name: &str, public: String) {
        let mut inner = place.clone();
        inner.push(name.to_owned());
        if self.tree.is_module(&inner) {
            return self.walk(&inner, &public);
        }

        let text = self.text(place, name);
        self.items.insert(public, text);
    }

    fn text(&self, place: &Place, name: &str) -> Result<String> {
        let items = self.tree.items(place).iter();
        let item = items
            .filter(|item| name_of(item).as_deref() == Some(name))
            .find(|item| !matches!(item, Item::Mod(_)))
            .with_context(|| format!("{}::{name} is not found", place.join("::")))?;
        let mut text = signature(item)?;

        // Methods and traits, wherever in the library they are implemented.
        let (mut methods, mut traits) = (Vec::new(), BTreeSet::new());
        for (at, items) in self.tree.modules() {
            for item in items.iter().filter(|item| !is_left_out(attributes(item))) {
                match item {
                    Item::Impl(item) if self.is_of(item, at, place, name) => {
                        methods.extend(methods_of(item)?);
                        traits.extend(trait_of(item));
                    }
                    Item::Macro(item) if at == place && item.mac.path.is_ident(SETTERS) => {
                        methods.extend(setters_of(&item.mac.tokens.to_string(), name));
                    }
                    _ => {}
                }
            }
        }
        methods.sort();
        methods.iter().for_each(|method| text.push_str(method));
        traits.iter().for_each(|line| text.push_str(line));
        Ok(text)
    }

    /// Whether `item`, in the module `at`, implements something for the type `name` of `place`.
    fn is_of(&self, item: &ItemImpl, at: &Place, place: &Place, name: &str) -> bool {
        let Type::Path(path) = &*item.self_ty else {
            return false;
        };
        let path: Vec<String> = path
            .path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        self.tree
            .resolve(at, &path)
            .is_some_and(|(found, own)| found == *place && own == name)
    }
}

fn join(public: &str, name: &str) -> String {
    if public.is_empty() {
        name.to_owned()
    } else {
        format!("{public}::{name}")
    }
}

fn is_public(item: &Item) -> bool {
    let visibility = match item {
        Item::Const(item) => &item.vis,
        Item::Enum(item) => &item.vis,
        Item::Fn(item) => &item.vis,
        Item::Mod(item) => &item.vis,
        Item::Static(item) => &item.vis,
        Item::Struct(item) => &item.vis,
        Item::Trait(item) => &item.vis,
        Item::Type(item) => &item.vis,
        Item::Use(item) => &item.vis,
        _ => return false,
    };
    matches!(visibility, Visibility::Public(_))
}

/// Attributes that belong to an item's API.
fn kept(attributes: &[Attribute]) -> Vec<Attribute> {
    let is_kept = |attribute: &&Attribute| {
        let names = ["non_exhaustive", "derive", "cfg", "repr", "deprecated"];
        names.iter().any(|name| attribute.path().is_ident(name))
    };
    attributes.iter().filter(is_kept).cloned().collect()
}

/// Returns an item without documentation, bodies and private fields.
fn signature(item: &Item) -> Result<String> {
    let item = match item.clone() {
        Item::Struct(mut item) => {
            item.attrs = kept(&item.attrs);
            item.fields = public_fields(item.fields);
            Item::Struct(item)
        }
        Item::Enum(mut item) => {
            item.attrs = kept(&item.attrs);
            for variant in &mut item.variants {
                variant.attrs = kept(&variant.attrs);
                variant
                    .fields
                    .iter_mut()
                    .for_each(|field| field.attrs.clear());
            }
            Item::Enum(item)
        }
        Item::Trait(mut item) => {
            item.attrs = kept(&item.attrs);
            for part in &mut item.items {
                if let syn::TraitItem::Fn(method) = part {
                    method.attrs = Vec::new();
                    method.default = None;
                }
            }
            Item::Trait(item)
        }
        Item::Fn(item) => {
            let (vis, sig) = (item.vis, item.sig);
            return Ok(one_line(&quote!(#vis #sig ;).to_string()));
        }
        Item::Const(item) => {
            let (vis, ident, ty) = (item.vis, item.ident, item.ty);
            return Ok(one_line(&quote!(#vis const #ident: #ty ;).to_string()));
        }
        Item::Static(item) => {
            let (vis, ident, ty) = (item.vis, item.ident, item.ty);
            return Ok(one_line(&quote!(#vis static #ident: #ty ;).to_string()));
        }
        Item::Type(mut item) => {
            item.attrs = Vec::new();
            Item::Type(item)
        }
        other => other,
    };
    pretty(vec![item])
}

/// Leaves the public fields of a struct, and a mark where there were others.
fn public_fields(mut fields: Fields) -> Fields {
    let is_public = |field: &syn::Field| matches!(field.vis, Visibility::Public(_));
    fields.iter_mut().for_each(|field| field.attrs.clear());
    if let Fields::Named(named) = &mut fields {
        let all = named.named.len();
        named.named = named
            .named
            .iter()
            .filter(|f| is_public(f))
            .cloned()
            .collect();
        if named.named.len() < all
            && let Ok(mark) = syn::parse2::<syn::FieldsNamed>(quote!({ private: Private }))
        {
            named.named.extend(mark.named);
        }
    } else if let Fields::Unnamed(unnamed) = &mut fields {
        let hidden = |field: &mut syn::Field| {
            if !is_public(field) {
                field.ty = syn::parse_quote!(Private);
                field.vis = Visibility::Inherited;
            }
        };
        unnamed.unnamed.iter_mut().for_each(hidden);
    }
    fields
}

/// Returns the public methods and constants of an `impl` without a trait, a line each.
fn methods_of(item: &ItemImpl) -> Result<Vec<String>> {
    if item.trait_.is_some() {
        return Ok(Vec::new());
    }
    let public = |vis: &Visibility| matches!(vis, Visibility::Public(_));
    let lines = item.items.iter().filter_map(|part| match part {
        ImplItem::Fn(part) if public(&part.vis) && !is_left_out(&part.attrs) => {
            let (attributes, sig) = (kept(&part.attrs), &part.sig);
            Some(quote!(#(#attributes)* pub #sig ;).to_string())
        }
        ImplItem::Const(part) if public(&part.vis) => {
            let (ident, ty) = (&part.ident, &part.ty);
            Some(quote!(pub const #ident: #ty ;).to_string())
        }
        _ => None,
    });
    Ok(lines
        .map(|line| format!("    {}", one_line(&line)))
        .collect())
}

/// Returns the line of the trait that an `impl` is of.
fn trait_of(item: &ItemImpl) -> Option<String> {
    item.trait_.as_ref()?;
    let mut empty = item.clone();
    empty.attrs = kept(&empty.attrs);
    empty.items.clear();
    let text = empty.to_token_stream().to_string();
    Some(format!(
        "    {}",
        one_line(text.trim_end_matches("{ }").trim_end())
    ))
}

/// Returns the methods that the macro [`SETTERS`] makes of `tokens`, if they are for `name`.
fn setters_of(tokens: &str, name: &str) -> Vec<String> {
    let Some((of, fields)) = tokens.split_once('{') else {
        return Vec::new();
    };
    if of.trim() != name {
        return Vec::new();
    }
    let fields = parted(fields.trim_end_matches(['}', ' ']));
    let setters = fields.into_iter().filter_map(|field| {
        let (field, value) = field.split_once(':')?;
        let text = format!(
            "pub fn {} (self , value : {}) -> Self ;",
            field.trim(),
            value.trim()
        );
        Some(format!("    {}", one_line(&text)))
    });
    ["    pub fn new() -> Self;\n".to_owned()]
        .into_iter()
        .chain(setters)
        .collect()
}

/// Splits a list at its commas, except those within angle brackets.
fn parted(list: &str) -> Vec<&str> {
    let mut depth = 0;
    list.split(|c| {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

fn pretty(items: Vec<Item>) -> Result<String> {
    let file = syn::File {
        shebang: None,
        frontmatter: None,
        attrs: Vec::new(),
        items,
    };
    Ok(prettyplease::unparse(&file))
}

/// Joins tokens as a person would write them, on one line.
fn one_line(tokens: &str) -> String {
    let mut text = tokens.split_whitespace().collect::<Vec<_>>().join(" ");
    for (apart, together) in [
        (" ;", ";"),
        (" ,", ","),
        (" :: ", "::"),
        (" : ", ": "),
        ("< ", "<"),
        (" <", "<"),
        (" >", ">"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        ("[ ", "["),
        (" ]", "]"),
        ("& ", "&"),
        ("# [", "#["),
        (" !", "!"),
        (",>", ">"),
        (",)", ")"),
    ] {
        text = text.replace(apart, together);
    }
    // These spaces were wanted.
    for (together, apart) in [
        (" ->", "->"),
        ("->", " ->"),
        ("->(", "-> ("),
        (":(", ": ("),
        (" mut(", " mut ("),
    ] {
        text = text.replace(together, apart);
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn items_are_listed_by_the_path_that_others_name_them_by() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        let file = |name: &str, text: &str| {
            fs::write(folder.path().join("src").join(name), text).unwrap();
        };
        file(
            "lib.rs",
            "mod hidden;\npub mod open;\npub use hidden::{Options, Trait as Renamed, one};\n#[cfg(test)]\npub fn never() {}\n",
        );
        file(
            "hidden.rs",
            "use crate::open::Open;\n/// Doc.\n#[derive(Debug)]\n#[non_exhaustive]\npub struct Options { /// Doc.\n pub a: u32, b: u8 }\n\
             setters!(Options { a: u32, c: impl Into<Option<u32>>, });\n\
             impl Options { fn private(&self) {} pub fn public(&self, x: &[f32]) -> Result<(), String> { todo!() } }\n\
             impl Trait for Open {}\npub trait Trait { /// Doc.\n fn f(&self) {} }\npub fn one(x: (u8, u8)) -> (Vec<u8>, u8) { todo!() }\nfn two() {}\n",
        );
        file("open.rs", "pub struct Open;\npub(crate) struct Closed;\n");

        let found = of(folder.path()).unwrap();
        let expected = [
            "// Options",
            "#[derive(Debug)]",
            "#[non_exhaustive]",
            "pub struct Options {",
            "    pub a: u32,",
            "    private: Private,",
            "}",
            "    pub fn a(self, value: u32) -> Self;",
            "    pub fn c(self, value: impl Into<Option<u32>>) -> Self;",
            "    pub fn new() -> Self;",
            "    pub fn public(&self, x: &[f32]) -> Result<(), String>;",
            "// Renamed",
            "pub trait Trait {",
            "    fn f(&self);",
            "}",
            "// one",
            "pub fn one(x: (u8, u8)) -> (Vec<u8>, u8);",
            "// open::Open",
            "pub struct Open;",
            "    impl Trait for Open",
        ];
        let lines: Vec<&str> = found
            .lines()
            .skip(1)
            .filter(|line| !line.is_empty())
            .collect();
        assert_eq!(lines, expected);
    }
}

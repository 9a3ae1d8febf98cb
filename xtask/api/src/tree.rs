//! Modules of a library as they stand in its files, and the places of the names in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use quote::ToTokens as _;
use syn::{Attribute, Item, UseTree};

/// Most re-exports of one name behind each other.
const DEEPEST: usize = 8;

/// Path of a module, from the library's root.
pub(super) type Place = Vec<String>;

/// Modules of a library, each with its items.
pub(super) struct Tree(BTreeMap<Place, Vec<Item>>);

/// Name that a `use` brings into a module, and the path that it stands for.
pub(super) struct Import {
    pub(super) name: String,
    pub(super) path: Vec<String>,
}

impl Tree {
    /// Reads the library in `folder`.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let mut tree = Self(BTreeMap::new());
        let source = folder.join("src");
        tree.add(&source.join("lib.rs"), &source, Vec::new())?;
        Ok(tree)
    }

    /// Adds the module in `file`, whose own modules lie in `folder`.
    fn add(&mut self, file: &Path, folder: &Path, place: Place) -> Result<()> {
        let cannot = || format!("cannot read {}", file.display());
        let text = fs::read_to_string(file).with_context(cannot)?;
        let parsed = syn::parse_file(&text).with_context(cannot)?;
        let items: Vec<Item> = parsed
            .items
            .into_iter()
            .filter(|item| !is_left_out(attributes(item)))
            .collect();

        for item in &items {
            let Item::Mod(module) = item else { continue };
            let name = module.ident.to_string();
            let mut inner = place.clone();
            inner.push(name.clone());

            let own = folder.join(&name);
            let beside = folder.join(format!("{name}.rs"));
            let file: PathBuf = if beside.is_file() {
                beside
            } else {
                own.join("mod.rs")
            };
            match &module.content {
                Some((_, items)) => drop(self.0.insert(inner, items.clone())),
                None => self.add(&file, &own, inner)?,
            }
        }

        self.0.insert(place, items);
        Ok(())
    }

    pub(super) fn items(&self, place: &Place) -> &[Item] {
        self.0.get(place).map_or(&[], Vec::as_slice)
    }

    pub(super) fn modules(&self) -> impl Iterator<Item = (&Place, &Vec<Item>)> {
        self.0.iter()
    }

    pub(super) fn is_module(&self, place: &Place) -> bool {
        self.0.contains_key(place)
    }

    /// Returns the module and the name by which `path`, seen from the module `from`, is defined, or
    /// `None` for a path of another crate.
    pub(super) fn resolve(&self, from: &Place, path: &[String]) -> Option<(Place, String)> {
        self.resolve_within(from, path, DEEPEST)
    }

    fn resolve_within(
        &self,
        from: &Place,
        path: &[String],
        depth: usize,
    ) -> Option<(Place, String)> {
        let depth = depth.checked_sub(1)?;
        let (first, rest) = path.split_first()?;
        let place = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.clone(),
            "super" => from.split_last()?.1.to_vec(),
            name => {
                let (module, own) = self.lookup(from, name, depth)?;
                if rest.is_empty() {
                    return Some((module, own));
                }
                let mut inner = module;
                inner.push(own);
                inner
            }
        };
        let [last] = rest else {
            return self.resolve_within(&place, rest, depth);
        };
        self.lookup(&place, last, depth)
    }

    /// Returns the definition of `name` in the module at `place`: its own, or an imported one.
    fn lookup(&self, place: &Place, name: &str, depth: usize) -> Option<(Place, String)> {
        let items = self.0.get(place)?;
        if items
            .iter()
            .any(|item| name_of(item).as_deref() == Some(name))
        {
            return Some((place.clone(), name.to_owned()));
        }
        let found = items.iter().find_map(|item| match item {
            Item::Use(item) => imports(&item.tree).into_iter().find(|i| i.name == name),
            _ => None,
        })?;
        self.resolve_within(place, &found.path, depth)
    }
}

/// Returns the name of an item that defines one.
pub(super) fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Mod(item) => &item.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

/// Returns the names that a `use` brings, without those of a `*`.
pub(super) fn imports(tree: &UseTree) -> Vec<Import> {
    fn walk(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<Import>) {
        match tree {
            UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                walk(&inner.tree, path, found);
                path.pop();
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                let mut whole = path.clone();
                let name = if name == "self" {
                    path.last().cloned().unwrap_or_default()
                } else {
                    whole.push(name.clone());
                    name
                };
                found.push(Import { name, path: whole });
            }
            UseTree::Rename(rename) => {
                let mut whole = path.clone();
                whole.push(rename.ident.to_string());
                let name = rename.rename.to_string();
                found.push(Import { name, path: whole });
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| walk(tree, path, found));
            }
            UseTree::Glob(_) => {}
        }
    }

    let mut found = Vec::new();
    walk(tree, &mut Vec::new(), &mut found);
    found
}

pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether an item is only there in tests, or in builds without a feature.
pub(super) fn is_left_out(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = attribute.to_token_stream().to_string();
        attribute.path().is_ident("cfg") && (text.contains("test") || text.contains("not"))
    })
}

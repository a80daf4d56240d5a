//! Any sequence of changes, held against a model: a map from paths to contents.

use crate::world::{REPLACE, World};
use std::collections::BTreeMap;
use stitchbox_domain::uploads::Intent;
use stitchbox_domain::{Conditions, CopyDepth, Error};
use stitchbox_schema::{ETag, ItemId};
use stitchbox_tests::Random;

/// What the tree should be: files with their content, folders without.
type Model = BTreeMap<String, Option<Vec<u8>>>;

const NAMES: [&str; 4] = ["a", "b", "ç d", "e.dat"];
const STEPS: usize = 250;

pub async fn any_sequence_of_changes_agrees_with_a_model(w: World) {
    let mut random = Random::new(20_261_120);
    let mut model = Model::new();
    for step in 0..STEPS {
        let before = folder_etags(&w, &model).await;
        let (one, two) = (path(&mut random), path(&mut random));
        let what = random.below(6);
        let said = format!("step {step}: {what} {one} {two}");
        let touched = match what {
            0 => put(&w, &mut model, &one, &mut random).await,
            1 => make_folder(&w, &mut model, &one).await,
            2 => remove(&w, &mut model, &one).await,
            3 => relocate(&w, &mut model, &one, &two).await,
            4 => copy(&w, &mut model, &one, &two).await,
            _ => restore(&w, &mut model).await,
        };
        assert_eq!(tree(&w).await, model, "{said}");
        let after = folder_etags(&w, &model).await;
        for (folder, (id, etag)) in &after {
            // A folder that was replaced by another is another item.
            let Some((_, old)) = before.get(folder).filter(|(before, _)| before == id) else { continue };
            let expected = touched.iter().any(|path| is_at_or_below(path, folder));
            assert_eq!(old != etag, expected, "{said}: the ETag of {folder}, changed: {touched:?}");
        }
    }
    assert!(model.len() > 3, "the sequence should not end in an empty tree");
    w.assert_clean().await;
}

fn path(random: &mut Random) -> String {
    (0..=random.below(3)).map(|_| format!("/{}", NAMES[random.below(4)])).collect()
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn is_at_or_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn has_folder(model: &Model, path: &str) -> bool {
    path.is_empty() || model.get(path) == Some(&None)
}

fn below(model: &Model, top: &str) -> Model {
    model.iter().filter(|(path, _)| is_at_or_below(path, top)).map(|(p, c)| (p.clone(), c.clone())).collect()
}

/// Folders in which something appeared or vanished; an overwritten file counts by its folder.
type Touched = Vec<String>;

async fn put(w: &World, model: &mut Model, path: &str, random: &mut Random) -> Touched {
    let size = if random.below(4) == 0 { 70_000 } else { 20 };
    let content = vec![random.below(256) as u8; size];
    let outcome = w.try_put(&w.anna, &w.at(path), &content, Intent::default()).await;
    if !has_folder(model, folder_of(path)) {
        assert!(matches!(outcome, Err(Error::ParentMissing)), "{path}");
        return vec![];
    }
    if has_folder(model, path) {
        assert!(matches!(outcome, Err(Error::IsFolder)), "{path}");
        return vec![];
    }
    assert_eq!(outcome.unwrap().created, !model.contains_key(path));
    model.insert(path.to_owned(), Some(content));
    vec![folder_of(path).to_owned()]
}

async fn make_folder(w: &World, model: &mut Model, path: &str) -> Touched {
    let outcome = w.domain.make_folder(&w.anna, &w.at(path), &Conditions::default()).await;
    if !has_folder(model, folder_of(path)) {
        assert!(matches!(outcome, Err(Error::ParentMissing)), "{path}");
        return vec![];
    }
    if model.contains_key(path) {
        assert!(matches!(outcome, Err(Error::Exists)), "{path}");
        return vec![];
    }
    outcome.unwrap();
    model.insert(path.to_owned(), None);
    vec![folder_of(path).to_owned()]
}

async fn remove(w: &World, model: &mut Model, path: &str) -> Touched {
    let outcome = w.domain.remove(&w.anna, &w.at(path), &Conditions::default()).await;
    if !model.contains_key(path) {
        assert!(matches!(outcome, Err(Error::NotFound)), "{path}");
        return vec![];
    }
    outcome.unwrap();
    model.retain(|other, _| !is_at_or_below(other, path));
    vec![folder_of(path).to_owned()]
}

/// Whether a move or copy may happen; both follow the same rules about the destination.
fn may_arrive(model: &Model, from: &str, to: &str) -> bool {
    let nested = is_at_or_below(from, to) || is_at_or_below(to, from);
    model.contains_key(from) && has_folder(model, folder_of(to)) && !nested
}

fn arrive(model: &mut Model, from: &str, to: &str) {
    let moving = below(model, from);
    model.retain(|path, _| !is_at_or_below(path, to));
    model.extend(moving.into_iter().map(|(path, content)| (format!("{to}{}", &path[from.len()..]), content)));
}

async fn relocate(w: &World, model: &mut Model, from: &str, to: &str) -> Touched {
    let outcome = w.domain.relocate(&w.anna, &w.at(from), &w.at(to), REPLACE, &Conditions::default()).await;
    if !may_arrive(model, from, to) {
        assert!(outcome.is_err(), "{from} {to}");
        return vec![];
    }
    assert_eq!(outcome.unwrap().replaced, model.contains_key(to));
    arrive(model, from, to);
    model.retain(|path, _| !is_at_or_below(path, from));
    vec![folder_of(from).to_owned(), folder_of(to).to_owned()]
}

async fn copy(w: &World, model: &mut Model, from: &str, to: &str) -> Touched {
    let depth = CopyDepth::Infinity;
    let outcome = w.domain.copy(&w.anna, &w.at(from), &w.at(to), depth, true, &Conditions::default()).await;
    if !may_arrive(model, from, to) {
        assert!(outcome.is_err(), "{from} {to}");
        return vec![];
    }
    assert_eq!(outcome.unwrap().replaced, model.contains_key(to));
    arrive(model, from, to);
    vec![folder_of(to).to_owned()]
}

/// Restores what was deleted last; the model learns from the answer where it went and what it holds.
async fn restore(w: &World, model: &mut Model) -> Touched {
    let trash = w.domain.trash(&w.anna, w.space).await.unwrap();
    let Some((entry, item)) = trash.first() else { return vec![] };
    let restored = w.domain.restore(&w.anna, entry.item).await.unwrap();
    assert_eq!((restored.id, restored.size), (item.id, item.size));
    let now = tree(w).await;
    let added: Vec<&String> = now.keys().filter(|path| !model.contains_key(*path)).collect();
    let top = added.iter().min_by_key(|path| path.len()).expect("something came back");
    assert!(added.iter().all(|path| is_at_or_below(path, top)), "{added:?}");
    let touched = vec![folder_of(top).to_owned()];
    assert!(model.iter().all(|(path, content)| now.get(path) == Some(content)), "nothing else changed");
    *model = now;
    touched
}

/// The tree as the domain shows it.
async fn tree(w: &World) -> Model {
    let membership = w.membership().await;
    let mut found = Model::new();
    let mut open = vec![String::new()];
    while let Some(folder) = open.pop() {
        let item = w.item(&folder).await;
        for child in w.domain.children(&membership, &item).await.unwrap() {
            let path = format!("{folder}/{}", child.name);
            if child.is_folder() {
                open.push(path.clone());
                found.insert(path, None);
            } else {
                let content = w.read(&path).await;
                found.insert(path, Some(content));
            }
        }
    }
    found
}

async fn folder_etags(w: &World, model: &Model) -> BTreeMap<String, (ItemId, ETag)> {
    let mut etags = BTreeMap::new();
    for path in model.iter().filter(|(_, content)| content.is_none()).map(|(path, _)| path.as_str()).chain([""]) {
        let item = w.item(path).await;
        etags.insert(path.to_owned(), (item.id, item.etag()));
    }
    etags
}

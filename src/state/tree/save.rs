//! Handing the nodes of a tree over to what keeps them.

use std::sync::Arc;

use super::node::Entry;
use super::{Children, Link, Node, NodePlace, NodeSource, Tree};

/// What keeps nodes and the things that leaves name.
pub trait Keeper<L> {
    /// Why it can not.
    type Error;

    /// Keeps a node whose children are kept.
    ///
    /// # Errors
    /// When it can not.
    fn node(&mut self, node: &Node<L>) -> Result<NodePlace, Self::Error>;

    /// Keeps what a leaf names; the leaf as it is then.
    ///
    /// # Errors
    /// When it can not.
    fn leaf(&mut self, leaf: &L) -> Result<L, Self::Error>;
}

impl<L: Clone> Tree<L> {
    /// The same tree with every node handed to `keeper`, children before parents, except for those that a source
    /// keeps already. `source` gives them back.
    ///
    /// # Errors
    /// What the keeper gives.
    pub fn save<K: Keeper<L>>(
        &self,
        keeper: &mut K,
        source: Arc<dyn NodeSource<L>>,
    ) -> Result<Self, K::Error> {
        let save = |top: &Entry<L>| {
            let link = save_link(&top.link, keeper)?;
            let (hash, height) = (top.hash, top.height);
            Ok(Entry { hash, height, link })
        };
        Ok(Self {
            height: self.height,
            top: self.top.as_ref().map(save).transpose()?,
            root: self.root,
            source,
            part: self.part.clone(),
        })
    }
}

fn save_link<L, K: Keeper<L>>(link: &Link<L>, keeper: &mut K) -> Result<Link<L>, K::Error> {
    Ok(match link {
        Link::Leaf { at, hash, leaf } => Link::Leaf {
            at: *at,
            hash: *hash,
            leaf: keeper.leaf(leaf)?,
        },
        Link::Node(node) => {
            let node = save_children(node, keeper)?;
            Link::Stored {
                place: keeper.node(&node)?,
                level: node.level(),
                position: node.position(),
            }
        }
        Link::Stored {
            place,
            level,
            position,
        } => Link::Stored {
            place: *place,
            level: *level,
            position: *position,
        },
    })
}

fn save_children<L, K: Keeper<L>>(node: &Node<L>, keeper: &mut K) -> Result<Node<L>, K::Error> {
    let children = match node.children() {
        Children::Leaves(leaves) => {
            let leaves: Result<_, _> = leaves.iter().map(|leaf| keeper.leaf(leaf)).collect();
            Children::Leaves(leaves?)
        }
        Children::Links(links) => {
            let links: Result<_, _> = links.iter().map(|link| save_link(link, keeper)).collect();
            Children::Links(links?)
        }
    };
    Ok(node.with_children(children))
}

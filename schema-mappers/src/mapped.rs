//! What comes out of the registry: changes and rows at another version.

use journal_core::model::{Name, Row};

use crate::image::Image;

/// What a change has become: usually one image, without a list around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    pub(crate) first: Option<Image>,
    pub(crate) rest: Vec<Image>,
}

impl Mapped {
    pub(crate) fn one(image: Image) -> Self {
        Self { first: Some(image), rest: Vec::new() }
    }

    /// How many images.
    pub fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    /// Whether a mapper in Rust made nothing of the change.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The images in order.
    pub fn iter(&self) -> impl Iterator<Item = &Image> {
        self.first.iter().chain(&self.rest)
    }
}

impl IntoIterator for Mapped {
    type Item = Image;
    type IntoIter = std::iter::Chain<std::option::IntoIter<Image>, std::vec::IntoIter<Image>>;
    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.rest)
    }
}

impl FromIterator<Image> for Mapped {
    fn from_iter<I: IntoIterator<Item = Image>>(images: I) -> Self {
        let mut images = images.into_iter();
        Self { first: images.next(), rest: images.collect() }
    }
}

/// A ledger row at another version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedRow {
    /// Its table there.
    pub table: Name,
    /// The row, whole: a column that nothing was said about is NULL.
    pub row: Row,
    /// Its complement there.
    pub complement: Row,
}

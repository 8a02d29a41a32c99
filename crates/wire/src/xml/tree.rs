//! A document as a small tree, built within bounds and only then looked at.

use quick_xml::{
    Reader,
    escape::resolve_xml_entity,
    events::{BytesRef, BytesStart, Event},
};

use super::{DEPTH_MAX, DOCUMENT_BYTES_MAX, ELEMENTS_MAX, XmlError};

/// An element without its attributes and namespace, with all of its text run together.
#[derive(Default)]
pub(super) struct Element {
    pub(super) name: String,
    text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    pub(super) fn into_children(self, name: &str) -> impl Iterator<Item = Self> {
        self.children.into_iter().filter(move |child| child.name == name)
    }

    pub(super) fn take_text(&mut self, name: &str) -> Option<String> {
        self.children.iter_mut().find(|child| child.name == name).map(|child| std::mem::take(&mut child.text))
    }

    /// The names and texts of the children whose names start with `start`.
    pub(super) fn into_texts(self, start: &str) -> impl Iterator<Item = (String, String)> {
        let children = self.children.into_iter().filter(move |child| child.name.starts_with(start));
        children.map(|child| (child.name, child.text))
    }

    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        self.children.iter().filter(|child| child.name == name).map(|child| child.text.clone()).collect()
    }
}

/// Which attributes are let through. They are not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attributes {
    /// `xmlns`
    Namespace,
    /// And `xsi:type`, which the grantees of an ACL have.
    NamespaceAndType,
}

/// Reads a whole document, whose root must be called `root`.
pub(super) fn parse(document: &[u8], root: &'static str) -> Result<Element, XmlError> {
    parse_with(document, root, Attributes::Namespace)
}

/// [`parse`] with a choice of attributes.
pub(super) fn parse_with(
    document: &[u8],
    root: &'static str,
    attributes: Attributes,
) -> Result<Element, XmlError> {
    if document.len() > DOCUMENT_BYTES_MAX {
        return Err(XmlError::TooLarge);
    }
    // S3 sends white space to keep a slow answer's connection open.
    let mut reader = Reader::from_reader(document.trim_ascii_start());
    reader.config_mut().expand_empty_elements = true;
    let mut tree = Tree::default();
    loop {
        match reader.read_event().map_err(|_| XmlError::Malformed)? {
            Event::Start(start) => {
                check_attributes(&start, attributes)?;
                tree.open(&start)?;
            }
            Event::End(_) => tree.close()?,
            Event::Text(text) => tree.text(&text.decode().map_err(|_| XmlError::Malformed)?)?,
            Event::CData(data) => tree.text(&data.decode().map_err(|_| XmlError::Malformed)?)?,
            Event::GeneralRef(entity) => tree.text(&resolve(&entity)?)?,
            Event::DocType(_) => return Err(XmlError::Doctype),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::Empty(_) => {}
            Event::Eof => break,
        }
    }
    let element = tree.finish()?;
    if element.name == root { Ok(element) } else { Err(XmlError::Root(root)) }
}

/// What was read so far: the elements that are still open, outermost first, and the root once it is closed.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl Tree {
    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), XmlError> {
        if self.root.is_some() {
            return Err(XmlError::Malformed);
        }
        if self.open.len() == DEPTH_MAX {
            return Err(XmlError::TooDeep);
        }
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return Err(XmlError::TooManyElements);
        }
        let name =
            str::from_utf8(start.local_name().into_inner()).map_err(|_| XmlError::Malformed)?.to_owned();
        self.open.push(Element { name, ..Element::default() });
        Ok(())
    }

    /// Text outside of the root can only be white space. No XML can hold NUL, so what did could not be written again.
    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        match self.open.last_mut() {
            _ if text.contains('\0') => return Err(XmlError::Malformed),
            Some(element) => element.text.push_str(text),
            None if text.trim_ascii().is_empty() => {}
            None => return Err(XmlError::Malformed),
        }
        Ok(())
    }

    /// The reader has checked that the names of the tags are the same.
    fn close(&mut self) -> Result<(), XmlError> {
        let element = self.open.pop().ok_or(XmlError::Malformed)?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn finish(self) -> Result<Element, XmlError> {
        self.root.ok_or(XmlError::Malformed)
    }
}

/// The check for duplicates is off: it compares each attribute with all others, and these are not used.
fn check_attributes(start: &BytesStart<'_>, allowed: Attributes) -> Result<(), XmlError> {
    for attribute in start.attributes().with_checks(false) {
        let name = attribute.map_err(|_| XmlError::Malformed)?.key;
        let is_type = allowed == Attributes::NamespaceAndType && name.local_name().into_inner() == b"type";
        if name.as_namespace_binding().is_none() && !is_type {
            return Err(XmlError::Attribute);
        }
    }
    Ok(())
}

fn resolve(entity: &BytesRef<'_>) -> Result<String, XmlError> {
    let character = entity.resolve_char_ref().map_err(|_| XmlError::Entity)?;
    if let Some(character) = character {
        return Ok(character.to_string());
    }
    let name = entity.decode().map_err(|_| XmlError::Malformed)?;
    resolve_xml_entity(&name).map(str::to_owned).ok_or(XmlError::Entity)
}

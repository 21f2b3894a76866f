//! Reading fields off the front of untrusted bytes. Never panics and never allocates.

/// The bytes end inside a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut;

/// Bytes of which a front part has been read.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What has not been read yet.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Cut> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(Cut)?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN], Cut> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Cut)?;
        self.0 = rest;
        Ok(*head)
    }

    /// A count: four bytes.
    pub(crate) fn count(&mut self) -> Result<usize, Cut> {
        let count = u32::from_le_bytes(self.array()?);
        usize::try_from(count).map_err(|_| Cut)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Cut> {
        self.array::<1>().map(|[byte]| byte)
    }
}

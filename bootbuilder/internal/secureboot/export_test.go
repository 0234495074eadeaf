package secureboot

// For tests.
var (
	IndirectData     = indirectData
	SignedAttributes = signedAttributes
)

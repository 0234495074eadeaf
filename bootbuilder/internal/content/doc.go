// Package content says what a file on $BOOT shall hold, as a value: a text, a copy, several
// files joined, or a Xen image with sections added. Where the bytes come from is named by
// a [Source]; a [Reader] reads them, each once.
//
// A file of the Nix store never changes under its path, so there its path is its identity and
// no byte of it is read to tell whether an image is up to date. What lies on $BOOT may
// be anybody's: it is identified by its SHA-256, and what is written is held against that
// while it streams. Nothing that was written is read back in order to sign it.
//
// Left out: what is written where, and in which order.
package content

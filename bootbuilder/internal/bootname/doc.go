// Package bootname makes and recognises the names of files on $BOOT: each name that this
// project makes is recognised beside where it is made, and so are those of nixpkgs'
// xen-boot-builder.sh and of earlier versions, which are taken over.
//
// Names of payload carry a hash of what is inside, so that no file that an entry names
// is ever rewritten. The one exception are the script's own names, which the layout
// "embedded" uses where they are free.
//
// It knows names only: whether a file is there, and what it holds, is for others to say.
package bootname

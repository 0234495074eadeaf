package xencfg

import "bytes"

// Named are the names in a xen.cfg of all files that Xen reads by it, whichever section its options choose, and those of the xen.cfg
// that it goes on with (chain=). It is for what must not be deleted: it may name too many, never too few.
func Named(b []byte) (files, chain []string) {
	f := preParse(b)
	add := func(list *[]string, name string) {
		if name != "" {
			*list = append(*list, name)
		}
	}
	for at := 0; at < len(f); {
		end := at + bytes.IndexByte(f[at:], 0)
		key, _, _ := bytes.Cut(f[at:end], []byte("="))
		value := at + len(key) + 1
		for value < end && isSpace(f[value]) {
			value++
		}
		switch string(key) {
		case fieldKernel, fieldDTB, fieldUcode:
			word, _ := f.split(min(value, end)) // what it leaves is the next line, as for Xen
			add(&files, word)
			end = at + bytes.IndexByte(f[at:], 0)
		case fieldRamdisk, fieldXSM:
			add(&files, f.text(min(value, end)))
		case "chain":
			add(&chain, f.text(min(value, end)))
		}
		at = end + 1
	}
	return files, chain
}
